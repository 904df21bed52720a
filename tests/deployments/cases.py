"""Templates with parameters of each kind that they branch on, and the same said to modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from tests.deployments.cloudformation import load
from tests.repository import ROOT
from tools.page_deployments import MODULES, TEMPLATES, snake

ORGANIZATION = "o-exampleorgid"
BUCKET = "example-trail"
TRAIL = "arn:aws:cloudtrail:us-east-1:444455556666:trail/audit"
HUB = "arn:aws:iam::111122223333:role/aws-change-exporter-hub"
_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
_CHOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "events": {"OrganizationId": ("", ORGANIZATION), "EncryptWithKmsKey": ("false", "true")},
    "events-forward": {"BusArn": ("arn:aws:events:us-east-1:111122223333:event-bus/aws-change-exporter",)},
    "member": {"HubPrincipalArn": (HUB,), "ExternalId": ("example-external-id",), "RoleName": ("aws-change-exporter", "reader")},
    "trail-files": {
        "TrailBucket": (BUCKET,),
        "NotifyBy": ("s3", "s3-sns", "cloudtrail-sns", "s3-eventbridge"),
        "TrailBucketAccount": ("", "444455556666"),
        "OrganizationId": ("", ORGANIZATION),
        "TrailArn": (TRAIL,),
        "CreateTrail": ("false", "true"),
        "EncryptWithKmsKey": ("false", "true"),
    },
    "exporter": {
        "WatchOwnAccount": ("true", "false"),
        "EventsQueueArn": ("arn:aws:sqs:us-east-1:111122223333:aws-change-exporter-events",),
        "TrailQueueArn": ("", "arn:aws:sqs:us-east-1:111122223333:aws-change-exporter-trail-files"),
        "TrailBucket": ("", BUCKET),
        "TrailPrefix": ("", "team/logs"),
        "KmsKeyArns": ("", f"{_KEY},{_KEY[:-1]}c"),
        "MemberRoleName": ("", "ops/aws-change-exporter"),
        "TrustedService": ("", "ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com"),
        "TrustedPrincipalArn": ("", HUB),
        "ExternalId": ("example-external-id",),
    },
}
NAMES = tuple(_CHOICES)


def cases(name: str) -> Iterator[dict[str, str]]:
    """Yield every combination of parameters of a template."""
    choices = _CHOICES[name]
    assert set(choices) == set(load(template_path(name))["Parameters"]), "a parameter has no case"
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def variables(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters of a template as the variables of its module."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if name.endswith("Arns"):
            found[snake(name)] = value.split(",") if value else []
        else:
            found[snake(name)] = value == "true" if value in ("true", "false") else value
    return found


def template_path(name: str) -> Any:
    """Return where a template lies."""
    return ROOT / TEMPLATES / f"{name}.yaml"


def module_path(name: str) -> Any:
    """Return where a module lies."""
    return ROOT / MODULES / name
