"""What a check is: it looks at a picture of one account and region, and gives the gauges that show what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.families import Family, Labels
from exporter.posture.judge import OpenRule
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Standing


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of a gauge as it stands now; a series that is not given any more vanishes."""

    family: str
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What a check looks at: the picture, what is open in it (excepted rules too), and rule changes that still wait for an event."""

    standing: Standing
    open_rules: Sequence[OpenRule]
    pending: int
    settings: PostureSettings
    now: datetime


@dataclass(frozen=True, slots=True)
class Check:
    """One check and the families that it gives samples of; a part that was never read gives none."""

    name: str
    families: tuple[Family, ...]
    run: Callable[[Sight], Iterable[Sample]]
