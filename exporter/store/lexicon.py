"""The strings that events repeat, in lower case and packed together: a search for a word looks through all of them in milliseconds.

No index of the database finds a part of a word in every SQLite there is, with Python's notion of lower case, and for words of one
letter; finding it in some megabytes of text is what a processor does fastest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import accumulate, islice, repeat
from operator import contains

from exporter.store.at_once import all_rows, text_of
from exporter.store.numbers import Numbers

PACK = 512
"""So many new strings become a row; fewer are read from where they stand."""
WIDTH = 32
"""So many rows become one."""

_LAST = "SELECT coalesce((SELECT max(last) FROM lexicon), 0), coalesce((SELECT max(id) FROM strings), 0)"
_NEW = "SELECT id, text FROM strings WHERE id > ? ORDER BY id LIMIT ?"
_SMALL = "SELECT last, first, body FROM lexicon WHERE last - first < ? ORDER BY last"
_INSERT = "INSERT INTO lexicon (last, first, body) VALUES (?, ?, ?)"
_DELETE = "DELETE FROM lexicon WHERE last = ?"
_ROWS = "SELECT first, body FROM lexicon ORDER BY last"
_UNPACKED = "SELECT id, hex(text) FROM strings WHERE id > (SELECT coalesce(max(last), 0) FROM lexicon)"


def pack(connection: sqlite3.Connection) -> None:
    """Pack what strings have come since the last time, where they are many."""
    last, newest = connection.execute(_LAST).fetchone()
    while newest - last >= PACK:
        last = _pack_some(connection, last)
        _merge(connection)


def find(connection: sqlite3.Connection, words: Sequence[str]) -> list[Numbers]:
    """Return for each word, which must be in lower case, the numbers of the strings that hold it."""
    found = [Numbers() for _ in words]
    # A string holds no lone surrogate, but a question mark in its place (Strings.number).
    spelled = [word.encode("utf-8", "replace") for word in words]
    for first, body in connection.execute(_ROWS):
        for numbers, word in zip(found, spelled, strict=True):
            hits = body.count(word)
            if hits > PACK and hits > body.count(b"\n"):
                numbers.mark(first, bytes(map(contains, body.split(b"\n"), repeat(word))))
            elif hits:
                # The line of each hit, by the new lines between it and the one before.
                lines = accumulate(map(bytes.count, body.split(word), repeat(b"\n")), initial=first)
                numbers.add(list(dict.fromkeys(islice(lines, 1, hits + 1))))
    unpacked = [(number, text_of(digits).lower()) for number, digits in all_rows(connection, _UNPACKED, 2)]
    for numbers, word in zip(found, spelled, strict=True):
        decoded = word.decode("utf-8")
        numbers.add([number for number, text in unpacked if decoded in text])
    return found


def _pack_some(connection: sqlite3.Connection, last: int) -> int:
    """Make a row of the next strings; return the last that is packed now."""
    texts = dict(connection.execute(_NEW, (last, PACK)).fetchall())
    through = max(map(int, texts))
    # A line for each number, given or not; no word holds white space, so that a new line within a text may as well be a space.
    lines = [texts.get(number, "").lower().replace("\n", " ").encode("utf-8") + b"\n" for number in range(last + 1, through + 1)]
    connection.execute(_INSERT, (through, last + 1, b"".join(lines)))
    return through


def _merge(connection: sqlite3.Connection) -> None:
    """Make one row of WIDTH small ones."""
    rows = connection.execute(_SMALL, (PACK * WIDTH // 2,)).fetchall()
    if len(rows) >= WIDTH:
        for last, _, _ in rows:
            connection.execute(_DELETE, (last,))
        connection.execute(_INSERT, (rows[-1][0], rows[0][1], b"".join(body for _, _, body in rows)))
