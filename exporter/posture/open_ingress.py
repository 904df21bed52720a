"""What the rule changes of one event opened to the internet, told from the event alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.model import Direction, PeerType, Rule, RuleAction, RuleChange
from exporter.posture.internet import internets_of
from exporter.posture.networks import Network, peer_network
from exporter.posture.ports import PORT_CLASSES, PortRanges, classes_of
from exporter.posture.settings import InternetSettings
from exporter.posture.traffic import Row, own_traffic
from exporter.posture.union import opened_ports


class OpenedIngress:
    """Tells the port classes that the rule changes of one successful event opened to the internet."""

    def __init__(self, port_classes: Mapping[str, PortRanges], internet: InternetSettings | None = None) -> None:
        self._port_classes = dict(port_classes)
        self._internets = internets_of(internet or InternetSettings())

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
        found: set[str] = set()
        for opened in opened_ports(rows, self._internets) if rows else ():
            found.update(classes_of(self._port_classes, opened.protocol, opened.from_port, opened.to_port))
        return tuple(name for name in PORT_CLASSES if name in found)


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
    if rule.peer is None or rule.peer_type not in (PeerType.IPV4, PeerType.IPV6):
        return None
    return peer_network(rule.peer, 6 if rule.peer_type is PeerType.IPV6 else 4)


def _lets_in(rule: Rule) -> tuple[object, ...]:
    return own_traffic(0, rule.protocol, rule.from_port, rule.to_port), rule.peer_type, rule.peer
