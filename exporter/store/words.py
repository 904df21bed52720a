"""Which texts of an event a search by words looks through, the same in the store and over events at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.model import ChangeEvent, Rule

MAX_WORDS = 8
"""More words than these are left out: each narrows the answer, and each costs a search."""


def words(text: str) -> tuple[str, ...]:
    """Return the words of a search, in lower case, each once: what stands between white space."""
    return tuple(dict.fromkeys(text.lower().split()))[:MAX_WORDS]


def texts(event: ChangeEvent) -> tuple[str, ...]:
    """Return all that a word may stand in: the call, who, from where, the groups, resources and rules. Not the message of an error."""
    return tuple(dict.fromkeys(text for text in _texts(event) if text))


def _texts(event: ChangeEvent) -> Iterator[str | None]:
    who = event.principal
    yield from (event.event_name, event.event_source, event.account_id, event.region, event.error_code)
    yield from (who.name, who.session, who.arn, who.source_ip, who.user_agent)
    yield from event.security_groups
    yield from (resource.id for resource in event.resources)
    for change in event.rule_changes:
        yield from _rule_texts(change.rule)
        if change.before is not None:
            yield from _rule_texts(change.before)


def _rule_texts(rule: Rule) -> Iterable[str | None]:
    return (rule.rule_id, rule.peer, rule.description)


def holds(event: ChangeEvent, wanted: Iterable[str]) -> bool:
    """Tell whether each of these words stands in some text of an event."""
    lowered = [text.lower() for text in texts(event)]
    return all(any(word in text for text in lowered) for word in wanted)
