"""The AWS command line, unchanged, works with the sandbox and believes its digests."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import opened
from tests.sandbox_client import KEY, REGION, Clock, client
from tests.trail_roads import Road

pytestmark = pytest.mark.e2e
TRAIL = f"arn:aws:cloudtrail:{REGION}:111122223333:trail/main-trail"
OLDEST = {1: (1, 29), 2: (2, 13)}
"""The first versions that know AWS_ENDPOINT_URL; older ones would ask the real S3 for the digests."""


@pytest.fixture
def clock():
    """Return the clock of the sandbox, moved by hand: digests of hours without hours of waiting."""
    return Clock(datetime.now(UTC) - timedelta(hours=4))


@pytest.fixture
def sandbox(clock, request):
    """Serve a sandbox whose roads move when the test says, with the faults that the test asks for."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False, faults=getattr(request, "param", Faults())), clock=clock) as running:
        yield running


@pytest.fixture
def aws(sandbox, program):
    """Return a function that runs the AWS command line on the sandbox: its exit code and what it prints."""
    path = program("aws")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=60)
    version = re.search(r"aws-cli/(\d+)\.(\d+)", said.stdout + said.stderr)
    assert version, said
    if (int(version[1]), int(version[2])) < OLDEST[int(version[1])]:
        pytest.skip(f"aws {version[1]}.{version[2]} cannot send all its calls to one endpoint")
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


BUCKET = "example-trail"
LOGS = f"AWSLogs/111122223333/CloudTrail/{REGION}/"


def summary(out: str) -> dict[str, int]:
    """Return how many files `validate-logs` calls valid and invalid: `3/4 log files valid, 1/4 log files INVALID`."""
    found = re.findall(r"(\d+)/\d+ (digest|log) files (valid|INVALID)", out)
    return {f"{kind} {verdict}": int(number) for number, kind, verdict in found}


def ours(sandbox: Sandbox, clock: Clock) -> dict[str, dict[str, int]]:
    """Return the verdicts of a source that reads the bucket for the first time."""
    with opened(sandbox.url) as session:
        road = Road(session, type="s3", bucket=BUCKET)
        for _ in range(2):
            road.restart()
            assert road.poll(clock.now).errors == []
        return {kind: road.kept.states(f"{kind}_total") for kind in ("trail_files", "digests")}


def test_our_verdicts_are_those_of_the_aws_command_line(sandbox, clock, aws, aws_environment):
    """It is what an auditor runs: where the two differ, one of them is wrong, and nobody will believe it is AWS's."""
    begin = f"{clock.now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    s3, trail, ec2 = (client(sandbox, name) for name in ("s3", "cloudtrail", "ec2"))
    s3.create_bucket(Bucket=BUCKET)
    trail.create_trail(Name="main-trail", S3BucketName=BUCKET, EnableLogFileValidation=True)
    trail.start_logging(Name="main-trail")
    for number in range(12):
        ec2.create_security_group(GroupName=f"g{number}", Description="d")
        clock.now += timedelta(minutes=20)
        sandbox.deliver_files()
    clock.now += timedelta(hours=4)
    sandbox.deliver_files()
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"] if item["Size"]]
    logs, digests = ([key for key in keys if part in key] for part in ("/CloudTrail/", "/CloudTrail-Digest/"))
    end = f"{clock.now:%Y-%m-%dT%H:%M:%SZ}"

    def theirs() -> dict[str, int]:
        _, out = aws("cloudtrail", "validate-logs", "--trail-arn", TRAIL, "--start-time", begin, "--end-time", end, "--verbose")
        return summary(out)

    assert len(logs) == 12
    assert theirs() == {"digest valid": len(digests), "log valid": 12}
    assert ours(sandbox, clock) == {"digests": {"verified": len(digests)}, "trail_files": {"verified": 12}}

    s3.put_object(Bucket=BUCKET, Key=logs[3], Body=gzip.compress(b'{"Records":[]}'))
    assert theirs() == {"digest valid": len(digests), "log valid": 11, "log INVALID": 1}
    assert ours(sandbox, clock)["trail_files"] == {"verified": 11, "modified": 1}

    s3.delete_object(Bucket=BUCKET, Key=logs[5])
    assert theirs() == {"digest valid": len(digests), "log valid": 10, "log INVALID": 2}
    assert ours(sandbox, clock)["trail_files"] == {"verified": 10, "modified": 1, "missing": 1}

    # AWS's command does not look for files that no digest names.
    s3.put_object(Bucket=BUCKET, Key=logs[7].replace(".json.gz", "X.json.gz"), Body=gzip.compress(b'{"Records":[]}'))
    assert theirs() == {"digest valid": len(digests), "log valid": 10, "log INVALID": 2}
    assert ours(sandbox, clock)["trail_files"] == {"verified": 10, "modified": 1, "missing": 1, "unsigned": 1}

    body = s3.get_object(Bucket=BUCKET, Key=digests[2])
    s3.put_object(Bucket=BUCKET, Key=digests[2], Body=body["Body"].read())
    assert theirs()["digest INVALID"] == 1
    assert ours(sandbox, clock)["digests"] == {"verified": len(digests) - 1, "unsigned": 1}

    s3.delete_object(Bucket=BUCKET, Key=digests[2])
    assert theirs()["digest INVALID"] == 1
    assert ours(sandbox, clock)["digests"] == {"verified": len(digests) - 1, "missing": 1}


@pytest.mark.parametrize("sandbox", [Faults(backfill=1)], indirect=True)
def test_the_aws_command_line_believes_backfill_digests(sandbox, clock, aws):
    """Otherwise files that AWS signs late are unsigned in everybody's eyes but ours."""
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
