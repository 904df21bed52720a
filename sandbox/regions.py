"""Regions of a partition and whether an account has to opt into them.

Source: AWS account management reference guide, "Specify which AWS Regions your account can use" (regions enabled by default).
"""

from __future__ import annotations

from functools import cache

from botocore.session import Session

_DEFAULT = frozenset(
    {
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ca-central-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    }
)
"""Regions that every account of the partition aws has; of the others the sandbox's accounts have none."""


@cache
def regions_of(partition: str) -> tuple[tuple[str, str], ...]:
    """Return each region of a partition with its opt-in status."""
    names = Session().get_available_regions("ec2", partition_name=partition)
    free = {name: partition != "aws" or name in _DEFAULT for name in names}
    return tuple((name, "opt-in-not-required" if is_free else "not-opted-in") for name, is_free in free.items())
