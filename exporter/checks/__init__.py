"""The registry of checks: one line each."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.checks.base import Check, Sample, Sight
from exporter.families import Family

CHECKS: tuple[Check, ...] = ()
"""Every check, in the order in which their gauges stand on the page."""

STATE_FAMILIES: tuple[Family, ...] = tuple(family for check in CHECKS for family in check.families)
"""The gauges of what stands: their series vanish when what they show is gone."""


def samples(sight: Sight) -> Iterator[Sample]:
    """Yield what all checks find."""
    for check in CHECKS:
        yield from check.run(sight)


__all__ = ["CHECKS", "STATE_FAMILIES", "Check", "Sample", "Sight", "samples"]
