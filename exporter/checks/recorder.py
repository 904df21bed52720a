"""Whether AWS Config records security groups, and how often."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.checks.base import Check, Sample, Sight
from exporter.families import Family

_UNIT = ("account_id", "region")

RECORDING = Family(
    "awschange_aws_config_recording",
    "gauge",
    "Whether AWS Config records security groups in this account and region (1), or its recorder is off, leaves them out or is missing (0).",
    _UNIT,
    5_000,
    _UNIT,
    update="min",
    held=False,
)
INFO = Family(
    "awschange_aws_config_recorder_info",
    "gauge",
    "Always 1; how often the recorder of AWS Config looks at security groups: continuous, or daily (then what is read from it may be a day "
    "old, and changes in between are lost). Absent without a recorder.",
    (*_UNIT, "frequency"),
    5_000,
    _UNIT,
    update="max",
    held=False,
)
FAILING = Family(
    "awschange_aws_config_recorder_failing",
    "gauge",
    "Whether the recorder of AWS Config could not deliver what it last recorded (1), or could (0). Absent without a recorder.",
    _UNIT,
    5_000,
    _UNIT,
    update="max",
    held=False,
)


def _run(sight: Sight) -> Iterator[Sample]:
    recorders = sight.standing.recorder
    if recorders is None:
        return
    unit = sight.standing.account_id, sight.standing.region
    yield Sample(RECORDING.name, unit, float(any(not light.gap for light in recorders)))
    for light in recorders[:1]:
        yield Sample(INFO.name, (*unit, light.frequency), 1)
        yield Sample(FAILING.name, unit, float(bool(light.failing)))


RECORDER = Check("recorder", (RECORDING, INFO, FAILING), _run)
