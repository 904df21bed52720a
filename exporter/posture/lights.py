"""What the answers about trails and recorders come to: whether they record changes of security groups here. Pure, no calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from exporter.posture.recording import GROUP, Recording, records
from exporter.posture.standing import RecorderLight
from exporter.text import visible

STOPPED = "it is stopped"
OFF = "it is off"
LEAVES_OUT = f"it leaves out {GROUP}"

PASSING = frozenset({"throttled", "unavailable", "credentials"})
"""Reasons of an error that say nothing of the trail that was asked for: it is asked again with the next reading."""
_LONGEST = 256
_COLONS_OF_ARN = 5


def trail_name(trail: Mapping[str, Any]) -> str:
    """Return what a trail of DescribeTrails is called."""
    return str(trail.get("Name") or trail.get("TrailARN", ""))


def owner_of(trail: Mapping[str, Any]) -> str:
    """Return the account that a trail belongs to, empty where its ARN does not tell."""
    parts = str(trail.get("TrailARN", "")).split(":")
    return parts[4] if len(parts) == _COLONS_OF_ARN + 1 else ""


def covers(trail: Mapping[str, Any], region: str) -> bool:
    """Tell whether a trail is one of a region: made there, or of many regions (API reference, Trail)."""
    return bool(trail.get("IsMultiRegionTrail")) or trail.get("HomeRegion") in {None, "", region}


def has_default_selectors(trail: Mapping[str, Any]) -> bool:
    """Tell whether DescribeTrails says that a trail has no selectors of its own: then it records all management events.

    Members are told so of an organization's trail, whose selectors they may not see (API reference, Trail and EventSelector).
    """
    return trail.get("HasCustomEventSelectors") is False


def trail_gap(status: Mapping[str, Any], excluded: str) -> str:
    """Return why a trail does not record every write, by GetTrailStatus and what its selectors exclude; empty where it does."""
    return excluded if status.get("IsLogging") else STOPPED


def own_recorder(recorders: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the recorder that the account itself has, of which there is one at most; those that services link record for these alone."""
    return next((recorder for recorder in recorders if not recorder.get("servicePrincipal")), None)


def recorder_light(recorder: Mapping[str, Any], state: Mapping[str, Any]) -> RecorderLight:
    """Return what a recorder (DescribeConfigurationRecorders) and its status (DescribeConfigurationRecorderStatus) come to."""
    gap = OFF if not state.get("recording") else "" if records(recorder.get("recordingGroup"), GROUP) else LEAVES_OUT
    frequency = "continuous" if Recording(mode=recorder.get("recordingMode")).continuous(GROUP) else "daily"
    failed = str(state.get("lastStatus", "")).lower() == "failure"
    failing = str(state.get("lastErrorCode") or "unknown") if failed else ""
    return RecorderLight(visible(str(recorder.get("name") or "default"), _LONGEST), gap, frequency, visible(failing, _LONGEST))


def moment(value: object) -> datetime | None:
    """Return a time of an answer in UTC, None where there is none."""
    return value.astimezone(UTC) if isinstance(value, datetime) else None
