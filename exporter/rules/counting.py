"""How often a counter went up within a window, told so that neither a moved exporter nor a lost store hides it.

increase() works within one series. When the exporter moves (a pod gets a new name or address) or cannot be scraped for longer
than the window, a change that came meanwhile is in no series' increase. So each count is taken twice, as `increase` and as `delta`
(what stands now against the highest value of the six hours that end where the window begins), and the larger one decides. delta in
turn is blind after the exporter has lost its store (the counter falls), where increase is not. Replicas that watch the same
account count the same change, so the greatest of them counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.rules.record import Record

LOOK_BACK = "6h"
"""How long a value from before the window is remembered, as through an outage."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The two recording rules of one count, and the selector that reads both; take the max by its labels of it."""

    records: tuple[Record, Record]
    either: str


def counted(
    level_and_metric: str, counter: str, *, each: Sequence[str], by: Sequence[str] | None = None, window: str, born: bool = False
) -> Counted:
    """Return the rules `<level_and_metric>:increase<window>` and `:delta<window>` for a counter, given with its selector.

    `each` are the labels of one count, of which replicas have the same; `by`, where it is given, are those over which counts are
    then summed. `born` is for series that are not there before their first count: what had no value before stood at 0.
    """
    labels = ", ".join(each)
    now = f"max by ({labels}) ({counter})"
    grown = f"max by ({labels}) (increase({counter}[{window}]))"
    before = f"max by ({labels}) (max_over_time({counter}[{LOOK_BACK}] offset {window}))"
    moved = f"{now}\n- ({before} or {now} * 0)" if born else f"{now}\n- {before}"
    if by is not None:
        grown, moved = (f"sum by ({', '.join(by)}) (\n{expr}\n)" for expr in (grown, moved))
    return Counted(
        (Record(f"{level_and_metric}:increase{window}", grown), Record(f"{level_and_metric}:delta{window}", moved)),
        f'{{__name__=~"{level_and_metric}:(increase|delta){window}"}}',
    )
