"""What a row of the catalog is: one AWS call, how its record is read, and where it names what it touches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from exporter.model import Direction

VERSIONED_SERVICES = frozenset({"lambda.amazonaws.com", "cloudfront.amazonaws.com"})
"""Services whose event names may carry the version of their API, so that a row or pattern of them stands for any number of names.

Lambda logs CreateFunction20150331 and UpdateFunctionConfiguration20150331v2, CloudFront CreateDistribution2020_05_31.
"""


class Kind(StrEnum):
    """Which extractor reads the record of a call."""

    AUTHORIZE_INGRESS = "authorize_ingress"
    AUTHORIZE_EGRESS = "authorize_egress"
    REVOKE_INGRESS = "revoke_ingress"
    REVOKE_EGRESS = "revoke_egress"
    CREATE_GROUP = "create_group"
    DELETE_GROUP = "delete_group"
    MODIFY_RULES = "modify_rules"
    DESCRIBE_INGRESS = "describe_ingress"
    DESCRIBE_EGRESS = "describe_egress"
    VPC_ASSOCIATION = "vpc_association"
    VPC_RESOURCES = "vpc_resources"
    LEGACY_AUTHORIZE = "legacy_authorize"
    LEGACY_REVOKE = "legacy_revoke"
    ATTACHMENT = "attachment"
    PREFIX_LIST = "prefix_list"
    TAGS = "tags"
    GENERIC = "generic"


DIRECTIONS = MappingProxyType(
    {
        Kind.AUTHORIZE_INGRESS: Direction.INGRESS,
        Kind.REVOKE_INGRESS: Direction.INGRESS,
        Kind.DESCRIBE_INGRESS: Direction.INGRESS,
        Kind.LEGACY_AUTHORIZE: Direction.INGRESS,
        Kind.LEGACY_REVOKE: Direction.INGRESS,
        Kind.AUTHORIZE_EGRESS: Direction.EGRESS,
        Kind.REVOKE_EGRESS: Direction.EGRESS,
        Kind.DESCRIBE_EGRESS: Direction.EGRESS,
    }
)
"""The direction of the rules that a call of a kind names, where the kind tells it."""


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """Where a record names a resource: its CloudFormation type, and a dotted path such as `request.vpcId`.

    A path begins with `request`, `response` or `service` (requestParameters, responseElements,
    serviceEventDetails). Keys match in any case and lists are passed through, so `items` is left out.
    """

    type: str
    path: str
    steps: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        steps = tuple(self.path.lower().split("."))
        if steps[0] not in ("request", "response", "service") or len(steps) < 2:
            raise ValueError(f"{self.path!r} must begin with request., response. or service.")
        object.__setattr__(self, "steps", steps)


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One AWS call that is worth recording; `whole` where it is, though it concerns no security group (attachments, tags)."""

    event_source: str
    event_name: str
    watch_set: str
    kind: Kind = Kind.GENERIC
    resources: tuple[ResourcePath, ...] = ()
    whole: bool = False


def at(resource_type: str, path: str) -> ResourcePath:
    """Return the place of a resource, short enough for the tables."""
    return ResourcePath(resource_type, path)


def rows(watch_set: str, event_source: str, names: str | Iterable[str], kind: Kind, *resources: ResourcePath) -> tuple[EventSpec, ...]:
    """Return one row for each name (several in one text are parted by blanks) that share all else."""
    split = names.split() if isinstance(names, str) else tuple(names)
    return tuple(EventSpec(event_source, name, watch_set, kind, resources) for name in split)


def generic(watch_set: str, event_source: str, names: str, *resources: ResourcePath) -> tuple[EventSpec, ...]:
    """Return rows of kind generic."""
    return rows(watch_set, event_source, names, Kind.GENERIC, *resources)
