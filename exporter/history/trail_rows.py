"""Chooses by the exporter's own scanner which records of trail logs become rows for SQL: exact, quick where they are as AWS writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from exporter.errors import MalformedRecord
from exporter.history.trail_shape import Place, Shape, names_of
from exporter.sources.findings import Findings
from exporter.sources.scan import DECODE_ERRORS, NAMELESS, Fates, Selector, load
from exporter.sql.conditions import EVERYTHING, possible

_HALF_PAIRS = (b"\\ud", b"\\uD")
_RAW = msgspec.json.Decoder(msgspec.Raw)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_READ = "read"


class RowSelector(Selector):
    """Makes rows of the records of one file that a statement needs, and counts all in the findings."""

    def __init__(self, findings: Findings, fates: Fates, shape: Shape, place: Place) -> None:
        # A record is as long as its file may be: here it is looked at, not kept.
        super().__init__(findings, fates, max_record_size=0)
        self._shape, self._place, self._condition = shape, place, shape.condition
        self._rows: list[Any] = []
        self._texts: list[bytes] = []
        self._hopeless = False

    def array_segment(self, elements: bytes | memoryview) -> Sequence[bytes] | None:
        """Take in comma-separated records; return those that have no usable names, or None where they do not decode."""
        if self._condition == EVERYTHING:
            segment = b"".join((b"[", elements, b"]"))
            return self._all(segment, self._shape.rows.decode, _RAWS.decode)
        text = bytes(elements)
        self._hopeless = not possible(self._condition, {}, text)
        return super().array_segment(text)

    def stream_segment(self, values: bytes) -> Sequence[bytes] | None:
        """Take in JSON objects that follow one another (JSON lines); return as `array_segment` does."""
        if self._condition == EVERYTHING:
            return self._all(values, self._shape.row.decode_lines, _RAW.decode_lines)
        self._hopeless = not possible(self._condition, {}, values)
        return super().stream_segment(values)

    def record(self, raw: bytes) -> None:
        """Take in what must be one record."""
        super().record(raw)
        self._flush()

    def place(self, raw: bytes) -> None:
        """Do nothing: no accounts and regions are learned here."""

    def first_place(self, elements: bytes) -> None:
        """Do nothing."""

    def _all(
        self, text: bytes, rows_of: Callable[[bytes], list[Any]], texts_of: Callable[[bytes], list[msgspec.Raw]]
    ) -> Sequence[bytes] | None:
        """Make rows of all records of a segment at once."""
        if not _is_plain(text):
            return None
        try:
            rows = rows_of(text)
        except DECODE_ERRORS:
            return None
        texts: list[msgspec.Raw] = []

        def text_of(index: int) -> bytes:
            if not texts:
                texts.extend(texts_of(text))
            return bytes(texts[index])

        nameless = [index for index, row in enumerate(rows) if not (row.eventName and row.eventSource)]
        if nameless:
            left_out = set(nameless)
            named = [index for index in range(len(rows)) if index not in left_out]
            self._shape.add([rows[index] for index in named], lambda index: text_of(named[index]), self._place, len(text))
        else:
            self._shape.add(rows, text_of, self._place, len(text))
        self._findings.ignored(_READ, len(rows) - len(nameless))
        return [text_of(index) for index in nameless]

    def _take(self, heads: list[Any], exact: Callable[[], list[msgspec.Raw]]) -> Sequence[bytes]:
        if self._hopeless and NAMELESS not in self._fates.of_all(heads):
            self._findings.ignored("not_watched", len(heads))
            return ()
        nameless = super()._take(heads, exact)
        self._flush()
        return nameless

    def _keep(self, raw: bytes, *, known: bool) -> None:
        """Make a row of one record; without a name, or with one of another kind, it is looked at closely."""
        try:
            row = self._shape.row.decode(raw) if known and _is_plain(raw) else None
        except DECODE_ERRORS:
            row = None
        if row is None or not (row.eventName and row.eventSource):
            self._flush()
            self._keep_odd(raw)
        elif possible(self._condition, {"eventname": row.eventName, "eventsource": row.eventSource}, raw):
            self._rows.append(row)
            self._texts.append(raw)
        else:
            self._findings.ignored("not_watched")

    def _keep_odd(self, raw: bytes) -> None:
        try:
            raw, record = load(raw)
        except MalformedRecord as error:
            self._findings.malformed(error.reason, str(error))
            return
        if not isinstance(record, dict):
            self._findings.malformed("record", f"a {type(record).__name__} stands where a record belongs")
        elif possible(self._condition, names_of(raw), raw):
            self._shape.add_one(raw, self._place)
            self._findings.ignored(_READ)
        else:
            self._findings.ignored("not_watched")

    def _flush(self) -> None:
        if self._rows:
            self._shape.add(self._rows, self._texts.__getitem__, self._place, sum(map(len, self._texts)))
            self._findings.ignored(_READ, len(self._rows))
            self._rows, self._texts = [], []


def _is_plain(text: bytes) -> bool:
    """Tell whether text is UTF-8 without half a surrogate pair, which no table takes."""
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            return False
    return not any(half in text for half in _HALF_PAIRS)
