"""Who makes the calls of the made-up trail: identities, agents and addresses, each with the principal and channel it stands for.

Shapes are those of the CloudTrail user guide (userIdentity element) and of recorded records; accounts, names
and addresses are the documentation's (RFC 5737).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from exporter.model import Channel, PrincipalType

_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_CLI = (
    "aws-cli/2.17.32 md/awscrt#0.20.11 ua/2.0 os/linux#6.1.0-28-amd64 md/arch#x86_64 lang/python#3.11.9 md/pyimpl#CPython "
    "cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#{command}"
)
_TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.80.0 "
    "aws-sdk-go-v2/1.32.5 ua/2.1 os/linux lang/go#1.23.3 md/GOARCH#amd64 md/GOOS#linux api/{service}#1.190.0"
)
_BOTO3 = "Boto3/1.35.71 md/Botocore#1.35.71 ua/2.0 os/linux#6.1.0 md/arch#x86_64 lang/python#3.12.7 md/pyimpl#CPython Botocore/1.35.71"


@dataclass(frozen=True, slots=True)
class Caller:
    """One principal with one tool. `name` is the user or role, `path` what stands before a role's name in its ARN."""

    kind: Literal["user", "role", "root", "service"]
    principal_type: PrincipalType
    principal: str
    channel: Channel
    name: str
    user_agent: str
    source_ip: str
    session: str = ""
    path: str = ""
    invoked_by: str = ""
    console: bool = False
    federated: str = ""

    def agent(self, event_source: str, event_name: str) -> str:
        """Return the user agent of a call; the command line and Terraform name the call or service in theirs."""
        if "{" not in self.user_agent:
            return self.user_agent
        service = event_source.partition(".")[0]
        command = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in event_name).strip("-")
        return self.user_agent.format(command=f"{service}.{command}", service=service)

    def identity(self, account: str, at: datetime) -> dict[str, Any]:
        """Return `userIdentity` of a call at a time."""
        if self.kind == "service":
            return {"type": "AWSService", "invokedBy": self.invoked_by}
        created = (at - timedelta(minutes=7, seconds=at.minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
        attributes = {"creationDate": created, "mfaAuthenticated": "true" if self.console else "false"}
        if self.kind == "role":
            return self._role(account, attributes)
        if self.kind == "root":
            identity = {"type": "Root", "principalId": account, "arn": f"arn:aws:iam::{account}:root", "accountId": account}
        else:
            arn = f"arn:aws:iam::{account}:user/{self.name}"
            identity = {"type": "IAMUser", "principalId": f"AIDAEXAMPLE{self.name.upper():X<10.10}", "arn": arn, "accountId": account}
        identity["accessKeyId"] = "ASIAIOSFODNN7EXAMPLE" if self.console else "AKIAIOSFODNN7EXAMPLE"
        if self.kind == "user":
            identity["userName"] = self.name
        return identity | ({"sessionContext": {"sessionIssuer": {}, "attributes": attributes}} if self.console else {})

    def _role(self, account: str, attributes: dict[str, str]) -> dict[str, Any]:
        principal = f"AROAEXAMPLE{sum(self.name.encode()):010d}"
        context: dict[str, Any] = {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal,
                "arn": f"arn:aws:iam::{account}:role/{self.path}{self.name}",
                "accountId": account,
                "userName": self.name,
            }
        }
        if self.federated:
            context["webIdFederationData"] = {"federatedProvider": self.federated.format(account=account), "attributes": {}}
        context["attributes"] = attributes
        identity: dict[str, Any] = {
            "type": "AssumedRole",
            "principalId": f"{principal}:{self.session}",
            "arn": f"arn:aws:sts::{account}:assumed-role/{self.name}/{self.session}",
            "accountId": account,
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "sessionContext": context,
        }
        return identity | ({"invokedBy": self.invoked_by} if self.invoked_by else {})


ALICE = Caller(
    "role",
    PrincipalType.SSO,
    "sso/AdministratorAccess",
    Channel.CONSOLE,
    "AWSReservedSSO_AdministratorAccess_0123456789abcdef",
    _FIREFOX,
    "198.51.100.7",
    session="alice@example.com",
    path="aws-reserved/sso.amazonaws.com/us-east-1/",
    console=True,
)
BOB = Caller(
    "role",
    PrincipalType.SSO,
    "sso/PowerUserAccess",
    Channel.CLI,
    "AWSReservedSSO_PowerUserAccess_fedcba9876543210",
    _CLI,
    "198.51.100.23",
    session="bob@example.com",
    path="aws-reserved/sso.amazonaws.com/us-east-1/",
)
CAROL = Caller(
    "user", PrincipalType.IAM_USER, "user/carol", Channel.CONSOLE, "carol", "console.ec2.amazonaws.com", "203.0.113.18", console=True
)
DAVE = Caller("user", PrincipalType.IAM_USER, "user/dave", Channel.CLI, "dave", _CLI, "203.0.113.77")
TERRAFORM = Caller(
    "role", PrincipalType.ROLE, "role/Terraform", Channel.TERRAFORM, "Terraform", _TERRAFORM, "192.0.2.10", session="aws-go-sdk-1769851200"
)
CLOUDFORMATION = Caller(
    "role",
    PrincipalType.ROLE,
    "role/StackDeployer",
    Channel.CLOUDFORMATION,
    "StackDeployer",
    "cloudformation.amazonaws.com",
    "cloudformation.amazonaws.com",
    session="AWSCloudFormation",
    invoked_by="cloudformation.amazonaws.com",
)
KUBERNETES = Caller(
    "role",
    PrincipalType.ROLE,
    "role/LoadBalancerController",
    Channel.KUBERNETES,
    "LoadBalancerController",
    "elbv2.k8s.aws/v2.9.2 aws-sdk-go/1.55.5 (go1.22.8; linux; amd64)",
    "192.0.2.44",
    session="1769851200123456789",
    federated="arn:aws:iam::{account}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
)
DEPLOY = Caller("role", PrincipalType.ROLE, "role/Deploy", Channel.SDK, "Deploy", _BOTO3, "192.0.2.91", session="deploy-1181")
INTERN = replace(DEPLOY, principal="role/ReadOnly", name="ReadOnly", session="intern", channel=Channel.CLI, user_agent=_CLI)
ROOT = Caller("root", PrincipalType.ROOT, "root", Channel.CONSOLE, "root", _FIREFOX, "203.0.113.200", console=True)
WORKER = replace(
    DEPLOY, principal="role/Worker", name="Worker", session="i-0123456789abcdef0", source_ip="10.0.3.17", user_agent=_BOTO3 + " Resource"
)
EC2_SERVICE = Caller(
    "service",
    PrincipalType.AWS_SERVICE,
    "service/ec2.amazonaws.com",
    Channel.AWS_SERVICE,
    "ec2",
    "ec2.amazonaws.com",
    "ec2.amazonaws.com",
    invoked_by="ec2.amazonaws.com",
)

CHANGERS: tuple[tuple[Caller, int], ...] = (
    (TERRAFORM, 34),
    (ALICE, 16),
    (CLOUDFORMATION, 14),
    (KUBERNETES, 12),
    (BOB, 8),
    (DEPLOY, 6),
    (CAROL, 5),
    (DAVE, 4),
    (ROOT, 1),
)
"""Who changes security groups, with weights."""

USERS: tuple[tuple[Caller, int], ...] = (
    (WORKER, 38),
    (DEPLOY, 16),
    (TERRAFORM, 12),
    (EC2_SERVICE, 14),
    (KUBERNETES, 12),
    (DAVE, 8),
    (ALICE, 6),
    (BOB, 4),
    (CLOUDFORMATION, 3),
    (CAROL, 1),
)
"""Who makes all other calls, with weights."""
