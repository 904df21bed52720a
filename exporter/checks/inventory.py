"""Which security groups there are, and how many rules they have."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.checks.base import Check, Sample, Sight
from exporter.families import Family

_LONGEST_NAME = 255
"""EC2 API reference, CreateSecurityGroup."""
_UNIT = ("account_id", "region")

INFO = Family(
    "awschange_security_group_info",
    "gauge",
    "Always 1; the name and VPC of each security group, to join with other series by security_group_id.",
    (*_UNIT, "security_group_id", "security_group_name", "vpc_id"),
    10_000,
    ("security_group_id", "security_group_name", "vpc_id"),
    update="max",
    held=False,
)
GROUPS = Family(
    "awschange_security_groups", "gauge", "Security groups that there are, those without rules too.", _UNIT, 5_000, _UNIT, held=False
)
RULES = Family(
    "awschange_security_group_rules", "gauge", "Rules of all security groups together, both directions.", _UNIT, 5_000, _UNIT, held=False
)


def _run(sight: Sight) -> Iterator[Sample]:
    standing = sight.standing
    if standing.groups is None:
        return
    unit = standing.account_id, standing.region
    for group in standing.groups:
        yield Sample(INFO.name, (*unit, group.group_id, group.name[:_LONGEST_NAME], group.vpc_id), 1)
    yield Sample(GROUPS.name, unit, len(standing.groups))
    yield Sample(RULES.name, unit, sum(len(group.rules) for group in standing.groups))


INVENTORY = Check("inventory", (INFO, GROUPS, RULES), _run)
