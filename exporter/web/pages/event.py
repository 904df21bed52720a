"""`/event`: one event whole, with what explains it or what it explains, and on demand the very record that AWS wrote."""

from __future__ import annotations

import json
from datetime import timedelta
from http import HTTPStatus

from exporter.model import ChangeEvent
from exporter.posture.entries import EVENT_NAME, is_entry
from exporter.store.base import HistoryEvent, Position, Query
from exporter.text import visible
from exporter.web.pages.asked import Parameters
from exporter.web.pages.base import Context, Page
from exporter.web.pages.render import address

_MOST_RECORD = 400_000
"""Characters of a raw record that are shown; the API has all of it."""
_MOST_LINE = 20_000
_EXPLAINED_WITHIN = timedelta(days=2)
_RELATED = 50


def event_page(context: Context, parameters: Parameters) -> Page:
    """Return the page of one event."""
    event_id = (parameters.get("event_id") or [""])[-1].strip().lower()
    if not event_id:
        return context.sorry("Which event?", "Name it: /event?event_id=… with the eventID of CloudTrail.", HTTPStatus.BAD_REQUEST)
    found = context.store.search(Query(event_ids=(event_id,), limit=1, raw=True))
    if not found:
        message = "No stored event has this id. Events arrive some minutes after the call, and are forgotten after store.retention."
        return context.sorry("No such event is stored", message)
    event = found[0].event
    (entry,) = context.entries.entries(found, whole=True)
    with_record = "record" in parameters
    text, cut = _pretty(event.raw) if with_record else ("", False)
    body = context.render(
        "event.html",
        here="",
        entry=entry,
        error_message=event.error_message or "",
        shared=event.shared_event_id if event.shared_event_id and not is_entry(event) else "",
        explains=_explained(context, event),
        previous=_before(context, event),
        with_record=with_record,
        record=text,
        record_cut=cut,
        record_link=address("event", event_id=event.event_id, record=1),
        has_record=bool(event.raw),
        api_link=f"api/v1/events/{event.event_id}",
    )
    return HTTPStatus.OK, body


def _explained(context: Context, event: ChangeEvent) -> list[dict[str, object]]:
    """Return the entries of unexplained changes that this event explained after all."""
    if is_entry(event) or not event.security_groups:
        return []
    query = Query(
        security_groups=event.security_groups[:20],
        event_names=(EVENT_NAME,),
        accounts=(event.account_id,),
        regions=(event.region,),
        since=event.event_time - timedelta(hours=1),
        until=event.event_time + _EXPLAINED_WITHIN,
        limit=_RELATED,
    )
    return [
        {"at": item.event.event_time, "link": address("event", event_id=item.event.event_id), "id": item.event.event_id}
        for item in context.store.search(query)
        if is_entry(item.event) and item.event.shared_event_id == event.event_id
    ]


def _before(context: Context, event: ChangeEvent) -> HistoryEvent | None:
    """Return the change of the same group that came before this one."""
    if len(event.security_groups) != 1:
        return None
    query = Query(
        security_groups=event.security_groups,
        accounts=(event.account_id,),
        regions=(event.region,),
        after=Position(event.event_time, event.event_id),
        limit=1,
    )
    found = context.store.search(query)
    return found[0] if found and found[0].event.event_id != event.event_id else None


def _pretty(raw: bytes) -> tuple[str, bool]:
    """Return a record with one key a line, every line made visible, and whether it was cut."""
    try:
        text = json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = raw.decode("utf-8", "replace")
    cut = len(text) > _MOST_RECORD
    return "\n".join(visible(line, _MOST_LINE) for line in text[:_MOST_RECORD].split("\n")), cut
