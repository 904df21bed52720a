"""What the sources that read queues and buckets need, and what `doctor` says of them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from exporter.sources import SOURCES
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import opened
from tests.fake_bucket import ACCOUNT, BUCKET, REGION
from tests.sandbox_client import client
from tests.test_sandbox_roads import change, queue, start_trail

pytestmark = pytest.mark.usefixtures("aws_environment")
QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/files"


def needs(**settings: Any) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return what a source needs: resources and as whom, by action."""
    kind = SOURCES[settings["type"]]
    return {item.action: (item.resources, item.who) for item in kind.permissions(kind.settings.model_validate(settings))}


def test_a_queue_needs_only_the_queue():
    """Least privilege is a promise; one action too few is an outage."""
    arn = ("arn:aws:sqs:eu-west-1:111122223333:files",)
    wanted = {f"sqs:{name}": (arn, "hub") for name in ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes")}
    assert needs(type="eventbridge", queue_url=QUEUE) == wanted
    got = needs(type="s3", queue_url=QUEUE)
    assert got.pop("s3:GetObject") == (("arn:aws:s3:::*/AWSLogs/*", "arn:aws:s3:::*/o-*/AWSLogs/*"), "hub")
    assert got == wanted


def test_a_bucket_needs_listing_and_public_keys_as_the_role_that_reads_it():
    """A policy for the wrong principal allows nothing."""
    role = "arn:aws-us-gov:iam::444455556666:role/logs"
    got = needs(type="s3", bucket=BUCKET, prefix="logs", role={"role_arn": role})
    assert got == {
        "s3:GetObject": ((f"arn:aws-us-gov:s3:::{BUCKET}/logs/AWSLogs/*",), role),
        "s3:ListBucket": ((f"arn:aws-us-gov:s3:::{BUCKET}",), role),
        "cloudtrail:ListPublicKeys": (("*",), role),
        "sts:AssumeRole": ((role,), "hub"),
    }
    assert "cloudtrail:ListPublicKeys" not in needs(type="s3", bucket=BUCKET, verify_digests=False)


def diagnosed(sandbox: Sandbox, **settings: Any) -> dict[str, tuple[str, str]]:
    """Return what `doctor` says of a source: status and all text, by subject without addresses."""
    kind = SOURCES[settings["type"]]
    with opened(sandbox.url) as aws:
        found = list(kind.diagnose(kind.settings.model_validate(settings), aws))
    assert len({item.subject for item in found}) == len(found)
    return {item.subject.replace(sandbox.url, ""): (item.status, f"{item.detail} {item.remedy}") for item in found}


def test_a_good_queue_and_bucket_are_said_to_be_good():
    """A doctor who always complains is not listened to."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as sandbox:
        client(sandbox, "s3").create_bucket(Bucket=BUCKET)
        _, dead = queue(sandbox, "dead")
        url, arn = queue(sandbox, "files")
        statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        allow = {"Statement": statement | {"Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{BUCKET}"}}}}
        redrive = {"deadLetterTargetArn": dead, "maxReceiveCount": "9"}
        attributes = {"Policy": json.dumps(allow), "RedrivePolicy": json.dumps(redrive)}
        client(sandbox, "sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)
        start_trail(sandbox, EnableLogFileValidation=True)
        change(sandbox)
        sandbox.deliver_files()
        got = diagnosed(sandbox, type="s3", queue_url=url, bucket=BUCKET)
        assert {status for subject, (status, _) in got.items() if "digests" not in subject} == {"ok"}, got
        assert got[f"s3: bucket {BUCKET}, digests"][0] == "warning", "there is none in the first hour"
        assert "s3.amazonaws.com" in got["s3: queue /111122223333/files, policy"][1]


def test_each_fault_is_named_with_its_remedy():
    """The reason for the command."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False, faults=Faults(deny=frozenset({"s3:GetObject"})))) as sandbox:
        client(sandbox, "s3").create_bucket(Bucket=BUCKET)
        url, _ = queue(sandbox, "files")
        got = diagnosed(sandbox, type="eventbridge", queue_url=url)
        assert got["eventbridge: queue /111122223333/files, policy"][0] == "warning"
        assert "aws:SourceArn" in got["eventbridge: queue /111122223333/files, policy"][1]
        assert got["eventbridge: queue /111122223333/files, redrive policy"][0] == "warning"
        assert "dead-letter queue" in got["eventbridge: queue /111122223333/files, redrive policy"][1]
        ((_, missing),) = diagnosed(sandbox, type="eventbridge", queue_url=url + "-not").items()
        assert missing[0] == "failure"
        assert "queue_url" in missing[1]
        ((_, empty),) = diagnosed(sandbox, type="s3", bucket=BUCKET).items()
        assert empty[0] == "warning"
        ((_, no_bucket),) = diagnosed(sandbox, type="s3", bucket="not-there").items()
        assert no_bucket[0] == "failure"
        start_trail(sandbox)
        change(sandbox)
        sandbox.deliver_files()
        denied = diagnosed(sandbox, type="s3", bucket=BUCKET)[f"s3: s3://{BUCKET}/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/"]
        assert denied[0] == "failure"
        assert "kms:Decrypt" in denied[1]
