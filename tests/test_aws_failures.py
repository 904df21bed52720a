"""What goes wrong comes out as one error that says what, where and what to do, and never who we are."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from exporter.aws import operations as op
from exporter.aws.codes import ERROR_CODES, REASONS, UNANSWERED
from exporter.aws.failures import error_of, failure_of, redacted
from exporter.aws.transport import Answer
from exporter.errors import SOURCE_REASONS
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import ROLE, Heard, Service, failed, opened, reply
from tests.sandbox_client import ACCOUNT, REGION

pytestmark = pytest.mark.usefixtures("aws_environment")
BUCKET = "example-trail"


@pytest.fixture
def heard():
    """Return who hears of requests."""
    return Heard()


def answer(status: int, body: bytes, **headers: str) -> Answer:
    """Return an answer of AWS."""
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        (answer(400, b'{"__type":"com.amazonaws.cloudtrail#ThrottlingException","message":"Rate exceeded"}'), "ThrottlingException", "throttled"),
        (answer(400, b'{"__type":"ThrottlingException","Message":"Rate exceeded"}'), "ThrottlingException", "throttled"),
        (answer(400, b"{}", x_amzn_errortype="AccessDeniedException:http://internal.amazon.com/"), "AccessDeniedException", "access_denied"),
        (answer(400, b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"gone"}'), "QueueDoesNotExist", "not_found"),
        (answer(400, b"<ErrorResponse><Error><Code>AWS.SimpleQueueService.NonExistentQueue</Code></Error></ErrorResponse>"), "AWS.SimpleQueueService.NonExistentQueue", "not_found"),
        (answer(503, b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>slower</Message></Error>"), "SlowDown", "throttled"),
        (answer(403, b"<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>"), "UnauthorizedOperation", "access_denied"),
        (answer(404, b"<Error><Code>NoSuchKey</Code></Error>"), "NoSuchKey", "not_found"),
        (answer(400, b"<Error><Code>ExpiredToken</Code></Error>"), "ExpiredToken", "credentials"),
        (answer(400, b'{"__type":"KMS.AccessDeniedException"}'), "KMS.AccessDeniedException", "access_denied"),
        (answer(403, b"<Error><Code>InvalidObjectState</Code></Error>"), "InvalidObjectState", "unreadable"),
        (answer(500, b'{"__type":"InternalFailure"}'), "InternalFailure", "unavailable"),
        (answer(503, b"<html>Service Unavailable</html>"), "HTTP503", "unavailable"),
        (answer(502, b""), "HTTP502", "unavailable"),
        (answer(429, b"slow down"), "HTTP429", "throttled"),
        (answer(403, b""), "HTTP403", "access_denied"),
        (answer(404, b""), "HTTP404", "not_found"),
        (answer(400, b'{"__type":"InvalidTimeRangeException","message":"no"}'), "InvalidTimeRangeException", "internal"),
        (answer(400, b"{not json"), "HTTP400", "internal"),
        (answer(400, b"<not xml"), "HTTP400", "internal"),
        (answer(400, b'{"__type": 7, "message": ["odd"]}'), "7", "internal"),
        (answer(999, b""), "HTTP999", "unavailable"),
    ],
)  # fmt: skip
def test_codes_and_statuses_have_their_reasons(given, code, reason):
    """Otherwise a person is told to wait where a permission is missing, or the other way round."""
    failure = failure_of(given)
    assert (failure.code, failure.reason) == (code, reason)


def test_the_table_keeps_to_the_closed_set():
    """Otherwise a code has a reason that no counter has."""
    assert {*REASONS.values(), *UNANSWERED.values()} <= set(SOURCE_REASONS)
    assert set(REASONS) <= ERROR_CODES
    assert not set(REASONS) & set(UNANSWERED)


def test_a_document_type_is_refused():
    """Otherwise an answer of a few bytes grows to gigabytes."""
    bomb = b'<!DOCTYPE a [<!ENTITY x "y">]><Error><Code>&x;</Code></Error>'
    assert failure_of(answer(403, bomb)).code == "HTTP403"
    assert failure_of(answer(403, bomb.decode().encode("utf-16"))).code == "HTTP403"


def test_messages_are_bounded_and_on_one_line():
    """Otherwise whoever names a bucket writes our log."""
    told = answer(403, b"<Error><Code>AccessDenied</Code><Message>no\n\x1b[31m" + b"x" * 5000 + b"</Message></Error>".replace(b"\x1b", b""))
    text = str(error_of(failure_of(told), op.GET_OBJECT, ACCOUNT, REGION, what="s3://b/" + "k\n" * 2000))
    assert len(text) < 1500
    assert text.isprintable()


def test_an_error_says_what_where_and_what_to_do():
    """Otherwise a person at night reads the code to learn which permission is missing."""
    told = answer(400, b'{"__type":"AccessDeniedException","message":"User: arn:aws:iam::111122223333:user/alice is not authorized"}')
    error = error_of(failure_of(told), op.LOOKUP_EVENTS, ACCOUNT, REGION)
    text = str(error)
    for part in ("cloudtrail:LookupEvents", ACCOUNT, REGION, "AccessDeniedException", "user/alice is not authorized", "iam-policy"):
        assert part in text
    assert (error.reason, error.operation, error.code) == ("access_denied", "cloudtrail:LookupEvents", "AccessDeniedException")


def test_what_aws_repeats_of_a_request_is_kept_back():
    """Otherwise a signature or a session token stands in the log."""
    token = "IQoJb3JpZ2luX2VjEXAMPLETOKEN"
    message = (
        "The request signature we calculated does not match the signature you provided. The Canonical String for this request should have "
        f"been 'POST\n/\nx-amz-security-token:{token}\n' Signature={'0a' * 32} Credential=AKIAIOSFODNN7EXAMPLE/20260131"
    )
    told = answer(403, json.dumps({"__type": "InvalidSignatureException", "message": message}).encode())
    text = str(error_of(failure_of(told), op.LOOKUP_EVENTS, ACCOUNT, REGION, secrets=(token,)))
    assert "does not match" in text
    for secret in (token, "0a0a0a", "AKIA"):
        assert secret not in text
        assert secret not in redacted(message, (token,))


def test_a_server_error_is_tried_three_times(heard):
    """Otherwise a hiccup of AWS fails a poll, or an outage is hammered."""
    with Sandbox(Settings(deliver=False, faults=Faults(error=1))) as sandbox, opened(sandbox.url, heard) as aws:
        caller = aws.caller(REGION)
        assert failed(lambda: caller.lookup_events({})).reason == "unavailable"
        assert failed(lambda: caller.get_object(BUCKET, "a", 10)).code == "SlowDown"
    assert heard.codes("cloudtrail:LookupEvents") == ["InternalFailure"] * 3
    assert heard.codes("s3:GetObject") == ["SlowDown"] * 3


def test_what_fails_now_and_then_succeeds(heard):
    """Otherwise one failed file of a thousand fails the poll."""
    with Sandbox(Settings(deliver=False, faults=Faults(error=0.3, seed=1))) as sandbox, opened(sandbox.url, heard) as aws:
        for _ in range(4):
            assert failed(lambda: aws.caller(REGION).get_object(BUCKET, "a", 10)).code == "NoSuchBucket"
    assert "SlowDown" in heard.codes("s3:GetObject")


def test_a_cut_body_is_never_taken_for_a_whole_one(heard):
    """Otherwise half a page is counted as all of it, and half a file as the whole."""
    with Sandbox(Settings(deliver=False, faults=Faults(cut=1))) as sandbox, opened(sandbox.url, heard) as aws:
        caller = aws.caller(REGION)
        error = failed(lambda: caller.lookup_events({}))
        assert (error.reason, error.code) == ("unavailable", "")
        assert "bytes" in str(error)
        assert failed(lambda: caller.get_object(BUCKET, "a", 10)).reason == "unavailable"
        assert failed(lambda: caller.list_objects(BUCKET, "")).reason == "unavailable"
    assert heard.codes("cloudtrail:LookupEvents") == ["cut"] * 3


def test_a_body_that_ends_early_without_a_length_is_noticed(heard):
    """Otherwise a proxy that drops the length makes half pages whole."""
    with Service(lambda handler, _n: reply(handler, 200, b'{"Events":[{"EventId":"x"')) as service, opened(service.url, heard) as aws:
        assert failed(lambda: aws.caller(REGION).lookup_events({})).reason == "unavailable"
    assert heard.codes("cloudtrail:LookupEvents") == ["cut"] * 3


def test_a_chunked_body_that_ends_early_is_noticed(heard):
    """Otherwise an object without a length is taken as far as it came."""

    def half(handler, _number):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"4\r\ndata\r\n")
        handler.wfile.flush()
        handler.close_connection = True

    with Service(half) as service, opened(service.url, heard) as aws:
        assert failed(lambda: aws.caller(REGION).get_object(BUCKET, "a", 100)).reason == "unavailable"
    assert heard.codes("s3:GetObject") == ["cut"] * 3


def test_an_answer_that_never_comes_is_a_timeout(heard):
    """Otherwise one connection that hangs stops a unit for ever."""
    faults = Faults(hang=1, hang_for=timedelta(seconds=30))
    with Sandbox(Settings(deliver=False, faults=faults)) as sandbox, opened(sandbox.url, heard, read_timeout="100ms") as aws:
        error = failed(lambda: aws.caller(REGION).lookup_events({}))
    assert error.reason == "unavailable"
    assert "0.1 s" in str(error)
    assert heard.codes("cloudtrail:LookupEvents") == ["timeout"] * 3


def test_nobody_there_is_a_connection_error(heard):
    """Otherwise a wrong endpoint looks like a fault of ours."""
    with Service(lambda *_: None) as service:
        url = service.url
    with opened(url, heard) as aws:
        error = failed(lambda: aws.caller(REGION).get_object(BUCKET, "a", 10))
    assert error.reason == "unavailable"
    assert "127.0.0.1" in str(error)
    assert heard.codes("s3:GetObject") == ["connection"] * 3


def test_a_host_without_an_address_is_a_connection_error(heard):
    """Otherwise a missing VPC endpoint ends in a traceback."""
    with opened("http://sts.invalid", heard, connect_timeout="1s") as aws:
        assert failed(aws.identity).reason == "unavailable"
    assert set(heard.codes("sts:GetCallerIdentity")) <= {"connection", "timeout"}


def test_a_denied_call_is_not_tried_again(heard):
    """Otherwise every missing permission costs three times the calls."""
    deny = frozenset({"cloudtrail:LookupEvents", "s3:GetObject", "s3:ListBucket", "sqs:ReceiveMessage", "ec2:DescribeRegions"})
    with Sandbox(Settings(deliver=False, faults=Faults(deny=deny))) as sandbox, opened(sandbox.url, heard) as aws:
        caller = aws.caller(REGION)
        calls = {
            "cloudtrail:LookupEvents": lambda: caller.lookup_events({}),
            "s3:GetObject": lambda: caller.get_object(BUCKET, "a", 10),
            "s3:ListBucket": lambda: caller.list_objects(BUCKET, ""),
            "sqs:ReceiveMessage": lambda: caller.call(op.RECEIVE_MESSAGE, QueueUrl=f"{sandbox.url}/{ACCOUNT}/q"),
            "ec2:DescribeRegions": lambda: caller.call(op.DESCRIBE_REGIONS),
        }
        for action, call in calls.items():
            error = failed(call)
            assert (error.reason, error.operation) == ("access_denied", action)
            assert f"allow {action}" in str(error)
            assert len(heard.codes(action)) == 1


def test_closing_ends_the_wait_before_the_next_attempt():
    """Otherwise a reload during an outage of AWS waits for all retries."""
    with Sandbox(Settings(deliver=False, faults=Faults(error=1))) as sandbox, opened(sandbox.url) as aws, ThreadPoolExecutor(1) as pool:
        aws._road.sender._jitter = lambda: 1000.0
        waiting = pool.submit(failed, lambda: aws.caller(REGION).get_object(BUCKET, "a", 10))
        begun = time.monotonic()
        time.sleep(0.3)
        aws.close()
        assert "stopping" in str(waiting.result(timeout=5))
        assert time.monotonic() - begun < 5


def test_a_listing_that_is_none_is_unreadable():
    """Otherwise a login page of a proxy is an empty bucket."""
    pages = [
        b"<html><body>sign in</body></html>",
        b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        b"\xff\xfe",
        b"",
    ]
    for page in pages:
        with Service(lambda handler, _n, page=page: reply(handler, 200, page)) as service, opened(service.url) as aws:
            assert failed(lambda: aws.caller(REGION).list_objects(BUCKET, "")).reason == "unreadable"


def test_an_answer_that_botocore_cannot_read_is_unreadable():
    """Otherwise a login page of a proxy ends in a traceback."""
    for page in (b"<html>", b"<html></html>", b"[]", b'{"trailList": 7}', b'<!DOCTYPE a [<!ENTITY x "y">]><GetCallerIdentityResponse/>'):
        with Service(lambda handler, _n, page=page: reply(handler, 200, page)) as service, opened(service.url) as aws:
            assert failed(lambda: aws.caller(REGION).call(op.DESCRIBE_TRAILS)).reason == "unreadable"
            assert failed(aws.identity).reason == "unreadable"


def test_an_answer_without_what_matters_is_unreadable():
    """Otherwise half an answer ends in a traceback, or in an account without a number."""
    who = b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
    role = b"<AssumeRoleResponse><AssumeRoleResult><Credentials/></AssumeRoleResult></AssumeRoleResponse>"
    with Service(lambda handler, _n: reply(handler, 200, who)) as service, opened(service.url) as aws:
        assert failed(aws.identity).reason == "unreadable"
    with Service(lambda handler, _n: reply(handler, 200, role)) as service, opened(service.url) as aws:
        assert failed(lambda: aws.role_caller(REGION, (ROLE,)).lookup_events({})).reason == "unreadable"


def test_pages_that_go_round_are_an_error():
    """Otherwise a walk with a broken token never ends."""
    page = b'{"PublicKeyList": [], "NextToken": "same"}'
    with Service(lambda handler, _n: reply(handler, 200, page)) as service, opened(service.url) as aws:
        assert failed(lambda: list(aws.caller(REGION).pages(op.LIST_PUBLIC_KEYS))).reason == "unreadable"
    assert len(service.requests) == 2
