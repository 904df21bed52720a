"""The AWS command line, unchanged, works with the sandbox and believes its digests."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import KEY, REGION, Clock, client

pytestmark = pytest.mark.e2e
TRAIL = f"arn:aws:cloudtrail:{REGION}:111122223333:trail/main-trail"
OLDEST = {1: (1, 29), 2: (2, 13)}
"""The first versions that know AWS_ENDPOINT_URL; older ones would ask the real S3 for the digests."""


@pytest.fixture
def clock():
    """Return the clock of the sandbox, moved by hand: digests of hours without hours of waiting."""
    return Clock(datetime.now(UTC) - timedelta(hours=4))


@pytest.fixture
def sandbox(clock):
    """Serve a sandbox whose roads move when the test says."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False), clock=clock) as running:
        yield running


@pytest.fixture
def aws(sandbox, aws_on):
    """Return a function that runs the AWS command line on the sandbox."""
    return aws_on(sandbox)


@pytest.fixture
def aws_on(program):
    """Return a maker of functions that run the AWS command line on a sandbox: exit code and what it prints."""
    path = program("aws")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=60)
    version = re.search(r"aws-cli/(\d+)\.(\d+)", said.stdout + said.stderr)
    assert version, said
    if (int(version[1]), int(version[2])) < OLDEST[int(version[1])]:
        pytest.skip(f"aws {version[1]}.{version[2]} cannot send all its calls to one endpoint")

    def on(sandbox: Sandbox) -> Callable[..., tuple[int, str]]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_ENDPOINT_URL": sandbox.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_PAGER": "",
        }

        def run(*words: str) -> tuple[int, str]:
            done = subprocess.run([path, *words], env=environment, capture_output=True, text=True, check=False, timeout=60)
            return done.returncode, done.stdout + done.stderr

        return run

    return on


def test_the_aws_command_line_validates_the_logs_and_finds_the_one_that_was_changed(sandbox, clock, aws):
    """Otherwise digests of the sandbox are right in our own eyes only."""
    begin = f"{clock.now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    for words in (
        ("s3api", "create-bucket", "--bucket", "example-trail"),
        ("cloudtrail", "create-trail", "--name", "main-trail", "--s3-bucket-name", "example-trail", "--enable-log-file-validation"),
        ("cloudtrail", "start-logging", "--name", "main-trail"),
        ("ec2", "create-security-group", "--group-name", "web", "--description", "d"),
        ("ec2", "authorize-security-group-ingress", "--group-name", "web", "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0"),
    ):
        code, out = aws(*words)
        assert code == 0, out
    sandbox.deliver_files()
    for _ in range(2):
        clock.now += timedelta(hours=1)
        sandbox.deliver_files()
    s3 = client(sandbox, "s3")
    logs = [
        item["Key"] for item in s3.list_objects_v2(Bucket="example-trail")["Contents"] if "/CloudTrail/" in item["Key"] and item["Size"]
    ]
    held = json.loads(gzip.decompress(s3.get_object(Bucket="example-trail", Key=logs[0])["Body"].read()))["Records"]
    asked = next(record["requestParameters"] for record in held if record["eventName"] == "AuthorizeSecurityGroupIngress")
    # The command line spells --protocol, --port and --cidr as a permission.
    assert asked["groupName"] == "web"
    assert "0.0.0.0/0" in json.dumps(asked)

    validate = ("cloudtrail", "validate-logs", "--trail-arn", TRAIL, "--start-time", begin)
    _, out = aws(*validate)
    assert "2/2 digest files valid" in out
    assert f"{len(logs)}/{len(logs)} log files valid" in out

    s3.put_object(Bucket="example-trail", Key=logs[0], Body=gzip.compress(b'{"Records":[]}'))
    _, out = aws(*validate)
    assert f"{logs[0]}\tINVALID: hash value doesn't match" in out
    s3.delete_object(Bucket="example-trail", Key=logs[0])
    _, out = aws(*validate)
    assert f"{logs[0]}\tINVALID: not found" in out


def test_the_aws_command_line_believes_backfill_digests(clock, aws_on):
    """Otherwise files that AWS signs late are unsigned in everybody's eyes but ours."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False, faults=Faults(backfill=1)), clock=clock) as sandbox:
        aws = aws_on(sandbox)
        begin = f"{clock.now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
        for words in (
            ("s3api", "create-bucket", "--bucket", "example-trail"),
            ("cloudtrail", "create-trail", "--name", "main-trail", "--s3-bucket-name", "example-trail", "--enable-log-file-validation"),
            ("cloudtrail", "start-logging", "--name", "main-trail"),
        ):
            code, out = aws(*words)
            assert code == 0, out
        sandbox.deliver_files()
        clock.now += timedelta(hours=1)
        sandbox.deliver_files()
        _, out = aws("cloudtrail", "validate-logs", "--trail-arn", TRAIL, "--start-time", begin)
        if "backfill" not in out:
            pytest.skip("this version of the AWS command line knows no backfill digests")
        assert re.search(r"1/1 backfill digest files? valid", out), out
        assert re.search(r"(\d+)/\1 log files valid", out), out
