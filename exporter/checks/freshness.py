"""How old the picture is, and how many of its changes nobody has explained yet."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.checks.base import Check, Sample, Sight
from exporter.families import Family

_UNIT = ("account_id", "region")

SNAPSHOT = Family(
    "awschange_exporter_snapshot_timestamp_seconds",
    "gauge",
    "When the last complete answer was asked for, by part of the picture; what the gauges say is as old as that. A part that cannot be "
    "read whole keeps its last complete answer: if this stands still, see the log and awschange_exporter_poll_success.",
    (*_UNIT, "part"),
    5_000,
    _UNIT,
    update="min",
    held=False,
)
PENDING = Family(
    "awschange_exporter_pending_rule_changes",
    "gauge",
    "Rules that differ from the reading before and still wait for the event that says who changed them; past posture.lag_budget they "
    "count in awschange_unexplained_rule_changes_total.",
    _UNIT,
    5_000,
    _UNIT,
    held=False,
)


def _run(sight: Sight) -> Iterator[Sample]:
    unit = sight.standing.account_id, sight.standing.region
    for part, at in sight.standing.read_at.items():
        yield Sample(SNAPSHOT.name, (*unit, part.value), at.timestamp())
    yield Sample(PENDING.name, unit, sight.pending)


FRESHNESS = Check("freshness", (SNAPSHOT, PENDING), _run)
