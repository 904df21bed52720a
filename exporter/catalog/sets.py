"""Every watch set by name, and those that are watched by default."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from exporter.catalog.accounts import IAM, ORGANIZATIONS
from exporter.catalog.attachments import ATTACHMENTS
from exporter.catalog.data_protection import KMS, S3
from exporter.catalog.indirect import PREFIX_LISTS, TAGS
from exporter.catalog.network_boundary import NETWORK_BOUNDARY
from exporter.catalog.security_groups import LEGACY_SECURITY_GROUPS, SECURITY_GROUPS
from exporter.catalog.spec import EventSpec
from exporter.catalog.tampering import LOGGING

WATCH_SETS: Mapping[str, tuple[EventSpec, ...]] = MappingProxyType(
    {
        "security_groups": SECURITY_GROUPS,
        "legacy_security_groups": LEGACY_SECURITY_GROUPS,
        "attachments": ATTACHMENTS,
        "prefix_lists": PREFIX_LISTS,
        "tags": TAGS,
        "network_boundary": NETWORK_BOUNDARY,
        "iam": IAM,
        "s3": S3,
        "kms": KMS,
        "logging": LOGGING,
        "organizations": ORGANIZATIONS,
    }
)
"""Every watch set by name; where several chosen sets hold a call, the first one here has it."""

DEFAULT_WATCH_SETS = ("security_groups", "legacy_security_groups", "prefix_lists")

CORE_EVENTS: tuple[tuple[str, str], ...] = tuple((spec.event_source, spec.event_name) for spec in SECURITY_GROUPS)
"""The (event source, event name) pairs whose counters exist at 0 from the start."""
