"""Whether AWS Config records security groups in each watched account and region: what shows what stands open will need it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from exporter.aws.operations import DESCRIBE_RECORDER_STATUS, DESCRIBE_RECORDERS
from exporter.doctor.base import Examination, WatchedUnit
from exporter.sources.base import Diagnosis

_GROUP = "AWS::EC2::SecurityGroup"
_OPTIONAL = "changes are read without it; what stands open right now will need it"


def recorder(examination: Examination) -> Iterator[Diagnosis]:
    """Look at the configuration recorder of every unit."""

    def of_unit(unit: WatchedUnit) -> Iterator[Diagnosis]:
        caller = examination.aws.caller(unit.region, unit.account)
        recorders = caller.call(DESCRIBE_RECORDERS).get("ConfigurationRecorders") or ()
        states = caller.call(DESCRIBE_RECORDER_STATUS).get("ConfigurationRecordersStatus") or ()
        yield _judged(str(unit), recorders, {str(state.get("name", "")): state for state in states})

    yield from examination.over_units(of_unit)


def _judged(subject: str, recorders: Any, states: Mapping[str, Mapping[str, Any]]) -> Diagnosis:
    if not recorders:
        return Diagnosis(
            "warning",
            subject,
            f"AWS Config has no recorder here; {_OPTIONAL}",
            "set one up: `aws configservice put-configuration-recorder`",
        )
    recorder = recorders[0]
    name = str(recorder.get("name", "default"))
    state = states.get(name, {})
    if not state.get("recording"):
        remedy = f"start it: `aws configservice start-configuration-recorder --configuration-recorder-name {quote(name)}`"
        return Diagnosis("warning", subject, f"the recorder {name} of AWS Config is off; {_OPTIONAL}", remedy)
    if str(state.get("lastStatus", "")).lower() == "failure":
        detail = f"the recorder {name} of AWS Config fails: {state.get('lastErrorCode', '')} {state.get('lastErrorMessage', '')}".rstrip()
        return Diagnosis(
            "warning", subject, detail, "see its delivery channel and its role: `aws configservice describe-delivery-channels`"
        )
    if not _records_groups(recorder.get("recordingGroup") or {}):
        return Diagnosis(
            "warning", subject, f"the recorder {name} of AWS Config leaves out {_GROUP}; {_OPTIONAL}", f"let it record {_GROUP}"
        )
    return Diagnosis("ok", subject, f"the recorder {name} of AWS Config is on")


def _records_groups(group: Mapping[str, Any]) -> bool:
    """Source: AWS Config API reference, RecordingGroup."""
    if _GROUP in ((group.get("exclusionByResourceTypes") or {}).get("resourceTypes") or ()):
        return False
    strategy = (group.get("recordingStrategy") or {}).get("useOnly", "")
    named = _GROUP in (group.get("resourceTypes") or ())
    return (
        named or bool(group.get("allSupported", not group)) or strategy in ("ALL_SUPPORTED_RESOURCE_TYPES", "EXCLUSION_BY_RESOURCE_TYPES")
    )
