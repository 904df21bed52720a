"""Every permission that a configuration needs, of the sources, of what stands, of the section `aws` and of `doctor`, as whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from exporter.aws import Operation, Permission, RoleSettings
from exporter.aws.operations import GET_CONFIG_HISTORY, LOOKUP_EVENTS
from exporter.config import Config
from exporter.doctor import PERMISSIONS as DOCTOR
from exporter.doctor.base import configured_regions, role_chains, wanted_regions
from exporter.settings import ALL
from exporter.snapshots.permissions import permissions as standing
from exporter.sources import SOURCES
from exporter.sources.s3 import S3Settings
from exporter.sql.athena_access import permissions as athena

HUB = "hub"
MEMBER = "member"


HISTORY: Mapping[str, tuple[Operation, ...]] = {
    "cloudtrail": (LOOKUP_EVENTS,),
    # Event history tells who it was that changed what AWS Config recorded.
    "aws-config": (GET_CONFIG_HISTORY, LOOKUP_EVENTS),
}
"""What `history` calls in each watched account, by its `--from`. A person asks so, mostly with other credentials than the exporter's."""


def permissions(config: Config, history: Collection[str] = ()) -> list[Permission]:
    """Return what the configuration needs, and `history` with these of HISTORY as `--from`.

    It is nothing where nothing is read from AWS. sts:GetCallerIdentity needs no permission.
    """
    if not config.needs_aws and not config.uses_athena and not history:
        return []
    sources = [settings for settings in config.sources if SOURCES[settings.type].needs_aws]
    needed = [permission for settings in sources for permission in SOURCES[settings.type].permissions(settings)]
    if config.reads_posture:
        needed += standing(config.posture, config.aws)
    if config.uses_athena:
        needed += athena(config.athena, _trail_buckets(config))
    needed += _accounts(config)
    needed += [permission for chain in role_chains(config) for permission in _chain(chain)]
    if _asks_regions(config):
        needed.append(Permission("ec2:DescribeRegions", ("*",), "Discover regions", MEMBER))
    asked = [operation for name, operations in HISTORY.items() if name in history for operation in operations]
    needed += [Permission(operation.action, ("*",), "History", MEMBER) for operation in dict.fromkeys(asked)]
    return [*needed, *(DOCTOR if config.needs_aws else ())]


def _trail_buckets(config: Config) -> list[str]:
    """Return where the sources of type s3 find log files."""
    found = [f"s3://{source.bucket}/{source.prefix}" for source in config.sources if isinstance(source, S3Settings) and source.bucket]
    return list(dict.fromkeys(found))


def members(config: Config) -> bool:
    """Tell whether roles of watched accounts are assumed."""
    return bool(config.aws.accounts or config.aws.organization)


def partition(config: Config) -> str:
    """Return the partition of the organization: that of its roles, else of the configured regions."""
    organization = config.aws.organization
    for role in (*(organization.via if organization else ()), *config.aws.accounts):
        return role.partition
    for region in configured_regions(config):
        if region.startswith("us-gov-"):
            return "aws-us-gov"
        if region.startswith("cn-"):
            return "aws-cn"
    return "aws"


def organization_roles(config: Config) -> tuple[str, ...]:
    """Return the ARNs of the roles in the organization's accounts: of those included, else of all."""
    organization = config.aws.organization
    if organization is None:
        return ()
    name, where = organization.role_name.lstrip("/"), partition(config)
    return tuple(f"arn:{where}:iam::{account}:role/{name}" for account in organization.include or ("*",))


def _accounts(config: Config) -> Iterator[Permission]:
    for account in config.aws.accounts:
        yield from _chain((*account.via, account))
    organization = config.aws.organization
    if organization is not None:
        yield from _chain(organization.via)
        last = organization.via[-1].role_arn if organization.via else HUB
        yield Permission("organizations:ListAccounts", ("*",), "List the accounts of the organization", last)
        yield Permission("sts:AssumeRole", organization_roles(config), "Assume roles", last)


def _chain(roles: Sequence[RoleSettings]) -> Iterator[Permission]:
    """Yield that each link of a chain may assume the next."""
    caller = HUB
    for role in roles:
        yield Permission("sts:AssumeRole", (role.role_arn,), "Assume roles", caller)
        caller = role.role_arn


def _asks_regions(config: Config) -> bool:
    """Tell whether regions are discovered in any account: a source's own wish stands before the account's, and that before all others."""
    aws = config.aws
    for own in wanted_regions(config):
        wishes = [own or account.regions or aws.regions for account in aws.accounts]
        if aws.organization is not None or aws.watches_own_account:
            wishes.append(own or aws.regions)
        if any(ALL in wish for wish in wishes):
            return True
    return False
