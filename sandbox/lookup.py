"""LookupEvents, which moto has not: Event history of one account and region, with AWS's limits.

Sources: CloudTrail API reference, LookupEvents; CloudTrail user guide, quotas (2 requests a second, 90 days).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from sandbox import json_answers
from sandbox.backend import Answer
from sandbox.calls import Call
from sandbox.identities import Identity
from sandbox.journal import Entry, Journal
from sandbox.lookup_request import Position, Refused, read_lookup
from sandbox.moments import Clock
from sandbox.rate import Rate
from sandbox.records import Record
from sandbox.resources import resources_of

PER_SECOND = 2


class Lookup:
    """Answers LookupEvents. `token_life` is how long a NextToken is good, None for ever."""

    def __init__(self, journal: Journal, clock: Clock, per_second: float = PER_SECOND, token_life: timedelta | None = None) -> None:
        self._journal, self._clock, self._token_life = journal, clock, token_life
        self._rate = Rate(per_second)

    def __call__(self, call: Call, identity: Identity) -> Answer:
        """Return one page, newest event first, or the error that AWS names."""
        unit, now = (identity.account_id, call.region), self._clock()
        if not self._rate.allows(unit, now):
            return json_answers.failure("ThrottlingException", "Rate exceeded")
        try:
            request = read_lookup(call.document, unit, now, self._token_life)
        except Refused as refused:
            return json_answers.failure(refused.code, str(refused))
        # One more than a page tells whether there is another.
        found: list[Entry] = []
        for entry in [] if request.insight else self._journal.newest_first(unit, request.start, request.end, now):
            if request.after is not None and (entry.event_time, entry.number) >= (request.after.event_time, request.after.number):
                continue
            if request.attribute is None or _matches(entry.record, *request.attribute):
                found.append(entry)
            if len(found) > request.limit:
                break
        body: dict[str, Any] = {"Events": [event_of(entry) for entry in found[: request.limit]]}
        if len(found) > request.limit:
            last = found[request.limit - 1]
            body["NextToken"] = request.token(Position(last.event_time, last.number, now))
        return json_answers.success(body)


def event_of(entry: Entry) -> dict[str, Any]:
    """Return an event as LookupEvents lists it; a service event has no user name and no key."""
    named = {name: told(entry.record) for name, told in _ATTRIBUTES.items()}
    rest = {
        "EventTime": int(entry.event_time.timestamp()),
        "Resources": resources_of(entry.record),
        "CloudTrailEvent": json.dumps(entry.record, separators=(",", ":")),
    }
    return {name: value for name, value in named.items() if value is not None} | rest


def _user_name(record: Record) -> str | None:
    """Return the name of a user, or of the session of a role."""
    identity = record.get("userIdentity") or {}
    if identity.get("type") == "Root":
        return "root"
    if identity.get("type") == "AssumedRole":
        return str(identity.get("arn", "")).rpartition("/")[2]
    name = identity.get("userName")
    return None if name is None else str(name)


_ATTRIBUTES: Mapping[str, Callable[[Record], Any]] = {
    "EventId": lambda record: record["eventID"],
    "EventName": lambda record: record["eventName"],
    "ReadOnly": lambda record: "true" if record.get("readOnly") in (True, "true") else "false",
    "AccessKeyId": lambda record: (record.get("userIdentity") or {}).get("accessKeyId"),
    "EventSource": lambda record: record["eventSource"],
    "Username": _user_name,
}
"""What events can be looked up by, beside their resources."""


def _matches(record: Record, key: str, value: str) -> bool:
    if key in _ATTRIBUTES:
        return bool(_ATTRIBUTES[key](record) == value)
    return any(resource[key] == value for resource in resources_of(record))
