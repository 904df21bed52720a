"""Incidents: five kinds, one record each, with what is true of them however any rule sees it (docs/simulation.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from exporter.model import Channel, PrincipalType
from simulation.activity.deploys import deploy_factor
from simulation.activity.scene import AUTHORIZE, DELETE, DEPLOY, MODIFY, REVOKE, Scene
from simulation.chance import log_uniform, stream
from simulation.estate import Place
from simulation.model import DAY, HOUR, MINUTE, Change, Span, Who

_CHANNELS = (
    Channel.CONSOLE,
    Channel.CLI,
    Channel.CLI,
    Channel.SDK,
    Channel.SDK,
    Channel.OTHER,
    Channel.TERRAFORM,
    Channel.PULUMI,
    Channel.KUBERNETES,
    Channel.CLOUDFORMATION,
)
"""What an intruder's calls say that they were made with; a user agent is free text, so automation is among it."""

_APART = 12 * HOUR
"""Between two incidents of one account there is at least this much, so that a page belongs to one of them only."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One labelled incident; `changes` are those of it that succeed, in order."""

    name: str
    kind: str
    pages: bool
    enough: int
    place: Place
    changes: tuple[Change, ...]

    @property
    def span(self) -> Span:
        """Return from its first change until its last."""
        return Span(self.changes[0].event_time, self.changes[-1].event_time + 1)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of incident.

    `number` are drawn for the 90 days, and `past` for the history before. `enough` is the size of the smallest of the kind: as soon as
    so many changes of one show in a scrape, it must page where `pages` is true; 0 where it must not page.
    `draw` makes the changes of one, None where its place and time do not fit.
    """

    name: str
    pages: bool
    number: int
    past: int
    enough: int
    draw: Callable[[Scene, str], Sequence[Change] | None]


def _moment(scene: Scene) -> int:
    return scene.span.start + int(scene.rng.random() * (scene.span.end - scene.span.start - 9 * HOUR))


def _hand(scene: Scene, name: str) -> Who:
    """Return whose name an intruder has: half of them took the keys of somebody known there."""
    if scene.rng.random() < 0.5:
        return scene.rng.choice((*scene.place.people, scene.place.pipeline))
    return _stranger(scene.rng, name)


def _stranger(rng: Random, name: str) -> Who:
    kind, prefix = rng.choice(((PrincipalType.IAM_USER, "user"), (PrincipalType.ROLE, "role")))
    return Who(kind, f"{prefix}/{name.replace(' ', '-')}")


def _mass_open(scene: Scene, name: str) -> Sequence[Change]:
    rng = scene.rng
    opened = (rng.choice((*("admin",) * 6, *("all",) * 5, *("database",) * 4, *("other",) * 3, *("web",) * 2)),)
    who, channel, at = _hand(scene, name), rng.choice(_CHANNELS), _moment(scene)
    moments = scene.spread(at, rng.uniform(1, 10) * MINUTE, log_uniform(rng, 10, 60))
    return [scene.change(moment, AUTHORIZE, channel, who, name, opened=opened) for moment in moments]


def _slow_drip(scene: Scene, name: str) -> Sequence[Change]:
    rng = scene.rng
    who, channel, at = _stranger(rng, name), rng.choice(_CHANNELS), _moment(scene)
    end = at + int(rng.uniform(4, 8) * HOUR)
    found: list[Change] = []
    pace = rng.uniform(10, 40) * MINUTE
    while at < end or len(found) < 6:
        found.append(scene.change(at, rng.choice((AUTHORIZE, AUTHORIZE, MODIFY, REVOKE)), channel, who, name))
        at += int(min(max(pace * rng.uniform(0.7, 1.3), 10 * MINUTE), 40 * MINUTE))
    return found


def _night_burst(scene: Scene, name: str) -> Sequence[Change]:
    rng = scene.rng
    who, channel = _hand(scene, name), rng.choice(_CHANNELS)
    at = scene.zone.instant(scene.zone.day(_moment(scene)), rng.uniform(22, 29))
    names = (AUTHORIZE, AUTHORIZE, AUTHORIZE, MODIFY, REVOKE, "AuthorizeSecurityGroupEgress")
    moments = scene.spread(at, rng.uniform(10, 30) * MINUTE, log_uniform(rng, 12, 40))
    return [scene.change(moment, rng.choice(names), channel, who, name) for moment in moments]


def _mass_delete(scene: Scene, name: str) -> Sequence[Change]:
    rng = scene.rng
    who, channel, at = _hand(scene, name), rng.choice(_CHANNELS), _moment(scene)
    revokes = rng.random()
    moments = scene.spread(at, rng.uniform(1, 10) * MINUTE, log_uniform(rng, 15, 80))
    return [scene.change(moment, REVOKE if rng.random() < revokes else DELETE, channel, who, name) for moment in moments]


def _storm(scene: Scene, name: str) -> Sequence[Change] | None:
    """A deploy far above the usual of a place that deploys, by its own pipeline with its own tool, while people are at work."""
    rng, place = scene.rng, scene.place
    day = rng.choice(scene.workdays() or [0])
    if place.kind == "quiet" or not day or not deploy_factor(day):
        return None
    at, size = scene.office_time(day), log_uniform(rng, 30, 120)
    names = [rng.choice(DEPLOY) for _ in range(size)]
    return list(scene.wave(at, rng.uniform(5, 40) * MINUTE, names, place.tool, place.pipeline, name, web=0.02))


KINDS: tuple[Kind, ...] = (
    Kind("mass open", pages=True, number=12, past=1, enough=10, draw=_mass_open),
    Kind("slow drip", pages=True, number=12, past=1, enough=6, draw=_slow_drip),
    Kind("night burst", pages=True, number=12, past=2, enough=12, draw=_night_burst),
    Kind("mass delete", pages=True, number=12, past=1, enough=15, draw=_mass_delete),
    Kind("deploy storm", pages=False, number=12, past=12, enough=0, draw=_storm),
)


def labelled(seed: int, places: Sequence[Place], span: Span, *, past: bool = False, share: float = 1.0) -> list[Incident]:
    """Return the incidents of a span in the order of their beginning; `share` is how many of each kind's number, at least one."""
    found: list[Incident] = []
    for kind in KINDS:
        rng = stream(seed, "incidents", kind.name, past)
        wanted = max(1, round((kind.past if past else kind.number) * share))
        tries = 0
        while wanted:
            tries += 1
            if tries > 10_000:
                raise ValueError(f"no room for incidents of the kind {kind.name!r} in {(span.end - span.start) // DAY} days")
            name = f"{kind.name} {'p' if past else ''}{wanted}"
            place = rng.choice(places)
            changes = kind.draw(Scene(place, span, rng), name)
            if changes and all(change.event_time in span for change in changes):
                incident = Incident(name, kind.name, kind.pages, kind.enough, place, tuple(changes))
                if all(_apart(incident, other) for other in found):
                    found.append(incident)
                    wanted -= 1
    return sorted(found, key=lambda incident: incident.span.start)


def _apart(one: Incident, other: Incident) -> bool:
    same = one.place.unit.account_id == other.place.unit.account_id
    return not same or one.span.start > other.span.end + _APART or other.span.start > one.span.end + _APART
