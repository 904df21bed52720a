"""Records of trail logs become columns of text for SQL, as Hive's JsonSerDe gives them.

Text is as it is; numbers, truth values, objects and lists are their JSON as the record has it; NULL stands where there is nothing or null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from exporter.sql.arrow import Batch
from exporter.sql.columns import COLUMNS, PARTITIONS
from exporter.sql.narrow import Need

_BATCH_ROWS = 2048
_BATCH_BYTES = 4 * 2**20
_BY_NAME = {column.name: column for column in COLUMNS}
_TRUTHS = frozenset({"readOnly", "managementEvent", "sessionCredentialFromConsole"})
_TRUTH_TEXT = {True: "true", False: "false"}
_NAMES = ("eventName", "eventSource")
_EXPECTED = frozenset({"eventVersion", "userIdentity", "eventTime", "awsRegion", "eventID", "requestParameters"})
"""Keys that every record has: where one is missing, it may be written otherwise."""

_PLACES = {"account": "recipientAccountId", "region": "awsRegion", "day": "eventTime"}
_NOTHING = (b"", b"null")
_ANY_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])

Place = Mapping[str, str]
"""Account, region and day of a file, where its path tells them."""


class Shape:
    """Gathers the rows of one statement, column by column. `row` and `rows` decode the records that are as AWS writes them."""

    def __init__(self, need: Need) -> None:
        self.condition = need.condition
        columns = [_BY_NAME[name] for name in need.columns if name not in PARTITIONS]
        self._names = need.columns
        self._partitions = [name for name in need.columns if name in PARTITIONS]
        self._keys = tuple(dict.fromkeys([*(column.key for column in columns), *_NAMES, *(_PLACES[name] for name in self._partitions)]))
        self._key_of = {column.name: column.key for column in columns}
        self._json = frozenset(column.key for column in columns if column.json)
        struct: Any = msgspec.defstruct("Row", [self._field(key) for key in self._keys], gc=False)
        self.row = msgspec.json.Decoder(struct)
        self.rows = msgspec.json.Decoder(list[struct])
        self._take = attrgetter(*self._keys)
        self._begin()

    def _field(self, key: str) -> tuple[str, Any, Any]:
        if key in self._json:
            return key, msgspec.Raw, msgspec.Raw(b"")
        return key, (str | bool | None if key in _TRUTHS else str | None), None

    def _begin(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in self._names}
        self.waiting = self._bytes = 0

    @property
    def full(self) -> bool:
        """Whether it is time to take a batch."""
        return self.waiting >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES

    def batch(self) -> Batch:
        """Return the rows that wait, and begin anew."""
        batch = Batch(self.waiting, [self._columns[name] for name in self._names])
        self._begin()
        return batch

    def add(self, rows: Sequence[Any], texts: Callable[[int], bytes], place: Place, size: int) -> None:
        """Take in decoded rows; `texts` gives the JSON text of one that must be looked at again, `size` is that of all."""
        if not rows:
            return
        values = dict(zip(self._keys, map(list, zip(*map(self._take, rows), strict=True)), strict=True))
        odd: set[int] = set()
        for key in self._keys:
            if key in self._json:
                values[key] = list(map(bytes, values[key]))
            nothing = b"" if key in self._json else None
            if key in _EXPECTED and nothing in values[key]:
                odd.update(index for index, value in enumerate(values[key]) if value == nothing)
            if key in self._json:
                values[key] = [value if value[:1] == b"{" else _json_value(value) for value in values[key]]
            elif key in _TRUTHS:
                values[key] = [_TRUTH_TEXT[value] if value.__class__ is bool else value for value in values[key]]
        for index in odd:
            for key, value in self._object(texts(index)).items():
                values[key][index] = value
        self._put(values, place, len(rows), size)

    def add_one(self, raw: bytes, place: Place) -> None:
        """Take in one record, a JSON object whose keys may be in any case and whose values anything."""
        self._put({key: [value] for key, value in self._object(raw).items()}, place, 1, len(raw))

    def _put(self, values: Mapping[str, list[Any]], place: Place, count: int, size: int) -> None:
        for name, column in self._columns.items():
            if name in self._key_of:
                column.extend(values[self._key_of[name]])
            elif name in place:
                column.extend([place[name]] * count)
            elif name == "day":
                column.extend(value and value[:10].replace("-", "/") for value in values[_PLACES[name]])
            else:
                column.extend(values[_PLACES[name]])
        self.waiting += count
        self._bytes += size

    def _object(self, raw: bytes) -> dict[str, Any]:
        found = {key.lower(): bytes(value) for key, value in _ANY_OBJECT.decode(raw).items()}
        values: dict[str, Any] = {}
        for key in self._keys:
            value = found.get(key.lower(), b"")
            if key in self._json:
                values[key] = _json_value(value)
            else:
                values[key] = None if value in _NOTHING else _string(value) if value[:1] == b'"' else value.decode()
        return values


def names_of(raw: bytes) -> dict[str, str | None]:
    """Return event name and source of a record whose keys may be in any case, as the columns have them."""
    found = {key.lower(): bytes(value) for key, value in _ANY_OBJECT.decode(raw).items()}
    values = {name: found.get(name, b"") for name in ("eventname", "eventsource")}
    return {name: None if value in _NOTHING else _string(value) if value[:1] == b'"' else value.decode() for name, value in values.items()}


def _json_value(value: bytes) -> bytes | None:
    if value in _NOTHING:
        return None
    return _string(value).encode() if value[:1] == b'"' else value


def _string(value: bytes) -> str:
    return str(msgspec.json.decode(value, type=str))
