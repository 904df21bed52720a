"""Reads text of any known form into findings: quick where it is sound, exact and patient where it is not."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Generator, Iterable

import msgspec

from exporter.errors import MalformedRecord
from exporter.sources.boundaries import CUT, value_end
from exporter.sources.documents import Kind, understand
from exporter.sources.findings import Findings
from exporter.sources.scan import DECODE_ERRORS, Selector
from exporter.sources.window import TextWindow

SEGMENT = 32 * 2**10
"""How much text is decoded at once: few enough records that the second, exact pass over it costs little."""

_SPAN = 2**20
_LOOK_AHEAD = 512
_SHOWN = 64 * 2**10
_MAX_NESTING = 3
_CONTAINER = re.compile(rb'\{\s*"(Records|Events)"\s*:\s*\[')
_FIRST_KEY = re.compile(rb'\s*\{\s*"[^"\\]{1,64}"\s*:')
_BETWEEN = re.compile(rb"[\s,]*+(?:\xef\xbb\xbf[\s,]*+)*+")
_SPACE = re.compile(rb"\s*+")
_AFTER_ELEMENT = re.compile(rb"\s*+(?:[,\]]|\Z)")
_LINE_END = re.compile(rb"\n")
_NEXT_DOCUMENT = re.compile(rb"\n(?=[{\[])")
_NEXT_ELEMENT = re.compile(rb"(?=[{\]])")


class _Broken(Exception):
    """A document broke off and another begins in a new line, where the text now stands; the loss is counted."""


Work = Generator[None, None, bool]
"""Yields after each piece of work, when a batch may be taken; returns False where the text ends too early."""


class TextReader:
    """Reads one text. `complete` is the offset in it up to which whole documents were consumed."""

    def __init__(self, findings: Findings, selector: Selector, limit: int) -> None:
        self.complete = 0
        self._findings = findings
        self._selector = selector
        self._limit = limit

    def read(self, text: TextWindow) -> Generator[None]:
        """Consume the text; yield after each piece of work. What damage cost is counted as one malformed entry."""
        understood = self._findings.understood
        whole = True
        while whole and text.skip(_BETWEEN):
            self.complete = text.offset
            if text.rest < _LOOK_AHEAD:
                text.more()
            try:
                whole = yield from self._next(text, first=self._findings.understood == understood)
            except _Broken:
                whole = True
            if whole:
                self.complete = text.offset
            yield
        if text.damage is not None:
            self._findings.malformed(text.damage.reason, str(text.damage))
        elif not whole:
            self._findings.malformed("truncated", "the text ends in the middle of a JSON value")

    def _next(self, text: TextWindow, *, first: bool) -> Work:
        """Take in what begins here: a document, several, or junk."""
        if match := _CONTAINER.match(text.data, text.pos):
            text.pos = match.end()
            return (yield from self._array(text, match.group(1) == b"Records", 0)) and (yield from self._close(text, 0))
        if text.data[text.pos] == ord("["):
            text.pos += 1
            return (yield from self._array(text, False, 0))
        if text.data[text.pos] == ord("{"):
            return (yield from self._stream(text))
        self._junk(text, _NEXT_DOCUMENT if first else _LINE_END)
        return True

    def _array(self, text: TextWindow, records: bool, nesting: int) -> Work:
        """Take in the elements from behind `[` to behind `]`: records, or documents of any kind."""
        if text.rest < SEGMENT:
            text.more()
        first = _FIRST_KEY.match(text.data, text.pos)
        if first is None:
            return bool((yield from self._elements(text, None, records, nesting)))
        self._selector.first_place(text.data[text.pos : text.pos + SEGMENT].lstrip())
        separator = b"}," + first.group()
        while True:
            cut = text.find(separator, SEGMENT, _SPAN)
            last = cut < 0 and text.ended
            length = text.data.rfind(b"]") - text.pos if last else cut + 1
            taken = self._selector.array_segment(memoryview(text.data)[text.pos : text.pos + length]) if 0 < length <= 4 * _SPAN else None
            if taken is None:
                closed = yield from self._elements(text, max(length, SEGMENT), records, nesting)
                if closed is not None:
                    return closed
            else:
                text.pos += length if last else length + 1
                yield from self._documents(taken, records, nesting)
                if last:
                    text.pos += 1
                    return True
                yield

    def _elements(self, text: TextWindow, length: int | None, records: bool, nesting: int) -> Generator[None, None, bool | None]:
        """Take in elements one by one for at least `length` bytes; return None where the array goes on after them."""
        stop = None if length is None else text.offset + length
        while stop is None or text.offset < stop:
            if not text.skip(_BETWEEN):
                return False
            if text.data[text.pos] == ord("]"):
                text.pos += 1
                return True
            if text.data[text.pos] == ord("}"):
                self._findings.malformed("json", "a bracket closes what was never opened")
                if not text.seek(_NEXT_ELEMENT):
                    raise _Broken
                continue
            end = self._end(text)
            if end < 0:
                if not self._pass_broken(text, end):
                    return False
                raise _Broken
            if text.data[text.pos] not in b"{[" and not _AFTER_ELEMENT.match(text.data, end):
                # Brackets were lost. What looks like elements from here on may lie deeper, where others choose the text.
                self._findings.malformed("json", "brackets do not match; what follows in this document is not read")
                text.seek(_NEXT_DOCUMENT)
                raise _Broken
            element, text.pos = text.data[text.pos : end], end
            yield from self._documents((element,), records, nesting)
            yield
        return None

    def _stream(self, text: TextWindow) -> Work:
        """Take in objects that follow one another, most often a line each."""
        length = text.find(b"\n", SEGMENT, _SPAN)
        if length < 0 and text.ended:
            length = text.rest
        taken = self._selector.stream_segment(text.data[text.pos : text.pos + length]) if 0 < length <= 4 * _SPAN else None
        if taken is not None:
            text.pos += length
            yield from self._documents(taken, False, 0)
            return True
        stop = text.offset + max(length, SEGMENT)
        begun = text.offset
        while text.offset < stop and text.skip(_BETWEEN) and text.data[text.pos] == ord("{"):
            if text.offset > begun and _CONTAINER.match(text.data, text.pos):
                break
            self.complete = text.offset
            end = self._end(text)
            if end >= 0:
                element, text.pos = text.data[text.pos : end], end
                yield from self._documents((element,), False, 0)
            elif not self._pass_broken(text, end):
                return False
            yield
        return True

    def _close(self, text: TextWindow, nesting: int) -> Work:
        """Go to behind the object whose array was read; its other keys may hold records too."""
        if not text.skip(_SPACE):
            return False
        if text.data[text.pos] not in b"},":
            return True  # junk, or the next document: whoever reads on says so
        end = self._end(text, depth=1)
        if end < 0:
            return self._pass_broken(text, end)
        others, text.pos = text.data[text.pos : end].lstrip(b", \t\r\n"), end
        if others != b"}":
            try:
                document = understand(b"{" + others)
            except MalformedRecord as error:
                if error.reason != "shape":
                    self._findings.malformed(error.reason, str(error))
            else:
                if document.kind in (Kind.RECORDS, Kind.DOCUMENTS):
                    yield from self._nested(document.text, document.kind is Kind.RECORDS, nesting + 1)
        return True

    def _documents(self, texts: Iterable[bytes], records: bool, nesting: int) -> Generator[None]:
        """Take in values that are whole: records, or documents of any kind."""
        for raw in texts:
            if records:
                self._selector.record(raw)
            elif container := _CONTAINER.match(raw):
                yield from self._nested(raw[container.end() - 1 :], container.group(1) == b"Records", nesting + 1, close=True)
            else:
                yield from self._document(raw, nesting)

    def _document(self, raw: bytes, nesting: int) -> Generator[None]:
        try:
            document = understand(raw)
        except MalformedRecord as error:
            self._findings.malformed(error.reason, str(error))
            return
        if document.kind is Kind.RECORD:
            self._selector.record(document.text)
        elif document.kind is Kind.IGNORED:
            self._findings.ignored(document.text.decode())
        else:
            yield from self._nested(document.text, document.kind is Kind.RECORDS, nesting + 1)

    def _nested(self, array: bytes, records: bool, nesting: int, *, close: bool = False) -> Generator[None]:
        if nesting > _MAX_NESTING:
            self._findings.malformed("shape", f"documents within documents, more than {_MAX_NESTING} deep")
            return
        text = TextWindow(iter((array[1:],)), self._limit)
        try:
            whole = yield from self._array(text, records, nesting)
            if whole and close:
                whole = yield from self._close(text, nesting)
        except _Broken:
            return
        if not whole:
            self._findings.malformed("json", "brackets do not match")

    def _end(self, text: TextWindow, depth: int = 0) -> int:
        while (end := value_end(text.data, text.pos, depth)) == CUT and text.more(text.rest):
            pass
        return end

    def _pass_broken(self, text: TextWindow, end: int) -> bool:
        """Step over a value without an end, to the next line that begins an object; return False where it was the text's end."""
        line = text.data[text.pos : text.pos + _SHOWN].split(b"\n", 1)[0]
        next_line = text.find(b"\n{", 0)
        if next_line < 0 and end == CUT:
            return False
        self._findings.malformed(_fault(line), "a line that ends in the middle of a JSON value")
        text.pos = text.pos + next_line + 1 if next_line >= 0 else len(text.data)
        return True

    def _junk(self, text: TextWindow, until: re.Pattern[bytes]) -> None:
        """Step over what begins no object and no array: a line, or all up to the first line that does."""
        line = text.data[text.pos : text.pos + _LOOK_AHEAD].split(b"\n", 1)[0].strip()
        try:
            msgspec.json.decode(line)
        except DECODE_ERRORS:
            self._findings.malformed(_fault(line), "neither a JSON object nor an array")
        else:
            self._findings.malformed("shape", "JSON that is no object and no array")
        text.seek(until)


def _fault(line: bytes) -> str:
    """Say what a line that is no JSON suffers from; it may be cut in the middle of a character."""
    try:
        getincrementaldecoder("utf-8")().decode(line)
    except UnicodeDecodeError:
        return "encoding"
    return "json"
