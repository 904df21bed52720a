"""The strings that events repeat, in lower case and packed together: a search for a word looks through all of them in milliseconds.

No index of the database finds a part of a word in every SQLite there is, with Python's notion of lower case, and for words of one
letter; finding it in some megabytes of text is what a processor does fastest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice, repeat
from operator import contains

from exporter.store.at_once import all_rows, text_of
from exporter.store.database import Connection
from exporter.store.glob import glob
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
_TESTED = 4000
_TEXTS = "SELECT id, hex(text) FROM strings WHERE id IN (SELECT value FROM json_each(?))"
_UNPACKED = "SELECT id, hex(text) FROM strings WHERE id > (SELECT coalesce(max(last), 0) FROM lexicon)"


def pack(connection: Connection) -> None:
    """Pack what strings have come since the last time, where they are many."""
    last, newest = connection.execute(_LAST).fetchone()
    while newest - last >= PACK:
        last = _pack_some(connection, last)
        _merge(connection)


def find(connection: Connection, words: Sequence[str]) -> list[Numbers]:
    """Return for each word, which must be in lower case, the numbers of the strings that hold it; or begin with it, after a new line."""
    found = [Numbers() for _ in words]
    # A string holds no lone surrogate, but a question mark in its place (Strings.number).
    spelled = [word.encode("utf-8", "replace") for word in words]
    for first, body in connection.execute(_ROWS):
        for numbers, word in zip(found, spelled, strict=True):
            if word.startswith(b"\n"):
                numbers.add([number + at for at, number in enumerate(_lines(b"\n" + body, word, first))])
                continue
            hits = body.count(word)
            if hits > PACK and hits > body.count(b"\n"):
                numbers.mark(first, bytes(map(contains, body.split(b"\n"), repeat(word))))
            elif hits:
                numbers.add(list(dict.fromkeys(_lines(body, word, first))))
    unpacked = [(number, _line(text_of(digits))) for number, digits in all_rows(connection, _UNPACKED, 2)]
    for numbers, word in zip(found, spelled, strict=True):
        decoded = word.decode("utf-8")
        numbers.add([number for number, text in unpacked if decoded in (f"\n{text}" if decoded.startswith("\n") else text)])
    return found


def matching(connection: Connection, patterns: Sequence[str]) -> Numbers:
    """Return the numbers of the strings that match one of some patterns with stars, in their own case."""
    narrowed = [_narrowed(pattern) for pattern in patterns]
    if "" in narrowed:
        last = connection.execute(_LAST).fetchone()[1]
        maybe: Iterable[int] = range(1, last + 1)
    else:
        maybe = dict.fromkeys(chain.from_iterable(found.all() for found in find(connection, narrowed)))
    tests, wanted, numbers = [glob(pattern) for pattern in patterns], Numbers(), iter(maybe)
    while some := list(islice(numbers, _TESTED)):
        texts = all_rows(connection, _TEXTS, 2, (json.dumps(some),))
        wanted.add([number for number, digits in texts if any(test(text_of(digits)) for test in tests)])
    return wanted


def _narrowed(pattern: str) -> str:
    """Return what, in lower case, every string holds or begins with that matches a pattern.

    Only pieces of ASCII: the lower case of other letters may depend on what stands beside them.
    """
    pieces = [piece.replace("\n", " ") if piece.isascii() else "" for piece in pattern.lower().split("*")]
    start, *others = pieces
    return max((f"\n{start}" if start else "", *others), key=len)


def _lines(body: bytes, word: bytes, first: int) -> Iterator[int]:
    """Yield for each place of a word by how many new lines, beside those of the word, it stands behind the first line's number."""
    pieces = body.split(word)
    return islice(accumulate(map(bytes.count, pieces, repeat(b"\n")), initial=first), 1, len(pieces))


def _line(text: str) -> str:
    """Return a text as it is looked through; no word holds white space, so that a new line within may as well be a space."""
    return text.lower().replace("\n", " ")


def _pack_some(connection: Connection, last: int) -> int:
    """Make a row of the next strings; return the last that is packed now."""
    texts = dict(connection.execute(_NEW, (last, PACK)).fetchall())
    through = max(map(int, texts))
    # A line for each number, given or not.
    lines = [_line(texts.get(number, "")).encode("utf-8") + b"\n" for number in range(last + 1, through + 1)]
    connection.execute(_INSERT, (through, last + 1, b"".join(lines)))
    return through


def _merge(connection: Connection) -> None:
    """Make one row of WIDTH small ones."""
    rows = connection.execute(_SMALL, (PACK * WIDTH // 2,)).fetchall()
    if len(rows) >= WIDTH:
        for last, _, _ in rows:
            connection.execute(_DELETE, (last,))
        connection.execute(_INSERT, (rows[-1][0], rows[0][1], b"".join(body for _, _, body in rows)))
