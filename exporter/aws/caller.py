"""A caller: one account, one region, and the calls that are made as it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import quote

import orjson
from botocore.exceptions import BotoCoreError

from exporter import __version__
from exporter.aws.base import ObjectPage, Reply
from exporter.aws.credentials import Credentials
from exporter.aws.endpoints import Endpoints
from exporter.aws.failures import Failure, error_of
from exporter.aws.listing import read_page
from exporter.aws.models import Models
from exporter.aws.operations import GET_OBJECT, LIST_OBJECTS, LOOKUP_EVENTS, OPERATIONS, Operation
from exporter.aws.pacing import Pacer
from exporter.aws.sender import Sender
from exporter.aws.transport import Answer, Outgoing
from exporter.errors import AwsError

USER_AGENT = f"aws-change-exporter/{__version__}"
_LOOKUP_TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"
_REGION = re.compile(r"[a-z0-9-]{5,32}")
_METADATA = "x-amz-meta-"
_SUBJECTS = (
    "RoleArn",
    "QueueUrl",
    "TrailName",
    "PrefixListId",
    "TargetGroupArn",
    "ConfigurationAggregatorName",
    "resourceId",
    "Name",
    "TableName",
    "WorkGroup",
)
"""Parameters that say what a call is about, for messages."""


@dataclass(slots=True)
class Road:
    """What all callers share. `buckets` remembers in which region a bucket was found to be."""

    sender: Sender
    endpoints: Endpoints
    models: Models
    pacer: Pacer
    buckets: dict[str, str] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


class AwsCaller:
    """Makes calls as one account in one region; see exporter.aws.base.Caller.

    `account` tells the account id where it is known, and asks for it where `True` is given.
    """

    def __init__(self, road: Road, credentials: Credentials, account: Callable[[bool], str], region: str, partition: str) -> None:
        self._road, self._credentials, self._account = road, credentials, account
        self.region, self.partition = region, partition

    @property
    def account_id(self) -> str:
        """The account; empty as long as it is that of the default credentials and nobody has asked AWS which that is."""
        return self._account(False)

    def elsewhere(self, region: str) -> AwsCaller:
        """Return a caller for another region; see Caller."""
        return AwsCaller(self._road, self._credentials, self._account, region, self._road.endpoints.partition(region))

    def lookup_events(self, parameters: Mapping[str, Any]) -> Reply:
        """Call cloudtrail:LookupEvents; see Caller."""
        body = orjson.dumps({key: _epoch(value) for key, value in parameters.items()})
        endpoint = self._road.endpoints.of("cloudtrail", self.region)
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": _LOOKUP_TARGET, "User-Agent": USER_AGENT}

        account_id = self._account(True)
        unit = account_id, self.region

        def request() -> Outgoing:
            # Each attempt is a call that AWS counts.
            self._road.pacer.turn(unit)
            return Outgoing("POST", f"{endpoint.url}/", headers, body)

        try:
            answer = self._road.sender.send(
                LOOKUP_EVENTS,
                request,
                self._credentials,
                self.region,
                endpoint.signing_region,
                account_id,
                again_if_throttled=False,
                check=_cut,
            )
        except AwsError as error:
            if error.reason == "throttled":
                self._road.pacer.throttled(unit)
            raise
        return Reply(answer.body, date_of(answer.headers))

    def get_object(self, bucket: str, key: str, size_limit: int) -> Reply:
        """Return an object as stored; see Caller."""
        answer = self._s3(GET_OBJECT, bucket, "/" + quote(key, safe="/~"), f"s3://{bucket}/{key}", size_limit=size_limit)
        metadata = {name.removeprefix(_METADATA): value for name, value in answer.headers.items() if name.startswith(_METADATA)}
        return Reply(answer.body, date_of(answer.headers), metadata)

    def list_objects(
        self, bucket: str, prefix: str, *, start_after: str = "", token: str | None = None, delimiter: str = "", most: int = 1000
    ) -> ObjectPage:
        """Return one page of a bucket's listing; see Caller."""
        asked = {
            "continuation-token": token or "",
            "delimiter": delimiter,
            "encoding-type": "url",
            "list-type": "2",
            "max-keys": str(most),
            "prefix": prefix,
            "start-after": start_after,
        }
        # The prefix even where it is empty: a policy whose condition asks for s3:prefix denies a request that has none.
        query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in asked.items() if value or name == "prefix")
        what = f"s3://{bucket}/{prefix}"
        answer = self._s3(LIST_OBJECTS, bucket, f"/?{query}", what)
        try:
            return read_page(answer.body)
        except ValueError as error:
            raise self._unreadable(LIST_OBJECTS, str(error), what) from None

    def call(self, operation: Operation, /, **parameters: Any) -> Mapping[str, Any]:
        """Make any call of OPERATIONS; see Caller."""
        if operation not in OPERATIONS:
            raise AwsError("internal", f"{operation.action} is none of the calls that the exporter makes", operation.action)
        road, endpoint = self._road, self._road.endpoints.of(operation.service, self.region)
        # A call that waits for something to happen (SQS) is answered later.
        patience = float(parameters.get("WaitTimeSeconds") or 0)
        answer = road.sender.send(
            operation,
            lambda: road.models.request(operation, parameters, endpoint.url, USER_AGENT),
            self._credentials,
            self.region,
            endpoint.signing_region,
            self.account_id,
            what=str(next((parameters[name] for name in _SUBJECTS if name in parameters), "")),
            patience=patience,
        )
        try:
            return road.models.answer(operation, answer)
        except ValueError as error:
            raise self._unreadable(operation, str(error), "") from None

    def pages(self, operation: Operation, /, **parameters: Any) -> Iterator[Mapping[str, Any]]:
        """Make a call of OPERATIONS page by page; see Caller."""
        try:
            yield from self._road.models.pages(operation, lambda **asked: self.call(operation, **asked), parameters)
        except BotoCoreError as error:
            # The same token twice: the walk would never end.
            raise self._unreadable(operation, str(error), "") from None

    def spent(self, operation: Operation, dollars: float) -> None:
        """Tell what a call cost beside its request; see Caller."""
        self._road.sender.spent(operation, self.account_id, dollars)

    def _s3(self, operation: Operation, bucket: str, path: str, what: str, **limits: Any) -> Answer:
        for again in (True, False):
            region = self._road.buckets.get(bucket, self.region)
            endpoint = self._road.endpoints.of("s3", region, bucket)
            answer = self._road.sender.send(
                operation,
                partial(_get, endpoint.url + path),
                self._credentials,
                region,
                endpoint.signing_region,
                self.account_id,
                what=what,
                **limits,
            )
            if answer.status < 300:
                return answer
            home = answer.headers.get("x-amz-bucket-region", "")
            if not again or home == region or not _REGION.fullmatch(home):
                break
            with self._road.lock:
                self._road.buckets[bucket] = home
        raise self._unreadable(operation, f"S3 says that the bucket is in another region ({home}), and again when asked there", what)

    def _unreadable(self, operation: Operation, wrong: str, what: str) -> AwsError:
        failure = Failure("unreadable", wrong, "unreadable")
        return error_of(failure, operation, self.account_id, self.region, what=what)


def _get(url: str) -> Outgoing:
    return Outgoing("GET", url, {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})


def _epoch(value: Any) -> Any:
    """Return a parameter as JSON has it: times are seconds since 1970."""
    return value.timestamp() if isinstance(value, datetime) else value


def _cut(answer: Answer) -> str:
    return "" if answer.body.rstrip().endswith(b"}") else "the answer ends in the middle"


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return AWS's clock when it answered, None where it told none."""
    try:
        return parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
