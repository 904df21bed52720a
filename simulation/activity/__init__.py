"""Benign activity: each process is one function, and a row here makes it part of the simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from simulation.activity import careless, deploys, machines, people
from simulation.activity.scene import Scene
from simulation.chance import stream
from simulation.estate import Place
from simulation.model import Change, Span

PROCESSES: tuple[Callable[[Scene], Iterator[Change]], ...] = (
    people.office,
    people.on_call,
    people.newcomer,
    deploys.waves,
    deploys.environments,
    deploys.new_pipeline,
    machines.controllers,
    machines.autoscalers,
    machines.nightly,
    machines.refused,
    careless.careless,
)


def benign(seed: object, places: Sequence[Place], span: Span) -> Iterator[Change]:
    """Yield all that goes on at these places within a span, in no order."""
    for place in places:
        for process in PROCESSES:
            scene = Scene(place, span, stream(seed, process.__name__, place.name))
            for change in process(scene):
                if change.event_time in span:
                    yield change
