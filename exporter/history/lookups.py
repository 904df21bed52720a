"""Which lookups of Event history answer a question, though AWS leaves `Resources` of some events empty.

Sources: CloudTrail API reference, LookupEvents; native captures of EC2's events. What is found by a lookup is only a candidate: the
record decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from exporter.catalog import DIRECTIONS, WATCH_SETS, Kind
from exporter.store.base import Query
from exporter.store.glob import glob

SWEEP = ("ReadOnly", "false")
EVERYTHING = ("", "")
Lookup = tuple[str, str]
"""One lookup: attribute and value."""

_LISTED = frozenset({
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "DeleteSecurityGroup",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
})  # fmt: skip
"""Calls whose `Resources` name the group that they are about, even if they failed."""

_RULES = frozenset({*DIRECTIONS, Kind.MODIFY_RULES})
_SET_OF_PREFIX = (
    ("sg-", "security_groups"),
    ("name:", "security_groups"),
    ("vpc-", "security_groups"),
    # What AWS makes with a VPC, its group among it, is in one event that lists none of it.
    ("acl-", "security_groups"),
    ("rtb-", "security_groups"),
    ("pl-", "prefix_lists"),
)
_FEW = 30
"""Names that are looked up one by one; where a pattern stands for more, reading all changes is cheaper."""

_LOGGED_AS = {
    "CreateFunction": "CreateFunction20150331",
    "UpdateFunctionConfiguration": "UpdateFunctionConfiguration20150331v2",
}
"""Lambda's calls bear the version of its API in the log (see exporter.catalog.spec)."""

_READS = re.compile(r"(Describe|Get|List|Lookup|Search|Head|Batch|Assume|Decrypt|Encrypt|Generate|Select|Query|Simulate|Validate)")


def attaching(wanted: Callable[[str, str], bool]) -> tuple[str, ...]:
    """Return the names, as they are logged, of the calls that attach groups to something, as far as they are watched."""
    names = [spec.event_name for spec in WATCH_SETS["attachments"] if wanted(spec.event_source, spec.event_name)]
    return tuple(dict.fromkeys(_LOGGED_AS.get(name, name) for name in names))


def lookups(query: Query, watched: Iterable[tuple[str, str]] | None, attaching_: Iterable[str] = ()) -> tuple[Lookup, ...]:
    """Return the lookups whose answers hold all that a query can match; `watched` are the calls of the configuration, None if endless.

    An event is looked up by its id, whatever else is asked; one whose record has none (`hash:…`) is in no lookup. A group or resource is
    looked up by its name, and by the names of the events in which AWS leaves it out, a group by `attaching_` as well: how many services
    list the groups that they are given is not told anywhere. A rule is looked up by the calls that touch rules; patterns of event names
    by all that changed anything; a principal by what is watched.
    """
    return tuple(dict.fromkeys(_lookups(query, watched, tuple(attaching_))))


def _lookups(query: Query, watched: Iterable[tuple[str, str]] | None, attaching_: Sequence[str]) -> Iterator[Lookup]:
    if query.event_ids:
        yield from (("EventId", event_id) for event_id in query.event_ids if not event_id.startswith("hash:"))
        return
    patterns = [name for name in query.event_names if "*" in name]
    names = [name for name in query.event_names if "*" not in name]
    if patterns:
        known = _known(patterns)
        if not query.security_groups or len(known) > _FEW:
            yield _sweep(patterns)
            return
        names += known
    for name in names:
        if not query.security_groups or name not in _LISTED:
            yield "EventName", name
    if query.security_groups:
        for group in query.security_groups:
            if not group.startswith("name:"):
                yield "ResourceName", group
            if not names:
                yield from _left_out(group)
                if group.startswith("sg-"):
                    yield from (("EventName", name) for name in attaching_)
    elif query.rule_ids and not names:
        yield from (("EventName", spec.event_name) for spec in WATCH_SETS["security_groups"] if spec.kind in _RULES)
    elif not names:
        if watched is None:
            yield SWEEP
        else:
            yield from (("EventName", name) for _, name in watched)


def _known(patterns: Iterable[str]) -> list[str]:
    """Return the calls of the catalog that patterns match."""
    tests = [glob(pattern) for pattern in patterns]
    return sorted({spec.event_name for specs in WATCH_SETS.values() for spec in specs if any(test(spec.event_name) for test in tests)})


def _sweep(patterns: Iterable[str]) -> Lookup:
    """Return the cheapest lookup for patterns: those that may match calls which only read need everything."""
    return EVERYTHING if any(_READS.match(pattern) for pattern in patterns) else SWEEP


def _left_out(name: str) -> Iterator[Lookup]:
    """Yield lookups of the events that change a resource of this kind of id, while their `Resources` do not tell."""
    for prefix, watch_set in _SET_OF_PREFIX:
        if name.startswith(prefix):
            for spec in WATCH_SETS[watch_set]:
                # A group that is known by its name alone is in no list.
                if spec.event_name not in _LISTED or prefix == "name:":
                    yield "EventName", spec.event_name
