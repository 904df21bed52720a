"""A bucket in memory behind the protocol of a caller: quick, and it counts what it is asked."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from exporter.aws import ListedObject, ObjectPage, Operation, Reply, RoleSettings
from exporter.errors import AwsError, SourceError

ACCOUNT = "111122223333"
REGION = "us-east-1"
BUCKET = "example-trail"


class FakeBucket:
    """Both access to AWS and its only caller. `broken` maps keys to the errors that reading them gives."""

    account_id = ACCOUNT
    region = REGION
    partition = "aws"

    def __init__(self, page: int = 1000) -> None:
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.asked: Counter[str] = Counter()
        self.got: Counter[str] = Counter()
        self.broken: dict[str, SourceError] = {}
        self.keys: list[dict[str, Any]] = []
        self._page = page

    def role_caller(self, region: str, roles: Sequence[RoleSettings]) -> FakeBucket:
        """Return itself."""
        return self

    def default_region(self) -> str:
        """Return its region."""
        return REGION

    def get_object(self, bucket: str, key: str, size_limit: int) -> Reply:
        """Return an object."""
        self.asked["GetObject"] += 1
        self.got[key] += 1
        if key in self.broken:
            raise self.broken[key]
        if bucket != BUCKET or key not in self.objects:
            raise AwsError("not_found", f"s3://{bucket}/{key}: there is none", "s3:GetObject", "NoSuchKey")
        body, metadata = self.objects[key]
        if len(body) > size_limit:
            raise AwsError("unreadable", f"{key}: over {size_limit} bytes", "s3:GetObject", "too_large")
        return Reply(body, datetime.now(UTC), metadata)

    def list_objects(
        self, bucket: str, prefix: str, *, start_after: str = "", token: str | None = None, delimiter: str = "", most: int = 1000
    ) -> ObjectPage:
        """Return a page of the listing, as S3 orders and groups it."""
        self.asked["ListObjectsV2"] += 1
        if prefix in self.broken:
            raise self.broken[prefix]
        after = base64.b64decode(token).decode() if token else start_after
        objects: list[ListedObject] = []
        prefixes: dict[str, None] = {}
        last = ""
        for key in sorted(self.objects, key=str.encode):
            if not key.startswith(prefix) or key <= after or (delimiter and prefixes and key.startswith(next(reversed(prefixes)))):
                continue
            rest = key[len(prefix) :]
            if len(objects) + len(prefixes) >= self._page:
                return ObjectPage(objects, tuple(prefixes), base64.b64encode(last.encode()).decode())
            if delimiter and delimiter in rest:
                common = prefix + rest.split(delimiter)[0] + delimiter
                prefixes[common] = None
                last = common + "\U0010ffff"
            else:
                objects.append(ListedObject(key, len(self.objects[key][0])))
                last = key
        return ObjectPage(objects, tuple(prefixes))

    def pages(self, operation: Operation, /, **parameters: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the public keys."""
        self.asked[operation.name] += 1
        yield {"PublicKeyList": self.keys}

    def put(self, key: str, *event_ids: str, records: int = 0, **metadata: str) -> str:
        """Put a log file with changes, and other records beside."""
        text = json.dumps({"Records": [*map(change, event_ids), *(other(number) for number in range(records))]}, separators=(",", ":"))
        self.objects[key] = (gzip.compress(text.encode(), mtime=0), metadata)
        return key


def folder(region: str = REGION, account: str = ACCOUNT, before: str = "AWSLogs/") -> str:
    """Return the folder of an account and region."""
    return f"{before}{account}/CloudTrail/{region}/"


def key(moment: datetime, name: str = "AbCdEfGhIjKlMnOp", region: str = REGION, account: str = ACCOUNT, before: str = "AWSLogs/") -> str:
    """Return the key of a log file."""
    return f"{folder(region, account, before)}{moment:%Y/%m/%d}/{account}_CloudTrail_{region}_{moment:%Y%m%dT%H%M}Z_{name}.json.gz"


def change(event_id: str) -> dict[str, Any]:
    """Return a record of a change."""
    return {
        "eventVersion": "1.08", "eventID": event_id, "eventTime": "2026-01-31T12:00:00Z", "eventSource": "ec2.amazonaws.com",
        "eventName": "CreateSecurityGroup", "awsRegion": REGION, "recipientAccountId": ACCOUNT, "requestParameters": {"groupName": event_id},
    }  # fmt: skip


def other(number: int) -> dict[str, Any]:
    """Return a record that nobody watches."""
    return {
        "eventVersion": "1.08", "eventID": f"other-{number}", "eventTime": "2026-01-31T12:00:00Z", "eventSource": "ec2.amazonaws.com",
        "eventName": "DescribeInstances", "awsRegion": REGION, "recipientAccountId": ACCOUNT, "requestParameters": {"n": number},
    }  # fmt: skip
