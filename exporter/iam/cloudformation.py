"""A CloudFormation template of one principal: a role with its policy and trust, fit for a StackSet, or the hub's managed policy."""

from __future__ import annotations

import re
from typing import Any

import yaml

from exporter.errors import ConfigError
from exporter.iam.documents import trust_statement, trusted
from exporter.iam.grants import HUB
from exporter.iam.principals import Principal

_HUB = "HubPrincipalArn"
_POLICY_NAME = "aws-change-exporter"
_HOUR = 3600


def render(chosen: tuple[Principal, ...], hub: str) -> str:
    """Return a template in YAML; raise ConfigError where several principals are asked for, which live in different accounts."""
    if len(chosen) != 1:
        names = ", ".join(principal.name for principal in chosen)
        raise ConfigError(f"--format cloudformation: one template is for one principal; choose with --for: {names}")
    principal = chosen[0]
    template = _role(principal, hub) if principal.roles else _managed_policy(principal)
    return str(yaml.safe_dump(_without_references(template), sort_keys=False, width=120, allow_unicode=False))


def _managed_policy(principal: Principal) -> dict[str, Any]:
    resource = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"Description": _about(principal), "PolicyDocument": principal.policy()}}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _about(principal),
        "Resources": {"Policy": resource},
        "Outputs": {"PolicyArn": {"Description": "Attach it to what the exporter runs as.", "Value": {"Ref": "Policy"}}},
    }


def _role(principal: Principal, hub: str) -> dict[str, Any]:
    path, name = principal.role()
    statements = [
        trust_statement(_callers(callers), external_id, number) for number, (callers, external_id) in enumerate(trusted(principal), 1)
    ]
    properties: dict[str, Any] = {
        "RoleName": name,
        "Path": path,
        "Description": _about(principal),
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        "Policies": [{"PolicyName": _POLICY_NAME, "PolicyDocument": principal.policy()}] if principal.statements else [],
    }
    if principal.session_seconds > _HOUR:
        properties["MaxSessionDuration"] = principal.session_seconds
    template: dict[str, Any] = {"AWSTemplateFormatVersion": "2010-09-09", "Description": _about(principal)}
    if any(one.caller == HUB for one in principal.trusts):
        parameter = {
            "Type": "String",
            "Description": "ARN of the role or user that the exporter runs as.",
            "AllowedPattern": r"arn:[a-z-]+:iam::\d{12}:(root|(role|user)/.+)",
        }
        template["Parameters"] = {_HUB: parameter | ({"Default": hub} if hub else {})}
    template["Resources"] = {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}
    template["Outputs"] = {"RoleArn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}}
    return template


def _callers(callers: tuple[str, ...]) -> Any:
    written = [{"Ref": _HUB} if caller == HUB else caller for caller in callers]
    return written if len(written) > 1 else written[0]


def _about(principal: Principal) -> str:
    what = "the default credentials" if principal.name == HUB else "each watched account" if principal.name == "member" else "one role"
    return f"aws-change-exporter - least privilege for {what}"


def _without_references(value: Any) -> Any:
    """Return a template; raise ConfigError where configured text would make CloudFormation fetch a secret ("{{resolve:ssm:…}}")."""
    if isinstance(value, dict):
        return {key: _without_references(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_references(item) for item in value]
    if isinstance(value, str) and re.search(r"\{\{\s*resolve:", value):
        raise ConfigError(f"{value!r:.120}: CloudFormation would take this for a reference; choose another --format")
    return value
