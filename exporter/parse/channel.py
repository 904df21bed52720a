"""By which tool a call was made: tables of what the tools write, and the order in which they are asked.

The order, and why:
1. A service that calls on someone's behalf (`invokedBy`, else an agent or source address that is a service
   name) stands before all agents: it made the call, whatever was begun with. CloudFormation, EKS and the
   console's own names are told apart; any other is aws_service.
2. A tool that names itself in the agent. Those built on others come first: Pulumi and Crossplane carry
   Terraform's provider, Terraform carries aws-sdk-go, the command line carries botocore. They also stand before
   the console's mark, because they may run with credentials of a console session (CloudShell).
3. The console: its event types, the session's mark, or its agents. The console calls through AWS's own SDK
   for Java, so its agents stand before the SDKs.
4. AWS itself, then the SDKs, then other.

An agent is what the caller claims; it is evidence, not proof.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from exporter.model import Channel
from exporter.parse.dialect import truth

_SERVICE_NAME = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?")

SERVICE_PREFIXES: tuple[tuple[str, Channel], ...] = (
    ("cloudformation.", Channel.CLOUDFORMATION),
    ("eks.", Channel.KUBERNETES),
    ("eks-", Channel.KUBERNETES),
    ("console.", Channel.CONSOLE),
    ("signin.", Channel.CONSOLE),
)
"""Service names (by their beginning) that are a tool of their own; any other `*.amazonaws.com` is aws_service."""

TOOLS: tuple[tuple[Channel, tuple[str, ...]], ...] = (
    (Channel.PULUMI, ("pulumi",)),
    (
        Channel.KUBERNETES,
        (
            "k8s.aws",
            "kubernetes",
            "aws-load-balancer-controller",
            "aws-cloud-controller",
            "cluster-api",
            "capa-controller",
            "karpenter",
            "crossplane",
            "upbound-provider",
            "cluster-autoscaler",
            "amazon-vpc-cni",
            "amazon-vpc-resource-controller",
            "external-dns",
            "externaldns",
            "ebs-csi",
            "efs-csi",
            "eksctl/",
            "kops/",
        ),
    ),
    (Channel.TERRAFORM, ("terraform", "opentofu", "terragrunt")),
    (Channel.CLOUDFORMATION, ("cloudformation.amazonaws.com",)),
    (Channel.CLI, ("aws-cli/", "awspowershell", "ec2-api-tools")),
)
"""What a tool writes into the agent, in lower case, in the order in which they are asked."""

CONSOLE_AGENTS = ("console.amazonaws.com", "console/", "consolefrontend", "signin.amazonaws.com", "aws signin", "aws-internal/")
BROWSERS = ("applewebkit/", "gecko/")
CONSOLE_EVENTS = ("AwsConsoleAction", "AwsConsoleSignIn")
SCRIPTED = ("exec-env/cloudshell", "boto3/", "botocore/")
"""Agents that are scripts even where the credentials come from a console session."""

SDKS = ("boto/", "boto3/", "botocore/", "aws-sdk-", "aws-sdk/", "aws sdk", "aws-amplify", "s3transfer/", "rusoto/")


def channel(top: Mapping[str, Any], identity: Mapping[str, Any], user_agent: str | None) -> Channel:
    """Return the channel of a call; `top` and `identity` are record and userIdentity with lower-case keys."""
    agent = (user_agent or "").lower()
    invoked_by = identity.get("invokedby")
    for name in (invoked_by, agent, top.get("sourceipaddress")):
        if isinstance(name, str) and name.endswith((".com", ".cn", ".COM", ".CN")):
            service = _service(name.lower())
            if service is not None:
                return service
    for tool, marks in TOOLS:
        for mark in marks:
            if mark in agent:
                return tool
    if _is_console(top, agent):
        return Channel.CONSOLE
    kind = identity.get("type")
    if (
        invoked_by == "AWS Internal"
        or kind == "AWSService"
        or top.get("eventtype") == "AwsServiceEvent"
        or "aws internal" in agent
        or str(top.get("sourceipaddress")).startswith("AWS Internal")
        or (kind is None and isinstance(invoked_by, str))
    ):
        return Channel.AWS_SERVICE
    if any(mark in agent for mark in SDKS):
        return Channel.SDK
    return Channel.OTHER


def _service(name: str) -> Channel | None:
    if not _SERVICE_NAME.fullmatch(name):
        return None
    for prefix, tool in SERVICE_PREFIXES:
        if name.startswith(prefix):
            return tool
    return Channel.AWS_SERVICE


def _is_console(top: Mapping[str, Any], agent: str) -> bool:
    if top.get("eventtype") in CONSOLE_EVENTS:
        return True
    if any(mark in agent for mark in SCRIPTED):
        return False
    if truth(top.get("sessioncredentialfromconsole")):
        return True
    return any(mark in agent for mark in CONSOLE_AGENTS) or any(mark in agent for mark in BROWSERS)
