"""Machines: controllers of Kubernetes, services of AWS that scale, scripts at night, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.model import Channel, Outcome, PrincipalType
from simulation.activity.scene import AUTHORIZE, REVOKE, Scene
from simulation.chance import poisson
from simulation.model import HOUR, Change, Who


def controllers(scene: Scene) -> Iterator[Change]:
    """Yield what a load balancer controller does all day, in flocks, and when a cluster is rolled over."""
    place, rng = scene.place, scene.rng
    if place.kind != "platform":
        return
    for at in range(scene.span.start, scene.span.end, HOUR):
        hour = scene.zone.hour(at)
        mean = (2.2 if 8 <= hour < 19 else 0.4) * place.busyness * rng.gammavariate(0.6, 1 / 0.6)
        names = [rng.choice((AUTHORIZE, AUTHORIZE, REVOKE)) for _ in range(poisson(rng, mean))]
        yield from scene.wave(at, HOUR, names, Channel.KUBERNETES, place.controller, "controllers", web=0.1)
    for day, work in scene.days():
        for _ in range(poisson(rng, 0.25 * work)):
            names = [name for _ in range(rng.randrange(3, 12)) for name in (AUTHORIZE, REVOKE)]
            yield from scene.wave(scene.office_time(day), 420, names, Channel.KUBERNETES, place.controller, "controllers")


def autoscalers(scene: Scene) -> Iterator[Change]:
    """Yield what services change by themselves when load rises in the morning and falls in the evening."""
    place, rng = scene.place, scene.rng
    if place.kind not in ("platform", "office", "batch"):
        return
    who = Who(PrincipalType.SERVICE_LINKED_ROLE, "role/aws-service-role/elasticloadbalancing.amazonaws.com")
    for day, _work in scene.days():
        for hour, name in ((7.5, AUTHORIZE), (18.5, REVOKE)):
            if rng.random() < 0.5:
                at = scene.zone.instant(day, hour + rng.gauss(0, 0.6))
                yield from scene.wave(at, 1500, [name] * rng.randrange(1, 6), Channel.AWS_SERVICE, who, "autoscalers")


def nightly(scene: Scene) -> Iterator[Change]:
    """Yield what a script of the place does each night at its local time, and more of it on Sundays."""
    place, rng = scene.place, scene.rng
    for day, _work in scene.days():
        count = poisson(rng, place.script_changes * (3 if (day + 3) % 7 == 6 else 1))
        names = [rng.choice((AUTHORIZE, REVOKE)) for _ in range(count)]
        yield from scene.wave(scene.zone.instant(day, place.script_hour), 400, names, Channel.SDK, place.script, "nightly")


def refused(scene: Scene) -> Iterator[Change]:
    """Yield the calls that IAM refuses: scanners, people without the right, a job that tries again and again."""
    rng = scene.rng
    who = Who(PrincipalType.ROLE, "role/scanner")
    for day, _work in scene.days():
        for _ in range(poisson(rng, 0.3)):
            count = rng.randrange(8, 40) if rng.random() < 0.06 else rng.randrange(1, 4)
            at = scene.zone.instant(day, 24 * rng.random())
            channel = rng.choice((Channel.SDK, Channel.CLI))
            for moment in scene.spread(at, 900, count):
                yield scene.change(moment, AUTHORIZE, channel, who, "refused", outcome=Outcome.DENIED)
