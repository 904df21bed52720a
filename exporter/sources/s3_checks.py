"""What the sources that read queues and buckets need of AWS, and what `doctor` finds of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from exporter.aws import Aws, Caller, Permission, RoleSettings
from exporter.aws.arns import literal
from exporter.aws.operations import GET_QUEUE_ATTRIBUTES, LIST_PUBLIC_KEYS
from exporter.errors import AwsError, SourceError
from exporter.sources.base import Diagnosis
from exporter.sources.places import find_places, objects_after
from exporter.sources.queue import QueueSettings, queue_name, reader
from exporter.sources.trail_keys import LogFile, digest_folder, understand_key

if TYPE_CHECKING:
    from exporter.sources.s3 import S3Settings

_PLACES_TRIED = 3
_SENDERS = ("s3.amazonaws.com", "sns.amazonaws.com", "events.amazonaws.com")
_OF_SENDERS = {
    "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid",
    "aws:sourceorgpaths",
}  # fmt: skip
"""Condition keys that say for whom a service may send (IAM user guide, global condition keys)."""
_NONE = "lets neither S3, SNS nor EventBridge"


def who_reads(role: RoleSettings | None) -> str:
    """Return as whom a queue or bucket is read, as Permission says it."""
    return "hub" if role is None else role.role_arn


def partition_of(region: str, role: RoleSettings | None) -> str:
    """Return the partition that ARNs belong to, as far as region or role tell."""
    if role is not None:
        return role.partition
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def key_permissions(settings: QueueSettings) -> Iterator[Permission]:
    """Yield what reading needs that is encrypted; S3 and SQS make the call themselves, as whom they are asked."""
    if settings.kms_keys:
        yield Permission("kms:Decrypt", settings.kms_keys, "decrypt what is read", who_reads(settings.role))


def queue_permissions(settings: QueueSettings) -> Iterator[Permission]:
    """Yield what reading a queue needs."""
    yield from key_permissions(settings)
    if not settings.queue_url:
        return
    name = queue_name(settings.queue_url)
    region = name.region or settings.region or "*"
    partition = partition_of(region, settings.role)
    queue = (f"arn:{partition}:sqs:{region}:{name.account_id}:{name.name}",)
    who = who_reads(settings.role)
    yield Permission("sqs:ReceiveMessage", queue, "read the queue", who)
    yield Permission("sqs:DeleteMessage", queue, "delete messages whose changes are stored", who)
    yield Permission("sqs:ChangeMessageVisibility", queue, "keep messages hidden while they are worked on", who)
    yield Permission("sqs:GetQueueAttributes", queue, "`doctor`: look at the queue's policy and redrive policy", who)
    if settings.role is not None:
        yield Permission("sts:AssumeRole", (settings.role.role_arn,), "read queue and bucket as this role")


def permissions(settings: S3Settings) -> Iterator[Permission]:
    """Yield what the s3 source needs of AWS."""
    yield from queue_permissions(settings)
    who = who_reads(settings.role)
    region = settings.region or (queue_name(settings.queue_url).region if settings.queue_url else "")
    partition = partition_of(region, settings.role)
    before = f"{literal(settings.prefix)}/" if settings.prefix else ""
    # A trail of Control Tower has the id of the organization before AWSLogs.
    below = [f"{before}AWSLogs/*"] + ([] if before else ["o-*/AWSLogs/*"])
    bucket = f"arn:{partition}:s3:::{settings.bucket or '*'}"
    yield Permission("s3:GetObject", tuple(f"{bucket}/{path}" for path in below), "read log files and digests", who)
    if settings.bucket:
        prefixes = ("StringLike", "s3:prefix", ("", *below) if not before else tuple(below))
        yield Permission("s3:ListBucket", (bucket,), "find log files and digests", who, (prefixes,))
    if settings.verifies:
        yield Permission("cloudtrail:ListPublicKeys", ("*",), "verify the signatures of digests", who)
    if settings.role is not None and not settings.queue_url:
        yield Permission("sts:AssumeRole", (settings.role.role_arn,), "read the bucket as this role")


def diagnose(settings: S3Settings, aws: Aws | None) -> Iterator[Diagnosis]:
    """Try what the s3 source needs: queue, bucket, a file, digests and the keys that they are signed with."""
    assert aws is not None
    try:
        caller = reader(aws, settings.role, settings.region, settings.queue_url)
    except SourceError as error:
        yield Diagnosis("failure", settings.name, str(error), "set `region` of this source")
        return
    if settings.queue_url:
        yield from diagnose_queue(caller, settings.queue_url, settings.name)
    if settings.bucket:
        yield from _diagnose_bucket(caller, settings, aws)
    else:
        yield Diagnosis(
            "skipped",
            f"{settings.name}: bucket",
            "no `bucket` is given, so what the queue misses is not found and digests are not verified",
        )


def diagnose_queue(caller: Caller, url: str, name: str, wanted: tuple[str, ...] = _SENDERS) -> Iterator[Diagnosis]:
    """Look at a queue: whether it is there, whether one of the services `wanted` may send to it, and where poison goes."""
    subject = f"{name}: queue {url}"
    try:
        answer = caller.call(GET_QUEUE_ATTRIBUTES, QueueUrl=url, AttributeNames=["All"])
    except AwsError as error:
        yield Diagnosis("failure", subject, str(error), "correct `queue_url` and `region`, or allow sqs:GetQueueAttributes on the queue")
        return
    attributes = answer.get("Attributes") or {}
    yield Diagnosis("ok", subject, f"about {attributes.get('ApproximateNumberOfMessages', '?')} messages wait")
    senders, unbounded = _senders(attributes.get("Policy"), wanted)
    if senders:
        yield Diagnosis("ok", f"{subject}, policy", f"lets {', '.join(sorted(senders))} send")
        if unbounded:
            yield Diagnosis(
                "warning",
                f"{subject}, policy, conditions",
                f"lets {', '.join(sorted(unbounded))} send for any account, so that others can make up changes",
                "add to the statement the condition aws:SourceArn: of the rule, topic or bucket that sends",
            )
    else:
        whom = _NONE if wanted == _SENDERS else f"does not let {wanted[0]}"
        yield Diagnosis(
            "warning", f"{subject}, policy", f"{whom} send, so no message will come",
            f"allow sqs:SendMessage to {' or '.join(wanted)}, with aws:SourceArn of its sender",
        )  # fmt: skip
    if attributes.get("RedrivePolicy"):
        yield Diagnosis("ok", f"{subject}, redrive policy", "messages that are not understood go to a dead-letter queue")
    else:
        yield Diagnosis(
            "warning", f"{subject}, redrive policy", "there is none: a message that is not understood comes again until it expires",
            "give the queue a dead-letter queue and a maxReceiveCount of 10 or so",
        )  # fmt: skip
    if str(attributes.get("VisibilityTimeout")) == "0":
        yield Diagnosis("ok", f"{subject}, visibility timeout", "is 0 by default; the exporter sets its own for each message")


def _senders(policy: object, wanted: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """Return whom a policy lets send, and whom of these for anybody; a principal of `*` may be any service, as its conditions say."""
    try:
        document = json.loads(str(policy or "{}"))
    except ValueError:
        return set(), set()
    found: set[str] = set()
    unbounded: set[str] = set()
    for statement in _listed(document.get("Statement") if isinstance(document, dict) else None):
        if not isinstance(statement, dict) or statement.get("Effect") != "Allow":
            continue
        actions = {str(action).lower() for action in _listed(statement.get("Action"))}
        if not actions & {"sqs:sendmessage", "sqs:*", "*", "sqs:send*"}:
            continue
        principal = statement.get("Principal")
        services = principal.get("Service") if isinstance(principal, Mapping) else None
        everyone = principal == "*" or (isinstance(principal, Mapping) and "*" in _listed(principal.get("AWS")))
        here = {service for service in map(str, _listed(services)) if service in wanted}
        here |= {"everyone (as its conditions allow)"} if everyone else set()
        found |= here
        conditions = statement.get("Condition")
        blocks = conditions.values() if isinstance(conditions, Mapping) else ()
        if not {str(key).lower() for block in blocks if isinstance(block, Mapping) for key in block} & _OF_SENDERS:
            unbounded |= here
    return found, unbounded


def _diagnose_bucket(caller: Caller, settings: S3Settings, aws: Aws) -> Iterator[Diagnosis]:
    subject = f"{settings.name}: bucket {settings.bucket}"
    try:
        places = find_places(caller, settings.bucket, settings.choice, digests=settings.verifies)
    except AwsError as error:
        yield Diagnosis("failure", subject, str(error), "correct `bucket`, or allow s3:ListBucket on it to whom the source reads as")
        return
    for where, failure in places.failures:
        yield Diagnosis("failure", f"{subject}, {where}", str(failure), "allow s3:ListBucket for this prefix")
    if not places.logs:
        yield Diagnosis(
            "warning", subject, f"can be listed, but has no log files of a trail below {settings.prefix or 'its top'}",
            "correct `prefix`, `accounts` or `regions`; a new trail takes some minutes to write its first file",
        )  # fmt: skip
        return
    yield Diagnosis("ok", subject, f"has log files of {len(places.logs)} account-regions")
    for folder in places.logs[:_PLACES_TRIED]:
        yield _readable(caller, settings, folder)
    if not settings.verifies:
        yield Diagnosis("skipped", f"{subject}, digests", "are not verified (verify_digests)")
        return
    proven = set(places.digests)
    without = [folder for folder in places.logs if digest_folder(folder) not in proven]
    if without:
        yield Diagnosis(
            "warning", f"{subject}, digests", f"there are none in {len(without)} of {len(places.logs)} account-regions, as {without[0]}",
            "switch on log file validation of the trail: aws cloudtrail update-trail --name … --enable-log-file-validation",
        )  # fmt: skip
    if places.digests:
        yield _signed(settings, places.digests[0], aws)


def _readable(caller: Caller, settings: S3Settings, folder: str) -> Diagnosis:
    subject = f"{settings.name}: s3://{settings.bucket}/{folder}"
    try:
        for item in objects_after(caller, settings.bucket, folder, ""):
            if item.size and isinstance(understand_key(item.key), LogFile):
                caller.get_object(settings.bucket, item.key, settings.max_file_size)
                return Diagnosis("ok", subject, "files can be read")
    except AwsError as error:
        remedy = (
            "allow s3:GetObject for it; where the bucket is encrypted with a KMS key, also kms:Decrypt on that key, in the key's policy too"
        )
        return Diagnosis("failure", subject, str(error), remedy if error.reason == "access_denied" else "")
    return Diagnosis("warning", subject, "has no log file", "none was delivered yet, or a lifecycle rule deleted them")


def _signed(settings: S3Settings, folder: str, aws: Aws) -> Diagnosis:
    subject = f"{settings.name}: s3://{settings.bucket}/{folder}"
    region = folder.rstrip("/").rsplit("/", 1)[-1]
    caller = aws.role_caller(region, () if settings.role is None else (settings.role,))
    try:
        keys = sum(len(page.get("PublicKeyList") or ()) for page in caller.pages(LIST_PUBLIC_KEYS))
    except AwsError as error:
        return Diagnosis("failure", subject, str(error), "allow cloudtrail:ListPublicKeys, or set verify_digests: false")
    return Diagnosis("ok" if keys else "warning", subject, f"digests are there, and CloudTrail has {keys} public keys now")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
