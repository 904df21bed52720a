"""What a configuration recorder of AWS Config records: where it does not, what AWS Config shows is old. Pure.

Sources: AWS Config API reference, ConfigurationRecorder, RecordingGroup, RecordingMode and ConfigurationRecorderStatus. As an item of
AWS Config (`AWS::Config::ConfigurationRecorder`) a recorder has the same fields in PascalCase, and `Recording` among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from exporter.text import visible

GROUP = "AWS::EC2::SecurityGroup"
_ALL = "ALL_SUPPORTED_RESOURCE_TYPES"
_ALL_BUT = "EXCLUSION_BY_RESOURCE_TYPES"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorder as it is now; `name` is empty where there is none. `failing` is AWS's error code where it failed at its last item."""

    name: str = ""
    on: bool = False
    failing: str = ""
    group: Mapping[str, Any] | None = None
    mode: Mapping[str, Any] | None = None

    def gap(self, resource_type: str) -> tuple[str, str]:
        """Return why what AWS Config has of a type may be old, and what to do about it; two empty texts where it is not."""
        if not self.name:
            return "AWS Config has no recorder", "set one up: `aws configservice put-configuration-recorder`"
        shown = visible(self.name, 100)
        if not self.on:
            start = f"`aws configservice start-configuration-recorder --configuration-recorder-name {quote(shown)}`"
            return f"the recorder {shown} of AWS Config is off", f"start it: {start}"
        if not records(self.group, resource_type):
            return f"the recorder {shown} of AWS Config leaves out {resource_type}", f"let it record {resource_type}"
        if self.failing:
            see = "see its role and its delivery channel: `aws configservice describe-configuration-recorder-status`"
            return f"the recorder {shown} of AWS Config fails ({visible(self.failing, 100)})", see
        return "", ""

    def continuous(self, resource_type: str) -> bool:
        """Tell whether changes of a type are recorded as they happen, not once a day."""
        for override in _list(_of(self.mode, "recordingModeOverrides")):
            if resource_type in _list(_of(override, "resourceTypes")):
                return not _is_daily(override)
        return not _is_daily(self.mode)


def records(group: Mapping[str, Any] | None, resource_type: str) -> bool:
    """Tell whether a recording group has a type; one that says nothing has all that AWS Config supports."""
    if not group:
        return True
    if resource_type in _list(_of(_of(group, "exclusionByResourceTypes"), "resourceTypes")):
        return False
    if resource_type in _list(_of(group, "resourceTypes")) or _of(group, "allSupported") is True:
        return True
    return _of(_of(group, "recordingStrategy"), "useOnly") in (_ALL, _ALL_BUT)


def recording_of(recorders: Any, states: Any) -> Recording:
    """Return the customer's recorder, of the answers of DescribeConfigurationRecorders and DescribeConfigurationRecorderStatus.

    There is one at most; those that another service keeps (`recordingScope` INTERNAL) record for that service alone.
    """
    for recorder in _list(recorders):
        if _of(recorder, "recordingScope") == "INTERNAL" or _of(recorder, "servicePrincipal"):
            continue
        name = str(_of(recorder, "name") or "default")
        state = next((state for state in _list(states) if _of(state, "name") == name), None)
        failing = str(_of(state, "lastErrorCode") or "Failure") if str(_of(state, "lastStatus")).lower() == "failure" else ""
        return Recording(
            name,
            _of(state, "recording") is True,
            failing,
            _mapping(_of(recorder, "recordingGroup")),
            _mapping(_of(recorder, "recordingMode")),
        )
    return Recording()


def recording_of_item(configuration: Mapping[str, Any]) -> Recording:
    """Return a recorder as it stands in AWS Config itself, which an aggregator collects like any other resource."""
    return Recording(
        str(_of(configuration, "name") or "default"),
        # Only what says that it is off is: an item without the field says nothing.
        _of(configuration, "recording") is not False,
        "",
        _mapping(_of(configuration, "recordingGroup")),
        _mapping(_of(configuration, "recordingMode")),
    )


def _of(part: Any, name: str) -> Any:
    """Return a field by its name in an answer of the API; as an item of AWS Config has it, the same in PascalCase or in lower case."""
    if not isinstance(part, Mapping):
        return None
    return next((part[key] for key in (name, name[0].upper() + name[1:], name.lower()) if key in part), None)


def _is_daily(mode: Any) -> bool:
    return str(_of(mode, "recordingFrequency")).upper() == "DAILY"


def _mapping(part: Any) -> Mapping[str, Any] | None:
    return part if isinstance(part, Mapping) else None


def _list(part: Any) -> Sequence[Any]:
    return part if isinstance(part, list | tuple) else ()
