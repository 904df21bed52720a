"""What AWS Config recorded: recorders, and the versions of each resource since there has been one.

A recorder looks at what a call may have changed right after it, so that no state between two calls is lost; with daily recording, it
looks once a day only, and what happened in between is gone. A version is to be seen some time after it was captured. It names the event of
the call that it came from; of a day, or as a recorder starts, it names none (what AWS Config does there is not documented).
Sources: AWS Config developer guide, "Recording AWS resources" (frequency, overrides, exclusions); API reference, ConfigurationItem;
resource schema, AWS::Config::ConfigurationRecorder. That this item tells of a recorder that was stopped is inferred.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.backend import Answer
from sandbox.calls import Call
from sandbox.config_items import ASSOCIATION, GROUP, INSTANCE, INTERFACE, KINDS, PREFIX_LIST, Inventory, Key, Resource
from sandbox.identities import partition_of
from sandbox.journal import Unit
from sandbox.moments import Clock

DAY = timedelta(days=1)
CONTINUOUS = "CONTINUOUS"
DAILY = "DAILY"
_SERVICES = frozenset({"autoscaling", "cloudformation", "ec2", "elasticloadbalancing"})
"""Whose calls may change what is recorded."""
_EC2 = (GROUP, INTERFACE, INSTANCE, PREFIX_LIST, ASSOCIATION)
_TOUCHED: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"(?:Authorize|Revoke)SecurityGroup\w+|ModifySecurityGroupRules|UpdateSecurityGroupRule\w+|CreateSecurityGroup"), (GROUP,)),
    (re.compile(r"DeleteSecurityGroup"), (GROUP, ASSOCIATION)),
    (re.compile(r"\w+ManagedPrefixList\w*"), (PREFIX_LIST,)),
    (re.compile(r"\w+SecurityGroupVpc"), (ASSOCIATION,)),
    (re.compile(r"\w+(?:Instances?|InstanceAttribute|NetworkInterface\w*|Addresses|Address)"), (INTERFACE, INSTANCE)),
)
"""What calls of EC2 can change; all other calls may change anything of EC2."""
_GROUP_ID = re.compile(r"\bsg-[0-9a-f]{8,17}\b")


@dataclass(frozen=True, slots=True)
class Version:
    """A resource as it was captured at a time, to be seen from `due` on; `resource` is the last known one where it is gone.

    `related` are the ids of the events in which CloudTrail tells of the call that changed it.
    """

    resource: Resource
    captured_at: datetime
    due: datetime
    status: str
    number: int
    frequency: str
    related: tuple[str, ...] = ()

    @property
    def is_gone(self) -> bool:
        """Tell whether the resource had been deleted."""
        return self.status == "ResourceDeleted"


@dataclass(slots=True)
class Recorder:
    """The recorder of one account and region, and what it recorded. `failing` is the error code of one that cannot do its work."""

    name: str
    group: Mapping[str, Any] = field(default_factory=dict)
    mode: Mapping[str, Any] = field(default_factory=dict)
    recording: bool = False
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    changed_at: datetime | None = None
    day_began: datetime | None = None
    failing: str = ""
    exists: bool = True
    versions: defaultdict[Key, list[Version]] = field(default_factory=lambda: defaultdict(list))

    def item(self, unit: Unit, number: int) -> Version | None:
        """Return the recorder as AWS Config itself has it; None where there is none, or it never ran."""
        if not self.exists or self.changed_at is None:
            return None
        group = _pascal({name: value for name, value in self.group.items() if value})
        mode = _pascal({"recordingFrequency": CONTINUOUS, **self.mode})
        configuration = {"Name": self.name, "Recording": self.recording, "RecordingGroup": group, "RecordingMode": mode}
        account_id, region = unit
        arn = f"arn:{partition_of(region)}:config:{region}:{account_id}:configuration-recorder/{self.name}"
        resource = Resource("AWS::Config::ConfigurationRecorder", self.name, self.name, arn, configuration, {})
        return Version(resource, self.changed_at, self.changed_at, "OK", number, CONTINUOUS)

    def frequency(self, kind: str) -> str | None:
        """Return how often a type of resource is recorded; None where it is left out."""
        listed = set(self.group.get("resourceTypes") or ())
        excluded = set((self.group.get("exclusionByResourceTypes") or {}).get("resourceTypes") or ())
        strategy = (self.group.get("recordingStrategy") or {}).get("useOnly")
        only_listed = strategy == "INCLUSION_BY_RESOURCE_TYPES" or (strategy is None and listed and not self.group.get("allSupported"))
        if kind in excluded or (only_listed and kind not in listed):
            return None
        for override in self.mode.get("recordingModeOverrides") or ():
            if kind in override.get("resourceTypes", ()):
                return str(override.get("recordingFrequency", CONTINUOUS))
        return str(self.mode.get("recordingFrequency", CONTINUOUS))


def _pascal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {f"{key[:1].upper()}{key[1:]}": _pascal(below) for key, below in value.items()}
    return [_pascal(item) for item in value] if isinstance(value, list) else value


class Recording:
    """All recorders. Threads may ask and record at the same time."""

    def __init__(self, inventory: Inventory, clock: Clock, delay: timedelta, *, relates: bool = True) -> None:
        self._inventory, self._clock, self._delay, self._relates = inventory, clock, delay, relates
        self._recorders: dict[Unit, Recorder] = {}
        self._numbers = 0
        self._lock = threading.RLock()

    def forget(self) -> None:
        """Forget everything, as the sandbox begins anew."""
        with self._lock:
            self._recorders.clear()

    def of(self, unit: Unit) -> Recorder | None:
        """Return the recorder of an account and region; None where there is none."""
        with self._lock:
            found = self._recorders.get(unit)
        return found if found is not None and found.exists else None

    def units(self) -> list[Unit]:
        """Return each account and region where there has been a recorder."""
        with self._lock:
            return sorted(self._recorders)

    def put(self, unit: Unit, told: Mapping[str, Any], group: Mapping[str, Any]) -> None:
        """Make or change the recorder of an account and region. `group` is what it records, its defaults filled in."""
        with self._lock:
            kept = self._recorders.setdefault(unit, Recorder(str(told.get("name", ""))))
            kept.name, kept.exists, kept.group = str(told.get("name", "")), True, group
            kept.mode = told.get("recordingMode") or {}
            if kept.recording:
                self._look(unit, kept, {CONTINUOUS})

    def start(self, unit: Unit) -> None:
        """Begin to record: what there is, is found at once."""
        with self._lock:
            kept, now = self._recorders[unit], self._clock()
            if kept.recording:
                return
            kept.recording, kept.started_at, kept.changed_at, kept.day_began = True, now, now, now
            self._look(unit, kept, {CONTINUOUS, DAILY})

    def stop(self, unit: Unit) -> None:
        """End recording: what was recorded last stays."""
        with self._lock:
            kept, now = self._recorders[unit], self._clock()
            if kept.recording:
                kept.recording, kept.stopped_at, kept.changed_at = False, now, now

    def delete(self, unit: Unit) -> None:
        """Remove the recorder; what it recorded stays."""
        self.stop(unit)
        with self._lock:
            self._recorders[unit].exists = False

    def fail(self, unit: Unit, error_code: str) -> None:
        """Have a recorder fail with an error and record nothing; "" has it work again. Raises ValueError where there is none."""
        with self._lock:
            kept = self._recorders.get(unit)
            if kept is None or not kept.exists:
                raise ValueError(f"there is no recorder in {unit[0]:.80} {unit[1]:.80}")
            kept.failing, kept.changed_at = error_code, self._clock()
            if kept.recording and not error_code:
                self._look(unit, kept, {CONTINUOUS})

    def before(self, unit: Unit) -> None:
        """Record what a day has brought, if it is over; to be called before anything changes."""
        with self._lock:
            kept = self._recorders.get(unit)
            if kept is not None and kept.recording and kept.day_began is not None and self._clock() - kept.day_began >= DAY:
                self._end_day(unit, kept)

    def end_day(self) -> int:
        """Record what the day has brought in every account and region, as if it were over; return how many there are."""
        with self._lock:
            ended = [(unit, kept) for unit, kept in self._recorders.items() if kept.recording]
            for unit, kept in ended:
                self._end_day(unit, kept)
        return len(ended)

    def changed(self, call: Call, answer: Answer, account_id: str, event_id: str = "") -> None:
        """Record what a call changed, of which CloudTrail tells under an event id, if it does."""
        unit = (account_id, call.region)
        if call.service not in _SERVICES or call.read_only or not answer.ok or unit not in self._recorders:
            return
        with self._lock:
            kept = self._recorders[unit]
            if not kept.recording:
                return
            kinds, related = _touched(call), (event_id,) if event_id and self._relates else ()
            named = frozenset(_GROUP_ID.findall(" ".join([*call.form.values(), answer.body.decode("utf-8", "replace")])))
            if kinds == (GROUP,) and named:
                self._compare(kept, self._inventory.groups(*unit, named), {(GROUP, group_id) for group_id in named}, {CONTINUOUS}, related)
            else:
                self._look(unit, kept, {CONTINUOUS}, kinds, related)

    def current(self, unit: Unit, at: datetime) -> list[Version]:
        """Return what was recorded last of each resource and is to be seen at a time; what is gone is not there, the recorder itself is."""
        with self._lock:
            kept = self._recorders.get(unit)
            histories = [list(versions) for versions in kept.versions.values()] if kept is not None else []
            itself = kept.item(unit, self._numbers) if kept is not None else None
            histories.append([itself] if itself is not None else [])
        seen = [[version for version in versions if version.due <= at] for versions in histories]
        return [versions[-1] for versions in seen if versions and not versions[-1].is_gone]

    def history(self, unit: Unit, key: Key) -> list[Version]:
        """Return every version of a resource that is to be seen now, oldest first."""
        with self._lock:
            kept = self._recorders.get(unit)
            found = list(kept.versions.get(key, ())) if kept is not None else []
        now = self._clock()
        return [version for version in found if version.due <= now]

    def _end_day(self, unit: Unit, kept: Recorder) -> None:
        kept.day_began = self._clock()
        self._look(unit, kept, {DAILY})

    def _look(
        self, unit: Unit, kept: Recorder, frequencies: set[str], kinds: tuple[str, ...] = KINDS, related: tuple[str, ...] = ()
    ) -> None:
        """Look at resources of those of some types that are recorded so often."""
        wanted = [kind for kind in kinds if kept.frequency(kind) in frequencies]
        known = {key for key in kept.versions if key[0] in wanted}
        self._compare(kept, self._inventory.some(*unit, wanted), known, frequencies, related)

    def _compare(
        self, kept: Recorder, found: Iterable[Resource], known: set[Key], frequencies: set[str], related: tuple[str, ...] = ()
    ) -> None:
        """Keep a version of what is new, different or, of what was known, gone; of the types that are recorded so often."""
        if kept.failing:
            return
        now, there = self._clock(), {resource.key: resource for resource in found}
        for key in [*there, *sorted(known - there.keys())]:
            frequency = kept.frequency(key[0])
            if frequency is None or frequency not in frequencies:
                continue
            last = kept.versions[key][-1] if kept.versions[key] else None
            resource = there.get(key)
            if resource is None:
                if last is None or last.is_gone:
                    continue
                status, resource = "ResourceDeleted", last.resource
            elif last is None or last.is_gone:
                status = "ResourceDiscovered"
            elif last.resource != resource:
                status = "OK"
            else:
                continue
            self._numbers = max(self._numbers + 1, int(now.timestamp() * 1000))
            kept.versions[key].append(Version(resource, now, now + self._delay, status, self._numbers, frequency, related))


def _touched(call: Call) -> tuple[str, ...]:
    """Return the types of resources that a call may have changed."""
    if call.service == "elasticloadbalancing":
        return tuple(kind for kind in KINDS if kind == INTERFACE or kind not in _EC2)
    if call.service != "ec2":
        return KINDS
    return next((kinds for pattern, kinds in _TOUCHED if pattern.fullmatch(call.action)), _EC2)
