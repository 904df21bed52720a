"""Fetches objects ahead, several at once, and gives what is in them in the order in which they were asked for."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from exporter.aws import Caller
from exporter.errors import SourceError
from exporter.sources.trail_text import Limits, Part, TrailTextReader
from exporter.sources.workers import Worker

WORTH_WORKERS = 32
"""So many files must have been read before processes are started: a poll that finds three files ends sooner without."""

_AHEAD_OF_WORKER = 16

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Object(Generic[T]):
    """An object to read, and whatever whoever asks for it wants back with it."""

    bucket: str
    key: str
    of: T

    @property
    def origin(self) -> str:
        """Its name for people."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(slots=True)
class Reading(Generic[T]):
    """An object whose turn it is: `error` says why it could not be fetched, else `parts` has what is in it.

    `parts` must be read to its end before the next one is asked for; it may raise SourceError.
    """

    object: Object[T]
    error: SourceError | None
    parts: Iterator[Part]


class ObjectReader:
    """Reads objects. Use it as a context manager: its threads and processes end with it, whatever they do."""

    def __init__(self, caller: Caller, wanted: Callable[[str, str], bool], limits: Limits, downloads: int, workers: int) -> None:
        self._caller, self._wanted, self._limits = caller, wanted, limits
        self._downloads, self._most_workers = downloads, workers
        self._reader = TrailTextReader(wanted, limits)
        self._asked: queue.SimpleQueue[tuple[str, str, Future[bytes]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._workers: list[Worker] = []
        self._read = 0
        self._ahead: deque[tuple[Object[Any], Future[bytes], Worker | None]] = deque()
        self._open = False

    def __enter__(self) -> Self:
        """Return it; nothing is started before it is needed."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End threads and processes."""
        for _ in self._threads:
            self._asked.put(None)
        self._drop()
        self._stop_workers()

    def read(self, objects: Iterable[Object[T]]) -> Iterator[Reading[T]]:
        """Yield every object in order; those that follow are fetched meanwhile, no more of them than there are threads.

        One reading at a time: what another left unread is dropped.
        """
        self._drop()
        ahead = self._ahead
        rest = iter(objects)
        while True:
            while len(ahead) < max(self._downloads, _AHEAD_OF_WORKER * len(self._workers)) and (item := next(rest, None)) is not None:
                self._open = True
                ahead.append((item, *self._ask(item)))
            if not ahead:
                self._open = False
                return
            item, file, worker = ahead.popleft()
            yield self._reading(item, file, worker)

    def _drop(self) -> None:
        if self._open:
            for _, file, _ in self._ahead:
                file.cancel()
            self._ahead.clear()
            # Their answers to what was dropped would be taken for those to what comes next.
            self._stop_workers()
            self._open = False

    def _stop_workers(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers.clear()

    def _ask(self, item: Object[T]) -> tuple[Future[bytes], Worker | None]:
        self._read += 1
        if self._read > WORTH_WORKERS and len(self._workers) < self._most_workers:
            self._workers = [Worker(self._wanted, self._limits) for _ in range(self._most_workers)]
        if len(self._threads) < self._downloads:
            self._threads.append(threading.Thread(target=self._fetch, name="download", daemon=True))
            self._threads[-1].start()
        file: Future[bytes] = Future()
        self._asked.put((item.bucket, item.key, file))
        ready = [worker for worker in self._workers if worker.is_ready]
        worker = ready[self._read % len(ready)] if ready else None
        if worker is not None:
            worker.take(item.origin, file)
        return file, worker

    def _reading(self, item: Object[T], file: Future[bytes], worker: Worker | None) -> Reading[T]:
        try:
            data = file.result()
        except SourceError as error:
            return Reading(item, error, iter(()))
        return Reading(item, None, self._reader.read(item.origin, data) if worker is None else worker.parts(item.origin))

    def _fetch(self) -> None:
        while (asked := self._asked.get()) is not None:
            bucket, key, file = asked
            if not file.set_running_or_notify_cancel():
                continue
            try:
                file.set_result(self._caller.get_object(bucket, key, self._limits.file).body)
            except BaseException as error:  # noqa: BLE001 - raised again where the object's turn comes
                file.set_exception(error)
