"""The resources of a template in Terraform's words, so that both can be held against each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.deployments.places import ACCOUNT, REGION

Made = tuple[str, dict[str, Any]]
_DOCUMENTS = {"policy", "assume_role_policy", "event_pattern", "redrive_policy", "redrive_allow_policy"}
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "AWS::SQS::Queue": {
        "QueueName": "name",
        "MessageRetentionPeriod": "message_retention_seconds",
        "SqsManagedSseEnabled": "sqs_managed_sse_enabled",
        "KmsMasterKeyId": "kms_master_key_id",
        "RedrivePolicy": "redrive_policy",
        "RedriveAllowPolicy": "redrive_allow_policy",
    },
    "AWS::KMS::Key": {"Description": "description", "EnableKeyRotation": "enable_key_rotation", "KeyPolicy": "policy"},
    "AWS::Events::EventBus": {"Name": "name"},
    "AWS::IAM::ManagedPolicy": {"ManagedPolicyName": "name", "Description": "description", "PolicyDocument": "policy"},
    "AWS::CloudTrail::Trail": {
        "TrailName": "name",
        "S3BucketName": "s3_bucket_name",
        "IsLogging": "enable_logging",
        "IsMultiRegionTrail": "is_multi_region_trail",
        "IncludeGlobalServiceEvents": "include_global_service_events",
        "EnableLogFileValidation": "enable_log_file_validation",
        "IsOrganizationTrail": "is_organization_trail",
        "SnsTopicName": "sns_topic_name",
    },
}
_NAMES = {
    "AWS::SQS::Queue": "aws_sqs_queue",
    "AWS::KMS::Key": "aws_kms_key",
    "AWS::Events::EventBus": "aws_cloudwatch_event_bus",
    "AWS::IAM::ManagedPolicy": "aws_iam_policy",
    "AWS::CloudTrail::Trail": "aws_cloudtrail",
}


def of_module(resources: list[Made]) -> list[str]:
    """Return the resources of a module, each as one text, in an order of its own."""
    return _written(resources)


def of_template(resources: Mapping[str, Made]) -> list[str]:
    """Return the resources that a module would need for what a template makes, each as one text, in the same order."""
    return _written([one for kind, properties in resources.values() for one in _translated(kind, dict(properties))])


def _written(resources: list[Made]) -> list[str]:
    return sorted(f"{kind} {json.dumps(_plain(arguments), sort_keys=True)}" for kind, arguments in resources)


def document(value: Any) -> Any:
    """Return a policy in one form, whichever way it writes a list of one or the order of statements."""
    if isinstance(value, dict):
        return {key: document(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [document(item) for item in value]
        return items[0] if len(items) == 1 else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: document(json.loads(value) if isinstance(value, str) else value) if name in _DOCUMENTS else value
        for name, value in arguments.items()
    }


def _translated(kind: str, properties: dict[str, Any]) -> Iterator[Made]:
    if kind in _SETTINGS:
        # A property that no row has is an error, and so is one that Terraform would not get.
        yield _NAMES[kind], {_SETTINGS[kind][name]: value for name, value in properties.items()}
        return
    yield from _TRANSLATORS[kind](properties)
    assert not properties, f"{kind}: {properties} is not compared"


def _queue_policy(taken: dict[str, Any]) -> Iterator[Made]:
    (queue,) = taken.pop("Queues")
    yield "aws_sqs_queue_policy", {"queue_url": queue, "policy": taken.pop("PolicyDocument")}


def _topic(taken: dict[str, Any]) -> Iterator[Made]:
    name = taken.pop("TopicName")
    key = {"kms_master_key_id": taken.pop("KmsMasterKeyId")} if "KmsMasterKeyId" in taken else {}
    yield "aws_sns_topic", {"name": name, **key}
    for one in taken.pop("Subscription"):
        yield (
            "aws_sns_topic_subscription",
            {"topic_arn": f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}", "protocol": one["Protocol"], "endpoint": one["Endpoint"]},
        )


def _topic_policy(taken: dict[str, Any]) -> Iterator[Made]:
    (topic,) = taken.pop("Topics")
    yield "aws_sns_topic_policy", {"arn": topic, "policy": taken.pop("PolicyDocument")}


def _rule(taken: dict[str, Any]) -> Iterator[Made]:
    bus = {"event_bus_name": taken.pop("EventBusName")} if "EventBusName" in taken else {}
    name = taken.pop("Name")
    rule = {"name": name, "description": taken.pop("Description"), "state": taken.pop("State"), "event_pattern": taken.pop("EventPattern")}
    yield "aws_cloudwatch_event_rule", {**rule, **bus}
    for target in taken.pop("Targets"):
        made = {"rule": name, "target_id": target.pop("Id"), "arn": target.pop("Arn"), **bus}
        if "RoleArn" in target:
            made["role_arn"] = target.pop("RoleArn")
        if "DeadLetterConfig" in target:
            made["dead_letter_config"] = [{"arn": target.pop("DeadLetterConfig")["Arn"]}]
        assert not target, target
        yield "aws_cloudwatch_event_target", made


def _bus_policy(taken: dict[str, Any]) -> Iterator[Made]:
    statement = taken.pop("Statement")
    assert taken.pop("StatementId") == statement["Sid"]
    yield (
        "aws_cloudwatch_event_bus_policy",
        {"event_bus_name": taken.pop("EventBusName"), "policy": {"Version": "2012-10-17", "Statement": [statement]}},
    )


def _role(taken: dict[str, Any]) -> Iterator[Made]:
    name = taken.pop("RoleName")
    trust = taken.pop("AssumeRolePolicyDocument")
    yield "aws_iam_role", {"name": name, "description": taken.pop("Description"), "assume_role_policy": trust}
    for policy in taken.pop("Policies", []):
        yield "aws_iam_role_policy", {"name": policy["PolicyName"], "role": name, "policy": policy["PolicyDocument"]}
    for arn in taken.pop("ManagedPolicyArns", []):
        yield "aws_iam_role_policy_attachment", {"role": name, "policy_arn": arn}


def _profile(taken: dict[str, Any]) -> Iterator[Made]:
    (role,) = taken.pop("Roles")
    yield "aws_iam_instance_profile", {"name": taken.pop("InstanceProfileName"), "role": role}


def _bucket(taken: dict[str, Any]) -> Iterator[Made]:
    name = taken.pop("BucketName")
    yield "aws_s3_bucket", {"bucket": name, "force_destroy": False}
    (encryption,) = taken.pop("BucketEncryption")["ServerSideEncryptionConfiguration"]
    default = {"sse_algorithm": encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"]}
    rule = [{"apply_server_side_encryption_by_default": [default]}]
    yield "aws_s3_bucket_server_side_encryption_configuration", {"bucket": name, "rule": rule}
    (ownership,) = taken.pop("OwnershipControls")["Rules"]
    yield "aws_s3_bucket_ownership_controls", {"bucket": name, "rule": [{"object_ownership": ownership["ObjectOwnership"]}]}
    blocks = taken.pop("PublicAccessBlockConfiguration")
    names = {
        "BlockPublicAcls": "block_public_acls",
        "BlockPublicPolicy": "block_public_policy",
        "IgnorePublicAcls": "ignore_public_acls",
        "RestrictPublicBuckets": "restrict_public_buckets",
    }
    yield "aws_s3_bucket_public_access_block", {"bucket": name, **{names[key]: value for key, value in blocks.items()}}
    versioning = {"status": taken.pop("VersioningConfiguration")["Status"]}
    yield "aws_s3_bucket_versioning", {"bucket": name, "versioning_configuration": [versioning]}
    yield "aws_s3_bucket_notification", {"bucket": name, **_notification(taken.pop("NotificationConfiguration"))}


def _notification(taken: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"eventbridge": taken.pop("EventBridgeConfiguration", {}).get("EventBridgeEnabled", False)}
    for kind in ("Queue", "Topic"):
        for one in taken.pop(f"{kind}Configurations", []):
            (rule,) = one["Filter"]["S3Key"]["Rules"]
            made = {f"{kind.lower()}_arn": one[kind], "events": [one["Event"]], f"filter_{rule['Name']}": rule["Value"]}
            found.setdefault(kind.lower(), []).append(made)
    assert not taken, taken
    return found


def _bucket_policy(taken: dict[str, Any]) -> Iterator[Made]:
    yield "aws_s3_bucket_policy", {"bucket": taken.pop("Bucket"), "policy": taken.pop("PolicyDocument")}


def _nothing(_taken: dict[str, Any]) -> Iterator[Made]:
    """Only orders what a template makes; a module says depends_on."""
    yield from ()


_TRANSLATORS = {
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::Events::Rule": _rule,
    "AWS::Events::EventBusPolicy": _bus_policy,
    "AWS::IAM::Role": _role,
    "AWS::IAM::InstanceProfile": _profile,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::CloudFormation::WaitConditionHandle": _nothing,
}
