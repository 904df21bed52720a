"""Whether a trail records the changes in each watched account and region: without one, trail files and EventBridge bring nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from exporter.aws.operations import DESCRIBE_TRAILS, GET_EVENT_SELECTORS, GET_TRAIL_STATUS
from exporter.doctor.base import Examination, Status, WatchedUnit, denial, who
from exporter.errors import SourceError
from exporter.posture.lights import PASSING, STOPPED, has_default_selectors, owner_of, trail_gap, trail_name
from exporter.posture.selectors import excluded
from exporter.sources.base import Diagnosis

_FED_BY_TRAILS = ("eventbridge", "s3")


def trails(examination: Examination) -> Iterator[Diagnosis]:
    """Look at the trails of every unit."""
    yield from examination.over_units(_Trails(examination).of_unit)


class _Trails:
    """Asks for the selectors of each trail once: one of many regions appears in every region."""

    def __init__(self, examination: Examination) -> None:
        self._examination = examination
        sources = examination.config.sources
        self._buckets = {getattr(settings, "bucket", "") for settings in sources} - {""}
        self._fed = sorted({settings.type for settings in sources} & set(_FED_BY_TRAILS))
        self._excluded: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def of_unit(self, unit: WatchedUnit) -> Iterator[Diagnosis]:
        """Yield what records every write; where nothing does, each trail's reason; and what fails in a bucket that a source reads."""
        caller = self._examination.aws.caller(unit.region, unit.account)
        found = caller.call(DESCRIBE_TRAILS).get("trailList") or ()
        judged = [(trail, self._problem(unit, trail)) for trail in found]
        recording = [trail_name(trail) for trail, problem in judged if problem is None]
        if recording:
            yield Diagnosis("ok", str(unit), f"trail {recording[0]} records every write")
        elif not judged:
            yield self._no_trail(unit)
        for trail, problem in judged:
            if problem is not None and (not recording or trail.get("S3BucketName") in self._buckets):
                yield problem

    def _no_trail(self, unit: WatchedUnit) -> Diagnosis:
        status: Status = "failure" if "eventbridge" in self._fed else "warning"
        consequence = (
            f"; the source {' and '.join(self._fed)} gets nothing from here" if self._fed else "; only Event history has its changes"
        )
        return Diagnosis(
            status,
            str(unit),
            f"no trail covers this account and region{consequence}",
            "create a trail of all regions that records management events (Write or All) and start it",
        )

    def _problem(self, unit: WatchedUnit, trail: Mapping[str, Any]) -> Diagnosis | None:
        """Return why a trail does not bring every write of a unit, None where it does."""
        name, arn, home = trail_name(trail), str(trail.get("TrailARN", "")), str(trail.get("HomeRegion") or unit.region)
        subject = f"{unit}, trail {name}"
        # An organization's trail is seen from each account, and changed in its own alone.
        owner = owner_of(trail) or unit.account.account_id
        there = f" in account {owner}" if owner != unit.account.account_id else ""
        try:
            # Of a trail made elsewhere only the ARN is understood; its status is told region by region.
            status = self._examination.aws.caller(unit.region, unit.account).call(GET_TRAIL_STATUS, Name=arn or name)
            gap = trail_gap(status, self._reason(unit, trail, home))
        except SourceError as error:
            remedy = denial(error, who(unit.account)) or (f"look at it{there}, which owns it" if there else "")
            return Diagnosis("warning", subject, str(error), remedy)
        if gap == STOPPED:
            return self._said(subject, gap, f"start it: `aws cloudtrail start-logging --name {quote(name)} --region {home}`{there}")
        if gap:
            remedy = f"let it record the writes of all management events: `aws cloudtrail put-event-selectors --trail-name {quote(name)}`"
            return self._said(subject, gap, f"{remedy} in {home}{there}")
        if status.get("LatestDeliveryError"):
            detail = f"its last delivery to the bucket {trail.get('S3BucketName')} failed: {status['LatestDeliveryError']}"
            return self._said(subject, detail, "let CloudTrail write to the bucket: see its bucket policy and its KMS key")
        return None

    def _said(self, subject: str, detail: str, remedy: str) -> Diagnosis:
        return Diagnosis("failure" if "eventbridge" in self._fed else "warning", subject, detail, remedy)

    def _reason(self, unit: WatchedUnit, trail: Mapping[str, Any], home: str) -> str:
        arn = str(trail.get("TrailARN") or trail_name(trail))
        known = (unit.account.account_id, arn)
        with self._lock:
            if known in self._excluded:
                return self._excluded[known]
        try:
            reason = excluded(self._examination.aws.caller(home, unit.account).call(GET_EVENT_SELECTORS, TrailName=arn))
        except SourceError as error:
            if owner_of(trail) in {"", unit.account.account_id} or error.reason in PASSING or not has_default_selectors(trail):
                raise
            reason = ""  # the account that owns it tells no other, but it has nothing to tell
        with self._lock:
            self._excluded[known] = reason
        return reason
