"""CloudTrail records for tests, in the shapes that EC2 logs, with documentation ids only."""

from __future__ import annotations

import gzip
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ACCOUNT = "111122223333"
REGION = "us-east-1"
GROUP = "sg-0123456789abcdef0"


def event_id(number: int) -> str:
    """Return the UUID of a made-up event."""
    return str(uuid.UUID(int=(0xA11CE << 80) + number))


def record(name: str = "DescribeInstances", number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a record of Alice's, by the CLI; keyword arguments replace top-level keys."""
    base: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLEEXAMPLE",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": "alice",
        },
        "eventTime": "2026-01-31T11:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.17.32 md/command#ec2.x",
        "requestParameters": None,
        "responseElements": None,
        "requestID": "59dbff89-35bd-4eac-99ed-be587EXAMPLE",
        "eventID": event_id(number),
        "readOnly": name.startswith("Describe"),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    return base | changes


def authorize(
    number: int = 1, cidr: str = "0.0.0.0/0", port: int = 22, group: str = GROUP, when: datetime | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a successful AuthorizeSecurityGroupIngress of one tcp port, long form, without a rule set."""
    if when is not None:
        changes["eventTime"] = when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return record(
        "AuthorizeSecurityGroupIngress",
        number,
        **{
            "requestParameters": {
                "groupId": group,
                "ipPermissions": {
                    "items": [
                        {
                            "ipProtocol": "tcp",
                            "fromPort": port,
                            "toPort": port,
                            "groups": {},
                            "ipRanges": {"items": [{"cidrIp": cidr}]},
                            "ipv6Ranges": {},
                            "prefixListIds": {},
                        }
                    ]
                },
            },
            "responseElements": {"requestId": "59dbff89-35bd-4eac-99ed-be587EXAMPLE", "_return": True},
        }
        | changes,
    )


BOB = {
    "eventVersion": "1.05",
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "123456789:Bob",
        "arn": "arn:aws:sts::123456789:assumed-role/Bob/Bob",
        "accountId": "123456789",
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {
            "attributes": {"mfaAuthenticated": "false", "creationDate": "2019-08-05T07:09:36Z"},
            "sessionIssuer": {
                "type": "Role",
                "principalId": "123456789",
                "arn": "arn:aws:iam::123456789:role/Bob",
                "accountId": "123456789",
                "userName": "Bob",
            },
        },
    },
    "eventTime": "2019-08-05T07:16:31Z",
    "eventSource": "ec2.amazonaws.com",
    "eventName": "AuthorizeSecurityGroupIngress",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "111.111.111.111",
    "userAgent": "console.ec2.amazonaws.com",
    "requestParameters": {
        "groupId": "sg-123456789",
        "ipPermissions": {
            "items": [
                {
                    "ipProtocol": "tcp",
                    "fromPort": 998,
                    "toPort": 998,
                    "groups": {},
                    "ipRanges": {"items": [{"cidrIp": "192.168.0.0/32"}]},
                    "ipv6Ranges": {},
                    "prefixListIds": {},
                }
            ]
        },
    },
    "responseElements": {"requestId": "7f7c7f5e-5fd0-4c5a-9a2a-0d8f2c5e1a11", "_return": True},
    "requestID": "7f7c7f5e-5fd0-4c5a-9a2a-0d8f2c5e1a11",
    "eventID": "6c604d53-d9c3-492e-a26a-a48ac3f711e0",
    "eventType": "AwsApiCall",
    "recipientAccountId": "123456789",
}
"""The worked example of the AWS how-to on tracking security groups: a console user of an assumed role."""


def write_trail(path: Path, *records: dict[str, Any]) -> Path:
    """Write a trail file as CloudTrail does, complete at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps({"Records": list(records)}, separators=(",", ":")).encode()
    partial = path.with_name(f".{path.name}.tmp")
    partial.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    partial.replace(path)
    return path
