"""Reads one trail file that is held in memory, as the files source reads one on disk, and hashes its text on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO

from exporter.sources.base import Batch, RawRecord
from exporter.sources.decompress import Damage, gunzip_pieces, is_gzip, plain_pieces
from exporter.sources.findings import Findings
from exporter.sources.reader import TextReader
from exporter.sources.scan import Fates, Selector
from exporter.sources.window import TextWindow

_HASHED_AT_MOST = 2**36
"""A bomb may keep the hash busy for a minute, and never the memory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file and a record may measure, in bytes, and whether the text is hashed."""

    file: int
    record: int
    hashing: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a file's findings; only the `last` part has `sha256`, the hash of the text before compression (empty unless asked for)."""

    batch: Batch
    last: bool
    sha256: str = ""


class TrailTextReader:
    """Reads files one after the other; remembers what `wanted` says."""

    def __init__(self, wanted: Callable[[str, str], bool], limits: Limits) -> None:
        self._fates, self._limits = Fates(wanted), limits

    def read(self, origin: str, data: bytes) -> Iterator[Part]:
        """Yield what is found in a file, in several parts where it is large; memory is bounded whatever it holds."""
        findings, file, limit = Findings(origin), BytesIO(data), self._limits.file
        pieces = gunzip_pieces(file, limit) if is_gzip(file) else plain_pieces(file)
        digest = hashlib.sha256() if self._limits.hashing else None
        if digest is not None:
            pieces = _hashed(pieces, digest.update)
        text = TextWindow(pieces, limit)
        for _ in TextReader(findings, Selector(findings, self._fates, self._limits.record), limit).read(text):
            if findings.full:
                yield Part(findings.batch({}), last=False)
        sha256 = ""
        if digest is not None:
            complete = text.damage is None and next(pieces, None) is None
            sha256 = digest.hexdigest() if complete else text_hash(data)
        yield Part(findings.batch({}), last=True, sha256=sha256)


def text_hash(data: bytes) -> str:
    """Return the SHA-256 of a file's text before compression, as far as it can be had."""
    file, digest = BytesIO(data), hashlib.sha256()
    try:
        for piece in gunzip_pieces(file, _HASHED_AT_MOST) if is_gzip(file) else plain_pieces(file):
            digest.update(piece)
    except Damage as damage:
        return f"damaged: {damage.reason}"
    return digest.hexdigest()


def merged(first: Batch, second: Batch) -> Batch:
    """Return both as one; each record still tells where it lies."""
    ignored = dict(first.ignored)
    for reason, count in second.ignored.items():
        ignored[reason] = ignored.get(reason, 0) + count
    return replace(
        second,
        records=(*_placed(first), *_placed(second)),
        read=first.read + second.read,
        ignored=ignored,
        malformed=(*first.malformed, *second.malformed),
        cursors={**first.cursors, **second.cursors},
        units=first.units | second.units,
        counts=(*first.counts, *second.counts),
    )


def _placed(batch: Batch) -> tuple[RawRecord, ...]:
    return tuple(record if record.origin else RawRecord(record.raw, record.record, batch.origin) for record in batch.records)


def _hashed(pieces: Iterator[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        update(piece)
        yield piece
