"""What is known of AWS calls, as data: a new event is one row in a table here and one fixture.

Sources: the CloudTrail user guide, botocore's service models, the CIS AWS Foundations Benchmark (sections 4.4
to 4.15) and published detection rules.
"""

from __future__ import annotations

from exporter.catalog.indirect import TAGGED_TYPES
from exporter.catalog.security_groups import EC2_NOT_CHANGES
from exporter.catalog.sets import CORE_EVENTS, DEFAULT_WATCH_SETS, WATCH_SETS
from exporter.catalog.spec import DIRECTIONS, VERSIONED_SERVICES, EventSpec, Kind, ResourcePath
from exporter.catalog.watch import CUSTOM, LONGEST_NAME, Pattern, Watch

__all__ = [
    "CORE_EVENTS",
    "CUSTOM",
    "DEFAULT_WATCH_SETS",
    "DIRECTIONS",
    "EC2_NOT_CHANGES",
    "LONGEST_NAME",
    "TAGGED_TYPES",
    "VERSIONED_SERVICES",
    "WATCH_SETS",
    "EventSpec",
    "Kind",
    "Pattern",
    "ResourcePath",
    "Watch",
]
