"""What people and programs ask of history, drawn from what a store holds: every page and every path of the API, by each filter."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from bench.history_store import RARE_ADDRESS, RARE_DESCRIPTION, RARE_SESSION
from exporter.history import format_time
from exporter.store import Store
from exporter.store.base import HistoryEvent, Query

Get = Callable[[str], bytes]
"""Asks a server for a path, and returns the body of its answer."""
_DRAWN = 60
_EMPTY = "/-/healthy"
_AFTER = re.compile(rb"[?&;]after=([A-Za-z0-9_-]{20,})")
_NEXT = re.compile(rb'"next": ?"([A-Za-z0-9_-]{20,})"')


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of request: its name, and paths to choose from."""

    name: str
    paths: Sequence[str]


EMPTY = Asked("an empty page", (_EMPTY,))
"""What any answer takes: the baseline."""
SCRAPE = "/metrics"


def draw(store: Store, dice: random.Random, count: int = _DRAWN) -> list[HistoryEvent]:
    """Return events from all of the time that a store covers."""
    stats = store.stats()
    oldest, newest = stats.oldest_event_time, stats.newest_event_time
    assert oldest is not None
    assert newest is not None
    moments = [oldest + timedelta(seconds=1) + (newest - oldest) * dice.random() for _ in range(count)]
    return [item for moment in moments for item in store.search(Query(until=moment, limit=1))]


def all_asked(found: Sequence[HistoryEvent], newest: datetime, get: Get) -> list[Asked]:
    """Return every kind of request; `get` asks once for each cursor, which only a server makes."""
    history, api = _filtered("/history", found, newest), _filtered("/api/v1/events", found, newest)
    deep = [urlencode({"until": format_time(item.event.event_time)}) for item in found[:10]]
    pages = [f"/history?after={cursor}" for cursor in _cursors(_AFTER, [get(f"/history?{query}") for query in deep])]
    answers = [f"/api/v1/events?cursor={cursor}" for cursor in _cursors(_NEXT, [get(f"/api/v1/events?{query}") for query in deep])]
    return [
        Asked("/", ("/",)),
        *history,
        Asked("/history, a page far behind", pages),
        Asked("/group", [f"/group?{urlencode(_group(item))}" for item in found if _group(item)]),
        Asked("/principal", [f"/principal?{urlencode({'principal': item.event.principal.name})}" for item in found]),
        Asked("/event", [f"/event?event_id={item.event.event_id}" for item in found]),
        *api,
        Asked("/api/v1/events, a page far behind", answers),
        Asked("/api/v1/events/{id}", [f"/api/v1/events/{item.event.event_id}" for item in found]),
        Asked("/api/v1/events/{id}/record", [f"/api/v1/events/{item.event.event_id}/record" for item in found]),
        Asked("/api/v1/groups/…", ["/api/v1/groups/" + "/".join(_group(item).values()) for item in found if _group(item)]),
        Asked("/api/v1/principals", [f"/api/v1/principals?{urlencode({'principal': item.event.principal.name})}" for item in found]),
        *(Asked(f"/api/v1/{name}", (f"/api/v1/{name}",)) for name in ("open", "sources", "overview", "openapi.json")),
    ]


def _cursors(pattern: re.Pattern[bytes], bodies: Sequence[bytes]) -> list[str]:
    """Return where pages ended; one that shows the oldest event has nothing behind it."""
    found = [match.group(1).decode() for match in map(pattern.search, bodies) if match]
    if not found:
        raise RuntimeError("answers that must have a next page name none")
    return found


def _group(item: HistoryEvent) -> dict[str, str]:
    event = item.event
    groups = [group for group in event.security_groups if group.startswith("sg-")]
    return {"account_id": event.account_id, "region": event.region, "security_group_id": groups[0]} if groups else {}


def _filtered(path: str, found: Sequence[HistoryEvent], newest: datetime) -> list[Asked]:
    """Return the requests for a list of events: all of them, by each filter, by the filters of an alert's link, and by words."""
    events = [item.event for item in found]
    groups = [_group(item) for item in found if _group(item)]
    rules = [change.rule.rule_id for event in events for change in event.rule_changes if change.rule.rule_id]
    days = [(event.event_time, event.event_time + timedelta(days=7)) for event in events]
    filters: Mapping[str, Sequence[Mapping[str, str | None]]] = {
        "of a group": [{"security_group_id": group["security_group_id"]} for group in groups],
        "an alert's link": [{**group, "principal": item.event.principal.name} for item in found if (group := _group(item))],
        "of an account and region": [{"account_id": event.account_id, "region": event.region} for event in events],
        "of a call": [{"event_name": event.event_name} for event in events],
        "of calls by pattern": [{"event_name": "Authorize*"}, {"event_name": "*SecurityGroupRules"}],
        "of a principal": [{"principal": event.principal.name} for event in events],
        "of a session": [{"principal": event.principal.session} for event in events if event.principal.session],
        "of an outcome": [{"outcome": event.outcome.value} for event in events],
        "of a rule": [{"rule_id": rule} for rule in rules],
        "of a week": [{"since": format_time(since), "until": format_time(until)} for since, until in days],
        "of the last day": [{"since": format_time(newest - timedelta(days=1))}],
        "of one id": [{"event_id": event.event_id} for event in events],
        "a common word": [{"text": "AuthorizeSecurityGroupIngress"}, {"text": "terraform"}],
        "an address": [{"text": event.principal.source_ip} for event in events if event.principal.source_ip],
        "a rare word": [{"text": RARE_ADDRESS}, {"text": RARE_SESSION.partition("@")[0]}, {"text": RARE_DESCRIPTION.split()[0]}],
        "a word that is nowhere": [{"text": f"nowhere-{number}"} for number in range(20)],
        "group, call and week": [
            {**group, "event_name": "*SecurityGroup*", "since": format_time(newest - timedelta(days=400)), "outcome": "success"}
            for group in groups
        ],
    }
    lists = [Asked(f"{path}, {name}", [f"{path}?{urlencode(choice)}" for choice in choices]) for name, choices in filters.items()]
    return [Asked(path, (path,)), *(asked for asked in lists if asked.paths)]
