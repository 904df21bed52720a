"""Reads the lights of one account and region: which trails record here, and whether AWS Config does.

A trail of many regions stands in the answer of each of them, and an organization's in that of each member. Its status is told region by
region, its event selectors by its home region alone, and to the account that owns it: members are refused them (only the management
account and a delegated administrator of CloudTrail may see them). What then decides is DescribeTrails, which tells members whether the
trail has selectors of its own (HasCustomEventSelectors): one without records all management events. Where it has, nobody here can tell.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from exporter.aws import Caller
from exporter.aws.operations import DESCRIBE_RECORDER_STATUS, DESCRIBE_RECORDERS, DESCRIBE_TRAILS, GET_EVENT_SELECTORS, GET_TRAIL_STATUS
from exporter.errors import AwsError, SourceError
from exporter.posture.lights import (
    PASSING,
    covers,
    has_default_selectors,
    moment,
    own_recorder,
    owner_of,
    recorder_light,
    trail_gap,
    trail_name,
)
from exporter.posture.selectors import excluded
from exporter.posture.standing import Part, PartFailure, RecorderLight, TrailLight
from exporter.snapshots.base import ReadContext
from exporter.text import visible

_REMEMBERED = 120.0
"""Seconds: long enough for the regions of one round, short enough that the next round sees what somebody changed."""
_LONGEST = 256


class Lights(NamedTuple):
    """What was read: a part is None where it could not be read whole, with the failure beside it."""

    trails: tuple[TrailLight, ...] | None
    recorder: tuple[RecorderLight, ...] | None
    failures: tuple[PartFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class _Told:
    """What a trail's selectors exclude, or that they are refused."""

    until: float
    excluded: str = ""
    refused: SourceError | None = None


class LightsReader:
    """Reads lights, and remembers for two minutes what event selectors exclude. Safe to use from several threads.

    `now` is a clock in seconds that never goes back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._told: dict[tuple[str, ...], _Told] = {}
        self._warned: set[tuple[str, str]] = set()

    def __call__(self, caller: Caller, context: ReadContext) -> Lights:
        """Return the lights of the account and region of a caller; what fails is a failure beside what does not. Never raises."""
        failures: list[PartFailure] = []
        trails: tuple[TrailLight, ...] | None = None
        recorder: tuple[RecorderLight, ...] | None = None
        try:
            trails = _distinct(list(self._trails(caller, context)))
        except Exception as error:  # noqa: BLE001 - the boundary of one part: an answer that nobody foresaw must not hide the other
            failures.append(_failure(Part.TRAILS, error, caller, context))
        try:
            recorder = _recorder(caller)
        except Exception as error:  # noqa: BLE001 - as above
            failures.append(_failure(Part.RECORDER, error, caller, context))
        return Lights(trails, recorder, tuple(failures))

    def _trails(self, caller: Caller, context: ReadContext) -> Iterator[tuple[str, TrailLight]]:
        """Yield each trail that is one of this region, after its ARN."""
        found = caller.call(DESCRIBE_TRAILS).get("trailList")
        if not isinstance(found, list):
            raise _unreadable(DESCRIBE_TRAILS.action, "the answer has no trailList", caller)
        for trail in found:
            if covers(trail, caller.region):
                yield str(trail.get("TrailARN") or trail_name(trail)), self._trail(caller, context, trail)

    def _trail(self, caller: Caller, context: ReadContext, trail: Mapping[str, Any]) -> TrailLight:
        arn, name = str(trail.get("TrailARN", "")), trail_name(trail)
        light = TrailLight(visible(name, _LONGEST), validates=bool(trail.get("LogFileValidationEnabled")))
        foreign = owner_of(trail) not in {"", caller.account_id} if caller.account_id else bool(trail.get("IsOrganizationTrail"))
        try:
            # Of a trail made elsewhere only the ARN is understood.
            status = caller.call(GET_TRAIL_STATUS, Name=arn or name)
        except SourceError as error:
            if not foreign or error.reason in PASSING:
                raise
            return replace(light, unknown=self._unknown(caller, context, arn, error))
        light = replace(
            light,
            last_delivery=moment(status.get("LatestDeliveryTime")),
            delivery_error=visible(str(status.get("LatestDeliveryError") or ""), _LONGEST),
        )
        told = self._selectors(caller, trail) if status.get("IsLogging") else _Told(0.0)
        if told.refused is None:
            return replace(light, gap=trail_gap(status, told.excluded))
        if not foreign:
            raise told.refused
        if has_default_selectors(trail):
            return light
        return replace(light, unknown=self._unknown(caller, context, arn, told.refused))

    def _selectors(self, caller: Caller, trail: Mapping[str, Any]) -> _Told:
        """Return what a trail's selectors exclude. Raises SourceError for what passes."""
        arn = str(trail.get("TrailARN", "")) or trail_name(trail)
        # Whoever was told them, they are the same; who was refused, was refused alone.
        keys: tuple[tuple[str, ...], ...] = ((arn,), (arn, caller.account_id))
        now = self._now()
        with self._lock:
            for key in keys:
                told = self._told.get(key)
                if told is not None and now < told.until:
                    return told
        until = now + _REMEMBERED
        home = caller.elsewhere(str(trail.get("HomeRegion") or caller.region))
        try:
            key, told = keys[0], _Told(until, excluded(home.call(GET_EVENT_SELECTORS, TrailName=arn)))
        except SourceError as error:
            if error.reason in PASSING:
                raise
            key, told = keys[1], _Told(until, refused=error)
        with self._lock:
            self._told = {known: what for known, what in self._told.items() if now < what.until} | {key: told}
        return told

    def _unknown(self, caller: Caller, context: ReadContext, arn: str, error: SourceError) -> str:
        """Return why a trail cannot be judged from here, and log it the first time."""
        code = error.code if isinstance(error, AwsError) and error.code else error.reason
        action = error.operation if isinstance(error, AwsError) else "the call"
        unknown = f"only the account that owns it may tell what it records: {action} gave {code}"
        key = (caller.account_id, arn)
        with self._lock:
            first = key not in self._warned
            self._warned.add(key)
        if first:
            context.log.warning(
                "a trail cannot be judged from here; watch the account that owns it as well",
                account_id=caller.account_id,
                region=caller.region,
                trail=visible(arn, _LONGEST),
                error=str(error),
            )
        return unknown


def read_lights(caller: Caller, context: ReadContext) -> Lights:
    """Return the lights of the account and region of a caller, without remembering anything; see LightsReader."""
    return LightsReader()(caller, context)


def _distinct(trails: list[tuple[str, TrailLight]]) -> tuple[TrailLight, ...]:
    """Return the trails in the order of their names; of those that share one, as an own one and an organization's may, it is the ARN."""
    by_arn = dict(trails)
    names = Counter(light.name for light in by_arn.values())
    named = [light if names[light.name] == 1 else replace(light, name=visible(arn, _LONGEST)) for arn, light in by_arn.items()]
    return tuple(sorted(named, key=lambda light: light.name))


def _recorder(caller: Caller) -> tuple[RecorderLight, ...]:
    recorders = caller.call(DESCRIBE_RECORDERS).get("ConfigurationRecorders")
    if not isinstance(recorders, list):
        raise _unreadable(DESCRIBE_RECORDERS.action, "the answer has no ConfigurationRecorders", caller)
    recorder = own_recorder(recorders)
    if recorder is None:
        return ()
    states = caller.call(DESCRIBE_RECORDER_STATUS).get("ConfigurationRecordersStatus")
    if not isinstance(states, list):
        raise _unreadable(DESCRIBE_RECORDER_STATUS.action, "the answer has no ConfigurationRecordersStatus", caller)
    state: Mapping[str, Any] = next((state for state in states if state.get("name") == recorder.get("name")), {})
    return (recorder_light(recorder, state),)


def _where(caller: Caller) -> str:
    return " ".join(part for part in (f"account {caller.account_id}" if caller.account_id else "", caller.region) if part)


def _unreadable(action: str, wrong: str, caller: Caller) -> AwsError:
    text = f"{action} in {_where(caller)} failed: {wrong}; it is asked again with the next reading, please report it if it stays"
    return AwsError("unreadable", text, action)


def _failure(part: Part, error: Exception, caller: Caller, context: ReadContext) -> PartFailure:
    if isinstance(error, SourceError):
        return PartFailure(part, error)
    context.log.error("an answer could not be read", account_id=caller.account_id, region=caller.region, part=part.value, exc_info=error)
    text = f"{type(error).__name__}: {visible(str(error), 300)} ({part.value} in {_where(caller)}); please report it if it stays"
    return PartFailure(part, SourceError("internal", text))
