"""What the pages of several replicas say: which unit was polled when and by whom, and where they differ in what the store has."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from exporter.checks import STATE_FAMILIES
from exporter.families import FAMILIES
from exporter.forecast import FORECAST_FAMILIES
from tests.trail_truth import Series

STORED = frozenset(family.name for family in (*FAMILIES, *STATE_FAMILIES, *FORECAST_FAMILIES))
"""The families whose samples come out of the store, so that every replica must show the same."""

UnitKey = tuple[str, str, str]
LAST_SUCCESS, LAST_POLL = "awschange_exporter_last_success_timestamp_seconds", "awschange_exporter_last_poll_timestamp_seconds"
"""When anybody last read all of a unit, on every page; when this very replica last polled it, on the page of who does."""
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def polled(page: str, family: str = LAST_SUCCESS) -> dict[UnitKey, float]:
    """Return when a page says that units were polled, by source, account id and region; never is left out."""
    found = {}
    for line in page.splitlines():
        if line.startswith(f"{family}{{"):
            labels, _, value = line.rpartition(" ")
            of = dict(_LABEL.findall(labels))
            if float(value) > 0:
                found[of["source"], of.get("account_id", ""), of.get("region", "")] = float(value)
    return found


def stored_lines(page: str) -> frozenset[str]:
    """Return the samples of a page that come out of the store."""
    return frozenset(line for line in page.splitlines() if line and line[0] != "#" and re.split(r"[{ ]", line, maxsplit=1)[0] in STORED)


def differing(pages: Sequence[str]) -> list[str]:
    """Return the samples that not every page shows alike."""
    lines = [stored_lines(page) for page in pages]
    return sorted(frozenset.union(*lines) - frozenset.intersection(*lines))


def counters(page: str, families: Iterable[str]) -> Counter[Series]:
    """Return what a page shows of some counters, zeros left out."""
    wanted = set(families)
    found: Counter[Series] = Counter()
    for line in page.splitlines():
        name, brace, _ = line.partition("{")
        if brace and name in wanted:
            labels, _, value = line.rpartition(" ")
            if float(value):
                found[name, tuple(text for _, text in _LABEL.findall(labels))] = int(float(value))
    return found


class Polls:
    """When every unit was seen to be polled, over the life of a fleet, by whomever."""

    def __init__(self) -> None:
        self._seen: defaultdict[UnitKey, set[float]] = defaultdict(set)

    def look(self, page: str) -> None:
        """Take in what a page says."""
        for unit, at in polled(page).items():
            self._seen[unit].add(at)

    def units(self) -> frozenset[UnitKey]:
        """Return all units that were ever polled well."""
        return frozenset(self._seen)

    def longest_gaps(self) -> dict[str, float]:
        """Return the longest time between two polls of one unit, by source."""
        gaps: dict[str, float] = {}
        for (source, _account_id, _region), times in self._seen.items():
            gaps[source] = max([gaps.get(source, 0.0), *(later - earlier for earlier, later in pairwise(sorted(times)))])
        return gaps
