"""Default groups that let anything pass.

CIS AWS Foundations ("the default security group of every VPC restricts all traffic") and Security Hub EC2.2: whatever is started
without a group gets the default one, so it should have no rules at all, not even those that AWS gives it when the VPC is made.
"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.checks.base import Check, Sample, Sight
from exporter.families import Family

RULES = Family(
    "awschange_default_security_group_rules",
    "gauge",
    "Rules of a VPC's default security group, which should have none (Security Hub EC2.2, CIS AWS Foundations): not even the two that AWS "
    "makes it with, which let its members reach each other and the world. A series is there only while it has any.",
    ("account_id", "region", "vpc_id", "security_group_id"),
    5_000,
    ("vpc_id", "security_group_id"),
    held=False,
)


def _run(sight: Sight) -> Iterator[Sample]:
    standing = sight.standing
    for group in standing.groups or ():
        if group.is_default and group.rules:
            yield Sample(RULES.name, (standing.account_id, standing.region, group.vpc_id, group.group_id), len(group.rules))


DEFAULT_GROUP = Check("default_group", (RULES,), _run)
