"""One set of records in every place that history can be read from, asked the same questions."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from urllib.request import Request, urlopen

from click.testing import CliRunner

from exporter.aws import Caller, RoleSettings
from exporter.catalog import Watch
from exporter.cli import main
from exporter.config import validate
from exporter.history import row
from exporter.history.event_history import EventHistory
from exporter.history.places import Answer, merged
from exporter.history.trail_places import open_files
from exporter.logs import make_logger
from exporter.posture.open_ingress import OpenedIngress
from exporter.posture.ports import DEFAULT_PORT_CLASSES, parse_ports
from exporter.store import open_store
from exporter.store.base import Query
from sandbox.server import Sandbox
from tests.aws_fast import Stepping, stepping_sandbox
from tests.aws_session import opened

Record: TypeAlias = Mapping[str, Any]
Row: TypeAlias = dict[str, Any]
Unit: TypeAlias = tuple[str, str]
Ask: TypeAlias = Callable[[Query], Answer]
"""Asks one place."""

KEPT = timedelta(days=89)
"""A day less than Event history keeps, so that no event stands on the edge."""
ONLY_OF_A_PLACE = ("recorded_at", "live", "sources")
"""What a row tells of the place it comes from: when we stored it, whether it counted, and who brought it."""


def comparable(rows: Iterable[Row]) -> dict[str, Row]:
    """Return rows by event id, without what only a place can know. Two rows of one event are a fault."""
    found: dict[str, Row] = {}
    for item in rows:
        assert item["event_id"] not in found, f"{item['event_id']} stands twice"
        found[item["event_id"]] = {name: value for name, value in item.items() if name not in ONLY_OF_A_PLACE}
    return found


def rows_of(answer: Answer) -> list[Row]:
    """Return the rows of an answer to which nothing is lacking."""
    assert answer.problems == [], answer.problems
    return [row(item) for item in answer.events]


def opened_ingress() -> OpenedIngress:
    """Return what tells opened ports, as it is by default."""
    return OpenedIngress({name: parse_ports(entries) for name, entries in DEFAULT_PORT_CLASSES.items()})


def write_config(directory: Path, **config: Any) -> Path:
    """Write a configuration, and return its path."""
    path = directory / "config.yml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def run(*arguments: str) -> str:
    """Run a command that must succeed, and return what it prints."""
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


@contextmanager
def stored(directory: Path, trail: Path, sets: Sequence[str]) -> Iterator[Ask]:
    """Poll files into a store; yield what asks it."""
    directory.mkdir(parents=True, exist_ok=True)
    config = write_config(
        directory,
        store={"path": str(directory / "state.db")},
        sources=[{"type": "files", "path": str(trail), "live_since": "beginning"}],
        watch={"sets": list(sets)},
    )
    run("poll", "--config.file", str(config), "--log.level", "error")
    store = open_store(directory / "state.db")
    try:
        yield lambda query: Answer(store.search(query))
    finally:
        store.close()


@contextmanager
def searched(trail: Path, sets: Sequence[str]) -> Iterator[Ask]:
    """Yield what asks trail files with SQL, as `history --from files` does."""
    config = validate({"sources": [{"type": "files", "path": str(trail)}], "watch": {"sets": list(sets)}}, "a test")
    place = open_files(config)
    try:
        yield lambda query: place.search(query, datetime.now(UTC), lambda _done, _all, _read: None)
    finally:
        place.close()


@contextmanager
def event_history(records: Sequence[Record], units: Sequence[Unit], sets: Sequence[str], at: datetime | None = None) -> Iterator[Ask]:
    """Feed the Event history of a sandbox; yield what asks for these accounts and regions, as often as their past has 90 days.

    AWS keeps 90 days and records of ten years would not be seen together: the sandbox's clock and ours are set to one time after the other,
    from the newest event back, and the answers are joined as those of several places are; `at` is the one time where one will do. No record
    is changed. A role leads to each account.
    """
    clock = Stepping()
    with stepping_sandbox(clock) as sandbox, opened(sandbox.url) as aws:
        feed(sandbox, records)
        callers: dict[Unit, Caller] = {
            (account, region): aws.role_caller(region, [RoleSettings(role_arn=f"arn:aws:iam::{account}:role/reader")])
            for account, region in units
        }
        moments = _moments(records, units) if at is None else {unit: [at] for unit in units}

        def ask(query: Query) -> Answer:
            answers = []
            everything = _first(query)
            for unit, caller in callers.items():
                history = EventHistory([caller], Watch(sets), opened_ingress(), make_logger("error", "console"), lambda _seconds: None)
                for now in moments[unit]:
                    clock.now = now
                    answers.append(history.search(everything, now))
            return merged(answers, query)

        yield ask


def feed(sandbox: Sandbox, records: Sequence[Record]) -> None:
    """Put records into Event history as they stand, as anybody could who has recorded them."""
    body = json.dumps({"Records": list(records)}).encode()
    with urlopen(Request(f"{sandbox.url}/-/records?recorded=true", data=body, method="POST")) as answer:
        assert json.loads(answer.read()) == {"kept": len(records)}


def complete(record: Record) -> bool:
    """Tell whether a record has what AWS gives each: who, where, when and which call; records by hand may not."""
    names = ("eventName", "eventSource", "eventTime", "awsRegion", "recipientAccountId", "eventID")
    return all(isinstance(record.get(name), str) for name in names) and _readable(record["eventTime"])


def _readable(moment: str) -> bool:
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return False
    return True


def unit_of(record: Record) -> Unit:
    """Return the account and region whose Event history has a record."""
    return record["recipientAccountId"], record["awsRegion"]


def _moments(records: Sequence[Record], units: Sequence[Unit]) -> dict[Unit, list[datetime]]:
    """Return the times at which Event history must be asked, so that each record of a unit is within 90 days once at least."""
    times: defaultdict[Unit, list[datetime]] = defaultdict(list)
    for record in records:
        moment = datetime.fromisoformat(record["eventTime"])
        times[unit_of(record)].append(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    moments: dict[Unit, list[datetime]] = {}
    for unit in units:
        found: list[datetime] = []
        for moment in sorted(times[unit], reverse=True):
            if not found or moment < found[-1] - KEPT:
                found.append(moment.replace(microsecond=0) + timedelta(hours=1))
        moments[unit] = found
    return moments


def _first(query: Query) -> Query:
    """Return a query for all up to the end of the page of another; `merged` cuts the page."""
    return replace(query, limit=query.offset + query.limit, offset=0)
