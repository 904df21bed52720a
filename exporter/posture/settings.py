"""The section `posture` of the configuration: what is read of what stands, what counts as the internet, and what is excepted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from exporter.posture.networks import parse_network
from exporter.posture.ports import PortRanges, parse_ports
from exporter.settings import AccountId, Duration, Region, RegionName, Settings, account_id

NAME = "posture"
"""What the readings are called in metrics and logs, where a source has its name."""

SourceChoice = Literal["auto", "ec2", "aws_config"]
_SOURCES = (
    "`ec2` (now, with rule ids), `aws_config` (as AWS Config last recorded it) or `auto`: the aggregator where one is set, else EC2, "
    "and AWS Config where EC2 may not be read"
)
_GROUP = re.compile(r"sg-[A-Za-z0-9]{1,64}")


def _group_id(value: str) -> str:
    if not _GROUP.fullmatch(value):
        raise ValueError(f"{value!r:.80} is no id of a group; write sg-0123456789abcdef0, not its name")
    return value


def _networks(cidrs: tuple[str, ...]) -> tuple[str, ...]:
    for cidr in cidrs:
        if parse_network(cidr) is None:
            raise ValueError(f"{cidr!r:.60} is no range of addresses; write 192.0.2.0/24 or 2001:db8::/32")
    return cidrs


class SourceOverride(Settings):
    """Another source for some accounts and regions."""

    accounts: tuple[AccountId, ...] = Field(default=(), description="Account ids; all where none is named.")
    regions: tuple[RegionName, ...] = Field(default=(), description="Regions; all where none is named.")
    source: SourceChoice = Field(description=f"Where their rules are read: {_SOURCES}.")


class AggregatorSettings(Settings):
    """An aggregator of AWS Config, which answers for many accounts and regions at once."""

    name: str = Field(min_length=1, max_length=256, description="Name of the aggregator.")
    region: RegionName = Field(description="Region in which the aggregator is.")
    account_id: str = Field(default="", description="Watched account that has the aggregator; that of the default credentials if empty.")

    @field_validator("account_id")
    @classmethod
    def _account(cls, value: str) -> str:
        return account_id(value) if value else ""


class InternetSettings(Settings):
    """What counts as the internet: a stretch of public addresses too large to be somebody's own."""

    ipv4_prefix: int = Field(default=8, ge=0, le=32, description="Open is what lets in more than one IPv4 range of this length, unbroken.")
    ipv6_prefix: int = Field(
        default=32, ge=3, le=128, description="Open is what lets in more than one IPv6 range of this length, unbroken."
    )
    not_internet: tuple[str, ...] = Field(
        default=(),
        description="Further ranges that are not the internet, such as public addresses of one's own; private and shared ranges never are.",
    )

    _check_ranges = field_validator("not_internet")(_networks)


def _expiry(value: object) -> object:
    """A date alone ends with its day."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r:.40} is no date; write 2027-01-31 or 2027-01-31T12:00:00Z") from None
    try:
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, date):
            return datetime.combine(value + timedelta(days=1), time(), UTC)
    except OverflowError:
        raise ValueError(f"{value!s:.40} is no date that ever comes; write one such as 2027-01-31") from None
    raise ValueError(f"must be a date such as 2027-01-31, not {value!r:.40}")


# YAML reads an unquoted 22 as a number.
_Port = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value)]


class ExceptionSettings(Settings):
    """Something that may stand open, by whose word and until when. All that is given must match."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name in metrics and in `open`; unique.")
    reason: str = Field(min_length=1, max_length=500, description="Why it may stand open, and who said so.")
    expires: Annotated[datetime, BeforeValidator(_expiry)] = Field(
        description="When it ends, such as 2027-01-31 (that day included, UTC); from then on what it covered counts as open."
    )
    security_groups: tuple[Annotated[str, AfterValidator(_group_id)], ...] = Field(default=(), description="Ids of groups.")
    tags: Mapping[str, str] = Field(default_factory=dict, description="Tags that a group must have; the value `*` is any.")
    cidrs: tuple[str, ...] = Field(default=(), description="Ranges; covers rules whose own range, or whole prefix list, lies in one.")
    ports: tuple[_Port, ...] = Field(default=(), description="Ports such as `443`, `8000-8100` or `53/udp`; covers these ports alone.")
    accounts: tuple[AccountId, ...] = Field(default=(), description="Account ids.")
    regions: tuple[RegionName, ...] = Field(default=(), description="Regions.")

    _check_ranges = field_validator("cidrs")(_networks)

    @field_validator("ports")
    @classmethod
    def _readable(cls, ports: tuple[str, ...]) -> tuple[str, ...]:
        parse_ports(ports)
        return ports

    @model_validator(mode="after")
    def _narrow(self) -> ExceptionSettings:
        if not (self.security_groups or self.tags or self.cidrs or self.ports):
            raise ValueError("covers everything; name at least one of security_groups, tags, cidrs and ports")
        return self

    def told_as_ended(self) -> str:
        """Return what to tell of one that has ended."""
        ended = self.expires.isoformat().replace("+00:00", "Z")
        return f"the exception {self.name} ended at {ended}, and what it covered counts as open; renew it, or remove it"

    def port_ranges(self) -> PortRanges | None:
        """Return the ports that it is limited to; None for all."""
        return parse_ports(self.ports) if self.ports else None


class PostureSettings(Settings):
    """What is read of what stands open now."""

    enabled: bool | None = Field(
        default=None, description="Whether rules are read at all; by default they are where any source reads from AWS."
    )
    source: SourceChoice = Field(default="auto", description=f"Where rules are read: {_SOURCES}.")
    overrides: tuple[SourceOverride, ...] = Field(default=(), description="Other sources for some accounts and regions; the first fits.")
    aggregator: AggregatorSettings | None = Field(
        default=None, description="An aggregator of AWS Config, asked once for all the accounts and regions that it has."
    )
    regions: tuple[Region, ...] = Field(default=(), description="Regions to read, or `all`; those of the section `aws` if empty.")
    poll_interval: Duration = Field(default=timedelta(minutes=5), description="How often everything is read.")
    load_balancers: bool = Field(
        default=True, description="Whether to ask which groups stand behind internet-facing load balancers; without it they are `attached`."
    )
    lag_budget: Duration = Field(
        default=timedelta(hours=2),
        description="How long a change of rules waits for the event that says who made it, before it counts as unexplained. CloudTrail "
        "delivers in about 5 minutes, without a promise.",
    )
    rules_quota: int = Field(default=60, ge=1, le=1000, description="Rules that a group may have, per direction and IP version.")
    internet: InternetSettings = Field(default_factory=InternetSettings, description="What counts as the internet.")
    exceptions: tuple[ExceptionSettings, ...] = Field(default=(), description="What may stand open, and until when.")

    @field_validator("exceptions")
    @classmethod
    def _unique(cls, exceptions: tuple[ExceptionSettings, ...]) -> tuple[ExceptionSettings, ...]:
        names: set[str] = set()
        for index, exception in enumerate(exceptions):
            if exception.name in names:
                raise ValueError(f"two exceptions are named {exception.name!r}; give exceptions[{index}] another `name`")
            names.add(exception.name)
        return exceptions

    @property
    def name(self) -> str:
        """What the readings are called, as a source has a name."""
        return NAME

    @property
    def longest_between(self) -> timedelta:
        """How long it takes from the end of one reading to the end of the next where nothing goes wrong."""
        return self.poll_interval

    @property
    def wait(self) -> timedelta:
        """A reading waits for nothing."""
        return timedelta(0)

    @property
    def by_all(self) -> bool:
        """One replica reads each account and region."""
        return False

    @property
    def expiries(self) -> Mapping[str, float]:
        """When each exception ends (epoch), by its name."""
        return {exception.name: exception.expires.timestamp() for exception in self.exceptions}

    def ended(self, now: datetime) -> tuple[ExceptionSettings, ...]:
        """Return the exceptions that have ended."""
        return tuple(exception for exception in self.exceptions if exception.expires <= now)

    def source_of(self, account_id: str, region: str) -> SourceChoice:
        """Return where the rules of an account and region are read."""
        for override in self.overrides:
            if account_id in (override.accounts or (account_id,)) and region in (override.regions or (region,)):
                return override.source
        return self.source
