"""So many at once, and a short queue: what does not get in soon is told to come again, and the rest of the threads stay free."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turnstile:
    """Lets `most` in at once; `waiting` more wait for `patience` seconds at most."""

    def __init__(self, most: int, waiting: int, patience: float) -> None:
        self._places = threading.Semaphore(most)
        self._queue = threading.Semaphore(most + waiting)
        self._patience = patience

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Yield whether one may go on."""
        if not self._queue.acquire(blocking=False):
            yield False
            return
        try:
            if not self._places.acquire(timeout=self._patience):
                yield False
                return
            try:
                yield True
            finally:
                self._places.release()
        finally:
            self._queue.release()
