"""What a source of change events is: the protocol that every source keeps, and the values it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol

from pydantic import BeforeValidator, Field, model_validator

from exporter.errors import SourceError
from exporter.model import Unit
from exporter.settings import Duration, Settings


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One CloudTrail record as delivered: its JSON text, and the same decoded."""

    raw: bytes
    record: Mapping[str, Any]


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
    `cursors` are saved with the events. `units` are accounts and regions seen in the batch, wanted records
    or not. `error` marks a part that could not be read; the cursor then does not pass it.
    """

    origin: str
    records: Sequence[RawRecord] = ()
    read: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)
    malformed: Sequence[Malformed] = ()
    cursors: Mapping[str, str] = field(default_factory=dict)
    units: frozenset[Unit] = frozenset()
    error: SourceError | None = None


@dataclass(frozen=True, slots=True)
class FetchContext:
    """What a source may ask while it fetches.

    `cursor` returns what the store last saved for a key of this source; `wanted` tells from event source
    and event name whether a record is worth parsing; `stopping` turns true when the process must end soon:
    a source then returns after the batch at hand.
    """

    cursor: Callable[[str], str | None]
    wanted: Callable[[str, str], bool]
    now: Callable[[], datetime]
    stopping: Callable[[], bool] = lambda: False


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
        description="Events from before this time fill the history but never the live counters: `start` (when this source was first "
        "polled), `beginning` (count everything, as an investigation over files wants) or a time such as 2026-01-31T00:00:00Z.",
    )
    poll_interval: Duration = Field(default=timedelta(seconds=60), description="How often the source is polled.")

    @model_validator(mode="before")
    @classmethod
    def _name_defaults_to_type(cls, data: object) -> object:
        if isinstance(data, dict) and not data.get("name"):
            return {**data, "name": data.get("type", "")}
        return data


class Source(Protocol):
    """A place that change events come from. A new one is one module and one line in SOURCES."""

    name: str
    account_id: str
    region: str

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        """Yield what is new since the saved cursors, oldest first; raise SourceError where nothing can be read."""
        ...
