"""Whether AWS Config records security groups in each watched account and region; only what is read from it needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from exporter.aws.operations import DESCRIBE_RECORDER_STATUS, DESCRIBE_RECORDERS
from exporter.config import Config
from exporter.doctor.base import Examination, Status, WatchedUnit
from exporter.posture.lights import LEAVES_OUT, OFF, own_recorder, recorder_light
from exporter.posture.recording import GROUP
from exporter.sources.base import Diagnosis


def recorder(examination: Examination) -> Iterator[Diagnosis]:
    """Look at the configuration recorder of every unit."""

    def of_unit(unit: WatchedUnit) -> Iterator[Diagnosis]:
        caller = examination.aws.caller(unit.region, unit.account)
        found = own_recorder(caller.call(DESCRIBE_RECORDERS).get("ConfigurationRecorders") or ())
        states = caller.call(DESCRIBE_RECORDER_STATUS).get("ConfigurationRecordersStatus") or ()
        state: Mapping[str, Any] = next((state for state in states if found and state.get("name") == found.get("name")), {})
        yield _judged(str(unit), found, state, *_consequence(examination.config, unit))

    yield from examination.over_units(of_unit)


def _consequence(config: Config, unit: WatchedUnit) -> tuple[Status, str]:
    """Return how bad it is for a unit that AWS Config does not record, and what follows."""
    if not config.reads_posture:
        return "warning", "changes are read without it"
    source = config.posture.source_of(unit.account.account_id, unit.region)
    if source == "aws_config":
        return "failure", "what stands open is read from it here (posture.source), and is not seen"
    if source == "auto" and config.posture.aggregator is not None:
        return "failure", "what stands open is read from its aggregator (posture.aggregator), which has nothing from here"
    if source == "auto":
        return "warning", "what stands open is read from EC2; without it nothing stands in where EC2 may not be read"
    return "warning", "changes, and what stands open, are read without it"


def _judged(subject: str, recorder: Mapping[str, Any] | None, state: Mapping[str, Any], status: Status, consequence: str) -> Diagnosis:
    if recorder is None:
        remedy = "set one up: `aws configservice put-configuration-recorder`"
        return Diagnosis(status, subject, f"AWS Config has no recorder here; {consequence}", remedy)
    light = recorder_light(recorder, state)
    name = str(recorder.get("name") or "default")
    if light.gap == OFF:
        remedy = f"start it: `aws configservice start-configuration-recorder --configuration-recorder-name {quote(name)}`"
        return Diagnosis(status, subject, f"the recorder {name} of AWS Config is off; {consequence}", remedy)
    if light.failing:
        detail = f"the recorder {name} of AWS Config fails: {light.failing} {state.get('lastErrorMessage', '')}".rstrip()
        return Diagnosis(
            "warning", subject, detail, "see its delivery channel and its role: `aws configservice describe-delivery-channels`"
        )
    if light.gap == LEAVES_OUT:
        return Diagnosis(status, subject, f"the recorder {name} of AWS Config leaves out {GROUP}; {consequence}", f"let it record {GROUP}")
    return Diagnosis("ok", subject, f"the recorder {name} of AWS Config is on")
