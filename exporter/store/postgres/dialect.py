"""From the statements and texts of the rooms, written as SQLite takes them, to what PostgreSQL takes, and back."""

from __future__ import annotations

import functools
import re

_NUMBERED = re.compile(r"\?(\d+)")
_REPLACED = (
    # Which index is read, and in which order tables are joined, PostgreSQL chooses by itself.
    (re.compile(r"\bINDEXED BY \w+"), ""),
    (re.compile(r"\bCROSS JOIN (?=\w+ \w+ ON\b)"), "JOIN "),
    # A function of the schema: PostgreSQL has another one of this name.
    (re.compile(r"\bjson_each\("), "numbers_of("),
)


@functools.lru_cache(maxsize=1000)
def translated(sql: str) -> str:
    """Return a statement of the rooms as PostgreSQL takes it, its values marked with $1, $2, …

    No statement of the rooms has a question mark or a name of these functions in a literal: tests/test_postgres_dialect.py looks.
    """
    for pattern, replacement in _REPLACED:
        sql = pattern.sub(replacement, sql)
    if _NUMBERED.search(sql):
        return _NUMBERED.sub(r"$\1", sql)
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


def escaped(text: str) -> str:
    """Return a text without NUL, which PostgreSQL takes in none, as one in the same order among others and equal to no other's."""
    if "\0" not in text and "\x01" not in text:
        return text
    return text.replace("\x01", "\x01\x02").replace("\0", "\x01\x01")


def unescaped(text: str) -> str:
    """Return the text that `escaped` made this of."""
    if "\x01" not in text:
        return text
    # One replacement at a time would take the second character of a pair for the first of one.
    return re.sub("\x01([\x01\x02])", lambda pair: "\0" if pair[1] == "\x01" else "\x01", text)
