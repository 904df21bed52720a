"""What `doctor` finds of Athena: the workgroup runs queries and has a place for results, and the table is as our statements want it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from exporter.aws import Caller
from exporter.aws.operations import GET_TABLE, GET_WORKGROUP
from exporter.errors import AwsError
from exporter.sources.base import Diagnosis
from exporter.sql.athena_cost import told
from exporter.sql.athena_errors import remedy
from exporter.sql.columns import COLUMNS, PARTITIONS
from exporter.sql.settings import AthenaSettings

_DDL = "make the table with what `aws-change-exporter athena-ddl` prints"
_TEXTS = ("string", "varchar")


def diagnose(settings: AthenaSettings, caller: Caller, name: str) -> Iterator[Diagnosis]:
    """Look at workgroup and table; nothing is queried, so it costs nothing."""
    yield from _workgroup(settings, caller, f"{name}: workgroup {settings.workgroup}")
    yield from _table(settings, caller, f"{name}: table {settings.database}.{settings.table}")


def _workgroup(settings: AthenaSettings, caller: Caller, subject: str) -> Iterator[Diagnosis]:
    try:
        group = caller.call(GET_WORKGROUP, WorkGroup=settings.workgroup).get("WorkGroup") or {}
    except AwsError as error:
        yield Diagnosis("failure", subject, str(error), remedy(str(error)))
        return
    if group.get("State") == "DISABLED":
        yield Diagnosis("failure", subject, "is disabled: it runs no query", "enable it, or name another in `workgroup`")
        return
    configuration = group.get("Configuration") or {}
    place = _results(settings, configuration)
    if place:
        yield Diagnosis("ok", subject, f"is enabled; results go to {place}")
    else:
        yield Diagnosis(
            "failure",
            subject,
            "has no place for results",
            "set `output_location`, or give the workgroup an output location or managed query results",
        )
    cut_off = configuration.get("BytesScannedCutoffPerQuery")
    if cut_off is not None:
        yield Diagnosis("ok", f"{subject}, cut-off", f"a query is cancelled once it has scanned {told(int(cut_off))}")
    elif settings.max_scanned_bytes is None:
        yield Diagnosis(
            "warning",
            f"{subject}, cut-off",
            "a query may scan as much as there is",
            "give the workgroup a data limit for each query (BytesScannedCutoffPerQuery), or set `max_scanned_bytes`",
        )


def _results(settings: AthenaSettings, configuration: Mapping[str, Any]) -> str:
    """Return where results go, in words; "" where nobody says."""
    if (configuration.get("ManagedQueryResultsConfiguration") or {}).get("Enabled"):
        return "Athena itself (managed query results)"
    own = str((configuration.get("ResultConfiguration") or {}).get("OutputLocation") or "")
    if configuration.get("EnforceWorkGroupConfiguration"):
        return own or settings.output_location
    return settings.output_location or own


def _table(settings: AthenaSettings, caller: Caller, subject: str) -> Iterator[Diagnosis]:
    named = {"CatalogName": settings.catalog, "DatabaseName": settings.database, "TableName": settings.table}
    try:
        table = caller.call(GET_TABLE, **named).get("TableMetadata") or {}
    except AwsError as error:
        yield Diagnosis("failure", subject, str(error), remedy(str(error)) or f"{_DDL}, or correct `database` and `table`")
        return
    found = False
    for detail in _differences(table):
        found = True
        yield Diagnosis("failure", subject, detail, _DDL)
    if not found:
        yield Diagnosis("ok", subject, f"has what is asked for, by {', '.join(PARTITIONS)}")
        if str((table.get("Parameters") or {}).get("projection.enabled", "")).lower() != "true":
            yield Diagnosis(
                "warning",
                f"{subject}, partitions",
                "are not projected: a day that nobody adds to the table is not found",
                f"{_DDL}, which projects them, or add each day's partitions (and allow glue:GetPartitions)",
            )


def _differences(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a table lacks of that which our statements name, in words."""
    partitions = {str(one.get("Name")).lower() for one in table.get("PartitionKeys") or ()}
    if missing := [name for name in PARTITIONS if name not in partitions]:
        yield f"is not partitioned by {', '.join(missing)}: each query would read all files, and ours, which name them, fail"
    types = {str(one.get("Name")).lower(): str(one.get("Type") or "").lower() for one in table.get("Columns") or ()}
    if missing := [column.name for column in COLUMNS if column.name not in types]:
        yield f"lacks the columns {', '.join(missing)}"
    if others := [name for name in (column.name for column in COLUMNS) if name in types and not types[name].startswith(_TEXTS)]:
        yield f"has columns that are no text, of which no record can be made again: {', '.join(others)}"
