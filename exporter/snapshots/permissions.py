"""What reading what stands needs of AWS, by where it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.aws import AwsSettings, Permission
from exporter.aws import operations as op
from exporter.posture.settings import PostureSettings

_HUB, _MEMBER = "hub", "member"
_ANY = ("*",)
"""None of these actions knows resources (Service Authorization Reference)."""
_EC2 = (
    op.DESCRIBE_GROUPS,
    op.DESCRIBE_RULES,
    op.DESCRIBE_ASSOCIATIONS,
    op.DESCRIBE_PREFIX_LISTS,
    op.GET_PREFIX_LIST_ENTRIES,
    op.DESCRIBE_INTERFACES,
)
_LOAD_BALANCERS = (op.DESCRIBE_BALANCERS, op.DESCRIBE_TARGET_GROUPS, op.DESCRIBE_TARGET_HEALTH, op.DESCRIBE_CLASSIC_BALANCERS)
_CONFIG = (op.DESCRIBE_RECORDERS, op.DESCRIBE_RECORDER_STATUS, op.SELECT_CONFIG)
_LIGHTS = (op.DESCRIBE_TRAILS, op.GET_TRAIL_STATUS, op.GET_EVENT_SELECTORS, op.DESCRIBE_RECORDERS, op.DESCRIBE_RECORDER_STATUS)
_AGGREGATOR = (op.DESCRIBE_AGGREGATORS, op.DESCRIBE_AGGREGATOR_SOURCES, op.SELECT_AGGREGATE_CONFIG)


def permissions(settings: PostureSettings, aws: AwsSettings | None = None) -> Iterable[Permission]:
    """Return what the role in each watched account needs, and who asks an aggregator; `aws` tells who that is."""
    if reads_from(settings, "ec2"):
        yield from _ec2(settings)
    if reads_from(settings, "aws_config"):
        yield from _config(settings, aws)
    for operation in _LIGHTS:
        yield Permission(operation.action, _ANY, "Whether CloudTrail and AWS Config record", _MEMBER)


def reads_from(settings: PostureSettings, source: str) -> bool:
    """Tell whether anything may be read from `ec2` or `aws_config`: where it is chosen, and where the choice is made by itself."""
    chosen = {settings.source, *(override.source for override in settings.overrides)}
    return not chosen.isdisjoint((source, "auto"))


def _ec2(settings: PostureSettings) -> Iterator[Permission]:
    for operation in _EC2:
        yield Permission(operation.action, _ANY, "What stands in EC2", _MEMBER)
    if settings.load_balancers:
        # Both kinds of load balancers share an action.
        for action in dict.fromkeys(operation.action for operation in _LOAD_BALANCERS):
            yield Permission(action, _ANY, "What stands behind load balancers", _MEMBER)


def _config(settings: PostureSettings, aws: AwsSettings | None) -> Iterator[Permission]:
    for operation in _CONFIG:
        yield Permission(operation.action, _ANY, "What stands in AWS Config", _MEMBER)
    if settings.aggregator is not None:
        who = _owner(settings.aggregator.account_id, aws)
        for operation in _AGGREGATOR:
            # The id in an aggregator's ARN is AWS's own: no name or configuration tells it.
            yield Permission(operation.action, _ANY, "What stands in the aggregator", who)


def _owner(account_id: str, aws: AwsSettings | None) -> str:
    """Return who asks the aggregator: the default credentials, or the role in the account that has it."""
    if not account_id or aws is None:
        return _MEMBER if account_id else _HUB
    for account in aws.accounts:
        if account.account_id == account_id:
            return account.role_arn
    # One account of an organization has the role that all of them have.
    return _HUB if aws.organization is None else _MEMBER
