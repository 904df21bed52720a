"""One change as a page shows it: who, how, from where, when, which group, which rules exactly, and what stands out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from exporter.model import ChangeEvent, Outcome, Resource, RuleAction, Unit
from exporter.posture.chronicle import GROUP
from exporter.posture.codec import decode
from exporter.posture.entries import is_entry
from exporter.store.base import HistoryEvent, Query, Store
from exporter.web.pages.agents import CHANNELS, short_agent
from exporter.web.pages.lines import LISTED_RULES, MOST_RULES, Diff, diff_of
from exporter.web.pages.render import address

_SHOWN = 6
"""Groups or resources of one change that are shown in a list; its own page has all."""
_OUTCOMES = {
    Outcome.NOOP: "changed nothing",
    Outcome.DENIED: "denied",
    Outcome.FAILED: "failed",
    Outcome.DRY_RUN: "dry run",
}
_ACTIONS = {RuleAction.ADDED: "added", RuleAction.REMOVED: "removed", RuleAction.MODIFIED: "modified", RuleAction.DESCRIBED: "modified"}


@dataclass(frozen=True, slots=True)
class _Name:
    """What of a kept group its name is."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Touched:
    """A group that a change touched: its id, its name where that is known, and the link to its history."""

    id: str
    name: str
    link: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, ready to be shown. `tone` names the mark on the timeline, `verdict` is what became of the call, empty for success."""

    event: ChangeEvent
    recorded_at: datetime
    live: bool
    sources: tuple[str, ...]
    tone: str
    verdict: str
    unexplained: bool
    explained_by: str
    how: str
    agent: str
    diff: Diff
    groups: tuple[Touched, ...]
    more_groups: int
    resources: tuple[Resource, ...]
    link: str
    principal_link: str


class Entries:
    """Makes entries of events; asks the store for what only it knows (names of groups, records of attempts)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def search(self, query: Query) -> list[HistoryEvent]:
        """Return what matches, with the raw record only of calls that changed nothing: it tells what was attempted."""
        found = self._store.search(query)
        if query.raw:
            return found
        vain = tuple(item.event.event_id for item in found if item.event.outcome is not Outcome.SUCCESS and not item.event.rule_changes)
        if not vain:
            return found
        raws = {item.event.event_id: item.event.raw for item in self._store.search(Query(event_ids=vain, limit=len(vain), raw=True))}
        return [replace(item, event=replace(item.event, raw=raws.get(item.event.event_id, b""))) for item in found]

    def entries(self, found: Sequence[HistoryEvent], *, whole: bool = False) -> list[Entry]:
        """Return the entries of events; `whole` leaves out no group and no resource."""
        names = self._names(item.event for item in found)
        return [_entry(item, names, whole=whole) for item in found]

    def _names(self, events: Iterable[ChangeEvent]) -> Mapping[tuple[Unit, str], str]:
        wanted: dict[Unit, set[str]] = {}
        for event in events:
            unit = Unit(event.account_id, event.region)
            wanted.setdefault(unit, set()).update(event.security_groups[:_SHOWN])
        return {
            (unit, group): name
            for unit, ids in wanted.items()
            if ids
            for group, body in self._store.documents(unit.account_id, unit.region, GROUP, ids).items()
            if (name := decode(body, _Name).name)
        }


def by_day(entries: Iterable[Entry]) -> list[tuple[date, list[Entry]]]:
    """Return entries by the day (UTC) of their event, in their order."""
    days: list[tuple[date, list[Entry]]] = []
    for entry in entries:
        day = entry.event.event_time.astimezone(UTC).date()
        if not days or days[-1][0] != day:
            days.append((day, []))
        days[-1][1].append(entry)
    return days


def _entry(item: HistoryEvent, names: Mapping[tuple[Unit, str], str], *, whole: bool) -> Entry:
    event = item.event
    unexplained = is_entry(event)
    shown = len(event.security_groups) if whole else _SHOWN
    unit = Unit(event.account_id, event.region)
    return Entry(
        event=event,
        recorded_at=item.recorded_at,
        live=item.live,
        sources=item.sources,
        tone=_tone(event, unexplained=unexplained),
        verdict=_OUTCOMES.get(event.outcome, ""),
        unexplained=unexplained,
        explained_by=(event.shared_event_id or "") if unexplained else "",
        how=CHANNELS[event.channel],
        agent=short_agent(event.principal.user_agent),
        diff=diff_of(event, MOST_RULES if whole else LISTED_RULES),
        groups=tuple(_touched(unit, group, names) for group in event.security_groups[:shown]),
        more_groups=max(0, len(event.security_groups) - shown),
        resources=event.resources if whole else () if event.security_groups else event.resources[:_SHOWN],
        link=address("event", event_id=event.event_id),
        principal_link="" if unexplained else address("principal", principal=event.principal.name),
    )


def _touched(unit: Unit, group: str, names: Mapping[tuple[Unit, str], str]) -> Touched:
    link = address("history", account_id=unit.account_id, region=unit.region, security_group_id=group)
    return Touched(group, names.get((unit, group), ""), link)


def _tone(event: ChangeEvent, *, unexplained: bool) -> str:
    """Return the mark of a change: the worst that can be said of it."""
    if event.outcome in (Outcome.DENIED, Outcome.FAILED):
        return "refused"
    if event.opened_port_classes:
        return "opened"
    if unexplained:
        return "unexplained"
    if event.outcome is not Outcome.SUCCESS:
        return "plain"
    actions = {_ACTIONS[change.action] for change in event.rule_changes}
    if event.event_name.startswith("Delete"):
        return "removed"
    return actions.pop() if len(actions) == 1 else "modified" if actions else "plain"
