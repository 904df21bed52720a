"""What reading what stands needs of AWS, by where it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.aws import Permission
from exporter.aws import operations as op
from exporter.posture.settings import PostureSettings

_MEMBER = "member"
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


def permissions(settings: PostureSettings) -> Iterable[Permission]:
    """Return what the role in each watched account needs."""
    if reads_from(settings, "ec2"):
        yield from _ec2(settings)


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
