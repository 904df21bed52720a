"""Who the peer of a rule is: its networks, how many public addresses they have, and whether they are the internet by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from exporter.model import Direction, PeerType, Rule
from exporter.posture.internet import Internet
from exporter.posture.networks import BITS, Network, peer_network
from exporter.posture.standing import PrefixList

_MOST_PEERS, _MOST_LISTS = 1 << 16, 1 << 12


@dataclass(frozen=True, slots=True)
class Reach:
    """The networks of one peer; `readable` says whether that is all of them.

    `sizes` counts the public addresses by IP version, `alone` holds the IP versions over which they are the internet by themselves.
    """

    networks: tuple[Network, ...]
    sizes: Mapping[int, int]
    alone: frozenset[int]
    readable: bool = True


_NO_VERSION: frozenset[int] = frozenset()
_NO_SIZE: Mapping[int, int] = MappingProxyType({4: 0, 6: 0})
_UNREADABLE = Reach((), _NO_SIZE, _NO_VERSION, readable=False)

NOBODY = Reach((), _NO_SIZE, _NO_VERSION)
"""The reach of a referenced group, of no peer, and of a prefix list without entries."""


class Peers:
    """Tells the reach of rules. What was read once is remembered, up to a bound."""

    def __init__(self, internets: Mapping[int, Internet]) -> None:
        self._internets = internets
        self._cidrs4: dict[str, Reach] = {}
        self._cidrs6: dict[str, Reach] = {}
        # Two of each: what it was and what it is are compared for one group after the other.
        self._lists: dict[str, tuple[tuple[PrefixList, Reach], ...]] = {}
        # Ends of CIDRs that are far too small to matter one by one, with their number of addresses. An IPv6 address without a
        # prefix length may end in the same characters; it is smaller still, and these numbers are upper bounds.
        self._small = {version: _small(bits, internets[version].least) for version, bits in BITS.items()}

    def of(self, rule: Rule, lists: Mapping[str, PrefixList]) -> Reach | None:
        """Return who may use a rule; None where its prefix list is not known."""
        kind, peer = rule.peer_type, rule.peer
        if peer is None or kind is None or kind is PeerType.SECURITY_GROUP:
            return NOBODY
        if kind is PeerType.PREFIX_LIST:
            return self._list_reach(peer, lists)
        cidrs = self._cidrs6 if kind is PeerType.IPV6 else self._cidrs4
        reach = cidrs.get(peer)
        if reach is None:
            network = peer_network(peer, 6 if kind is PeerType.IPV6 else 4)
            reach = _UNREADABLE if network is None else self._reach_of(network)
            if len(cidrs) >= _MOST_PEERS:
                cidrs.clear()
            cidrs[peer] = reach
        return reach

    def screen(self, rules: Sequence[Rule], lists: Mapping[str, PrefixList]) -> tuple[list[Rule], bool]:
        """Return the ingress rules whose peer is the internet by itself, and whether a union of the others could be. Fast.

        A rule whose direction is unknown counts as ingress, so that nothing open vanishes.
        """
        alone: list[Rule] = []
        seen: set[str | None] = set()
        small4, small6 = self._small[4], self._small[6]
        size4 = size6 = 0
        ipv4, ipv6, egress = PeerType.IPV4, PeerType.IPV6, Direction.EGRESS
        for rule in rules:
            if rule.direction is egress:
                continue
            kind, peer = rule.peer_type, rule.peer
            if peer is not None and (kind is ipv4 or kind is ipv6):
                if ":" in peer:
                    size = small6.get(peer[-3:])
                    if size is not None:
                        size6 += size
                        continue
                else:
                    size = small4.get(peer[-3:])
                    if size is not None:
                        size4 += size
                        continue
            reach = self.of(rule, lists)
            if reach is None:
                continue
            if reach.alone:
                alone.append(rule)
            if peer in seen:
                continue
            seen.add(peer)
            size4 += 0 if 4 in reach.alone else reach.sizes[4]
            size6 += 0 if 6 in reach.alone else reach.sizes[6]
        return alone, size4 > self._internets[4].least or size6 > self._internets[6].least

    def _list_reach(self, list_id: str, lists: Mapping[str, PrefixList]) -> Reach | None:
        prefix_list = lists.get(list_id)
        if prefix_list is None:
            return None
        known = self._lists.get(list_id, ())
        for other, reach in known:
            # Each reading makes its own of the same entries.
            if other is prefix_list or other.entries == prefix_list.entries:
                return reach
        reach = self._reach([peer_network(cidr, 4) for cidr, _ in prefix_list.entries])
        if len(self._lists) >= _MOST_LISTS:
            self._lists.clear()
        self._lists[list_id] = ((prefix_list, reach), *known[:1])
        return reach

    def _reach_of(self, network: Network) -> Reach:
        internet = self._internets[network.version]
        size = internet.size_of(network)
        if not size:
            return Reach((network,), _NO_SIZE, _NO_VERSION)
        sizes = {4: size, 6: 0} if network.version == 4 else {4: 0, 6: size}
        is_internet = size > internet.least and internet.stretches((network,))
        return Reach((network,), sizes, frozenset({network.version}) if is_internet else _NO_VERSION)

    def _reach(self, read: Sequence[Network | None]) -> Reach:
        networks = tuple(network for network in read if network is not None)
        sizes = {4: 0, 6: 0}
        alone = _NO_VERSION
        for version in {network.version for network in networks}:
            internet = self._internets[version]
            own = [network for network in networks if network.version == version]
            sizes[version] = sum(end - start for start, end in internet.clipped(own))
            if sizes[version] > internet.least and internet.stretches(own):
                alone |= {version}
        return Reach(networks, sizes, alone, readable=None not in read)


def _small(bits: int, least: int) -> dict[str, int]:
    found = {}
    for length in range(10, bits + 1):
        if 1 << (bits - length) <= least >> 8:
            found[f"/{length}"[-3:]] = 1 << (bits - length)
    return found
