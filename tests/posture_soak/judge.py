"""What stands open, worked out again from docs/open-ingress.md: addresses by `ipaddress`, ports one stretch after the other, by brute force.

Nothing of exporter.posture is used but the table of port classes, which is data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import pairwise

from exporter.posture.ports import DEFAULT_PORT_CLASSES

Interval = tuple[int, int]
"""First and last, both included."""
Traffic = tuple[str, int, int]
"""A protocol (`all` for every one) and its ports from, to; of ICMP type and code as one number; 0 to 0 where there are none."""
Open = dict[int, set[Traffic]]
"""What is open by IP version, each protocol in stretches that do not touch."""

_PRIVATE = {
    4: ["0.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"],
    6: ["::/3", "4000::/2", "8000::/1", "3fff::/20"],
}
_BITS = {4: 32, 6: 128}
_NOBODYS = {4: 1 << 24, 6: 1 << 96}
"""More than a /8, or a /32 of IPv6, is nobody's own."""
_LAST = 65535
NAMES = {"-1": "all"}


@dataclass(frozen=True)
class Rule:
    """A rule as EC2 answers it: protocol `-1` for all, ports -1 where there are none."""

    rule_id: str
    egress: bool
    protocol: str
    low: int
    high: int
    kind: str
    peer: str
    description: str = ""

    @property
    def place(self) -> tuple[object, ...]:
        """What EC2 allows once in a group."""
        return self.egress, self.protocol, self.low, self.high, self.peer


Lists = Mapping[str, Iterable[str]]
"""The CIDRs of each prefix list."""


def _public(version: int) -> list[Interval]:
    at, out = 0, []
    for network in sorted(map(ip_network, _PRIVATE[version]), key=lambda n: int(n.network_address)):
        if at < int(network.network_address):
            out.append((at, int(network.network_address) - 1))
        at = max(at, int(network.broadcast_address) + 1)
    if at < 1 << _BITS[version]:
        out.append((at, (1 << _BITS[version]) - 1))
    return out


PUBLIC = {version: _public(version) for version in (4, 6)}


def stretches(version: int, networks: Iterable[Interval]) -> list[Interval]:
    """Return the stretches of public addresses of some ranges that are the internet."""
    pieces = sorted((max(a, c), min(b, d)) for a, b in networks for c, d in PUBLIC[version] if max(a, c) <= min(b, d))
    joined: list[Interval] = []
    for a, b in pieces:
        if joined and a <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(b, joined[-1][1])
        else:
            joined.append((a, b))
    if joined == PUBLIC[version]:
        return joined
    return [(a, b) for a, b in joined if b - a + 1 > _NOBODYS[version]]


def _networks(rule: Rule, lists: Lists, version: int) -> list[Interval]:
    if rule.kind == "group":
        return []
    found = map(ip_network, lists.get(rule.peer, ()) if rule.kind == "list" else [rule.peer])
    return [(int(n.network_address), int(n.broadcast_address)) for n in found if n.version == version]


def traffic(rule: Rule) -> Traffic:
    """Return what a rule lets in."""
    name = NAMES.get(rule.protocol, rule.protocol)
    if name in ("tcp", "udp"):
        return name, rule.low, rule.high
    if name in ("icmp", "icmpv6"):
        if rule.low < 0:
            return name, 0, _LAST
        return name, rule.low * 256 + max(rule.high, 0), rule.low * 256 + (rule.high if rule.high >= 0 else 255)
    return name, 0, 0


def _points(all_traffic: Sequence[Traffic]) -> list[Traffic]:
    """Return stretches within which all ports are in the same rules; one of the protocol `all` stands for those that nobody names."""
    out: list[Traffic] = [("all", 0, 0)]
    for name in {name for name, _, _ in all_traffic} - {"all"}:
        end = _LAST if name in ("tcp", "udp", "icmp", "icmpv6") else 0
        cuts = sorted({0, end + 1} | {x for other, a, b in all_traffic if other == name for x in (a, b + 1)})
        out += [(name, a, b - 1) for a, b in pairwise(cuts)]
    return out


def _covers(own: Traffic, point: Traffic) -> bool:
    return own[0] == "all" or (own[0] == point[0] and own[1] <= point[1] and point[2] <= own[2])


def _runs(points: Iterable[Traffic]) -> set[Traffic]:
    """Return points put together; `all` stands for the rest."""
    found = sorted(points)
    if ("all", 0, 0) in found:
        return {("all", 0, 0)}
    out: list[Traffic] = []
    for name, low, high in found:
        if out and out[-1][0] == name and out[-1][2] + 1 == low:
            out[-1] = name, out[-1][1], high
        else:
            out.append((name, low, high))
    return set(out)


def opened(rules: Iterable[Rule], lists: Lists) -> Open:
    """Return all that ingress rules open together."""
    inward = [rule for rule in rules if not rule.egress]
    out: Open = {}
    for version in (4, 6):
        rows = [(traffic(rule), found) for rule in inward if (found := _networks(rule, lists, version))]
        points = [
            point
            for point in _points([own for own, _ in rows])
            if stretches(version, [n for own, found in rows if _covers(own, point) for n in found])
        ]
        out[version] = _runs(points)
    return out


def open_rules(rules: Iterable[Rule], lists: Lists) -> dict[tuple[str, int], set[Traffic]]:
    """Return what each rule opens, or takes part in opening, by its id and IP version."""
    inward = [rule for rule in rules if not rule.egress]
    out: dict[tuple[str, int], set[Traffic]] = {}
    for version in (4, 6):
        rest: list[tuple[Rule, Traffic, list[Interval]]] = []
        for rule in inward:
            networks = _networks(rule, lists, version)
            if stretches(version, networks):
                out[rule.rule_id, version] = {traffic(rule)}
            elif networks:
                rest.append((rule, traffic(rule), networks))
        shares: dict[str, list[Traffic]] = {}
        for point in _points([own for _, own, _ in rest]):
            here = [(rule, networks) for rule, own, networks in rest if _covers(own, point)]
            ranges = [n for _, networks in here for n in networks]
            wide = stretches(version, ranges)
            for rule, networks in here:
                if any(_takes_part(n, wide, ranges) for n in networks):
                    shares.setdefault(rule.rule_id, []).append(point)
        for rule_id, points in shares.items():
            out[rule_id, version] = _runs(points)
    return out


def _takes_part(own: Interval, wide: Iterable[Interval], ranges: Iterable[Interval]) -> bool:
    met = any(own[0] <= b and a <= own[1] for a, b in wide)
    return met and not any(a <= own[0] and own[1] <= b and (a, b) != own for a, b in ranges)


def _class_table() -> dict[tuple[str, int], str]:
    table: dict[tuple[str, int], str] = {}
    for name, entries in DEFAULT_PORT_CLASSES.items():
        for entry in entries:
            ports, _, protocol = entry.partition("/")
            first, _, last = ports.partition("-")
            table |= {(protocol or "tcp", port): name for port in range(int(first), int(last or first) + 1)}
    return table


_CLASSES = _class_table()


def classes(found: Traffic) -> set[str]:
    """Return the port classes of a stretch of ports."""
    name, low, high = found
    if name == "all":
        return {"all"}
    if name not in ("tcp", "udp"):
        return {"other"}
    if low <= 1 and high == _LAST:
        return {"all"}
    if high - low > len(_CLASSES):
        return {kind for (protocol, port), kind in _CLASSES.items() if protocol == name and low <= port <= high} or {"other"}
    return {_CLASSES[name, port] for port in range(low, high + 1) if (name, port) in _CLASSES} or {"other"}


def newly_open(before: Open, after: Open) -> set[str]:
    """Return the classes of what is open after and was not before."""
    out: set[str] = set()
    for version, found in after.items():
        was = before.get(version, set())
        if ("all", 0, 0) in was:
            continue
        for name, low, high in found:
            at = low
            for _, a, b in sorted(t for t in was if t[0] == name):
                if at < a:
                    out |= classes((name, at, min(a - 1, high))) if at <= high else set()
                at = max(at, b + 1)
            if at <= high:
                out |= classes((name, at, high))
    return out
