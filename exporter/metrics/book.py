"""All that the store says, as the page shows it: what has happened, what stands, and how much of both is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.families import Family
from exporter.metrics.gzip_member import Block, concatenate
from exporter.metrics.series import SeriesBook
from exporter.metrics.state import StateBook
from exporter.metrics.tally import Tally


class Book:
    """The store's part of the page. Not safe for several threads by itself."""

    def __init__(
        self,
        families: Sequence[Family],
        state_families: Sequence[Family],
        forecast_families: Sequence[Family],
        budgets: Mapping[str, int],
        birth_hold: float,
        released: frozenset[int] = frozenset(),
    ) -> None:
        """See SeriesBook and StateBook; `budgets` overrides the families' own, by name."""
        self._tally = Tally((*families, *forecast_families, *state_families), budgets)
        self.series = SeriesBook(families, self._tally, birth_hold, released)
        self.forecast = StateBook(forecast_families, self._tally)
        self.state = StateBook(state_families, self._tally)

    @property
    def version(self) -> int:
        """A number that grows when the page would show something else."""
        return self.series.version + self.forecast.version + self.state.version + self._tally.version

    def text(self, openmetrics: bool) -> bytes:
        """Return this part of the page."""
        tally = b"".join(chunk.text(openmetrics) for chunk in self._tally.chunks())
        return b"".join((self.series.text(openmetrics), self.forecast.text(openmetrics), self.state.text(openmetrics), tally))

    def block(self, openmetrics: bool) -> Block:
        """Return this part of the page, compressed."""
        tally = (chunk.block(openmetrics) for chunk in self._tally.chunks())
        return concatenate((self.series.block(openmetrics), self.forecast.block(openmetrics), self.state.block(openmetrics), *tally))

    def forget(self, openmetrics: bool) -> None:
        """Give back the memory of a format that nobody asks for any more."""
        self.series.forget(openmetrics)
        self.forecast.forget(openmetrics)
        self.state.forget(openmetrics)
        for chunk in self._tally.chunks():
            chunk.forget(openmetrics)
