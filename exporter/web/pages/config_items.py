"""AWS Config's items on the page of a group: as changes are drawn, with the stored event behind each, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from exporter.history.config_newest import MOST, ConfigItems, Refused
from exporter.history.config_rows import UNKNOWN
from exporter.history.standing import GroupFacts
from exporter.store.base import HistoryEvent, Query
from exporter.web.pages.base import Context
from exporter.web.pages.entries import by_day
from exporter.web.pages.render import address


def config_link(context: Context, facts: GroupFacts) -> str:
    """Return the link that asks AWS Config about a group; empty where the exporter asks AWS nothing."""
    if context.config_ask is None or not context.config_ask.available:
        return ""
    return address("group", account_id=facts.account_id, region=facts.region, security_group_id=facts.group_id, config=1)


def config_view(context: Context, facts: GroupFacts) -> Mapping[str, Any] | None:
    """Return what AWS Config has of a group, or why that is not known; None where nobody can ask."""
    if context.config_ask is None:
        return None
    view: dict[str, Any] = {"refused": "", "found": None, "days": (), "events": {}, "most": MOST, "nobody": UNKNOWN}
    try:
        found = context.config_ask.items(facts.account_id, facts.region, facts.group_id)
    except Refused as refused:
        return view | {"refused": str(refused)}
    return {**view, **_drawn(context, found)}


def _drawn(context: Context, found: ConfigItems) -> Mapping[str, Any]:
    events = _stored(context, found.items)
    # An item has no page of its own: what leads on is the event that made it, where that is stored.
    entries = [replace(entry, link=events.get(entry.event.shared_event_id or "", "")) for entry in context.entries.entries(found.items)]
    return {"found": found, "days": by_day(entries), "events": events}


def _stored(context: Context, items: Sequence[HistoryEvent]) -> Mapping[str, str]:
    """Return the links of the events behind items, of those that are stored."""
    ids = tuple({item.event.shared_event_id: None for item in items if item.event.shared_event_id})
    if not ids:
        return {}
    found = context.store.search(Query(event_ids=ids, limit=len(ids)))
    return {item.event.event_id: address("event", event_id=item.event.event_id) for item in found}
