"""Who made a call, row by row of the userIdentity table."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.model import Principal, PrincipalType
from exporter.parse.dialect import lowered
from exporter.parse.principal import principal
from tests.cloudtrail_fixtures import event

A, B = "111122223333", "444455556666"


def read(identity: Any, recipient: str | None = A) -> Principal:
    return principal(lowered(identity), recipient, "198.51.100.7", None)


def role(name: str, session: str = "s-1", issuer: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{session}",
        "arn": f"arn:aws:sts::{A}:assumed-role/{name}/{session}",
        "accountId": A,
        "sessionContext": {"sessionIssuer": {"type": "Role", "userName": name} if issuer is None else issuer},
        **more,
    }


SSO_ARN = f"arn:aws:iam::{A}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_DevAdmin_abc123"
LINKED_ARN = f"arn:aws:iam::{A}:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"
USER = {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": f"arn:aws:iam::{A}:user/ops/alice", "accountId": A, "userName": "alice"}


@pytest.mark.parametrize(
    ("identity", "kind", "name", "session"),
    [
        ({"type": "Root", "principalId": A, "arn": f"arn:aws:iam::{A}:root", "accountId": A}, PrincipalType.ROOT, "root", None),
        ({"type": "Root", "accountId": A, "sessionContext": {"assumedRoot": "true"}}, PrincipalType.ROOT, "root/assumed", None),
        (USER, PrincipalType.IAM_USER, "user/alice", None),
        ({**USER, "userName": None}, PrincipalType.IAM_USER, "user/alice", None),
        ({**USER, "sessionContext": {"sessionIssuer": {}}}, PrincipalType.IAM_USER, "user/alice", None),
        ({"type": "IAMUser", "arn": "..."}, PrincipalType.IAM_USER, "user/unknown", None),
        (role("Deploy", "ci-42"), PrincipalType.ROLE, "role/Deploy", "ci-42"),
        (role("Deploy", "ci-42", issuer={}), PrincipalType.ROLE, "role/Deploy", "ci-42"),
        (role("Deploy", "ci-42", principalId=None), PrincipalType.ROLE, "role/Deploy", "ci-42"),
        (role("Deploy", arn=None, issuer={"arn": f"arn:aws:iam::{A}:role/team/Deploy"}), PrincipalType.ROLE, "role/Deploy", "s-1"),
        (role("x", arn=None, issuer={}), PrincipalType.ROLE, "role/unknown", "s-1"),
        ({"type": "Role", "arn": f"arn:aws:iam::{A}:role/team/Deploy", "accountId": A}, PrincipalType.ROLE, "role/Deploy", None),
        (
            role("AWSReservedSSO_AdministratorAccess_0123456789abcdef", "alice@example.com"),
            PrincipalType.SSO,
            "sso/AdministratorAccess",
            "alice@example.com",
        ),
        (role("AWSReservedSSO_Db_Admin_0123456789abcdef", issuer={}), PrincipalType.SSO, "sso/Db_Admin", "s-1"),
        (role("AWSReservedSSO_DevAdmin_abc123", issuer={"arn": SSO_ARN}), PrincipalType.SSO, "sso/DevAdmin", "s-1"),
        (role("AWSServiceRoleForRDS", issuer={"arn": LINKED_ARN}), PrincipalType.SERVICE_LINKED_ROLE, "service/rds.amazonaws.com", "s-1"),
        (
            role("AWSServiceRoleForRDS", invokedBy="rds.amazonaws.com"),
            PrincipalType.SERVICE_LINKED_ROLE,
            "service/rds.amazonaws.com",
            "s-1",
        ),
        ({"type": "AWSService", "invokedBy": "rds.amazonaws.com"}, PrincipalType.AWS_SERVICE, "service/rds.amazonaws.com", None),
        ({"accountId": A, "invokedBy": "ec2.amazonaws.com"}, PrincipalType.AWS_SERVICE, "service/ec2.amazonaws.com", None),
        ({"type": "AWSService"}, PrincipalType.AWS_SERVICE, "service/unknown", None),
        (
            {
                "type": "FederatedUser",
                "accountId": A,
                "principalId": f"{A}:bob",
                "sessionContext": {"sessionIssuer": {"userName": "alice"}},
            },
            PrincipalType.FEDERATED,
            "federated/alice",
            "bob",
        ),
        (
            {"type": "FederatedUser", "arn": f"arn:aws:sts::{A}:federated-user/bob", "sessionContext": {"sessionIssuer": {"type": "Root"}}},
            PrincipalType.FEDERATED,
            "federated/root",
            "bob",
        ),
        (
            {"type": "IdentityCenterUser", "accountId": A, "onBehalfOf": {"userId": "u-1"}},
            PrincipalType.IDENTITY_CENTER,
            "identity-center",
            "u-1",
        ),
        ({"type": "AWSAccount", "accountId": B, "principalId": "AIDAEXAMPLE"}, PrincipalType.CROSS_ACCOUNT, f"account/{B}", None),
        ({"type": "AWSAccount", "principalId": f"{B}:x"}, PrincipalType.CROSS_ACCOUNT, f"account/{B}", "x"),
        ({**role("Audit"), "accountId": B}, PrincipalType.CROSS_ACCOUNT, f"account/{B}", "s-1"),
        ({"type": "SAMLUser", "userName": "bob", "principalId": "x:y"}, PrincipalType.SAML, "saml", "bob"),
        ({"type": "WebIdentityUser", "userName": "bob"}, PrincipalType.WEB_IDENTITY, "web_identity", "bob"),
        ({"type": "Directory"}, PrincipalType.DIRECTORY, "directory", None),
        ({"type": "Unknown", "principalId": "x"}, PrincipalType.UNKNOWN, "unknown", None),
        ({"type": "SomethingNew", "arn": f"arn:aws:iam::{A}:user/alice"}, PrincipalType.IAM_USER, "user/alice", None),
        ({"arn": f"arn:aws:sts::{A}:assumed-role/Deploy/s-9"}, PrincipalType.ROLE, "role/Deploy", "s-9"),
        ({}, PrincipalType.UNKNOWN, "unknown", None),
        ("not an object", PrincipalType.UNKNOWN, "unknown", None),
    ],
)
def test_an_identity_has_a_bounded_name(identity: Any, kind: PrincipalType, name: str, session: str | None) -> None:
    """The name is a label; the session, which callers choose, is for history only."""
    who = read(identity)
    assert (who.type, who.name, who.session) == (kind, name, session)


def test_masked_accounts_are_not_other_accounts() -> None:
    """Two different masks say nothing about two accounts."""
    assert read({**role("Deploy"), "accountId": "XXXX"}).name == "role/Deploy"
    assert read(role("Deploy"), recipient="...").name == "role/Deploy"
    assert read(role("Deploy"), recipient=None).name == "role/Deploy"


def test_what_a_caller_chooses_never_gets_into_the_name() -> None:
    """Otherwise every pipeline run would be a new series."""
    for identity in (
        role("Deploy", "unbounded-1"),
        role("Deploy", "unbounded-1", issuer={}),
        role("x", "unbounded-1", issuer={}, arn="unbounded-1"),
        {"type": "AssumedRole", "arn": f"arn:aws:sts::{A}:federated-user/unbounded-1"},
        {"type": "SAMLUser", "userName": "unbounded-1"},
    ):
        assert "unbounded-1" not in read(identity).name


def test_everything_is_bounded() -> None:
    """Attackers choose names and agents too."""
    who = read({"type": "IAMUser", "userName": "u" * 10_000, "arn": "arn:" * 5000, "invokedBy": "i" * 999, "accountId": "x" * 999})
    assert len(who.name) == 128
    assert len(who.arn or "") == 512
    assert len(who.account_id or "") == 64
    assert len(who.invoked_by or "") == 128


@pytest.mark.parametrize("value", [7, [], {}, True, None, {"type": ["x"]}])
@pytest.mark.parametrize("field", ["type", "arn", "principalId", "userName", "accountId", "invokedBy", "sessionContext", "onBehalfOf"])
def test_a_wrong_type_crashes_nothing(field: str, value: Any) -> None:
    """Some five records in a thousand of public samples have one."""
    for identity in (USER, role("Deploy"), {"type": "IdentityCenterUser"}, {"type": "FederatedUser"}, {"type": "AWSAccount"}):
        assert read({**identity, field: value}).name


def test_lower_cased_keys_are_read() -> None:
    """Data lakes write sessioncontext.sessionissuer.username."""
    who = event("authorize-keys-in-lower-case").principal
    assert (who.name, who.session, who.account_id) == ("role/Admin", "alice@example.com", A)


def test_a_console_user_without_issuer_is_that_user() -> None:
    """Console sessions of IAM users have an empty sessionIssuer."""
    parsed = event("console-user-without-issuer")
    assert (parsed.principal.name, parsed.channel.value) == ("user/alice", "console")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Backdoor", "team/aws-service-role/rds.amazonaws.com/"),
        ("AWSServiceRoleForBackdoor", ""),
        ("AWSServiceRoleForBackdoor", "team/"),
        ("Backdoor_1", "team/aws-reserved/sso.amazonaws.com/"),
    ],
)
def test_a_role_cannot_pass_for_aws_by_a_path_or_name_of_its_owners_choice(name: str, path: str) -> None:
    """IAM reserves paths only by their beginning, so `/team/aws-service-role/...` is anybody's to create and to hide behind."""
    who = read(role(name, issuer={"type": "Role", "userName": name, "arn": f"arn:aws:iam::{A}:role/{path}{name}"}))
    assert (who.type, who.name) == (PrincipalType.ROLE, f"role/{name}")
