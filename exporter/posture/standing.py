"""What stands in one account and region: security groups with their rules, and all that decides what those rules mean. No I/O.

A `Reading` is what one round of questions brought; what could not be read whole is None there, and the `Standing` made of it
keeps the last complete answer of each part: incomplete is not empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from exporter.errors import SourceError
from exporter.model import Rule


class Origin(StrEnum):
    """Where a reading comes from."""

    EC2 = "ec2"
    AWS_CONFIG = "aws_config"


class Part(StrEnum):
    """What is read as one, and kept as one where it cannot be read whole."""

    GROUPS = "groups"
    PREFIX_LISTS = "prefix_lists"
    INTERFACES = "interfaces"
    LOAD_BALANCERS = "load_balancers"
    TRAILS = "trails"
    RECORDER = "recorder"


class Exposure(StrEnum):
    """Whether the internet can reach what a group is attached to."""

    PUBLIC = "public"
    ATTACHED = "attached"
    UNATTACHED = "unattached"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Group:
    """One security group as it stands.

    `vpc_ids` are further VPCs it is associated with. `captured_at` is when AWS Config looked, None where EC2 itself was asked.
    Rules from AWS Config have no id.
    """

    group_id: str
    name: str = ""
    vpc_id: str = ""
    rules: tuple[Rule, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    owner_id: str = ""
    vpc_ids: tuple[str, ...] = ()
    captured_at: datetime | None = None

    @property
    def is_default(self) -> bool:
        """Whether it is the default group of its VPC: no other group may have that name (EC2 API reference, CreateSecurityGroup)."""
        return self.name == "default"


@dataclass(frozen=True, slots=True)
class PrefixList:
    """One managed prefix list with all its entries, as (CIDR, description); `owner_id` is `AWS` for those of AWS itself.

    `max_entries` is what a rule that names the list counts for against the quota; None where it was not told.
    """

    list_id: str
    name: str = ""
    version: int | None = None
    entries: tuple[tuple[str, str], ...] = ()
    owner_id: str = ""
    max_entries: int | None = None
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """The network interfaces that a group is attached to: how many, and whether any has a public IPv4 or a global IPv6 address."""

    interfaces: int = 0
    public_ipv4: bool = False
    public_ipv6: bool = False


@dataclass(frozen=True, slots=True)
class TrailLight:
    """One trail as it covers this account and region.

    `gap` says why it does not record every management write here (stopped, its selectors); empty where it does. `unknown` says why
    nobody can tell from here (the trail of another account, whose selectors may not be seen); then `gap` is empty and says nothing.
    """

    name: str
    gap: str = ""
    last_delivery: datetime | None = None
    delivery_error: str = ""
    validates: bool = False
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class RecorderLight:
    """The configuration recorder of AWS Config here; `gap` says why it does not record security groups, empty where it does.

    `frequency` is `continuous` or `daily`; `failing` is AWS's error code where its last delivery failed.
    """

    name: str = ""
    gap: str = ""
    frequency: str = ""
    failing: str = ""


@dataclass(frozen=True, slots=True)
class PartFailure:
    """A part that could not be read whole this time."""

    part: Part
    error: SourceError


@dataclass(frozen=True, slots=True)
class Reading:
    """What one round of questions brought of one account and region; a part is None where it was not asked for or not read whole.

    `balanced` are the groups of targets behind internet-facing load balancers. `untold` are parts of which this origin cannot tell
    how they are now: that is no failure, but an older answer must not be taken for the present one, and the picture forgets it.
    `started_at` and `ended_at` bound the round, by our clock: whatever is in it was so at some time between.
    """

    account_id: str
    region: str
    origin: Origin
    started_at: datetime
    ended_at: datetime
    groups: tuple[Group, ...] | None = None
    prefix_lists: tuple[PrefixList, ...] | None = None
    attachments: Mapping[str, Attachment] | None = None
    balanced: frozenset[str] | None = None
    trails: tuple[TrailLight, ...] | None = None
    recorder: tuple[RecorderLight, ...] | None = None
    failures: tuple[PartFailure, ...] = ()
    untold: frozenset[Part] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """The picture of one account and region: of every part the last complete answer; None where there never was one.

    `read_at` tells for each part when its answer was asked for. `recorder` holds none or one.
    """

    account_id: str
    region: str
    origin: Origin = Origin.EC2
    groups: tuple[Group, ...] | None = None
    prefix_lists: Mapping[str, PrefixList] | None = None
    attachments: Mapping[str, Attachment] | None = None
    balanced: frozenset[str] | None = None
    trails: tuple[TrailLight, ...] | None = None
    recorder: tuple[RecorderLight, ...] | None = None
    read_at: Mapping[Part, datetime] = field(default_factory=dict)

    def exposure(self, group_id: str, ip_version: int) -> Exposure:
        """Return what the internet could reach through a group over an IP version.

        Unknown while interfaces were never read; and where load balancers were not, for a group that is attached but not public.
        A target of an internet-facing load balancer has no public address of its own, yet the internet's packets reach it.
        """
        if self.attachments is None:
            return Exposure.UNKNOWN
        attachment = self.attachments.get(group_id)
        if attachment is None or not attachment.interfaces:
            return Exposure.UNATTACHED
        if attachment.public_ipv6 if ip_version == 6 else attachment.public_ipv4:
            return Exposure.PUBLIC
        if self.balanced is None:
            return Exposure.UNKNOWN
        return Exposure.PUBLIC if group_id in self.balanced else Exposure.ATTACHED
