"""What a message of a queue says: new objects, an event, a test, or nothing of ours. Pure; bodies are whatever a sender made up.

Sources: S3 user guide "Event message structure", CloudTrail user guide "Configuring Amazon SNS notifications for CloudTrail",
EventBridge user guide "Amazon S3 events" and "AWS service events delivered via CloudTrail", SNS developer guide "HTTP/HTTPS notification
JSON format".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from exporter.sources.trail_keys import LONGEST_KEY

LONGEST_BODY = 2**20
"""In bytes; SQS takes no longer message."""

EVENT_TYPES = (
    "AWS API Call via CloudTrail",
    "AWS Service Event via CloudTrail",
    "AWS Console Signin via CloudTrail",
    "AWS Console Action via CloudTrail",
)
"""The detail-types whose detail is a CloudTrail record."""

VALIDATION = "CloudTrail validation message."
_MOST_KEYS = 1000
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Objects:
    """New objects, as (bucket, key); S3 is told nothing but these by a message."""

    locations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudTrail record as EventBridge gives it; account and region are the envelope's, empty where it is a bare record."""

    record: bytes
    account_id: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What S3 or CloudTrail send when they are told of a queue."""


@dataclass(frozen=True, slots=True)
class Unrelated:
    """Well-formed, but no message of a trail: `what` says what it is."""

    what: str


@dataclass(frozen=True, slots=True)
class Poison:
    """Not understood: `why` says what is wrong with it."""

    why: str


Notification = Objects | Event | Greeting | Unrelated | Poison


class _Envelope(msgspec.Struct):
    detail_type: str = msgspec.field(name="detail-type", default="")
    source: str = ""
    account: str = ""
    region: str = ""
    detail: msgspec.Raw = msgspec.Raw(b"")


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def understand(body: str) -> Notification:
    """Return what a message says, whichever way it came: from S3 or CloudTrail, through SNS (raw delivery or not) or EventBridge."""
    if len(body.encode("utf-8", "surrogatepass")) > LONGEST_BODY:
        return Poison(f"the message has more than {LONGEST_BODY} bytes")
    return _understand(body.strip().lstrip("\ufeff"), wrapped=False)


def _understand(text: str, *, wrapped: bool) -> Notification:
    if text.strip() == VALIDATION:
        return Greeting()
    try:
        value = msgspec.json.decode(text)
    except _ERRORS:
        return Poison("the message is no JSON")
    if not isinstance(value, dict):
        return Poison(f"the message is JSON, but a {type(value).__name__} instead of an object")
    if isinstance(value.get("TopicArn"), str) and isinstance(value.get("Type"), str):
        return _from_sns(value, wrapped=wrapped)
    if "detail-type" in value:
        return _from_eventbridge(value, text)
    if value.get("Event") == "s3:TestEvent":
        return Greeting()
    if "s3Bucket" in value or "s3ObjectKey" in value:
        return _from_cloudtrail(value)
    if (
        isinstance(value.get("eventName"), str)
        and isinstance(value.get("eventSource"), str)
        and "eventVersion" in value
        and "s3" not in value
    ):
        return Event(text.encode())
    if "Records" in value:
        return _from_s3(value["Records"])
    return Poison("a JSON object that is no notification of S3, SNS, CloudTrail or EventBridge")


def _from_sns(value: Mapping[str, Any], *, wrapped: bool) -> Notification:
    if value["Type"] != "Notification":
        return Unrelated(
            f"a {value['Type']!r:.60} of the topic {value['TopicArn']!r:.200}; a queue of another account is subscribed by its owner"
        )
    inner = value.get("Message")
    if not isinstance(inner, str):
        return Poison("a notification of SNS without a text as Message")
    if wrapped:
        return Poison("a notification of SNS within another")
    return _understand(inner, wrapped=True)


def _from_eventbridge(value: Mapping[str, Any], text: str) -> Notification:
    kind, detail = value["detail-type"], value.get("detail")
    if kind in EVENT_TYPES:
        if not isinstance(detail, dict):
            return Poison(f"an event of type {kind!r} without a detail")
        try:
            envelope = _ENVELOPE.decode(text)
        except _ERRORS:
            return Poison(f"an event of type {kind!r} whose account or region is no text")
        return Event(bytes(envelope.detail), envelope.account[:64], envelope.region[:64])
    if kind == "Object Created" and value.get("source") == "aws.s3":
        if not isinstance(detail, dict):
            return Poison("an event of S3 without a detail")
        # EventBridge gives the key as it is.
        return _objects(((_of(detail, "bucket", "name"), _of(detail, "object", "key")),))
    return Unrelated(f"an event of type {kind!r:.80}")


def _from_cloudtrail(value: Mapping[str, Any]) -> Notification:
    keys = value.get("s3ObjectKey")
    if isinstance(keys, str):
        keys = [keys]
    if not isinstance(keys, list):
        return Poison("a notification of CloudTrail without a list as s3ObjectKey")
    return _objects(tuple((value.get("s3Bucket"), key) for key in keys))


def _from_s3(records: object) -> Notification:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        return Poison("Records is no list of objects")
    created: list[tuple[object, object]] = []
    other = "a notification of nothing"
    for record in records:
        name = record.get("eventName")
        if "s3" not in record or not isinstance(name, str):
            other = "records of something else than S3"
        elif not name.removeprefix("s3:").startswith("ObjectCreated:"):
            other = f"a notification of S3 of {name!r:.60}"
        else:
            key = _of(record, "s3", "object", "key")
            # S3 encodes keys as a form does: a space is a plus sign.
            created.append((_of(record, "s3", "bucket", "name"), unquote_plus(key, errors="strict") if _decodes(key) else None))
    return _objects(tuple(created)) if created else Unrelated(other)


def _objects(locations: tuple[tuple[object, object], ...]) -> Notification:
    if not 0 < len(locations) <= _MOST_KEYS:
        return Poison(f"a notification of {len(locations)} objects; between 1 and {_MOST_KEYS} are understood")
    out = []
    for bucket, key in locations:
        if not isinstance(bucket, str) or not _BUCKET.fullmatch(bucket):
            return Poison(f"{bucket!r:.80} is no name of a bucket")
        if not isinstance(key, str) or not key or not _encodes(key):
            return Poison(f"{key!r:.80} is no key of an object")
        out.append((bucket, key))
    return Objects(tuple(dict.fromkeys(out)))


def _of(value: object, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _decodes(key: object) -> bool:
    if not isinstance(key, str):
        return False
    try:
        unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _encodes(key: str) -> bool:
    try:
        return len(key.encode()) <= LONGEST_KEY
    except UnicodeEncodeError:
        return False
