"""Which events count as an answer, where a place holds all that ever happened: the same rule for Event history and SQL over trail logs."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.catalog import WATCH_SETS, Watch
from exporter.model import ChangeEvent
from exporter.store.base import Query


@dataclass(frozen=True, slots=True)
class _Everything:
    event_source: str = "*"
    event_name: str = "*"


def everything() -> Watch:
    """Return a watch by which any record is understood, so that calls beyond the watched ones are found by name or resource."""
    return Watch(WATCH_SETS, (_Everything(),))


def is_named(query: Query) -> bool:
    """Tell whether a query names calls, groups, rules or events: then what is watched does not matter."""
    return bool(query.event_names or query.security_groups or query.rule_ids or query.event_ids)


def counts(event: ChangeEvent, query: Query, watch: Watch) -> bool:
    """Tell whether an event is of the calls that are asked about: those named, those of a group or rule, else those watched."""
    return is_named(query) or watch.wanted(event.event_source, event.event_name)
