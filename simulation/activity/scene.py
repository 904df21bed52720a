"""What every process of benign activity is handed, and the calls that it makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from exporter.model import Channel, Outcome
from simulation.clocks import Zone, workload
from simulation.estate import Place
from simulation.model import DAY, Change, Span, Who

AUTHORIZE, REVOKE = "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"
CREATE, DELETE = "CreateSecurityGroup", "DeleteSecurityGroup"
MODIFY = "ModifySecurityGroupRules"

BY_HAND = (
    *(AUTHORIZE,) * 8,
    *(REVOKE,) * 5,
    *("AuthorizeSecurityGroupEgress",) * 1,
    *(MODIFY,) * 3,
    *(CREATE,) * 2,
    DELETE,
    *("UpdateSecurityGroupRuleDescriptionsIngress",) * 2,
)
"""What people do in a console, each as often as it stands here."""

DEPLOY = (
    *(AUTHORIZE,) * 9,
    *(REVOKE,) * 6,
    *("AuthorizeSecurityGroupEgress",) * 2,
    "RevokeSecurityGroupEgress",
    *(CREATE,) * 3,
    DELETE,
    DELETE,
)
"""What a deploy of infrastructure as code does: it replaces rules, and groups."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One place over one stretch of time, with a stream of chance for one process."""

    place: Place
    span: Span
    rng: Random

    @property
    def zone(self) -> Zone:
        """Return the zone of the place."""
        return self.place.zone

    def days(self) -> Iterator[tuple[int, float]]:
        """Yield each local day of the stretch, and how much of a usual day's work is done on it."""
        for day in range(self.zone.day(self.span.start), self.zone.day(self.span.end - 1) + 1):
            yield day, workload(self.zone, day)

    def workdays(self) -> Sequence[int]:
        """Return the local days on which people work."""
        return [day for day, work in self.days() if work > 0.2]

    def office_time(self, day: int) -> int:
        """Return an instant at which people work: two humps around a lunch, a few early and late."""
        hour = self.rng.gauss(10.6, 1.1) if self.rng.random() < 0.5 else self.rng.gauss(15.2, 1.4)
        return self.zone.instant(day, min(max(hour, 7.0), 20.5))

    def change(
        self,
        at: int,
        event_name: str,
        channel: Channel,
        who: Who,
        cause: str,
        *,
        outcome: Outcome = Outcome.SUCCESS,
        opened: tuple[str, ...] = (),
    ) -> Change:
        """Return one call at this place."""
        return Change(at, self.place.unit, event_name, channel, who, cause, outcome, opened)

    def spread(self, start: int, length: float, count: int) -> list[int]:
        """Return so many instants within so many seconds, in order."""
        return sorted(start + int(self.rng.random() * length) for _ in range(count))

    def wave(
        self, at: int, length: float, names: Sequence[str], channel: Channel, who: Who, cause: str, *, web: float = 0.0
    ) -> Iterator[Change]:
        """Yield one call after another by the same hand; `web` is the share of openings that serve web ports to the internet."""
        for moment, name in zip(self.spread(at, length, len(names)), names, strict=True):
            opened = ("web",) if name == AUTHORIZE and self.rng.random() < web else ()
            yield self.change(moment, name, channel, who, cause, opened=opened)


def weeks(day: int) -> int:
    """Return the number of the week of a day, from Monday to Sunday."""
    return (day + 3) // 7


def seconds(days: float) -> int:
    """Return days as seconds."""
    return int(days * DAY)
