"""The registry of checks: one line each."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.checks.base import Check, Sample, Sight
from exporter.checks.default_group import DEFAULT_GROUP
from exporter.checks.freshness import FRESHNESS
from exporter.checks.inventory import INVENTORY
from exporter.checks.open_ingress import OPEN_INGRESS
from exporter.checks.quota import QUOTA
from exporter.checks.recorder import RECORDER
from exporter.checks.trails import TRAILS
from exporter.checks.unused import UNUSED_GROUPS
from exporter.families import Family

CHECKS: tuple[Check, ...] = (
    OPEN_INGRESS,
    DEFAULT_GROUP,
    UNUSED_GROUPS,
    QUOTA,
    INVENTORY,
    TRAILS,
    RECORDER,
    FRESHNESS,
)
"""Every check, in the order in which their gauges stand on the page."""

STATE_FAMILIES: tuple[Family, ...] = tuple(family for check in CHECKS for family in check.families)
"""The gauges of what stands: their series vanish when what they show is gone."""


def samples(sight: Sight) -> Iterator[Sample]:
    """Yield what all checks find."""
    for check in CHECKS:
        yield from check.run(sight)


__all__ = ["CHECKS", "STATE_FAMILIES", "Check", "Sample", "Sight", "samples"]
