"""What stands open everywhere, as rows with who opened it: of a unit only the groups that its gauges say are open, once a reading."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from exporter.history.look import Opener, opener_of
from exporter.history.open_rows import OpenRow, open_row
from exporter.history.overview import OpenCount, Overviews
from exporter.history.unit_documents import UnitDocuments
from exporter.model import Rule, Unit
from exporter.posture.judge import Judge
from exporter.store.base import HistoryEvent, Store

_MOST_NEWS = 10_000
"""Where more was stored than that since somebody last asked, to look for all openers again is cheaper than to read what it touched."""

_Key = tuple[str, Rule]
"""Group id and rule."""


@dataclass(slots=True)
class _Known:
    """The rows of one unit, and what they were made of."""

    counts: tuple[OpenCount, ...]
    judge: Judge
    rows: list[OpenRow]
    openers: dict[_Key, Opener]
    looked: int
    touched: set[str] = field(default_factory=set)


class Opened:
    """Tells what stands open, as the last reading of each unit was judged. Safe to use from several threads.

    Who opened a rule is looked for once: again where events touched its group since, and after the next reading, which may
    tell more of those events.
    """

    def __init__(self, store: Store, overviews: Overviews, judge: Callable[[], Judge], now: Callable[[], datetime]) -> None:
        self._store, self._overviews, self._judge, self._now = store, overviews, judge, now
        self._lock = threading.Lock()
        self._units: dict[Unit, _Known] = {}

    def rows(self, accounts: Sequence[str] = (), regions: Sequence[str] = ()) -> list[OpenRow]:
        """Return every open rule, excepted or not, of all units or of some, by account and region. Raises StoreError."""
        counts = self._overviews.open_counts()
        judge = self._judge()
        rows: list[OpenRow] = []
        with self._lock:
            for gone in self._units.keys() - counts.keys():
                del self._units[gone]
            for unit in sorted(counts, key=lambda unit: (unit.account_id, unit.region)):
                if counts[unit] and (not accounts or unit.account_id in accounts) and (not regions or unit.region in regions):
                    rows += self._current(unit, counts[unit], judge).rows
        return rows

    def _current(self, unit: Unit, counts: tuple[OpenCount, ...], judge: Judge) -> _Known:
        known = self._units.get(unit)
        # Each reading of a unit replaces its gauges, so the same object means that there was none since.
        read = known is None or known.counts is not counts or known.judge is not judge
        last = self._store.last_event()
        if known is not None and last - known.looked > _MOST_NEWS:
            known = None
        news = self._store.news(unit.account_id, unit.region, known.looked if known else last)
        if known is not None and not read and not news.touched:
            known.looked = news.last
            return known
        openers, touched = (known.openers, known.touched | news.touched) if known else ({}, set())
        stale = touched if read else news.touched
        kept = {key: opener for key, opener in openers.items() if key[0] not in stale and key[1].peer not in stale and not _by_name(stale)}
        made = self._made(unit, counts, judge, kept, news.last)
        made.touched = set(news.touched) if read else set(touched)
        self._units[unit] = made
        return made

    def _made(self, unit: Unit, counts: tuple[OpenCount, ...], judge: Judge, openers: dict[_Key, Opener], looked: int) -> _Known:
        documents = UnitDocuments(self._store, unit.account_id, unit.region)
        standing = documents.standing_of(dict.fromkeys(count.security_group_id for count in counts))
        histories: dict[str, list[HistoryEvent]] = {}
        rows: list[OpenRow] = []
        found: dict[_Key, Opener] = {}
        for opened in judge.open_rules(standing, self._now()):
            key = opened.group.group_id, opened.rule
            opener = found.get(key) or openers.get(key) or opener_of(self._store, standing, opened, documents.first_read_at, histories)
            found[key] = opener
            event = opener.event
            by = event.principal.name if event is not None else None
            rows.append(open_row(opened, unit.account_id, unit.region, opener.since, by))
        return _Known(counts, judge, rows, found, looked)


def _by_name(touched: set[str] | frozenset[str]) -> bool:
    """Tell whether a group was touched by its name alone; which one that is the event does not tell."""
    return any(text.startswith("name:") for text in touched)
