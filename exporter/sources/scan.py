"""Fast and exact choice of the few records worth parsing out of many.

Two passes over small segments: the first decodes only eventName and eventSource of every record, which
checks all of the JSON and counts it; the second, only where something is wanted, gives the exact bytes.
Nothing is taken from a search for bytes: a segment that a search cut wrongly does not decode. If `a` and `b`
are each comma-separated JSON values, so is `a,b`; that is why segments may be cut anywhere a decoder agrees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import orjson

from exporter.errors import MalformedRecord
from exporter.sources.base import RawRecord
from exporter.sources.boundaries import nested_deeper, value_end
from exporter.sources.findings import Findings

MAX_DEPTH = 128
"""Deeper records are malformed: AWS nests about ten deep, and whatever walks a record later must not recurse without end."""

NOT_WANTED, WANTED, NAMELESS = range(3)
_MEMO_LIMIT = 8192
_NAME_LIMIT = 512
_SURROGATES = re.compile(
    rb"(?<!\\)((?:\\\\)*+)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_HALF = len(r"\ud800")


class _Head(msgspec.Struct, frozen=True, gc=False):
    eventName: str | None = None  # noqa: N815 - as AWS spells it
    eventSource: str | None = None  # noqa: N815


class _Place(msgspec.Struct, gc=False):
    recipientAccountId: str | int | None = None  # noqa: N815
    awsRegion: str | None = None  # noqa: N815


_HEAD = msgspec.json.Decoder(_Head)
_HEADS = msgspec.json.Decoder(list[_Head])
_RAW = msgspec.json.Decoder(msgspec.Raw)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_PLACE = msgspec.json.Decoder(_Place)
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Fates:
    """What becomes of a record by its names; remembers the answers of `wanted`, which is asked for every record."""

    def __init__(self, wanted: Callable[[str, str], bool]) -> None:
        self._wanted = wanted
        self._memo: dict[tuple[str | None, str | None], int] = {}
        self._unwanted: set[_Head] = set()

    def all_unwanted(self, heads: list[_Head]) -> bool:
        """Return whether every head is known to be NOT_WANTED: one call for what most records are."""
        return self._unwanted.issuperset(heads)

    def of_all(self, heads: list[_Head]) -> list[int]:
        """Return the fate of each head."""
        fates = [self._memo.get((head.eventName, head.eventSource), -1) for head in heads]
        return [self.of(head.eventName, head.eventSource) for head in heads] if -1 in fates else fates

    def of(self, name: object, source: object) -> int:
        """Return NAMELESS for what is no usable name; its kind must be looked at more closely."""
        if not (isinstance(name, str | None) and isinstance(source, str | None)):
            return NAMELESS
        fate = self._memo.get((name, source))
        if fate is None:
            fate = NAMELESS if not (name and source) else WANTED if self._wanted(source, name) else NOT_WANTED
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
                self._unwanted.clear()
            if len(name or "") + len(source or "") <= _NAME_LIMIT:
                self._memo[name, source] = fate
                if fate == NOT_WANTED:
                    self._unwanted.add(_Head(name, source))
        return fate


class Selector:
    """Puts the wanted records of JSON text into `findings`, and counts all others there."""

    def __init__(self, findings: Findings, fates: Fates, max_record_size: int) -> None:
        self._findings = findings
        self._fates = fates
        self._max_record_size = max_record_size

    def array_segment(self, elements: bytes | memoryview) -> Sequence[bytes] | None:
        """Take in comma-separated records; return those that have no usable names, or None where they do not decode."""
        segment = b"".join((b"[", elements, b"]"))
        try:
            heads = _HEADS.decode(segment)
        except DECODE_ERRORS:
            return None
        return self._take(heads, lambda: _RAWS.decode(segment))

    def stream_segment(self, values: bytes) -> Sequence[bytes] | None:
        """Take in JSON objects that follow one another (JSON lines); return as `array_segment` does."""
        try:
            heads = _HEAD.decode_lines(values)
        except DECODE_ERRORS:
            return None
        return self._take(heads, lambda: _RAW.decode_lines(values))

    def record(self, raw: bytes) -> None:
        """Take in what must be one record."""
        try:
            head = _HEAD.decode(raw)
        except DECODE_ERRORS:
            self._keep(raw, known=False)
        else:
            if self._fates.of(head.eventName, head.eventSource) == NOT_WANTED:
                self._findings.ignored("not_watched")
            else:
                self._keep(raw, known=True)

    def place(self, raw: bytes) -> None:
        """Note account and region of a record, where it tells them."""
        try:
            place = _PLACE.decode(raw)
        except DECODE_ERRORS:
            return
        self._findings.unit(place.recipientAccountId, place.awsRegion)

    def first_place(self, elements: bytes) -> None:
        """Note account and region of the first of comma-separated records."""
        end = value_end(elements, 0, depth=0)
        self.place(elements if end < 0 else elements[:end])

    def _take(self, heads: list[_Head], exact: Callable[[], list[msgspec.Raw]]) -> Sequence[bytes]:
        if self._fates.all_unwanted(heads):
            self._findings.ignored("not_watched", len(heads))
            return ()
        fates = self._fates.of_all(heads)
        unwanted = fates.count(NOT_WANTED)
        self._findings.ignored("not_watched", unwanted)
        if unwanted == len(heads):
            return []
        nameless = []
        for fate, raw in zip(fates, exact(), strict=True):
            if fate == WANTED:
                self._keep(bytes(raw), known=True)
            elif fate == NAMELESS:
                nameless.append(bytes(raw))
        return nameless

    def _keep(self, raw: bytes, *, known: bool) -> None:
        """Decode a record for the parser; `known` says that its names were looked at already."""
        if len(raw) > self._max_record_size:
            self._findings.malformed("too_large", f"the record has {len(raw)} bytes, max_record_size is {self._max_record_size}")
            return
        try:
            raw, record = load(raw)
        except MalformedRecord as error:
            self._findings.malformed(error.reason, str(error))
            return
        if not isinstance(record, dict):
            self._findings.malformed("record", f"a {type(record).__name__} stands where a record belongs")
        elif not known and self._fates.of(record.get("eventName"), record.get("eventSource")) == NOT_WANTED:
            self._findings.ignored("not_watched")
        else:
            self._findings.record(RawRecord(raw, record))


def load(raw: bytes) -> tuple[bytes, Any]:
    """Decode JSON text and return it with its text; raise MalformedRecord that says why it is none.

    Half a surrogate pair (`\\ud800` alone) becomes U+FFFD in both: RFC 8259 section 8.2 lets it pass, but no
    database and no UTF-8 output takes it. NaN and numbers past double precision are not JSON or not usable.
    """
    if nested_deeper(raw, MAX_DEPTH):
        raise MalformedRecord("json", f"nested deeper than {MAX_DEPTH} levels")
    try:
        return raw, orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason = error.msg
    try:
        repaired = repair_surrogates(raw)
        return repaired, orjson.loads(repaired)
    except orjson.JSONDecodeError:
        pass
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedRecord("encoding", f"not UTF-8: {error.reason} at byte {error.start}") from None
    raise MalformedRecord("json", f"not JSON: {reason}")


def repair_surrogates(raw: bytes) -> bytes:
    """Return JSON text with each escape of half a surrogate pair replaced by that of U+FFFD."""
    return _SURROGATES.sub(lambda match: match[1] + (rb"\ufffd" if len(match[2]) == _HALF else match[2]), raw)
