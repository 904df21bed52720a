"""New files of a trail bucket by listing, and the past of it.

Names tell the minute, and within it they are random; files may also come late. So each listing begins a while before the newest name
and passes over what was read; now and then it begins two days before. Listing from a position crosses midnight by itself, and an idle
folder costs one request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from exporter.errors import SourceError
from exporter.sources.base import Batch
from exporter.sources.downloads import Object
from exporter.sources.ledger import Deadline, Gather, Progress, Seen, decode, encode, epoch, file_key, from_epoch
from exporter.sources.places import objects_after
from exporter.sources.trail_bucket import Bucket, Finished, archived
from exporter.sources.trail_keys import LogFile, day_position, log_position, understand_key

DEEP = timedelta(days=2)
"""How far back a deep listing begins."""

KEPT = timedelta(days=4)
"""How long a file is remembered at least: longer than any listing reaches back."""

_LEFT_OVER = timedelta(days=14)
"""How much longer than that a file may stay remembered: while the exporter was down, it grew older."""

_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class Listing:
    """Reads the folders of one bucket; `overlap` is how far before the newest name listings begin, `backfill` how far the past reaches."""

    bucket: Bucket
    overlap: timedelta
    backfill: timedelta

    def progress(self, folder: str) -> Progress:
        """Return how far a folder was read; at first sight the past ends, and the new begins, an overlap ago."""
        known = decode(self.bucket.context.cursor(_key(folder)), Progress)
        if known is not None:
            return known
        now = self.bucket.context.now()
        past = day_position(folder, now - self.backfill) if self.backfill else ""
        return Progress(epoch(now), log_position(folder, now - self.overlap), past)

    def live(self, folder: str, *, deep: bool) -> Iterator[Batch]:
        """Yield what is new in a folder; raises AwsError where it cannot be listed."""
        context, before = self.bucket.context, self.progress(folder)
        if context.cursor(_key(folder)) is None:
            # Else the new would begin when the folder can first be listed.
            yield Batch(self.bucket.origin(folder), cursors={_key(folder): encode(before)})
        newest_read = from_epoch(before.live)
        start = day_position(folder, newest_read - DEEP) if deep else log_position(folder, newest_read - self.overlap)
        if before.past or self.backfill < DEEP:
            # What stands before is the past: still to be read as such, or not wanted.
            start = max(start, before.until)
        newest, now = before.live, epoch(context.now())
        gather, failed = Gather(), False

        def unseen() -> Iterator[Object[LogFile]]:
            nonlocal newest
            seen = Seen(context)
            for file in self._files(folder, start):
                if file.stamped:
                    # A name from the future must not make us pass over what comes until then.
                    newest = max(newest, min(epoch(file.moment), now))
                if file not in seen:
                    yield Object(self.bucket.name, file.key, file)

        for reading in self.bucket.objects.read(unseen()):
            file = reading.object.of
            for batch, outcome in self.bucket.file(reading, partial(self.bucket.remember, file)):
                failed = failed or (outcome is not None and outcome.error is not None)
                if (ready := gather.add(batch)) is not None:
                    yield ready
            if context.stopping():
                break
        else:
            after = before if failed else Progress(newest, before.until, before.past)
            if encode(after) != context.cursor(_key(folder)):
                gather.add(Batch(self.bucket.origin(folder), cursors={_key(folder): encode(after)}))
        if (ready := gather.flush()) is not None:
            yield ready

    def meet(self, folder: str) -> Iterator[Batch]:
        """Remember the first sight of a folder whose new files come by a queue."""
        if self.bucket.context.cursor(_key(folder)) is None:
            first = self.progress(folder)
            first = replace_until(first, log_position(folder, self.bucket.context.now() + timedelta(minutes=1)))
            yield Batch(self.bucket.origin(folder), cursors={_key(folder): encode(first)})

    def past(self, folder: str, deadline: Deadline) -> Iterator[Batch]:
        """Yield some of a folder's past, oldest first, and remember how far it was read."""
        context, progress = self.bucket.context, self.progress(folder)
        listed = 0
        last = progress.past
        gather = Gather()

        def unseen() -> Iterator[Object[LogFile]]:
            nonlocal listed, last
            seen = Seen(context)
            for file in islice(self._files(folder, progress.past), _AT_A_TIME):
                if file.key >= progress.until:
                    return
                listed, last = listed + 1, file.key
                if file not in seen:
                    yield Object(self.bucket.name, file.key, file)

        def finish(file: LogFile, sha256: str) -> Finished:
            at: dict[str, str | None] = {_key(folder): encode(replace_past(progress, file.key))}
            if not self.bucket.verifying and file.moment < context.now() - KEPT:
                return at, ()
            cursors, counts = self.bucket.remember(file, sha256)
            return {**cursors, **at}, counts

        stuck = False
        for reading in self.bucket.objects.read(unseen()):
            file = reading.object.of
            for batch, outcome in self.bucket.file(reading, partial(finish, file)):
                error = None if outcome is None else outcome.error
                if outcome is not None and (outcome.missing or archived(error)):
                    # Expired since it was listed, or moved to an archive: neither comes back by waiting.
                    context.log.warning("a file of the past is passed over", key=file.key, error=str(error))
                    batch = replace(batch, error=None, cursors={_key(folder): encode(replace_past(progress, file.key))})  # noqa: PLW2901
                elif error is not None:
                    stuck = True
                if (ready := gather.add(batch)) is not None:
                    yield ready
            if stuck or context.stopping() or deadline.over:
                break
        else:
            after = replace_past(progress, last if listed >= _AT_A_TIME else "")
            gather.add(Batch(self.bucket.origin(folder), cursors={_key(folder): encode(after)}))
        if (ready := gather.flush()) is not None:
            yield ready

    def _files(self, folder: str, after: str) -> Iterator[LogFile]:
        for item in objects_after(self.bucket.caller, self.bucket.name, folder, after):
            file = understand_key(item.key) if item.size else None
            if isinstance(file, LogFile):
                yield file


def each(folders: tuple[str, ...], work: Callable[[str], Iterator[Batch]], origin: Callable[[str], str]) -> Iterator[Batch]:
    """Yield the batches of every folder; what fails in one does not keep the others."""
    for folder in folders:
        try:
            yield from work(folder)
        except SourceError as error:
            yield Batch(origin(folder), error=error)


def replace_past(progress: Progress, past: str) -> Progress:
    """Return the progress with the past read up to a key, or to its end."""
    return Progress(progress.live, progress.until, past)


def replace_until(progress: Progress, until: str) -> Progress:
    """Return the progress with another end of the past."""
    return Progress(progress.live, until, progress.past)


def unread_past(progress: Progress, key: str) -> bool:
    """Tell whether the past still has to be read at a key."""
    return bool(progress.past) and progress.past < key < progress.until


def rows_of(bucket: Bucket, folder: str, backfill: timedelta) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder that are remembered, as key and cursor text, looking at a day at a time."""
    now = bucket.context.now()
    reach = max(backfill, KEPT) if bucket.verifying else KEPT
    for days in range((reach + _LEFT_OVER).days, -2, -1):
        day = file_key(f"{day_position(folder, now - timedelta(days=days))}/")
        for name, text in bucket.context.cursors(day).items():
            yield name.removeprefix(file_key("")), text


def forgotten_before(progress: Progress, now: datetime, *, listed: bool) -> int:
    """Return before which moment no listing looks any more, in epoch seconds; a folder that is not listed is read by a queue."""
    return (min(progress.live, epoch(now)) if listed else epoch(now)) - int(KEPT.total_seconds())


def _key(folder: str) -> str:
    return f"folder:{folder}"
