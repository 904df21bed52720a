"""How tests of the sources read: what is wanted, and reading a directory or a text into one sum."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from exporter.errors import MALFORMED_REASONS, SourceError
from exporter.model import IGNORED_REASONS, Unit
from exporter.sources.base import Batch, FetchContext, Malformed, RawRecord
from exporter.sources.decompress import plain_pieces
from exporter.sources.files import FilesSettings, FilesSource
from exporter.sources.findings import Findings
from exporter.sources.reader import TextReader
from exporter.sources.scan import Fates, Selector
from exporter.sources.window import TextWindow

WANTED = "AuthorizeSecurityGroupIngress"


def is_wanted(event_source: str, event_name: str) -> bool:
    """Want what every test here watches."""
    return (event_source, event_name) == ("ec2.amazonaws.com", WANTED)


@dataclass
class Sum:
    """All that was read, added up."""

    batches: list[Batch] = field(default_factory=list)
    records: list[RawRecord] = field(default_factory=list)
    read: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    named: list[Malformed] = field(default_factory=list)
    units: set[Unit] = field(default_factory=set)
    errors: list[SourceError] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The event ids of the delivered records, sorted."""
        return sorted(str(entry.record.get("eventID")) for entry in self.records)


def add_up(batches: Iterable[Batch]) -> Sum:
    """Add batches up; what every batch must keep is asserted on the way."""
    out = Sum()
    for batch in batches:
        assert batch.read == len(batch.records) + sum(batch.ignored.values()) + sum(entry.count for entry in batch.malformed)
        assert set(batch.ignored) <= set(IGNORED_REASONS)
        assert {entry.reason for entry in batch.malformed} <= set(MALFORMED_REASONS)
        for entry in batch.records:
            assert json.loads(entry.raw) == entry.record
            json.dumps(entry.record, ensure_ascii=False).encode()
        out.batches.append(batch)
        out.records += batch.records
        out.read += batch.read
        out.ignored.update(batch.ignored)
        for malformed in batch.malformed:
            out.malformed[malformed.reason] += malformed.count
        out.named += batch.malformed
        out.units |= batch.units
        if batch.error is not None:
            out.errors.append(batch.error)
    return out


class Reader:
    """A files source with a store of nothing but cursors."""

    def __init__(self, path: Path, stopping: Callable[[], bool] = lambda: False, **settings: Any) -> None:
        self.cursors: dict[str, str] = {}
        self._path = path
        self._settings = settings
        self._stopping = stopping

    def poll(self) -> Sum:
        """Read what is new, as after a restart: with a source of its own each time."""
        source = FilesSource(FilesSettings.model_validate({"type": "files", "path": self._path, **self._settings}))
        context = FetchContext(
            cursor=self.cursors.get, wanted=is_wanted, now=lambda: datetime(2026, 1, 31, tzinfo=UTC), stopping=self._stopping
        )
        return add_up(self._saving(source.fetch(context)))

    def _saving(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        for batch in batches:
            self.cursors.update(batch.cursors)
            yield batch


def read_text(data: bytes, *, limit: int = 2**28, max_record_size: int = 4 * 2**20, piece: int | None = None) -> Sum:
    """Read one text as if a file held it, in pieces of a given size."""
    findings = Findings("here")
    pieces = plain_pieces(BytesIO(data)) if piece is None else iter([data[i : i + piece] for i in range(0, len(data), piece)])
    reader = TextReader(findings, Selector(findings, Fates(is_wanted), max_record_size), limit)
    for _ in reader.read(TextWindow(pieces, limit)):
        pass
    return add_up([findings.batch({})])


def compact(value: object) -> bytes:
    """Return JSON as AWS writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


def trail(*records: Mapping[str, Any]) -> bytes:
    """Return the text of a trail file."""
    return compact({"Records": records})
