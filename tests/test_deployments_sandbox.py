"""The templates deployed to a stand-in of CloudFormation: changes come by their queues, read with the policies that they made.

moto makes queues, topics, rules, buses, buckets, roles and policies of a template and passes over resource policies, trails and the
notifications of a bucket. `deploy` makes these by API from what the template is worth, but for the policy of the bucket, whose
conditions moto would not look at. Resource policies are not enforced here: `doctor` judges those of queues, and
tests/test_deployments.py all of them.
"""

from __future__ import annotations

import ast
import json
import time
from datetime import timedelta

import pytest

from exporter.aws.operations import OPERATIONS
from sandbox.policies import Policies
from tests.deployments.cases import BUCKET, ORGANIZATION, template_path
from tests.deployments.cloudformation import Template
from tests.sandbox_client import ACCOUNT, REGION
from tests.test_iam_enforced import FREE, HUB, MEMBER, Enforced, check, environment, make_trail

__all__ = ["environment"]

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning")  # what moto passes over, as said above

ELSEWHERE = "eu-west-1"
QUEUES = {"events": "aws-change-exporter-events", "trail-files": "aws-change-exporter-trail-files"}
NOT_HERE = {
    "cloudtrail:LookupEvents",  # of the source cloudtrail
    "ec2:DescribeRegions",  # where regions are discovered
    "sqs:ChangeMessageVisibility",  # only where storing takes long
    "cloudtrail:ListPublicKeys",  # only where there are digests
    "elasticloadbalancing:DescribeTargetHealth",  # only for target groups
    "ec2:GetManagedPrefixListEntries",  # only for prefix lists of one's own
}


@pytest.fixture(autouse=True)
def no_values(monkeypatch):
    """Take AWS::NoValue out of lists, as CloudFormation does; moto leaves a null."""
    from moto.cloudformation import parsing

    clean = parsing.clean_json

    def cleaned(value, resources):
        if isinstance(value, list):
            return [item for item in (cleaned(item, resources) for item in value) if item is not None]
        return clean(value, resources)

    monkeypatch.setattr(parsing, "clean_json", cleaned)


def deploy(enforced, name, parameters, account=ACCOUNT, region=REGION):
    """Deploy a template, and return its outputs; what moto passes over is made by API."""
    path = template_path(name)
    stacks = enforced.admin("cloudformation", account, region)
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    text = path.read_text(encoding="utf-8")
    stacks.create_stack(StackName=f"aws-change-exporter-{name}", TemplateBody=text, Parameters=given, Capabilities=["CAPABILITY_NAMED_IAM"])
    (stack,) = stacks.describe_stacks(StackName=f"aws-change-exporter-{name}")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    if (account, region) == (ACCOUNT, REGION):
        for kind, properties in Template(path, parameters).resources().values():
            _complete(enforced, kind, properties)
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def _complete(enforced, kind, properties):
    if kind == "AWS::SQS::QueuePolicy":
        url = f"{enforced.sandbox.url}/{ACCOUNT}/{properties['Queues'][0].rsplit('/', 1)[1]}"
        enforced.admin("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(properties["PolicyDocument"])})
    elif kind == "AWS::S3::Bucket":
        wanted = properties["NotificationConfiguration"]
        told = {}
        for what in ("Queue", "Topic"):
            for one in wanted.get(f"{what}Configurations", ()):
                filtered = {"Key": {"FilterRules": one["Filter"]["S3Key"]["Rules"]}}
                told[f"{what}Configurations"] = [{f"{what}Arn": one[what], "Events": [one["Event"]], "Filter": filtered}]
        if "EventBridgeConfiguration" in wanted:
            told["EventBridgeConfiguration"] = {}
        enforced.admin("s3").put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=told)
    elif kind == "AWS::CloudTrail::Trail":
        settings = {name: value for name, value in properties.items() if name not in ("IsLogging", "TrailName")}
        if "SnsTopicName" in settings:
            settings["SnsTopicName"] = settings["SnsTopicName"].rsplit(":", 1)[1]
        trails = enforced.admin("cloudtrail")
        trails.create_trail(Name=properties["TrailName"], **settings)
        trails.start_logging(Name=properties["TrailName"])


def hold(enforced, policy_arn, others=None):
    """Hold the exporter to the policy that a stack made, and others to theirs."""
    iam = enforced.admin("iam")
    version = iam.get_policy(PolicyArn=policy_arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=policy_arn, VersionId=version)["PolicyVersion"]["Document"]
    enforced.policies = {HUB: document, **(others or {})}
    enforced.sandbox.application._gate._policies = Policies(enforced.policies)


def polled(enforced, tmp_path, names):
    """Poll once with the stack's policy and return whom each change was of; nothing is denied, and nothing granted that is not asked for."""
    done = enforced.run(tmp_path, "poll")
    assert done.exit_code == 0, done.output
    examined = enforced.run(tmp_path, "doctor", "--format", "json")
    findings = json.loads(examined.stdout)["findings"]
    assert [finding for finding in findings if finding["status"] in ("failure", "warning") and "queue" in finding["subject"]] == []
    called = {arn: actions - FREE for arn, actions in enforced.called().items()}
    granted = enforced.granted()
    for arn, actions in granted.items():
        assert called[arn] <= actions
        assert actions - called[arn] <= NOT_HERE, f"granted, but not asked for as {arn}"
        assert actions <= {operation.action for operation in OPERATIONS}
    shown = enforced.run(tmp_path, "history", "--format", "ndjson", "--limit", "50")
    assert shown.exit_code == 0, shown.output
    events = [json.loads(line) for line in shown.stdout.splitlines()]
    return sorted((event["account_id"], event["region"]) for event in events if event["event_name"] in names), findings


def source(kind, url, **settings):
    """Return a source on the queue of a stack."""
    return {"type": kind, "queue_url": f"{url}/{ACCOUNT}/{QUEUES['events' if kind == 'eventbridge' else 'trail-files']}", "region": REGION,
            "wait_time": "1s", "live_since": "beginning", **settings}  # fmt: skip


def start_trail(enforced, account=ACCOUNT):
    """Make a trail of an account that logs, without which EventBridge hears nothing."""
    bucket = f"logs-{account}"
    enforced.admin("s3", account).create_bucket(Bucket=bucket)
    trails = enforced.admin("cloudtrail", account)
    trails.create_trail(Name="audit", S3BucketName=bucket, IsMultiRegionTrail=True)
    trails.start_logging(Name="audit")


def test_changes_of_all_regions_and_accounts_come_by_one_queue(environment, tmp_path):
    """Otherwise the rules forward nothing, or the exporter may not read the queue that the template made for it."""
    config = lambda url: {"sources": [source("eventbridge", url)], "aws": {"regions": [REGION]}}  # noqa: E731
    with Enforced(config, bus_delay=timedelta(0)) as enforced:
        start_trail(enforced)
        start_trail(enforced, MEMBER)
        made = deploy(enforced, "events", {"OrganizationId": ORGANIZATION, "EncryptWithKmsKey": "true"})
        deploy(enforced, "events-forward", {"BusArn": made["BusArn"]}, region=ELSEWHERE)
        for region in (REGION, ELSEWHERE):
            deploy(enforced, "events-forward", {"BusArn": made["BusArn"]}, account=MEMBER, region=region)
        granted = deploy(enforced, "exporter", {"EventsQueueArn": made["QueueArn"]})
        places = [(account, region) for account in (ACCOUNT, MEMBER) for region in (ELSEWHERE, REGION)]
        for account, region in places:
            ec2 = enforced.admin("ec2", account, region)
            group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
            ec2.create_tags(Resources=[group], Tags=[{"Key": "team", "Value": "web"}])
        enforced.sandbox.deliver_events()
        hold(enforced, granted["PolicyArn"])
        waiting = enforced.admin("sqs").get_queue_attributes(
            QueueUrl=f"{enforced.sandbox.url}/{ACCOUNT}/{QUEUES['events']}", AttributeNames=["All"]
        )["Attributes"]
        assert waiting["ApproximateNumberOfMessages"] == "4", "a tag is not watched"
        found, findings = polled(enforced, tmp_path, {"CreateSecurityGroup"})
    assert found == places
    assert any(finding["detail"] == "lets events.amazonaws.com send" for finding in findings)


@pytest.mark.parametrize("road", ["s3", "s3-sns", "cloudtrail-sns", "s3-eventbridge"])
def test_files_of_a_new_trail_are_told_of(road, environment, tmp_path):
    """Otherwise one of the four roads ends before the queue, or the exporter may not read what it is told of."""
    config = lambda url: {"sources": [source("s3", url, bucket=BUCKET)], "aws": {"regions": [REGION]}}  # noqa: E731
    with Enforced(config, delay=timedelta(0)) as enforced:
        made = deploy(enforced, "trail-files", {"TrailBucket": BUCKET, "NotifyBy": road, "CreateTrail": "true"})
        parameters = {"TrailQueueArn": made["QueueArn"], "TrailBucket": BUCKET}
        granted = deploy(enforced, "exporter", parameters)
        enforced.admin("ec2").create_security_group(GroupName="web", Description="web")
        time.sleep(1.1)
        enforced.sandbox.deliver_files()
        waiting = enforced.admin("sqs").get_queue_attributes(
            QueueUrl=f"{enforced.sandbox.url}/{ACCOUNT}/{QUEUES['trail-files']}", AttributeNames=["All"]
        )["Attributes"]
        assert int(waiting["ApproximateNumberOfMessages"]) >= 1
        hold(enforced, granted["PolicyArn"])
        found, findings = polled(enforced, tmp_path, {"CreateSecurityGroup"})
    assert found == [(ACCOUNT, REGION)]
    sender = {"s3": "s3", "s3-eventbridge": "events"}.get(road, "sns")
    assert any(finding["detail"] == f"lets {sender}.amazonaws.com send" for finding in findings)


def test_members_are_read_by_the_role_of_a_stackset(environment, tmp_path):
    """Otherwise the role of each account refuses the exporter, or lets in whoever does not know its external id."""
    organization = {"role_name": "aws-change-exporter", "external_id": "example-external-id"}
    config = {"sources": [{"type": "cloudtrail", "backfill": "1d", "regions": [REGION]}], "aws": {"organization": organization}}
    with Enforced(config) as enforced:
        organizations = enforced.admin("organizations")
        organizations.create_organization(FeatureSet="ALL")
        account = organizations.create_account(Email="one@example.com", AccountName="one")["CreateAccountStatus"]["AccountId"]
        for each in (ACCOUNT, account):
            make_trail(enforced, each, f"logs-{each}")
        granted = deploy(enforced, "exporter", {"MemberRoleName": "aws-change-exporter"})
        parameters = {"HubPrincipalArn": HUB, "ExternalId": "example-external-id"}
        role = deploy(enforced, "member", parameters, account)["RoleArn"]
        assert role == f"arn:aws:iam::{account}:role/aws-change-exporter"
        document = enforced.admin("iam", account).get_role_policy(RoleName="aws-change-exporter", PolicyName="aws-change-exporter")
        # moto keeps the policy of a template's role as Python writes it.
        hold(enforced, granted["PolicyArn"], {role: ast.literal_eval(document["PolicyDocument"])})
        enforced.enforce = lambda *_: None
        # The region is given, so none is discovered; the role of a StackSet serves other configurations too.
        check(enforced, tmp_path, idle={"ec2:DescribeRegions"})
        enforced.config = lambda _url: {**config, "aws": {"organization": {**organization, "external_id": "another-external-id"}}}
        refused = enforced.run(tmp_path, "poll")
    assert refused.exit_code == 1
    assert "sts:AssumeRole" in refused.output
