"""What reading, listing and verifying a trail bucket have in common: one file read and remembered, one count made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from exporter.aws import Caller
from exporter.errors import AwsError, SourceError
from exporter.families import TRAIL_FILES
from exporter.sources.base import Batch, FetchContext, Malformed
from exporter.sources.downloads import ObjectReader, Reading
from exporter.sources.ledger import ABSENT, UNHASHED, Row, decode, file_key, row_of
from exporter.sources.trail_keys import LogFile

Count = tuple[str, tuple[str, ...], float]
Finished = tuple[Mapping[str, str | None], tuple[Count, ...]]
Finish = Callable[[str], Finished]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: read with this hash, not there, unreadable for good (`sha256` is UNHASHED), or failed for now."""

    sha256: str = ""
    error: SourceError | None = None

    @property
    def missing(self) -> bool:
        """Whether the file is not there."""
        return self.error is not None and self.error.reason == "not_found"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket during one fetch: who reads it, for which source, and where what was read is remembered."""

    source: str
    name: str
    caller: Caller
    objects: ObjectReader
    context: FetchContext
    verifying: bool

    def origin(self, key: str) -> str:
        """Return a key as people write it."""
        return f"s3://{self.name}/{key}"

    def verdict(self, file: LogFile, state: str) -> Count:
        """Return one more file of a state."""
        return TRAIL_FILES.name, (self.source, file.account_id, file.region, state), 1.0

    def file(self, reading: Reading[T], finish: Finish) -> Iterator[tuple[Batch, Outcome | None]]:
        """Yield the batches of a file; the last comes with the outcome, and if the file was read with what `finish` says of its hash."""
        origin = reading.object.origin
        error = reading.error
        if error is None:
            try:
                for part in reading.parts:
                    yield (
                        (_finished(part.batch, finish(part.sha256 or UNHASHED)), Outcome(part.sha256 or UNHASHED))
                        if part.last
                        else (part.batch, None)
                    )
            except SourceError as raised:
                error = raised
        if isinstance(error, AwsError) and error.code == "too_large":
            malformed = (Malformed("too_large", origin, str(error)[:500]),)
            yield _finished(Batch(origin, read=1, malformed=malformed), finish(UNHASHED)), Outcome(UNHASHED)
        elif error is not None:
            yield Batch(origin, error=error), Outcome(error=error)

    def remember(self, file: LogFile, sha256: str) -> Finished:
        """Return the cursor of a file that was read, and the count of one that changed after a verdict of it."""
        before = self.row(file.key) if self.verifying else None
        judged = before is not None and before.judged
        changed = judged and before is not None and not {ABSENT, UNHASHED} & {before.sha256, sha256} and before.sha256 != sha256
        if changed:
            self.context.log.error(
                "trail file modified: its content is not what it was when it was verified; find out who wrote it",
                bucket=self.name, key=file.key, account_id=file.account_id, region=file.region,
            )  # fmt: skip
        now = self.context.now()
        # No digest will ever name a file of a day that is still to come.
        made_up = self.verifying and not judged and file.moment > now + timedelta(days=2)
        if made_up:
            self.context.log.error(
                "trail file unsigned: it lies in a day that is still to come; find out who wrote it",
                bucket=self.name, key=file.key, account_id=file.account_id, region=file.region,
            )  # fmt: skip
        states = ["modified"] * changed + ["unsigned"] * made_up
        row = row_of(file, sha256, now, judged=judged or made_up)
        return {file_key(file.key): row}, tuple(self.verdict(file, state) for state in states)

    def row(self, key: str) -> Row | None:
        """Return what is remembered of a file."""
        return decode(self.context.cursor(file_key(key)), Row)


def archived(error: SourceError | None) -> bool:
    """Tell whether an object is in an archive class of S3, where it stays until somebody restores it."""
    return isinstance(error, AwsError) and error.code == "InvalidObjectState"


def _finished(batch: Batch, finished: Finished) -> Batch:
    cursors, counts = finished
    return replace(batch, cursors={**batch.cursors, **cursors}, counts=(*batch.counts, *counts))
