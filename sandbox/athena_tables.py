"""Tables of trail logs as their DDL describes them: columns of text, partitions that are projected, and where the files lie.

Sources: Athena user guide, "Querying AWS CloudTrail logs" and "Partition projection with Amazon Athena".
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.athena_dialect import StatementError
from sandbox.journal import Unit

CATALOG = "AwsDataCatalog"
_JAVA = {"yyyy": ("%Y", r"\d{4}"), "MM": ("%m", r"\d{2}"), "dd": ("%d", r"\d{2}"), "HH": ("%H", r"\d{2}")}
_DAYS = {"YEAR": 365, "MONTH": 30, "WEEK": 7, "DAY": 1}
_SERDES = frozenset(
    {"org.apache.hive.hcatalog.data.JsonSerDe", "org.openx.data.jsonserde.JsonSerDe", "com.amazon.emr.hive.serde.CloudTrailSerde"}
)
_INPUT = "com.amazon.emr.cloudtrail.CloudTrailInputFormat"


@dataclass(frozen=True, slots=True)
class Projection:
    """What values a partition column may have."""

    kind: str
    values: tuple[str, ...] = ()
    date_format: str = ""
    range: tuple[str, str] = ("", "")

    @property
    def pattern(self) -> str:
        """A regular expression of the values in paths."""
        if self.kind == "enum":
            return "|".join(re.escape(value) for value in self.values)
        if self.kind == "date":
            return _translated(self.date_format)[1]
        return "[^/]+"

    def admits(self, value: str, now: datetime) -> bool:
        """Tell whether a value is projected."""
        if self.kind != "date":
            return self.kind == "injected" or value in self.values
        try:
            at = datetime.strptime(value, _translated(self.date_format)[0])  # noqa: DTZ007 - compared with naive ones of the same format
        except ValueError:
            return False
        low, high = (_moment(text, self.date_format, now) for text in self.range)
        return low <= at <= high


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `template` is the location of a partition, with `${column}` for its values."""

    name: str
    columns: tuple[str, ...]
    partitions: tuple[str, ...]
    projections: Mapping[str, Projection]
    bucket: str
    template: str
    properties: Mapping[str, str]

    @property
    def prefix(self) -> str:
        """What all files have before any value of a partition."""
        return self.template.partition("${")[0]

    def values_of(self, key: str, now: datetime) -> tuple[str, ...] | None:
        """Return the partition that a file lies in; None where it is in none, or is hidden."""
        match = re.match(self._pattern(), key)
        if match is None or key.endswith("/") or key.rpartition("/")[2].startswith(("_", ".")):
            return None
        values = tuple(match[name] for name in self.partitions)
        admitted = all(self.projections[name].admits(value, now) for name, value in zip(self.partitions, values, strict=True))
        return values if admitted else None

    def _pattern(self) -> str:
        parts = re.split(r"\$\{(\w+)\}", self.template)
        seen: set[str] = set()
        found = ""
        for place, part in enumerate(parts):
            if place % 2 == 0:
                found += re.escape(part)
            elif part in seen:
                found += f"(?P={part})"
            else:
                seen.add(part)
                found += f"(?P<{part}>{self.projections[part].pattern})"
        return found


class Tables:
    """The tables of each account and region, by database."""

    def __init__(self) -> None:
        self._databases: dict[Unit, dict[str, dict[str, Table]]] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Have none, as the sandbox begins anew."""
        with self._lock:
            self._databases.clear()

    def databases(self, unit: Unit) -> dict[str, dict[str, Table]]:
        """Return the tables of an account and region by database; every one has `default`."""
        with self._lock:
            return {name: dict(tables) for name, tables in self._databases.setdefault(unit, {"default": {}}).items()}

    def find(self, unit: Unit, database: str, name: str) -> Table | None:
        """Return a table; None where there is none."""
        return self.databases(unit).get(database.lower(), {}).get(name.lower())

    def define(self, unit: Unit, database: str, tree: Any) -> None:
        """Do what a CREATE or DROP says. Raises StatementError."""
        from sqlglot import exp  # noqa: PLC0415 - whoever parsed the tree has it

        if not isinstance(tree, exp.Create | exp.Drop) or tree.kind not in {"TABLE", "DATABASE", "SCHEMA"}:
            raise StatementError("the sandbox knows CREATE and DROP of external tables and databases only")
        target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        of = (target.db or database).lower()
        known = self.databases(unit)
        if tree.kind != "TABLE":
            with self._lock:
                self._databases[unit].setdefault(target.name.lower(), {})
            return
        if of not in known:
            raise StatementError(f"FAILED: SemanticException [Error 10072]: Database does not exist: {of}")
        name = target.name.lower()
        if isinstance(tree, exp.Drop):
            if name not in known[of] and not tree.args.get("exists"):
                raise StatementError(f"FAILED: SemanticException [Error 10001]: Table not found {of}.{name}")
            with self._lock:
                self._databases[unit][of].pop(name, None)
            return
        if name in known[of]:
            if tree.args.get("exists"):
                return
            raise StatementError(f"FAILED: Execution Error, return code 1. AlreadyExistsException(message:Table {name} already exists)")
        table = _table(name, tree)
        with self._lock:
            self._databases[unit][of][name] = table


def _table(name: str, tree: Any) -> Table:
    from sqlglot import exp  # noqa: PLC0415 - as above

    properties = {
        item.this.name.lower(): item.args["value"].name
        for item in tree.find_all(exp.Property)
        if type(item) is exp.Property and isinstance(item.this, exp.Literal)
    }
    location, serde = tree.find(exp.LocationProperty), tree.find(exp.RowFormatSerdeProperty)
    formats, external = tree.find(exp.InputOutputFormat), tree.find(exp.ExternalProperty)
    if location is None or external is None:
        raise StatementError("FAILED: ParseException: an external table needs a LOCATION")
    if serde is None or serde.this.name not in _SERDES or formats is None or formats.args["input_format"].name != _INPUT:
        raise StatementError("the sandbox reads trail logs only: a JSON SerDe and com.amazon.emr.cloudtrail.CloudTrailInputFormat")
    partitioned = tree.find(exp.PartitionedByProperty)
    columns = _names(tree.this.expressions)
    partitions = _names(partitioned.this.expressions) if partitioned is not None else ()
    if partitions and properties.get("projection.enabled", "").lower() != "true":
        raise StatementError("the sandbox knows partitions that are projected (projection.enabled), and no others")
    projections = {column: _projection(column, properties) for column in partitions}
    bucket, _, folder = location.this.name.removeprefix("s3://").partition("/")
    template = properties.get("storage.location.template") or f"s3://{bucket}/{folder.rstrip('/')}/" + "/".join(
        f"{column}=${{{column}}}" for column in partitions
    )
    where, _, path = template.removeprefix("s3://").partition("/")
    if missing := [column for column in partitions if f"${{{column}}}" not in template]:
        raise StatementError(f"INVALID_TABLE_PROPERTY: storage.location.template lacks ${{{missing[0]}}}")
    return Table(name, columns, partitions, projections, where, path.rstrip("/") + "/" if path else "", properties)


def _names(definitions: Any) -> tuple[str, ...]:
    found = []
    for definition in definitions:
        kind = definition.args.get("kind")
        if kind is None or kind.this.name not in {"TEXT", "VARCHAR"}:
            raise StatementError(f"the sandbox knows columns of type string only; {definition.name} is another")
        found.append(definition.name.lower())
    return tuple(found)


def _projection(column: str, properties: Mapping[str, str]) -> Projection:
    def told(what: str) -> str:
        return properties.get(f"projection.{column}.{what}", "")

    kind = told("type").lower()
    if kind == "injected":
        return Projection(kind)
    if kind == "enum" and told("values"):
        return Projection(kind, tuple(value.strip() for value in told("values").split(",")))
    if kind == "date" and told("format") and told("range").count(",") == 1:
        low, high = (part.strip() for part in told("range").split(","))
        return Projection(kind, date_format=told("format"), range=(low, high))
    raise StatementError(
        f"INVALID_TABLE_PROPERTY: projection.{column}.type and what belongs to it is missing, or no enum, injected or date"
    )


def _translated(pattern: str) -> tuple[str, str]:
    """Return a date format of Java as that of strptime, and as a regular expression."""
    fields = "|".join(_JAVA)
    parts = re.split(f"({fields})", pattern)
    return (
        "".join(_JAVA[part][0] if part in _JAVA else part.replace("%", "%%") for part in parts),
        "".join(_JAVA[part][1] if part in _JAVA else re.escape(part) for part in parts),
    )


def _moment(text: str, date_format: str, now: datetime) -> datetime:
    """Return one end of a range: a date in its format, or `NOW`, with so many units before or after."""
    relative = re.fullmatch(r"NOW(?:([+-])(\d+)(YEAR|MONTH|WEEK|DAY)S?)?", text.replace(" ", ""), re.IGNORECASE)
    if relative is None:
        return datetime.strptime(text, _translated(date_format)[0])  # noqa: DTZ007 - as above
    days = int(relative[2] or 0) * _DAYS[(relative[3] or "DAY").upper()]
    return now.replace(tzinfo=None) + timedelta(days=-days if relative[1] == "-" else days)
