"""What AWS calls the resources of templates and modules, the same for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCOUNT, REGION, PARTITION = "111122223333", "us-east-1", "aws"
_HERE = f"{REGION}:{ACCOUNT}"


def identity(kind: str, arguments: Mapping[str, Any], attribute: str) -> str:
    """Return an attribute of a resource of Terraform: `arn`, `name` or `id`. Raises KeyError for one that is not known."""
    if kind == "aws_kms_key":
        return {"arn": f"arn:aws:kms:{_HERE}:key/1234abcd-12ab-34cd-56ef-1234567890ab"}[attribute]
    name = arguments["bucket"] if kind == "aws_s3_bucket" else arguments["name"]
    bus = arguments.get("event_bus_name")
    known = {
        "aws_sqs_queue": {"arn": f"arn:aws:sqs:{_HERE}:{name}", "id": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"},
        "aws_sns_topic": {"arn": f"arn:aws:sns:{_HERE}:{name}"},
        "aws_cloudwatch_event_rule": {"arn": f"arn:aws:events:{_HERE}:rule/{bus + '/' if bus else ''}{name}", "name": name},
        "aws_cloudwatch_event_bus": {"arn": f"arn:aws:events:{_HERE}:event-bus/{name}", "name": name},
        "aws_iam_role": {"arn": f"arn:aws:iam::{ACCOUNT}:role/{name}", "name": name},
        "aws_iam_policy": {"arn": f"arn:aws:iam::{ACCOUNT}:policy/{name}"},
        "aws_iam_instance_profile": {"name": name},
        "aws_s3_bucket": {"arn": f"arn:aws:s3:::{name}", "id": name},
    }
    return known[kind][attribute]
