"""What LookupEvents is asked, checked as AWS checks it.

Source: CloudTrail API reference, LookupEvents, and its modeled errors.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

MOST_RESULTS = 50
HISTORY = timedelta(days=90)
ATTRIBUTES = frozenset({"AccessKeyId", "EventId", "EventName", "EventSource", "ReadOnly", "ResourceName", "ResourceType", "Username"})
_LONGEST_VALUE = 2000


class Refused(Exception):
    """A request that AWS refuses: `code` is the exception that it names."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the time and number of its last event, and when the token of the next was given."""

    event_time: datetime
    number: int
    given: datetime


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """A valid request. `attribute` is None for all events, `after` for the first page."""

    attribute: tuple[str, str] | None
    start: datetime
    end: datetime
    insight: bool
    limit: int
    after: Position | None
    binding: str

    def token(self, after: Position) -> str:
        """Return the token of the page after a position, good for the same request only."""
        body = [self.binding, after.event_time.timestamp(), after.number, after.given.timestamp()]
        return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


def read_lookup(document: Any, unit: tuple[str, str], now: datetime, token_life: timedelta | None) -> LookupRequest:
    """Return what a request of an account and region asks. Raises Refused."""
    asked = {} if document is None else document
    if not isinstance(asked, Mapping):
        raise Refused("SerializationException", "Start of structure or map found where not expected.")
    attribute = _attribute(asked.get("LookupAttributes"))
    start, end = _moment(asked.get("StartTime")), _moment(asked.get("EndTime"))
    # AWS refuses a start that it has not reached yet, which a caller whose clock is fast runs into.
    if (start is not None and end is not None and start > end) or (start is not None and start > now):
        raise Refused("InvalidTimeRangeException", "The specified time range is invalid. Start time must be before end time and now.")
    category = asked.get("EventCategory")
    if category not in {None, "insight"}:
        raise Refused("InvalidEventCategoryException", f"{category!r:.60} is not a valid event category.")
    limit = asked.get("MaxResults", MOST_RESULTS)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_RESULTS:
        raise Refused("InvalidMaxResultsException", f"MaxResults must be between 1 and {MOST_RESULTS}.")
    same = {name: value for name, value in asked.items() if name != "NextToken"}
    binding = hashlib.sha256(json.dumps([unit, same], sort_keys=True).encode()).hexdigest()
    oldest = now - HISTORY
    return LookupRequest(
        attribute,
        max(start or oldest, oldest),
        end or now,
        category is not None,
        limit,
        _position(asked.get("NextToken"), binding, now, token_life),
        binding,
    )


def _attribute(given: Any) -> tuple[str, str] | None:
    refused = Refused("InvalidLookupAttributesException", "You can specify one lookup attribute, with a valid key and value.")
    if given is None or given == []:
        return None
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], Mapping):
        raise refused
    key, value = given[0].get("AttributeKey"), given[0].get("AttributeValue")
    if key not in ATTRIBUTES or not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_VALUE:
        raise refused
    if key == "ReadOnly" and value not in {"true", "false"}:
        raise refused
    return key, value


def _moment(given: Any) -> datetime | None:
    if given is None:
        return None
    try:
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise TypeError
        return datetime.fromtimestamp(given, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Refused("InvalidTimeRangeException", f"{given!r:.60} is not a valid time.") from None


def _position(given: Any, binding: str, now: datetime, life: timedelta | None) -> Position | None:
    if given is None:
        return None
    refused = Refused("InvalidNextTokenException", "The token is invalid, has expired or was given to a request with other parameters.")
    try:
        bound, event_time, number, at = json.loads(base64.urlsafe_b64decode(given))
        position = Position(datetime.fromtimestamp(event_time, UTC), int(number), datetime.fromtimestamp(at, UTC))
    except (TypeError, ValueError, OverflowError, OSError):
        raise refused from None
    if bound != binding or (life is not None and now - position.given > life):
        raise refused
    return position
