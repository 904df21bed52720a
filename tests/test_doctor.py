"""`doctor` as a person runs it: what it prints, how it exits, and what it says of each source that is not set up."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import yaml
from click.testing import CliRunner

from exporter.cli import main
from exporter.doctor import Finding, folded, summary, worst
from exporter.store import open_store
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, KEY, REGION, client

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:changes"


@pytest.fixture
def environment(monkeypatch):
    """Give the exporter credentials, and no configuration files of this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def run(tmp_path, config, *arguments):
    path = tmp_path / "exporter.yml"
    path.write_text(yaml.safe_dump({"store": {"path": str(tmp_path / "state.db")}, **config}))
    return CliRunner().invoke(main, ["doctor", "--config.file", str(path), *arguments])


def findings(result):
    return [Finding(**finding) for finding in json.loads(result.stdout)["findings"]]


def of(sandbox, tmp_path, check, **source):
    """Return what one check finds, and the exit status, for one source in the sandbox."""
    config = {"sources": [source], "aws": {"endpoint_url": sandbox.url}}
    result = run(tmp_path, config, "--format", "json")
    return [finding for finding in findings(result) if finding.check == check], result.exit_code


def files(tmp_path):
    (tmp_path / "trail").mkdir(exist_ok=True)
    (tmp_path / "trail" / "a.json").write_text('{"Records":[]}')
    return {"sources": [{"type": "files", "path": str(tmp_path / "trail")}]}


def test_a_sound_exporter_on_files_is_all_ok_and_asks_nothing_of_aws(tmp_path):
    """Otherwise somebody without AWS is told that credentials are missing."""
    result = run(tmp_path, files(tmp_path), "--format", "json")
    assert result.exit_code == 0
    assert [(finding.check, finding.status) for finding in findings(result)] == [
        ("configuration", "ok"),
        ("store", "ok"),
        ("store", "ok"),
        ("source files", "ok"),
    ]
    assert not (tmp_path / "state.db").exists()


def test_a_person_reads_what_failed_and_what_to_do(tmp_path):
    """Otherwise the answer is for machines only."""
    config = files(tmp_path) | {"store": {"path": str(tmp_path / "absent" / "state.db")}}
    result = run(tmp_path, config)
    assert result.exit_code == 1
    assert "cannot write to the directory of the store" in " ".join(result.stdout.split())
    assert "→ a store that cannot be written stops every poll" in result.stdout
    assert result.stdout.rstrip().endswith("2 ok, 1 failure")


def test_a_wrong_configuration_is_exit_status_2(tmp_path):
    """Otherwise a script takes a typing error for a failing permission."""
    result = run(tmp_path, files(tmp_path) | {"stores": {}})
    assert result.exit_code == 2
    assert "stores: unknown key" in result.stderr


def test_a_store_of_another_program_is_told(tmp_path):
    """Otherwise the first poll is what finds out."""
    (tmp_path / "state.db").write_text("something else")
    result = run(tmp_path, files(tmp_path), "--format", "json")
    [found] = [finding for finding in findings(result) if finding.status == "failure"]
    assert "move it away or set store.path to another file" in found.detail
    assert result.exit_code == 1


def test_a_store_in_use_is_no_failure(tmp_path):
    """Otherwise `doctor` beside the running exporter complains of it."""
    store = open_store(tmp_path / "state.db")
    try:
        assert run(tmp_path, files(tmp_path)).exit_code == 0
    finally:
        store.close()


@pytest.mark.parametrize(
    ("make", "status", "told"),
    [
        (lambda path: None, "failure", "no such file or directory; create it, or correct `path`"),
        (lambda path: path.mkdir(), "warning", "holds no trail file yet"),
        (lambda path: (path.mkdir(), (path / "a.json").write_text("{}"), (path / "b.json").write_text("{}")), "ok", "2 files can be read"),
    ],
)
def test_trail_files_are_looked_for(tmp_path, make, status, told):
    """Otherwise a wrong path is a source without changes."""
    make(tmp_path / "logs")
    result = run(tmp_path, {"sources": [{"type": "files", "path": str(tmp_path / "logs")}]}, "--format", "json")
    [found] = [finding for finding in findings(result) if finding.check == "source files"]
    assert found.status == status
    assert told in found.detail


def test_without_credentials_the_rest_is_skipped_and_said_to_be(environment, tmp_path):
    """Otherwise one missing variable is a page of failures."""
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    with Sandbox(Settings(deliver=False)) as sandbox:
        result = run(tmp_path, {"sources": [{"type": "cloudtrail"}], "aws": {"endpoint_url": sandbox.url}}, "--format", "json")
    found = findings(result)
    assert result.exit_code == 1
    assert [finding.check for finding in found if finding.status == "failure"] == ["credentials"]
    assert {finding.check for finding in found if finding.detail == "not tried: credentials failed"} == {
        "clock", "accounts", "regions", "trails", "aws_config", "posture", "source cloudtrail",
    }  # fmt: skip


def test_event_history_that_is_denied_names_action_and_command(environment, tmp_path):
    """Otherwise whoever sets it up does not know what to ask for."""
    with Sandbox(Settings(deliver=False, faults=Faults(deny=frozenset({"cloudtrail:LookupEvents"})))) as sandbox:
        [found], status = of(sandbox, tmp_path, "source cloudtrail", type="cloudtrail")
    assert (found.status, status) == ("failure", 1)
    assert "cloudtrail:LookupEvents" in found.detail
    assert "cloudtrail:LookupEvents" in found.remedy
    assert "iam-policy" in found.remedy


def make_queue(sandbox, sender=None, redrive=True, bounded=True):
    sqs = client(sandbox, "sqs")
    attributes = {}
    if sender:
        statement = {"Effect": "Allow", "Principal": {"Service": sender}, "Action": "sqs:SendMessage", "Resource": QUEUE}
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": ACCOUNT}} if bounded else {}
        attributes["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    if redrive:
        sqs.create_queue(QueueName="dead")
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": QUEUE.replace("changes", "dead"), "maxReceiveCount": 10})
    return sqs.create_queue(QueueName="changes", Attributes=attributes)["QueueUrl"]


def queue_source(sandbox, kind="eventbridge", **more):
    return {"type": kind, "queue_url": f"{sandbox.url}/{ACCOUNT}/changes", "region": REGION, **more}


@pytest.mark.parametrize(
    ("kind", "sender", "told"),
    [
        ("eventbridge", None, "does not let events.amazonaws.com send, so no message will come"),
        ("eventbridge", "s3.amazonaws.com", "does not let events.amazonaws.com send, so no message will come"),
        ("s3", None, "lets neither S3, SNS nor EventBridge send, so no message will come"),
    ],
)
def test_a_queue_that_lets_nobody_send_is_told(environment, tmp_path, kind, sender, told):
    """Otherwise it stays empty for ever, which looks like a quiet account."""
    with Sandbox(Settings(deliver=False)) as sandbox:
        make_queue(sandbox, sender)
        found, _ = of(sandbox, tmp_path, f"source {kind}", **queue_source(sandbox, kind))
    [wrong] = [finding for finding in found if finding.status == "warning"]
    assert wrong.detail == told
    assert "allow sqs:SendMessage to" in wrong.remedy
    assert "aws:SourceArn" in wrong.remedy


def test_a_queue_that_anybody_may_send_to_is_told(environment, tmp_path):
    """Otherwise a rule in a stranger's account makes up changes, and pages."""
    with Sandbox(Settings(deliver=False)) as sandbox:
        make_queue(sandbox, "events.amazonaws.com", bounded=False)
        found, _ = of(sandbox, tmp_path, "source eventbridge", **queue_source(sandbox))
        client(sandbox, "sqs").set_queue_attributes(
            QueueUrl=f"{sandbox.url}/{ACCOUNT}/changes",
            Attributes={"Policy": json.dumps({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": QUEUE}})},
        )
        everyone, _ = of(sandbox, tmp_path, "source eventbridge", **queue_source(sandbox))
    [wrong] = [finding for finding in found if finding.status == "warning"]
    assert wrong.detail == "lets events.amazonaws.com send for any account, so that others can make up changes"
    assert wrong.remedy == "add to the statement the condition aws:SourceArn: of the rule, topic or bucket that sends"
    assert [finding.status for finding in everyone if finding.subject.endswith("conditions")] == ["warning"]


def test_a_queue_without_redrive_policy_is_told(environment, tmp_path):
    """Otherwise one message that nobody understands is read for days."""
    with Sandbox(Settings(deliver=False)) as sandbox:
        make_queue(sandbox, "events.amazonaws.com", redrive=False)
        found, _ = of(sandbox, tmp_path, "source eventbridge", **queue_source(sandbox))
    [wrong] = [finding for finding in found if finding.status == "warning"]
    assert "comes again until it expires" in wrong.detail
    assert wrong.remedy == "give the queue a dead-letter queue and a maxReceiveCount of 10 or so"


def test_a_queue_that_is_not_there_and_one_that_may_not_be_read(environment, tmp_path):
    """Otherwise a wrong region and a missing permission look alike."""
    with Sandbox(Settings(deliver=False)) as sandbox:
        make_queue(sandbox, "events.amazonaws.com")
        [found], status = of(sandbox, tmp_path, "source eventbridge", **queue_source(sandbox) | {"region": "eu-west-1"})
    assert (found.status, status) == ("failure", 1)
    assert "correct `queue_url` and `region`" in found.remedy
    with Sandbox(Settings(deliver=False, faults=Faults(deny=frozenset({"sqs:GetQueueAttributes"})))) as sandbox:
        make_queue(sandbox, "events.amazonaws.com")
        [found], status = of(sandbox, tmp_path, "source eventbridge", **queue_source(sandbox))
    assert (found.status, status) == ("failure", 1)
    assert "sqs:GetQueueAttributes" in found.detail
    assert "allow sqs:GetQueueAttributes on the queue" in found.remedy


def make_bucket(sandbox, files=True, **trail):
    client(sandbox, "s3").create_bucket(Bucket="audit-logs")
    trails = client(sandbox, "cloudtrail")
    trails.create_trail(Name="audit", S3BucketName="audit-logs", IsMultiRegionTrail=True, **trail)
    trails.start_logging(Name="audit")
    if files:
        client(sandbox, "ec2").create_security_group(GroupName="web", Description="web")
        sandbox.deliver_files()


BUCKET = {"type": "s3", "bucket": "audit-logs", "region": REGION}


def test_a_bucket_without_digests_says_how_to_get_them(environment, tmp_path):
    """Otherwise a missing file is never noticed."""
    with Sandbox(Settings(deliver=False, delay=timedelta(seconds=-5))) as sandbox:
        make_bucket(sandbox)
        found, status = of(sandbox, tmp_path, "source s3", **BUCKET)
    assert status == 0
    assert ("ok", "files can be read") in [(finding.status, finding.detail) for finding in found]
    [wrong] = [finding for finding in found if finding.status == "warning"]
    assert "--enable-log-file-validation" in wrong.remedy


def test_a_bucket_without_files_and_a_wrong_prefix_are_told(environment, tmp_path):
    """Otherwise a typing error in the prefix is a trail without changes."""
    with Sandbox(Settings(deliver=False, delay=timedelta(seconds=-5))) as sandbox:
        make_bucket(sandbox)
        found, _ = of(sandbox, tmp_path, "source s3", **BUCKET, prefix="wrong")
    [wrong] = [finding for finding in found if finding.status == "warning"]
    assert wrong.detail == "can be listed, but has no log files of a trail below wrong"
    assert "correct `prefix`" in wrong.remedy


@pytest.mark.parametrize(
    ("action", "remedy"),
    [
        ("s3:ListBucket", "allow s3:ListBucket"),
        ("s3:GetObject", "allow s3:GetObject for it; where the bucket is encrypted with a KMS key, also kms:Decrypt on that key"),
    ],
)
def test_a_bucket_that_may_not_be_read_names_what_is_missing(environment, tmp_path, action, remedy):
    """Otherwise the bucket policy and the KMS key are searched for nothing."""
    with Sandbox(Settings(deliver=False, delay=timedelta(seconds=-5), faults=Faults(deny=frozenset({action})))) as sandbox:
        make_bucket(sandbox)
        found, status = of(sandbox, tmp_path, "source s3", **BUCKET)
    assert status == 1
    [wrong] = [finding for finding in found if finding.status == "failure"]
    assert f"{action} of s3://audit-logs/" in wrong.detail
    assert remedy in wrong.remedy


def test_a_bucket_that_is_not_there_is_told(environment, tmp_path):
    """Otherwise it reads as a missing permission."""
    with Sandbox(Settings(deliver=False)) as sandbox:
        found, status = of(sandbox, tmp_path, "source s3", **BUCKET)
    assert status == 1
    assert any("NoSuchBucket" in finding.detail and "correct `bucket`" in finding.remedy for finding in found)


def test_eventbridge_without_a_trail_that_logs_is_a_failure(environment, tmp_path):
    """Otherwise the fast road is set up, healthy, and silent: EventBridge has calls only while a trail logs them."""
    with Sandbox(Settings(deliver=False)) as sandbox:
        make_queue(sandbox, "events.amazonaws.com")
        [none], status = of(sandbox, tmp_path, "trails", **queue_source(sandbox))
        assert (none.status, status) == ("failure", 1)
        assert none.detail == "no trail covers this account and region; the source eventbridge gets nothing from here"
        make_bucket(sandbox, files=False)
        [sound], status = of(sandbox, tmp_path, "trails", **queue_source(sandbox))
        assert (sound.status, status) == ("ok", 0)
        client(sandbox, "cloudtrail").stop_logging(Name="audit")
        [stopped], status = of(sandbox, tmp_path, "trails", **queue_source(sandbox))
    assert (stopped.status, status, stopped.detail) == ("failure", 1, "it is stopped")


def test_the_region_of_a_queue_is_enough(environment, tmp_path):
    """Otherwise a variable must be set that the exporter itself does without."""
    environment.delenv("AWS_DEFAULT_REGION")
    with Sandbox(Settings(deliver=False)) as sandbox:
        make_queue(sandbox, "events.amazonaws.com")
        make_bucket(sandbox, files=False)
        result = run(tmp_path, {"sources": [queue_source(sandbox)], "aws": {"endpoint_url": sandbox.url}}, "--format", "json")
    assert [finding for finding in findings(result) if finding.status == "failure"] == []
    assert result.exit_code == 0


def test_findings_that_say_the_same_of_many_are_one_line():
    """Otherwise two hundred regions without AWS Config hide the one failure."""
    many = [Finding("aws_config", "warning", f"111122223333 region-{number}", "is off", "start it") for number in range(12)]
    [line, other] = folded([*many, Finding("store", "ok", "state.db", "is fine")])
    assert line.subject == ", ".join(f"111122223333 region-{number}" for number in range(5)) + " and 7 more"
    assert other.check == "store"
    assert summary([*many, other]) == "1 ok, 12 warnings"
    assert worst([*many, other]) == "warning"


def test_text_of_aws_is_made_safe_for_the_terminal(environment, tmp_path):
    """Otherwise the name of a trail moves the cursor or forges a line."""
    with Sandbox(Settings(deliver=False)) as sandbox:
        source = {"type": "s3", "bucket": "audit-logs", "region": REGION, "prefix": "a\x1b[2Jb\u202ec"}
        make_bucket(sandbox)
        config = {"sources": [source], "aws": {"endpoint_url": sandbox.url}}
        result = run(tmp_path, config)
        assert "\x1b[2J" not in result.stdout
        assert "\u202e" not in result.stdout
        assert "\\x1b[2Jb" in result.stdout.replace("\n", "")
