"""Which ports rules open to the internet: pure set calculus over (protocol, ports, network) rows.

"The internet" is a property of the union of networks, not of one text: 0.0.0.0/1 with 128.0.0.0/1, 2000::/3
or ::/1 are as open as 0.0.0.0/0. A port is open where the union of the networks that may reach it holds an
unbroken interval of public addresses wider than an IPv4 /8, or than an IPv6 /32: nobody owns that much,
so it cannot be a list of one's own addresses. Not public are 0.0.0.0/8, RFC 1918, RFC 6598 (shared),
127.0.0.0/8, 169.254.0.0/16, multicast and reserved (224.0.0.0/3), and of IPv6 all but 2000::/3 (RFC 4291)
without its documentation block 3fff::/20 (RFC 9637). The other documentation blocks are too small to matter.

Method: protocols and their ports are laid out on one axis, cut where any row begins or ends, so a row's ports
are a bit mask over the pieces. CIDR blocks nest or are disjoint, so one walk over the sorted blocks gives
each address segment the mask of ports that reach it; a window slides over the segments and keeps, by two
stacks, the AND of the shortest stretch that is wide enough. Time is linear in rows but for the sorting and
the length of the masks, whatever rows an attacker writes.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.model import Direction, PeerType, Rule, RuleAction, RuleChange
from exporter.posture.ports import PORT_CLASSES, PortRanges

_PORTS = 65536
_NUMBERED = {"-1": "all", "1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_RANGED = ("tcp", "udp", "icmp", "icmpv6")
_LONGEST_CIDR = 49


@dataclass(frozen=True, slots=True)
class Network:
    """One CIDR block as integers; `end` is excluded. Host bits of the text it came from are cleared."""

    version: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Row:
    """What one rule lets in: protocol as in model.Rule, its ports (ICMP: type and code), and the network.

    A protocol or port that is None is unknown and taken for the widest, so that nothing open vanishes.
    """

    protocol: str | None
    from_port: int | None
    to_port: int | None
    network: Network


@dataclass(frozen=True, slots=True)
class Opened:
    """Ports open to the internet over one IP version; the ports are None except for tcp and udp."""

    ip_version: int
    protocol: str
    from_port: int | None = None
    to_port: int | None = None


@dataclass(frozen=True, slots=True)
class Internet:
    """What counts as the internet over one IP version: its public intervals (ends excluded), and the size an open stretch must exceed."""

    public: tuple[tuple[int, int], ...]
    wide: int


def parse_network(text: str | None) -> Network | None:
    """Return the block that a CIDR or a single address spells (host bits cleared), None where it spells none."""
    if not isinstance(text, str) or len(text) > _LONGEST_CIDR:
        return None
    address, slash, length = text.partition("/")
    version, bits = (6, 128) if ":" in address else (4, 32)
    if slash and not (length.isascii() and length.isdigit()):
        return None
    prefix = int(length) if slash else bits
    if prefix > bits:
        return None
    try:
        value = int.from_bytes(socket.inet_pton(socket.AF_INET6 if version == 6 else socket.AF_INET, address))
    except (OSError, ValueError):
        return None
    size = 1 << (bits - prefix)
    start = value & -size
    return Network(version, start, start + size)


def _complement(version: int, blocks: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the intervals of the address space that the blocks leave."""
    out: list[tuple[int, int]] = []
    position = 0
    for network in sorted((n for n in map(parse_network, blocks) if n is not None), key=lambda n: n.start):
        if position < network.start:
            out.append((position, network.start))
        position = max(position, network.end)
    if position < 1 << (128 if version == 6 else 32):
        out.append((position, 1 << (128 if version == 6 else 32)))
    return tuple(out)


_NOT_PUBLIC_4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
)
_NOT_PUBLIC_6 = ("::/3", "3fff::/20", "4000::/2", "8000::/1")

INTERNETS: Mapping[int, Internet] = {
    4: Internet(_complement(4, _NOT_PUBLIC_4), wide=1 << 24),
    6: Internet(_complement(6, _NOT_PUBLIC_6), wide=1 << 96),
}
"""The internet by IP version, as the head of this module defines it."""


def opened_ports(rows: Iterable[Row], internets: Mapping[int, Internet] = INTERNETS) -> list[Opened]:
    """Return what the rows together open to the internet, sorted by IP version, protocol and port.

    Rows with protocol `all` count for every protocol. Where all protocols are open, one row says so and
    stands for the rest of that IP version.
    """
    by_version: dict[int, list[Row]] = {}
    for row in rows:
        by_version.setdefault(row.network.version, []).append(row)
    out: list[Opened] = []
    for version, internet in internets.items():
        found = by_version.get(version, [])
        # Networks that have no more addresses than that in all cannot open anything: most rules, answered at once.
        if sum(row.network.end - row.network.start for row in found) > internet.wide:
            out += _opened_in(version, found, internet)
    return out


def _protocol(text: str | None) -> str:
    if text is None:
        return "all"
    name = text.strip().lower()
    return _NUMBERED.get(name, name)


def _offsets(row: Row, protocol: str) -> tuple[int, int]:
    """Return the first position and the one after the last of a row on its protocol's part of the axis."""
    low, high = row.from_port, row.to_port
    if protocol in ("tcp", "udp"):
        if low is None or high is None or not 0 <= low <= high < _PORTS:
            return 0, _PORTS
        return low, high + 1
    if protocol in ("icmp", "icmpv6"):
        if low is None or not 0 <= low <= 255:
            return 0, _PORTS
        if high is None or not 0 <= high <= 255:
            return low << 8, (low + 1) << 8
        return (low << 8) + high, (low << 8) + high + 1
    return 0, 1


def _opened_in(version: int, rows: Sequence[Row], internet: Internet) -> list[Opened]:
    protocols = [_protocol(row.protocol) for row in rows]
    # The last place on the axis belongs to no named protocol: only rows for all protocols reach it.
    named = sorted(set(protocols) - {"all"})
    base: dict[str, int] = {}
    position = 0
    for name in named:
        base[name] = position
        position += _PORTS if name in _RANGED else 1
    whole = (0, position + 1)

    spans: list[tuple[int, int]] = []
    for row, protocol in zip(rows, protocols, strict=True):
        if protocol == "all":
            spans.append(whole)
        else:
            low, high = _offsets(row, protocol)
            spans.append((base[protocol] + low, base[protocol] + high))

    cuts = sorted({0, position, *base.values(), *(point for span in spans for point in span)})
    piece = {point: index for index, point in enumerate(cuts)}
    masks: dict[tuple[int, int], int] = {}
    for row, (low, high) in zip(rows, spans, strict=True):
        block = row.network.start, -row.network.end
        masks[block] = masks.get(block, 0) | (1 << piece[high]) - (1 << piece[low])

    mask = _wide(_clipped(_segments(masks), internet.public), internet.wide)
    if mask >> piece[position] & 1:
        return [Opened(version, "all")]
    out: list[Opened] = []
    for name, start in base.items():
        width = _PORTS if name in _RANGED else 1
        first, last = piece[start], piece[start + width]
        own = mask >> first & (1 << last - first) - 1
        if own and name not in ("tcp", "udp"):
            out.append(Opened(version, name))
            continue
        for low, high in _runs(own):
            out.append(Opened(version, name, cuts[first + low] - start, cuts[first + high] - start - 1))
    return out


def _segments(masks: Mapping[tuple[int, int], int]) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, mask) of every address segment that some block covers, in order.

    Keys are (start, -end), so that sorting puts an enclosing block before those inside it.
    """
    stack: list[tuple[int, int]] = []
    position = 0
    for (start, negative_end), own in sorted(masks.items()):
        mask = own
        while stack and stack[-1][0] <= start:
            end, outer = stack.pop()
            if position < end:
                yield position, end, outer
                position = end
        if stack:
            if position < start:
                yield position, start, stack[-1][1]
            mask |= stack[-1][1]
        position = start
        stack.append((-negative_end, mask))
    while stack:
        end, outer = stack.pop()
        if position < end:
            yield position, end, outer
            position = end


def _clipped(segments: Iterable[tuple[int, int, int]], public: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield the parts of the segments that lie in the public intervals; both are in order."""
    index = 0
    for start, end, mask in segments:
        while index < len(public) and public[index][1] <= start:
            index += 1
        at = index
        while at < len(public) and public[at][0] < end:
            yield max(start, public[at][0]), min(end, public[at][1]), mask
            at += 1


def _wide(segments: Iterable[tuple[int, int, int]], wide: int) -> int:
    """Return the mask of all ports that reach some unbroken stretch of more than `wide` addresses.

    A queue of two stacks keeps the AND of the window: `back` takes segments in, `front` holds running ANDs.
    """
    opened = 0
    front: list[tuple[int, int]] = []
    back: list[tuple[int, int]] = []
    back_mask = -1
    length = 0
    previous_end: int | None = None
    for start, end, mask in segments:
        if start != previous_end:
            front, back, back_mask, length = [], [], -1, 0
        previous_end = end
        back.append((end - start, mask))
        back_mask &= mask
        length += end - start
        while length > wide:
            if not front:
                running = -1
                while back:
                    size, own = back.pop()
                    running &= own
                    front.append((size, running))
                back_mask = -1
            if length - front[-1][0] <= wide:
                break
            length -= front.pop()[0]
        if length > wide:
            opened |= front[-1][1] & back_mask
    return opened


def _runs(mask: int) -> Iterator[tuple[int, int]]:
    """Yield the first bit and the one after the last of each run of ones, lowest first."""
    position = 0
    while mask:
        zeros = (mask & -mask).bit_length() - 1
        mask >>= zeros
        ones = (~mask & mask + 1).bit_length() - 1
        mask >>= ones
        yield position + zeros, position + zeros + ones
        position += zeros + ones


class OpenedIngress:
    """Tells the port classes that the rule changes of one successful event opened to the internet."""

    def __init__(self, port_classes: Mapping[str, PortRanges]) -> None:
        self._port_classes = dict(port_classes)

    def __call__(self, changes: Sequence[RuleChange]) -> tuple[str, ...]:
        """Return the classes opened, in the order of PORT_CLASSES.

        Rules added to ingress count, and modified ones unless they are known to be egress (the record of a
        modification does not tell) or to have let in the same before. Only CIDR peers can be judged from one
        event; prefix lists and referenced groups cannot, nor can a CIDR that is not readable.
        """
        rows = []
        for change in changes:
            network = _judged_network(change)
            if network is not None:
                rows.append(Row(change.rule.protocol, change.rule.from_port, change.rule.to_port, network))
        if not rows:
            return ()
        found: set[str] = set()
        for opened in opened_ports(rows):
            found.update(self.classes_of(opened))
        return tuple(name for name in PORT_CLASSES if name in found)

    def classes_of(self, opened: Opened) -> tuple[str, ...]:
        """Return `all` where every port or protocol is open, else each class that has a port open, else `other`."""
        if opened.protocol == "all":
            return ("all",)
        if opened.from_port is None or opened.to_port is None:
            return ("other",)
        if opened.from_port <= 1 and opened.to_port == _PORTS - 1:
            return ("all",)
        hit = (name for name, ranges in self._port_classes.items() if ranges.overlaps(opened.protocol, opened.from_port, opened.to_port))
        return tuple(hit) or ("other",)


def _judged_network(change: RuleChange) -> Network | None:
    rule = change.rule
    if change.action is RuleAction.ADDED:
        if rule.direction is not Direction.INGRESS:
            return None
    elif change.action is RuleAction.MODIFIED:
        if rule.direction is Direction.EGRESS or (change.before is not None and _lets_in(change.before) == _lets_in(rule)):
            return None
    else:
        return None
    if rule.peer_type not in (PeerType.IPV4, PeerType.IPV6):
        return None
    return parse_network(rule.peer)


def _lets_in(rule: Rule) -> tuple[object, ...]:
    return _protocol(rule.protocol), rule.from_port, rule.to_port, rule.peer_type, rule.peer
