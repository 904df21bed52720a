"""What came of a run, and what of it is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.fleet.pages import UnitKey
from tests.trail_truth import Series

BY_ALL = frozenset({"s3"})
"""Sources that every replica polls: a queue hands each message to one of them by itself."""
_SHOWN = 10


@dataclass(slots=True)
class Outcome:
    """What came of a run. `wrong` and `shown_wrong` are series that differ from the truth, in the store and on a page: (found, true).

    `missing` are changes that the history has not, `ended` what replicas said that ended by themselves, `codes` how they ended when asked;
    `refused` is how often one could not start because the store was away just then, and was started again.
    `polled_by` says how many replicas polled a unit once nobody died any more, `unpolled` are those that nobody did.
    """

    made: int = 0
    kills: int = 0
    restarts: int = 0
    refused: int = 0
    seconds: float = 0.0
    wrong: dict[Series, tuple[int, int]] = field(default_factory=dict)
    shown_wrong: dict[Series, tuple[int, int]] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    unpolled: frozenset[UnitKey] = frozenset()
    polled_by: dict[UnitKey, int] = field(default_factory=dict)
    longest_gaps: dict[str, float] = field(default_factory=dict)
    longest: float = 0.0
    differing: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    brought_by: Counter[str] = field(default_factory=Counter)

    def crowded(self) -> dict[UnitKey, int]:
        """Return the units that several replicas poll, though one is enough, with how many."""
        return {unit: count for unit, count in self.polled_by.items() if count > 1 and unit[0] not in BY_ALL}

    def faults(self) -> list[str]:
        """Return a line for each thing that is wrong."""
        return [
            *_some("stored {1} of {0[0]}{0[1]}, true are {2}", [(key, *values) for key, values in self.wrong.items()]),
            *_some("shown {1} of {0[0]}{0[1]}, true are {2}", [(key, *values) for key, values in self.shown_wrong.items()]),
            *_some("the change {0} is not in the history", [(event_id,) for event_id in self.missing]),
            *_some("nobody polls {0}", [(unit,) for unit in self.unpolled]),
            *_some("{1} replicas poll {0}", list(self.crowded().items())),
            *_some("replicas differ in {0}", [(line,) for line in self.differing]),
            *_some("{0}", [(line,) for line in self.ended]),
            *_some("a replica ended with {0} when it was asked to", [(code,) for code in self.codes if code]),
        ]


def _some(text: str, found: Collection[tuple[object, ...]]) -> list[str]:
    lines = [text.format(*each) for each in list(found)[:_SHOWN]]
    return [*lines, f"… and {len(found) - _SHOWN} more such"] if len(found) > _SHOWN else lines
