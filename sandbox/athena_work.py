"""The work of one query: who may what, which files, their rows, the statement, and the result put away.

Sources: Athena user guide, "Partition projection" (a table whose partitions are projected is not asked for them), "Access to databases and
tables in AWS Glue". Wording of failures, where no AWS page has it, is inferred.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from sandbox.athena_dialect import StatementError, parse
from sandbox.athena_duck import Duck
from sandbox.athena_scan import Pruning, Values, lines, tables_of, within
from sandbox.athena_tables import CATALOG, Table, Tables
from sandbox.backend import Backend
from sandbox.calls import Call
from sandbox.identities import Identity, partition_of
from sandbox.moments import Clock
from sandbox.on_behalf import OnBehalf

File = tuple[str, int, Values]
"""Key, size and partition of a file."""

_CUT_OFF = "Bytes scanned limit was exceeded"
STOPPED = "Query cancelled by user"


class StoppedError(Exception):
    """The query was cancelled, with the reason."""


@dataclass(slots=True)
class Run:
    """One query: what was asked, and what became of it. `final` is its last state, "" while the work is not done."""

    call: Call
    identity: Identity
    sql: str
    database: str
    workgroup: str
    parameters: list[str]
    output: str
    cut_off: int | None
    submitted: datetime
    id: str = field(default_factory=lambda: str(uuid4()))
    kind: str = "DML"
    final: str = ""
    reason: str = ""
    category: int = 0
    retryable: bool = False
    ended: datetime | None = None
    scanned: int = 0
    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    interrupt: Callable[[], None] = lambda: None

    @property
    def unit(self) -> tuple[str, str]:
        """Account and region."""
        return self.identity.account_id, self.call.region


class Worker:
    """Does the work of queries, as whoever asked for them."""

    def __init__(self, backend: Backend, tables: Tables, behalf: OnBehalf, clock: Clock) -> None:
        self._backend, self._tables, self._behalf, self._clock = backend, tables, behalf, clock

    def execute(self, run: Run) -> None:
        """Do the work; raises StatementError and StoppedError."""
        parsed = parse(run.sql, run.parameters)
        run.kind = parsed.kind
        if parsed.kind == "DDL":
            self._permit(run, "glue:DeleteTable" if run.sql.lstrip()[:4].upper() == "DROP" else "glue:CreateTable", run.database)
            self._tables.define(run.unit, run.database, parsed.tree)
            return
        duck = Duck()
        run.interrupt = duck.interrupt
        try:
            places = [
                (place, database, self._table(run, database, name))
                for place, database, name in tables_of(parsed.tree, CATALOG, run.database)
            ]
            tables = {(database, table.name): table for _place, database, table in places}
            duck.prepare(run.database, ((database, table) for (database, _name), table in tables.items()))
            duck.check(parsed)
            for (database, name), table in tables.items():
                files: list[File] = []
                for place, *of in places:
                    if of == [database, table]:
                        files += self._files(run, table, Pruning(place, table), duck)
                duck.load(database, tables[database, name], self._rows(run, table, files))
            if run.stop.is_set():
                raise StoppedError(STOPPED)
            run.columns, run.rows = duck.answer(parsed)
        finally:
            run.interrupt = lambda: None
            duck.close()
        self._write(run)

    def _table(self, run: Run, database: str, name: str) -> Table:
        self._permit(run, "glue:GetDatabase", database)
        self._permit(run, "glue:GetTable", database, name)
        if database not in self._tables.databases(run.unit):
            raise StatementError(f"SCHEMA_NOT_FOUND: line 1:15: Schema '{database}' does not exist")
        table = self._tables.find(run.unit, database, name)
        if table is None:
            raise StatementError(f"TABLE_NOT_FOUND: line 1:15: Table '{CATALOG.lower()}.{database}.{name}' does not exist")
        return table

    def _permit(self, run: Run, action: str, database: str, table: str = "") -> None:
        if reason := self.glue_refusal(run.call, run.identity, action, database, table):
            raise StatementError(f"Insufficient permissions to execute the query. {reason}")

    def glue_refusal(self, call: Call, identity: Identity, action: str, database: str, table: str = "") -> str:
        """Return why an action on catalog, database and table is not allowed to a caller; "" where it is."""
        beginning = f"arn:{partition_of(call.region)}:glue:{call.region}:{identity.account_id}"
        for resource in ("catalog", f"database/{database}", *([f"table/{database}/{table}"] if table else [])):
            arn = f"{beginning}:{resource}"
            if self._behalf.refused(call, identity, action, arn):
                who = identity.arn(call.region)
                return f"User: {who} is not authorized to perform: {action} on resource: {arn} because no identity-based policy allows it"
        return ""

    def _files(self, run: Run, table: Table, pruning: Pruning, duck: Duck) -> list[File]:
        """Return the files that one reading of a table needs."""
        arn = f"arn:{partition_of(run.call.region)}:s3:::{table.bucket}"
        refused = self._behalf.refused
        if refused(run.call, run.identity, "s3:GetBucketLocation", arn) or refused(
            run.call, run.identity, "s3:ListBucket", arn, {"s3:prefix": table.prefix}
        ):
            raise StatementError(f"Permission denied on S3 path: s3://{table.bucket}/{table.prefix}")
        if not self._backend.has_bucket(table.bucket):
            raise StatementError(f"HIVE_FILESYSTEM_ERROR: The specified bucket does not exist: s3://{table.bucket} (NoSuchBucket)")
        files = within(table, self._backend.objects(run.identity.account_id, table.bucket, table.prefix), self._clock())
        left = pruning.left((values for _key, _size, values in files), duck.partitions) if table.partitions else {()}
        return [file for file in files if file[2] in left]

    def _rows(self, run: Run, table: Table, files: list[File]) -> Iterator[str]:
        """Yield the rows of files. One that several places of a statement read is paid for as often, and is in the table once."""
        arn = f"arn:{partition_of(run.call.region)}:s3:::{table.bucket}"
        given: set[str] = set()
        for key, size, values in files:
            if run.stop.is_set():
                raise StoppedError(STOPPED)
            if self._behalf.refused(run.call, run.identity, "s3:GetObject", f"{arn}/{key}"):
                raise StatementError(f"Permission denied on S3 path: s3://{table.bucket}/{key}")
            body = self._backend.object(run.identity.account_id, table.bucket, key)
            if body is None:
                raise StatementError(f"HIVE_CANNOT_OPEN_SPLIT: s3://{table.bucket}/{key}: The specified key does not exist (NoSuchKey)")
            run.scanned += size
            if run.cut_off is not None and run.scanned > run.cut_off:
                raise StoppedError(_CUT_OFF)
            if key not in given:
                given.add(key)
                yield from lines(body, table, key, values)

    def _write(self, run: Run) -> None:
        """Put the result where it belongs, as the caller; nothing where Athena keeps results itself."""
        if not run.output:
            return
        bucket, _, prefix = run.output.removeprefix("s3://").partition("/")
        key = f"{prefix.rstrip('/')}/{run.id}.csv".lstrip("/")
        arn = f"arn:{partition_of(run.call.region)}:s3:::{bucket}"
        refused = self._behalf.refused
        if refused(run.call, run.identity, "s3:GetBucketLocation", arn) or refused(run.call, run.identity, "s3:PutObject", f"{arn}/{key}"):
            raise StatementError(
                f"Access denied when writing output to url: s3://{bucket}/{key} . Please ensure you are allowed to access the S3 bucket."
            )
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([[column["Name"] for column in run.columns], *run.rows])
        self._backend.put_object(run.identity.account_id, bucket, key, text.getvalue().encode(), {"Content-Type": "text/csv"})

    def may_read(self, run: Run) -> bool:
        """Tell whether whoever asked for a result may read it where it lies."""
        if not run.output:
            return True
        bucket, _, prefix = run.output.removeprefix("s3://").partition("/")
        key = f"{prefix.rstrip('/')}/{run.id}.csv".lstrip("/")
        arn = f"arn:{partition_of(run.call.region)}:s3:::{bucket}/{key}"
        return not self._behalf.refused(run.call, run.identity, "s3:GetObject", arn)
