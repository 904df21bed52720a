"""When a call was made, and whether its record has a version that can be read."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from exporter.errors import MalformedRecord
from exporter.parse.dialect import text

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})? ?(?:(Z)|([+-][0-9]{2}):?([0-9]{2}))?", re.IGNORECASE
)
_VERSION = re.compile(r"\s*([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.[0-9]{1,9})*\s*")


def event_time(value: object) -> datetime:
    """Return eventTime in UTC; raise MalformedRecord("event_time") where it is missing or unreadable.

    RFC 3339 with fractions and offsets is read, and `2021-01-24 04:55:45.000` (UTC), as data lakes write it.
    """
    match = _TIME.fullmatch(value) if isinstance(value, str) and len(value) <= 64 else None
    if match is None:
        raise MalformedRecord("event_time", f"eventTime is {_shown(value)}, not a time such as 2026-01-31T00:00:00Z")
    day, clock, fraction, _, hours, minutes = match.groups()
    offset = f"{hours}:{minutes}" if hours else "+00:00"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{(fraction or '')[:7]}{offset}")
        return moment.astimezone(UTC) if hours else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise MalformedRecord("event_time", f"eventTime is {_shown(value)}, which no calendar has") from None


def version(value: object) -> tuple[int, int] | None:
    """Return an eventVersion as numbers, so that 1.08 stands before 1.10; None where it is missing or not numeric."""
    spelled = text(value, 64)
    match = _VERSION.fullmatch(spelled) if spelled else None
    if match is None:
        return None
    return int(match.group(1)), int(match.group(2) or 0)


def check_version(value: object) -> None:
    """Raise MalformedRecord("event_version") for a major version other than 1; unknown minors are only additions."""
    if value == "1.08":
        return
    numbers = version(value)
    if numbers is not None and numbers[0] != 1:
        raise MalformedRecord("event_version", f"eventVersion is {_shown(value)}; only 1.x is understood")


def _shown(value: object) -> str:
    return "missing" if value is None else repr(text(value, 64) if not isinstance(value, list) else "a list")
