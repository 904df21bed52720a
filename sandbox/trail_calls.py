"""What CloudTrail tells of trails, where moto does not tell it as AWS does: status, selectors, and the trails of an organization.

Source: CloudTrail API reference, DescribeTrails, GetTrailStatus and GetEventSelectors.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sandbox import json_answers
from sandbox.backend import Answer, Backend
from sandbox.calls import Call
from sandbox.identities import Identity
from sandbox.selectors import DEFAULT
from sandbox.trail_status import Deliveries
from sandbox.trails import Trails

_TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."
_INVENTED = (
    "LatestDeliveryAttemptSucceeded",
    "LatestDeliveryAttemptTime",
    "LatestDeliveryTime",
    "LatestNotificationAttemptSucceeded",
    "LatestNotificationAttemptTime",
    "LatestNotificationTime",
)
"""What moto tells of deliveries, of which it makes none."""


class TrailCalls:
    """Answers those calls, from what moto knows and what the sandbox delivered."""

    def __init__(self, backend: Backend, trails: Trails, deliveries: Deliveries) -> None:
        self._backend, self._trails, self._deliveries = backend, trails, deliveries

    def operations(self) -> dict[tuple[str, str], Callable[[Call, Identity], Answer]]:
        """Return the operations, by service and action."""
        return {
            ("cloudtrail", "DescribeTrails"): self._describe,
            ("cloudtrail", "GetEventSelectors"): self._selectors,
            ("cloudtrail", "GetTrailStatus"): self._status,
        }

    def _describe(self, call: Call, identity: Identity) -> Answer:
        asked = call.document if isinstance(call.document, dict) else {}
        answer = self._ask("DescribeTrails", identity.account_id, call.region, asked)
        if not answer.ok:
            return answer
        body, names = json.loads(answer.body), set(asked.get("trailNameList") or ())
        of_organization = () if asked.get("includeShadowTrails") is False else self._trails.of_organization(identity.account_id)
        for trail in of_organization:
            if not (trail.multi_region or trail.home_region == call.region) or (names and not names & {trail.arn, trail.name}):
                continue
            told = self._ask("DescribeTrails", trail.account_id, trail.home_region, {})
            body["trailList"] += [item for item in json.loads(told.body).get("trailList", []) if item["TrailARN"] == trail.arn]
        for item in body.get("trailList", []):
            item["HasCustomEventSelectors"] = self._has_selectors(item["TrailARN"])
        return json_answers.success(body)

    def _has_selectors(self, arn: str) -> bool:
        """Tell whether somebody gave a trail selectors; moto says of all that nobody did."""
        _, _, _, region, account_id, _ = arn.split(":")
        answer = self._ask("GetEventSelectors", account_id, region, {"TrailName": arn})
        body = json.loads(answer.body) if answer.ok else {}
        return bool(body.get("AdvancedEventSelectors") or body.get("EventSelectors"))

    def _selectors(self, call: Call, identity: Identity) -> Answer:
        found = self._found(call, identity, "TrailName")
        if isinstance(found, Answer):
            return found
        answer = self._ask("GetEventSelectors", *found[:2], {"TrailName": found[2]})
        if not answer.ok:
            return answer
        body = json.loads(answer.body)
        # A trail has selectors of one kind; the other is absent.
        kept = {name: body[name] for name in ("AdvancedEventSelectors", "EventSelectors") if body.get(name)}
        return json_answers.success({"TrailARN": body["TrailARN"], **(kept or {"EventSelectors": [dict(DEFAULT)]})})

    def _status(self, call: Call, identity: Identity) -> Answer:
        found = self._found(call, identity, "Name")
        if isinstance(found, Answer):
            return found
        answer = self._ask("GetTrailStatus", *found[:2], {"Name": found[2]})
        if not answer.ok:
            return answer
        body = json.loads(answer.body)
        for name in _INVENTED:
            body.pop(name, None)
        return json_answers.success(body | self._deliveries.told(found[2], call.region))

    def _found(self, call: Call, identity: Identity, key: str) -> tuple[str, str, str] | Answer:
        """Return account, home region and ARN of the trail that a call names; a shadow trail is known by its ARN alone."""
        asked = call.document if isinstance(call.document, dict) else {}
        name = str(asked.get(key, ""))
        parts = name.split(":")
        if len(parts) != 6:
            arn = f"arn:{identity.principal_arn(call.region).split(':')[1]}:cloudtrail:{call.region}:{identity.account_id}:trail/{name}"
            parts = arn.split(":")
        arn, region, account_id = ":".join(parts), parts[3], parts[4]
        known = account_id == identity.account_id or any(trail.arn == arn for trail in self._trails.of_organization(identity.account_id))
        answer = self._ask("DescribeTrails", account_id, region, {}) if known and region else None
        listed = json.loads(answer.body).get("trailList", []) if answer is not None and answer.ok else []
        if any(trail["TrailARN"] == arn for trail in listed):
            return account_id, region, arn
        return json_answers.failure("TrailNotFoundException", f"Unknown trail: {arn} for the user: {identity.account_id}")

    def _ask(self, action: str, account_id: str, region: str, document: Any) -> Answer:
        return self._backend.json_answer("cloudtrail", _TARGET + action, account_id, region, document)
