"""A template of CloudFormation worked out: every resource that it makes, with its properties, and its outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deployments.places import ACCOUNT, PARTITION, REGION, identity

NO_VALUE = object()
_PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": PARTITION, "AWS::NoValue": NO_VALUE}
_KINDS = {
    "AWS::SQS::Queue": ("aws_sqs_queue", "QueueName", "id"),
    "AWS::SNS::Topic": ("aws_sns_topic", "TopicName", "arn"),
    "AWS::Events::Rule": ("aws_cloudwatch_event_rule", "Name", "name"),
    "AWS::Events::EventBus": ("aws_cloudwatch_event_bus", "Name", "name"),
    "AWS::IAM::Role": ("aws_iam_role", "RoleName", "name"),
    "AWS::IAM::ManagedPolicy": ("aws_iam_policy", "ManagedPolicyName", "arn"),
    "AWS::IAM::InstanceProfile": ("aws_iam_instance_profile", "InstanceProfileName", "name"),
    "AWS::S3::Bucket": ("aws_s3_bucket", "BucketName", "id"),
    "AWS::KMS::Key": ("aws_kms_key", "Description", "arn"),
}
"""By type: that of Terraform, the property that names it, and what Ref is."""


class _Loader(yaml.SafeLoader):
    """Reads the short forms of functions as their long ones."""


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def load(path: Path) -> dict[str, Any]:
    """Return a template as it is written, its functions in their long form."""
    document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    return document


class Template:
    """A template, and what it makes with these parameters."""

    def __init__(self, path: Path, parameters: Mapping[str, Any]) -> None:
        self.document = load(path)
        declared = self.document.get("Parameters", {})
        if unknown := set(parameters) - set(declared):
            raise KeyError(unknown)
        self._parameters = {name: _given(about, parameters.get(name, about.get("Default"))) for name, about in declared.items()}
        self._resources = self.document["Resources"]

    def resources(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return each resource that is made by its logical id: its type and properties."""
        return {name: (one["Type"], self.value(one.get("Properties", {}))) for name, one in self._resources.items() if self._is_made(one)}

    def outputs(self) -> dict[str, Any]:
        """Return the outputs whose condition holds."""
        return {name: self.value(one["Value"]) for name, one in self.document.get("Outputs", {}).items() if self._is_made(one)}

    def refusals(self) -> list[str]:
        """Return what the assertions that do not hold say."""
        return [
            check["AssertDescription"]
            for rule in self.document.get("Rules", {}).values()
            if self.holds(rule["RuleCondition"])
            for check in rule["Assertions"]
            if not self.holds(check["Assert"])
        ]

    def holds(self, condition: Any) -> bool:
        """Tell whether a condition holds, given by its name or written out."""
        if isinstance(condition, str):
            return self.holds(self.document["Conditions"][condition])
        ((function, inner),) = condition.items()
        if function == "Condition":
            return self.holds(inner)
        if function == "Fn::Equals":
            return bool(self.value(inner[0]) == self.value(inner[1]))
        if function == "Fn::Not":
            return not self.holds(inner[0])
        return {"Fn::And": all, "Fn::Or": any}[function](self.holds(one) for one in inner)

    def _is_made(self, one: Mapping[str, Any]) -> bool:
        return "Condition" not in one or self.holds(one["Condition"])

    def value(self, value: Any) -> Any:
        """Return a value with its functions worked out."""
        if isinstance(value, list):
            found = [self.value(item) for item in value]
            return [item for item in found if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, inner),) = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._function(name, inner)
        found_ = {key: self.value(item) for key, item in value.items()}
        return {key: item for key, item in found_.items() if item is not NO_VALUE}

    def _function(self, name: str, inner: Any) -> Any:
        if name == "Ref":
            return self._ref(inner)
        if name == "Fn::If":
            return self.value(inner[1] if self.holds(inner[0]) else inner[2])
        if name == "Fn::Join":
            return inner[0].join(self.value(inner[1]))
        if name == "Fn::GetAtt":
            logical, _, attribute = inner.partition(".")
            return self._of(logical, attribute.lower())
        assert name == "Fn::Sub", name
        return re.sub(r"\$\{([\w:.]+)\}", lambda match: self._named(match[1]), inner)

    def _named(self, name: str) -> str:
        logical, _, attribute = name.partition(".")
        return self._of(logical, attribute.lower()) if attribute else str(self._ref(name))

    def _ref(self, name: str) -> Any:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._parameters:
            return self._parameters[name]
        return self._of(name, "")

    def _of(self, logical: str, attribute: str) -> str:
        one = self._resources[logical]
        assert self._is_made(one), f"{logical} is not made, but something refers to it"
        kind, named, ref = _KINDS[one["Type"]]
        properties = one["Properties"]
        arguments = {"bucket" if kind == "aws_s3_bucket" else "name": self.value(properties[named])}
        if "EventBusName" in properties:
            arguments["event_bus_name"] = self.value(properties["EventBusName"])
        return identity(kind, arguments, attribute or ref)


def _given(about: Mapping[str, Any], value: Any) -> Any:
    """Return a parameter as CloudFormation takes it; raise ValueError where it would not."""
    if value is None:
        raise ValueError(f"no value, and no default: {about}")
    if about["Type"] == "CommaDelimitedList":
        return value.split(",") if value else [""]
    pattern = about.get("AllowedPattern")
    if (pattern and not re.fullmatch(pattern, value)) or value not in about.get("AllowedValues", [value]):
        raise ValueError(f"{value!r} is refused")
    if len(value) < int(about.get("MinLength", 0)):
        raise ValueError(f"{value!r} is too short")
    return value
