"""Which rules of a picture are open to the internet, and which of those are excepted. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.model import Rule
from exporter.posture.ports import PortRanges
from exporter.posture.settings import ExceptionSettings, InternetSettings
from exporter.posture.standing import Exposure, Group, PrefixList, Standing


@dataclass(frozen=True, slots=True)
class OpenRule:
    """One rule of a group through which the internet gets in, by one IP version, to ports of one class.

    The ports are those of the rule that are open: all of its own where its network is the internet by itself, else the part that
    the union of the group's networks opens. `all` has none; ICMP has type and code as in model.Rule. A rule whose ports are of
    several classes is there once for each. `exception` names the exception that covers it, empty where none does.
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


class Judge:
    """Judges groups by what counts as the internet, the port classes and the exceptions of a configuration."""

    def __init__(
        self, port_classes: Mapping[str, PortRanges], internet: InternetSettings, exceptions: Sequence[ExceptionSettings] = ()
    ) -> None:
        self._port_classes, self._internet, self._exceptions = port_classes, internet, tuple(exceptions)

    def open_rules(self, standing: Standing, now: datetime) -> list[OpenRule]:
        """Return what stands open in a picture, by group in the order of the picture, with exposure and exceptions as of now."""
        raise NotImplementedError

    def open_of(self, group: Group, prefix_lists: Mapping[str, PrefixList]) -> list[OpenRule]:
        """Return what stands open in one group, exposure unknown and exceptions left out of account."""
        raise NotImplementedError

    def newly_open(
        self,
        before: Sequence[Rule],
        after: Sequence[Rule],
        lists_before: Mapping[str, PrefixList],
        lists_after: Mapping[str, PrefixList],
    ) -> tuple[str, ...]:
        """Return the port classes of all that is open after and was not before, in the order of PORT_CLASSES."""
        raise NotImplementedError
