"""The source `files`: a directory tree of trail logs, watched for new and grown files."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import Field

from exporter.aws import Aws
from exporter.errors import SourceError
from exporter.settings import Duration, Size
from exporter.sources.base import Batch, Diagnosis, FetchContext, Roster, SourceSettings, SourceType
from exporter.sources.decompress import gunzip_pieces, is_gzip, plain_pieces
from exporter.sources.findings import Findings
from exporter.sources.position import UNFINISHED, PlainFile, Position, decode_position
from exporter.sources.reader import TextReader
from exporter.sources.scan import Fates, Selector
from exporter.sources.tree import TreeFile, Unreadable, walk
from exporter.sources.window import TextWindow

_SHOWN_PROBLEMS = 10
_DIGEST = re.compile(r"(^|/)CloudTrail-Digest/|_CloudTrail-Digest_[^/]*$")


class FilesSettings(SourceSettings):
    """A directory tree of trail logs: `.json`, `.ndjson`, `.jsonl`, each also `.gz`, told apart by what they hold."""

    type: Literal["files"] = Field(description="Type of the source.")
    path: Path = Field(description="Directory to read with all below it, or one file. Hidden files, `*.tmp` and `*.part` are passed over.")
    poll_interval: Duration = Field(default=timedelta(seconds=10), description="How often the tree is looked over for new and grown files.")
    max_file_size: Size = Field(
        default=256 * 2**20,
        ge=1,
        description="Size to which a compressed file may expand, and that one JSON value of a plain file may have; what is past it is "
        "counted as malformed (`too_large`), so that a decompression bomb does no harm.",
    )
    max_record_size: Size = Field(
        default=4 * 2**20,
        ge=1,
        description="Size that a wanted record may have; larger ones are counted as malformed (`too_large`). AWS makes none over 256 KiB.",
    )


class FilesSource:
    """Reads every new or changed file below a path; the cursor key of a file is its path below that."""

    name: str
    account_id = ""
    region = ""

    def __init__(self, settings: FilesSettings) -> None:
        self.name = settings.name
        self._settings = settings

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        """Yield one batch for each new or changed file, several for a large one; raise SourceError where the path cannot be read."""
        fates = Fates(context.wanted)
        try:
            for found in walk(self._settings.path):
                if context.stopping():
                    return
                if isinstance(found, Unreadable):
                    yield Batch(origin=found.key, error=source_error(found.key, found.error))
                else:
                    yield from self._file(found, fates, context)
        except OSError as error:
            raise source_error(str(self._settings.path), error) from error

    def _file(self, entry: TreeFile, fates: Fates, context: FetchContext) -> Iterator[Batch]:
        saved = decode_position(context.cursor(entry.key))
        if entry.size == 0 or (saved is not None and (saved.size, saved.mtime_ns) == (entry.size, entry.mtime_ns)):
            return
        findings = Findings(entry.key)
        if is_digest(entry.key):
            findings.ignored("digest")
            yield findings.batch({entry.key: Position(entry.size, entry.mtime_ns).encode()})
            return
        try:
            with open_regular(entry.path) as file:
                yield from self._read(file, saved, findings, fates, context)
        except FileNotFoundError:
            return  # it vanished since the walk; if it was moved, its new place is read
        except OSError as error:
            yield Batch(origin=entry.key, error=source_error(entry.key, error))

    def _read(self, file: BinaryIO, saved: Position | None, findings: Findings, fates: Fates, context: FetchContext) -> Iterator[Batch]:
        key, status = findings.origin, os.fstat(file.fileno())
        limit = self._settings.max_file_size
        plain = None if is_gzip(file) else PlainFile(file)
        begin = plain.resume(saved) if plain else 0
        file.seek(begin)
        text = TextWindow(plain_pieces(file) if plain else gunzip_pieces(file, limit), limit)
        reader = TextReader(findings, Selector(findings, fates, self._settings.max_record_size), limit)
        for _ in reader.read(text):
            stopping = context.stopping()
            if findings.full or (stopping and plain and reader.complete):
                reached = begin + reader.complete
                yield findings.batch({key: plain.position(reached, UNFINISHED, reached).encode()} if plain and reader.complete else {})
            if stopping:
                return  # what has no cursor yet is read again
        done = (
            plain.position(status.st_size, status.st_mtime_ns, begin + reader.complete)
            if plain
            else Position(status.st_size, status.st_mtime_ns)
        )
        yield findings.batch({key: done.encode()})


def open_regular(path: str) -> BinaryIO:
    """Open a regular file without ever waiting: what was a file when the tree was walked may be a FIFO by now."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("is no regular file")
    return os.fdopen(descriptor, "rb", buffering=0)


def is_digest(key: str) -> bool:
    """Tell a digest of a trail, which holds no records, from its path."""
    return _DIGEST.search(key) is not None


def source_error(where: str, error: OSError) -> SourceError:
    """Return why a path cannot be read, with a remedy."""
    if isinstance(error, FileNotFoundError):
        return SourceError("not_found", f"{where}: no such file or directory; create it, or correct `path`")
    if isinstance(error, PermissionError):
        return SourceError("access_denied", f"{where}: permission denied; let the exporter's user read it")
    return SourceError("unreadable", f"{where}: cannot be read: {error.strerror or error}")


def _units(settings: FilesSettings, _aws: Aws | None) -> Roster:
    return Roster((FilesSource(settings),))


def _diagnose(settings: FilesSettings, _aws: Aws | None) -> Iterator[Diagnosis]:
    """Walk the tree and open each file, without reading it."""
    readable, wrong = 0, 0
    try:
        for found in walk(settings.path):
            try:
                if isinstance(found, Unreadable):
                    raise found.error
                open_regular(found.path).close()
                readable += 1
            except FileNotFoundError:
                continue  # it vanished since the walk
            except OSError as error:
                wrong += 1
                if wrong <= _SHOWN_PROBLEMS:
                    yield Diagnosis("failure", found.key, str(source_error(found.key, error)))
    except OSError as error:
        yield Diagnosis("failure", str(settings.path), str(source_error(str(settings.path), error)))
        return
    if wrong > _SHOWN_PROBLEMS:
        yield Diagnosis("failure", str(settings.path), f"{wrong - _SHOWN_PROBLEMS} more files cannot be read")
    if readable:
        yield Diagnosis("ok", str(settings.path), f"{readable} {'file' if readable == 1 else 'files'} can be read")
    elif not wrong:
        yield Diagnosis("warning", str(settings.path), "holds no trail file yet", "see that `path` is the directory that the files come to")


FILES = SourceType(FilesSettings, _units, diagnose=_diagnose, needs_aws=False)

__all__: Sequence[str] = ["FILES", "FilesSettings", "FilesSource"]
