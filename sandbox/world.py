"""What stands before the activity begins: accounts with a role for a reader, a trail, a queue for each fast road, and AWS Config."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from exporter.demo.callers import TERRAFORM
from sandbox.hands import Hands

HOME_REGION = "us-east-1"
BUCKET = "example-trail"
TRAIL = "organization-trail"
READER = "aws-change-exporter"
EXTERNAL_ID = "sandbox"
FILES_QUEUE = "trail-files"
EVENTS_QUEUE = "changes"
CONFIG_BUCKET = "example-config"
AGGREGATOR = "organization"
_RULE = "changes"
_PATTERN = {
    "source": ["aws.ec2", "aws.cloudtrail"],
    "detail-type": ["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"],
}


@dataclass(frozen=True, slots=True)
class World:
    """The accounts and regions in which things happen; the first account holds bucket, trail and queues."""

    accounts: tuple[str, ...]
    regions: tuple[str, ...]

    @property
    def units(self) -> tuple[tuple[str, str], ...]:
        """Every account and region."""
        return tuple((account_id, region) for account_id in self.accounts for region in self.regions)

    def described(self, url: str) -> dict[str, Any]:
        """Return what a reader needs to know, plain: accounts with the role that leads there, regions, bucket and queues."""
        hub = self.accounts[0]
        return {
            "account_id": hub,
            "members": [
                {"account_id": member, "role_arn": f"arn:aws:iam::{member}:role/{READER}", "external_id": EXTERNAL_ID}
                for member in self.accounts[1:]
            ],
            "regions": list(self.regions),
            "bucket": BUCKET,
            "files_queue": f"{url}/{hub}/{FILES_QUEUE}",
            "events_queue": f"{url}/{hub}/{EVENTS_QUEUE}",
            "trail": TRAIL,
            "aggregator": AGGREGATOR,
            "aggregator_region": HOME_REGION,
        }


def build(hands: Hands, world: World) -> None:
    """Make bucket, trail, queues, rules and roles, as Terraform of the first account would."""
    hub = world.accounts[0]
    hands.lend(TERRAFORM, hub, "s3", HOME_REGION).create_bucket(Bucket=BUCKET)
    files = _queue(hands, hub, FILES_QUEUE, "s3.amazonaws.com", f"arn:aws:s3:::{BUCKET}")
    rule = f"arn:aws:events:{HOME_REGION}:{hub}:rule/{_RULE}"
    events = _queue(hands, hub, EVENTS_QUEUE, "events.amazonaws.com", rule)
    notify = {"QueueConfigurations": [{"QueueArn": files, "Events": ["s3:ObjectCreated:*"]}]}
    s3 = hands.lend(TERRAFORM, hub, "s3", HOME_REGION)
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=notify)
    bus = f"arn:aws:events:{HOME_REGION}:{hub}:event-bus/default"
    for account_id, region in world.units:
        target = events if (account_id, region) == (hub, HOME_REGION) else bus
        client = hands.lend(TERRAFORM, account_id, "events", region)
        client.put_rule(Name=_RULE, EventPattern=json.dumps(_PATTERN))
        client.put_targets(Rule=_RULE, Targets=[{"Id": "changes", "Arn": target}])
    for account_id in world.accounts:
        iam = hands.lend(TERRAFORM, account_id, "iam", HOME_REGION)
        iam.create_role(RoleName=READER, AssumeRolePolicyDocument=json.dumps(_trust(hub)))
    trail = hands.lend(TERRAFORM, hub, "cloudtrail", HOME_REGION)
    flags = {"IsMultiRegionTrail": True, "IsOrganizationTrail": True, "EnableLogFileValidation": True}
    trail.create_trail(Name=TRAIL, S3BucketName=BUCKET, IncludeGlobalServiceEvents=True, **flags)
    trail.start_logging(Name=TRAIL)
    _record(hands, world)


def _record(hands: Hands, world: World) -> None:
    """Have AWS Config record in every account and region, and the first account collect it."""
    hub = world.accounts[0]
    hands.lend(TERRAFORM, hub, "s3", HOME_REGION).create_bucket(Bucket=CONFIG_BUCKET)
    for account_id, region in world.units:
        config = hands.lend(TERRAFORM, account_id, "config", region)
        role = f"arn:aws:iam::{account_id}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
        group = {"allSupported": True, "includeGlobalResourceTypes": region == HOME_REGION}
        mode = {"recordingFrequency": "CONTINUOUS"}
        recorder = {"name": "default", "roleARN": role, "recordingGroup": group, "recordingMode": mode}
        config.put_configuration_recorder(ConfigurationRecorder=recorder)
        config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": CONFIG_BUCKET})
        config.start_configuration_recorder(ConfigurationRecorderName="default")
    source = {"RoleArn": f"arn:aws:iam::{hub}:role/aggregator", "AllAwsRegions": True}
    config = hands.lend(TERRAFORM, hub, "config", HOME_REGION)
    config.put_configuration_aggregator(ConfigurationAggregatorName=AGGREGATOR, OrganizationAggregationSource=source)


def _trust(hub: str) -> dict[str, Any]:
    condition = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{hub}:root"}, "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _queue(hands: Hands, account_id: str, name: str, service: str, source_arn: str) -> str:
    """Make a queue that takes messages of a service, and another for those that nobody can read; return the ARN of the first."""
    sqs = hands.lend(TERRAFORM, account_id, "sqs", HOME_REGION)
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    arn = dead_arn.removesuffix("-dead")
    condition = {"ArnEquals": {"aws:SourceArn": source_arn}}
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": arn, "Condition": condition}
    attributes = {
        "Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "5"}),
    }
    sqs.create_queue(QueueName=name, Attributes=attributes)
    return str(arn)
