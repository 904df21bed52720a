"""The section `aws` of the configuration: which accounts and regions, and as whom."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from exporter.settings import ALL, AccountId, Duration, Region, Settings

_ROLE_ARN = re.compile(r"arn:(aws|aws-us-gov|aws-cn|aws-iso|aws-iso-b):iam::(\d{12}):role/[\w+=,.@/-]{1,512}")


def _role_arn(value: str) -> str:
    if not _ROLE_ARN.fullmatch(value):
        raise ValueError(f"{value!r:.80} is no ARN of a role; write it as arn:aws:iam::111122223333:role/aws-change-exporter")
    return value


_KEY = re.compile(r"arn:(aws|aws-us-gov|aws-cn|aws-iso|aws-iso-b):kms:[a-z0-9-]{1,32}:\d{12}:key/[A-Za-z0-9-]{1,64}")


def _key_arn(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise ValueError(
            f"{value!r:.120} is no ARN of a KMS key; write it as "
            "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        )
    return value


KeyArn = Annotated[str, AfterValidator(_key_arn)]
RoleArn = Annotated[str, AfterValidator(_role_arn)]


class RoleSettings(Settings):
    """A role to assume."""

    role_arn: RoleArn = Field(description="ARN of the role, for example `arn:aws:iam::111122223333:role/aws-change-exporter`.")
    external_id: str = Field(
        default="", max_length=1224, repr=False, description="External id that the role's trust policy asks for, if it does."
    )
    session_name: str = Field(
        default="aws-change-exporter",
        pattern=r"^[\w+=,.@-]{2,64}$",
        description="Session name: what CloudTrail shows as the user of the exporter's own calls.",
    )
    session_duration: Duration = Field(
        default=timedelta(hours=1), description="How long the credentials last; a chain of roles allows no more than 1h."
    )

    @property
    def account_id(self) -> str:
        """The account of the role."""
        return self.role_arn.split(":")[4]

    @property
    def partition(self) -> str:
        """The partition of the role."""
        return self.role_arn.split(":")[1]


class AccountSettings(RoleSettings):
    """An account to watch, by the role to assume in it."""

    name: str = Field(default="", max_length=64, description="Name for people, in logs and messages; the account id by default.")
    via: tuple[RoleSettings, ...] = Field(
        default=(), description="Roles to assume before this one, in order: a chain from the default credentials."
    )
    regions: tuple[Region, ...] = Field(default=(), description="Regions of this account, where they differ from `aws.regions`.")


class OrganizationSettings(Settings):
    """Watch every active account of the organization; accounts come and go without a restart."""

    role_name: str = Field(
        min_length=1,
        pattern=r"^[\w+=,.@/-]+$",
        description="Name (with its path, if any) of the role to assume in each account, for example `aws-change-exporter`.",
    )
    external_id: str = Field(default="", max_length=1224, repr=False, description="External id that the roles' trust policies ask for.")
    session_name: str = Field(default="aws-change-exporter", pattern=r"^[\w+=,.@-]{2,64}$", description="Session name in each account.")
    via: tuple[RoleSettings, ...] = Field(
        default=(),
        description="Roles to assume first, in order: the last may call organizations:ListAccounts (management account or delegated "
        "administrator) and assume the roles of the accounts.",
    )
    include: tuple[AccountId, ...] = Field(default=(), description="Only these accounts; all, where none is named.")
    exclude: tuple[AccountId, ...] = Field(default=(), description="Not these accounts.")


class AwsSettings(Settings):
    """Which accounts and regions are watched, and as whom. Without it: the account and region of the default credentials."""

    profile: str = Field(default="", description="Profile of the AWS configuration files; the default credential chain without it.")
    endpoint_url: str = Field(
        default="",
        description="Where every AWS service is reached, for VPC endpoints and stand-ins; `AWS_ENDPOINT_URL` and "
        "`AWS_ENDPOINT_URL_<SERVICE>` work as in every AWS tool.",
    )
    regions: tuple[Region, ...] = Field(
        default=(), description=f"Regions to watch, or `{ALL}` for every one that is enabled; the environment's region by default."
    )
    accounts: tuple[AccountSettings, ...] = Field(default=(), description="Accounts to watch, beside those of `organization`.")
    organization: OrganizationSettings | None = Field(
        default=None, description="Watch every active account of the organization; accounts come and go without a restart."
    )
    own_account: bool | None = Field(
        default=None,
        description="Watch the account of the default credentials too; by default only if no `accounts` and no `organization` is given.",
    )
    discovery_interval: Duration = Field(
        default=timedelta(minutes=10), description="How often accounts and regions that are discovered are asked for again."
    )
    lookup_rate: float = Field(
        default=1.6,
        gt=0,
        le=2,
        description="LookupEvents calls a second for each account and region. AWS allows 2, shared with every other user, the console too.",
    )
    connect_timeout: Duration = Field(default=timedelta(seconds=5), description="How long to wait for a connection.")
    read_timeout: Duration = Field(default=timedelta(seconds=20), description="How long to wait for an answer.")

    @field_validator("endpoint_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^\s/]+/?", url):
            raise ValueError(f"{url!r:.80} is no address; write it as https://vpce-0123.example.com")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _accounts_once(self) -> Self:
        seen: set[str] = set()
        for account in self.accounts:
            if account.account_id in seen:
                raise ValueError(f"the account {account.account_id} stands twice in `accounts`; keep one")
            seen.add(account.account_id)
        return self

    @property
    def watches_own_account(self) -> bool:
        """Whether the account of the default credentials is watched."""
        return self.own_account if self.own_account is not None else not (self.accounts or self.organization)
