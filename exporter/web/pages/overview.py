"""`/`: the latest changes, what stands open now, how fresh the sources are."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

from exporter.history.overview import Overview, SourceFacts
from exporter.store.base import Query
from exporter.web.pages.base import Context, Page
from exporter.web.pages.entries import by_day

_LATEST = 10
_OPEN = 8
_SOURCES = 100
_LATE_SECONDS = 3600
"""A poll that was complete but is older than this is late, whatever its interval is: units poll every some seconds to minutes."""


def overview_page(context: Context) -> Page:
    """Return the page that answers "how are things" at one look."""
    now = context.now()
    facts = context.overviews.facts(context.reports())
    sources = [_source(source, now) for source in facts.sources]
    # What is wrong comes first; the rest is in the order of the configuration's names.
    sources.sort(key=lambda source: source["state"] == "ok")
    body = context.render(
        "overview.html",
        here="overview",
        days=by_day(context.entries.entries(context.entries.search(Query(limit=_LATEST)))),
        open_groups=context.facts.open_groups(facts.open, _OPEN),
        open_total=facts.open_groups,
        reachable=facts.open_groups_by_exposure.get("public", 0),
        unknown=facts.open_groups_by_exposure.get("unknown", 0),
        watched=_watched(facts),
        hours=context.today.hours(),
        sources=sources[:_SOURCES],
        more_sources=max(0, len(sources) - _SOURCES),
        failing=sum(source["state"] != "ok" for source in sources),
        stats=facts.stats,
    )
    return HTTPStatus.OK, body


def _watched(facts: Overview) -> dict[str, Any]:
    """Return how much stands, over all units whose groups were read; None where none was."""
    read = [unit for unit in facts.units if unit.groups is not None]
    return {
        "units": len(read),
        "groups": sum(unit.groups or 0 for unit in read) if read else None,
        "rules": sum(unit.rules or 0 for unit in read) if read else None,
    }


def _source(source: SourceFacts, now: datetime) -> dict[str, Any]:
    late = (now - source.started_at).total_seconds() > _LATE_SECONDS
    return {
        "name": source.source,
        "unit": " ".join(filter(None, (source.account_id, source.region))),
        "at": source.started_at,
        "state": "failed" if not source.complete else "late" if late else "ok",
        "reason": source.reason or "",
        "brought": source.brought,
    }
