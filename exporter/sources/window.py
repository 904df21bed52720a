"""A window over text that arrives in pieces, so that a large file never stands in memory as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

from exporter.sources.decompress import Damage

_MARGIN = 4
"""Longer than a byte order mark, so that neither it nor a line end with what follows is cut at a piece's end."""


class TextWindow:
    """The text from `pos` on, as far as it was read; `more` reads on and drops what lies before `pos`.

    `damage` is set once the text was cut short; `ended` once there is no more of it. `limit` bounds how
    many bytes one JSON value may make us hold.
    """

    def __init__(self, pieces: Iterator[bytes], limit: int, base: int = 0) -> None:
        self.data = b""
        self.pos = 0
        self.ended = False
        self.damage: Damage | None = None
        self._pieces = pieces
        self._limit = limit
        self._base = base

    @property
    def offset(self) -> int:
        """The position in the whole text."""
        return self._base + self.pos

    @property
    def rest(self) -> int:
        """How many bytes from `pos` on are in memory."""
        return len(self.data) - self.pos

    def more(self, at_least: int = 1) -> bool:
        """Read on; return whether anything came. Ask for as much as is held to stay linear."""
        if self.ended:
            return False
        if self.rest > self._limit:
            self.damage = Damage("too_large", f"one JSON value is longer than {self._limit} bytes; raise max_file_size if that is right")
            self.ended = True
            return False
        parts = [self.data[self.pos :]]
        wanted = at_least
        while wanted > 0:
            try:
                piece = next(self._pieces)
            except StopIteration:
                self.ended = True
                break
            except Damage as damage:
                self.damage, self.ended = damage, True
                break
            parts.append(piece)
            wanted -= len(piece)
        self._base += self.pos
        self.data, self.pos = b"".join(parts), 0
        return wanted < at_least

    def find(self, what: bytes, start: int, span: int | None = None) -> int:
        """Return how far after `pos` the bytes stand, searching from `start` after `pos` and reading on; -1 if nowhere or past `span`."""
        while (found := self.data.find(what, self.pos + start)) < 0:
            if span is not None and self.rest > span:
                return -1
            start = max(start, self.rest - len(what))
            if not self.more(1 if span is not None else self.rest):
                return -1
        return found - self.pos

    def skip(self, pattern: re.Pattern[bytes]) -> bool:
        """Step over what the pattern matches, empty or not; return whether text is left."""
        while True:
            match = pattern.match(self.data, self.pos)
            self.pos = match.end() if match else self.pos
            if self.rest >= _MARGIN or not self.more():
                return self.rest > 0

    def seek(self, pattern: re.Pattern[bytes]) -> bool:
        """Go to the end of the next match, holding nothing of what is passed; return False where the text ends before."""
        while True:
            if match := pattern.search(self.data, self.pos):
                self.pos = match.end()
                return True
            self.pos = max(self.pos, len(self.data) - _MARGIN)
            if not self.more():
                self.pos = len(self.data)
                return False
