"""What counts as the internet: public addresses, and how long an unbroken stretch of them nobody can call their own.

Not public are, of IPv4, 0.0.0.0/8, RFC 1918, RFC 6598 (shared), 127.0.0.0/8, 169.254.0.0/16, multicast and reserved (224.0.0.0/3);
of IPv6 all but 2000::/3 (RFC 4291), without its documentation block 3fff::/20 (RFC 9637). The other documentation blocks are too
small to matter by default, and are left in, so that examples can be written with them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporter.posture.networks import BITS, Network, parse_network
from exporter.posture.settings import InternetSettings

_NOT_PUBLIC = {
    4: (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
    ),
    6: ("::/3", "3fff::/20", "4000::/2", "8000::/1"),
}


@dataclass(frozen=True, slots=True)
class Internet:
    """What counts as the internet over one IP version: its public intervals (ends excluded), and the size an open stretch must exceed."""

    public: tuple[tuple[int, int], ...]
    wide: int
    size: int = field(init=False)
    """How many addresses are public; who lets in all of them is open whatever `wide` says."""
    least: int = field(init=False)
    """How many public addresses a union must exceed, at the least, to be open."""

    def __post_init__(self) -> None:
        size = sum(end - start for start, end in self.public)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "least", min(self.wide, size - 1) if size else 1 << 129)

    def size_of(self, network: Network) -> int:
        """Return how many public addresses a block of this IP version has."""
        start, end = network.start, network.end
        return sum(min(last, end) - max(first, start) for first, last in self.public if first < end and start < last)

    def clipped(self, networks: Iterable[Network]) -> list[tuple[int, int]]:
        """Return the public intervals that blocks of this IP version cover together, in order; those that touch are one."""
        out: list[tuple[int, int]] = []
        index = 0
        for network in sorted(networks, key=lambda network: network.start):
            while index < len(self.public) and self.public[index][1] <= network.start:
                index += 1
            at = index
            while at < len(self.public) and self.public[at][0] < network.end:
                start, end = max(network.start, self.public[at][0]), min(network.end, self.public[at][1])
                if out and start <= out[-1][1]:
                    out[-1] = out[-1][0], max(out[-1][1], end)
                else:
                    out.append((start, end))
                at += 1
        return out

    def stretches(self, networks: Iterable[Network]) -> list[tuple[int, int]]:
        """Return the public intervals that let in the internet, where each reaches every address: in order, none where none does."""
        intervals = self.clipped(networks)
        if sum(end - start for start, end in intervals) == self.size:
            return intervals
        return [(start, end) for start, end in intervals if end - start > self.wide]


def meets(network: Network, intervals: list[tuple[int, int]]) -> bool:
    """Tell whether a block has an address in one of some intervals, which are in order and apart."""
    index = bisect_right(intervals, (network.start, 1 << 129))
    return (index > 0 and intervals[index - 1][1] > network.start) or (index < len(intervals) and intervals[index][0] < network.end)


def _complement(version: int, blocks: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """Return the intervals of the address space that the blocks of this version leave."""
    out: list[tuple[int, int]] = []
    position = 0
    networks = (network for network in map(parse_network, blocks) if network is not None and network.version == version)
    for network in sorted(networks, key=lambda network: network.start):
        if position < network.start:
            out.append((position, network.start))
        position = max(position, network.end)
    if position < 1 << BITS[version]:
        out.append((position, 1 << BITS[version]))
    return tuple(out)


def internets_of(settings: InternetSettings) -> Mapping[int, Internet]:
    """Return the internet by IP version, as configured."""
    prefixes = {4: settings.ipv4_prefix, 6: settings.ipv6_prefix}
    return {
        version: Internet(_complement(version, (*_NOT_PUBLIC[version], *settings.not_internet)), wide=1 << (bits - prefixes[version]))
        for version, bits in BITS.items()
    }


INTERNETS: Mapping[int, Internet] = internets_of(InternetSettings())
"""The internet by IP version, where nothing else is configured."""
