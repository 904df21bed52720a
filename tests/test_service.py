"""The service in this process: what a reload finds under way, and what it leaves behind."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.config import load
from exporter.errors import StoreError
from exporter.logs import make_logger
from exporter.model import Unit
from exporter.service import Service
from exporter.sources.base import Batch, FetchContext
from exporter.sources.files import FilesSource


class Rig:
    """A service whose polls of the source `slow` wait until they are let go."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.config = directory / "config.yml"
        self.directory = directory
        self.entered, self.release = threading.Event(), threading.Event()
        original = FilesSource.fetch

        def fetch(source: FilesSource, context: FetchContext) -> Iterator[Batch]:
            if source.name == "slow":
                self.entered.set()
                assert self.release.wait(10)
            yield from original(source, context)

        patch.setattr(FilesSource, "fetch", fetch)
        self.write("slow", "quick")
        self.log = io.StringIO()
        self.service = Service(load(self.config), self.config, make_logger("error", "json", self.log))

    def write(self, *names: str) -> None:
        """Configure sources of these names."""
        sources: list[dict[str, Any]] = []
        for name in names:
            (self.directory / name).mkdir(exist_ok=True)
            sources.append({"type": "files", "name": name, "path": str(self.directory / name), "poll_interval": "1h"})
        self.config.write_text(json.dumps({"store": {"path": str(self.directory / "state.db")}, "sources": sources}))

    def page(self) -> str:
        return self.service.pipeline.exposition.page().body.decode()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Return a running service; it is stopped at the end."""
    made = Rig(tmp_path, monkeypatch)
    made.service.start()
    yield made
    made.release.set()
    made.service.stop()


def wait_until(condition: Any, seconds: float = 10.0) -> None:
    """Wait for a condition, failing after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def test_a_source_that_a_reload_removed_while_it_was_polled_leaves_the_page_for_good(rig: Rig) -> None:
    """Its last poll, written down after the reload, would stand there for ever, and with it an alert that nobody can resolve."""
    assert rig.entered.wait(5)
    rig.write("quick")
    assert rig.service.reload()
    assert 'poll_failures_total{source="slow"' not in rig.page()
    busy = rig.service._busy["slow", "", ""]
    rig.release.set()
    wait_until(lambda: not busy.locked())
    # Once at the start and once after the reload, and either may be over before this look.
    wait_until(lambda: re.search(r'polls_total\{source="quick",account_id="",region=""\} [1-9]', rig.page()))
    left = [line for line in rig.page().splitlines() if 'source="slow"' in line]
    assert [line for line in left if not line.startswith("awschange_exporter_records_")] == []


def test_a_source_that_is_kept_stays_on_the_page_over_a_reload(rig: Rig) -> None:
    """Otherwise each reload would look like a source that was never read."""
    wait_until(lambda: 'polls_total{source="quick",account_id="",region=""} 1' in rig.page())
    assert rig.service.reload()
    assert 'poll_success{source="quick",account_id="",region=""} 1' in rig.page()
    wait_until(lambda: 'polls_total{source="quick",account_id="",region=""} 2' in rig.page())


def test_a_store_that_cannot_be_written_is_said_once_for_each_outage(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried each second: a line each time would fill what is left of the disk."""
    outage = StoreError("state.db: the disk is full")

    def fail() -> int:
        raise outage

    for _ in range(2):
        with monkeypatch.context() as broken:
            broken.setattr(rig.service.pipeline.exposition, "flush_exposed", fail)
            for _ in range(3):
                rig.service._flush_exposed()
        rig.service._flush_exposed()
    assert rig.log.getvalue().count("new series stay at 0 until the store can be written") == 2
    failures = re.search(r'^awschange_exporter_store_errors_total\{operation="mark_exposed"\} (\d+)$', rig.page(), re.MULTILINE)
    assert failures is not None
    assert int(failures.group(1)) >= 6


def test_what_is_usual_is_on_the_page_soon_after_the_start_and_stays_over_reloads(rig: Rig) -> None:
    """Without it the rule has nothing to compare with; and a reload that took it off the page would resolve every page."""
    rig.service.store.register([Unit("111122223333", "us-east-1")])
    rig.release.set()
    wait_until(lambda: "awschange_expected_changes_upper{" in rig.page())
    worked_out = re.search(r"^awschange_exporter_expectation_timestamp_seconds (\d+)", rig.page(), re.MULTILINE)
    assert worked_out is not None
    assert abs(int(worked_out.group(1)) - time.time()) < 30
    assert rig.service.reload()
    assert "awschange_expected_changes_upper{" in rig.page()
    config = json.loads(rig.config.read_text())
    rig.config.write_text(json.dumps({**config, "baseline": {"history": "30d"}}))
    assert rig.service.reload()
    assert "awschange_expected_changes_upper{" in rig.page()


def test_a_history_that_cannot_be_read_is_counted_and_leaves_the_time_as_it_was(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound of yesterday that looks like one of today is trusted."""
    wait_until(lambda: rig.service.pipeline.forecaster.renewed is not None)
    before = re.search(r"^awschange_exporter_expectation_timestamp_seconds .*$", rig.page(), re.MULTILINE)

    def fail(_since: object) -> None:
        raise StoreError("state.db: the disk is gone")

    monkeypatch.setattr(rig.service.store, "hourly_counts", fail)
    monkeypatch.setattr(rig.service.pipeline.forecaster, "due", lambda _now: True)
    rig.service._forecast()
    assert re.search(r'^awschange_exporter_store_errors_total\{operation="hourly_counts"\} [1-9]', rig.page(), re.MULTILINE)
    assert before is not None
    assert before[0] in rig.page()
    assert "the gauges stay as they were" in rig.log.getvalue()
