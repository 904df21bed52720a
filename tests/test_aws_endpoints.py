"""Every service is reached where it is, in each partition, and where people say it is. No request leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporter.aws import RoleSettings
from exporter.aws import operations as op
from tests.aws_session import Heard, Service, failed, opened, reply
from tests.sandbox_client import REGION


@pytest.fixture(autouse=True)
def environment(aws_environment):
    """Return a patcher of the environment."""
    return aws_environment


def url(service: str, region: str, bucket: str = "", endpoint_url: str = "") -> str:
    """Return where a service is reached."""
    with opened(endpoint_url) as aws:
        return aws._road.endpoints.of(service, region, bucket).url


@pytest.mark.parametrize(
    ("service", "region", "wanted", "signed"),
    [
        ("cloudtrail", "eu-west-1", "https://cloudtrail.eu-west-1.amazonaws.com", "eu-west-1"),
        ("cloudtrail", "us-gov-west-1", "https://cloudtrail.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("cloudtrail", "cn-north-1", "https://cloudtrail.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sts", "us-east-1", "https://sts.us-east-1.amazonaws.com", "us-east-1"),
        ("sts", "eu-south-2", "https://sts.eu-south-2.amazonaws.com", "eu-south-2"),
        ("sts", "cn-northwest-1", "https://sts.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"),
        ("organizations", "eu-west-1", "https://organizations.us-east-1.amazonaws.com", "us-east-1"),
        ("organizations", "us-gov-east-1", "https://organizations.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("organizations", "cn-north-1", "https://organizations.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"),
        ("sqs", "us-gov-east-1", "https://sqs.us-gov-east-1.amazonaws.com", "us-gov-east-1"),
        ("ec2", "cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("elb", "eu-west-1", "https://elasticloadbalancing.eu-west-1.amazonaws.com", "eu-west-1"),
        ("elbv2", "cn-north-1", "https://elasticloadbalancing.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sqs", "xx-nowhere-9", "https://sqs.xx-nowhere-9.amazonaws.com", "xx-nowhere-9"),
    ],
)
def test_services_are_where_aws_has_them(service, region, wanted, signed):
    """Otherwise GovCloud, China or a global service is not reached, or is signed for the wrong region."""
    with opened("") as aws:
        endpoint = aws._road.endpoints.of(service, region)
    assert (endpoint.url, endpoint.signing_region) == (wanted, signed)


@pytest.mark.parametrize(
    ("bucket", "region", "wanted"),
    [
        ("example-trail", "eu-west-1", "https://example-trail.s3.eu-west-1.amazonaws.com"),
        ("example-trail", "us-east-1", "https://example-trail.s3.us-east-1.amazonaws.com"),
        ("example.trail.logs", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/example.trail.logs"),
        ("example-trail", "cn-north-1", "https://example-trail.s3.cn-north-1.amazonaws.com.cn"),
        ("example-trail", "us-gov-west-1", "https://example-trail.s3.us-gov-west-1.amazonaws.com"),
    ],
)
def test_buckets_have_hosts_of_their_own_unless_their_name_has_dots(bucket, region, wanted):
    """Otherwise the certificate of S3 does not fit a bucket with dots."""
    assert url("s3", region, bucket) == wanted


def test_a_custom_endpoint_has_buckets_in_the_path():
    """Otherwise a stand-in for S3 needs a host name for each bucket."""
    assert url("s3", REGION, "example-trail", endpoint_url="http://127.0.0.1:5000") == "http://127.0.0.1:5000/example-trail"


def test_fips_and_dual_stack_are_heeded(environment):
    """Otherwise a network that allows only those addresses lets nothing through."""
    environment.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert url("cloudtrail", REGION) == "https://cloudtrail-fips.us-east-1.amazonaws.com"
    assert url("s3", REGION, "example-trail") == "https://example-trail.s3-fips.us-east-1.amazonaws.com"
    environment.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    environment.setenv("AWS_USE_FIPS_ENDPOINT", "false")
    assert url("sqs", "us-west-2") == "https://sqs.us-west-2.api.aws"
    assert url("s3", REGION, "example-trail") == "https://example-trail.s3.dualstack.us-east-1.amazonaws.com"


def test_what_aws_does_not_have_is_said(environment):
    """Otherwise a setting that cannot work ends in a traceback."""
    environment.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    with opened("") as aws:
        error = failed(lambda: aws.caller("cn-north-1").get_object("example-trail", "a", 1))
    assert "AWS_USE_FIPS_ENDPOINT" in str(error)


def test_configured_addresses_win_in_the_order_of_aws(environment):
    """Otherwise a variable that works in every AWS tool does not work here, or wins over the configuration file."""
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(
        "[default]\nservices = local\nendpoint_url = http://profile.example.com\n"
        "[services local]\nsqs =\n  endpoint_url = http://section.example.com/\n"
    )
    assert url("sqs", REGION) == "http://section.example.com"
    assert url("ec2", REGION) == "http://profile.example.com"
    environment.setenv("AWS_ENDPOINT_URL", "http://all.example.com")
    assert url("sqs", REGION) == "http://all.example.com"
    environment.setenv("AWS_ENDPOINT_URL_SQS", "http://sqs.example.com")
    assert url("sqs", REGION) == "http://sqs.example.com"
    assert url("ec2", REGION) == "http://all.example.com"
    assert url("sqs", REGION, endpoint_url="http://ours.example.com/") == "http://ours.example.com"
    environment.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert url("sqs", REGION) == "https://sqs.us-east-1.amazonaws.com"
    assert url("sqs", REGION, endpoint_url="http://ours.example.com/") == "http://ours.example.com"


@pytest.mark.parametrize(
    ("service", "known_as"),
    [("elb", "ELASTIC_LOAD_BALANCING"), ("elbv2", "ELASTIC_LOAD_BALANCING_V2"), ("config", "CONFIG_SERVICE"), ("ec2", "EC2")],
)
def test_a_service_is_configured_by_the_name_that_aws_tools_have_for_it(environment, service, known_as):
    """Otherwise the endpoint that the AWS command line uses is passed over, and the internet is asked."""
    environment.setenv(f"AWS_ENDPOINT_URL_{known_as}", "http://private.example.com")
    assert url(service, REGION) == "http://private.example.com"


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("eu-new-7", "aws"),
        ("us-gov-new-3", "aws-us-gov"),
        ("x", "aws"),
    ],
)
def test_regions_belong_to_partitions(region, partition):
    """Otherwise ARNs of GovCloud and China are wrong."""
    with opened("") as aws:
        assert aws.caller(region).partition == partition


@pytest.mark.parametrize(
    ("partition", "home", "wanted"),
    [
        ("aws", "eu-west-1", "eu-west-1"),
        ("aws", None, "us-east-1"),
        ("aws-us-gov", "us-gov-east-1", "us-gov-east-1"),
        ("aws-us-gov", "eu-west-1", "us-gov-west-1"),
        ("aws-cn", None, "cn-northwest-1"),
    ],
)
def test_roles_are_assumed_in_their_own_partition(environment, partition, home, wanted):
    """Otherwise a role of GovCloud is asked of a token service that does not know it."""
    environment.delenv("AWS_DEFAULT_REGION")
    if home:
        environment.setenv("AWS_DEFAULT_REGION", home)
    role = RoleSettings(role_arn=f"arn:{partition}:iam::444455556666:role/watcher")
    heard = Heard()
    with Service(lambda handler, _n: reply(handler, 403, b"")) as service, opened(service.url, heard) as aws:
        failed(lambda: aws.role_caller("us-gov-west-1", (role,)).call(op.GET_CALLER_IDENTITY))
    assert ("sts:AssumeRole", "444455556666", wanted, "HTTP403") in heard.requests


def test_the_proxy_of_the_environment_is_used_unless_excepted(environment):
    """Otherwise nothing is reached where only the proxy gets out, or the VPC endpoint is asked through it."""
    with Service(lambda handler, _n: reply(handler, 404, b"")) as proxy, Service(lambda handler, _n: reply(handler, 404, b"")) as direct:
        environment.setenv("HTTP_PROXY", proxy.url.replace("http://", "http://user:se%20cret@"))
        environment.setenv("NO_PROXY", "127.0.0.1")
        with opened("http://s3.example.com") as aws:
            assert "cret" not in str(failed(lambda: aws.caller(REGION).get_object("example-trail", "a b", 10)))
        with opened(direct.url) as aws:
            failed(lambda: aws.caller(REGION).get_object("example-trail", "a", 10))
    assert [path for _method, path, _headers, _body in proxy.requests] == ["http://s3.example.com/example-trail/a%20b"]
    assert proxy.requests[0][2]["proxy-authorization"] == "Basic dXNlcjpzZSBjcmV0"
    assert "proxy-authorization" not in direct.requests[0][2]
    assert len(direct.requests) == 1


def test_a_proxy_that_does_not_serve_is_named_without_its_password(environment):
    """Otherwise the proxy's password stands in the log."""
    environment.setenv("HTTPS_PROXY", "http://user:secret@127.0.0.1:1")
    heard = Heard()
    with opened("https://s3.example.com", heard) as aws:
        text = str(failed(lambda: aws.caller(REGION).get_object("example-trail", "a", 10)))
    assert "HTTPS_PROXY" in text
    assert "secret" not in text
    assert heard.codes("s3:GetObject") == ["connection"] * 3
