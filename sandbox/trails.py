"""The trails that somebody made here, and which of them log an event.

Sources: CloudTrail user guide, "Creating a trail" and "Logging management events".
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from sandbox.backend import Answer, Backend
from sandbox.calls import Call
from sandbox.journal import Unit
from sandbox.selectors import Selectors

_NO_ORGANIZATION = "o-exampleorgid"
_GLOBAL_SOURCES = frozenset({"cloudfront.amazonaws.com", "iam.amazonaws.com", "sts.amazonaws.com"})
VALIDATION_MESSAGE = "CloudTrail validation message."


@dataclass(frozen=True, slots=True)
class Trail:
    """One trail. `organization` is "" unless it is an organization's, of which every account of the sandbox is a member."""

    arn: str
    name: str
    account_id: str
    home_region: str
    bucket: str
    prefix: str
    topic_arn: str | None
    multi_region: bool
    global_events: bool
    validated: bool
    organization: str
    selectors: Selectors

    def covers(self, unit: Unit) -> bool:
        """Tell whether it logs an account and region."""
        account_id, region = unit
        return (bool(self.organization) or account_id == self.account_id) and (self.multi_region or region == self.home_region)

    def wants(self, record: dict[str, Any]) -> bool:
        """Tell whether it logs this record of an account and region that it covers."""
        if record["eventSource"] in _GLOBAL_SOURCES and not self.global_events:
            return False
        return self.selectors.want(record)

    def folder(self, account_id: str) -> str:
        """Return where the files of an account lie in the bucket, with a slash at the end."""
        parts = [self.prefix, "AWSLogs", self.organization, account_id]
        return "".join(f"{part}/" for part in parts if part)


class Trails:
    """Learns of trails as they are made, and asks moto what has become of them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._homes: dict[Unit, None] = {}
        self._logging: list[Trail] = []
        self._lock = threading.Lock()

    def seen(self, call: Call, answer: Answer, account_id: str) -> None:
        """Look at a call that was answered: a new trail leaves a marker in its bucket, and a message in a topic that is attached to it."""
        if not answer.ok or call.read_only or call.service not in {"cloudtrail", "organizations"}:
            return
        made = call.action in {"CreateTrail", "UpdateTrail"}
        if made:
            with self._lock:
                self._homes[account_id, call.region] = None
        self._look()
        if not made:
            return
        asked = call.document if isinstance(call.document, dict) else {}
        trail = next((trail for trail in self._all((account_id, call.region)) if asked.get("Name") in {trail.name, trail.arn}), None)
        if trail is None:
            return
        if call.action == "CreateTrail":
            self._backend.put_object(trail.account_id, trail.bucket, f"{trail.folder(account_id)}CloudTrail/", b"", {})
        if asked.get("SnsTopicName") and trail.topic_arn:
            self._backend.publish(trail.account_id, trail.topic_arn, VALIDATION_MESSAGE)

    def logging(self) -> list[Trail]:
        """Return all trails whose logging is on, as of the last change of a trail that was seen."""
        with self._lock:
            return self._logging

    def _look(self) -> None:
        with self._lock:
            homes = list(self._homes)
        known = [(home, trail) for home in homes for trail in self._all(home)]
        found = [trail for home, trail in known if self._ask(home, "GetTrailStatus", Name=trail.arn).get("IsLogging")]
        with self._lock:
            self._logging = found

    def _all(self, home: Unit) -> list[Trail]:
        found = self._ask(home, "DescribeTrails", includeShadowTrails=False).get("trailList", [])
        return [self._trail(home, told) for told in found if told["HomeRegion"] == home[1]]

    def _trail(self, home: Unit, told: dict[str, Any]) -> Trail:
        selectors = self._ask(home, "GetEventSelectors", TrailName=told["TrailARN"])
        organization = ""
        if told.get("IsOrganizationTrail"):
            described = self._backend.json_call("organizations", "AWSOrganizationsV20161128.DescribeOrganization", *home, {})
            organization = described.get("Organization", {}).get("Id", _NO_ORGANIZATION)
        return Trail(
            told["TrailARN"],
            told["Name"],
            home[0],
            home[1],
            told["S3BucketName"],
            told.get("S3KeyPrefix") or "",
            told.get("SnsTopicARN"),
            bool(told.get("IsMultiRegionTrail")),
            bool(told.get("IncludeGlobalServiceEvents")),
            bool(told.get("LogFileValidationEnabled")),
            organization,
            Selectors(selectors.get("EventSelectors") or (), selectors.get("AdvancedEventSelectors") or ()),
        )

    def of_organization(self, account_id: str) -> list[Trail]:
        """Return the trails of other accounts that log an account because it is of their organization."""
        with self._lock:
            homes = [home for home in self._homes if home[0] != account_id]
        return [trail for home in homes for trail in self._all(home) if trail.organization]

    def _ask(self, home: Unit, action: str, **document: Any) -> dict[str, Any]:
        target = f"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.{action}"
        return self._backend.json_call("cloudtrail", target, *home, document)
