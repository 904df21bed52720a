"""What each rule of a group lets in of what is open, alone or by its share in a union, and what exceptions cover of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce

from exporter.model import Direction, Rule
from exporter.posture.excepted import Cover, divided
from exporter.posture.internet import Internet, meets
from exporter.posture.networks import EVERYTHING
from exporter.posture.ports import PortRanges
from exporter.posture.reach import Peers, Reach
from exporter.posture.standing import PrefixList
from exporter.posture.traffic import Opened, Row, own_traffic
from exporter.posture.union import opened_ports, shares

Part = tuple[Opened, str]
"""What is open of a rule, and the name of the exception that covers it, empty where none does."""

_Party = tuple[Rule, Reach]


class Apportioning:
    """Tells the parts of rules, by what counts as the internet."""

    def __init__(self, internets: Mapping[int, Internet], peers: Peers) -> None:
        self._internets, self._peers = internets, peers

    def opened(self, rules: Sequence[Rule], lists: Mapping[str, PrefixList]) -> list[Opened]:
        """Return all that rules open together, whoever takes part."""
        alone, united = self._peers.screen(rules, lists)
        if not alone and not united:
            return []
        rows: list[Row] = []
        for rule, reach in self._parties(rules if united else alone, lists):
            # A peer that is the internet by itself is as good as everybody, however many networks it has.
            rows += [Row(rule.protocol, rule.from_port, rule.to_port, EVERYTHING[version]) for version in sorted(reach.alone)]
            if united:
                rows += [row for row in _rows_of((rule, reach)) if row.network.version not in reach.alone]
        return opened_ports(rows, self._internets)

    def _parties(self, rules: Sequence[Rule], lists: Mapping[str, PrefixList]) -> list[_Party]:
        reaches = ((rule, self._peers.of(rule, lists)) for rule in rules if lets_in(rule))
        return [(rule, reach) for rule, reach in reaches if reach is not None and reach.networks]

    def parts(self, rules: Sequence[Rule], lists: Mapping[str, PrefixList], covers: Sequence[Cover]) -> Iterator[tuple[Rule, list[Part]]]:
        """Yield the rules of a group of which anything is open, in their order, each with its parts by IP version."""
        parties = self._parties(rules, lists)
        own = [tuple(cover for cover in covers if cover.covers_peer(reach)) for _, reach in parties]
        parts: list[list[Part]] = [[] for _ in parties]
        for version in self._internets:
            union: list[int] = []
            for index, (rule, reach) in enumerate(parties):
                if version in reach.alone:
                    whole = own_traffic(version, rule.protocol, rule.from_port, rule.to_port)
                    if own[index]:
                        excepted, left = divided([whole], own[index])
                        parts[index] += [(part, "") for part in left] + excepted
                    else:
                        parts[index].append((whole, ""))
                elif reach.sizes[version]:
                    union.append(index)
            if sum(parties[index][1].sizes[version] for index in union) > self._internets[version].least:
                for index, found in self._united(version, parties, union, own):
                    parts[index] += found
        for (rule, _), found in zip(parties, parts, strict=True):
            if found:
                yield rule, found

    def _united(
        self, version: int, parties: Sequence[_Party], union: Sequence[int], own: Sequence[tuple[Cover, ...]]
    ) -> Iterator[tuple[int, list[Part]]]:
        """Yield the parts of the rules that only together are the internet."""
        owned = [(row, index) for index in union for row in _rows_of(parties[index], version)]
        # Where even all ports together reach no stretch that is wide enough, no single port does: most rules are left out here.
        stretches = self._internets[version].stretches(row.network for row, _ in owned)
        owned = [(row, index) for row, index in owned if meets(row.network, stretches)]
        rows, owners = [row for row, _ in owned], [index for _, index in owned]
        full = self._shared(version, rows, owners)
        if not any(own[index] for index in full):
            for index, opened in full.items():
                yield index, [(part, "") for part in opened]
            return
        # What an exception covers takes no part in what is open without it, yet is told as excepted where it takes part with it.
        beside = [
            (replace(row, without=_named_ports(own[index])), index)
            for row, index in owned
            if all(cover.ports is not None for cover in own[index])
        ]
        left = self._shared(version, [row for row, _ in beside], [index for _, index in beside])
        for index in union:
            excepted = divided(full[index], own[index])[0] if index in full else []
            found = [(part, "") for part in left.get(index, ())] + excepted
            if found:
                yield index, found

    def _shared(self, version: int, rows: Sequence[Row], owners: Sequence[int]) -> dict[int, list[Opened]]:
        """Return by owner what its rows take part in opening, owners that open nothing left out."""
        axis, masks = shares(rows, self._internets[version])
        by_owner: dict[int, int] = {}
        for owner, mask in zip(owners, masks, strict=True):
            by_owner[owner] = by_owner.get(owner, 0) | mask
        return {owner: axis.opened(version, mask) for owner, mask in by_owner.items() if mask}


def lets_in(rule: Rule) -> bool:
    """Tell whether a rule is on ingress; one whose direction is unknown is, so that nothing open vanishes."""
    return rule.direction is not Direction.EGRESS


def _rows_of(party: _Party, version: int | None = None) -> Iterator[Row]:
    rule, reach = party
    for network in reach.networks:
        if version in (None, network.version):
            yield Row(rule.protocol, rule.from_port, rule.to_port, network)


def _named_ports(covers: Sequence[Cover]) -> PortRanges | None:
    """Return all ports that exceptions name together, None without exceptions."""
    named = [cover.ports for cover in covers if cover.ports is not None]
    return reduce(PortRanges.joined, named) if named else None
