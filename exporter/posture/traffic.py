"""What rules let in, laid out on one axis: protocols and their ports, cut where any rule begins or ends, so that sets are bit masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from exporter.posture.networks import Network
from exporter.posture.ports import PortRanges

PORTS = 65536
_NUMBERED = {"-1": "all", "1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_PORTED = ("tcp", "udp")
_TYPED = ("icmp", "icmpv6")
_WITHOUT_PORTS = 1


@dataclass(frozen=True, slots=True)
class Row:
    """What one rule lets in: protocol as in model.Rule, its ports (ICMP: type and code), and the network.

    A protocol or port that is None, or that no protocol has, is unknown and taken for the widest, so that nothing open vanishes.
    Ports in `without` are let in by it no longer.
    """

    protocol: str | None
    from_port: int | None
    to_port: int | None
    network: Network
    without: PortRanges | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What is open to the internet over one IP version: `all`, ports of tcp or udp, ICMP by type and code (-1 for any), or a protocol."""

    ip_version: int
    protocol: str
    from_port: int | None = None
    to_port: int | None = None


def protocol_name(text: str | None) -> str:
    """Return the protocol as model.Rule names it; unknown is `all`."""
    if text is None:
        return "all"
    name = text.strip().lower()
    if name.isascii() and name.isdigit():
        name = name.lstrip("0") or "0"
    return _NUMBERED.get(name, name)


def _width(name: str) -> int:
    return PORTS if name in _PORTED or name in _TYPED else _WITHOUT_PORTS


def _offsets(name: str, low: int | None, high: int | None) -> tuple[int, int]:
    """Return the first position and the one after the last on the part of the axis that a protocol has."""
    if name in _PORTED:
        if low is None or high is None or not 0 <= low <= high < PORTS:
            return 0, PORTS
        return low, high + 1
    if name in _TYPED:
        if low is None or not 0 <= low <= 255:
            return 0, PORTS
        if high is None or not 0 <= high <= 255:
            return low << 8, (low + 1) << 8
        return (low << 8) + high, (low << 8) + high + 1
    return 0, _WITHOUT_PORTS


def _spelled(version: int, name: str, low: int, high: int) -> Iterator[Opened]:
    """Yield what the positions from `low` to before `high` of a protocol stand for."""
    if name in _PORTED:
        yield Opened(version, name, low, high - 1)
    elif name not in _TYPED:
        yield Opened(version, name)
    elif (low, high) == (0, PORTS):
        yield Opened(version, name, -1, -1)
    else:
        while low < high:
            kind, code = divmod(low, 256)
            if code == 0 and low + 256 <= high:
                yield Opened(version, name, kind, -1)
                low += 256
            else:
                yield Opened(version, name, kind, code)
                low += 1


def own_traffic(version: int, protocol: str | None, from_port: int | None, to_port: int | None) -> Opened:
    """Return all that one rule lets in, in canonical spelling."""
    name = protocol_name(protocol)
    return next(_spelled(version, name, *_offsets(name, from_port, to_port)))


class Axis:
    """The axis of some rows; its last place belongs to no named protocol, and only rows for all protocols reach it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        names = [protocol_name(row.protocol) for row in rows]
        named = set(names) - {"all"}
        for row in rows:
            if row.without is not None:
                named |= {name for name in _PORTED if getattr(row.without, name)}
        self._base: dict[str, int] = {}
        position = 0
        for name in sorted(named):
            self._base[name] = position
            position += _width(name)
        self._rest = position
        spans = [self._span(name, row) for name, row in zip(names, rows, strict=True)]
        holes = [self._holes(name, row.without) if row.without is not None else () for name, row in zip(names, rows, strict=True)]
        ends = {0, position, position + 1, *self._base.values(), *(point for span in spans for point in span)}
        self._cuts = sorted(ends.union(*({point for span in those for point in span} for those in holes if those)))
        self._piece = piece = {point: index for index, point in enumerate(self._cuts)}
        self.masks: list[int] = []
        for (low, high), those in zip(spans, holes, strict=True):
            mask = (1 << piece[high]) - (1 << piece[low])
            for start, end in those:
                mask &= ~((1 << piece[end]) - (1 << piece[start]))
            self.masks.append(mask)

    def _span(self, name: str, row: Row) -> tuple[int, int]:
        if name == "all":
            return 0, self._rest + 1
        low, high = _offsets(name, row.from_port, row.to_port)
        return self._base[name] + low, self._base[name] + high

    def _holes(self, name: str, without: PortRanges) -> tuple[tuple[int, int], ...]:
        return tuple(
            (self._base[ported] + low, self._base[ported] + high + 1)
            for ported in _PORTED
            if name in (ported, "all")
            for low, high in getattr(without, ported)
        )

    def opened(self, version: int, mask: int) -> list[Opened]:
        """Return what a mask stands for, by protocol and port; where all protocols are open, one entry says so and stands for the rest."""
        if mask >> self._piece[self._rest] & 1:
            return [Opened(version, "all")]
        out: list[Opened] = []
        for name, start in self._base.items():
            first, last = self._piece[start], self._piece[start + _width(name)]
            own = mask >> first & (1 << last - first) - 1
            for low, high in _runs(own):
                out += _spelled(version, name, self._cuts[first + low] - start, self._cuts[first + high] - start)
        return out


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


def difference(after: Iterable[Opened], before: Iterable[Opened]) -> list[Opened]:
    """Return what is open after and was not before, as sets of (IP version, protocol, port)."""
    taken: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for own in before:
        taken.setdefault((own.ip_version, own.protocol), []).append(_offsets(own.protocol, own.from_port, own.to_port))
    out: list[Opened] = []
    for own in after:
        if (own.ip_version, "all") in taken:
            continue
        position, end = _offsets(own.protocol, own.from_port, own.to_port)
        for low, high in sorted(taken.get((own.ip_version, own.protocol), ())):
            if position < min(low, end):
                out += _spelled(own.ip_version, own.protocol, position, min(low, end))
            position = max(position, high)
        if position < end:
            out += _spelled(own.ip_version, own.protocol, position, end)
    return out
