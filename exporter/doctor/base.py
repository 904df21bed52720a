"""What a check is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar

from exporter.aws import Account, Aws, RoleSettings
from exporter.config import Config
from exporter.errors import AwsError, SourceError
from exporter.settings import ALL
from exporter.sources import SOURCES
from exporter.sources.base import Diagnosis, SourceSettings
from exporter.sources.queue import queue_name
from exporter.text import visible

Status: TypeAlias = Literal["ok", "warning", "failure", "skipped"]
STATUSES: tuple[Status, ...] = ("ok", "warning", "failure", "skipped")
UNLISTED = "accounts"
"""The subject of a failure of which no account is known."""
_PARALLEL = 8
"""Accounts and regions that are asked at once: enough to end in seconds, too few for AWS to refuse."""
_LONGEST = 1000

FAULT = "the check itself failed"
REPORT = "please report this"

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found of one thing; all text is fit for a terminal."""

    check: str
    status: Status
    subject: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class WatchedUnit:
    """One account in one region, and how to get there."""

    account: Account
    region: str

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"{named(self.account)} {self.region}"


class Examination:
    """One run of all checks. `aws` is None where no source reads from AWS, or where there is no way to it: `aws_error` says why."""

    def __init__(
        self,
        config: Config,
        where: str,
        aws: Aws | None,
        aws_error: SourceError | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.config, self.where, self._aws, self.aws_error, self.now = config, where, aws, aws_error, now
        self.problems: list[Diagnosis] = []
        self.unreachable: set[Account] = set()

    @property
    def aws(self) -> Aws:
        """AWS; only for checks that need it."""
        if self._aws is None:
            raise self.aws_error or SourceError("internal", "this configuration has no way to AWS")
        return self._aws

    @property
    def needs_aws(self) -> bool:
        """Whether anything is read or asked of AWS."""
        return self.config.needs_aws or self.config.uses_athena

    @cached_property
    def region(self) -> str:
        """The region in which global questions are asked: the first that is configured, else the environment's. Raises SourceError."""
        return next((region for region in configured_regions(self.config) if region != ALL), "") or self.aws.default_region()

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        """The watched accounts; what could not be learned of them is in `problems` from then on."""
        try:
            found = self.aws.accounts()
        except SourceError as error:
            self.problems.append(failure(UNLISTED, error))
            return ()
        self.problems.extend(failure(account_id or UNLISTED, error) for account_id, error in found.failures)
        return found.accounts

    @cached_property
    def units(self) -> tuple[WatchedUnit, ...]:
        """The watched accounts that can be reached, in their regions; regions that cannot be told are in `problems` from then on."""

        def regions(account: Account) -> list[str | Diagnosis]:
            found: dict[str, None] = {}
            for wish in wanted_regions(self.config):
                # Where nothing names regions, that of a queue or bucket stands for the environment's, which need not be set then.
                wanted = wish or (() if account.regions or self.config.aws.regions else (self.region,))
                try:
                    found |= dict.fromkeys(self.aws.regions(account, wanted))
                except SourceError as error:
                    return [failure(f"{named(account)}: regions", error, who(account))]
            return list(found)

        units: list[WatchedUnit] = []
        reached = [account for account in self.accounts if account not in self.unreachable]
        for account, answers in zip(reached, in_parallel(regions, reached), strict=True):
            for answer in answers:
                if isinstance(answer, Diagnosis):
                    self.problems.append(answer)
                else:
                    units.append(WatchedUnit(account, answer))
        return tuple(units)

    def take_problems(self) -> list[Diagnosis]:
        """Return what could not be learned of accounts and regions since this was last asked."""
        taken, self.problems = self.problems, []
        return taken

    def over_units(self, ask: Callable[[WatchedUnit], Iterable[Diagnosis]]) -> Iterator[Diagnosis]:
        """Yield what is found of each unit, several at once, in their order; what fails in one hides no other."""

        def guarded(unit: WatchedUnit) -> list[Diagnosis]:
            found: list[Diagnosis] = []
            try:
                found.extend(ask(unit))
            except SourceError as error:
                found.append(failure(str(unit), error, who(unit.account)))
            except Exception as error:  # noqa: BLE001 - the boundary of one unit: an answer that nobody foresaw must not hide the others
                found.append(Diagnosis("failure", str(unit), f"{FAULT}: {type(error).__name__}: {error}", REPORT))
            return found

        for found in in_parallel(guarded, self.units):
            yield from found


def in_parallel(ask: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return what is answered for each item, in their order."""
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="doctor") as pool:
        return list(pool.map(ask, items))


def configured_regions(config: Config) -> list[str]:
    """Return every region that the configuration names, `all` too, without repeats."""
    named_regions = [*config.aws.regions]
    for account in config.aws.accounts:
        named_regions += account.regions
    for settings in config.sources:
        named_regions += regions_of(settings)
        named_regions.append(getattr(settings, "region", "") or queue_name(getattr(settings, "queue_url", "")).region)
    if config.reads_posture:
        named_regions += config.posture.regions
    if config.uses_athena:
        named_regions.append(config.athena.region)
    return [region for region in dict.fromkeys(named_regions) if region]


def regions_of(settings: SourceSettings) -> tuple[str, ...]:
    """Return the regions that a source asks for itself; empty where the section `aws` decides."""
    return tuple(getattr(settings, "regions", ()))


def wanted_regions(config: Config) -> list[tuple[str, ...]]:
    """Return the different wishes for regions that the sources of AWS have, and what is read of what stands."""
    wishes = [regions_of(settings) for settings in config.sources if SOURCES[settings.type].needs_aws]
    if config.reads_posture:
        wishes.append(tuple(config.posture.regions))
    return list(dict.fromkeys(wishes)) or [()]


def role_chains(config: Config) -> list[tuple[RoleSettings, ...]]:
    """Return the chains of roles that sources, and queries of Athena, go through by themselves, such as to a queue of another account."""
    chains: list[tuple[RoleSettings, ...]] = []
    for settings in config.sources:
        for name in type(settings).model_fields:
            value = getattr(settings, name)
            if isinstance(value, RoleSettings):
                chains.append((value,))
            elif isinstance(value, tuple) and value and all(isinstance(item, RoleSettings) for item in value):
                chains.append(value)
    if config.uses_athena and config.athena.role is not None:
        chains.append((config.athena.role,))
    return list(dict.fromkeys(chains))


def named(account: Account) -> str:
    """Return an account as people know it."""
    return account.account_id if account.name in ("", account.account_id) else f"{account.account_id} ({account.name})"


def who(account: Account) -> str:
    """Return the principal that acts in an account: `hub` or the ARN of its role."""
    return account.roles[-1].role_arn if account.roles else "hub"


def failure(subject: str, error: SourceError, principal: str = "hub") -> Diagnosis:
    """Return a failed call as a finding: for a denied one the missing action, and as whom."""
    return Diagnosis("failure", subject, str(error), denial(error, principal))


def denial(error: SourceError, principal: str) -> str:
    """Return what to do about a denied call; empty for other errors, whose text says it itself."""
    if error.reason != "access_denied" or not isinstance(error, AwsError) or not error.operation:
        return ""
    if error.operation == "sts:AssumeRole":
        return (
            f"the caller ({shown(principal)}) needs sts:AssumeRole on the role (`aws-change-exporter iam-policy`), and the role's trust "
            "policy must name the caller and the external id of the configuration (`aws-change-exporter iam-policy --format trust`)"
        )
    return f"missing action {error.operation} for {shown(principal)}; add it: `aws-change-exporter iam-policy`"


def shown(principal: str) -> str:
    """Return a principal of a policy as people know it."""
    return "the default credentials" if principal == "hub" else principal


def finding(check: str, diagnosis: Diagnosis) -> Finding:
    """Return a diagnosis as a finding of a check; whatever AWS or a file put into its text is bounded and made visible."""
    subject, detail, remedy = (visible(text, _LONGEST) for text in (diagnosis.subject, diagnosis.detail, diagnosis.remedy))
    return Finding(check, diagnosis.status, subject, detail, remedy)
