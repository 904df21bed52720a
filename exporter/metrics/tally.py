"""The metrics about the families themselves: how many series each has on the page, how many at most, and how many are folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from exporter.families import Family
from exporter.metrics.chunks import Chunk, Line
from exporter.metrics.lines import header, prefix
from exporter.metrics.table import SERIES_GAUGES


class Tally:
    """The SERIES_GAUGES of all families that the store keeps. `version` grows when one shows something else.

    `limits` are the budgets of series by family name, the configured ones before those of the families. Not safe for several threads.
    """

    def __init__(self, families: Sequence[Family], budgets: Mapping[str, int]) -> None:
        self.limits = {family.name: budgets.get(family.name, family.budget) for family in families}
        self.version = 0
        self._gauges: list[tuple[Chunk, dict[str, Line]]] = []
        for gauge in SERIES_GAUGES:
            chunk = Chunk(*(header(gauge.name, gauge.type, gauge.help, openmetrics) for openmetrics in (False, True)))
            lines = {name: Line(prefix(gauge.name, gauge.labels, (name,))) for name in self.limits}
            for line in lines.values():
                chunk.append(line)
            self._gauges.append((chunk, lines))
        for name in self.limits:
            self.count(name, 0, 0)

    def count(self, name: str, shown: int, folded: int) -> None:
        """Take note of how many series of a family are shown one by one, and how many in sums."""
        for (chunk, lines), value in zip(self._gauges, (shown, self.limits[name], folded), strict=True):
            line = lines[name]
            if line.shown != value:
                line.shown = float(value)
                chunk.changed(line)
                self.version += 1

    def chunks(self) -> Iterator[Chunk]:
        """Yield this part of the page in order."""
        for chunk, _ in self._gauges:
            yield chunk
