"""The time, and times as people type them: `90d` ago, a day, or a moment."""

from __future__ import annotations

from datetime import UTC, datetime

from exporter.settings import parse_duration


def utc_now() -> datetime:
    """Return the time as an aware UTC value."""
    return datetime.now(UTC)


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the moment that a duration before now (`90d`), a day (`2026-01-31`) or an RFC 3339 time names, in UTC.

    Raises ValueError, with a remedy, on anything else. A time without an offset is UTC.
    """
    text = text.strip()
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r:.60} is no time; write it as 90d, 2026-01-31 or 2026-01-31T13:00:00Z") from None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError(f"{text!r:.60} is out of range; write it as 90d, 2026-01-31 or 2026-01-31T13:00:00Z") from None
