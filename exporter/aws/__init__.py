"""What the exporter asks of AWS, and how: the only room that knows botocore. Everybody else sees `Aws`, `Caller` and AwsError."""

from __future__ import annotations

from exporter.aws.base import Account, Accounts, Aws, Caller, Identity, ListedObject, ObjectPage, Permission, Reply, Requests
from exporter.aws.operations import OPERATIONS, Operation
from exporter.aws.settings import AccountSettings, AwsSettings, OrganizationSettings, RoleSettings

__all__ = [
    "OPERATIONS",
    "Account",
    "AccountSettings",
    "Accounts",
    "Aws",
    "AwsSettings",
    "Caller",
    "Identity",
    "ListedObject",
    "ObjectPage",
    "Operation",
    "OrganizationSettings",
    "Permission",
    "Reply",
    "Requests",
    "RoleSettings",
]
