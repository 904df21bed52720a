"""Requests are signed as AWS demands: checked by the algorithm of its documentation, because the sandbox checks no signature.

Source: IAM user guide, "Create a signed AWS API request" (Signature Version 4).
"""

from __future__ import annotations

import hashlib
import hmac
import re

import pytest

from exporter.aws import Account
from exporter.aws import operations as op
from tests.aws_session import ROLE, Service, failed, opened, reply
from tests.sandbox_client import ACCOUNT, REGION

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/(?P<day>\d{8})/(?P<region>[\w-]+)/(?P<service>\w+)/aws4_request, "
    r"SignedHeaders=(?P<names>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def signature(request: tuple[str, str, dict[str, str], bytes]) -> tuple[str, str, str]:
    """Return service, region and the signature that a request must have."""
    method, target, given, body = request
    headers = {name.lower(): " ".join(value.split()) for name, value in given.items()}
    match = AUTHORIZATION.fullmatch(headers["authorization"])
    assert match is not None
    path, _, query = target.partition("?")
    names = match["names"].split(";")
    digest = hashlib.sha256(body).hexdigest()
    assert headers.get("x-amz-content-sha256", digest) == digest
    pairs = sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair)
    canonical = "\n".join([method, path, "&".join(pairs), *(f"{name}:{headers[name]}" for name in names), "", match["names"], digest])
    scope = f"{match['day']}/{match['region']}/{match['service']}/aws4_request"
    told = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), told):
        key = hmac.new(key, part.encode(), "sha256").digest()
    assert {"host", "x-amz-date"} <= set(names)
    return match["service"], match["region"], key.hex()


@pytest.mark.parametrize("token", ["", "IQoJb3JpZ2luX2VjEXAMPLE//TOKEN=="])
def test_every_kind_of_request_is_signed(aws_environment, token):
    """Otherwise AWS refuses all of them, and no test with a stand-in tells."""
    if token:
        aws_environment.setenv("AWS_SESSION_TOKEN", token)
    with Service(lambda handler, _n: reply(handler, 400, b"")) as service, opened(service.url) as aws:
        caller = aws.caller("eu-west-1", Account(ACCOUNT))
        keys = ("plain.json.gz", "a b+c&d=e?f#g%20", "é/日本//x", "./../p", "(paren)*!'~", "/lead")
        calls = [
            lambda: caller.lookup_events({"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "Ü"}], "MaxResults": 50}),
            *(lambda key=key: caller.get_object("example-trail", key, 10) for key in keys),
            lambda: caller.list_objects("example-trail", "p +&é/", start_after="p +&é/a=b", delimiter="/", most=7),
            lambda: caller.list_objects("example.trail", "", token="1/abc+=="),
            lambda: caller.call(op.GET_CALLER_IDENTITY),
            lambda: caller.call(op.RECEIVE_MESSAGE, QueueUrl=f"{service.url}/111122223333/q"),
            lambda: caller.call(op.DESCRIBE_REGIONS, AllRegions=False),
            lambda: caller.call(op.DESCRIBE_BALANCERS, PageSize=400),
            lambda: caller.call(op.DESCRIBE_CLASSIC_BALANCERS, PageSize=400),
            lambda: next(caller.pages(op.LIST_ACCOUNTS)),
            lambda: aws.role_caller(REGION, (ROLE,)).lookup_events({}),
        ]
        for call in calls:
            failed(call)
        requests = list(service.requests)
    assert len(requests) == len(calls)
    for request in requests:
        headers = {name.lower(): value for name, value in request[2].items()}
        assert headers["authorization"].endswith(signature(request)[2]), request[1]
        assert headers.get("x-amz-security-token", "") == token
        assert not token or "x-amz-security-token" in headers["authorization"]
    signed = [signature(request)[:2] for request in requests]
    assert signed[0] == ("cloudtrail", "eu-west-1")
    assert set(signed[1:9]) == {("s3", "eu-west-1")}
    assert signed[9:14] == [(name, "eu-west-1") for name in ("sts", "sqs", "ec2", "elasticloadbalancing", "elasticloadbalancing")]
    assert signed[14:] == [("organizations", "us-east-1"), ("sts", REGION)]
