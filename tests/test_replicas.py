"""Real processes of `serve` on one store: each unit is polled by one, and by another once that one is killed."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.records import authorize, write_trail
from tests.test_serve import Server

SOURCES = tuple(f"trail-{number}" for number in range(8))
_POLLED = re.compile(r'^awschange_exporter_polls_total{source="([^"]+)"', re.MULTILINE)
_READ = re.compile(r'^awschange_exporter_last_success_timestamp_seconds{source="([^"]+)"', re.MULTILINE)
EVENTS = 'awschange_channel_events_total{account_id="111122223333",region="us-east-1"'


class Replica(Server):
    """One of several processes on one store."""

    def __init__(self, directory: Path, name: str, store: dict[str, Any]) -> None:
        sources = [{"type": "files", "name": source, "path": str(directory / source), "poll_interval": "300ms"} for source in SOURCES]
        (directory / name).mkdir()
        super().__init__(directory / name, store=store, sources=sources)

    def sources(self, pattern: re.Pattern[str] = _POLLED) -> set[str]:
        """Return the sources of the series that a pattern finds."""
        return set(pattern.findall(self.get("/metrics")[1]))

    def counted(self) -> float:
        """Return how many events were counted, of whatever channel."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(EVENTS))


@pytest.fixture(params=["sqlite", "postgres"])
def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Replica]]:
    """Return three processes that share eight sources: on a file because they are told to, on a database without being told."""
    store: dict[str, Any] = {"path": str(tmp_path / "state.db"), "replicas": True}
    if request.param == "postgres":
        store = {"url": request.getfixturevalue("postgres").place()}
    for source in SOURCES:
        (tmp_path / source).mkdir()
    with ExitStack() as stack:
        made = []
        for name in ("a", "b", "c"):
            made.append(Replica(tmp_path, name, store))
            stack.callback(made[-1].process.wait)
            stack.callback(made[-1].process.kill)
        yield made


def shared(replicas: list[Replica]) -> bool:
    """Return whether each source is polled by one of these. By their names, one of three may have none of eight."""
    return sorted(source for replica in replicas for source in replica.sources()) == sorted(SOURCES)


def test_units_of_a_killed_replica_move_and_every_page_has_the_same_counts(tmp_path: Path, replicas: list[Replica]) -> None:
    """What only the dead one polled would be unseen until somebody restarts it, and nobody would be paged: the others are well."""
    first = replicas[0]
    first.wait(lambda: all(replica.sources(_READ) == set(SOURCES) for replica in replicas))
    first.wait(lambda: [replica.value("awschange_exporter_replicas") for replica in replicas] == [3, 3, 3])
    first.wait(lambda: shared(replicas))
    for number, source in enumerate(SOURCES):
        write_trail(tmp_path / source / "a.json", authorize(number, when=datetime.now(UTC)))
    first.wait(lambda: [replica.counted() for replica in replicas] == [8, 8, 8])
    first, second, busiest = sorted(replicas, key=lambda replica: len(replica.sources()))
    busiest.stop(signal.SIGKILL)
    first.wait(lambda: shared([first, second]))
    for number, source in enumerate(SOURCES):
        write_trail(
            tmp_path / source / "b.json", authorize(number, when=datetime.now(UTC)), authorize(100 + number, when=datetime.now(UTC))
        )
    first.wait(lambda: [replica.counted() for replica in (first, second)] == [16, 16])
    assert second.stop() < 5
    assert second.process.returncode == 0
    first.wait(lambda: shared([first]))
    assert not [line for line in first.lines() if line["level"] == "error"], first.log.read_text()
