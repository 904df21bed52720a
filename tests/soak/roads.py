"""Every road that leads from CloudTrail to the exporter, made in a sandbox by plain boto3, as a platform team would make them at AWS."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

HUB = "111122223333"
HUB_REGION = "us-east-1"
BUCKET = "example-org-trail"
ROLE = "aws-change-exporter"
_DETAIL_TYPES = ["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"]


@dataclass(frozen=True, slots=True)
class Roads:
    """The queues, by the wrapping of their messages, and the bucket."""

    bucket: str
    s3_direct: str
    s3_by_sns: str
    cloudtrail_by_sns: str
    s3_by_eventbridge: str
    events: str


class Builder:
    """Makes the roads with calls of the hub account, and of members by their role."""

    def __init__(self, url: str) -> None:
        self._url = url

    def client(self, service: str, account_id: str = HUB, region: str = HUB_REGION) -> Any:
        """Return a client that acts in an account and region."""
        keys = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "example"}
        if account_id != HUB:
            arn = f"arn:aws:iam::{account_id}:role/Deploy"
            given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="platform")["Credentials"]
            keys = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }
        config = Config(retries={"total_max_attempts": 20, "mode": "standard"}, read_timeout=10)
        return boto3.client(service, endpoint_url=self._url, region_name=region, config=config, **keys)

    def build(self, units: Iterable[tuple[str, str]]) -> Roads:
        """Make an organization's trail with every kind of notification, and an event bus that all accounts and regions feed."""
        self.client("organizations").create_organization(FeatureSet="ALL")
        sns, s3, events = self.client("sns"), self.client("s3"), self.client("events")
        s3.create_bucket(Bucket=BUCKET)
        queues = {name: self._queue(name) for name in ("s3-direct", "s3-by-sns", "cloudtrail-by-sns", "s3-by-eventbridge", "events")}
        topics = {name: sns.create_topic(Name=name)["TopicArn"] for name in ("s3-files", "cloudtrail-files")}
        for topic, queue in (("s3-files", "s3-by-sns"), ("cloudtrail-files", "cloudtrail-by-sns")):
            sns.subscribe(TopicArn=topics[topic], Protocol="sqs", Endpoint=queues[queue][1])
        s3.put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": queues["s3-direct"][1], "Events": ["s3:ObjectCreated:*"]}],
                "TopicConfigurations": [{"TopicArn": topics["s3-files"], "Events": ["s3:ObjectCreated:*"]}],
                "EventBridgeConfiguration": {},
            },
        )
        self._rule(events, "files", {"source": ["aws.s3"], "detail-type": ["Object Created"]}, queues["s3-by-eventbridge"][1])
        changes = {"source": ["aws.ec2"], "detail-type": _DETAIL_TYPES}
        self._rule(events, "changes", changes, queues["events"][1])
        bus = f"arn:aws:events:{HUB_REGION}:{HUB}:event-bus/default"
        for account_id, region in units:
            if (account_id, region) != (HUB, HUB_REGION):
                self._rule(self.client("events", account_id, region), "changes", changes, bus)
        trail = self.client("cloudtrail")
        trail.create_trail(
            Name="organization",
            S3BucketName=BUCKET,
            SnsTopicName="cloudtrail-files",
            IsMultiRegionTrail=True,
            IsOrganizationTrail=True,
            IncludeGlobalServiceEvents=True,
            EnableLogFileValidation=True,
        )
        trail.start_logging(Name="organization")
        return Roads(BUCKET, *(queues[name][0] for name in ("s3-direct", "s3-by-sns", "cloudtrail-by-sns", "s3-by-eventbridge", "events")))

    def build_one(self) -> str:
        """Make an organization's trail whose bucket tells one queue of new files; return the address of the queue."""
        self.client("organizations").create_organization(FeatureSet="ALL")
        s3, trail = self.client("s3"), self.client("cloudtrail")
        s3.create_bucket(Bucket=BUCKET)
        url, arn = self._queue("trail-files")
        told = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=told)
        trail.create_trail(Name="organization", S3BucketName=BUCKET, IsMultiRegionTrail=True, IsOrganizationTrail=True)
        trail.start_logging(Name="organization")
        return url

    def _queue(self, name: str) -> tuple[str, str]:
        sqs = self.client("sqs")
        # Short, so that a message whose reader was killed comes again while the test still runs.
        url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "10"})["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def _rule(self, events: Any, name: str, pattern: dict[str, Any], target: str) -> None:
        events.put_rule(Name=name, EventPattern=json.dumps(pattern), State="ENABLED")
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target}])
