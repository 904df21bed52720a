"""Has moto's EC2 keep rules as EC2 does, where moto loses or mixes up what it was told.

A rule keeps the description of its prefix list or referenced group, its protocol by EC2's name, and all ports where the protocol
has none; what it allows is what makes it a duplicate, not how it is described. ModifySecurityGroupRules changes all kinds of rules, and
a group of another account may be let in.
Source: Amazon EC2 API reference, IpPermission, ModifySecurityGroupRules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any

from moto.ec2 import exceptions
from moto.ec2.models import ec2_backends
from moto.ec2.models.security_groups import GroupedSecurityRuleView, SecurityGroup, SecurityGroupBackend, SecurityGroupRule

from sandbox.identities import partition_of

_MARK = "_sandbox_corrected"
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}
_WITH_PORTS = frozenset({"tcp", "udp", "icmp", "icmpv6"})
"""All other protocols are allowed whole, whatever ports a call names."""


def correct() -> None:
    """Correct this process's moto from now on; again is nothing."""
    if hasattr(SecurityGroupRule.__init__, _MARK):
        return
    made = _with_description(SecurityGroupRule.__init__)
    setattr(made, _MARK, True)
    overrides: tuple[tuple[type, dict[str, Any]], ...] = (
        (
            SecurityGroupRule,
            {
                "__init__": made,
                "__eq__": lambda rule, other: _meaning(rule) == _meaning(other),
                "__hash__": lambda rule: hash(rule.id),
                "description": property(_description),
                "group_owner_id": property(lambda rule: rule.owner_id),
                "security_group_rule_arn": property(_arn),
            },
        ),
        (
            SecurityGroupBackend,
            {
                "modify_security_group_rules": _modify,
                "_sg_update_description": lambda _backend, told, rule: _describe(rule, _description(told)),
                "_add_source_group": _with_peers(SecurityGroupBackend._add_source_group),  # noqa: SLF001 - moto has no other way
            },
        ),
        (SecurityGroup, {"_flattened_rules": lambda _group, rules: _grouped(rules)}),
    )
    for kind, changes in overrides:
        for name, value in changes.items():
            setattr(kind, name, value)


def _with_description(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def init(rule: Any, backend: Any, protocol: str, group_id: str, from_port: Any, to_port: Any, *rest: Any, **named: Any) -> None:
        name = _protocol(protocol)
        ports: list[Any] = [from_port, to_port] if name in _WITH_PORTS else [0, 0]
        # ICMP without a type is all of ICMP.
        ports = [-1 if port is None and name in {"icmp", "icmpv6"} else port for port in ports]
        if None in ports:
            raise exceptions.InvalidParameterValue("Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
        prefix_list = rest[2] if len(rest) > 2 else named.get("prefix_list_id")
        rule.prefix_list_description = prefix_list.get("Description") if prefix_list else None
        original(rule, backend, name, group_id, *ports, *rest, **named)
        if name not in _WITH_PORTS:
            rule.from_port = rule.to_port = None

    return init


def _arn(rule: Any) -> str:
    region = rule.ec2_backend.region_name
    return f"arn:{partition_of(region)}:ec2:{region}:{rule.owner_id}:security-group-rule/{rule.id}"


def describe_rules(account_id: str, region: str, group_id: str, texts: Mapping[str, str | None], *, egress: bool) -> str | None:
    """Give rules of a group new descriptions, by rule id, and return None; the id of one that is not there, and change nothing."""
    group = ec2_backends[account_id][region].get_security_group_from_id(group_id)
    rules = {} if group is None else {rule.id: rule for rule in (group.egress_rules if egress else group.ingress_rules)}
    missing = next((rule_id for rule_id in texts if rule_id not in rules), None)
    if missing is None:
        for rule_id, text in texts.items():
            _describe(rules[rule_id], text)
    return missing


def forget_rules(account_id: str, region: str, group_id: str, known: Collection[str]) -> None:
    """Take from a group all rules but those that are known by their ids: moto keeps the first ones of a call that it then refuses."""
    group = ec2_backends[account_id][region].get_security_group_from_id(group_id)
    for rules in () if group is None else (group.ingress_rules, group.egress_rules):
        rules[:] = [rule for rule in rules if rule.id in known]


def _protocol(told: Any) -> str:
    text = str(told).lower() if told is not None else "-1"
    return _PROTOCOLS.get(text, text)


def _description(rule: Any) -> str | None:
    told = rule.ip_range or rule.source_group
    text: str | None = told.get("Description") if told else rule.prefix_list_description
    return text


def _describe(rule: Any, text: str | None) -> None:
    """Set the description of a rule; "" and None take it away."""
    told = rule.ip_range or rule.source_group
    if not told:
        rule.prefix_list_description = text or None
    elif text:
        told["Description"] = text
    else:
        told.pop("Description", None)


def _grouped(rules: Iterable[Any]) -> list[GroupedSecurityRuleView]:
    """Return rules as DescribeSecurityGroups has them: those of one protocol and one range of ports together."""
    views: dict[tuple[Any, ...], GroupedSecurityRuleView] = {}
    for rule in rules:
        allowed = (rule.from_port, rule.to_port, rule.ip_protocol)
        view = views.setdefault(allowed, GroupedSecurityRuleView(*allowed))
        if rule.ip_range:
            view.all_ip_ranges.append(rule.ip_range)
        if rule.source_group:
            view.source_groups.append(rule.source_group)
        if rule.prefix_list_id:
            described = {"Description": rule.prefix_list_description} if rule.prefix_list_description else {}
            view.prefix_list_ids.append({"PrefixListId": rule.prefix_list_id, **described})
    return list(views.values())


def _meaning(rule: Any) -> tuple[Any, ...]:
    peer = (rule.ip_range.get("CidrIp"), rule.ip_range.get("CidrIpv6"), rule.source_group.get("GroupId"), rule.prefix_list_id)
    return (rule.ip_protocol, *(-1 if port is None else port for port in (rule.from_port, rule.to_port)), *peer)


def _with_peers(original: Callable[..., list[dict[str, Any]]]) -> Callable[..., list[dict[str, Any]]]:
    @wraps(original)
    def add(backend: Any, source_groups: list[dict[str, Any]] | None, vpc_id: str | None) -> list[dict[str, Any]]:
        found = []
        for item in source_groups or []:
            owner = item.get("UserId")
            if owner in {None, backend.account_id}:
                found += original(backend, [item], vpc_id)
            elif ec2_backends[owner][backend.region_name].get_security_group_from_id(item.get("GroupId", "")) is None:
                raise exceptions.InvalidSecurityGroupNotFoundError(item.get("GroupId", ""))
            else:
                found.append(item)
        return found

    return add


def _modify(backend: Any, group_id: str, rules: dict[str, dict[str, Any]]) -> None:
    group = backend.get_security_group_by_name_or_id(group_id)
    if group is None:
        raise exceptions.InvalidSecurityGroupNotFoundError(group_id)
    fresh = {rule_id: _replaced(backend, group, rule_id, told) for rule_id, told in rules.items()}
    for rules_of in (group.ingress_rules, group.egress_rules):
        others = [rule for rule in rules_of if rule.id not in fresh]
        meant = [_meaning(fresh[rule.id]) for rule in rules_of if rule.id in fresh]
        if len(set(meant)) < len(meant) or any(_meaning(rule) in meant for rule in others):
            raise exceptions.InvalidPermissionDuplicateError
    for rules_of in (group.ingress_rules, group.egress_rules):
        rules_of[:] = [fresh.get(rule.id, rule) for rule in rules_of]


def _replaced(backend: Any, group: Any, rule_id: str, told: dict[str, Any]) -> Any:
    """Return what a rule is to be. Raises the errors of EC2; nothing is changed yet."""
    old = group.get_rule(rule_id)
    if old is None:
        raise exceptions.InvalidSecurityGroupRuleIdNotFoundError(rule_id)
    kinds = {
        "CidrIpv4": old.cidr_ipv4,
        "CidrIpv6": old.cidr_ipv6,
        "PrefixListId": old.prefix_list_id,
        "ReferencedGroupId": old.source_group.get("GroupId"),
    }
    given = [kind for kind in kinds if told.get(kind)]
    if len(given) > 1:
        raise exceptions.InvalidParameterCombination(
            "Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified",
        )
    if not given:
        raise exceptions.MissingParameter("The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId")
    (kind,) = given
    if not kinds[kind]:
        is_kind = next((name for name, value in kinds.items() if value), "")
        raise exceptions.InvalidParameterValue(
            f"Invalid rule type for security group rule '{rule_id}'. You may not specify {kind} for an existing {is_kind} rule."
        )
    if told.get("IpProtocol") is None:
        raise exceptions.InvalidParameterValue(
            "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly."
        )
    text = told["Description"] if "Description" in told else _description(old)
    described = {"Description": text} if text else {}
    ip_range = {kind.replace("CidrIpv4", "CidrIp"): told[kind], **described} if kind.startswith("Cidr") else None
    source_group = prefix_list = None
    if kind == "ReferencedGroupId":
        (source_group,) = backend._add_source_group([{"GroupId": told[kind]}], None)  # noqa: SLF001 - moto has no other way
        source_group |= described
    if kind == "PrefixListId":
        prefix_list = {"PrefixListId": told[kind], **described}
    ports = (told.get("FromPort"), told.get("ToPort"))
    peers = (ip_range, source_group, prefix_list)
    rule = SecurityGroupRule(backend, told["IpProtocol"], old.group_id, *ports, *peers, is_egress=old.is_egress)
    rule.id = old.id
    return rule
