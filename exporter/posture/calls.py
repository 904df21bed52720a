"""The calls that change the rules of a group or the entries of a prefix list, told from events by their names. Pure.

`exporter.catalog` has the whole list of calls; this layer may not know it, so the names that matter here stand here again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from exporter.model import ChangeEvent, Direction, Outcome, PeerType, Rule, RuleAction, RuleChange
from exporter.posture.chronicle import GROUP, PREFIX_LIST, Chronicle

EC2 = "ec2.amazonaws.com"
PREFIX_LIST_TYPE = "AWS::EC2::PrefixList"


class Effect(StrEnum):
    """What a call does to rules or entries."""

    CREATE = "create"
    CREATE_DEFAULT = "create_default"
    AUTHORIZE = "authorize"
    REVOKE = "revoke"
    MODIFY = "modify"
    DESCRIBE = "describe"
    EDIT = "edit"
    RESTORE = "restore"
    DELETE = "delete"


_INGRESS, _EGRESS = Direction.INGRESS, Direction.EGRESS
CALLS: Mapping[str, Mapping[str, tuple[Effect, Direction | None]]] = MappingProxyType(
    {
        GROUP: MappingProxyType(
            {
                "CreateSecurityGroup": (Effect.CREATE, None),
                "CreateVpcResourceCreation": (Effect.CREATE_DEFAULT, None),
                "AuthorizeSecurityGroupIngress": (Effect.AUTHORIZE, _INGRESS),
                "AuthorizeSecurityGroupEgress": (Effect.AUTHORIZE, _EGRESS),
                "RevokeSecurityGroupIngress": (Effect.REVOKE, _INGRESS),
                "RevokeSecurityGroupEgress": (Effect.REVOKE, _EGRESS),
                "ModifySecurityGroupRules": (Effect.MODIFY, None),
                "UpdateSecurityGroupRuleDescriptionsIngress": (Effect.DESCRIBE, _INGRESS),
                "UpdateSecurityGroupRuleDescriptionsEgress": (Effect.DESCRIBE, _EGRESS),
                "DeleteSecurityGroup": (Effect.DELETE, None),
            }
        ),
        PREFIX_LIST: MappingProxyType(
            {
                "CreateManagedPrefixList": (Effect.EDIT, None),
                "ModifyManagedPrefixList": (Effect.EDIT, None),
                "RestoreManagedPrefixListVersion": (Effect.RESTORE, None),
                "DeleteManagedPrefixList": (Effect.DELETE, None),
            }
        ),
    }
)
"""By kind of chronicle and event name, what a call does to rules or entries, and in which direction where its name tells."""

_FILLED_WHOLLY = (Effect.CREATE, Effect.CREATE_DEFAULT, Effect.DELETE, Effect.RESTORE)
_CAN: Mapping[Effect, tuple[RuleAction, ...]] = MappingProxyType(
    {
        Effect.AUTHORIZE: (RuleAction.ADDED,),
        Effect.REVOKE: (RuleAction.REMOVED,),
        # Where rules have no ids, a modified rule is one gone and one come.
        Effect.MODIFY: (RuleAction.MODIFIED, RuleAction.DESCRIBED, RuleAction.ADDED, RuleAction.REMOVED),
        Effect.DESCRIBE: (RuleAction.DESCRIBED,),
        Effect.EDIT: tuple(RuleAction),
        Effect.RESTORE: tuple(RuleAction),
    }
)

BORN_EGRESS = Rule(_EGRESS, None, "all", None, None, PeerType.IPV4, "0.0.0.0/0")
BORN_EGRESS_IPV6 = Rule(_EGRESS, None, "all", None, None, PeerType.IPV6, "::/0")
"""What EC2 gives a new group, the second one where the VPC has an IPv6 block (EC2 user guide, security group rules)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One event that changed the rules of a chronicle, with the rule changes that its record tells."""

    event: ChangeEvent
    effect: Effect
    direction: Direction | None
    changes: tuple[RuleChange, ...]

    @property
    def id(self) -> str:
        """The id of the event."""
        return self.event.event_id

    @property
    def is_blind(self) -> bool:
        """Whether the record does not tell what was changed: AWS left it out, or never writes it."""
        return self.effect is Effect.RESTORE or (not self.event.content_known and self.effect in _CAN)

    def may_have_made(self, change: RuleChange) -> bool:
        """Tell whether a call of this kind can make such a change."""
        direction_fits = self.direction is None or self.direction is change.rule.direction
        return direction_fits and change.action in _CAN.get(self.effect, ())


def calls_of(chronicle: Chronicle, events: Iterable[ChangeEvent]) -> list[Call]:
    """Return the successful calls among the events that changed what the chronicle is about, each once, by time."""
    names = CALLS[chronicle.kind]
    found: dict[str, Call] = {}
    for event in events:
        known = names.get(event.event_name)
        if known is None or event.event_source != EC2 or event.outcome is not Outcome.SUCCESS or not _concerns(chronicle, event):
            continue
        effect, direction = known
        found[event.event_id] = Call(event, effect, direction, _as_recorded(event, effect))
    return sorted(found.values(), key=lambda call: (call.event.event_time, call.id))


def _concerns(chronicle: Chronicle, event: ChangeEvent) -> bool:
    if chronicle.kind == PREFIX_LIST:
        return any(resource.id == chronicle.id and resource.type == PREFIX_LIST_TYPE for resource in event.resources)
    if chronicle.id in event.security_groups:
        return True
    if not chronicle.name or f"name:{chronicle.name}" not in event.security_groups:
        return False
    # Groups of several VPCs may have one name: only of one that is gone can it be the end.
    return event.event_name != "DeleteSecurityGroup" or any(version.rules is None for version in chronicle.versions)


def _as_recorded(event: ChangeEvent, effect: Effect) -> tuple[RuleChange, ...]:
    """Return the rule changes without what an earlier join filled in, so that each join starts from the record alone."""
    if effect in _FILLED_WHOLLY or not event.content_known:
        return ()
    changes = (replace(change, before=None) for change in event.rule_changes)
    if effect is Effect.MODIFY:
        return tuple(replace(change, rule=replace(change.rule, direction=None)) for change in changes)
    return tuple(changes)


def born_rules(chronicle: Chronicle, effect: Effect) -> tuple[Rule, ...]:
    """Return the rules that EC2 gives a group at birth where the VPC has no IPv6: all out, and for a default group its own members in."""
    if effect is Effect.CREATE:
        return (BORN_EGRESS,)
    return Rule(_INGRESS, None, "all", None, None, PeerType.SECURITY_GROUP, chronicle.id), BORN_EGRESS
