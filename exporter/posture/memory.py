"""What a chronicle remembers: a version is added where a reading differs, and old ones are forgotten. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from exporter.model import Rule
from exporter.posture.chronicle import Chronicle, Version
from exporter.posture.diff import diff, paired

MOST_VERSIONS = 256
MOST_RULES = 65_536
"""What a chronicle remembers at most, in versions and in rules of all versions together: whoever changes rules without end cannot fill
the store. Beyond that the oldest settled versions are forgotten, and then the oldest that are not are made one: their changes stay
to be explained, but for those that undid each other."""


def extend(
    chronicle: Chronicle, rules: Sequence[Rule] | None, after: datetime | None, until: datetime, begun: datetime | None = None
) -> Chronicle:
    """Return the chronicle with what a reading showed, as a new version where that differs from the last.

    `after` is when the last reading that showed the last version was begun, `begun` and `until` when this one was begun and had ended.
    Rules of None are a group that does not exist (any more). To an empty chronicle the first version is added: nothing must explain
    it where `after` is None (the unit was never read before), else the group did not exist until then.
    """
    shown = None if rules is None else tuple(rules)
    versions = chronicle.versions
    if not versions and after is None:
        return replace(chronicle, versions=(Version(shown, None, until, begun=begun),))
    versions = versions or (Version(None),)
    last = versions[-1]
    if (last.rules is None) == (shown is None) and not diff(last.rules, shown):
        learned = replace(last, rules=_named(last.rules or (), shown or ())) if shown else last
        return replace(chronicle, versions=(*versions[:-1], learned))
    return replace(chronicle, versions=(*versions, Version(shown, after, until, begun=begun)))


def _named(known: Sequence[Rule], shown: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules that are known, with the ids that only the reading has."""
    ids = {old: shown[new].rule_id for old, new in paired(known, shown) if old is not None and new is not None}
    return tuple(rule if rule.rule_id else replace(rule, rule_id=ids.get(index)) for index, rule in enumerate(known))


def pruned(chronicle: Chronicle, horizon: datetime, most_versions: int = MOST_VERSIONS, most_rules: int = MOST_RULES) -> Chronicle:
    """Return the chronicle without settled versions from before a time, but for the last, and within its bounds."""
    versions = list(chronicle.versions)
    while len(versions) > 1 and versions[1].settled and versions[1].until is not None and versions[1].until < horizon:
        del versions[0]
    while len(versions) > 1 and (len(versions) > most_versions or sum(len(v.rules or ()) for v in versions) > most_rules):
        if versions[1].settled:
            del versions[0]
        elif len(versions) > 2:
            # The changes of both wait together.
            versions[1:3] = [replace(versions[2], after=versions[1].after, settled=False)]
        else:
            break
    return replace(chronicle, versions=tuple(versions))
