"""A row of the table becomes a CloudTrail record again, for the one parser that all roads share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from exporter.errors import MalformedRecord
from exporter.sql.base import Row
from exporter.sql.columns import COLUMNS

_BY_NAME = {column.name: column for column in COLUMNS}
_WRITTEN_AS_NULL = frozenset({"userIdentity", "requestParameters", "responseElements"})
"""Keys that CloudTrail writes as null where there is nothing; it leaves others out. The table does not tell one from the other."""

_TRUTHS = {"readOnly": {"true": b"true", "false": b"false"}, "managementEvent": {"true": b"true", "false": b"false"}}
_CONTAINER = re.compile(r"\s*[{\[]")

Record = tuple[bytes, dict[str, Any]]


def record_reader(columns: Sequence[str]) -> Callable[[Row], Record]:
    """Return what turns rows with these columns into records: JSON text, and what it decodes to.

    Columns that are no key of a record are left out. Objects and lists stand in the text as the row has them. Raises MalformedRecord
    where a row cannot be a record.
    """
    places = [(index, _BY_NAME[name.lower()]) for index, name in enumerate(columns) if name.lower() in _BY_NAME]

    def record(row: Row) -> Record:
        parts: list[bytes] = []
        decoded: dict[str, Any] = {}
        for index, column in places:
            value = row[index]
            if value is None:
                if column.key in _WRITTEN_AS_NULL:
                    parts.append(b'"%s":null' % column.key.encode())
                    decoded[column.key] = None
                continue
            text, inner = _json(column.key, column.json, value)
            parts.append(b'"%s":%s' % (column.key.encode(), text))
            decoded[column.key] = inner
        return b"{%s}" % b",".join(parts), decoded

    return record


def _json(key: str, may_be_json: bool, value: object) -> tuple[bytes, Any]:
    """Return a value of a row as JSON text and decoded."""
    if isinstance(value, str):
        if may_be_json and _CONTAINER.match(value):
            raw = value.encode("utf-8", "replace")
            try:
                return raw, orjson.loads(raw)
            except orjson.JSONDecodeError as error:
                raise MalformedRecord("json", f"{key} is no JSON: {error.msg}") from None
        truth = _TRUTHS.get(key, {}).get(value)
        if truth is not None:
            return truth, value == "true"
    try:
        raw = orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise MalformedRecord("encoding", f"{key}: {error}") from None
    return raw, orjson.loads(raw) if isinstance(value, Mapping | list | tuple) else value
