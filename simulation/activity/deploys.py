"""Deploys: waves by a pipeline, short-lived environments, a freeze with the week after it, and pipelines that begin."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.model import Channel, PrincipalType
from simulation.activity.scene import AUTHORIZE, CREATE, DELETE, DEPLOY, REVOKE, Scene
from simulation.chance import poisson
from simulation.clocks import ZONES
from simulation.model import Change, Who, epoch

_WAVES = {"quiet": 0.1, "office": 0.5, "platform": 0.9, "dev": 0.7, "batch": 0.35}
"""Waves of a usual working day, by kind of place."""

_BERLIN = ZONES["Europe/Berlin"]
_FREEZES = tuple(
    (_BERLIN.day(epoch(start)), _BERLIN.day(epoch(end)))
    for start, end in (("2025-12-19", "2026-01-05"), ("2026-03-23", "2026-04-07"), ("2026-05-11", "2026-05-16"))
)
"""First day of each freeze, and the first after it."""


def deploy_factor(day: int) -> float:
    """Return how many deploys there are on a day against usual: none in a freeze, and what waited in the week after it."""
    for start, end in _FREEZES:
        if start <= day < end:
            return 0.0
        if end <= day < end + 7:
            return 1.0 + min(3.0, (end - start) / 4)
    return 1.0


def wave_size(scene: Scene) -> int:
    """Return the calls of one wave: mostly under ten, now and then fifty."""
    return max(1, min(60, int(scene.rng.lognormvariate(1.95, 0.9))))


def wave_length(scene: Scene, size: int) -> float:
    """Return the seconds that a wave takes: a tool works on several at once, CloudFormation more slowly."""
    return 20 + size * scene.rng.uniform(1.5, 12) * (2 if scene.place.tool is Channel.CLOUDFORMATION else 1)


def waves(scene: Scene) -> Iterator[Change]:
    """Yield what the place's own pipeline deploys on working days."""
    place = scene.place
    for day, work in scene.days():
        mean = _WAVES[place.kind] * place.busyness * work * deploy_factor(day)
        for _ in range(poisson(scene.rng, mean)):
            size = wave_size(scene)
            names = [scene.rng.choice(DEPLOY) for _ in range(size)]
            yield from scene.wave(scene.office_time(day), wave_length(scene, size), names, place.tool, place.pipeline, "deploys", web=0.04)


def environments(scene: Scene) -> Iterator[Change]:
    """Yield short-lived environments of developers: made in the day, torn down hours later, the rest of them in the evening."""
    place, rng = scene.place, scene.rng
    if place.kind != "dev":
        return
    who = Who(PrincipalType.ROLE, "role/preview-environments")
    for day, work in scene.days():
        left = 0
        for _ in range(poisson(rng, 3.0 * place.busyness * work)):
            at, groups = scene.office_time(day), rng.randrange(1, 4)
            made = [name for _ in range(groups) for name in (CREATE, AUTHORIZE)]
            yield from scene.wave(at, 90, made, Channel.CLOUDFORMATION, who, "environments")
            if rng.random() < 0.6:
                gone = [name for _ in range(groups) for name in (REVOKE, DELETE)]
                yield from scene.wave(at + rng.randrange(1800, 9000), 120, gone, Channel.CLOUDFORMATION, who, "environments")
            else:
                left += groups
        if left:
            yield from scene.wave(scene.zone.instant(day, 20.0), 300, [DELETE] * left, Channel.CLOUDFORMATION, who, "environments")


def new_pipeline(scene: Scene) -> Iterator[Change]:
    """Yield a pipeline that begins, at one place in ten: a first run that sets much up, then a wave every few days."""
    days = scene.workdays()
    if scene.place.kind == "quiet" or len(days) < 4 or scene.rng.random() >= 0.1:
        return
    first = scene.rng.randrange(len(days) - 2)
    who = Who(PrincipalType.ROLE, f"role/new-pipeline-{scene.place.unit.region}-{days[first]}")
    tool = scene.rng.choice((Channel.TERRAFORM, Channel.CLOUDFORMATION))
    for number, day in enumerate(days[first:]):
        if number == 0 or (scene.rng.random() < 0.3 and deploy_factor(day) > 0):
            size = scene.rng.randrange(10, 36) if number == 0 else wave_size(scene)
            names = [scene.rng.choice(DEPLOY[:18]) for _ in range(size)]
            yield from scene.wave(scene.office_time(day), wave_length(scene, size), names, tool, who, "new pipeline")
