"""Least privilege, enforced: the exporter runs in the sandbox with exactly the policies that `iam-policy` prints.

Nothing may be denied, and no action of a policy may go unused, principal by principal.
"""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from exporter.cli import main
from exporter.config import validate
from exporter.iam import FORMATS, principals
from sandbox.identities import Identity
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, REGION, client

MEMBER = "444455556666"
OTHER = "777788889999"
ADMIN_KEYS = {account: f"AKIAADMINEXAMPLE{account[:4]}" for account in (ACCOUNT, MEMBER, OTHER)}
HUB_KEY = "AKIAHUBEXAMPLE000000"
HUB = f"arn:aws:iam::{ACCOUNT}:user/exporter"
FREE = {"sts:GetCallerIdentity"}
"""Needs no permission, so that no policy has it (STS API reference, GetCallerIdentity)."""


@pytest.fixture
def environment(monkeypatch):
    """Run as the hub, without configuration files of this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", HUB_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def roles_of(principal, accounts):
    """Return the ARNs that a principal stands for, those of an organization written out."""
    return [role.replace(":iam::*:", f":iam::{account}:") for role in principal.roles for account in accounts]


class Enforced:
    """The sandbox under the policies of a configuration, with its roles made as the trust policies say."""

    def __init__(self, config, accounts=()):
        self.config = config
        self.found = principals(validate(config, "enforced.yml"), HUB)
        self.policies = {}
        for principal in self.found:
            for arn in roles_of(principal, accounts or [""]) if principal.roles else [HUB]:
                self.policies[arn] = principal.policy()
        identities = {key: Identity(account, "user", "admin") for account, key in ADMIN_KEYS.items()}
        identities[HUB_KEY] = Identity(ACCOUNT, "user", "exporter")
        self.sandbox = Sandbox(Settings(deliver=False, identities=identities, policies=self.policies))
        self.accounts = accounts

    def __enter__(self):
        self.sandbox.start()
        for principal in self.found:
            trust = FORMATS["trust"]((principal,), HUB) if principal.roles else ""
            for arn in set(roles_of(principal, self.accounts or [""])):
                account, _, path = arn.split(":", 4)[4].partition(":role/")
                folder, _, name = path.rpartition("/")
                self.admin("iam", account).create_role(RoleName=name, Path=f"/{folder}/" if folder else "/", AssumeRolePolicyDocument=trust)
        return self

    def __exit__(self, *_):
        self.sandbox.stop()

    def admin(self, service, account=ACCOUNT, region=REGION):
        """Return a client that may do everything in an account."""
        return client(self.sandbox, service, region, ADMIN_KEYS[account])

    def run(self, tmp_path, *command):
        """Run a command of the exporter on the configuration, in this sandbox."""
        path = tmp_path / "enforced.yml"
        aws = {**self.config.get("aws", {}), "endpoint_url": self.sandbox.url}
        path.write_text(yaml.safe_dump({**self.config, "aws": aws, "store": {"path": str(tmp_path / "state.db")}}))
        return CliRunner().invoke(main, [*command, "--config.file", str(path)])

    def called(self):
        """Return what the exporter asked for, by the ARN of who asked; nothing of it may have been denied."""
        found = {}
        for row in self.sandbox.actions.rows():
            if row["user_agent"].startswith("aws-change-exporter/"):
                assert row["allowed"], row
                found.setdefault(row["identity"], set()).add(row["action"])
        return found

    def granted(self):
        """Return what the policies allow, by ARN."""
        return {
            arn: {action for statement in policy["Statement"] for action in statement["Action"]} for arn, policy in self.policies.items()
        }


def check(enforced, tmp_path):
    """Poll and run doctor; whatever was called is what is granted, no more and no less."""
    polled = enforced.run(tmp_path, "poll")
    assert polled.exit_code == 0, polled.output
    examined = enforced.run(tmp_path, "doctor", "--format", "json")
    assert [finding for finding in json.loads(examined.stdout)["findings"] if finding["status"] == "failure"] == []
    assert examined.exit_code == 0
    called = {arn: actions - FREE for arn, actions in enforced.called().items()}
    assert {arn: actions for arn, actions in called.items() if actions} == enforced.granted()


def make_trail(enforced, account=ACCOUNT, bucket="audit-logs"):
    """Make a trail, which doctor looks at."""
    enforced.admin("s3", account).create_bucket(Bucket=bucket)
    trails = enforced.admin("cloudtrail", account)
    trails.create_trail(Name="audit", S3BucketName=bucket, IsMultiRegionTrail=True)
    trails.start_logging(Name="audit")


def test_one_account(environment, tmp_path):
    """Otherwise the first exporter that is set up by the book is denied, or holds what it does not use."""
    with Enforced({"sources": [{"type": "cloudtrail", "backfill": "1d"}]}) as enforced:
        make_trail(enforced)
        check(enforced, tmp_path)


CHAINED = {
    "sources": [{"type": "cloudtrail", "backfill": "1d"}],
    "aws": {
        "own_account": True,
        "accounts": [
            {
                "role_arn": f"arn:aws:iam::{MEMBER}:role/ops/aws-change-exporter",
                "external_id": "secret-7",
                "via": [{"role_arn": f"arn:aws:iam::{ACCOUNT}:role/middle", "external_id": "middle-7"}],
            },
            {"role_arn": f"arn:aws:iam::{OTHER}:role/ops/aws-change-exporter", "external_id": "secret-7"},
        ],
    },
}


def test_accounts_behind_chains_of_roles(environment, tmp_path):
    """Otherwise a link of the chain lacks what the next needs, or a trust policy refuses its own configuration."""
    # Both roles are `member`, which is trusted by the hub as well as by the end of the chain.
    with Enforced(CHAINED) as enforced:
        for account in (ACCOUNT, MEMBER, OTHER):
            make_trail(enforced, account, f"logs-{account}")
        check(enforced, tmp_path)
