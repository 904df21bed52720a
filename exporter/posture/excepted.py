"""Exceptions: which rules and ports of a group may stand open, by whose word, and what is left open without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.posture.networks import Network, parse_network
from exporter.posture.ports import PortRanges
from exporter.posture.reach import Reach
from exporter.posture.settings import ExceptionSettings
from exporter.posture.standing import Group
from exporter.posture.traffic import PORTS, Opened

_ALL_PORTS = (1, PORTS - 1)


@dataclass(frozen=True, slots=True)
class Cover:
    """One exception, read: `networks` and `ports` are None where it does not ask for them."""

    settings: ExceptionSettings
    networks: tuple[Network, ...] | None
    ports: PortRanges | None

    def covers_group(self, group: Group) -> bool:
        """Tell whether a group has the id and all the tags that it asks for."""
        settings = self.settings
        if settings.security_groups and group.group_id not in settings.security_groups:
            return False
        tags = dict(group.tags)
        return all(key in tags and value in ("*", tags[key]) for key, value in settings.tags.items())

    def covers_peer(self, reach: Reach) -> bool:
        """Tell whether each network of a peer lies in one of its ranges; one that cannot be read lies in none."""
        if self.networks is None:
            return True
        return reach.readable and all(any(own.holds(network) for own in self.networks) for network in reach.networks)


def read_exceptions(exceptions: Iterable[ExceptionSettings]) -> tuple[Cover, ...]:
    """Return exceptions with their ranges read."""
    return tuple(
        Cover(
            settings,
            tuple(network for network in map(parse_network, settings.cidrs) if network is not None) if settings.cidrs else None,
            _with_port_zero(settings.port_ranges()),
        )
        for settings in exceptions
    )


def in_force(covers: Sequence[Cover], account_id: str, region: str, now: datetime) -> tuple[Cover, ...]:
    """Return the exceptions that hold in an account and region, not expired."""
    return tuple(
        cover
        for cover in covers
        if now < cover.settings.expires
        and account_id in (cover.settings.accounts or (account_id,))
        and region in (cover.settings.regions or (region,))
    )


def _with_port_zero(ranges: PortRanges | None) -> PortRanges | None:
    """Port 0 cannot be written, and is reserved: an exception for 1-65535 is one for all ports."""
    if ranges is None:
        return None
    tcp, udp = (((0, PORTS - 1),) if own == (_ALL_PORTS,) else own for own in (ranges.tcp, ranges.udp))
    return PortRanges(tcp=tcp, udp=udp)


def divided(opened: Sequence[Opened], covers: Sequence[Cover]) -> tuple[list[tuple[Opened, str]], list[Opened]]:
    """Return what exceptions cover, each part with the name of the first that does, and what stays open.

    Ports that an exception names are those of tcp and udp. An entry for all protocols stays whole without them: it stands for all
    that is open beside what is excepted.
    """
    left = list(opened)
    if any(cover.ports is not None for cover in covers):
        left += [Opened(own.ip_version, name, 0, PORTS - 1) for own in opened if own.protocol == "all" for name in ("tcp", "udp")]
    excepted: list[tuple[Opened, str]] = []
    for cover in covers:
        inside, outside = left, []
        if cover.ports is not None:
            inside = [part for own in left for part in _within(own, cover.ports)]
            outside = [part for own in left for part in _beside(own, cover.ports)]
        excepted += ((part, cover.settings.name) for part in _plain(inside))
        left = outside
    return excepted, _plain(left)


def _plain(parts: list[Opened]) -> list[Opened]:
    """Leave out what an entry for all protocols stands for."""
    return [part for part in parts if part.protocol == "all"] or parts


def _ranges(own: Opened, ports: PortRanges) -> tuple[tuple[int, int], ...]:
    return ports.tcp if own.protocol == "tcp" else ports.udp if own.protocol == "udp" else ()


def _within(own: Opened, ports: PortRanges) -> list[Opened]:
    if own.from_port is None or own.to_port is None:
        return []
    parts = ((max(low, own.from_port), min(high, own.to_port)) for low, high in _ranges(own, ports))
    return [Opened(own.ip_version, own.protocol, low, high) for low, high in parts if low <= high]


def _beside(own: Opened, ports: PortRanges) -> list[Opened]:
    inside = _within(own, ports)
    if not inside or own.from_port is None or own.to_port is None:
        return [own]
    out: list[Opened] = []
    position = own.from_port
    for part in inside:
        if part.from_port is not None and part.to_port is not None:
            if position < part.from_port:
                out.append(Opened(own.ip_version, own.protocol, position, part.from_port - 1))
            position = part.to_port + 1
    if position <= own.to_port:
        out.append(Opened(own.ip_version, own.protocol, position, own.to_port))
    return out
