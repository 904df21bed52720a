"""Least privilege, enforced: the exporter runs in the sandbox with exactly the policies that `iam-policy` prints.

Nothing may be denied, and no action of a policy may go unused, principal by principal.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from click.testing import CliRunner

from exporter.cli import main
from exporter.config import validate
from exporter.history.athena_place import open_athena
from exporter.iam import FORMATS, principals
from exporter.store.base import Query
from sandbox.identities import Identity
from sandbox.policies import Policies
from sandbox.server import Sandbox, Settings
from tests.athena_table import BUCKET, RESULTS, Asker, ddl, make_buckets, put, record
from tests.aws_session import opened
from tests.sandbox_client import ACCOUNT, REGION, client

MEMBER = "444455556666"
OTHER = "777788889999"
ADMIN_KEYS = {account: f"AKIAADMINEXAMPLE{account[:4]}" for account in (ACCOUNT, MEMBER, OTHER)}
HUB_KEY = "AKIAHUBEXAMPLE000000"
HUB = f"arn:aws:iam::{ACCOUNT}:user/exporter"
FREE = {"sts:GetCallerIdentity"}
"""Needs no permission, so that no policy has it (STS API reference, GetCallerIdentity)."""


@pytest.fixture
def environment(monkeypatch):
    """Run as the hub, without configuration files of this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", HUB_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def roles_of(principal, accounts):
    """Return the ARNs that a principal stands for, those of an organization written out."""
    return list(dict.fromkeys(role.replace(":iam::*:", f":iam::{account}:") for role in principal.roles for account in accounts))


class Enforced:
    """The sandbox under the policies of a configuration, with its roles made as the trust policies say."""

    def __init__(self, config, **settings):
        self.config = config if callable(config) else lambda _url: config
        self.found = principals(validate(self.config("http://127.0.0.1:1"), "enforced.yml"), HUB)
        self.policies = {}
        identities = {key: Identity(account, "user", "admin") for account, key in ADMIN_KEYS.items()}
        identities[HUB_KEY] = Identity(ACCOUNT, "user", "exporter")
        self.sandbox = Sandbox(Settings(deliver=False, identities=identities, **settings))

    def __enter__(self):
        self.sandbox.start()
        return self

    def __exit__(self, *_):
        self.sandbox.stop()

    def enforce(self, *accounts):
        """Make the roles, those of an organization in each of `accounts`, and hold everybody whom the configuration names to his policy."""
        for principal in self.found:
            trust = FORMATS["trust"]((principal,), HUB) if principal.roles else ""
            for arn in roles_of(principal, accounts or [""]):
                account, _, path = arn.split(":", 4)[4].partition(":role/")
                folder, _, name = path.rpartition("/")
                self.admin("iam", account).create_role(RoleName=name, Path=f"/{folder}/" if folder else "/", AssumeRolePolicyDocument=trust)
                self.policies[arn] = principal.policy()
            if not principal.roles:
                self.policies[HUB] = principal.policy()
        self.sandbox.application._gate._policies = Policies(self.policies)

    def admin(self, service, account=ACCOUNT, region=REGION):
        """Return a client that may do everything in an account."""
        key = ADMIN_KEYS.get(account, f"AKIAADMINEXAMPLE{account}")
        self.sandbox.identities.add(key, Identity(account, "user", "admin"))
        return client(self.sandbox, service, region, key)

    def run(self, tmp_path, *command):
        """Run a command of the exporter on the configuration, in this sandbox."""
        path = tmp_path / "enforced.yml"
        config = self.config(self.sandbox.url)
        aws = {**config.get("aws", {}), "endpoint_url": self.sandbox.url}
        path.write_text(yaml.safe_dump({**config, "aws": aws, "store": {"path": str(tmp_path / "state.db")}}))
        return CliRunner().invoke(main, [*command, "--config.file", str(path)])

    def called(self):
        """Return what the exporter asked for, by the ARN of who asked; nothing of it may have been denied."""
        found = {}
        for row in self.sandbox.actions.rows():
            # Athena reads tables and files with the permissions of whoever asks it.
            if row["user_agent"].startswith("aws-change-exporter/") or (
                row["user_agent"] == "athena.amazonaws.com" and row["identity"] == HUB
            ):
                assert row["allowed"], row
                found.setdefault(row["identity"], set()).add(row["action"])
        return found

    def granted(self):
        """Return what the policies allow, by ARN."""
        return {
            arn: {action for statement in policy["Statement"] for action in statement["Action"]} for arn, policy in self.policies.items()
        }


def check(enforced, tmp_path, *accounts, idle=frozenset()):
    """Poll and run doctor; whatever was called is what is granted, no more and, but for what is `idle` here, no less."""
    enforced.enforce(*accounts)
    polled = enforced.run(tmp_path, "poll")
    assert polled.exit_code == 0, polled.output
    examined = enforced.run(tmp_path, "doctor", "--format", "json")
    assert [finding for finding in json.loads(examined.stdout)["findings"] if finding["status"] == "failure"] == []
    assert examined.exit_code == 0
    called = {arn: actions - FREE for arn, actions in enforced.called().items()}
    granted = {arn: actions - idle for arn, actions in enforced.granted().items()}
    assert {arn: actions - idle for arn, actions in called.items() if actions - idle} == granted
    return json.loads(examined.stdout)["findings"]


def make_trail(enforced, account=ACCOUNT, bucket="audit-logs", **settings):
    """Make a trail, which doctor looks at, and the first of all that stands."""
    make_standing(enforced, account)
    enforced.admin("s3", account).create_bucket(Bucket=bucket)
    trails = enforced.admin("cloudtrail", account)
    trails.create_trail(Name="audit", S3BucketName=bucket, IsMultiRegionTrail=True, **settings)
    trails.start_logging(Name="audit")


def make_standing(enforced, account):
    """Make a prefix list whose entries, and a target group whose targets can be asked for."""
    ec2 = enforced.admin("ec2", account)
    ec2.create_managed_prefix_list(PrefixListName="offices", MaxEntries=1, AddressFamily="IPv4")
    vpc_id = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    enforced.admin("elbv2", account).create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc_id)


def test_one_account(environment, tmp_path):
    """Otherwise the first exporter that is set up by the book is denied, or holds what it does not use."""
    with Enforced({"sources": [{"type": "cloudtrail", "backfill": "1d"}]}) as enforced:
        make_trail(enforced)
        check(enforced, tmp_path)


CHAINED = {
    "sources": [{"type": "cloudtrail", "backfill": "1d"}],
    "aws": {
        "own_account": True,
        "accounts": [
            {
                "role_arn": f"arn:aws:iam::{MEMBER}:role/ops/aws-change-exporter",
                "external_id": "secret-7",
                "via": [{"role_arn": f"arn:aws:iam::{ACCOUNT}:role/middle", "external_id": "middle-7"}],
            },
            {"role_arn": f"arn:aws:iam::{OTHER}:role/ops/aws-change-exporter", "external_id": "secret-7"},
        ],
    },
}


def test_accounts_behind_chains_of_roles(environment, tmp_path):
    """Otherwise a link of the chain lacks what the next needs, or a trust policy refuses its own configuration."""
    # Both roles are `member`, which is trusted by the hub as well as by the end of the chain.
    with Enforced(CHAINED) as enforced:
        for account in (ACCOUNT, MEMBER, OTHER):
            make_trail(enforced, account, f"logs-{account}")
        check(enforced, tmp_path)


READER = "arn:aws:iam::777788889999:role/queue-reader"


def make_queue(enforced, service, account=ACCOUNT, redrive=True):
    """Make a queue that a service may send to, with a dead-letter queue."""
    sqs = enforced.admin("sqs", account)
    arn = f"arn:aws:sqs:{REGION}:{account}:changes"
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": arn}
    statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    attributes = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    if redrive:
        sqs.create_queue(QueueName="dead")
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{account}:dead", "maxReceiveCount": 10})
    return sqs.create_queue(QueueName="changes", Attributes=attributes)["QueueUrl"], arn


def by_queue(**more):
    return lambda url: {
        "sources": [
            {"type": "s3", "queue_url": f"{url}/{ACCOUNT}/changes", "region": REGION, "bucket": "audit-logs", "wait_time": "1s", **more}
        ]
    }


def test_a_bucket_told_by_a_queue(environment, tmp_path):
    """Otherwise the road of large organizations is denied, or may read what it has no use for."""
    config = by_queue(visibility_timeout="1s", downloads=1)
    settings = {"delay": timedelta(0), "digest_interval": timedelta(seconds=1)}
    with Enforced(config, **settings) as enforced:
        make_trail(enforced, EnableLogFileValidation=True)
        url, arn = make_queue(enforced, "s3.amazonaws.com")
        enforced.admin("ec2").create_security_group(GroupName="web", Description="web")
        for _ in range(2):  # the log file, then the digest of the second in which it was delivered
            time.sleep(1.1)
            enforced.sandbox.deliver_files()
        s3 = enforced.admin("s3")
        (key,) = [
            item["Key"] for item in s3.list_objects_v2(Bucket="audit-logs")["Contents"] if "/CloudTrail/" in item["Key"] and item["Size"]
        ]
        content = s3.get_object(Bucket="audit-logs", Key=key)["Body"].read()
        # So many files in one message that it must be kept hidden while they are read.
        copies = [key.replace(".json.gz", f"{number:04d}.json.gz").replace(key[-24:-8], f"{number:016d}") for number in range(200)]
        for copy in copies:
            s3.put_object(Bucket="audit-logs", Key=copy, Body=content)
        told = {"s3Bucket": "audit-logs", "s3ObjectKey": copies}
        enforced.admin("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(told))
        findings = check(enforced, tmp_path)
    assert arn in str(enforced.policies)
    assert any("digests are there" in finding["detail"] for finding in findings)


def test_a_bucket_of_another_account_that_is_listed(environment, tmp_path):
    """Otherwise the reader of the log archive may look at all of the bucket, or not find the trail below its prefix."""
    source = {
        "type": "s3",
        "bucket": "archive-logs",
        "prefix": "team/logs",
        "region": REGION,
        "role": {"role_arn": READER, "external_id": "reader-7"},
        "verify_digests": False,
    }
    with Enforced({"sources": [source]}, delay=timedelta(0)) as enforced:
        make_trail(enforced, OTHER, "archive-logs", S3KeyPrefix="team/logs")
        make_trail(enforced)
        enforced.admin("ec2", OTHER).create_security_group(GroupName="web", Description="web")
        time.sleep(1.1)
        enforced.sandbox.deliver_files()
        findings = check(enforced, tmp_path)
    assert any(finding["detail"] == f"reached as {READER}" for finding in findings)
    assert any(finding["detail"] == "files can be read" for finding in findings)


def test_a_queue_of_eventbridge(environment, tmp_path):
    """Otherwise the fast road may read buckets, or not delete what it has stored."""
    config = {
        "sources": [{"type": "eventbridge", "queue_url": f"http://127.0.0.1/{ACCOUNT}/changes", "region": REGION, "wait_time": "1s"}],
    }
    with Enforced(config, bus_delay=timedelta(0)) as enforced:
        make_trail(enforced)
        _, arn = make_queue(enforced, "events.amazonaws.com")
        events = enforced.admin("events")
        events.put_rule(Name="changes", EventPattern=json.dumps({"detail-type": ["AWS API Call via CloudTrail"]}))
        events.put_targets(Rule="changes", Targets=[{"Id": "1", "Arn": arn}])
        enforced.admin("ec2").create_security_group(GroupName="web", Description="web")
        enforced.sandbox.deliver_events()
        # A message is kept hidden only if storing it takes long; the test of the bucket has it so.
        findings = check(enforced, tmp_path, idle={"sqs:ChangeMessageVisibility"})
    assert any(finding["detail"] == "lets events.amazonaws.com send" for finding in findings)


def test_an_organization(environment, tmp_path):
    """Otherwise accounts are listed that cannot be read, or the hub reads its own account with a role that it has not."""
    lister = f"arn:aws:iam::{ACCOUNT}:role/lister"
    config = {
        "sources": [{"type": "cloudtrail", "backfill": "1d", "regions": [REGION]}],
        "aws": {"organization": {"role_name": "/ops/aws-change-exporter", "external_id": "secret-7", "via": [{"role_arn": lister}]}},
    }
    with Enforced(config) as enforced:
        organizations = enforced.admin("organizations")
        organizations.create_organization(FeatureSet="ALL")
        for name in ("one", "two"):
            organizations.create_account(Email=f"{name}@example.com", AccountName=name)
        accounts = [account["Id"] for account in organizations.list_accounts()["Accounts"] if account["Id"] != ACCOUNT]
        for account in (ACCOUNT, *accounts):
            make_trail(enforced, account, f"logs-{account}")
        findings = check(enforced, tmp_path, *accounts)
    assert [finding["detail"] for finding in findings if finding["subject"] == "organization"] == ["listed; 3 accounts are watched"]


def test_regions_that_are_discovered(environment, tmp_path):
    """Otherwise `all` is denied, or regions are asked for by whom nothing asks."""
    config = {
        "sources": [{"type": "cloudtrail", "backfill": "0s"}],
        "aws": {"accounts": [{"role_arn": f"arn:aws:iam::{MEMBER}:role/aws-change-exporter", "regions": ["all"]}]},
    }
    with Enforced(config) as enforced:
        make_trail(enforced, MEMBER)
        check(enforced, tmp_path)


ATHENA = {"region": REGION, "output_location": f"s3://{RESULTS}/athena/", "logs": f"s3://{BUCKET}/", "workgroup": "changes"}
NOT_HERE = frozenset(
    {
        "athena:StopQueryExecution",
        "glue:GetPartitions",
        "s3:AbortMultipartUpload",
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
    }
)
"""No query need be stopped, no result is so large that it is written in parts, and a projected table is not asked for its partitions."""


@pytest.mark.parametrize("as_source", [True, False])
def test_athena(environment, tmp_path, as_source):
    """Otherwise queries are denied what Athena does on one's behalf: tables, log files, results; or may read other buckets."""
    pytest.importorskip("duckdb")
    config = {"sources": [{"type": "athena", **ATHENA}] if as_source else [{"type": "cloudtrail", "backfill": "1d"}]}
    if not as_source:
        config["athena"] = ATHENA
    with Enforced(config, athena_delay=timedelta(0)) as enforced:
        make_trail(enforced)
        make_buckets(enforced.sandbox)
        put(enforced.sandbox, f"{datetime.now(UTC):%Y/%m/%d}", [record()])
        enforced.admin("athena").create_work_group(Name="changes", Configuration={"EnforceWorkGroupConfiguration": False})
        assert Asker(enforced.sandbox, ADMIN_KEYS[ACCOUNT]).run(ddl()).state == "SUCCEEDED"
        enforced.sandbox.actions.reset()
        if not as_source:
            enforced.enforce()
            with opened(enforced.sandbox.url) as aws:
                answer = open_athena(validate(config, "enforced.yml"), aws).search(Query(), datetime.now(UTC), lambda *_told: None)
            assert (answer.problems, len(answer.events)) == ([], 1)
        findings = check(enforced, tmp_path, idle=NOT_HERE)
    assert [finding["status"] for finding in findings if "workgroup changes" in finding["subject"]] == ["ok", "warning"]
    assert any(finding["detail"] == "has what is asked for, by account, region, day" for finding in findings)
