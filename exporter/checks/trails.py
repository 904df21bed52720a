"""Whether CloudTrail records: without a trail nobody has evidence, and what trails feed falls silent."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.checks.base import Check, Sample, Sight
from exporter.families import Family

_UNIT = ("account_id", "region")
_TRAIL = (*_UNIT, "trail")

LOGGING = Family(
    "awschange_trail_logging",
    "gauge",
    "Whether the trail records every write of EC2's management events in this account and region (1), or is off or leaves some out (0). "
    "Absent for a trail that cannot be judged (awschange_trails_unknown).",
    _TRAIL,
    5_000,
    ("trail",),
    update="min",
    held=False,
)
RECORDING = Family(
    "awschange_trails_logging",
    "gauge",
    "Trails that record every write of EC2's management events in this account and region. At 0 the lights are out: there is no trail any "
    "more, or none that records. Absent where none is known to but some cannot be judged (awschange_trails_unknown).",
    _UNIT,
    5_000,
    _UNIT,
    update="min",
    held=False,
)
UNKNOWN = Family(
    "awschange_trails_unknown",
    "gauge",
    "Trails of which this account cannot tell whether they record: an organization's, whose event selectors only the account that owns it "
    "may see. Watch that account as well.",
    _UNIT,
    5_000,
    _UNIT,
    held=False,
)
DELIVERED = Family(
    "awschange_trail_last_delivery_timestamp_seconds",
    "gauge",
    "When the trail last delivered log files of this region to its bucket; absent while it never did. A quiet region delivers nothing.",
    _TRAIL,
    5_000,
    ("trail",),
    update="min",
    held=False,
)
FAILING = Family(
    "awschange_trail_delivery_failing",
    "gauge",
    "Whether the trail's last delivery to its bucket failed (1), as by the bucket's policy or its KMS key, or not (0).",
    _TRAIL,
    5_000,
    ("trail",),
    update="max",
    held=False,
)
VALIDATED = Family(
    "awschange_trail_validation_enabled",
    "gauge",
    "Whether the trail signs digests of its files (1), or not (0): then nobody can tell whether files were changed or taken away.",
    _TRAIL,
    5_000,
    ("trail",),
    update="min",
    held=False,
)


def _run(sight: Sight) -> Iterator[Sample]:
    trails = sight.standing.trails
    if trails is None:
        return
    unit = sight.standing.account_id, sight.standing.region
    recording, unknown = 0, 0
    for trail in trails:
        labels = (*unit, trail.name)
        if trail.unknown:
            unknown += 1
        else:
            recording += not trail.gap
            yield Sample(LOGGING.name, labels, float(not trail.gap))
        if trail.last_delivery is not None:
            yield Sample(DELIVERED.name, labels, trail.last_delivery.timestamp())
        if not trail.unknown or trail.last_delivery is not None or trail.delivery_error:
            yield Sample(FAILING.name, labels, float(bool(trail.delivery_error)))
        yield Sample(VALIDATED.name, labels, float(trail.validates))
    if recording or not unknown:
        yield Sample(RECORDING.name, unit, recording)
    yield Sample(UNKNOWN.name, unit, unknown)


TRAILS = Check("trails", (LOGGING, RECORDING, UNKNOWN, DELIVERED, FAILING, VALIDATED), _run)
