"""A query asked of events at hand, with the answer that the store would give of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.model import ChangeEvent
from exporter.store.base import Query
from exporter.store.glob import glob
from exporter.store.words import holds, words

Test = Callable[[str], bool]


class Matcher:
    """Tells whether an event matches a query; see exporter.store.base.Query."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._groups, self._rules = frozenset(query.security_groups), frozenset(query.rule_ids)
        self._words = words(query.text)
        self._names, self._principals = _tests(query.event_names), _tests(query.principals)

    def matches(self, event: ChangeEvent, *, listed: bool = False) -> bool:
        """Tell whether an event matches; `listed` says that AWS itself lists it with a group or resource that is asked for."""
        query = self._query
        who = (event.principal.name, event.principal.session, event.principal.arn)
        return (
            (not self._groups or listed or not self._groups.isdisjoint(_touched(event)))
            and (not self._rules or not self._rules.isdisjoint(_rule_ids(event)))
            and (not self._names or any(test(event.event_name) for test in self._names))
            and (not self._principals or any(test(text) for test in self._principals for text in who if text is not None))
            and (not query.accounts or event.account_id in query.accounts)
            and (not query.regions or event.region in query.regions)
            and (not query.outcomes or event.outcome in query.outcomes)
            and (query.since is None or event.event_time >= query.since)
            and (query.until is None or event.event_time < query.until)
            and (not query.event_ids or event.event_id in query.event_ids)
            and (not self._words or holds(event, self._words))
        )


def _tests(patterns: Iterable[str]) -> list[Test]:
    return [glob(pattern) for pattern in patterns]


def _touched(event: ChangeEvent) -> set[str]:
    return {*event.security_groups, *(resource.id for resource in event.resources)}


def _rule_ids(event: ChangeEvent) -> set[str]:
    rules = (rule for change in event.rule_changes for rule in (change.rule, change.before))
    return {rule.rule_id for rule in rules if rule is not None and rule.rule_id is not None}
