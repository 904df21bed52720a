"""Queries that run: each in a thread of its own, its state told by the clock as well as by the work.

Source: Athena API reference, QueryExecutionStatus.
"""

from __future__ import annotations

import threading
from datetime import timedelta

from sandbox.athena_dialect import SYSTEM, StatementError
from sandbox.athena_work import STOPPED, Run, StoppedError, Worker
from sandbox.moments import Clock


class Runs:
    """Starts queries and knows all. A query is queued for `delay`, and runs at least as long again."""

    def __init__(self, worker: Worker, clock: Clock, delay: timedelta) -> None:
        self._worker, self._clock, self._delay = worker, clock, delay
        self._known: dict[str, Run] = {}
        self._threads: list[threading.Thread] = []

    def start(self, run: Run, *, fails: bool) -> None:
        """Begin a query; one that `fails` does so by a fault of Athena's own, which may pass."""
        self._known[run.id] = run
        thread = threading.Thread(target=self._work, args=(run, fails), name="sandbox-athena", daemon=True)
        self._threads = [known for known in self._threads if known.is_alive()] + [thread]
        thread.start()

    def find(self, query_id: str, unit: tuple[str, str]) -> Run | None:
        """Return a query of an account and region by its id; None where there is none."""
        run = self._known.get(query_id)
        return run if run is not None and run.unit == unit else None

    def workgroup_of(self, query_id: str) -> str:
        """Return the workgroup of a query; that of nobody where there is none."""
        run = self._known.get(query_id)
        return "primary" if run is None else run.workgroup

    def state(self, run: Run) -> str:
        """Return the state of a query as of now."""
        now = self._clock()
        if run.stop.is_set() and run.reason == STOPPED:
            return "CANCELLED"
        if now < run.submitted + self._delay:
            return "QUEUED"
        return run.final if run.final and now >= run.submitted + 2 * self._delay else "RUNNING"

    def cancel(self, run: Run) -> None:
        """Stop a query, unless it has ended."""
        if self.state(run) not in {"QUEUED", "RUNNING"}:
            return
        run.reason, run.ended = STOPPED, self._clock()
        run.stop.set()
        run.interrupt()

    def end(self) -> None:
        """Stop all, as the sandbox stops."""
        for run in self._known.values():
            run.stop.set()
            run.interrupt()
        for thread in self._threads:
            thread.join()
        self._known.clear()

    def _work(self, run: Run, fails: bool) -> None:
        try:
            if fails:
                raise StatementError("GENERIC_INTERNAL_ERROR: a worker was lost; run the query again", SYSTEM, retryable=True)
            self._worker.execute(run)
            run.final = "SUCCEEDED"
        except StoppedError as stopped:
            run.reason, run.final = str(stopped), "CANCELLED"
        except StatementError as error:
            run.reason, run.category, run.retryable, run.final = error.reason, error.category, error.retryable, "FAILED"
            if run.stop.is_set():
                run.reason, run.category, run.final = STOPPED, 0, "CANCELLED"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the caller gets an answer that says so
            run.reason = f"GENERIC_INTERNAL_ERROR: the sandbox: {type(error).__name__}: {error}"[:1000]
            run.category, run.final = SYSTEM, "FAILED"
        run.ended = self._clock()
