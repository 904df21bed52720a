"""By which tool a call was made."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.model import Channel
from exporter.parse.channel import channel
from exporter.parse.dialect import lowered

JAVA = "aws-internal/3 aws-sdk-java/1.12.300 Linux/5.10 OpenJDK_64-Bit_Server_VM/25 java/1.8.0 vendor/Oracle_Corporation"
CLI = "aws-cli/2.17.32 md/awscrt#0.21.2 ua/2.0 os/linux#6.1.0 lang/python#3.11.9 exec-env/CloudShell md/command#ec2"
TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.7.0 (+https://www.terraform.io) terraform-provider-aws/5.40.0 aws-sdk-go-v2/1.25.0"
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("console.ec2.amazonaws.com", Channel.CONSOLE),
        ("console.amazonaws.com", Channel.CONSOLE),
        ("signin.amazonaws.com", Channel.CONSOLE),
        (f"[S3Console/0.4, {JAVA}]", Channel.CONSOLE),
        (f"EC2ConsoleFrontend, {JAVA}", Channel.CONSOLE),
        (JAVA, Channel.CONSOLE),
        ("AWS Signin, aws-internal/3", Channel.CONSOLE),
        (BROWSER, Channel.CONSOLE),
        (TERRAFORM, Channel.TERRAFORM),
        ("aws-sdk-go/1.29.7 (go1.13.7; darwin; amd64) APN/1.0 HashiCorp/1.0 Terraform/0.12.24", Channel.TERRAFORM),
        ("APN/1.0 OpenTofu/1.8.0 aws-sdk-go-v2/1.25.0", Channel.TERRAFORM),
        ("APN/1.0 Pulumi/1.0 PulumiAWS/6.0 terraform-provider-aws/5.40.0 aws-sdk-go-v2/1.25.0", Channel.PULUMI),
        ("cloudformation.amazonaws.com", Channel.CLOUDFORMATION),
        ("elbv2.k8s.aws/v2.7.0 (linux/amd64) aws-sdk-go/1.50.0", Channel.KUBERNETES),
        ("aws-load-balancer-controller/v2.4 aws-sdk-go/1.44", Channel.KUBERNETES),
        ("kubernetes/v1.29.0-eks-1234 aws-sdk-go/1.44.0", Channel.KUBERNETES),
        ("aws-sdk-go/1.44.0 sigs.k8s.io/cluster-api-provider-aws", Channel.KUBERNETES),
        ("karpenter.sh-0.33 aws-sdk-go/1.48", Channel.KUBERNETES),
        ("crossplane-provider-aws/0.40 HashiCorp Terraform/1.2.1 aws-sdk-go/1.44", Channel.KUBERNETES),
        ("eks.amazonaws.com", Channel.KUBERNETES),
        (CLI, Channel.CLI),
        ("[aws-cli/1.11.76 Python/2.7.10 Darwin/17.7.0 botocore/1.5.39]", Channel.CLI),
        ("Boto3/1.26.0 Python/3.9 Linux/5.10 Botocore/1.29.0", Channel.SDK),
        ("aws-sdk-go/1.24.1 (go1.14; darwin; amd64)", Channel.SDK),
        ("aws-sdk-java/1.11.0", Channel.SDK),
        ("ec2-api-tools 1.6.12.2", Channel.CLI),
        ("app/1.0 rusoto/0.47.0 rust/1.55.0 linux", Channel.SDK),
        ("Boto/2.49.0 Python/2.7.18 Linux/4.14", Channel.SDK),
        ("aws-sdk-rust/1.0 os/linux", Channel.SDK),
        ("autoscaling.amazonaws.com", Channel.AWS_SERVICE),
        ("AWS Internal", Channel.AWS_SERVICE),
        ("...", Channel.OTHER),
        ("Mozilla/2.0 (compatible; NEWT ActiveX; Win32)", Channel.OTHER),
        ("", Channel.OTHER),
        (None, Channel.OTHER),
    ],
)
def test_the_agent_tells_the_tool(agent: str | None, expected: Channel) -> None:
    """Tools are built on each other's libraries; the outermost one is meant."""
    assert channel({}, {"type": "AssumedRole"}, agent) is expected


@pytest.mark.parametrize(
    ("top", "identity", "agent", "expected"),
    [
        ({"sessionCredentialFromConsole": "true"}, {}, CLI, Channel.CLI),
        ({"sessionCredentialFromConsole": "true"}, {}, "Boto3/1.26.0 exec-env/CloudShell Botocore/1.29", Channel.SDK),
        ({"sessionCredentialFromConsole": "true"}, {}, TERRAFORM, Channel.TERRAFORM),
        ({"sessionCredentialFromConsole": "true"}, {"invokedBy": "AWS Internal"}, "AWS Internal", Channel.CONSOLE),
        ({"sessionCredentialFromConsole": True}, {}, "aws-sdk-java/2.20", Channel.CONSOLE),
        ({"sessionCredentialFromConsole": "true"}, {"invokedBy": "cloudformation.amazonaws.com"}, BROWSER, Channel.CLOUDFORMATION),
        ({"sessionCredentialFromConsole": "true"}, {"invokedBy": "autoscaling.amazonaws.com"}, "AWS Internal", Channel.AWS_SERVICE),
        ({"sourceIPAddress": "cloudformation.amazonaws.com"}, {}, "x", Channel.CLOUDFORMATION),
        ({"sourceIPAddress": "cloudformation.amazonaws.com"}, {"invokedBy": "..."}, None, Channel.CLOUDFORMATION),
        ({"eventType": "AwsConsoleAction"}, {}, "Coral/Netty4", Channel.CONSOLE),
        ({"eventType": "AwsConsoleSignIn"}, {}, None, Channel.CONSOLE),
        ({}, {"invokedBy": "eks-nodegroup.amazonaws.com"}, "eks-nodegroup.amazonaws.com", Channel.KUBERNETES),
        ({}, {"invokedBy": "signin.amazonaws.com"}, "sqs.amazonaws.com", Channel.CONSOLE),
        ({}, {"invokedBy": "rds.amazonaws.com"}, "rds.amazonaws.com", Channel.AWS_SERVICE),
        ({}, {"invokedBy": "AWS Internal"}, "AWS Internal", Channel.AWS_SERVICE),
        ({}, {"type": "AWSService"}, None, Channel.AWS_SERVICE),
        ({"eventType": "AwsServiceEvent"}, {}, None, Channel.AWS_SERVICE),
        ({"sourceIPAddress": "AWS Internal/4"}, {}, "Coral/Netty4", Channel.AWS_SERVICE),
        ({"sourceIPAddress": "AWS Internal"}, {}, TERRAFORM, Channel.TERRAFORM),
        ({"sourceIPAddress": 7}, {"invokedBy": ["x"], "type": {}}, None, Channel.OTHER),
        ({"sourceIPAddress": "evil.example.com"}, {}, None, Channel.OTHER),
    ],
)
def test_what_called_on_someones_behalf_stands_before_what_was_begun_with(
    top: dict[str, Any], identity: dict[str, Any], agent: str | None, expected: Channel
) -> None:
    """A stack begun in the console is CloudFormation's doing; a script in CloudShell is not the console's."""
    assert channel(lowered(top), lowered({"type": "AssumedRole", **identity}), agent) is expected


def test_a_service_event_without_identity_type_is_the_services_own() -> None:
    """CreateVpcResourceCreation has no type, only who it was invoked by."""
    assert channel({}, {"invokedby": "Something Internal"}, None) is Channel.AWS_SERVICE
