"""Trail logs for the embedded engine: a directory of files, or a bucket as the source `s3` lists it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from exporter.aws import Caller
from exporter.errors import SourceError
from exporter.history.trail_rows import RowSelector
from exporter.history.trail_shape import Place, Shape
from exporter.sources.decompress import gunzip_pieces, is_gzip, plain_pieces
from exporter.sources.files import is_digest, open_regular, source_error
from exporter.sources.findings import Findings
from exporter.sources.places import Choice, find_places, objects_after
from exporter.sources.reader import TextReader
from exporter.sources.scan import Fates
from exporter.sources.trail_keys import LogFile, day_position, understand_key
from exporter.sources.tree import TreeFile, Unreadable, walk
from exporter.sources.window import TextWindow
from exporter.sql.arrow import Batch
from exporter.sql.conditions import Condition, possible
from exporter.sql.feed import Tally
from exporter.sql.narrow import Need

_FIRST_DAY = datetime(2013, 11, 13, tzinfo=UTC)
"""Of CloudTrail itself."""


class _Reading:
    """Reads file after file into the rows of one statement."""

    def __init__(self, need: Need, tally: Tally, limit: int) -> None:
        self._shape, self._tally, self._limit = Shape(need), tally, limit
        condition = need.condition
        self._fates = Fates(lambda source, name: possible(condition, {"eventname": name, "eventsource": source}))

    def file(self, origin: str, file: BinaryIO, size: int, place: Place) -> Iterator[Batch]:
        """Yield the rows of a file as soon as there are enough; those that wait come with the next one."""
        findings, limit = Findings(origin), self._limit
        text = TextWindow(gunzip_pieces(file, limit) if is_gzip(file) else plain_pieces(file), limit)
        selector = RowSelector(findings, self._fates, self._shape, place)
        seen = 0
        for _ in TextReader(findings, selector, limit).read(text):
            self._tally.records += findings.understood - seen
            seen = findings.understood
            if self._shape.full:
                yield self._shape.batch()
            if self._tally.stopping():
                return
        self._tally.records += findings.understood - seen
        for broken in findings.batch({}).malformed:
            self._tally.broken(broken.reason, broken.where, broken.detail, broken.count)
        self._tally.file(size)

    def rest(self) -> Iterator[Batch]:
        """Yield what still waits."""
        if self._shape.waiting:
            yield self._shape.batch()


class FilesFeed:
    """The files below paths, as the source `files` finds and reads them; `paths` come with the size that a file may expand to."""

    def __init__(self, paths: Mapping[Path, int]) -> None:
        self._paths = paths

    def batches(self, need: Need, tally: Tally) -> Iterator[Batch]:
        """Yield rows in the order of the paths of the files."""
        for path, limit in self._paths.items():
            yield from self._below(path, _Reading(need, tally, limit), need.condition, tally)

    def close(self) -> None:
        """Release nothing: files are open only while they are read."""

    def _below(self, path: Path, reading: _Reading, condition: Condition, tally: Tally) -> Iterator[Batch]:
        try:
            found = [entry for entry in walk(path) if isinstance(entry, Unreadable) or not is_digest(entry.key)]
        except OSError as error:
            tally.problems.append(str(source_error(str(path), error)))
            return
        tally.all_files += len(found)
        for entry in found:
            if tally.stopping():
                return
            if isinstance(entry, Unreadable):
                tally.problems.append(str(source_error(entry.key, entry.error)))
            else:
                yield from self._file(entry, reading, condition, tally)
        yield from reading.rest()

    def _file(self, entry: TreeFile, reading: _Reading, condition: Condition, tally: Tally) -> Iterator[Batch]:
        place = _place_of(entry.key) or _place_of(os.fsdecode(entry.path))
        if not possible(condition, place):
            tally.passed_over += 1
            return
        try:
            with open_regular(entry.path) as file:
                yield from reading.file(entry.key, file, entry.size, place)
        except OSError as error:
            tally.problems.append(str(source_error(entry.key, error)))


class BucketFeed:
    """The log files of one bucket. What a statement says of account, region and day bounds what is listed and fetched."""

    def __init__(
        self, caller: Callable[[], Caller], bucket: str, choice: Choice, limit: int, downloads: int, now: Callable[[], datetime]
    ) -> None:
        self._caller, self._bucket, self._choice = caller, bucket, choice
        self._limit, self._downloads, self._now = limit, downloads, now

    def batches(self, need: Need, tally: Tally) -> Iterator[Batch]:
        """Yield rows in the order of the keys."""
        reading = _Reading(need, tally, self._limit)
        try:
            caller = self._caller()
            places = find_places(caller, self._bucket, self._choice, digests=False)
        except SourceError as error:
            tally.problems.append(str(error))
            return
        tally.problems += [f"s3://{self._bucket}/{where}: {error}" for where, error in places.failures]
        days = [day for day in self._days() if possible(need.condition, {"day": f"{day:%Y/%m/%d}"})]
        with ThreadPoolExecutor(self._downloads, "query") as pool:
            try:
                for folder in places.logs if days else ():
                    files = self._files(caller, folder, days, need.condition, tally)
                    yield from self._folder(caller, folder, files, reading, pool, tally)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        yield from reading.rest()

    def close(self) -> None:
        """Release nothing: AWS is whoever's it was."""

    def _folder(
        self, caller: Caller, folder: str, files: Iterator[LogFile], reading: _Reading, pool: ThreadPoolExecutor, tally: Tally
    ) -> Iterator[Batch]:
        ahead: deque[tuple[LogFile, Future[bytes]]] = deque()
        try:
            while not tally.stopping():
                while len(ahead) < self._downloads and (file := next(files, None)) is not None:
                    ahead.append((file, pool.submit(self._fetch, caller, file.key)))
                if not ahead:
                    return
                file, fetched = ahead.popleft()
                origin = f"s3://{self._bucket}/{file.key}"
                try:
                    data = fetched.result()
                except SourceError as error:
                    tally.problems.append(f"{origin}: {error}")
                    continue
                yield from reading.file(origin, BytesIO(data), len(data), _place(file))
        except SourceError as error:
            tally.problems.append(f"s3://{self._bucket}/{folder}: {error}")
        finally:
            for _, fetched in ahead:
                fetched.cancel()

    def _fetch(self, caller: Caller, key: str) -> bytes:
        return caller.get_object(self._bucket, key, self._limit).body

    def _files(self, caller: Caller, folder: str, days: list[datetime], condition: Condition, tally: Tally) -> Iterator[LogFile]:
        """Yield the files of a folder whose account, region and day a statement may mean."""
        account, _, region = folder.rstrip("/").split("/")[-3:]
        if not possible(condition, {"account": account, "region": region}):
            return
        first, last = days[0], f"{days[-1]:%Y/%m/%d}"
        start = day_position(folder, first) if first > _FIRST_DAY else folder
        for listed in objects_after(caller, self._bucket, folder, start):
            file = understand_key(listed.key)
            if not isinstance(file, LogFile) or not self._choice.includes(file):
                continue
            if file.day > last and days[-1] < self._now():
                return
            if possible(condition, _place(file)):
                tally.all_files += 1
                yield file
            else:
                tally.passed_over += 1

    def _days(self) -> Iterator[datetime]:
        today = self._now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for number in range((today - _FIRST_DAY).days + 3):
            yield _FIRST_DAY + timedelta(days=number)


def _place(file: LogFile) -> dict[str, str]:
    return {"account": file.account_id, "region": file.region, "day": file.day}


def _place_of(path: str) -> dict[str, str]:
    file = understand_key(path)
    return _place(file) if isinstance(file, LogFile) else {}
