"""What EC2's answers and the items of AWS Config have in common: permissions, tags, addresses of interfaces, read strictly.

What is there but cannot be understood is an error and never left out: a rule that vanishes from a picture would count as closed.
Keys are compared in lower case, because EC2 writes PascalCase and AWS Config the same names in lowerCamel.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from exporter.errors import SourceError
from exporter.model import Direction, PeerType, Rule
from exporter.parse.dialect import LONGEST_LIST, as_list, lowered, text, truth
from exporter.parse.rule_shapes import network_of, rules_of_permission
from exporter.posture.networks import parse_network
from exporter.posture.standing import Attachment
from exporter.text import visible

_PEERS = ("ipv4ranges", "ipranges", "ipv6ranges", "prefixlistids", "useridgrouppairs", "groups")
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface: its groups, and by which addresses it can be reached.

    `public_ipv4` are addresses that EC2 maps to it (elastic or lent), `global_ipv6` addresses and delegated prefixes of 2000::/3
    (RFC 4291) unless its traffic from internet gateways is denied; `private_ips` are the IPv4 addresses of its subnet.
    """

    interface_id: str
    groups: tuple[str, ...] = ()
    public_ipv4: tuple[str, ...] = ()
    global_ipv6: tuple[str, ...] = ()
    instance_id: str = ""
    private_ips: tuple[str, ...] = ()
    owner_id: str = ""
    vpc_id: str = ""


def unreadable(where: str, problem: str) -> NoReturn:
    """Raise SourceError("unreadable"); `where` names the answer and the thing in it, both of which may be an attacker's text."""
    raise SourceError("unreadable", f"{visible(where, 300)}: {visible(problem, 500)}")


def fields_of(item: object, where: str) -> dict[str, Any]:
    """Return the members of an object by lower-case keys."""
    if not isinstance(item, dict):
        unreadable(where, f"is {_kind(item)}, not an object")
    return lowered(item)


def text_of(fields: Mapping[str, Any], key: str) -> str:
    """Return a member as bounded text, empty where there is none."""
    return text(fields.get(key)) or ""


def required(fields: Mapping[str, Any], key: str, where: str, spelled: str) -> str:
    """Return a member that must be text; `spelled` is its name as AWS writes it."""
    value = text(fields.get(key))
    if value is None:
        unreadable(where, f"has no {spelled}")
    return value


def list_of(fields: Mapping[str, Any], key: str, where: str, spelled: str) -> Sequence[Any]:
    """Return a member that must be a list; what is absent or null is empty."""
    value = fields.get(key)
    if isinstance(value, list) and len(value) < LONGEST_LIST:
        return value
    if isinstance(value, str | int | float) and value != "":
        unreadable(where, f"{spelled} is {_kind(value)}, not a list")
    found = as_list(value)
    if len(found) >= LONGEST_LIST:
        unreadable(where, f"{spelled} has {LONGEST_LIST} elements or more, which AWS allows nowhere")
    return found


def rules_in(permissions: Sequence[Any], direction: Direction, where: str, problems: list[str] | None = None) -> list[Rule]:
    """Return the rules of permissions, one for each peer, spelled as those of events.

    AWS Config writes the IPv4 ranges twice, `ipRanges` as strings and `ipv4Ranges` as objects with descriptions; items from before
    2018 have the strings alone. What both say is one rule, what only one of them says is a rule all the same. Raises SourceError for
    a permission that names its peers in no known way; where `problems` takes that, the other permissions are still read.
    """
    rules: list[Rule] = []
    for index, permission in enumerate(permissions):
        try:
            rules += _rules_of(permission, direction, f"{where}, {direction.value} permission {index}")
        except SourceError as error:
            if problems is None:
                raise
            problems.append(str(error))
    return rules


def _rules_of(permission: object, direction: Direction, place: str) -> list[Rule]:
    fields = fields_of(permission, place)
    peers = {key: list_of(fields, key, place, key) for key in _PEERS if key in fields}
    if not peers:
        unreadable(place, "names no ranges, prefix lists or groups: was only a part of it asked for?")
    if peers.get("ipv4ranges") and peers.get("ipranges"):
        peers["ipranges"] = fields["ipranges"] = _not_told(peers["ipranges"], peers["ipv4ranges"])
    found = rules_of_permission(fields, direction)
    if not found:
        unreadable(place, "has neither protocol nor peers")
    # One rule without a peer stands for no peer at all.
    if (len(found) if found[0].peer is not None else 0) != sum(map(len, peers.values())):
        unreadable(place, "has a peer without CIDR, prefix list or group")
    return found


def _not_told(ranges: Iterable[Any], told: Iterable[Any]) -> list[Any]:
    """Return the ranges that are not among those with descriptions, however both spell them."""
    texts = {_spelled(entry) for entry in told}
    left = [entry for entry in ranges if _spelled(entry) not in texts]
    networks = {network_of(spelled, PeerType.IPV4) for spelled in texts} if left else ()
    return [entry for entry in left if network_of(_spelled(entry), PeerType.IPV4) not in networks]


def _spelled(entry: object) -> str | None:
    return text(lowered(entry).get("cidrip", entry))


def ordered(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return rules in one order, whatever the order of the answer: equal sets of rules are equal tuples."""
    return tuple(sorted(rules, key=_rank))


def _rank(rule: Rule) -> tuple[str, str, int, int, str, str, str, str]:
    return (
        rule.direction or "",
        rule.protocol or "",
        -2 if rule.from_port is None else rule.from_port,
        -2 if rule.to_port is None else rule.to_port,
        rule.peer_type or "",
        rule.peer or "",
        rule.rule_id or "",
        rule.description or "",
    )


def tags_of(value: object, where: str) -> tuple[tuple[str, str], ...]:
    """Return tags sorted by key, whether an object or a list of keys and values spells them."""
    if isinstance(value, dict) and not any(isinstance(inner, dict | list) for inner in value.values()):
        pairs: list[tuple[object, object]] = list(value.items())
    else:
        entries = [fields_of(entry, f"{where}, tags") for entry in list_of({"tags": value}, "tags", where, "tags")]
        pairs = [(entry.get("key", entry.get("tagkey")), entry.get("value", entry.get("tagvalue"))) for entry in entries]
    found: dict[str, str] = {}
    for key, inner in pairs:
        name = text(key, 128)
        if name is None:
            unreadable(where, "has a tag without a key")
        found[name] = text(inner) or ""
    return tuple(sorted(found.items()))


def entries_in(entries: Iterable[Any], where: str) -> tuple[tuple[str, str], ...]:
    """Return the entries of a prefix list, sorted, their CIDRs spelled as in events; an entry may be its CIDR alone."""
    found: list[tuple[str, str]] = []
    for index, entry in enumerate(entries):
        place = f"{where}, entry {index}"
        fields = {"cidr": entry} if isinstance(entry, str) else fields_of(entry, place)
        spelled = required(fields, "cidr", place, "Cidr")
        _, cidr = network_of(spelled, PeerType.IPV4)
        if cidr is None or parse_network(cidr) is None:
            unreadable(place, f"{spelled} is no range of addresses")
        found.append((cidr, text(fields.get("description"), 255) or ""))
    return tuple(sorted(found))


def whole_of(fields: Mapping[str, Any], key: str) -> int | None:
    """Return a member as a whole number that is not negative; None where there is none."""
    value = fields.get(key)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def interface_in(fields: Mapping[str, Any], interface_id: str, where: str) -> Interface:
    """Return a network interface; `fields` has the names of DescribeNetworkInterfaces in lower case."""
    groups = [fields_of(group, f"{where}, groups") for group in list_of(fields, "groups", where, "groups")]
    addresses = [fields_of(address, where) for address in list_of(fields, "privateipaddresses", where, "privateIpAddresses")]
    v6 = [(entry, "ipv6address") for entry in list_of(fields, "ipv6addresses", where, "ipv6Addresses")]
    v6 += [(entry, "ipv6prefix") for entry in list_of(fields, "ipv6prefixes", where, "ipv6Prefixes")]
    spelled = [text_of(fields_of(entry, where), key) for entry, key in v6] + [text_of(fields, "ipv6address")]
    denied = truth(fields.get("denyalligwtraffic"))
    return Interface(
        interface_id,
        tuple(sorted({required(group, "groupid", f"{where}, groups", "groupId") for group in groups})),
        _distinct(text_of(lowered(holder.get("association")), "publicip") for holder in (fields, *addresses)),
        () if denied else _distinct(address for address in spelled if _is_global(address)),
        text_of(lowered(fields.get("attachment")), "instanceid"),
        _distinct([*(text_of(address, "privateipaddress") for address in addresses), text_of(fields, "privateipaddress")]),
        text_of(fields, "ownerid"),
        text_of(fields, "vpcid"),
    )


def attachments_of(interfaces: Iterable[Interface]) -> dict[str, Attachment]:
    """Return what each group is attached to, by group id."""
    found: dict[str, Attachment] = {}
    for interface in interfaces:
        for group_id in interface.groups:
            known = found.get(group_id, Attachment())
            found[group_id] = Attachment(
                known.interfaces + 1,
                known.public_ipv4 or bool(interface.public_ipv4),
                known.public_ipv6 or bool(interface.global_ipv6),
            )
    return found


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _is_global(address: str) -> bool:
    try:
        return ipaddress.IPv6Interface(address).ip in _GLOBAL_IPV6
    except ValueError:
        return False


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (str, "text"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "an object"),
    (type(None), "null"),
)


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), type(value).__name__)
