"""The CloudTrail records of tests/fixtures/cloudtrail, one shape a file, written by hand with documentation ids."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exporter.catalog import WATCH_SETS, Watch
from exporter.errors import MalformedRecord
from exporter.model import ChangeEvent, Ignored, RuleChange
from exporter.parse import RecordParser

FOLDER = Path(__file__).parent / "fixtures" / "cloudtrail"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def load(name: str, **changes: Any) -> dict[str, Any]:
    """Return a record, with top-level fields changed; a field changed to `...` is taken away."""
    record = {**json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")), **changes}
    return {key: value for key, value in record.items() if value is not ...}


def nothing_opened(_changes: tuple[RuleChange, ...]) -> tuple[str, ...]:
    """Stand in for the open-ingress calculus where a test is not about it."""
    return ()


def parse(record: Any, sets: Iterable[str] = WATCH_SETS) -> ChangeEvent | Ignored:
    """Parse with the given watch sets; by default all of them."""
    return RecordParser(Watch(sets), nothing_opened).parse(record, b"{}")


def event(name: str, **changes: Any) -> ChangeEvent:
    """Return the event of a fixture that must be one."""
    parsed = parse(load(name, **changes))
    assert isinstance(parsed, ChangeEvent), parsed
    return parsed


def fault(record: Any) -> str:
    """Return the reason for which a record is malformed."""
    try:
        parsed = parse(record)
    except MalformedRecord as error:
        return error.reason
    raise AssertionError(f"not malformed: {parsed}")
