"""One query at Athena, from its start to its end: whatever ends us ends it too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from exporter.aws import Caller, Operation
from exporter.aws.operations import GET_QUERY, GET_QUERY_RESULTS, START_QUERY, STOP_QUERY
from exporter.errors import AwsError
from exporter.logs import Logger
from exporter.sql.athena_cost import cost, told
from exporter.sql.athena_errors import AthenaError, explained, refused
from exporter.sql.athena_rows import checked
from exporter.sql.base import Progress, Statement
from exporter.sql.settings import AthenaSettings

Sleep = Callable[[float], None]

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 5.0
_STEP = 0.25
"""How long a cancel may wait to be noticed."""
_PATIENCE = 60.0
"""For how many seconds on end Athena may have no room for a query, or no answer about it."""
_ATTEMPTS = 2
"""How often a query is started in all that fails by a fault that Athena says may pass."""
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


class Query:
    """A statement that runs. `scanned` and `cost` (US dollars) are of all attempts, known as far as Athena has told."""

    def __init__(self, caller: Caller, settings: AthenaSettings, log: Logger, sleep: Sleep, now: Callable[[], float]) -> None:
        self._caller, self._settings, self._log = caller, settings, log
        self._sleep, self._now = sleep, now
        self._lock = threading.RLock()
        self._id, self._over = "", True
        self._before = self._at_hand = 0
        self.cost = 0.0
        self.cancelled = threading.Event()

    @property
    def scanned(self) -> int:
        """The bytes scanned so far."""
        return self._before + self._at_hand

    def cancel(self) -> None:
        """Stop it, from any thread."""
        self.cancelled.set()
        self._stop()

    def finish(self, statement: Statement, end: float, progress: Progress) -> None:
        """Run a statement to its end; raise AthenaError where it does not succeed by `end` (of the clock `now`).

        Whatever is raised, an interrupt by Ctrl-C too, the query no longer runs at Athena, as far as Athena can be reached.
        """
        literals = checked(statement)
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                self._start(statement.sql, literals, end)
                if self._wait(end, progress, last=attempt == _ATTEMPTS):
                    return
        except BaseException:
            self._stop()
            raise

    def page(self, token: str | None) -> Mapping[str, Any]:
        """Return a page of the result."""
        asked = {"QueryExecutionId": self._id, "MaxResults": 1000} | ({"NextToken": token} if token else {})
        return self._patiently(lambda: self._caller.call(GET_QUERY_RESULTS, **asked), GET_QUERY_RESULTS, self._now() + _PATIENCE)

    def _start(self, sql: str, literals: list[str], end: float) -> None:
        settings = self._settings
        asked: dict[str, Any] = {
            "QueryString": sql,
            "ClientRequestToken": str(uuid4()),
            "QueryExecutionContext": {"Database": settings.database, "Catalog": settings.catalog},
            "WorkGroup": settings.workgroup,
        }
        if literals:
            asked["ExecutionParameters"] = literals
        if settings.output_location:
            asked["ResultConfiguration"] = {"OutputLocation": settings.output_location}
        try:
            answer = self._patiently(lambda: self._caller.call(START_QUERY, **asked), START_QUERY, min(end, self._now() + _PATIENCE))
            with self._lock:
                self._id, self._over, self._at_hand = str(answer.get("QueryExecutionId") or ""), False, 0
        except AthenaError as error:
            if error.reason == "unavailable":
                self._disown(asked)
            raise
        except BaseException:
            self._disown(asked)
            raise
        if self.cancelled.is_set():
            raise _cancelled()

    def _disown(self, asked: Mapping[str, Any]) -> None:
        """Stop a query of which we do not know whether it was started: asked again with the same token, Athena tells its id."""
        try:
            answer = self._caller.call(START_QUERY, **asked)
            self._caller.call(STOP_QUERY, QueryExecutionId=answer.get("QueryExecutionId"))
        except AwsError as error:
            self._log.warning("a query may run on at Athena: its start was not confirmed, and it cannot be stopped", error=str(error))

    def _wait(self, end: float, progress: Progress, *, last: bool) -> bool:
        """Wait for the end of the query; return whether it succeeded, False where it may be tried again."""
        wait = _FIRST_WAIT
        while True:
            execution = self._look(min(end, self._now() + _PATIENCE))
            status = execution.get("Status") or {}
            state = str(status.get("State") or "")
            progress(0, 0, self.scanned)
            if state in _ENDED:
                return self._ended(state, status, last=last)
            most = self._settings.max_scanned_bytes
            if most is not None and self._at_hand > most:
                raise AthenaError(
                    f"the query was stopped: it had scanned {self._at_hand:,} bytes ({told(self._at_hand)}), and athena.max_scanned_bytes "
                    f"is {most:,}; ask for fewer days, accounts or regions, or raise that setting"
                )
            if self._now() >= end:
                raise AthenaError(
                    f"the query was stopped: it ran longer than it may, and had scanned {told(self._at_hand)}; "
                    "ask for fewer days, accounts or regions, or allow more time",
                    "unavailable",
                )
            self._rest(min(wait, max(end - self._now(), 0.0)))
            wait = min(wait * 1.5, _LONGEST_WAIT)

    def _look(self, until: float) -> Mapping[str, Any]:
        answer = self._patiently(lambda: self._caller.call(GET_QUERY, QueryExecutionId=self._id), GET_QUERY, until)
        execution: Mapping[str, Any] = answer.get("QueryExecution") or {}
        scanned = (execution.get("Statistics") or {}).get("DataScannedInBytes")
        if isinstance(scanned, int):
            self._at_hand = scanned
        return execution

    def _ended(self, state: str, status: Mapping[str, Any], *, last: bool) -> bool:
        with self._lock:
            if self._over:
                raise _cancelled()
            self._over = True
            self._bill(free=state == "FAILED")
        if state == "SUCCEEDED":
            return True
        error = status.get("AthenaError") or {}
        reason = str(status.get("StateChangeReason") or error.get("ErrorMessage") or "")
        if state == "FAILED" and error.get("Retryable") and not last:
            self._log.info("Athena failed by a fault that may pass; the query is started again", reason=reason[:300])
            self._rest(_FIRST_WAIT * 4)
            return False
        if state == "CANCELLED":
            raise explained("the query was cancelled at Athena", reason or "somebody else stopped it; start it again")
        raise explained("the query failed at Athena", reason, "unavailable" if error.get("Retryable") else "unreadable")

    def _bill(self, *, free: bool) -> None:
        dollars = 0.0 if free else cost(self._at_hand, self._settings.price_per_terabyte)
        self._before, self._at_hand, self.cost = self._before + self._at_hand, 0, self.cost + dollars
        if dollars:
            self._caller.spent(START_QUERY, dollars)

    def _stop(self) -> None:
        """Stop what runs at Athena, once; what it scanned until then is billed. Whoever comes second waits for the first."""
        with self._lock:
            if self._over:
                return
            self._over = True
            try:
                self._caller.call(STOP_QUERY, QueryExecutionId=self._id)
            except AwsError as error:
                self._log.warning("a query may run on at Athena: it cannot be stopped", query_execution_id=self._id, error=str(error))
            with suppress(AwsError, AthenaError):
                self._look(self._now())
            self._bill(free=False)

    def _patiently(self, call: Callable[[], Mapping[str, Any]], operation: Operation, until: float) -> Mapping[str, Any]:
        """Make a call, again and again where Athena has no room or no answer, until a time; raise AthenaError."""
        wait = _FIRST_WAIT * 4
        while True:
            try:
                return call()
            except AwsError as error:
                if error.reason not in ("throttled", "unavailable") or self._now() + wait > until:
                    raise refused(error, f"Athena, workgroup {self._settings.workgroup}") from error
                self._log.debug("Athena has no room or no answer; asked again", operation=operation.action, error=str(error))
            self._rest(wait)
            wait = min(wait * 2, _LONGEST_WAIT * 2)

    def _rest(self, seconds: float) -> None:
        """Wait, and raise AthenaError as soon as it is cancelled."""
        while seconds > 0 and not self.cancelled.is_set():
            self._sleep(min(seconds, _STEP))
            seconds -= _STEP
        if self.cancelled.is_set():
            raise _cancelled()


def _cancelled() -> AthenaError:
    return AthenaError("the query was cancelled", "unavailable")
