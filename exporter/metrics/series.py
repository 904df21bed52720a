"""Which series of the store the page shows, and at which value: births, holds and folds.

**Born at zero.** increase() does not see the first sample of a series, so a counter that came to be at 1 would be a change
that nobody notices. A new series of a held family is shown at 0 until a scrape has shown it, that fact is in the store,
and `birth_hold` has passed since. The store comes first so that a restart finds the same answer: a value once shown never
falls back to 0. (A `birth_hold` raised over a restart can hold a series of the last minutes again; over a reload it does not.)

**Folded.** The first `budget` series of a family are shown one by one, in order of birth; the rest are summed in series
whose folded labels say `__other__`. Such a sum is born at zero too, as one: its hold counts from the first of its members
that a scrape has shown, and from then on every member counts at once, because increase() sees a series grow that is there
already. So it never falls, and a restart finds the same sum at the same value.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence

from exporter.families import Family, Labels
from exporter.metrics.chunks import Chunk, Line
from exporter.metrics.folding import Folding
from exporter.metrics.gzip_member import Block, concatenate
from exporter.metrics.lines import header, label_value
from exporter.metrics.tally import Tally
from exporter.store.base import SeriesRow

_SLACK = 1.0
"""Seconds by which a scrape may lie in the future before we say that the clock was set back."""


class _Series(Line):
    """A series shown by itself, or a sum of folded ones; `released` once it shows its value."""

    __slots__ = ("exposed_at", "family", "released", "value")

    def __init__(self, family: _FamilyPage, prefix: bytes) -> None:
        super().__init__(prefix)
        self.family = family
        self.value = 0.0
        self.exposed_at: float | None = None
        self.released = not family.held


class _Member:
    """A series that only its sum shows."""

    __slots__ = ("exposed_at", "total", "value")

    def __init__(self, total: _Series) -> None:
        self.total = total
        self.value: float | None = None
        self.exposed_at: float | None = None


class _FamilyPage:
    """One family's part of the page."""

    def __init__(self, family: Family, budget: int) -> None:
        self.family = family
        self.folding = Folding(family, budget)
        self.held = family.held and family.type == "counter"
        self.counter = family.type == "counter"
        self.totals: dict[Labels, _Series] = {}
        self._template = family.name + "{" + ",".join(f'{label}="%s"' for label in family.labels) + "} "
        self._head = Chunk(*(header(family.name, family.type, family.help, openmetrics) for openmetrics in (False, True)))
        self._chunks: list[Chunk] = []
        self._total_chunks: list[Chunk] = []

    def prefix(self, labels: Labels) -> bytes:
        """Return the start of a series' line."""
        together = "".join(labels)
        if together.isprintable() and '"' not in together and "\\" not in together:
            return (self._template % labels).encode()
        return (self._template % tuple(label_value(value) for value in labels)).encode()

    def total(self, key: Labels) -> _Series:
        """Return the sum that stands under these labels."""
        total = self.totals.get(key)
        if total is None:
            total = self.totals[key] = _Series(self, self.prefix(key))
        return total

    def place(self, line: _Series, *, folded: bool) -> None:
        """Give a new line its place: after all of its kind."""
        chunks = self._total_chunks if folded else self._chunks
        if not chunks or chunks[-1].full:
            chunks.append(Chunk())
        chunks[-1].append(line)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the family's part of the page in order; nothing while it has no series."""
        if self._chunks or self._total_chunks:
            yield self._head
            yield from self._chunks
            yield from self._total_chunks


class SeriesBook:
    """All series that the store counts, as the page shows them. Not safe for several threads by itself."""

    def __init__(self, families: Sequence[Family], tally: Tally, birth_hold: float, released: frozenset[int] = frozenset()) -> None:
        """`birth_hold` is in seconds, 0 for none; `released` are ids of series whose value another page has shown."""
        self._tally = tally
        self._hold = birth_hold
        self._inherited = released
        self._families = {family.name: _FamilyPage(family, tally.limits[family.name]) for family in families}
        self._known: dict[int, _Series | _Member] = {}
        self._due: list[tuple[float, int, _Series]] = []
        self._pushed = 0
        self._unexposed: dict[int, None] = {}
        self._unexposed_ids: tuple[int, ...] | None = ()
        self.version = 0

    @property
    def next_due(self) -> float:
        """When the next hold ends, infinity while none is under way."""
        return self._due[0][0] if self._due else math.inf

    @property
    def unexposed(self) -> tuple[int, ...]:
        """The ids of held series on the page that the store does not know to have been scraped."""
        if self._unexposed_ids is None:
            self._unexposed_ids = tuple(self._unexposed)
        return self._unexposed_ids

    def released(self) -> frozenset[int]:
        """Return the ids of the series that have shown their value, by themselves or in a sum."""
        return self._inherited | {
            key for key, series in self._known.items() if (series if isinstance(series, _Series) else series.total).released
        }

    def apply(self, rows: Iterable[SeriesRow], now: float) -> None:
        """Take in series that are new or have changed, in order of id.

        A family that this version does not know, or knows with other labels, is passed over.
        """
        known = self._known
        for row in rows:
            page = self._families.get(row.family)
            if page is None or len(row.labels) != len(page.family.labels):
                continue
            series = known.get(row.id)
            if series is None:
                series = self._born(page, row)
            value = float(row.value)
            if isinstance(series, _Series):
                series.value = value
                if page.counter and row.event_id is not None:
                    series.event_id, series.event_time = row.event_id, row.event_time
                total = series
            else:
                total = series.total
                total.value = _combined(page.family, total, series.value, value)
                series.value = value
            if page.held and row.exposed_at is not None and series.exposed_at is None:
                self._mark(row.id, series, row.exposed_at, now)
            if total.chunk is None:
                total.shown = total.value if total.released else 0.0
                page.place(total, folded=total is not series)
                self.version += 1
            else:
                self._show(total)
        self._count()

    def settle(self, now: float) -> None:
        """Let every series whose hold is over take its value."""
        # No hold ends later than a whole hold from now, unless the clock was set back meanwhile.
        while self._due and not now < self._due[0][0] <= now + self._hold + _SLACK:
            self._release(heapq.heappop(self._due)[2])

    def exposed(self, ids: Iterable[int], at: float, now: float) -> None:
        """Take note that the store knows these series to have been shown by a scrape."""
        for key in ids:
            series = self._known.get(key)
            if series is not None and series.exposed_at is None:
                self._mark(key, series, at, now)

    def is_exposed(self, key: int) -> bool:
        """Return whether the store knows the series to have been shown."""
        return key not in self._unexposed

    def text(self, openmetrics: bool) -> bytes:
        """Return this part of the page."""
        return b"".join([chunk.text(openmetrics) for chunk in self._chunks()])

    def block(self, openmetrics: bool) -> Block:
        """Return this part of the page, compressed."""
        return concatenate(chunk.block(openmetrics) for chunk in self._chunks())

    def forget(self, openmetrics: bool) -> None:
        """Give back the memory of a format that nobody asks for any more."""
        for chunk in self._chunks():
            chunk.forget(openmetrics)

    def _chunks(self) -> Iterator[Chunk]:
        for page in self._families.values():
            yield from page.chunks()

    def _born(self, page: _FamilyPage, row: SeriesRow) -> _Series | _Member:
        series: _Series | _Member
        folded = page.folding.place(row.labels)
        if folded is not None:
            shown = page.total(folded)
            series = _Member(shown)
        else:
            series = shown = _Series(page, page.prefix(row.labels))
        if page.held:
            if self._hold <= 0 or row.id in self._inherited:
                shown.released = True
            self._unexposed[row.id] = None
            self._unexposed_ids = None
        self._known[row.id] = series
        return series

    def _mark(self, key: int, series: _Series | _Member, at: float, now: float) -> None:
        """A scrape showed this series at a time: its hold runs from there, or that of its sum if none was shown sooner."""
        if key in self._unexposed:
            del self._unexposed[key]
            self._unexposed_ids = None
        series.exposed_at = at
        shown = series if isinstance(series, _Series) else series.total
        if shown is not series:
            if shown.exposed_at is not None and shown.exposed_at <= at:
                return
            shown.exposed_at = at
        # Shown at a time to come: the clock was ahead then. Waiting for that time would hide every change until it comes, and
        # take values back that were shown.
        if at + self._hold <= now or at > now + _SLACK:
            self._release(shown)
        elif not shown.released:
            self._pushed += 1
            heapq.heappush(self._due, (at + self._hold, self._pushed, shown))

    def _release(self, series: _Series) -> None:
        series.released = True
        if series.chunk is not None:
            self._show(series)

    def _show(self, series: _Series) -> None:
        """Bring a line that stands on the page up to date."""
        value = series.value if series.released else 0.0
        if value != series.shown and series.chunk is not None:
            series.shown = value
            series.chunk.changed(series)
            self.version += 1

    def _count(self) -> None:
        """Bring the metrics about the families themselves up to date."""
        for name, page in self._families.items():
            self._tally.count(name, page.folding.shown, page.folding.folded)


def _combined(family: Family, total: _Series, old: float | None, new: float) -> float:
    """Return the value of a sum after one of its members went from an old value to a new one."""
    if family.update == "add":
        return total.value + new - (old or 0.0)
    if total.chunk is None:
        return new
    return min(total.value, new) if family.update == "min" else max(total.value, new)
