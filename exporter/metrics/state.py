"""The gauges of what stands, as the page shows them: each unit's as the store has them now, the rest past a budget folded.

The store replaces all gauges of a unit at once, so there are no births and no holds: a series that is not given any more vanishes.
What is shown follows from what the store has and from nothing else, so that two replicas that read one store show the same: the
first `budget` series of a family by account, region and labels are shown one by one, all others in series whose folded labels say
`__other__`, as a sum, the least or the greatest, as the family's `update` tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from zlib import crc32

from exporter.families import OTHER, Family, Labels
from exporter.metrics.chunks import CHUNK_LINES
from exporter.metrics.gzip_member import EMPTY, Block, compress, concatenate
from exporter.metrics.lines import header, label_value, number
from exporter.metrics.tally import Tally
from exporter.model import Unit
from exporter.store.base import StoredSample

_UNITS_A_CHUNK = 8

_Rows = dict[Labels, tuple[float, bytes]]
"""Value and line by labels, in their order; the line is empty where a series is never shown by itself."""


class _FamilyPage:
    """One family's part of the page: its lines in stretches of text, each compressed once."""

    def __init__(self, family: Family, limit: int) -> None:
        self.family = family
        self.limit = limit
        self.shown = self.folded = 0
        self._heads = tuple(header(family.name, family.type, family.help, openmetrics) for openmetrics in (False, True))
        self._head_blocks: list[Block | None] = [None, None]
        self._template = family.name + "{" + ",".join(f'{label}="%s"' for label in family.labels) + "} "
        self._keep = tuple(None if label in family.folded else index for index, label in enumerate(family.labels))
        self._units: dict[tuple[str, str], _Rows] = {}
        self._texts: list[bytes] = []
        self._blocks: dict[bytes, Block] = {}

    def put(self, unit: tuple[str, str], values: Mapping[Labels, float]) -> bool:
        """Replace the series of a unit; return whether anything differs. Only what differs is spelled anew."""
        known = self._units.get(unit, {})
        if len(known) == len(values) and all(labels in known and known[labels][0] == value for labels, value in values.items()):
            return False
        if values:
            self._units[unit] = {labels: self._row(known.get(labels), labels, values[labels]) for labels in sorted(values)}
        else:
            del self._units[unit]
        return True

    def arrange(self) -> None:
        """Lay out the lines of all units anew."""
        totals: dict[Labels, float] = {}
        stretches: list[list[bytes]] = [[]]
        self.shown = self.folded = 0
        for unit in sorted(self._units):
            # Where a stretch begins depends on the unit alone: a line more or less in one unit does not move those of all others.
            if crc32("\0".join(unit).encode("utf-8", "surrogatepass")) % _UNITS_A_CHUNK == 0:
                stretches.append([])
            for labels, (value, line) in self._units[unit].items():
                if line and self.shown < self.limit:
                    if len(stretches[-1]) >= CHUNK_LINES:
                        stretches.append([])
                    stretches[-1].append(line)
                    self.shown += 1
                else:
                    self._fold(totals, labels, value)
                    self.folded += 1
        stretches.append([self._line(labels, totals[labels]) for labels in sorted(totals)])
        self._texts = [b"".join(lines) for lines in stretches if lines]
        self._blocks = {text: self._blocks[text] for text in self._texts if text in self._blocks}

    def texts(self, openmetrics: bool) -> Iterator[bytes]:
        """Yield the family's part of the page in order; nothing while it has no series."""
        if self._texts:
            yield self._heads[openmetrics]
            yield from self._texts

    def blocks(self, openmetrics: bool) -> Iterator[Block]:
        """Yield the same, compressed."""
        if not self._texts:
            return
        head = self._head_blocks[openmetrics]
        if head is None:
            head = self._head_blocks[openmetrics] = compress(self._heads[openmetrics])
        yield head
        for text in self._texts:
            block = self._blocks.get(text)
            if block is None:
                block = self._blocks[text] = compress(text)
            yield block

    def _row(self, known: tuple[float, bytes] | None, labels: Labels, value: float) -> tuple[float, bytes]:
        if known is not None and known[0] == value:
            return known
        # Under the very labels of a sum it would stand on the page twice.
        return value, b"" if OTHER in labels and labels == self._folded(labels) else self._line(labels, value)

    def _line(self, labels: Labels, value: float) -> bytes:
        together = "".join(labels)
        if not (together.isprintable() and '"' not in together and "\\" not in together):
            labels = tuple(label_value(text) for text in labels)
        return f"{self._template % labels}{number(value)}\n".encode()

    def _folded(self, labels: Labels) -> Labels:
        return tuple(OTHER if index is None else labels[index] for index in self._keep)

    def _fold(self, totals: dict[Labels, float], labels: Labels, value: float) -> None:
        key = self._folded(labels)
        if key not in totals and len(totals) >= self.limit:
            key = (OTHER,) * len(labels)
        old = totals.get(key)
        if old is None:
            totals[key] = value
        elif self.family.update == "add":
            totals[key] = old + value
        else:
            totals[key] = min(old, value) if self.family.update == "min" else max(old, value)


class StateBook:
    """All gauges of what stands. `version` grows when the page would show something else. Not safe for several threads by itself.

    The labels of every family begin with account id and region.
    """

    def __init__(self, families: Sequence[Family], tally: Tally) -> None:
        self._tally = tally
        self._pages = {family.name: _FamilyPage(family, tally.limits[family.name]) for family in families}
        self.version = 0
        self._whole: dict[bool, tuple[int, Block]] = {}

    def apply(self, units: Mapping[Unit, Sequence[StoredSample]]) -> None:
        """Replace the gauges of units that changed; a unit without any vanishes.

        What this version does not know is passed over: a family, or one with other labels, or a series that says it is another unit's.
        """
        changed: dict[str, _FamilyPage] = {}
        for unit, samples in units.items():
            key = (unit.account_id, unit.region)
            found: dict[str, dict[Labels, float]] = {name: {} for name in self._pages}
            for name, labels, value in samples:
                page = self._pages.get(name)
                if page is not None and len(labels) == len(page.family.labels) and labels[:2] == key:
                    found[name][tuple(labels)] = float(value)
            changed |= {name: page for name, page in self._pages.items() if page.put(key, found[name])}
        for name, page in changed.items():
            page.arrange()
            self._tally.count(name, page.shown, page.folded)
            self.version += 1

    def text(self, openmetrics: bool) -> bytes:
        """Return this part of the page."""
        return b"".join(chain.from_iterable(page.texts(openmetrics) for page in self._pages.values()))

    def block(self, openmetrics: bool) -> Block:
        """Return this part of the page, compressed."""
        version, block = self._whole.get(openmetrics, (-1, EMPTY))
        if version != self.version:
            block = concatenate(chain.from_iterable(page.blocks(openmetrics) for page in self._pages.values()))
            self._whole[openmetrics] = self.version, block
        return block

    def forget(self, openmetrics: bool) -> None:
        """Give back the memory of a format that nobody asks for any more."""
        self._whole.pop(openmetrics, None)
