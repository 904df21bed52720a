"""A fake of AWS Config's history of resources as a caller shows it, out of items that a test writes; and how to ask it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.aws import Account, Accounts, Operation
from exporter.errors import AwsError
from exporter.history.config_actors import Actors, Beside
from exporter.history.config_ask import ConfigAsk
from exporter.history.config_timeline import ConfigTimeline
from exporter.history.places import Answer
from exporter.model import ChangeEvent
from exporter.store.base import HistoryEvent, Query
from tests.records import event_id
from tests.store_events import make_event

ACCOUNT, REGION = "111122223333", "us-east-1"
GROUP, LIST = "sg-0123456789abcdef0", "pl-0123456789abcdef0"
GROUP_TYPE, LIST_TYPE = "AWS::EC2::SecurityGroup", "AWS::EC2::PrefixList"
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
UNKNOWN, UNRECORDED = "ResourceNotDiscoveredException", "NoAvailableConfigurationRecorderException"


def at(minutes: float) -> datetime:
    """Return a time in the hour before now."""
    return NOW - timedelta(hours=1) + timedelta(minutes=minutes)


def tcp(port: int, *cidrs: str | tuple[str, str], old: bool = False) -> dict[str, Any]:
    """Return a permission as AWS Config has it: IPv4 ranges twice, with descriptions in one of them; `old` items have the strings alone."""
    told = [(cidr, "") if isinstance(cidr, str) else cidr for cidr in cidrs]
    ranges = [{"cidrIp": cidr, **({"description": about} if about else {})} for cidr, about in told]
    return {
        "ipProtocol": "tcp", "fromPort": port, "toPort": port, "ipv6Ranges": [], "prefixListIds": [], "userIdGroupPairs": [],
        "ipRanges": [cidr for cidr, _ in told], **({} if old else {"ipv4Ranges": ranges}),
    }  # fmt: skip


def group_item(
    minutes: float, *permissions: Mapping[str, Any], status: str = "OK", tags: Mapping[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """Return an item of the group; what is gone or not recorded has no configuration."""
    configuration = {
        "groupId": GROUP, "groupName": "web", "description": "d", "vpcId": "vpc-0123456789abcdef0", "ownerId": ACCOUNT,
        "ipPermissions": list(permissions), "ipPermissionsEgress": [], "tags": [],
    }  # fmt: skip
    return item(
        GROUP_TYPE, GROUP, minutes, configuration if status in ("OK", "ResourceDiscovered") else None, status=status, tags=tags, **more
    )


def item(
    kind: str,
    resource_id: str,
    minutes: float,
    configuration: Any,
    *,
    status: str = "OK",
    tags: Mapping[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return an item as GetResourceConfigHistory gives it to boto3."""
    told = {
        "version": "1.3", "accountId": ACCOUNT, "awsRegion": REGION, "resourceType": kind, "resourceId": resource_id,
        "configurationItemCaptureTime": at(minutes), "configurationItemStatus": status, "configurationStateId": str(int(minutes * 1000)),
        "recordingFrequency": "CONTINUOUS", "tags": dict(tags or {}), "relatedEvents": [], "relationships": [], "supplementaryConfiguration": {},
    }  # fmt: skip
    return told | ({"configuration": json.dumps(configuration)} if configuration is not None else {}) | more


@dataclass
class Recorded:
    """A caller of one account and region with AWS Config behind it. `items` are of any resources; `error` is what each call fails with."""

    items: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    page: int = 100
    account_id: str = ACCOUNT
    region: str = REGION
    fault: Callable[[int], None] = lambda _before: None
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    now: datetime = NOW

    def call(self, operation: Operation, /, **asked: Any) -> Mapping[str, Any]:
        """Answer GetResourceConfigHistory."""
        assert operation.name == "GetResourceConfigHistory"
        assert (asked["chronologicalOrder"], asked["limit"]) == ("Reverse", 100)
        before = len(self.asked)
        self.asked.append(asked)
        self.fault(before)
        found = [one for one in self.items if (one["resourceType"], one["resourceId"]) == (asked["resourceType"], asked["resourceId"])]
        code = self.error or ("" if found else UNKNOWN)
        if code:
            reason = "access_denied" if code == "AccessDeniedException" else "not_found"
            raise AwsError(reason, f"{operation.action} of {asked['resourceId']} in {self.region} failed: {code}", operation.action, code)
        later = asked.get("laterTime", self.now)
        newest = sorted((one for one in found if one["configurationItemCaptureTime"] <= later), key=_captured, reverse=True)
        start = int(asked.get("nextToken", 0))
        more = {"nextToken": str(start + self.page)} if len(newest) > start + self.page else {}
        return {"configurationItems": newest[start : start + self.page], **more}


@dataclass
class RecordedAws:
    """AWS whose accounts have AWS Config behind each of their regions: the same caller everywhere."""

    caller_: Recorded
    known: Accounts = field(default_factory=lambda: Accounts((Account(ACCOUNT),)))
    listed: int = 0

    def accounts(self) -> Accounts:
        """Return the accounts, and count that they were listed."""
        self.listed += 1
        return self.known

    def caller(self, region: str, account: Account | None = None) -> Recorded:
        """Return the caller of the one account and region that there is."""
        assert account is not None
        assert (account.account_id, region) == (self.caller_.account_id, self.caller_.region)
        return self.caller_


def config_ask(aws: RecordedAws | None, store: Any, **options: Any) -> ConfigAsk:
    """Return what asks such an AWS about groups, for the store of a test."""
    return ConfigAsk(lambda: nullcontext(aws), store, lambda: lambda _changes: (), lambda: NOW, **options)  # type: ignore[arg-type]


def _captured(told: Mapping[str, Any]) -> datetime:
    found: datetime = told["configurationItemCaptureTime"]
    return found


def known(*events: ChangeEvent, source: str = "cloudtrail") -> Beside:
    """Return what another place tells in the same answer."""
    beside = Beside()
    answer = Answer([HistoryEvent(event, NOW, live=source == "store", sources=(source,)) for event in events])
    beside.expect(lambda: [answer])
    return beside


def timeline(*callers: Recorded, actors: Actors | None = None, beside: Beside | None = None) -> ConfigTimeline:
    """Return the place over fakes; waiting takes no time."""
    return ConfigTimeline(
        callers,  # type: ignore[arg-type]
        actors or Actors(beside or Beside()),
        lambda changes: ("admin",) if any(change.rule.peer == "0.0.0.0/0" for change in changes) else (),
        waiting=lambda _seconds, _stopping: None,
    )


def ask(*callers: Recorded, actors: Actors | None = None, beside: Beside | None = None, **query: Any) -> Answer:
    """Return the answer about the group, or whatever else the query names."""
    asked = Query(**{"security_groups": (GROUP,), **query})
    return timeline(*callers, actors=actors, beside=beside).search(asked, NOW, lambda _done, _all, _events: None)


def call(number: int, minutes: float, name: str = "AuthorizeSecurityGroupIngress", **changes: Any) -> ChangeEvent:
    """Return a CloudTrail event about the group."""
    return make_event(number, **{"event_id": event_id(number), "event_time": at(minutes), "event_name": name, **changes})
