"""Athena's calls: queries that really run, over the objects in the sandbox's own S3, and the workgroups that they run in.

Sources: Athena API reference, the operations below (shapes, limits, errors); user guide, "Service quotas" (rates), "Workgroups",
"Managed query results". That an error's code is InvalidRequestException follows from the model; its wording is inferred where no page of
AWS has it. That the first page's first row is the header of a SELECT is inferred too (moto does so).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sandbox import json_answers
from sandbox.athena_dialect import LONGEST, statements
from sandbox.athena_groups import VERSION, Workgroups, invalid, output_of
from sandbox.athena_runs import Runs
from sandbox.athena_tables import CATALOG, Table, Tables
from sandbox.athena_work import Run, Worker
from sandbox.backend import Answer, Backend
from sandbox.calls import Call
from sandbox.config_calls import asked_of
from sandbox.gate import Gate
from sandbox.identities import Identity
from sandbox.journal import Unit
from sandbox.moments import Clock
from sandbox.on_behalf import OnBehalf
from sandbox.pages import InvalidTokenError, Pages
from sandbox.rate import Rate

_MOST_ROWS = 1000
_LONGEST_PARAMETER = 1024
_TOKEN_LENGTHS = range(32, 129)

Done = Callable[[Call, Identity], Answer]


class Athena:
    """Answers those calls. `runs` are the queries, `tables` what DDL has defined."""

    def __init__(self, backend: Backend, behalf: OnBehalf, gate: Gate, clock: Clock, delay: timedelta) -> None:
        self.tables = Tables()
        self._worker = Worker(backend, self.tables, behalf, clock)
        self.runs = Runs(self._worker, clock, delay)
        self._backend, self._gate, self._clock = backend, gate, clock
        self._groups = Workgroups(clock)
        self._tokens: dict[tuple[Unit, str], tuple[object, str]] = {}
        self._lock = threading.Lock()
        self._pages = Pages()
        self._starts, self._reads = Rate(20, 80), Rate(100, 200)

    def operations(self) -> dict[tuple[str, str], Done]:
        """Return the operations, by service and action."""
        calls: dict[str, tuple[Done, Rate]] = {
            "StartQueryExecution": (self._start, self._starts),
            "StopQueryExecution": (self._stop, self._starts),
            "GetQueryExecution": (self._execution, self._reads),
            "GetQueryResults": (self._results, self._reads),
            "GetTableMetadata": (self._metadata, self._starts),
            "GetWorkGroup": (self._groups.get, self._starts),
            "CreateWorkGroup": (self._groups.create, self._starts),
            "UpdateWorkGroup": (self._groups.update, self._starts),
        }
        return {("athena", name): self._paced(done, rate) for name, (done, rate) in calls.items()}

    def forget(self) -> None:
        """Know nothing, as the sandbox begins anew."""
        self.tables.forget()
        self._groups.forget()
        self._tokens.clear()

    def _paced(self, done: Done, rate: Rate) -> Done:
        def paced(call: Call, identity: Identity) -> Answer:
            if not rate.allows((identity.account_id, call.region, call.action), self._clock()):
                return json_answers.failure("TooManyRequestsException", "Rate exceeded")
            return done(call, identity)

        return paced

    def _start(self, call: Call, identity: Identity) -> Answer:
        asked, unit = asked_of(call), (identity.account_id, call.region)
        sql, parameters = asked.get("QueryString"), asked.get("ExecutionParameters") or []
        if not isinstance(sql, str) or not sql or len(sql.encode()) > LONGEST:
            return invalid(f"1 validation error detected: QueryString must have between 1 and {LONGEST} bytes")
        if any(not isinstance(one, str) or not 1 <= len(one) <= _LONGEST_PARAMETER for one in parameters):
            return invalid(f"1 validation error detected: ExecutionParameters must have between 1 and {_LONGEST_PARAMETER} characters each")
        token = asked.get("ClientRequestToken")
        if not isinstance(token, str) or len(token) not in _TOKEN_LENGTHS:
            return invalid("ClientRequestToken must have between 32 and 128 characters")
        if statements(sql) > 1:
            return invalid("Only one sql statement is allowed.")
        context = asked.get("QueryExecutionContext") or {}
        name = str(asked.get("WorkGroup") or "primary")
        group = self._groups.find(unit, name)
        if group is None:
            return invalid(f"WorkGroup {name} is not found.")
        if group["State"] != "ENABLED":
            return invalid(f"WorkGroup {name} is disabled.")
        if str(context.get("Catalog") or CATALOG).lower() != CATALOG.lower():
            return invalid(f"Catalog {context['Catalog']} does not exist")
        output = output_of(group["Configuration"], asked)
        if output is None:
            return invalid(
                "No output location provided. An output location is required either through the Workgroup result configuration setting or "
                "as an API input."
            )
        bucket = output.removeprefix("s3://").partition("/")[0]
        if output and not self._backend.has_bucket(bucket):
            return invalid(f"Unable to verify/create output bucket {bucket}")
        with self._lock:
            same = (sql, tuple(parameters), str(context), name, output)
            known = self._tokens.get((unit, token))
            if known is not None:
                if known[0] != same:
                    return invalid("Idempotent parameters do not match")
                return json_answers.success({"QueryExecutionId": known[1]})
            cut_off = group["Configuration"].get("BytesScannedCutoffPerQuery")
            database = str(context.get("Database") or "default").lower()
            run = Run(call, identity, sql, database, name, list(parameters), output, cut_off, self._clock())
            self._tokens[unit, token] = (same, run.id)
        self.runs.start(run, fails=self._gate.strikes(self._gate.faults.athena_failure))
        return json_answers.success({"QueryExecutionId": run.id})

    def _stop(self, call: Call, identity: Identity) -> Answer:
        run = self._found(call, identity)
        if run is None:
            return _unknown(call)
        self.runs.cancel(run)
        return json_answers.success({})

    def _execution(self, call: Call, identity: Identity) -> Answer:
        run = self._found(call, identity)
        return _unknown(call) if run is None else json_answers.success({"QueryExecution": self._described(run)})

    def _described(self, run: Run) -> dict[str, Any]:
        state, now = self.runs.state(run), self._clock()
        status: dict[str, Any] = {"State": state, "SubmissionDateTime": run.submitted.timestamp()}
        over = state not in {"QUEUED", "RUNNING"}
        if over:
            status["CompletionDateTime"] = (run.ended or now).timestamp()
            if run.reason:
                status["StateChangeReason"] = run.reason
            if state == "FAILED":
                status["AthenaError"] = {"ErrorCategory": run.category, "Retryable": run.retryable, "ErrorMessage": run.reason}
        milliseconds = int(((run.ended if over and run.ended else now) - run.submitted).total_seconds() * 1000)
        statistics: dict[str, Any] = {
            "TotalExecutionTimeInMillis": milliseconds,
            "DataScannedInBytes": 0 if state == "QUEUED" else run.scanned,
        }
        if over:
            statistics |= {"EngineExecutionTimeInMillis": milliseconds, "ResultReuseInformation": {"ReusedPreviousResult": False}}
        output = {"OutputLocation": f"{run.output.rstrip('/')}/{run.id}.csv"} if run.output else {}
        return {
            "QueryExecutionId": run.id,
            "Query": run.sql,
            "StatementType": run.kind,
            "ResultConfiguration": output,
            "QueryExecutionContext": {"Database": run.database, "Catalog": CATALOG.lower()},
            "Status": status,
            "Statistics": statistics,
            "WorkGroup": run.workgroup,
            "EngineVersion": VERSION,
        }

    def _results(self, call: Call, identity: Identity) -> Answer:
        asked, run = asked_of(call), self._found(call, identity)
        if run is None:
            return _unknown(call)
        state = self.runs.state(run)
        if state in {"QUEUED", "RUNNING"}:
            return invalid(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            return invalid(f"Query did not finish successfully. Final query state: {state}")
        if not self._worker.may_read(run):
            return invalid(f"Access denied when reading the result of query {run.id} from {run.output}")
        most = asked.get("MaxResults") or _MOST_ROWS
        if not isinstance(most, int) or not 1 <= most <= _MOST_ROWS:
            return invalid(f"MaxResults is more than maximum allowed length {_MOST_ROWS}.")
        header = [[column["Name"] for column in run.columns]] if run.kind == "DML" else []
        rows = list(enumerate([*header, *run.rows]))
        try:
            page = self._pages.page(rows, lambda row: f"{row[0]:012}", most, asked.get("NextToken"), run.id)
        except InvalidTokenError:
            return invalid("Invalid NextToken")
        told = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for _place, row in page.members]
        body: dict[str, Any] = {"UpdateCount": 0, "ResultSet": {"Rows": told, "ResultSetMetadata": {"ColumnInfo": run.columns}}}
        return json_answers.success(body | ({"NextToken": page.token} if page.token else {}))

    def _metadata(self, call: Call, identity: Identity) -> Answer:
        asked = asked_of(call)
        database, name = str(asked.get("DatabaseName", "")).lower(), str(asked.get("TableName", "")).lower()
        if str(asked.get("CatalogName", "")).lower() != CATALOG.lower():
            return invalid(f"Catalog {asked.get('CatalogName')} does not exist")
        for action, table_name in (("glue:GetDatabase", ""), ("glue:GetTable", name)):
            if reason := self._worker.glue_refusal(call, identity, action, database, table_name):
                return json_answers.failure("MetadataException", reason)
        table = self.tables.find((identity.account_id, call.region), database, name)
        if table is None:
            return json_answers.failure(
                "MetadataException", f"Table {database}.{name} not found: Entity Not Found (EntityNotFoundException)"
            )
        return json_answers.success({"TableMetadata": _metadata_of(table)})

    def _found(self, call: Call, identity: Identity) -> Run | None:
        return self.runs.find(str(asked_of(call).get("QueryExecutionId")), (identity.account_id, call.region))


def _metadata_of(table: Table) -> dict[str, Any]:
    def columns(names: tuple[str, ...]) -> list[dict[str, str]]:
        return [{"Name": name, "Type": "string"} for name in names]

    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Columns": columns(table.columns),
        "PartitionKeys": columns(table.partitions),
        "Parameters": {"EXTERNAL": "TRUE", "location": f"s3://{table.bucket}/{table.prefix}", **table.properties},
    }


def _unknown(call: Call) -> Answer:
    return invalid(f"QueryExecution {str(asked_of(call).get('QueryExecutionId'))[:128]} was not found")
