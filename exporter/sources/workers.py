"""Processes that inflate and scan, so that more than one core works: the exporter fetches, they read, and it alone stores.

Started by `spawn`: a fork of a process with threads may stand still for ever. Credentials and connections stay where they are; what goes
out is a file, what comes back is the little that was found in it.
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection

from exporter.errors import SourceError
from exporter.sources.trail_text import Limits, Part, TrailTextReader

_END = 1.0

WAIT_FOR_START = 0.0
"""How long a file waits for a process that is still starting, in seconds: it is read without it meanwhile."""

_READY = "ready"


class Worker:
    """One process. Give it files with `take`, and read their parts with `parts` in the same order."""

    def __init__(self, wanted: Callable[[str, str], bool], limits: Limits) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, wanted, limits), name="trail reader", daemon=True)
        self._process.start()
        theirs.close()
        self._is_ready = False
        self._files: queue.Queue[tuple[str, Future[bytes]] | None] = queue.Queue()
        # A thread sends: the process takes the next file only when what it found in the last one was read.
        self._feeder = threading.Thread(target=self._feed, name="trail reader", daemon=True)
        self._feeder.start()

    @property
    def is_ready(self) -> bool:
        """Whether the process has started."""
        if not self._is_ready and self._connection.poll(WAIT_FOR_START):
            try:
                self._is_ready = self._connection.recv() == _READY
            except (EOFError, OSError):
                self._is_ready = True  # it ended: said where the files are waited for that it should have read
        return self._is_ready

    def take(self, origin: str, file: Future[bytes]) -> None:
        """Read a file as soon as it is there; one that never comes is passed over."""
        self._files.put((origin, file))

    def parts(self, origin: str) -> Iterator[Part]:
        """Yield what the process found in the file that was taken next; raise SourceError where the process failed."""
        last = False
        while not last:
            try:
                part = self._connection.recv()
            except (EOFError, OSError) as error:
                raise SourceError("internal", f"{origin}: the process that reads trail files ended; is there memory enough?") from error
            if isinstance(part, str):
                raise SourceError("internal", f"{origin}: cannot be read by a fault of the exporter: {part}")
            last = part.last
            yield part

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._files.put(None)
        self._process.terminate()
        self._process.join(_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(_END)
        self._connection.close()

    def _feed(self) -> None:
        with suppress(OSError):
            while (entry := self._files.get()) is not None:
                origin, file = entry
                try:
                    data = file.result()
                except BaseException:  # noqa: BLE001, S112 - whoever waits for the file is told; here there is only nothing to send
                    continue
                self._connection.send(origin)
                self._connection.send_bytes(data)


def serve(connection: Connection, wanted: Callable[[str, str], bool], limits: Limits) -> None:
    """Read the files that come until the connection closes: what the process of a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reader = TrailTextReader(wanted, limits)
    connection.send(_READY)
    while True:
        try:
            origin, data = connection.recv(), connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            for part in reader.read(origin, data):
                connection.send(part)
        except (BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:  # noqa: BLE001 - the boundary of the process: told to whoever waits for this file
            connection.send(f"{type(error).__name__}: {error}"[:1024])
