"""Which series of a family stand by themselves, and in which sum the others are: the same for the page and for the past."""

from __future__ import annotations

from exporter.families import OTHER, Family, Labels


class Folding:
    """Places the series of one family in the order of their births: `shown` by themselves, `folded` into sums."""

    def __init__(self, family: Family, budget: int) -> None:
        self.shown = self.folded = 0
        self._budget = budget
        self._keep = tuple(None if label in family.folded else index for index, label in enumerate(family.labels))
        self._sums: set[Labels] = set()

    def place(self, labels: Labels) -> Labels | None:
        """Return None for a new series that stands by itself, else the labels of its sum.

        Past the budget it is in a sum, and under the very labels of one; past the budget of sums, in one that folds every label.
        """
        key = tuple(OTHER if index is None else labels[index] for index in self._keep)
        if self.shown < self._budget and not (OTHER in labels and labels == key):
            self.shown += 1
            return None
        self.folded += 1
        if key not in self._sums and len(self._sums) >= self._budget:
            key = (OTHER,) * len(labels)
        self._sums.add(key)
        return key
