"""The series of one family of counters or gauges: a dictionary of numbers, each of whose lines is spelled again only when it changed.

prometheus_client spells every series of a family anew at each reading, which with 200 accounts and regions cost more than polling them.
"""

from __future__ import annotations

import threading

from exporter.metrics.lines import header, number, prefix
from exporter.metrics.table import SelfMetric

_Values = tuple[str, ...]


class Cells:
    """Numbers by label values; safe to use from any thread. Raises ValueError for labels that the family has not."""

    def __init__(self, row: SelfMetric) -> None:
        self._row = row
        self._lock = threading.Lock()
        self._values: dict[_Values, float] = {}
        self._prefixes: dict[_Values, bytes] = {}
        self._lines: dict[_Values, bytes] = {}
        self._changed: set[_Values] = set()
        if not row.labels:
            self.add((), 0.0)

    def add(self, labels: _Values, amount: float) -> None:
        """Add to a number, which begins at 0."""
        with self._lock:
            self._put(labels, self._values.get(labels, 0.0) + amount)

    def set(self, labels: _Values, value: float) -> None:
        """Give a number its value."""
        with self._lock:
            self._put(labels, value)

    def remove(self, labels: _Values) -> None:
        """Take a series off the page, if it is there."""
        with self._lock:
            for known in (self._values, self._prefixes, self._lines):
                known.pop(labels, None)
            self._changed.discard(labels)

    def clear(self) -> None:
        """Take all series off the page."""
        with self._lock:
            for known in (self._values, self._prefixes, self._lines):
                known.clear()
            self._changed.clear()

    def text(self, openmetrics: bool) -> bytes:
        """Return the family as text, in the order in which its series were born."""
        with self._lock:
            for labels in self._changed:
                self._lines[labels] = b"%b%b\n" % (self._prefixes[labels], number(self._values[labels]).encode())
            self._changed.clear()
            return header(self._row.name, self._row.type, self._row.help, openmetrics) + b"".join(self._lines.values())

    def _put(self, labels: _Values, value: float) -> None:
        if labels not in self._values:
            self._prefixes[labels] = prefix(self._row.name, self._row.labels, labels)
            self._lines[labels] = b""
        self._values[labels] = float(value)
        self._changed.add(labels)
