"""Changes of security groups in all shapes that EC2 logs, made from groups that are born, get rules, lose them and die.

Shapes: the classic dialect of the older calls, the wrapper dialect of the newer ones, long and flat requests,
revokes by rule and by rule id, answers with and without rule sets (with: since July 2021, for revokes since
2025), no-op revokes, dry runs, denied and failed calls, group names in place of ids, requests that AWS left out
for their size (the CloudTrail user guide's record contents), and the service event that bears a VPC's default group.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.demo.calls import Call, Ids
from exporter.demo.rules import EGRESS, INGRESS, RuleText
from exporter.model import Outcome, Unit
from exporter.posture.ports import PORT_CLASSES

EC2 = "ec2.amazonaws.com"
_XMLNS = "http://ec2.amazonaws.com/doc/2016-11-15/"
_NAMES = ("web", "api", "db", "cache", "bastion", "worker", "eks-nodes", "alb", "search", "vpn")
_MOST_GROUPS = 400


@dataclass(slots=True)
class Group:
    """One security group that exists: its rules by id, and whether each is egress."""

    id: str
    name: str
    rules: dict[str, tuple[RuleText, bool]] = field(default_factory=dict)


class Groups:
    """The security groups of one account and region, and the calls that change them."""

    def __init__(self, unit: Unit, ids: Ids, chance: random.Random) -> None:
        self._unit, self._ids, self._chance = unit, ids, chance
        self._groups: list[Group] = []
        self._kinds: tuple[tuple[Callable[[], Call], int], ...] = (
            (self._authorize_ingress, 27),
            (self._authorize_flat, 9),
            (self._authorize_egress, 7),
            (self._revoke_by_rule, 8),
            (self._revoke_by_id, 9),
            (self._modify, 8),
            (self._describe_rules, 6),
            (self._create, 9),
            (self._delete, 5),
            (self._denied, 3),
            (self._duplicate, 2),
            (self._revoke_nothing, 2),
            (self._dry_run, 1),
            (self._associate_vpc, 1),
            (self._default_group, 1),
            (self._left_out, 1),
            (self._by_name, 1),
        )

    def change(self) -> Call:
        """Return the next change, at random."""
        if not self._groups:
            return self._create()
        (kind,) = self._chance.choices([kind for kind, _ in self._kinds], [weight for _, weight in self._kinds])
        return kind()

    def group(self) -> Group:
        """Return one of the groups that exist, making the first where there is none yet."""
        if not self._groups:
            self._create()
        return self._chance.choice(self._groups)

    def exists(self, group: Group) -> bool:
        """Tell whether a group has not been deleted."""
        return group in self._groups

    def authorize(self, group: Group, rules: Sequence[RuleText], egress: bool = False) -> Call:
        """Return a successful authorize of rules, long form, with the rule set that EC2 answers."""
        request = {"groupId": group.id, "ipPermissions": {"items": [rule.permission(self._unit.account_id) for rule in rules]}}
        return self._authorized(group, rules, egress, request)

    def deny(self, group: Group, rules: Sequence[RuleText]) -> Call:
        """Return an authorize that the caller was not allowed to make."""
        request = {"groupId": group.id, "ipPermissions": {"items": [rule.permission(self._unit.account_id) for rule in rules]}}
        return _failed(
            "AuthorizeSecurityGroupIngress",
            request,
            group,
            Outcome.DENIED,
            "Client.UnauthorizedOperation",
            "You are not authorized to perform this operation. Encoded authorization failure message: "
            + self._ids.letters(240, "abcXYZ019-_"),
        )

    def modify(self, group: Group, rule_id: str, rule: RuleText) -> Call:
        """Return an in-place edit of one rule: the answer tells nothing of it, the old rule stands nowhere."""
        egress = group.rules[rule_id][1]
        group.rules[rule_id] = rule, egress
        asked = {"SecurityGroupRuleId": rule_id, "SecurityGroupRule": rule.wrapped(), "tag": 1}
        # The record does not tell the direction, so an egress rule that is widened counts as well.
        return self._wrapped(
            "ModifySecurityGroupRules", {"GroupId": group.id, "SecurityGroupRule": asked}, {"return": True}, group, _opened([rule])
        )

    def revoke(self, group: Group, rule_ids: Sequence[str], answered: bool) -> Call:
        """Return a revoke by rule ids, all ingress or all egress; `answered` names the rules revoked, as EC2 does since 2025."""
        taken = [(rule_id, *group.rules.pop(rule_id)) for rule_id in rule_ids]
        egress = taken[0][2]
        return self._classic(
            "RevokeSecurityGroupEgress" if egress else "RevokeSecurityGroupIngress",
            {
                "groupId": group.id,
                "ipPermissions": {},
                "securityGroupRuleIds": {"items": [{"securityGroupRuleId": rule_id} for rule_id, _, _ in taken]},
            },
            {"revokedSecurityGroupRuleSet": {"items": [rule.revoked(group.id, rule_id, egress) for rule_id, rule, _ in taken]}}
            if answered
            else {},
            group,
        )

    def _pick(self, group: Group, rules: tuple[tuple[RuleText, int], ...], most: int) -> list[RuleText]:
        """Return some rules that the group does not have, for EC2 refuses a rule that is there; often none for a group with many."""
        found = self._chance.choices([rule for rule, _ in rules], [weight for _, weight in rules], k=self._chance.randint(1, most))
        present = {rule for rule, _ in group.rules.values()}
        distinct = [rule for rule in dict.fromkeys(found) if rule not in present]
        # A rule for all protocols swallows the classes of those beside it; alone, its truth is plain.
        whole = [rule for rule in distinct if rule.opens == "all"]
        return whole[:1] or distinct

    def _classic(self, name: str, request: Any, answer: dict[str, Any], group: Group, opened: tuple[str, ...] = ()) -> Call:
        response = {"requestId": self._ids.uuid(), "_return": True, **answer}
        return Call(EC2, name, request, response, change=True, security_groups=(group.id,), opened=opened)

    def _wrapped(self, name: str, asked: dict[str, Any], answer: dict[str, Any], group: Group, opened: tuple[str, ...] = ()) -> Call:
        response = {f"{name}Response": {"xmlns": _XMLNS, "requestId": self._ids.uuid(), **answer}}
        return Call(EC2, name, {f"{name}Request": asked}, response, change=True, security_groups=(group.id,), opened=opened)

    def _authorized(self, group: Group, rules: Sequence[RuleText], egress: bool, request: Any) -> Call:
        items = []
        for rule in rules:
            rule_id = self._ids.resource("sgr")
            group.rules[rule_id] = rule, egress
            items.append(rule.item(self._unit.account_id, group.id, rule_id, egress))
        name = "AuthorizeSecurityGroupEgress" if egress else "AuthorizeSecurityGroupIngress"
        return self._classic(name, request, {"securityGroupRuleSet": {"items": items}}, group, () if egress else _opened(rules))

    def _create(self) -> Call:
        if len(self._groups) >= _MOST_GROUPS:
            return self._delete()
        group = Group(self._ids.resource("sg"), "")
        group.name = f"{self._chance.choice(_NAMES)}-{group.id[-5:]}"
        # EC2 gives every new group this rule without an event of its own.
        group.rules[self._ids.resource("sgr")] = EGRESS[0][0], True
        self._groups.append(group)
        tags = {"items": [{"resourceType": "security-group", "tags": [{"key": "Name", "value": group.name}]}]}
        request = {
            "groupName": group.name,
            "groupDescription": f"Managed: {group.name}",
            "vpcId": "vpc-0123456789abcdef0",
            "tagSpecificationSet": tags,
        }
        arn = f"arn:aws:ec2:{self._unit.region}:{self._unit.account_id}:security-group/{group.id}"
        answer = {"groupId": group.id, "tagSet": {"items": [{"key": "Name", "value": group.name}]}, "securityGroupArn": arn}
        return self._classic("CreateSecurityGroup", request, answer, group)

    def _delete(self) -> Call:
        group = self.group()
        self._groups.remove(group)
        return self._classic(
            "DeleteSecurityGroup", {"groupId": group.id}, {"groupId": group.id} if self._chance.random() < 0.7 else {}, group
        )

    def _authorize_ingress(self) -> Call:
        group = self.group()
        rules = self._pick(group, INGRESS, 4)
        if self._chance.random() < 0.15:
            rules.append(RuleText("tcp", 8080, 8080, self.group().id, "", "another group"))
        return self.authorize(group, rules) if rules else self._duplicate()

    def _authorize_egress(self) -> Call:
        group = self.group()
        rules = self._pick(group, EGRESS, 2)
        return self.authorize(group, rules, egress=True) if rules else self._duplicate()

    def _authorize_flat(self) -> Call:
        group = self.group()
        rules = self._pick(group, INGRESS, 1)
        if not rules or rules[0].kind != "ipv4":
            return self.authorize(group, rules) if rules else self._duplicate()
        rule = rules[0]
        request = {
            "groupId": group.id,
            "ipPermissions": {},
            "ipProtocol": rule.protocol,
            "fromPort": rule.from_port,
            "toPort": rule.to_port,
            "cidrIp": rule.peer,
        }
        call = self._authorized(group, [rule], False, request)
        if self._chance.random() < 0.3:
            # As before July 2021, when the answer held no rule set.
            del call.response["securityGroupRuleSet"]
        return call

    def _some_rules(self, group: Group) -> list[str]:
        """Return the ids of one to three rules of one direction."""
        if not group.rules:
            return []
        egress = group.rules[self._chance.choice(list(group.rules))][1]
        of_direction = [rule_id for rule_id, (_, other) in group.rules.items() if other is egress]
        return self._chance.sample(of_direction, min(len(of_direction), self._chance.randint(1, 3)))

    def _revoke_by_id(self) -> Call:
        group = self.group()
        rule_ids = self._some_rules(group)
        return self.revoke(group, rule_ids, self._chance.random() < 0.6) if rule_ids else self._authorize_ingress()

    def _revoke_by_rule(self) -> Call:
        group = self.group()
        rule_ids = self._some_rules(group)
        if not rule_ids:
            return self._authorize_ingress()
        permissions = {"items": [group.rules[rule_id][0].permission(self._unit.account_id) for rule_id in rule_ids]}
        call = self.revoke(group, rule_ids, self._chance.random() < 0.5)
        call.request.pop("securityGroupRuleIds")
        call.request["ipPermissions"] = permissions
        return call

    def _revoke_nothing(self) -> Call:
        group = self.group()
        permission = RuleText("tcp", 9999, 9999, "192.0.2.99/32").permission(self._unit.account_id)
        response = {"requestId": self._ids.uuid(), "_return": True, "unknownIpPermissionSet": {"items": [permission]}}
        request = {"groupId": group.id, "ipPermissions": {"items": [permission]}}
        return Call(EC2, "RevokeSecurityGroupIngress", request, response, outcome=Outcome.NOOP, change=True, security_groups=(group.id,))

    def _modify(self) -> Call:
        group = self.group()
        ingress = [rule_id for rule_id, (_, egress) in group.rules.items() if not egress]
        if not ingress:
            return self._authorize_ingress()
        rules = self._pick(group, INGRESS, 1)
        return self.modify(group, self._chance.choice(ingress), rules[0]) if rules else self._duplicate()

    def _describe_rules(self) -> Call:
        group = self.group()
        rule_ids = self._some_rules(group)
        if not rule_ids:
            return self._authorize_ingress()
        name = f"UpdateSecurityGroupRuleDescriptions{'Egress' if group.rules[rule_ids[0]][1] else 'Ingress'}"
        described = [{"SecurityGroupRuleId": rule_id, "Description": "reviewed", "tag": tag} for tag, rule_id in enumerate(rule_ids, 1)]
        # The wrapper dialect spells a list of one as the one.
        asked = {"GroupId": group.id, "SecurityGroupRuleDescription": described if len(described) > 1 else described[0]}
        return self._wrapped(name, asked, {"return": True}, group)

    def _associate_vpc(self) -> Call:
        group = self.group()
        name, state = self._chance.choice(
            (("AssociateSecurityGroupVpc", "associating"), ("DisassociateSecurityGroupVpc", "disassociating"))
        )
        return self._wrapped(name, {"GroupId": group.id, "VpcId": "vpc-0fedcba9876543210"}, {"state": state}, group)

    def _default_group(self) -> Call:
        group = Group(self._ids.resource("sg"), "default")
        self._groups.append(group)
        vpc = self._ids.resource("vpc")
        arn = f"arn:aws:ec2:{self._unit.region}:{self._unit.account_id}"
        resources = [
            {"accountId": self._unit.account_id, "type": "AWS::EC2::SecurityGroup", "ARN": f"{arn}:security-group/{group.id}"},
            {"accountId": self._unit.account_id, "type": "AWS::EC2::RouteTable", "ARN": f"{arn}:route-table/{self._ids.resource('rtb')}"},
            {"accountId": self._unit.account_id, "type": "AWS::EC2::NetworkAcl", "ARN": f"{arn}:network-acl/{self._ids.resource('acl')}"},
        ]
        extra = {"eventType": "AwsServiceEvent", "resources": resources, "serviceEventDetails": {"vpcId": vpc}}
        return Call(EC2, "CreateVpcResourceCreation", change=True, security_groups=(group.id,), extra=extra)

    def _denied(self) -> Call:
        return self.deny(self.group(), [INGRESS[0][0]])

    def _duplicate(self) -> Call:
        group = self.group()
        rule = next(iter(group.rules.values()), INGRESS[0])[0]
        request = {"groupId": group.id, "ipPermissions": {"items": [rule.permission(self._unit.account_id)]}}
        message = f'the specified rule "peer: {rule.peer}, TCP, from port: {rule.from_port}, to port: {rule.to_port}, ALLOW" already exists'
        return _failed("AuthorizeSecurityGroupIngress", request, group, Outcome.FAILED, "Client.InvalidPermission.Duplicate", message)

    def _dry_run(self) -> Call:
        group = self.group()
        message = "Request would have succeeded, but DryRun flag is set."
        return _failed("DeleteSecurityGroup", {"groupId": group.id}, group, Outcome.DRY_RUN, "Client.DryRunOperation", message)

    def _left_out(self) -> Call:
        # Over 100 KB CloudTrail leaves out request and answer as a whole: not even the group is told.
        return Call(EC2, "AuthorizeSecurityGroupIngress", change=True)

    def _by_name(self) -> Call:
        group = self.group()
        rule = RuleText("tcp", 443, 443, "198.51.100.0/24")
        if any(other == rule for other, _ in group.rules.values()):
            return self._duplicate()
        request = {
            "groupName": group.name,
            "ipPermissions": {},
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "cidrIp": "198.51.100.0/24",
        }
        return self._authorized(group, [rule], False, request)


def _opened(rules: Sequence[RuleText]) -> tuple[str, ...]:
    found = {rule.opens for rule in rules}
    return tuple(name for name in PORT_CLASSES if name in found)


def _failed(name: str, request: Any, group: Group, outcome: Outcome, code: str, message: str) -> Call:
    return Call(EC2, name, request, None, False, code, message, outcome, change=True, security_groups=(group.id,))
