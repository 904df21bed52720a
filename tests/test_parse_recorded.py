"""The parser over recorded records from public repositories, against counts worked out by another program."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from exporter.catalog import WATCH_SETS, Watch
from exporter.errors import MalformedRecord
from exporter.model import ChangeEvent, Ignored, Outcome
from exporter.parse import RecordParser
from tests.cloudtrail_fixtures import nothing_opened

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    path = DATA / "records.truth.json"
    if not path.exists():
        pytest.skip("../shared/data is not here")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def parsed_records(*sets: str) -> Iterator[ChangeEvent | Ignored | MalformedRecord]:
    parser = RecordParser(Watch(sets), nothing_opened)
    with gzip.open(DATA / "records.ndjson.gz") as lines:
        for line in lines:
            try:
                yield parser.parse(orjson.loads(line), line)
            except MalformedRecord as error:
                yield error


def per_group(*sets: str) -> dict[str, dict[str, dict[str, int]]]:
    counts: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(lambda: {"ok": 0, "error": 0}))
    for parsed in parsed_records(*sets):
        if isinstance(parsed, ChangeEvent):
            column = "ok" if parsed.outcome in (Outcome.SUCCESS, Outcome.NOOP) else "error"
            for group in parsed.security_groups or ("(none)",):
                counts[group][parsed.event_name][column] += 1
    return {group: dict(events) for group, events in counts.items()}


def test_changes_per_group_are_those_counted_by_eye(truth: dict[str, Any]) -> None:
    """Every change of every group, success and error apart."""
    assert per_group("security_groups", "legacy_security_groups") == truth["per_group_event"]


def test_attachments_per_group_are_those_counted_by_eye(truth: dict[str, Any]) -> None:
    """Only attachment calls whose request names a group; the one that succeeded without any request stands apart."""
    counts = per_group("attachments")
    assert counts.pop("(none)") == {"CreateProject": {"ok": 1, "error": 0}}
    assert counts == truth["attachments_per_group"]


def test_no_recorded_record_defeats_the_parser(truth: dict[str, Any]) -> None:
    """3,120 records of a dozen origins, with all watch sets: each is an event, ignored, or malformed for a reason of its own."""
    fates: dict[str, int] = defaultdict(int)
    for parsed in parsed_records(*WATCH_SETS):
        if isinstance(parsed, MalformedRecord):
            assert parsed.reason in ("event_name", "event_time", "event_version"), parsed
        fates[type(parsed).__name__] += 1
    assert sum(fates.values()) == truth["totals"]["distinct_records"]
    assert fates["ChangeEvent"] > 100
