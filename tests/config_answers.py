"""AWS Config as a caller shows it, out of tables that a test writes: items, recorders, sources of an aggregator, and faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.aws import Operation
from exporter.errors import AwsError
from exporter.snapshots.asking import Asker
from exporter.snapshots.base import ReadContext

ACCOUNT, OTHER = "111122223333", "444455556666"
REGION = "us-east-1"
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
CAPTURED = "2026-01-31T11:58:00.000Z"
AGGREGATOR = "all"

GROUP, LIST, INTERFACE = "AWS::EC2::SecurityGroup", "AWS::EC2::PrefixList", "AWS::EC2::NetworkInterface"
BALANCER, CLASSIC = "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ElasticLoadBalancing::LoadBalancer"
RECORDER = "AWS::Config::ConfigurationRecorder"

Row = tuple[str, dict[str, Any]]
"""Type of resource, and its item as a query gives it."""


def item(kind: str, resource_id: str, configuration: Any, account: str = ACCOUNT, region: str = REGION, captured: str = CAPTURED) -> Row:
    """Return an item."""
    row = {
        "accountId": account,
        "awsRegion": region,
        "resourceId": resource_id,
        "configuration": configuration,
        "tags": [],
        "configurationItemCaptureTime": captured,
    }
    return kind, row


def group(number: int = 1, cidr: str = "0.0.0.0/0", *, lists: tuple[str, ...] = (), **where: str) -> Row:
    """Return a group that lets tcp 22 in, from a range and from prefix lists."""
    group_id = f"sg-{number:017x}"
    ingress = {
        "ipProtocol": "tcp",
        "fromPort": 22,
        "toPort": 22,
        "ipv4Ranges": [{"cidrIp": cidr}],
        "ipRanges": [cidr],
        "ipv6Ranges": [],
        "prefixListIds": [{"prefixListId": list_id} for list_id in lists],
        "userIdGroupPairs": [],
    }
    configuration = {
        "groupId": group_id,
        "groupName": f"g{number}",
        "vpcId": "vpc-0123456789abcdef0",
        "ownerId": where.get("account", ACCOUNT),
    }
    return item(GROUP, group_id, {**configuration, "ipPermissions": [ingress], "ipPermissionsEgress": []}, **where)


def prefix_list(number: int = 1, *cidrs: str, **where: str) -> Row:
    """Return a prefix list."""
    list_id = f"pl-{number:017x}"
    configuration = {
        "PrefixListId": list_id,
        "PrefixListName": f"l{number}",
        "Version": 3,
        "MaxEntries": 10,
        "OwnerId": where.get("account", ACCOUNT),
        "Entries": [{"Cidr": cidr} for cidr in cidrs or ("198.51.100.0/24",)],
    }
    return item(LIST, list_id, configuration, **where)


def interface(number: int, *groups: str, public: str = "", **where: str) -> Row:
    """Return a network interface."""
    eni = f"eni-{number:017x}"
    configuration: dict[str, Any] = {"networkInterfaceId": eni, "groups": [{"groupId": group_id} for group_id in groups]}
    if public:
        configuration["association"] = {"publicIp": public}
    return item(INTERFACE, eni, configuration, **where)


def balancer(scheme: str, kind: str = BALANCER, **where: str) -> Row:
    """Return a load balancer."""
    return item(kind, f"lb-{scheme}", {"scheme": scheme, "securityGroups": []}, **where)


def recorder_item(*, recording: bool = True, types: tuple[str, ...] = (), **where: str) -> Row:
    """Return a recorder as AWS Config itself has it."""
    group = {"AllSupported": not types, "ResourceTypes": list(types)}
    return item(RECORDER, "default", {"Name": "default", "Recording": recording, "RecordingGroup": group}, **where)


RECORDERS: dict[str, Any] = {
    "name": "default",
    "recordingGroup": {"allSupported": True},
    "recordingMode": {"recordingFrequency": "CONTINUOUS"},
}
"""A recorder of everything."""


def source(account: str = ACCOUNT, region: str = REGION, status: str = "SUCCEEDED", **more: str) -> dict[str, Any]:
    """Return the status of one source of an aggregator."""
    return {"SourceId": account, "SourceType": "ACCOUNT", "AwsRegion": region, "LastUpdateStatus": status, **more}


def denied(action: str, code: str = "AccessDeniedException") -> AwsError:
    """Return the error of a call that is not allowed."""
    return AwsError("access_denied", f"{action} in account {ACCOUNT} {REGION} failed: {code}: no; allow {action}", action, code)


def throttled(action: str) -> AwsError:
    """Return the error of a call that AWS has no time for."""
    return AwsError("throttled", f"{action} in account {ACCOUNT} {REGION} failed: ThrottlingException", action, "ThrottlingException")


@dataclass
class Config:
    """A caller with AWS Config behind it. `fault` may raise for a call: operation, parameters, and how many of its kind were before."""

    rows: list[Row] = field(default_factory=list)
    recorders: list[dict[str, Any]] = field(default_factory=lambda: [RECORDERS])
    states: list[dict[str, Any]] = field(default_factory=lambda: [{"name": "default", "recording": True, "lastStatus": "SUCCESS"}])
    sources: list[dict[str, Any]] = field(default_factory=list)
    aggregators: list[dict[str, Any]] = field(default_factory=lambda: [{"ConfigurationAggregatorName": AGGREGATOR}])
    fault: Callable[[Operation, Mapping[str, Any], int], None] = lambda _operation, _asked, _before: None
    page: int = 2
    account_id: str = ACCOUNT
    region: str = REGION
    partition: str = "aws"
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def call(self, operation: Operation, /, **asked: Any) -> Mapping[str, Any]:
        """Answer one call."""
        before = sum(name == operation.name for name, _ in self.calls)
        self.calls.append((operation.name, asked))
        self.fault(operation, asked, before)
        answers: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "DescribeConfigurationRecorders": lambda _: {"ConfigurationRecorders": self.recorders},
            "DescribeConfigurationRecorderStatus": lambda _: {"ConfigurationRecordersStatus": self.states},
            "DescribeConfigurationAggregators": lambda _: {"ConfigurationAggregators": self.aggregators},
            "DescribeConfigurationAggregatorSourcesStatus": lambda asked: self._paged("AggregatedSourceStatusList", self.sources, asked),
            "SelectResourceConfig": self._selected,
            "SelectAggregateResourceConfig": self._selected,
        }
        return answers[operation.name](asked)

    def _selected(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        assert 0 < asked["Limit"] <= 100
        assert ("ConfigurationAggregatorName" in asked) == (self.calls[-1][0] == "SelectAggregateResourceConfig")
        kind = asked["Expression"].partition("resourceType = '")[2].rstrip("'")
        return self._paged("Results", [json.dumps(row) if isinstance(row, dict) else row for name, row in self.rows if name == kind], asked)

    def _paged(self, name: str, all_of: list[Any], asked: Mapping[str, Any]) -> Mapping[str, Any]:
        start = int(asked.get("NextToken", 0))
        more = {"NextToken": str(start + self.page)} if len(all_of) > start + self.page else {}
        return {name: all_of[start : start + self.page], **more}

    def names(self) -> list[str]:
        """Return the calls that were made."""
        return [name for name, _ in self.calls]

    def pages(self, operation: Operation, /, **asked: Any) -> Iterator[Mapping[str, Any]]:
        """Nothing asks so."""
        raise AssertionError((operation, asked))

    lookup_events = get_object = list_objects = pages


@dataclass
class Time:
    """Our clock, which stands until it is moved, and all waiting, which takes no time but its own."""

    now: datetime = NOW
    stop_after: float = float("inf")
    waited: float = 0.0

    def context(self) -> ReadContext:
        """Return what a reader may ask."""
        return ReadContext(lambda: self.now, lambda: self.waited >= self.stop_after)

    def wait(self, seconds: float, stopping: Callable[[], bool]) -> None:
        """Wait."""
        if not stopping():
            self.waited += seconds
            self.now += timedelta(seconds=seconds)

    def asker(self, caller: Any, context: ReadContext) -> Asker:
        """Return what asks."""
        return Asker(caller, context, self.wait, lambda: 1.0)
