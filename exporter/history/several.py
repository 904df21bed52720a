"""Several places asked at the same time, and one timeline of what they answer; what one of them cannot tell hides nothing of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from exporter.errors import ExporterError
from exporter.history.config_actors import Beside
from exporter.history.places import Answer, Place, Progress, merged
from exporter.store.base import Query

Watching = Callable[[Place], Progress]
"""Gives for each place who is told how far it is."""
_SLICE = 0.2


def search_all(places: Sequence[Place], query: Query, now: datetime, watching: Watching, beside: Beside | None = None) -> Answer:
    """Return one timeline of all places; the first of several tellings of an event stands, so the store comes first.

    `beside` is what the last place, and that alone, knows the answers of the others by. Where one fails altogether, that is a problem
    of the answer; a single one raises its ExporterError. Whoever interrupts this with an exception is obeyed at once, whatever AWS makes a
    place wait for: each is told by its progress, which then raises KeyboardInterrupt, and is to be closed by whoever opened it.
    """
    alone = len(places) == 1
    asked = query if alone else replace(query, offset=0, limit=query.offset + query.limit)
    stop = threading.Event()
    threads = [_Asked(place, asked, now, watching(place), stop) for place in places]
    if beside is not None:
        beside.expect(lambda: [thread.answered() for thread in threads[:-1]])
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                # In slices, so that an interrupt is heard at once wherever Python runs.
                thread.join(_SLICE)
    except BaseException:
        stop.set()
        raise
    return threads[0].answered(alone=True) if alone else merged([thread.answered() for thread in threads], query)


class _Asked(threading.Thread):
    """One place that is asked. A daemon, so that one which hangs keeps no interrupted command."""

    def __init__(self, place: Place, query: Query, now: datetime, progress: Progress, stop: threading.Event) -> None:
        super().__init__(name=f"history-{place.name}", daemon=True)
        self._place, self._query, self._now, self._told, self._stop_event = place, query, now, progress, stop
        self._done = threading.Event()
        self._answer = Answer()
        self._failed: BaseException | None = None

    def run(self) -> None:
        """Ask it."""
        try:
            self._answer = self._place.search(self._query, self._now, self._progress)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever wants the answer
            self._failed = error
        finally:
            self._done.set()

    def answered(self, *, alone: bool = False) -> Answer:
        """Wait for the answer and return it; raise what is no failure to read but a fault, and any failure of a place that is alone."""
        self._done.wait()
        if isinstance(self._failed, ExporterError) and not alone:
            return Answer(problems=[f"{self._place.name}: {self._failed}"])
        if self._failed is not None:
            raise self._failed
        return self._answer

    def _progress(self, done: int, all_: int, events: int) -> None:
        if self._stop_event.is_set():
            raise KeyboardInterrupt
        self._told(done, all_, events)
