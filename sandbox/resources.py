"""Which resources Event history lists with an event, and which it does not although the event changed them.

EC2's calls in the wrapper dialect, its service events and its reads have an empty list; those of security groups in
the classic dialect list the group and each group that a rule of the call names, even if the call failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.wrapper import is_wrapped

_KINDS = (
    (re.compile(r"sg-[0-9a-f]{8,17}"), "AWS::EC2::SecurityGroup"),
    (re.compile(r"vpc-[0-9a-f]{8,17}"), "AWS::EC2::VPC"),
    (re.compile(r"i-[0-9a-f]{8,17}"), "AWS::EC2::Instance"),
    (re.compile(r"eni-[0-9a-f]{8,17}"), "AWS::EC2::NetworkInterface"),
)
_KEYS = frozenset({"groupId", "instanceId", "networkInterfaceId", "referencedGroupId", "resourceId", "vpcId"})


def resources_of(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return `Resources` of an event, each resource once."""
    if record.get("readOnly") or record.get("eventType") == "AwsServiceEvent" or is_wrapped(record["eventName"]):
        return []
    if record["eventSource"] != "ec2.amazonaws.com":
        # Records from elsewhere may leave out the type, as CloudTrail itself does for some services.
        listed = [item for item in record.get("resources") or [] if isinstance(item, dict) and item.get("type") and item.get("ARN")]
        return [{"ResourceType": item["type"], "ResourceName": item["ARN"].rpartition(":")[2]} for item in listed]
    names = dict.fromkeys([*_ids(record.get("requestParameters")), *_ids(record.get("responseElements"))])
    return [{"ResourceType": kind, "ResourceName": name} for name in names for pattern, kind in _KINDS if pattern.fullmatch(name)]


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            if key in _KEYS and isinstance(below, str):
                yield below
            else:
                yield from _ids(below)
    elif isinstance(value, list):
        for item in value:
            yield from _ids(item)
