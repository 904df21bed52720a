"""Openings that a person makes in office hours and should not have made: no incident, but no false page either."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.model import Channel
from simulation.activity.scene import AUTHORIZE, Scene
from simulation.model import Change

CAUSE = "careless opening"


def careless(scene: Scene) -> Iterator[Change]:
    """Yield an opening of a port that is no web port to the whole internet, about once in ten months and place."""
    for day, work in scene.days():
        if work > 0.2 and scene.rng.random() < 0.005:
            opened = (scene.rng.choice(("admin", "database", "other")),)
            yield scene.change(scene.office_time(day), AUTHORIZE, Channel.CONSOLE, scene.place.people[0], CAUSE, opened=opened)
