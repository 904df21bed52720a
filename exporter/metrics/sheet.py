"""The page in one format: put together again only where a part of it changed."""

from __future__ import annotations

from exporter.metrics.book import Book
from exporter.metrics.gzip_member import EMPTY, Block, compress, member
from exporter.metrics.lines import OPENMETRICS_CONTENT_TYPE, OPENMETRICS_END, TEXT_CONTENT_TYPE
from exporter.metrics.telemetry import Telemetry


class Sheet:
    """First what the store says, then what the process knows of itself. Not safe for several threads by itself."""

    def __init__(self, openmetrics: bool, book: Book, telemetry: Telemetry) -> None:
        self.content_type = OPENMETRICS_CONTENT_TYPE if openmetrics else TEXT_CONTENT_TYPE
        self._openmetrics, self._book, self._telemetry = openmetrics, book, telemetry
        self._process = b""
        self._own, self._own_block, self._own_version = b"", EMPTY, 0
        self._store_block: tuple[int, Block] = (-1, EMPTY)
        self._bodies: dict[bool, tuple[tuple[int, int], bytes]] = {}

    def update(self, *, process: bool) -> None:
        """Spell the exporter's own lines again; those of the process only where asked, for they cost most."""
        if process or not self._process:
            self._process = self._telemetry.process_text(self._openmetrics)
        own = self._telemetry.text(self._openmetrics) + self._process + (OPENMETRICS_END if self._openmetrics else b"")
        if own != self._own:
            self._own, self._own_block = own, compress(own)
            self._own_version += 1

    def body(self, gzip: bool) -> bytes:
        """Return the page, compressed or not."""
        state = (self._book.version, self._own_version)
        known = self._bodies.get(gzip)
        if known is None or known[0] != state:
            known = self._bodies[gzip] = state, self._gzipped() if gzip else self._book.text(self._openmetrics) + self._own
        return known[1]

    def drop(self, gzip: bool) -> None:
        """Give back the memory of a page that nobody asks for any more."""
        self._bodies.pop(gzip, None)

    def _gzipped(self) -> bytes:
        if self._store_block[0] != self._book.version:
            self._store_block = self._book.version, self._book.block(self._openmetrics)
        return member((self._store_block[1], self._own_block))
