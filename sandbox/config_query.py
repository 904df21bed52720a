"""The language of AWS Config's advanced queries, as far as the sandbox understands it.

`SELECT column, … WHERE condition AND …`: columns are properties by name or dotted path; a condition says that resourceType, accountId,
awsRegion, resourceId, resourceName, arn or relationships.resourceId is a text, or IN some of them. Everything else is refused.
Source: AWS Config developer guide, "Querying the current configuration state of AWS resources" (grammar and limitations).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_COLUMNS = frozenset(
    {
        "accountId",
        "arn",
        "availabilityZone",
        "awsRegion",
        "configuration",
        "configurationItemCaptureTime",
        "configurationItemDeliveryTime",
        "configurationItemStatus",
        "configurationStateId",
        "recordingFrequency",
        "relationships",
        "resourceCreationTime",
        "resourceId",
        "resourceName",
        "resourceType",
        "supplementaryConfiguration",
        "tags",
        "version",
    }
)
_NESTED = frozenset({"configuration", "relationships", "supplementaryConfiguration", "tags"})
_CONDITIONS = frozenset({"accountId", "arn", "awsRegion", "relationships.resourceId", "resourceId", "resourceName", "resourceType"})
_QUERY = re.compile(r"\s*SELECT\s+(?P<columns>.+?)(?:\s+WHERE\s+(?P<conditions>.+?))?\s*", re.IGNORECASE | re.DOTALL)
_COLUMN = re.compile(r"[A-Za-z]\w*(?:\.\w+)*")
_TEXT = r"'(?:[^']|'')*'"
_CONDITION = re.compile(
    rf"\s*(?P<name>[\w.]+)\s*(?:=\s*(?P<one>{_TEXT})|IN\s*\(\s*(?P<many>{_TEXT}(?:\s*,\s*{_TEXT})*)\s*\))\s*", re.IGNORECASE
)
_AND = re.compile(r"AND\b", re.IGNORECASE)
LONGEST = 4096


class InvalidExpressionError(ValueError):
    """An expression that is none, or more than the sandbox understands."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query, understood: dotted paths to return, and what each condition allows."""

    columns: tuple[str, ...]
    conditions: tuple[tuple[str, frozenset[str]], ...]

    def wants(self, item: Mapping[str, Any]) -> bool:
        """Tell whether an item meets all conditions."""
        return all(not values.isdisjoint(_values(item, name)) for name, values in self.conditions)

    def selected(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a query asks of an item; properties that it does not have are absent."""
        if self.columns == ("*",):
            return {name: value for name, value in item.items() if not isinstance(value, dict | list) and value is not None}
        tree: dict[str, Any] = {}
        whole = {column for column in self.columns if "." not in column}
        for column in self.columns:
            if "." in column and column.partition(".")[0] in whole:
                continue
            place = tree
            for step in column.split("."):
                place = place.setdefault(step, {})
        return {name: _part(item[name], below) for name, below in tree.items() if item.get(name) is not None}


def parse(expression: str) -> Query:
    """Return what an expression asks. Raises InvalidExpressionError."""
    match = _QUERY.fullmatch(expression)
    if match is None or not 0 < len(expression) <= LONGEST:
        raise InvalidExpressionError("write SELECT columns WHERE resourceType = '...'")
    columns = tuple(column.strip() for column in match["columns"].split(","))
    for column in columns if columns != ("*",) else ():
        first, _, rest = column.partition(".")
        if not _COLUMN.fullmatch(column) or first not in _COLUMNS or (rest and first not in _NESTED):
            raise InvalidExpressionError(f"there is no property {column[:80]!r}")
    return Query(columns, tuple(_conditions(match["conditions"])) if match["conditions"] else ())


def _conditions(text: str) -> list[tuple[str, frozenset[str]]]:
    found: list[tuple[str, frozenset[str]]] = []
    place = 0
    while True:
        match = _CONDITION.match(text, place)
        if match is None or match["name"] not in _CONDITIONS:
            raise InvalidExpressionError(f"no condition that can be evaluated at {text[place : place + 80]!r}")
        values = re.findall(_TEXT, match["one"] or match["many"])
        found.append((match["name"], frozenset(value[1:-1].replace("''", "'") for value in values)))
        place = match.end()
        if place == len(text):
            return found
        joined = _AND.match(text, place)
        if joined is None:
            raise InvalidExpressionError(f"AND expected at {text[place : place + 80]!r}")
        place = joined.end()


def _values(item: Mapping[str, Any], path: str) -> set[str]:
    first, _, rest = path.partition(".")
    value = item.get(first)
    if not rest:
        return {str(value)}
    return {str(member.get(rest)) for member in value} if isinstance(value, list) else set()


def _part(value: Any, tree: Mapping[str, Any]) -> Any:
    """Return those properties of a value that a tree of paths names, all where it names none; of a list, of each member."""
    if not tree:
        return value
    if isinstance(value, list):
        return [_part(member, tree) for member in value]
    if isinstance(value, Mapping):
        return {name: _part(value[name], below) for name, below in tree.items() if name in value}
    return value
