"""Which rules a call added, removed, modified or described.

What EC2 answers comes before what was asked: it is canonical, has the rule ids, and one asked permission with
several ranges is several rules. Records from before July 2021 (authorize) and 2025 (revoke) have no rule set
in the answer; then the request tells, in long form (`ipPermissions`), flat form (`cidrIp`) or by rule id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Any

from exporter.catalog import DIRECTIONS, Kind
from exporter.model import Direction, PeerType, Rule, RuleAction, RuleChange
from exporter.parse.call import Call
from exporter.parse.dialect import as_list, lowered, text
from exporter.parse.rule_shapes import MOST_CHANGES, answered_rules, asked_rules, description_of, network_of, permitted_rules, rule_of


@dataclass(frozen=True, slots=True)
class RuleReading:
    """The rule changes of a call, if it succeeded; `noop` where it matched no rule at all."""

    changes: tuple[RuleChange, ...] = ()
    noop: bool = False


def read_rules(call: Call) -> RuleReading:
    """Return what a call that succeeded did to rules."""
    reader = _READERS.get(call.spec.kind)
    return _NOTHING if reader is None else reader(call)


_NOTHING = RuleReading()


def _changes(action: RuleAction, rules: Iterable[Rule]) -> RuleReading:
    return RuleReading(tuple(RuleChange(action, rule) for rule in islice(rules, MOST_CHANGES)))


def _authorized(call: Call) -> RuleReading:
    direction = DIRECTIONS[call.spec.kind]
    rules = answered_rules(call.response.get("securitygroupruleset"), direction)
    return _changes(RuleAction.ADDED, rules or asked_rules(call.request, direction))


def _revoked(call: Call) -> RuleReading:
    direction = DIRECTIONS[call.spec.kind]
    answer = call.response.get("revokedsecuritygroupruleset")
    rules = answered_rules(answer, direction)
    if rules:
        return _changes(RuleAction.REMOVED, rules)
    # Since 2025 the answer lists what was revoked; a list that is there and empty says that nothing was.
    if answer is not None and not as_list(answer):
        return RuleReading(noop=True)
    asked = list(islice(asked_rules(call.request, direction), MOST_CHANGES))
    unmatched = as_list(call.response.get("unknownippermissionset"))
    if not unmatched:
        return _changes(RuleAction.REMOVED, asked)
    places = {_place(rule) for rule in asked}
    unknown = {_place(rule) for rule in islice(permitted_rules(unmatched, direction), MOST_CHANGES)}
    # The spelling of what is unknown may differ from the request's, hence the number and not the difference alone.
    # Where the request is left out, or names rules by id, it does not tell how many there were to match.
    countable = bool(asked) and all(rule.rule_id is None for rule in asked)
    if countable and len(unknown) >= len(places):
        return RuleReading(noop=True)
    return _changes(RuleAction.REMOVED, (rule for rule in asked if _place(rule) not in unknown))


def _place(rule: Rule) -> Rule:
    return replace(rule, rule_id=None, description=None)


def _modified(call: Call) -> RuleReading:
    """Read the new values; the record holds neither the old ones nor the direction."""
    return _changes(RuleAction.MODIFIED, _modifications(call.request))


def _modifications(request: Mapping[str, Any]) -> Iterator[Rule]:
    for key in ("securitygrouprule", "securitygrouprules", "securitygroupruleset"):
        for entry in as_list(request.get(key)):
            fields = lowered(entry)
            rule_id = text(fields.get("securitygroupruleid"), 128)
            value = fields.get("securitygrouprule")
            if rule_id is not None or isinstance(value, dict):
                told = lowered(value)
                rule = rule_of(told, None)
                # Without a description a rule keeps its own; an empty one takes it away.
                yield replace(rule, rule_id=rule_id, description="" if told.get("description") == "" else rule.description)


def _described(call: Call) -> RuleReading:
    return _changes(RuleAction.DESCRIBED, _descriptions(call.request, DIRECTIONS[call.spec.kind]))


def _descriptions(request: Mapping[str, Any], direction: Direction) -> Iterator[Rule]:
    yield from asked_rules(request, direction)
    for key in ("securitygroupruledescription", "securitygroupruledescriptions", "securitygroupruledescriptionset"):
        for entry in as_list(request.get(key)):
            fields = lowered(entry)
            rule_id = text(fields.get("securitygroupruleid"), 128)
            if rule_id is not None:
                yield Rule(direction=direction, rule_id=rule_id, description=description_of(fields))


def _listed_prefixes(call: Call) -> RuleReading:
    """Read entries of a prefix list as rules that have a peer and nothing else: they change what rules mean."""
    changes = (
        RuleChange(action, _entry(lowered(entry)))
        for key, action in (("addentry", RuleAction.ADDED), ("entry", RuleAction.ADDED), ("removeentry", RuleAction.REMOVED))
        for entry in (*as_list(call.request.get(key)), *as_list(call.request.get(key[:-1] + "ies")))
    )
    return RuleReading(tuple(islice(changes, MOST_CHANGES)))


def _entry(fields: Mapping[str, Any]) -> Rule:
    peer_type, peer = network_of(fields.get("cidr"), PeerType.IPV4)
    return Rule(peer_type=peer_type, peer=peer, description=description_of(fields))


_READERS: Mapping[Kind, Callable[[Call], RuleReading]] = MappingProxyType(
    {
        Kind.AUTHORIZE_INGRESS: _authorized,
        Kind.AUTHORIZE_EGRESS: _authorized,
        Kind.LEGACY_AUTHORIZE: _authorized,
        Kind.REVOKE_INGRESS: _revoked,
        Kind.REVOKE_EGRESS: _revoked,
        Kind.LEGACY_REVOKE: _revoked,
        Kind.MODIFY_RULES: _modified,
        Kind.DESCRIBE_INGRESS: _described,
        Kind.DESCRIBE_EGRESS: _described,
        Kind.PREFIX_LIST: _listed_prefixes,
    }
)
