"""The values that travel from a source to the store and on to metrics and history: frozen, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """What became of the call."""

    SUCCESS = "success"
    NOOP = "noop"
    DENIED = "denied"
    FAILED = "failed"
    DRY_RUN = "dry_run"


class Channel(StrEnum):
    """By which tool the call was made."""

    CONSOLE = "console"
    CLI = "cli"
    SDK = "sdk"
    TERRAFORM = "terraform"
    CLOUDFORMATION = "cloudformation"
    PULUMI = "pulumi"
    KUBERNETES = "kubernetes"
    AWS_SERVICE = "aws_service"
    OTHER = "other"


class PrincipalType(StrEnum):
    """The kinds of principal that a normalized name can have (docs: CloudTrail userIdentity element)."""

    ROOT = "root"
    IAM_USER = "iam_user"
    ROLE = "role"
    SSO = "sso"
    SERVICE_LINKED_ROLE = "service_linked_role"
    AWS_SERVICE = "aws_service"
    FEDERATED = "federated"
    IDENTITY_CENTER = "identity_center"
    CROSS_ACCOUNT = "cross_account"
    SAML = "saml"
    WEB_IDENTITY = "web_identity"
    DIRECTORY = "directory"
    UNKNOWN = "unknown"


class RuleAction(StrEnum):
    """What a call did to one rule."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    DESCRIBED = "described"


class Direction(StrEnum):
    """Which way a rule lets traffic pass."""

    INGRESS = "ingress"
    EGRESS = "egress"


class PeerType(StrEnum):
    """What kind of other side a rule names."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    PREFIX_LIST = "prefix_list"
    SECURITY_GROUP = "security_group"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a security group; a field is None where the record does not tell it.

    `protocol` is a name where IANA has a common one (tcp, udp, icmp, icmpv6), `all` for -1 (then the
    ports are None), else the number as text. For ICMP the ports are type and code, -1 for any.
    """

    direction: Direction | None = None
    rule_id: str | None = None
    protocol: str | None = None
    from_port: int | None = None
    to_port: int | None = None
    peer_type: PeerType | None = None
    peer: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One rule that a call added, removed, modified or described; `before` is the old rule where known."""

    action: RuleAction
    rule: Rule
    before: Rule | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """One AWS resource that a call touched: CloudFormation type name and id (or ARN, or name)."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who made the call.

    `name` is normalized and bounded, fit for a label (`role/Deploy`, `sso/AdministratorAccess`, `user/alice`,
    `root`, `service/rds.amazonaws.com`, `account/111122223333`); all else is unbounded and lives in history only.
    """

    type: PrincipalType
    name: str
    arn: str | None = None
    session: str | None = None
    account_id: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    invoked_by: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One CloudTrail record, understood.

    `security_groups` holds ids (`sg-…`), or `name:<groupName>` where the record tells no id.
    `content_known` is False where AWS left out what was changed (requestParameters over 100 KB).
    `event_id` is the lower-case UUID of the record, or `hash:<32 hex>` where the record has none.
    `fingerprint` is a digest of what identifies the call, to tell a duplicate from a conflict.
    `supersedes` is True for an addendum that brings a fuller version (UPDATED_DATA) of event `event_id`.
    `remarks` are what a place of history says of an event that no other field has; they are never stored.
    """

    event_id: str
    event_time: datetime
    account_id: str
    region: str
    event_source: str
    event_name: str
    outcome: Outcome
    channel: Channel
    principal: Principal
    error_code: str | None = None
    error_message: str | None = None
    security_groups: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()
    rule_changes: tuple[RuleChange, ...] = ()
    content_known: bool = True
    watch_set: str = "security_groups"
    opened_port_classes: tuple[str, ...] = ()
    shared_event_id: str | None = None
    supersedes: bool = False
    fingerprint: bytes = field(default=b"", repr=False)
    raw: bytes = field(default=b"", repr=False, compare=False)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """One account in one region, as far as records tell."""

    account_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A record that is understood but not wanted; `reason` is one of IGNORED_REASONS."""

    reason: str
    account_id: str = ""
    region: str = ""


IGNORED_REASONS = (
    "not_watched",  # no watch set and no pattern asks for it
    "insight",  # CloudTrail Insights, not an API call
    "digest",  # a digest file, which holds no records
    "no_security_group",  # an attachment call that names no security group, or tags of something else than groups, rules and prefix lists
    "network_activity",  # the copy of a call that the owner of a VPC endpoint gets; the call has a record of its own
)
