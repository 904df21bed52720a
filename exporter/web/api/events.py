"""Events: a page of those that match, one of them, and the record that CloudTrail wrote of it."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from exporter.history import cursor, format_time, row
from exporter.store.base import HistoryEvent, Position, Query
from exporter.web.api.answers import Answer, digest, held, to_json, unchanged
from exporter.web.api.endpoint import Asked, Endpoint, Rooms
from exporter.web.api.filters import EXAMPLE_ID, FILTERS, is_relative, query_of
from exporter.web.api.parameters import Parameter
from exporter.web.api.problems import Problem
from exporter.web.http import Response

MAX_BYTES = 4 << 20
"""A page ends early once its rows are as long as this: a thousand events may name a thousand rules each."""
_AT_ONCE = 100
"""Events that are read together: no more than these are in memory beside the page."""


def _events(rooms: Rooms, asked: Asked) -> Answer | Response:
    query = query_of(asked, rooms.now())
    tag = _tag(rooms, asked)
    known = held(asked.request, tag) if tag else None
    if known is not None:
        return unchanged(known)
    rows, last = _page(rooms, query, asked["limit"])
    following = cursor.encode(last) if last is not None else None
    headers = () if following is None else (("Link", f'<?{_following(asked, query, following)}>; rel="next"'),)
    body = b'{"events":[' + b",".join(rows) + b'],"next":' + to_json(following).strip() + b"}\n"
    return Answer(body, headers, tag)


def _tag(rooms: Rooms, asked: Asked) -> str:
    """Return what stands for the answer without a look at the events; empty where it depends on the time of asking."""
    if is_relative(asked):
        return ""
    # Before the search: what is stored meanwhile may already be in the body, and then it comes again under the next tag.
    revision = rooms.store.revision()
    return digest(rooms.process.encode(), str(revision).encode(), repr(sorted(asked.values.items())).encode("utf-8", "surrogatepass"))


def _page(rooms: Rooms, query: Query, limit: int) -> tuple[list[bytes], Position | None]:
    """Return the rows of a page, and where it ended if more may follow."""
    rows: list[bytes] = []
    size, last = 0, query.after
    while True:
        wanted = min(_AT_ONCE, limit - len(rows) + 1)
        found = rooms.store.search(replace(query, after=last, limit=wanted))
        for item in found:
            made = to_json(row(item)).strip()
            size += len(made)
            if len(rows) == limit or (rows and size > MAX_BYTES):
                return rows, last
            rows.append(made)
            last = Position(item.event.event_time, item.event.event_id)
        if len(found) < wanted:
            return rows, None


def _following(asked: Asked, query: Query, following: str) -> str:
    """Return the query string of the page behind; a time that was told as so long ago must not move from page to page."""
    times = {"since": query.since, "until": query.until}
    given: list[tuple[str, Any]] = []
    for parameter in FILTERS:
        value = asked[parameter.name]
        moment = times.get(parameter.name)
        if parameter.name == "cursor" or value in (None, ()):
            continue
        given += (
            [(parameter.name, each) for each in value]
            if parameter.repeated
            else [(parameter.name, value if moment is None else format_time(moment))]
        )
    return urlencode([*given, ("cursor", following)])


def _found(rooms: Rooms, asked: Asked, raw: bool = False) -> HistoryEvent:
    found = rooms.store.search(Query(event_ids=(asked["event_id"],), limit=1, raw=raw))
    if not found:
        raise Problem(HTTPStatus.NOT_FOUND, _NO_EVENT)
    return found[0]


def _event(rooms: Rooms, asked: Asked) -> Answer:
    return Answer(to_json(row(_found(rooms, asked))))


def _record(rooms: Rooms, asked: Asked) -> Answer:
    raw = _found(rooms, asked, raw=True).event.raw
    if not raw:
        raise Problem(HTTPStatus.NOT_FOUND, _NO_RECORD)
    return Answer(raw)


_NO_EVENT = "No event of this id is stored: it never came, or is older than store.retention."
_NO_RECORD = "No record brought this event: it is what a reading of the rules found changed."
_ID = Parameter("event_id", "The id of the event.", {"type": "string"}, "the id of an event", in_path=True, example=EXAMPLE_ID)

EVENTS = (
    Endpoint(
        "/api/v1/events",
        "searchEvents",
        "Changes that match, newest first",
        "Every filter that is given must match; of one that is repeated, any of its values. Without a filter: all that is stored.",
        "EventPage",
        _events,
        FILTERS,
        headers={"Link": 'The page behind this one, as `<?…>; rel="next"`; absent where this is the last.'},
        examples=(
            "/api/v1/events?security_group_id=sg-0123456789abcdef0&since=90d",
            "/api/v1/events?event_name=AuthorizeSecurityGroupIngress&event_name=ModifySecurityGroupRules&outcome=success&text=0.0.0.0/0",
        ),
    ),
    Endpoint(
        "/api/v1/events/{event_id}", "getEvent", "One change", "The same row as in a search.", "Event", _event, (_ID,), _NO_EVENT,
        examples=(f"/api/v1/events/{EXAMPLE_ID}",),
    ),
    Endpoint(
        "/api/v1/events/{event_id}/record",
        "getRecord",
        "The record that CloudTrail wrote of a change",
        "Byte for byte as it came, or as AWS replaced it later. All in it is whoever made the call's to choose.",
        "Record",
        _record,
        (_ID,),
        f"{_NO_EVENT} Or: {_NO_RECORD}",
        examples=(f"/api/v1/events/{EXAMPLE_ID}/record",),
    ),
)  # fmt: skip
