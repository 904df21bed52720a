"""Which rules of a picture are open to the internet, and which of those are excepted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.model import PeerType, Rule
from exporter.posture.apportion import Apportioning, Part, lets_in
from exporter.posture.excepted import in_force, read_exceptions
from exporter.posture.internet import internets_of
from exporter.posture.networks import is_plain_ipv4
from exporter.posture.ports import PORT_CLASSES, PortRanges, classes_of
from exporter.posture.reach import Peers
from exporter.posture.settings import ExceptionSettings, InternetSettings
from exporter.posture.standing import Exposure, Group, PrefixList, Standing
from exporter.posture.traffic import Opened, difference

_MOST_RANGES = 1 << 16


@dataclass(frozen=True, slots=True)
class OpenRule:
    """One rule of a group through which the internet gets in, by one IP version, to ports of one class.

    The ports are those of the rule that are open: all of its own where its network is the internet by itself, else the part that
    the union of the group's networks opens. `all` has none; ICMP has type and code as in model.Rule. A rule whose ports are of
    several classes is there once for each, each time with all of the ports; and where what is open of it is in pieces, because a
    union opens several or an exception covers some, once for each piece and class. So count rules by (group, rule, ip_version,
    port_class). `exception` names the exception that covers it, empty where none does; a row for all protocols then stands for all
    that is not covered.
    """

    group: Group
    rule: Rule
    protocol: str
    from_port: int | None
    to_port: int | None
    ip_version: int
    port_class: str
    exposure: Exposure = Exposure.UNKNOWN
    exception: str = ""


def count_rules(open_rules: Iterable[OpenRule]) -> tuple[int, int]:
    """Return how many rules are open, and how many are open only by leave of exceptions; one of which one port is excepted is open."""
    excepted: dict[tuple[str, Rule], bool] = {}
    for found in open_rules:
        key = found.group.group_id, found.rule
        excepted[key] = excepted.get(key, True) and bool(found.exception)
    by_leave = sum(excepted.values())
    return len(excepted) - by_leave, by_leave


class Judge:
    """Judges groups by what counts as the internet, the port classes and the exceptions of a configuration.

    A rule is judged by itself where its peer is the internet by itself; all others of the group are judged by their union, each
    counted where it takes part (see union.shares). So a rule inside a wider one that is open is none, and what two rules open
    together is seen beside a third that is open alone.

    An exception takes its rules out of the union, for the ports that it covers: two rules that are only together the internet are
    not open when one of them is excepted, and then the other is no row. Nothing that is open without the excepted rules is hidden.
    """

    def __init__(
        self, port_classes: Mapping[str, PortRanges], internet: InternetSettings, exceptions: Sequence[ExceptionSettings] = ()
    ) -> None:
        self._port_classes = dict(port_classes)
        self._internets = internets_of(internet)
        self._peers = Peers(self._internets)
        self._apportioning = Apportioning(self._internets, self._peers)
        self._classes: dict[tuple[str, int | None, int | None], tuple[str, ...]] = {}
        self._covers = read_exceptions(exceptions)

    def open_rules(self, standing: Standing, now: datetime) -> list[OpenRule]:
        """Return what stands open in a picture, by group in the order of the picture, with exposure and exceptions as of now.

        Rules with a prefix list that the picture does not have cannot be judged and are left out; `unknown_lists` names them.
        """
        lists = standing.prefix_lists or {}
        covers = in_force(self._covers, standing.account_id, standing.region, now)
        out: list[OpenRule] = []
        for group in standing.groups or ():
            alone, united = self._peers.screen(group.rules, lists)
            if alone or united:
                own = tuple(cover for cover in covers if cover.covers_group(group))
                out += self._rows(standing, group, self._apportioning.parts(group.rules if united else alone, lists, own))
        return out

    def open_of(self, group: Group, prefix_lists: Mapping[str, PrefixList]) -> list[OpenRule]:
        """Return what stands open in one group, exposure unknown and exceptions left out of account."""
        alone, united = self._peers.screen(group.rules, prefix_lists)
        return list(self._rows(None, group, self._apportioning.parts(group.rules if united else alone, prefix_lists, ())))

    def unknown_lists(self, standing: Standing) -> tuple[str, ...]:
        """Return the prefix lists that ingress rules name and the picture does not have, sorted: what they open is not known."""
        lists = standing.prefix_lists or {}
        named = {
            rule.peer for group in standing.groups or () for rule in group.rules if lets_in(rule) and rule.peer_type is PeerType.PREFIX_LIST
        }
        return tuple(sorted(name for name in named if name is not None and name not in lists))

    def unreadable_peers(self, standing: Standing) -> tuple[tuple[str, str], ...]:
        """Return (group id, peer) of every ingress rule whose networks cannot all be read; what could not is left out of account."""
        lists = standing.prefix_lists or {}
        found = []
        for group in standing.groups or ():
            for rule in group.rules:
                # Nearly all are plain IPv4 ranges, and most of those are no one else's: to remember each would cost more than to look.
                if rule.peer_type is PeerType.IPV4 and rule.peer is not None and is_plain_ipv4(rule.peer):
                    continue
                reach = self._peers.of(rule, lists) if lets_in(rule) else None
                if reach is not None and not reach.readable and rule.peer is not None:
                    found.append((group.group_id, rule.peer))
        return tuple(found)

    def newly_open(
        self,
        before: Sequence[Rule],
        after: Sequence[Rule],
        lists_before: Mapping[str, PrefixList],
        lists_after: Mapping[str, PrefixList],
    ) -> tuple[str, ...]:
        """Return the port classes of all that is open after and was not before, in the order of PORT_CLASSES.

        It is the difference of sets of (IP version, protocol, port): a second rule for what is open already opens nothing, and
        where 22 was open and now all of tcp is, the classes are those of the other ports. A prefix list that is not known lets
        nobody in. Exceptions are left out of account.
        """
        found: set[str] = set()
        for part in difference(self._apportioning.opened(after, lists_after), self._apportioning.opened(before, lists_before)):
            found.update(self._classes_of(part))
        return tuple(name for name in PORT_CLASSES if name in found)

    def _classes_of(self, part: Opened) -> tuple[str, ...]:
        ports = part.protocol, part.from_port, part.to_port
        found = self._classes.get(ports)
        if found is None:
            if len(self._classes) >= _MOST_RANGES:
                self._classes.clear()
            found = self._classes[ports] = classes_of(self._port_classes, *ports)
        return found

    def _rows(self, standing: Standing | None, group: Group, judged: Iterable[tuple[Rule, list[Part]]]) -> Iterator[OpenRule]:
        for rule, parts in judged:
            for part, exception in parts:
                exposure = standing.exposure(group.group_id, part.ip_version) if standing else Exposure.UNKNOWN
                for name in self._classes_of(part):
                    yield OpenRule(group, rule, part.protocol, part.from_port, part.to_port, part.ip_version, name, exposure, exception)
