"""What a source of change events is: the protocol that every source keeps, and the values it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import structlog
from pydantic import BeforeValidator, Field, model_validator

from exporter.aws import Aws, Permission
from exporter.errors import SourceError
from exporter.logs import Logger
from exporter.model import Unit
from exporter.settings import Duration, Settings


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One CloudTrail record as delivered: its JSON text, and the same decoded.

    `origin` is where it lies in a batch that has records of several files, empty where the batch has one origin.
    """

    raw: bytes
    record: Mapping[str, Any]
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that could not be understood: `reason` of MALFORMED_REASONS, where, and how many records."""

    reason: str
    where: str
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction stores: the records worth parsing, and the fate of all others that were read.

    `read` counts every record of the batch: len(records) + sum(ignored.values()) + sum of malformed counts.
    `cursors` are saved with the events; None forgets a key. `units` are accounts and regions seen in the batch, wanted
    records or not. `error` marks a part that could not be read; the cursor then does not pass it. `counts` are added to
    families of SOURCE_FAMILIES in the same transaction: (family name, label values, amount). `late` says that the source had
    read past the times of these records before: what it brings for the first time counts as late. `watched_since` says from when on
    all of the unit has been read, once its past is filled in.
    """

    origin: str
    records: Sequence[RawRecord] = ()
    read: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)
    malformed: Sequence[Malformed] = ()
    cursors: Mapping[str, str | None] = field(default_factory=dict)
    units: frozenset[Unit] = frozenset()
    error: SourceError | None = None
    counts: Sequence[tuple[str, tuple[str, ...], float]] = ()
    late: bool = False
    watched_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class FetchContext:
    """What a source may ask while it fetches.

    `cursor` returns what the store last saved for a key of this source, `cursors` all that begin with a prefix; `wanted`
    tells from event source and event name whether a record is worth parsing, and `names` lists the (event source, event
    name) pairs that are, None where patterns or version suffixes make them endless; `stopping` turns true when the
    process must end soon: a source then returns after the batch at hand. `budget` is how long one fetch may spend on what
    can wait (the past), None for as long as it takes. `log` is told what a person should know beside the counts. `alone` is False
    where another of the replicas that poll a source together (`SourceSettings.by_all`) does what one of them must do by itself.
    """

    cursor: Callable[[str], str | None]
    wanted: Callable[[str, str], bool]
    now: Callable[[], datetime]
    stopping: Callable[[], bool] = lambda: False
    cursors: Callable[[str], Mapping[str, str]] = lambda _prefix: {}
    names: tuple[tuple[str, str], ...] | None = None
    budget: timedelta | None = None
    log: Logger = field(default_factory=structlog.get_logger)
    alone: bool = True


def _live_since(value: object) -> datetime | str:
    if value in ("start", "beginning"):
        return str(value)
    try:
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, date | str):
            moment = datetime.fromisoformat(str(value))
        else:
            raise ValueError
        # YAML reads a time without an offset as a naive one; CloudTrail's times are UTC.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{str(value)!r:.60} is no point in time; write start, beginning or a time such as 2026-01-31T00:00:00Z") from None


LiveSince = Annotated[Literal["start", "beginning"] | datetime, BeforeValidator(_live_since)]


class SourceSettings(Settings):
    """What every entry of `sources` has; each source type adds its own."""

    type: str = Field(description="Type of the source.")
    name: str = Field(
        default="",
        max_length=64,
        pattern=r"^[A-Za-z0-9_.-]*$",
        description="Name in metrics, logs and history; the type by default. Must be unique. Under another name it is another "
        "source, which reads everything again and goes live anew: with a new name set `live_since` to a time before the change.",
    )
    live_since: LiveSince = Field(
        default="start",
        description="Events from before this time fill the history but never the live counters: `start` (when this source, or its unit "
        "of this account and region, was first polled), `beginning` (count everything, as an investigation over files wants) or a time "
        "such as 2026-01-31T00:00:00Z. An event that several sources bring is live if it is for any of them.",
    )
    poll_interval: Duration = Field(default=timedelta(seconds=60), description="How often the source is polled.")

    @property
    def wait(self) -> timedelta:
        """How long a poll may wait for news by itself, before the time until the next one begins."""
        return timedelta(0)

    @property
    def longest_between(self) -> timedelta:
        """How long it takes from the end of one poll to the end of the next where nothing goes wrong."""
        return self.poll_interval + self.wait

    @property
    def by_all(self) -> bool:
        """Whether all replicas that share a store poll it together, as a queue that hands each message to one of them."""
        return False

    @model_validator(mode="before")
    @classmethod
    def _name_defaults_to_type(cls, data: object) -> object:
        if isinstance(data, dict) and not data.get("name"):
            return {**data, "name": data.get("type", "")}
        return data


class Source(Protocol):
    """One unit of a place that change events come from: what is polled as one.

    `account_id` and `region` are empty for a source that spans many. Cursor keys are shared by all units of a source's name,
    so a unit puts its account and region into its keys.
    """

    name: str
    account_id: str
    region: str

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        """Yield what is new since the saved cursors, oldest first; raise SourceError where nothing can be read.

        What stands after a `yield` runs once the batch is committed: the place to delete a message.
        """
        ...


UnitKey = tuple[str, str, str]
"""What is polled as one: name of the source, account id, region."""


class Polled(Protocol):
    """Anything that is polled as one unit: a source of events, or a reader of what stands."""

    @property
    def name(self) -> str:
        """The name of what it is a unit of."""
        ...

    @property
    def account_id(self) -> str:
        """Its account; empty where it spans many."""
        ...

    @property
    def region(self) -> str:
        """Its region; empty where it spans many."""
        ...


def key_of(polled: Polled) -> UnitKey:
    """Return what a unit is known by."""
    return polled.name, polled.account_id, polled.region


def fields_of(key: UnitKey) -> dict[str, str]:
    """Return the fields by which log lines name a unit, without those that do not apply."""
    fields = dict(zip(("source", "account_id", "region"), key, strict=True))
    return {name: value for name, value in fields.items() if value}


@runtime_checkable
class Clocked(Protocol):
    """A source that can ask for the time where its events get theirs, which decides what is past and what is live."""

    def time(self, context: FetchContext) -> datetime:
        """Return the time there; raise SourceError where it cannot be asked."""
        ...


@runtime_checkable
class Rewindable(Protocol):
    """A source that can read its past further back than it did at its first start."""

    def fetch_past(self, context: FetchContext, since: datetime) -> Iterator[Batch]:
        """Yield what is missing of the past since a time, without moving where live reading stands; raise SourceError."""
        ...


@dataclass(frozen=True, slots=True)
class UnitFailure:
    """An account (or a region of it) that should be watched and of which not even the units can be told."""

    account_id: str
    region: str
    error: SourceError


@dataclass(frozen=True, slots=True)
class Roster:
    """The units of one configured source as known now. A failure hides no unit: those known before stay."""

    sources: tuple[Source, ...]
    failures: tuple[UnitFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `doctor` found of one thing: `status` is ok, warning, failure or skipped; `remedy` says what to do."""

    status: Literal["ok", "warning", "failure", "skipped"]
    subject: str
    detail: str
    remedy: str = ""


def no_permissions(_settings: Any) -> Iterable[Permission]:
    """Return that a source needs nothing of AWS."""
    return ()


def no_diagnosis(_settings: Any, _aws: Aws | None) -> Iterable[Diagnosis]:
    """Return that nothing of a source can be tried beforehand."""
    return ()


@dataclass(frozen=True, slots=True)
class SourceType:
    """One type of source: its settings, and what follows from them. `aws` is None where the type says `needs_aws` is False.

    `units` gives the units as of now, and is asked again every `aws.discovery_interval`; it may ask AWS and raises
    SourceError where no unit can be told. `permissions` and `diagnose` serve `iam-policy` and `doctor`. `families` names those of
    SOURCE_FAMILIES that the source counts into; their series exist at 0 from when a unit goes live.
    """

    settings: type[SourceSettings]
    units: Callable[[Any, Aws | None], Roster]
    permissions: Callable[[Any], Iterable[Permission]] = no_permissions
    diagnose: Callable[[Any, Aws | None], Iterable[Diagnosis]] = no_diagnosis
    needs_aws: bool = True
    families: tuple[str, ...] = ()
