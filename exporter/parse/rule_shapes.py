"""The shapes in which records spell rules: rule sets of answers, permissions in long and in flat form, rule ids."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from exporter.model import Direction, PeerType, Rule
from exporter.parse.dialect import as_list, lowered, port, text, truth

MOST_CHANGES = 5000
"""Most rule changes of one event; EC2 itself allows a group some 1000 rules."""

_PROTOCOLS = MappingProxyType(
    {"-1": "all", "1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
    # One text for all rules that have it.
    | {name: name for name in ("all", "icmp", "tcp", "udp", "icmpv6")}
)
_LONGEST_PEER = 255
_IPV4_HOSTS = MappingProxyType({str(length): (1 << 32 - length) - 1 for length in range(33)})
_IPV6_HOSTS = MappingProxyType({str(length): (1 << 128 - length) - 1 for length in range(129)})


def answered_rules(rule_set: object, direction: Direction) -> list[Rule]:
    """Return the rules of a rule set in an answer."""
    rules: list[Rule] = []
    for entry in as_list(rule_set)[:MOST_CHANGES]:
        fields = lowered(entry)
        egress = truth(fields.get("isegress"))
        rule = rule_of(fields, direction if egress is None else Direction.EGRESS if egress else Direction.INGRESS)
        if rule.rule_id or rule.protocol or rule.peer:
            rules.append(rule)
    return rules


def rule_of(fields: Mapping[str, Any], direction: Direction | None) -> Rule:
    """Return the rule that the members of one entry of a rule set spell."""
    protocol, from_port, to_port = _traffic(fields)
    peer_type, peer = None, None
    if "cidripv4" in fields:
        peer_type, peer = network_of(fields["cidripv4"], PeerType.IPV4)
    if peer is None and "cidripv6" in fields:
        peer_type, peer = network_of(fields["cidripv6"], PeerType.IPV6)
    if peer is None and "prefixlistid" in fields:
        peer_type, peer = _peer(PeerType.PREFIX_LIST, text(fields["prefixlistid"], _LONGEST_PEER))
    if peer is None and "referencedgroupinfo" in fields:
        peer_type, peer = _peer(PeerType.SECURITY_GROUP, _group(lowered(fields["referencedgroupinfo"])))
    if peer is None and "referencedgroupid" in fields:
        peer_type, peer = _peer(PeerType.SECURITY_GROUP, text(fields["referencedgroupid"], _LONGEST_PEER))
    rule_id = text(fields.get("securitygroupruleid"), 128)
    return Rule(direction, rule_id, protocol, from_port, to_port, peer_type, peer, description_of(fields))


def asked_rules(request: Mapping[str, Any], direction: Direction) -> Iterator[Rule]:
    """Yield the rules that a request names in whichever form."""
    for key in ("ippermissions", "ippermissionset"):
        yield from permitted_rules(as_list(request.get(key)), direction)
    if any(key in request for key in _FLAT_KEYS):
        yield from _flat(request, direction)
    for key in ("securitygroupruleids", "securitygroupruleid"):
        for entry in as_list(request.get(key)):
            rule_id = text(lowered(entry).get("securitygroupruleid"), 128) or text(entry, 128)
            if rule_id is not None:
                yield Rule(direction=direction, rule_id=rule_id)


_FLAT_KEYS = (
    "cidrip",
    "cidripv6",
    "ipprotocol",
    "sourcesecuritygroupid",
    "sourcesecuritygroupname",
    "ec2securitygroupid",
    "ec2securitygroupname",
)


def _flat(request: Mapping[str, Any], direction: Direction) -> Iterator[Rule]:
    """Yield the rule of the flat form; RDS, ElastiCache and Redshift write theirs so, without protocol and ports."""
    protocol, from_port, to_port = _traffic(request)
    peers = [
        network_of(request.get("cidrip"), PeerType.IPV4),
        network_of(request.get("cidripv6"), PeerType.IPV6),
        *(
            _peer(
                PeerType.SECURITY_GROUP,
                _group(
                    {
                        "groupid": request.get(f"{whose}securitygroupid"),
                        "groupname": request.get(f"{whose}securitygroupname"),
                        "userid": request.get(f"{whose}securitygroupownerid"),
                    }
                ),
            )
            for whose in ("source", "ec2")
        ),
    ]
    bare = True
    for peer_type, peer in peers:
        if peer is not None:
            bare = False
            yield Rule(direction, None, protocol, from_port, to_port, peer_type, peer)
    if bare and protocol is not None:
        yield Rule(direction, None, protocol, from_port, to_port)


_RANGES: tuple[tuple[str, str, PeerType], ...] = (
    ("ipranges", "cidrip", PeerType.IPV4),
    ("ipv4ranges", "cidrip", PeerType.IPV4),
    ("ipv6ranges", "cidripv6", PeerType.IPV6),
    ("prefixlistids", "prefixlistid", PeerType.PREFIX_LIST),
    ("groups", "", PeerType.SECURITY_GROUP),
    ("useridgrouppairs", "", PeerType.SECURITY_GROUP),
)


def permitted_rules(permissions: Iterable[Any], direction: Direction) -> Iterator[Rule]:
    """Yield one rule for each peer of each permission."""
    for permission in permissions:
        if isinstance(permission, dict):
            yield from rules_of_permission(lowered(permission), direction)


def rules_of_permission(fields: Mapping[str, Any], direction: Direction) -> list[Rule]:
    """Return one rule for each peer of a permission; `fields` has lower-case keys."""
    protocol, from_port, to_port = _traffic(fields)
    rules: list[Rule] = []
    for key, member, kind in _RANGES:
        entries = fields.get(key)
        if entries is None:
            continue
        for entry in as_list(entries):
            inner = lowered(entry)
            peer_type, peer = _member_peer(inner, inner.get(member, entry), kind)
            if peer is not None:
                rules.append(Rule(direction, None, protocol, from_port, to_port, peer_type, peer, description_of(inner)))
    if not rules and protocol is not None:
        rules.append(Rule(direction, None, protocol, from_port, to_port))
    return rules


def _member_peer(fields: Mapping[str, Any], value: object, kind: PeerType) -> tuple[PeerType | None, str | None]:
    if kind is PeerType.SECURITY_GROUP:
        return _peer(kind, _group(fields) if fields else text(value, _LONGEST_PEER))
    if kind is PeerType.PREFIX_LIST:
        return _peer(kind, text(value, _LONGEST_PEER))
    return network_of(value, kind)


def _peer(kind: PeerType, value: str | None) -> tuple[PeerType | None, str | None]:
    return (None, None) if value is None else (kind, value)


def _group(fields: Mapping[str, Any]) -> str | None:
    """Return a group's id; where there is none its name, after the owner's account if that is told."""
    group = text(fields.get("groupid"), _LONGEST_PEER)
    if group is not None:
        return group
    name = text(fields.get("groupname"), _LONGEST_PEER)
    owner = text(fields.get("userid"), 64)
    return f"{owner}/{name}"[:_LONGEST_PEER] if owner and name else name


def network_of(value: object, kind: PeerType) -> tuple[PeerType | None, str | None]:
    """Return a CIDR in canonical spelling, and its version; text that is no CIDR stays as it is."""
    spelled = text(value, _LONGEST_PEER)
    if spelled is None:
        return None, None
    spelled = spelled.strip() or spelled
    if ":" in spelled:
        if _is_canonical(spelled, socket.AF_INET6, _IPV6_HOSTS):
            return PeerType.IPV6, spelled
    elif _is_canonical(spelled, socket.AF_INET, _IPV4_HOSTS):
        return PeerType.IPV4, spelled
    try:
        network = ipaddress.ip_network(spelled, strict=False)
    except ValueError:
        # A prefix length of 0 leaves nothing of the address, so it need not be readable.
        if spelled.rpartition("/")[2] == "0":
            return (PeerType.IPV6, "::/0") if kind is PeerType.IPV6 or ":" in spelled else (PeerType.IPV4, "0.0.0.0/0")
        return kind, spelled
    return (PeerType.IPV4 if network.version == 4 else PeerType.IPV6), str(network)


def _is_canonical(spelled: str, family: socket.AddressFamily, hosts_of: Mapping[str, int]) -> bool:
    """Tell what AWS writes nearly always, many times faster than `ipaddress` makes a network of it.

    An IPv6 address that ends in dotted form is left to `ipaddress`, which spells it otherwise than the system does.
    """
    address, _, length = spelled.partition("/")
    hosts = hosts_of.get(length)
    if hosts is None or (family is socket.AF_INET6 and "." in address):
        return False
    try:
        packed = socket.inet_pton(family, address)
    except (OSError, ValueError):
        return False
    return not int.from_bytes(packed) & hosts and socket.inet_ntop(family, packed) == address


def _traffic(fields: Mapping[str, Any]) -> tuple[str | None, int | None, int | None]:
    """Return protocol and ports; all protocols have no ports, whatever the record says (0/0, -1/-1 or nothing)."""
    protocol = text(fields.get("ipprotocol"), 32)
    if protocol is not None:
        protocol = protocol.strip().lower()
        protocol = _PROTOCOLS.get(protocol, protocol) or None
    if protocol == "all":
        return protocol, None, None
    return protocol, port(fields.get("fromport")), port(fields.get("toport"))


def description_of(fields: Mapping[str, Any]) -> str | None:
    return text(fields.get("description"), 255)
