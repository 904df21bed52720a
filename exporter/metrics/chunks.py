"""Sample lines in chunks: each chunk keeps its encoded and its compressed form until one of its lines changes."""

from __future__ import annotations

from exporter.metrics.gzip_member import Block, compress
from exporter.metrics.lines import exemplar, number

CHUNK_LINES = 256
"""About 50 kB of text: more, and one change compresses too much again; less, and deflate finds too little to share."""


class Line:
    """One sample on the page: what never changes about it, and the value it shows."""

    __slots__ = ("chunk", "event_id", "event_time", "prefix", "shown", "slot")

    def __init__(self, prefix: bytes, shown: float = 0.0, event_id: str | None = None, event_time: float | None = None) -> None:
        self.prefix = prefix
        self.shown = shown
        self.event_id = event_id
        self.event_time = event_time
        self.chunk: Chunk | None = None
        self.slot = 0

    def tail(self, openmetrics: bool) -> bytes:
        """Return the value and the end of the line; in OpenMetrics with the event behind it, unless it is 0."""
        if openmetrics and self.event_id is not None and self.shown > 0:
            return f"{number(self.shown)}{exemplar(self.event_id, self.event_time)}\n".encode()
        return b"%d\n" % self.shown if self.shown.is_integer() else f"{number(self.shown)}\n".encode()


class Chunk:
    """A stretch of the page: an optional header and up to CHUNK_LINES lines. Formats are rendered only when asked for."""

    __slots__ = ("_blocks", "_heads", "_lines", "_parts")

    def __init__(self, text_head: bytes = b"", openmetrics_head: bytes = b"") -> None:
        self._heads = (text_head, openmetrics_head)
        self._lines: list[Line] = []
        self._parts: list[list[bytes] | None] = [None, None]
        self._blocks: list[Block | None] = [None, None]

    @property
    def full(self) -> bool:
        """Whether another line must go to another chunk."""
        return len(self._lines) >= CHUNK_LINES

    def append(self, line: Line) -> None:
        """Add a line at the end."""
        line.chunk, line.slot = self, len(self._lines)
        self._lines.append(line)
        self._blocks = [None, None]
        for openmetrics, parts in enumerate(self._parts):
            if parts is not None:
                parts.extend((line.prefix, line.tail(bool(openmetrics))))

    def changed(self, line: Line) -> None:
        """Take note that a line shows something else now."""
        self._blocks = [None, None]
        for openmetrics, parts in enumerate(self._parts):
            if parts is not None:
                parts[2 * line.slot + 2] = line.tail(bool(openmetrics))

    def text(self, openmetrics: bool) -> bytes:
        """Return the lines."""
        parts = self._parts[openmetrics]
        if parts is None:
            parts = [self._heads[openmetrics]]
            for line in self._lines:
                parts += (line.prefix, line.tail(openmetrics))
            self._parts[openmetrics] = parts
        return b"".join(parts)

    def block(self, openmetrics: bool) -> Block:
        """Return the lines compressed."""
        block = self._blocks[openmetrics]
        if block is None:
            block = self._blocks[openmetrics] = compress(self.text(openmetrics))
        return block

    def forget(self, openmetrics: bool) -> None:
        """Give back the memory of a format that nobody asks for any more."""
        self._parts[openmetrics] = self._blocks[openmetrics] = None
