"""The sandbox holds callers to IAM policies and roles to their trust, and remembers which actions were asked for."""

from __future__ import annotations

import json
import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from sandbox.asked import Asked
from sandbox.cli import main
from sandbox.identities import Identity
from sandbox.policies import Policies, Policy
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, KEY, REGION, client

READER = "AKIAI44QH8DHBEXAMPLE"
OTHER = "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/watch/Reader"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:changes"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy of Allow statements."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}


@pytest.fixture
def serve():
    """Return a starter of sandboxes with policies; all end with the test."""
    running: list[Sandbox] = []

    def start(**policies: Any) -> Sandbox:
        named = {READER: Identity(ACCOUNT, "user", "reader")}
        sandbox = Sandbox(Settings(delay=timedelta(0), deliver=False, identities=named, policies=policies))
        sandbox.start()
        running.append(sandbox)
        return sandbox

    yield start
    for sandbox in running:
        sandbox.stop()


def refused(call: Any, **parameters: Any) -> tuple[str, int, str]:
    """Return code, status and message of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error, metadata = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return error["Code"], metadata["HTTPStatusCode"], error["Message"]


def with_queue(sandbox: Sandbox) -> str:
    """Make a queue as somebody without a policy, and return its address."""
    return str(client(sandbox, "sqs").create_queue(QueueName="changes")["QueueUrl"])


def test_what_a_policy_allows_is_done_and_the_rest_is_denied_in_the_words_of_its_service(serve):
    """Otherwise a policy that lacks an action passes every test, and fails at the first user's."""
    sandbox = serve(
        **{
            READER: policy(
                {"Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"], "Resource": QUEUE},
                {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::example-trail/AWSLogs/*"},
                {
                    "Action": "s3:ListBucket",
                    "Resource": "arn:aws:s3:::example-trail",
                    "Condition": {"StringLike": {"s3:prefix": ["AWSLogs/*"]}},
                },
            )
        }
    )
    url = with_queue(sandbox)
    everybody = client(sandbox, "s3")
    everybody.create_bucket(Bucket="example-trail")
    for key in ("AWSLogs/a", "other/a"):
        everybody.put_object(Bucket="example-trail", Key=key, Body=b"a")
    sqs, s3, trail, ec2 = (client(sandbox, service, key=READER) for service in ("sqs", "s3", "cloudtrail", "ec2"))
    client(sandbox, "sqs").send_message(QueueUrl=url, MessageBody="m")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    handle = message["ReceiptHandle"]
    assert not sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": handle}]).get("Failed")
    assert s3.get_object(Bucket="example-trail", Key="AWSLogs/a")["Body"].read() == b"a"
    assert s3.list_objects_v2(Bucket="example-trail", Prefix="AWSLogs/x")["KeyCount"] == 0

    who = f"User: arn:aws:iam::{ACCOUNT}:user/reader is not authorized to perform: "
    code, status, text = refused(trail.lookup_events)
    assert (code, status) == ("AccessDeniedException", 400)
    assert text == f"{who}cloudtrail:LookupEvents because no identity-based policy allows the cloudtrail:LookupEvents action"
    code, status, text = refused(sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=1)
    assert (code, status) == ("AccessDenied", 403)
    assert text.startswith(f"{who}sqs:ChangeMessageVisibility on resource: {QUEUE} ")
    assert refused(s3.get_object, Bucket="example-trail", Key="other/a")[:2] == ("AccessDenied", 403)
    assert refused(s3.list_objects_v2, Bucket="example-trail")[:2] == ("AccessDenied", 403)
    assert refused(s3.list_objects_v2, Bucket="example-trail", Prefix="other/")[:2] == ("AccessDenied", 403)
    assert refused(ec2.describe_regions)[:2] == ("UnauthorizedOperation", 403)
    assert client(sandbox, "sts", key=READER).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/reader"


def test_a_policy_of_a_role_holds_for_its_sessions(serve):
    """Otherwise the role of a member account may do all, whatever its policy says."""
    sandbox = serve(**{ROLE: policy({"Action": "cloudtrail:LookupEvents", "Resource": "*"})})
    given = client(sandbox, "sts").assume_role(RoleArn=ROLE, RoleSessionName="watch")["Credentials"]
    keys = (REGION, given["AccessKeyId"], given["SessionToken"])
    client(sandbox, "cloudtrail", *keys).lookup_events()
    code, _, text = refused(client(sandbox, "cloudtrail", *keys).get_trail_status, Name="main")
    assert code == "AccessDeniedException"
    assert f"User: arn:aws:sts::{OTHER}:assumed-role/Reader/watch is" in text
    assert f"on resource: arn:aws:cloudtrail:{REGION}:{OTHER}:trail/main " in text


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (Asked("sqs:ReceiveMessage", QUEUE), True),
        (Asked("SQS:receivemessage", QUEUE), True),
        (Asked("sqs:ReceiveMessage", QUEUE + "-too"), False),
        (Asked("sqs:SendMessage", QUEUE), False),
        (Asked("cloudtrail:LookupEvents", "*"), True),
        (Asked("cloudtrail:ListTrails", "*"), False),
        (Asked("ec2:DescribeRegions", "*"), False),
        (Asked("s3:GetObject", "arn:aws:s3:::example-trail/AWSLogs/o-1/a"), True),
        (Asked("s3:GetObject", "arn:aws:s3:::example-trail/AWSLogs/secret"), False),
    ],
)  # fmt: skip
def test_wildcards_and_denials_are_evaluated_as_iam_does(asked, allowed):
    """Otherwise a policy is found good here that AWS reads in another way."""
    document = policy(
        {"Action": "sqs:Receive*", "Resource": [QUEUE]},
        {"Action": ["cloudtrail:Lookup?vents"], "Resource": "*"},
        # A policy for one resource does not allow an action that knows no resources.
        {"Action": "ec2:DescribeRegions", "Resource": "arn:aws:ec2:*:*:*"},
        {"Action": "s3:Get*", "Resource": "arn:aws:s3:::example-trail/AWSLogs/*"},
    )
    document["Statement"].append({"Effect": "Deny", "Action": "*", "Resource": "*/secret"})
    who = Identity(ACCOUNT, "user", "reader")
    assert Policies({READER: document}).refuses(READER, who, REGION, asked) is not allowed
    assert Policies({READER: document}).refuses(KEY, who, REGION, asked) is False


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "is no IAM policy"),
        ({"Statement": [{"Action": "*"}]}, "without `Effect`"),
        ({"Statement": {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}}, "NotAction"),
        (policy({"Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}), "the condition IpAddress"),
        (policy({"Action": "*", "Condition": {"ForAnyValue:StringLike": {"aws:TagKeys": "a"}}}), "ForAnyValue"),
    ],
)
def test_a_policy_that_is_not_understood_is_refused(document, message):
    """Otherwise something is allowed or denied that AWS would not."""
    with pytest.raises(ValueError, match=message):
        Policy(document)


def trusting(principal: Any, **condition: Any) -> str:
    """Return a trust policy."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]})


@pytest.mark.parametrize(
    ("document", "parameters", "trusted"),
    [
        (trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), {}, True),
        (trusting({"AWS": [ACCOUNT]}), {}, True),
        (trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:user/reader"}), {}, True),
        (trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:user/other"}), {}, False),
        (trusting({"Service": "ec2.amazonaws.com"}), {}, False),
        (trusting({"AWS": ACCOUNT}, StringEquals={"sts:ExternalId": "seven"}), {"ExternalId": "seven"}, True),
        (trusting({"AWS": ACCOUNT}, StringEquals={"sts:ExternalId": "seven"}), {"ExternalId": "eight"}, False),
        (trusting({"AWS": ACCOUNT}, StringEquals={"sts:ExternalId": "seven"}), {}, False),
    ],
)
def test_a_role_is_assumed_by_those_whom_it_trusts(serve, document, parameters, trusted):
    """Otherwise a wrong external id, the usual slip of a spoke account, works here."""
    sandbox = serve()
    somewhere = client(sandbox, "sts").assume_role(RoleArn=f"arn:aws:iam::{OTHER}:role/Admin", RoleSessionName="setup")["Credentials"]
    iam = client(sandbox, "iam", REGION, somewhere["AccessKeyId"], somewhere["SessionToken"])
    iam.create_role(RoleName="Reader", Path="/watch/", AssumeRolePolicyDocument=document)
    call = client(sandbox, "sts", key=READER).assume_role
    if trusted:
        given = call(RoleArn=ROLE, RoleSessionName="watch", **parameters)["Credentials"]
        there = client(sandbox, "sts", REGION, given["AccessKeyId"], given["SessionToken"]).get_caller_identity()
        assert (there["Account"], there["Arn"]) == (OTHER, f"arn:aws:sts::{OTHER}:assumed-role/Reader/watch")
    else:
        text = f"User: arn:aws:iam::{ACCOUNT}:user/reader is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
        assert refused(call, RoleArn=ROLE, RoleSessionName="watch", **parameters) == ("AccessDenied", 403, text)


def test_assuming_a_role_needs_a_permission_of_ones_own(serve):
    """Otherwise a hub without sts:AssumeRole reaches its spokes here."""
    sandbox = serve(**{READER: policy({"Action": "sts:AssumeRole", "Resource": ROLE})})
    sts = client(sandbox, "sts", key=READER)
    sts.assume_role(RoleArn=ROLE, RoleSessionName="watch")
    assert refused(sts.assume_role, RoleArn=ROLE + "2", RoleSessionName="watch")[0] == "AccessDenied"


def asked(url: str, method: str = "GET", body: Any = None) -> Any:
    """Return what a control endpoint of the sandbox answers."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method)) as answer:
        return json.loads(answer.read())


def test_every_action_is_counted_under_its_name_in_iam(serve):
    """Otherwise the policy of least privilege cannot be compared with the calls that were really made."""
    sandbox = serve(**{READER: policy({"Action": "s3:*", "Resource": "*"})})
    url = with_queue(sandbox)
    s3, sqs = client(sandbox, "s3"), client(sandbox, "sqs")
    s3.create_bucket(Bucket="example-trail")
    s3.put_bucket_notification_configuration(Bucket="example-trail", NotificationConfiguration={})
    s3.put_object(Bucket="example-trail", Key="a b", Body=b"a")
    sandbox.actions.reset()
    s3.get_object(Bucket="example-trail", Key="a b")
    s3.head_object(Bucket="example-trail", Key="a b")
    s3.list_objects_v2(Bucket="example-trail")
    s3.get_bucket_location(Bucket="example-trail")
    s3.list_buckets()
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "m"}])
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    handle = message["ReceiptHandle"]
    sqs.change_message_visibility_batch(QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": handle, "VisibilityTimeout": 9}])
    sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": handle}])
    client(sandbox, "organizations").create_organization()
    client(sandbox, "ec2", "eu-west-1").describe_regions()
    refused(client(sandbox, "cloudtrail", key=READER).lookup_events)
    rows = asked(f"{sandbox.url}/-/actions")
    assert {row["action"]: row["count"] for row in rows} == {
        "cloudtrail:LookupEvents": 1,
        "ec2:DescribeRegions": 1,
        "organizations:CreateOrganization": 1,
        "s3:GetBucketLocation": 1,
        "s3:GetObject": 2,
        "s3:ListAllMyBuckets": 1,
        "s3:ListBucket": 1,
        "sqs:ChangeMessageVisibility": 1,
        "sqs:DeleteMessage": 1,
        "sqs:ReceiveMessage": 1,
        "sqs:SendMessage": 1,
    }
    lookup = next(row for row in rows if row["action"] == "cloudtrail:LookupEvents")
    assert lookup["user_agent"].startswith("Boto3/")
    del lookup["user_agent"]
    who = {"access_key": READER, "identity": f"arn:aws:iam::{ACCOUNT}:user/reader"}
    assert lookup == {"action": "cloudtrail:LookupEvents", "account_id": ACCOUNT, "region": REGION, **who, "allowed": False, "count": 1}
    assert next(row for row in rows if row["action"] == "ec2:DescribeRegions")["region"] == "eu-west-1"
    assert asked(f"{sandbox.url}/-/actions", "DELETE") == {"reset": True}
    assert asked(f"{sandbox.url}/-/actions") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "cannot be read"), ("{", "Expecting property name"), ("{}", "is no IAM policy")],
)
def test_a_policy_file_that_is_of_no_use_is_refused_with_its_name(tmp_path, text, message):
    """Otherwise everything is allowed because of a typing error."""
    path = tmp_path / "policy.json"
    if text is not None:
        path.write_text(text)
    result = CliRunner().invoke(main, ["--policy", f"{READER}={path}"])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
