"""Text and groups of text as numbers: each is stored once and events hold its number."""

from __future__ import annotations

from exporter.store.codec import hash_of
from exporter.store.database import Connection

NONE = 0
"""The number of no text (None). The empty text has a number of its own."""

_INSERT_STRING = "INSERT INTO strings (hash, text) VALUES (?, ?) RETURNING id"
_REMEMBERED = 50_000


class Strings:
    """Numbers of strings; remembers a bounded count of them. `clear` forgets what may have been rolled back."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def clear(self) -> None:
        """Forget all numbers."""
        self._ids.clear()

    def number(self, connection: Connection, text: str | None) -> int:
        """Return the number of a string, stored now if it is new."""
        if text is None:
            return NONE
        known = self._ids.get(text)
        if known is not None:
            return known
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            # SQLite takes no lone surrogates, and one odd user agent must not stop a whole batch.
            return self.number(connection, text.encode("utf-8", "replace").decode("utf-8"))
        number = find(connection, text)
        if number is None:
            number = int(connection.execute(_INSERT_STRING, (hash_of(text), text)).fetchone()[0])
        if len(self._ids) >= _REMEMBERED:
            self._ids.clear()
        self._ids[text] = number
        return number


def find(connection: Connection, text: str) -> int | None:
    """Return the number of a string, None where it was never stored."""
    try:
        row = connection.execute("SELECT id FROM strings WHERE hash = ? AND text = ?", (hash_of(text), text)).fetchone()
    except UnicodeEncodeError:
        return None
    return None if row is None else int(row[0])


class Dimension:
    """Numbers of rows of strings; remembers a bounded count of them."""

    def __init__(self, strings: Strings, find: str, insert: str) -> None:
        self._strings, self._find, self._insert = strings, find, insert
        self._ids: dict[tuple[str | None, ...], int] = {}

    def clear(self) -> None:
        """Forget all numbers."""
        self._ids.clear()

    def number(self, connection: Connection, *texts: str | None) -> int:
        """Return the number of a row, stored now if it is new."""
        return self._ids.get(texts) or self.meet(connection, *texts)[0]

    def meet(self, connection: Connection, *texts: str | None) -> tuple[int, bool]:
        """Return the number of a row and whether it was stored only now."""
        numbers = [self._strings.number(connection, text) for text in texts]
        row = connection.execute(self._find, numbers).fetchone()
        new = row is None
        number = int((connection.execute(self._insert, numbers).fetchone() if new else row)[0])
        if len(self._ids) >= _REMEMBERED:
            self._ids.clear()
        self._ids[texts] = number
        return number, new


class Dimensions:
    """All that events repeat: strings; (account id, region); (event source, event name, watch set); principals."""

    def __init__(self) -> None:
        self.strings = Strings()
        self.units = Dimension(
            self.strings,
            "SELECT id FROM units WHERE account_id = ? AND region = ?",
            "INSERT INTO units (account_id, region) VALUES (?, ?) RETURNING id",
        )
        self.calls = Dimension(
            self.strings,
            "SELECT id FROM calls WHERE event_source = ? AND event_name = ? AND watch_set = ?",
            "INSERT INTO calls (event_source, event_name, watch_set) VALUES (?, ?, ?) RETURNING id",
        )
        self.principals = Dimension(
            self.strings,
            "SELECT id FROM principals WHERE type = ? AND name = ? AND arn = ? AND session = ? AND account_id = ? AND invoked_by = ?",
            "INSERT INTO principals (type, name, arn, session, account_id, invoked_by) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        )

    def clear(self) -> None:
        """Forget all numbers."""
        for part in (self.strings, self.units, self.calls, self.principals):
            part.clear()
