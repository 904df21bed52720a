"""People: consoles and command lines in office hours, a fix at night, and those who begin."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.model import Channel, Outcome, PrincipalType
from simulation.activity.scene import AUTHORIZE, BY_HAND, Scene
from simulation.chance import geometric, poisson
from simulation.model import Change, Who

_SESSIONS = {"quiet": 0.12, "office": 1.6, "platform": 0.9, "dev": 3.0, "batch": 0.5}
"""Sessions of a usual working day, by kind of place."""


def _session(scene: Scene, at: int, who: Who, cause: str) -> Iterator[Change]:
    """Yield what one person does in one sitting: a few calls minutes apart, once in a while far more."""
    rng = scene.rng
    channel = Channel.CONSOLE if rng.random() < 0.75 else Channel.CLI
    count = rng.randrange(10, 26) if rng.random() < 0.03 else geometric(rng, 2.6)
    for _ in range(count):
        name = rng.choice(BY_HAND)
        # Some calls are refused by AWS because a rule is there already, or is not.
        outcome = Outcome.FAILED if rng.random() < 0.04 else Outcome.SUCCESS
        opened = ("web",) if outcome is Outcome.SUCCESS and name == AUTHORIZE and rng.random() < 0.03 else ()
        yield scene.change(at, name, channel, who, cause, outcome=outcome, opened=opened)
        at += 5 + int(rng.expovariate(1 / (20 if channel is Channel.CLI else 75)))


def office(scene: Scene) -> Iterator[Change]:
    """Yield what people do on working days, and the little that some do on others."""
    for day, work in scene.days():
        for _ in range(poisson(scene.rng, _SESSIONS[scene.place.kind] * scene.place.busyness * work)):
            who = scene.place.people[0] if scene.rng.random() < 0.6 else scene.rng.choice(scene.place.people)
            yield from _session(scene, scene.office_time(day), who, "office")


def on_call(scene: Scene) -> Iterator[Change]:
    """Yield the fixes that somebody known makes at night or at the weekend: one to five calls."""
    for day, work in scene.days():
        if scene.rng.random() < (0.02 if work > 0.2 else 0.04):
            hour = scene.rng.choice((21.0, 22.5, 23.5, 25.0, 27.0, 29.0)) + scene.rng.random()
            names = [scene.rng.choice(BY_HAND[:17]) for _ in range(scene.rng.randrange(1, 6))]
            at = scene.zone.instant(day, hour)
            yield from scene.wave(at, 1200, names, Channel.CONSOLE, scene.place.people[0], "on call")


def newcomer(scene: Scene) -> Iterator[Change]:
    """Yield the first months of somebody with a user of their own, at one place in five: little on the first days, then as others do."""
    days = scene.workdays()
    if scene.place.kind == "quiet" or len(days) < 4 or scene.rng.random() >= 0.2:
        return
    first = scene.rng.randrange(len(days) - 2)
    who = Who(PrincipalType.IAM_USER, f"user/{scene.place.unit.region}-newcomer-{days[first]}")
    for number, day in enumerate(days[first:]):
        sessions = 1 if number == 0 else poisson(scene.rng, 0.35)
        for _ in range(sessions):
            yield from _session(scene, scene.office_time(day), who, "newcomer")
