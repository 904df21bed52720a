"""The strings that events repeat, in lower case and packed together: a search for a word looks through all of them in milliseconds.

No index of the database finds a part of a word in every SQLite there is, with Python's notion of lower case, and for words of one
letter; finding it in some megabytes of text is what a processor does fastest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from exporter.store.numbers import Numbers

PACK = 512
"""So many new strings are packed; fewer are read one by one."""
SEGMENT = 4096
"""Strings in a row, where it is full."""

_SCATTERED = 64
_LAST = "SELECT coalesce((SELECT max(last) FROM lexicon), 0), coalesce((SELECT max(id) FROM strings), 0)"
_NEW = "SELECT id, text FROM strings WHERE id > ? ORDER BY id LIMIT ?"
_TAIL = "SELECT first, body FROM lexicon WHERE last = ?"
_INSERT = "INSERT INTO lexicon (last, first, body) VALUES (?, ?, ?)"
_DELETE = "DELETE FROM lexicon WHERE last = ?"
_SEGMENTS = "SELECT first, body FROM lexicon ORDER BY last"
_UNPACKED = "SELECT id, text FROM strings WHERE id > (SELECT coalesce(max(last), 0) FROM lexicon)"


def pack(connection: sqlite3.Connection) -> None:
    """Pack what strings have come since the last time, where they are many."""
    last, newest = connection.execute(_LAST).fetchone()
    while newest - last >= PACK:
        last = _pack_some(connection, last)


def find(connection: sqlite3.Connection, words: Sequence[str]) -> list[Numbers]:
    """Return for each word, which must be in lower case, the numbers of the strings that hold it."""
    found = [Numbers() for _ in words]
    # A string holds no lone surrogate, but a question mark in its place (Strings.number).
    spelled = [word.encode("utf-8", "replace") for word in words]
    for first, body in connection.execute(_SEGMENTS):
        for numbers, word in zip(found, spelled, strict=True):
            if word in body:
                numbers.add(_lines(body, word, first))
    unpacked = [(number, text.lower()) for number, text in connection.execute(_UNPACKED)]
    for numbers, word in zip(found, spelled, strict=True):
        decoded = word.decode("utf-8")
        numbers.add([number for number, text in unpacked if decoded in text])
    return found


def _pack_some(connection: sqlite3.Connection, last: int) -> int:
    """Pack the next strings into the last row, or into one of its own where that is full; return the last that is packed now."""
    row = connection.execute(_TAIL, (last,)).fetchone()
    first, body = (last + 1, b"") if row is None or last - row[0] + 1 >= SEGMENT else row
    texts = dict(connection.execute(_NEW, (last, SEGMENT - (last + 1 - first))).fetchall())
    through = max(map(int, texts))
    # A line for each number, given or not; no word holds white space, so that a new line within a text may as well be a space.
    lines = (texts.get(number, "").lower().replace("\n", " ").encode("utf-8") + b"\n" for number in range(last + 1, through + 1))
    if body:
        connection.execute(_DELETE, (last,))
    connection.execute(_INSERT, (through, first, body + b"".join(lines)))
    return through


def _lines(body: bytes, word: bytes, first: int) -> Iterator[int]:
    """Yield the numbers of the lines that hold a word, of which the first has the number `first`."""
    if body.count(word) > _SCATTERED:
        yield from (number for number, line in enumerate(body.split(b"\n"), first) if word in line)
        return
    at, number, counted = body.find(word), first, 0
    while at >= 0:
        number += body.count(b"\n", counted, at)
        yield number
        counted = body.find(b"\n", at)
        at = body.find(word, counted)
