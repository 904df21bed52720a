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
from textwrap import indent

from exporter.rules.record import Record

LOOK_BACK = "6h"
"""How long a value from before the window is remembered, as through an outage."""

REPLICA = "without (instance, pod)"
"""What takes replicas for one and a renamed pod for the same exporter, where the job and all other labels are kept."""

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Counted:
    """The two recording rules of one count, and the names of both as a regular expression."""

    records: tuple[Record, Record]
    names: str

    def highest(self, *by: str, such: str = "") -> str:
        """Return the larger of the two counts by labels (all of them, if none is given), of those that a matcher selects."""
        selector = ", ".join(filter(None, (f'__name__=~"{self.names}"', such)))
        return _applied(f"max by ({', '.join(by)})" if by else "max without ()", f"{{{selector}}}")


def counted(
    level_and_metric: str,
    counter: str,
    *,
    each: Sequence[str] | None = None,
    by: Sequence[str] | None = None,
    over: Sequence[str] | None = None,
    window: str,
    born: bool = False,
    why: str = "",
) -> Counted:
    """Return the rules `<level_and_metric>:increase<window>` and `:delta<window>` for a counter, given with its selector.

    `each` are the labels of one count, of which replicas have the same; without it these are all labels but instance and pod. Counts
    are then summed `by` labels, or `over` (that is, without) labels, where either is given. `born` is for series that are not there
    before their first count: what had no value before stood at 0. `why` explains the first rule in the file.
    """
    one = f"by ({', '.join(each)})" if each is not None else REPLICA
    now = _applied(f"max {one}", counter)
    grown = _applied(f"max {one}", f"increase({counter}[{window}])")
    before = _applied(f"max {one}", f"max_over_time({counter}[{LOOK_BACK}] offset {window})")
    moved = f"{now}\n- (\n{indent(before, '  ')}\n  or {indent(f'{now} * 0', '  ').lstrip()}\n)" if born else f"{now}\n- {before}"
    if by is not None or over is not None:
        total = f"sum by ({', '.join(by)})" if by is not None else f"sum without ({', '.join(over or ())})"
        grown, moved = _applied(total, grown), _applied(total, moved)
    return Counted(
        (Record(f"{level_and_metric}:increase{window}", grown, why), Record(f"{level_and_metric}:delta{window}", moved)),
        f"{level_and_metric}:(increase|delta){window}",
    )


def _applied(function: str, expr: str) -> str:
    """Return an aggregation of an expression, on one line where that is short."""
    line = f"{function} ({expr})"
    return line if len(line) <= _WIDTH and "\n" not in expr else f"{function} (\n{indent(expr, '  ')}\n)"
