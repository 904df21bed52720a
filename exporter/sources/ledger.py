"""What the s3 source remembers between polls, as cursors: how far each folder was read, which files were, and each chain's last digest.

Keys: `folder:<folder>`, `file:<key>`, `digests:<folder>`, `chain:<chain>`. A file is remembered as long as a listing may
show it again, or no digest has named it yet: names tell the minute and are random within it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from exporter.sources.base import Batch, FetchContext
from exporter.sources.trail_keys import LogFile
from exporter.sources.trail_text import merged

UNHASHED = "-"
"""As hash of a file that was read while digests were not verified, or could not be read for good."""

ABSENT = ""
"""As hash of a file that a digest names and that was not there."""

_ABSENT = '["",'
_MOST_MERGED = 32
_LARGEST_MERGED = 2 * 2**20
_LONGEST_WAIT = 1.0


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A file that was read: the hash of its text, its moment in epoch seconds, and whether a verdict of it was counted."""

    sha256: str
    moment: int
    judged: bool = False


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far a folder was listed: `live` is the newest moment read, in epoch seconds; keys from `past` to `until` are still to be read.

    `past` is empty once they are. New files are looked for from a while before `live` on.
    """

    live: int
    until: str
    past: str


class Chain(msgspec.Struct, frozen=True, array_like=True):
    """The last digest of a chain with a valid signature, its end, and from when on (epoch seconds) the chain names all files."""

    key: str
    text_hash: str
    end: int
    first: int


T = TypeVar("T", Row, Progress, Chain)


def encode(value: Row | Progress | Chain) -> str:
    """Return the text of a cursor."""
    return msgspec.json.encode(value).decode()


def decode(text: str | None, kind: type[T]) -> T | None:
    """Return what a cursor says; None where there is none, or another version wrote it in a way that this one does not know."""
    try:
        return msgspec.json.decode(text, type=kind) if text else None
    except msgspec.MsgspecError:
        return None


def file_key(key: str) -> str:
    """Return the cursor key of a file."""
    return f"file:{key}"


def from_epoch(seconds: float) -> datetime:
    """Return a time as an aware value."""
    return datetime.fromtimestamp(seconds, UTC)


def epoch(moment: datetime) -> int:
    """Return a time in whole epoch seconds."""
    return int(moment.timestamp())


def row_of(file: LogFile, sha256: str, now: datetime, *, judged: bool = False) -> str:
    """Return the cursor text of a file that was read; one whose name tells no time came at the latest now."""
    return encode(Row(sha256, epoch(file.moment if file.stamped else min(file.moment, now)), judged))


class Seen:
    """Answers whether a file was read, with one look at the cursors for each day."""

    def __init__(self, context: FetchContext) -> None:
        self._context = context
        self._day = ""
        self._rows: set[str] = set()

    def __contains__(self, file: object) -> bool:
        """Tell whether a log file was read."""
        assert isinstance(file, LogFile)
        day = file_key(f"{file.folder}{file.day}/")
        if day != self._day:
            # One that was missing is read should it come after all.
            rows = self._context.cursors(day).items()
            self._day, self._rows = day, {name for name, text in rows if not text.startswith(_ABSENT)}
        return file_key(file.key) in self._rows


@dataclass(slots=True)
class Gather:
    """Joins the batches of small files: a transaction for each would cost more than reading them."""

    batch: Batch | None = None
    count: int = 0
    size: int = 0
    since: float = 0.0

    def add(self, batch: Batch) -> Batch | None:
        """Take a batch in; return what is to be committed now, if anything."""
        now = time.monotonic()
        if self.batch is None:
            self.batch, self.count, self.size, self.since = batch, 0, 0, now
        else:
            self.batch = merged(self.batch, batch)
        self.count += 1
        self.size += sum(len(record.raw) for record in batch.records)
        full = self.count >= _MOST_MERGED or self.size >= _LARGEST_MERGED or now - self.since >= _LONGEST_WAIT
        return self.flush() if full or batch.error is not None else None

    def flush(self) -> Batch | None:
        """Return what waits to be committed."""
        batch, self.batch = self.batch, None
        return batch


class Deadline:
    """The end of the time for what can wait."""

    def __init__(self, budget: timedelta | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = None if budget is None else clock() + budget.total_seconds()

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return self._end is not None and self._clock() >= self._end
