"""How far a file was read: the cursor that the files source keeps for each file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO

import msgspec

UNFINISHED = 0
"""As `mtime_ns`: the file was not read to its end yet, and its `size` is the offset that was reached."""

_SAMPLE = 1024


class Position(msgspec.Struct, frozen=True):
    """Size and time of the file when it was read, the offset that was reached, and what stands at both ends of that part.

    `offset` is 0 where a file cannot be read on (compressed, or its one document not complete): then any
    change makes it be read whole again.
    """

    size: int
    mtime_ns: int
    offset: int = 0
    head: str = ""
    tail: str = ""

    def encode(self) -> str:
        """Return the cursor's text."""
        return msgspec.json.encode(self).decode()


def decode_position(text: str | None) -> Position | None:
    """Return the position that a cursor tells; None where there is none, or it is no longer understood (the file is read again)."""
    try:
        return msgspec.json.decode(text, type=Position) if text else None
    except msgspec.DecodeError:
        return None


@dataclass(frozen=True, slots=True)
class PlainFile:
    """An open file that is not compressed, so that it can be read on where it has only grown."""

    file: BinaryIO

    def position(self, size: int, mtime_ns: int, offset: int) -> Position:
        """Return the position to save for an offset that was reached."""
        return (
            Position(size, mtime_ns, offset, self._digest(0, offset), self._digest(offset - _SAMPLE, offset))
            if offset
            else Position(size, mtime_ns)
        )

    def resume(self, saved: Position | None) -> int:
        """Return the offset to read on from, 0 unless the file has grown since and still begins as it did.

        Both ends of the part already read are compared, and a line must end there: a document that was
        rewritten with more in it keeps its beginning too, but not what stands at the old end.
        """
        if saved is None or saved.offset <= 0:
            return 0
        size = os.fstat(self.file.fileno()).st_size
        if size < saved.size or (size == saved.size and saved.mtime_ns != UNFINISHED):
            return 0
        if self._digest(0, saved.offset) != saved.head or self._digest(saved.offset - _SAMPLE, saved.offset) != saved.tail:
            return 0
        around = os.pread(self.file.fileno(), 2, saved.offset - 1)
        return saved.offset if around[:1] == b"\n" or around[1:] in (b"", b"\n", b"\r") else 0

    def _digest(self, start: int, end: int) -> str:
        start = max(0, start)
        return blake2b(os.pread(self.file.fileno(), min(_SAMPLE, end - start), start), digest_size=8).hexdigest()
