"""The checks of `doctor` against the sandbox: what is right, and each thing that is wrong with what a person is told to do."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from exporter.aws.session import open_aws
from exporter.config import validate
from exporter.doctor import CHECKS, Examination, examine
from exporter.doctor.base import finding
from exporter.doctor.checks import _guarded
from exporter.doctor.run import _Unheard
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, KEY, REGION, client

MEMBER = "444455556666"
MEMBER_ROLE = f"arn:aws:iam::{MEMBER}:role/aws-change-exporter"
HUB_USER = f"arn:aws:iam::{ACCOUNT}:user/alice"


@pytest.fixture
def environment(monkeypatch):
    """Give the exporter credentials, and no configuration files of this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    return monkeypatch


@contextmanager
def running(**settings):
    with Sandbox(Settings(deliver=False, **settings)) as sandbox:
        yield sandbox


def look(sandbox, *names, now=None, posture=None, **aws):
    """Return what the named checks find, in one examination."""
    settings = {"sources": [{"type": "files", "path": "/tmp"}], "aws": {"endpoint_url": sandbox.url, **aws}, "posture": posture or {}}
    config = validate(settings, "test.yml")
    session = open_aws(config.aws, _Unheard())
    try:
        examination = Examination(config, "test.yml", session, now=now or (lambda: datetime.now(UTC)))
        return [finding(check.name, diagnosis) for check in CHECKS if check.name in names for diagnosis in _guarded(check, examination)]
    finally:
        session.close()


def only(findings, status):
    """Return the one finding, which must have this status."""
    assert [found.status for found in findings] == [status], findings
    return findings[0]


def make_role(sandbox, trusted=HUB_USER, external_id=""):
    """Make the member's role, as the template would."""
    condition = {"StringEquals": {"sts:ExternalId": external_id}} if external_id else {}
    statement = {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole", "Condition": condition}
    sandbox.identities.add("AKIAMEMBEREXAMPLE000", sandbox.identities.of(KEY).__class__(MEMBER, "user", "admin"))
    client(sandbox, "iam", key="AKIAMEMBEREXAMPLE000").create_role(
        RoleName="aws-change-exporter", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )


def make_trail(sandbox, name="audit", region=REGION, multi_region=True, start=True, bucket="audit-logs"):
    """Make a trail of all regions with its bucket."""
    client(sandbox, "s3").create_bucket(Bucket=bucket)
    trails = client(sandbox, "cloudtrail", region)
    trails.create_trail(Name=name, S3BucketName=bucket, IsMultiRegionTrail=multi_region)
    if start:
        trails.start_logging(Name=name)
    return trails


def test_the_default_credentials_are_named(environment):
    """Otherwise somebody debugs the permissions of another principal than the one that runs."""
    with running() as sandbox:
        found = only(look(sandbox, "credentials"), "ok")
    assert HUB_USER in found.detail
    assert ACCOUNT in found.detail


def test_without_credentials_the_ways_to_give_them_are_named(environment):
    """Otherwise the first run in a new place ends in a traceback of botocore."""
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    with running() as sandbox:
        found = only(look(sandbox, "credentials"), "failure")
    assert "credentials" in found.detail
    assert "AWS_ACCESS_KEY_ID" in found.detail + found.remedy or "role" in found.detail + found.remedy


def test_without_a_region_the_setting_is_named(environment):
    """Otherwise it is not clear whose region is missing."""
    environment.delenv("AWS_DEFAULT_REGION")
    with running() as sandbox:
        found = only(look(sandbox, "region"), "failure")
        assert only(look(sandbox, "region", regions=["eu-west-1"]), "ok").detail == "eu-west-1, configured"
    assert found.remedy == "name regions in `aws.regions`, or set AWS_REGION"


@pytest.mark.parametrize(("skew", "which"), [(timedelta(minutes=4), "behind"), (timedelta(minutes=-4), "ahead of")])
def test_a_clock_that_is_off_is_told_with_direction_and_size(environment, skew, which):
    """Otherwise requests fail one day with an error that says nothing of clocks."""
    with running() as sandbox:
        found = only(look(sandbox, "clock", now=lambda: datetime.now(UTC) - skew), "warning")
        assert only(look(sandbox, "clock"), "ok").detail == "agrees with AWS's"
    seconds = int(found.detail.split("clock is ")[1].split("s ")[0])
    assert 235 <= seconds <= 241
    assert f"{which} AWS's" in found.detail
    assert "NTP" in found.remedy


def test_each_account_is_reached_by_its_role(environment):
    """Otherwise an account whose role is missing is noticed by its silence."""
    with running() as sandbox:
        make_role(sandbox, external_id="secret-7")
        found = look(sandbox, "accounts", accounts=[{"role_arn": MEMBER_ROLE, "external_id": "secret-7", "name": "prod"}])
    assert only(found, "ok").subject == f"{MEMBER} (prod)"
    assert only(found, "ok").detail == f"reached as {MEMBER_ROLE}"


def test_a_wrong_external_id_names_both_policies(environment):
    """Otherwise AWS's bare AccessDenied sends people to the wrong account."""
    with running() as sandbox:
        make_role(sandbox, external_id="secret-7")
        found = only(look(sandbox, "accounts", accounts=[{"role_arn": MEMBER_ROLE, "external_id": "wrong"}]), "failure")
    assert "needs sts:AssumeRole on the role (`aws-change-exporter iam-policy`)" in found.remedy
    assert "the external id of the configuration (`aws-change-exporter iam-policy --format trust`)" in found.remedy
    assert "wrong" not in found.detail + found.remedy


def test_the_link_of_a_chain_that_fails_is_named_with_its_caller(environment):
    """Otherwise every link must be tried by hand."""
    middle = f"arn:aws:iam::{ACCOUNT}:role/middle"
    with running() as sandbox:
        make_role(sandbox, trusted=f"arn:aws:iam::{ACCOUNT}:role/other")
        found = only(look(sandbox, "accounts", accounts=[{"role_arn": MEMBER_ROLE, "via": [{"role_arn": middle}]}]), "failure")
    assert MEMBER_ROLE in found.detail
    assert f"the caller ({middle})" in found.remedy


def test_one_unreachable_account_hides_no_other_and_is_not_asked_again(environment):
    """Otherwise one wrong role stops the diagnosis of a hundred accounts, or repeats itself for each region."""
    with running(policies={MEMBER_ROLE.replace(MEMBER, "777788889999"): {"Statement": []}}) as sandbox:
        make_role(sandbox, external_id="secret-7")
        make_trail(sandbox)
        found = look(
            sandbox,
            "accounts",
            "regions",
            "trails",
            regions=[REGION, "eu-west-1"],
            own_account=True,
            accounts=[{"role_arn": MEMBER_ROLE, "external_id": "wrong"}],
        )
    assert [(item.check, item.status, item.subject) for item in found] == [
        ("accounts", "failure", MEMBER),
        ("accounts", "ok", ACCOUNT),
        ("regions", "ok", f"{ACCOUNT}: regions"),
        ("trails", "ok", f"{ACCOUNT} {REGION}"),
        ("trails", "ok", f"{ACCOUNT} eu-west-1"),
    ]


def test_the_missing_action_is_named_with_the_principal(environment):
    """Otherwise the person who may change the policy does not know what to add, and to whose."""
    with running(faults=Faults(deny=frozenset({"ec2:DescribeRegions"}))) as sandbox:
        make_role(sandbox)
        found = look(sandbox, "regions", regions=["all"], accounts=[{"role_arn": MEMBER_ROLE}])
        assert only(found, "failure").remedy == (
            f"missing action ec2:DescribeRegions for {MEMBER_ROLE}; add it: `aws-change-exporter iam-policy`"
        )
        found = look(sandbox, "regions", regions=["all"])
    assert only(found, "failure").remedy == (
        "missing action ec2:DescribeRegions for the default credentials; add it: `aws-change-exporter iam-policy`"
    )


def test_the_organization_is_listed_or_the_missing_action_named(environment):
    """Otherwise an organization of no accounts looks like a quiet one."""
    with running() as sandbox:
        organizations = client(sandbox, "organizations")
        organizations.create_organization(FeatureSet="ALL")
        found = look(sandbox, "accounts", organization={"role_name": "aws-change-exporter"})
    assert [(item.status, item.subject) for item in found] == [("ok", "organization"), ("ok", f"{ACCOUNT} (master)")]
    with running(faults=Faults(deny=frozenset({"organizations:ListAccounts"}))) as sandbox:
        found = only(look(sandbox, "accounts", organization={"role_name": "aws-change-exporter"}), "failure")
    assert found.remedy.startswith("missing action organizations:ListAccounts for the default credentials")


def test_an_organization_that_cannot_be_listed_hides_no_listed_account(environment):
    """Otherwise an error of one list looks like an organization of few accounts, or stops the rest."""
    with running(faults=Faults(deny=frozenset({"organizations:ListAccounts"}))) as sandbox:
        make_role(sandbox)
        found = look(sandbox, "accounts", organization={"role_name": "other"}, accounts=[{"role_arn": MEMBER_ROLE}])
    assert sorted((item.status, item.subject) for item in found) == [("failure", "accounts"), ("ok", MEMBER)]


def test_without_sts_what_needs_no_role_is_tried_all_the_same(environment):
    """Otherwise a network with an endpoint of CloudTrail alone cannot be diagnosed at all."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        environment.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with running() as sandbox:
            environment.setenv("AWS_ENDPOINT_URL", sandbox.url)
            found = look(sandbox, "credentials", endpoint_url="")
    assert only(found, "warning").remedy == "give STS an endpoint, or see what the other checks find without"


def test_regions_that_are_discovered_are_counted(environment):
    """Otherwise nobody knows what `all` means today."""
    with running() as sandbox:
        found = only(look(sandbox, "regions", regions=["all"]), "ok")
        assert int(found.detail.split()[0]) > 10
        assert only(look(sandbox, "regions", regions=[REGION, "eu-west-1"]), "ok").detail == f"{REGION}, eu-west-1"


def test_a_trail_that_records_every_write_is_named(environment):
    """Otherwise a good account is warned about."""
    with running() as sandbox:
        make_trail(sandbox)
        found = look(sandbox, "trails", regions=[REGION, "eu-west-1"])
    assert [(item.status, item.subject, item.detail) for item in found] == [
        ("ok", f"{ACCOUNT} {REGION}", "trail audit records every write"),
        ("ok", f"{ACCOUNT} eu-west-1", "trail audit records every write"),
    ]


def test_no_trail_is_a_warning_that_says_what_to_make(environment):
    """Otherwise the other roads stay empty and nobody is told why."""
    with running() as sandbox:
        found = only(look(sandbox, "trails"), "warning")
    assert found.detail == "no trail covers this account and region; only Event history has its changes"
    assert found.remedy == "create a trail of all regions that records management events (Write or All) and start it"


def test_a_stopped_trail_is_named_with_the_command_that_starts_it(environment):
    """Otherwise a trail that somebody stopped counts as one."""
    with running() as sandbox:
        make_trail(sandbox, start=False)
        found = only(look(sandbox, "trails"), "warning")
    assert (found.subject, found.detail) == (f"{ACCOUNT} {REGION}, trail audit", "it is stopped")
    assert found.remedy == f"start it: `aws cloudtrail start-logging --name audit --region {REGION}`"


@pytest.mark.parametrize(
    ("selectors", "detail"),
    [
        ({"EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]}, "it records only reads (ReadOnly)"),
        ({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": False}]}, "its event selectors exclude management events"),
        (
            {"AdvancedEventSelectors": [{"Name": "data", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]},
            "its event selectors exclude management events",
        ),
    ],
)
def test_a_trail_that_leaves_out_writes_is_named(environment, selectors, detail):
    """Otherwise a trail that never sees a change counts as one that does."""
    with running() as sandbox:
        make_trail(sandbox).put_event_selectors(TrailName="audit", **selectors)
        found = only(look(sandbox, "trails"), "warning")
    assert (found.subject, found.detail) == (f"{ACCOUNT} {REGION}, trail audit", detail)
    assert "aws cloudtrail put-event-selectors --trail-name audit" in found.remedy


def test_the_trail_of_an_organization_counts_in_each_account_and_is_mended_in_its_own(environment):
    """Otherwise every member is said to have no trail, or is told to start one that it may not touch."""
    with running() as sandbox:
        organizations = client(sandbox, "organizations")
        organizations.create_organization(FeatureSet="ALL")
        organizations.create_account(Email="one@example.com", AccountName="one")
        [member] = [account["Id"] for account in organizations.list_accounts()["Accounts"] if account["Id"] != ACCOUNT]
        roles = [{"role_arn": f"arn:aws:iam::{member}:role/aws-change-exporter"}]
        client(sandbox, "s3").create_bucket(Bucket="audit-logs")
        trails = client(sandbox, "cloudtrail")
        trails.create_trail(Name="audit", S3BucketName="audit-logs", IsMultiRegionTrail=True, IsOrganizationTrail=True)
        trails.start_logging(Name="audit")
        assert only(look(sandbox, "trails", accounts=roles), "ok").detail == "trail audit records every write"
        trails.stop_logging(Name="audit")
        found = only(look(sandbox, "trails", accounts=roles), "warning")
    assert found.subject == f"{member} {REGION}, trail audit"
    assert found.remedy == f"start it: `aws cloudtrail start-logging --name audit --region {REGION}` in account {ACCOUNT}"


def test_a_member_that_may_not_see_the_selectors_goes_by_what_it_is_told(environment):
    """Otherwise each member of an organization is warned of a trail that records everything."""
    role = "arn:aws:iam::{}:role/aws-change-exporter"
    refuse = {"Effect": "Deny", "Action": "cloudtrail:GetEventSelectors", "Resource": "*"}
    policy = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}, refuse]}
    with running(policies={role.format(MEMBER): policy}) as sandbox:
        make_role(sandbox)
        client(sandbox, "organizations").create_organization(FeatureSet="ALL")
        client(sandbox, "s3").create_bucket(Bucket="audit-logs")
        trails = client(sandbox, "cloudtrail")
        trails.create_trail(Name="audit", S3BucketName="audit-logs", IsMultiRegionTrail=True, IsOrganizationTrail=True)
        trails.start_logging(Name="audit")
        roles = [{"role_arn": role.format(MEMBER)}]
        assert only(look(sandbox, "trails", accounts=roles), "ok").detail == "trail audit records every write"
        trails.put_event_selectors(TrailName="audit", EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True}])
        found = only(look(sandbox, "trails", accounts=roles), "warning")
    assert "cloudtrail:GetEventSelectors" in found.detail


def test_a_trail_that_cannot_deliver_is_named_with_its_bucket(environment):
    """Otherwise a trail that logs into nothing counts as one."""
    with running(delay=timedelta(0)) as sandbox:
        make_trail(sandbox)
        client(sandbox, "ec2").create_security_group(GroupName="web", Description="web")
        s3 = client(sandbox, "s3")
        for item in s3.list_objects_v2(Bucket="audit-logs").get("Contents", []):
            s3.delete_object(Bucket="audit-logs", Key=item["Key"])
        s3.delete_bucket(Bucket="audit-logs")
        sandbox.deliver_files()
        found = only(look(sandbox, "trails"), "warning")
    assert found.detail == "its last delivery to the bucket audit-logs failed: NoSuchBucket"
    assert "bucket policy and its KMS key" in found.remedy


def test_a_name_in_a_command_is_quoted(environment):
    """Otherwise whoever names a recorder chooses what a person runs."""
    with running() as sandbox:
        make_recorder(sandbox, start=False, name="default; rm -rf ~")
        found = only(look(sandbox, "aws_config"), "warning")
    assert found.remedy.endswith("--configuration-recorder-name 'default; rm -rf ~'`")


def test_a_second_trail_that_records_nothing_is_no_matter(environment):
    """Otherwise every trail for data events is complained of."""
    with running() as sandbox:
        make_trail(sandbox)
        make_trail(sandbox, "data", start=False, bucket="data-logs")
        assert only(look(sandbox, "trails"), "ok").detail == "trail audit records every write"


@pytest.mark.parametrize("action", ["cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"])
def test_a_trail_that_may_not_be_looked_at_names_the_missing_action(environment, action):
    """Otherwise 'denied' passes for 'there is none'."""
    with running(faults=Faults(deny=frozenset({action}))) as sandbox:
        make_trail(sandbox)
        [found] = look(sandbox, "trails")
    assert found.status in ("failure", "warning")
    assert found.remedy == f"missing action {action} for the default credentials; add it: `aws-change-exporter iam-policy`"


def make_recorder(sandbox, start=True, group=None, name="default"):
    config = client(sandbox, "config")
    client(sandbox, "s3").create_bucket(Bucket="config-logs")
    config.put_configuration_recorder(
        ConfigurationRecorder={
            "name": name,
            "roleARN": f"arn:aws:iam::{ACCOUNT}:role/config",
            "recordingGroup": group or {"allSupported": True, "includeGlobalResourceTypes": False},
        }
    )
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "config-logs"})
    if start:
        config.start_configuration_recorder(ConfigurationRecorderName="default")


def test_the_recorder_of_aws_config_is_on_off_or_missing(environment):
    """Otherwise what stands open is read from a picture that nobody renews."""
    with running() as sandbox:
        missing = only(look(sandbox, "aws_config"), "warning")
        make_recorder(sandbox, start=False)
        off = only(look(sandbox, "aws_config"), "warning")
        client(sandbox, "config").start_configuration_recorder(ConfigurationRecorderName="default")
        on = only(look(sandbox, "aws_config"), "ok")
    assert missing.detail.startswith("AWS Config has no recorder here")
    assert off.detail.startswith("the recorder default of AWS Config is off")
    assert off.remedy == "start it: `aws configservice start-configuration-recorder --configuration-recorder-name default`"
    assert on.detail == "the recorder default of AWS Config is on"


@pytest.mark.parametrize(
    ("posture", "status", "consequence"),
    [
        ({}, "warning", "changes are read without it"),
        ({"enabled": True, "source": "ec2"}, "warning", "changes, and what stands open, are read without it"),
        ({"enabled": True}, "warning", "what stands open is read from EC2; without it nothing stands in where EC2 may not be read"),
        (
            {"enabled": True, "source": "aws_config"},
            "failure",
            "what stands open is read from it here (posture.source), and is not seen",
        ),
        (
            {"enabled": True, "overrides": [{"accounts": [ACCOUNT], "source": "aws_config"}]},
            "failure",
            "what stands open is read from it here (posture.source), and is not seen",
        ),
        (
            {"enabled": True, "aggregator": {"name": "all", "region": REGION}},
            "failure",
            "what stands open is read from its aggregator (posture.aggregator), which has nothing from here",
        ),
    ],
    ids=["nothing is read", "ec2", "auto", "aws_config", "an override", "an aggregator"],
)
def test_aws_config_is_missed_only_where_something_is_read_from_it(environment, posture, status, consequence):
    """Otherwise people set up what nobody needs, or doctor is content with an account that shows no rule."""
    with running() as sandbox:
        found = only(look(sandbox, "aws_config", posture=posture), status)
        assert found.detail == f"AWS Config has no recorder here; {consequence}"
        make_recorder(sandbox, start=False)
        assert only(look(sandbox, "aws_config", posture=posture), status).detail.endswith(f"is off; {consequence}")
        client(sandbox, "config").start_configuration_recorder(ConfigurationRecorderName="default")
        assert only(look(sandbox, "aws_config", posture=posture), "ok").detail == "the recorder default of AWS Config is on"


def test_a_recorder_that_leaves_out_security_groups_is_told(environment):
    """Otherwise AWS Config is on and has none of the rules."""
    with running() as sandbox:
        make_recorder(sandbox, group={"allSupported": False, "includeGlobalResourceTypes": False, "resourceTypes": ["AWS::S3::Bucket"]})
        found = only(look(sandbox, "aws_config"), "warning")
    assert "leaves out AWS::EC2::SecurityGroup" in found.detail


class Odd:
    """A way to AWS whose answers in one region are of no shape that anybody foresaw."""

    def __init__(self, aws):
        self._aws = aws

    def __getattr__(self, name):
        return getattr(self._aws, name)

    def caller(self, region, account=None):
        caller = self._aws.caller(region, account)
        if region == "eu-west-1":
            caller.call = lambda *_, **__: {"trailList": [None]}
        return caller


def test_an_answer_that_nobody_foresaw_hides_no_other_region(environment):
    """Otherwise one odd region ends the diagnosis of all."""
    with running() as sandbox:
        make_trail(sandbox)
        config = validate(
            {"sources": [{"type": "cloudtrail", "regions": ["eu-west-1", REGION]}], "aws": {"endpoint_url": sandbox.url}}, "x"
        )
        session = open_aws(config.aws, _Unheard())
        try:
            found = [item for item in examine(Examination(config, "x", Odd(session))) if item.check == "trails"]
        finally:
            session.close()
    assert [(item.status, item.subject) for item in found] == [("failure", f"{ACCOUNT} eu-west-1"), ("ok", f"{ACCOUNT} {REGION}")]
    assert found[0].detail.startswith("the check itself failed: AttributeError")
    assert found[0].remedy == "please report this"
