"""PromQL that the panels share: who is chosen, the newest value of replicas, and how often a counter went up.

Counts here are whole numbers, and exact. increase() is neither: it extrapolates to the edges of its window, so that ten changes may
read 10.7, and it works within one series, so that an exporter that moved (a pod gets a new name or address) loses what came
meanwhile. Yet what people compare with the history are whole changes.
"""

from __future__ import annotations

from collections.abc import Sequence

LOOK_BACK = "6h"
"""How long a value from before the window is remembered, as through an outage; as long as alerts remember it."""

EACH_STEP = "$__interval"
"""The window of what is counted in steps of time."""

STEP_LOOK_BACK = "15m"
"""The same for steps: each of them reads it anew, and six hours a hundred times over would be a minute of work at 500 accounts and regions.

So a change that came while nobody scraped for longer is in the counts of a whole range, but in no step.
"""

CHOSEN = 'job=~"$job", account_id=~"$account", region=~"$region"'
"""The exporters, accounts and regions that are chosen."""

CHOSEN_ACCOUNT = 'job=~"$job", account_id=~"$account"'
"""For families without regions."""

ANY_UNIT = 'account_id=~"$account|", region=~"$region|"'
"""The accounts and regions that are chosen, and what has neither."""

CHOSEN_UNITS = f'job=~"$job", {ANY_UNIT}'
"""As CHOSEN, and the sources that span many accounts or regions, whose labels are empty."""

CHOSEN_EXPORTERS = 'job=~"$job"'
"""For what an exporter has once."""


def most(metric: str, by: Sequence[str], at: str = "") -> str:
    """Return the greatest value of replicas, by labels; `metric` is given with its selector."""
    return f"max by ({', '.join(by)}) ({metric}{at})"


def grown(counter: str, by: Sequence[str], window: str, at: str = "") -> str:
    """Return how often a counter went up within a window: a whole number, by the labels of one count.

    The larger of two counts. The first is what stood last at the end against what stood last at the beginning, by the greatest
    of replicas: windows side by side add up, and a moved exporter changes nothing. The second is what stood last against the least
    within the window, by each series that was born in it, or fell in it because its store was lost; not of others, or a replica that is
    late would count again what the first has. What stood last is remembered for six hours (in steps for 15 minutes), so that a change
    which came while nobody scraped is not lost. `counter` is a selector that leaves at least one label beside `by` (job, instance): this
    keeps both sides of `or`. `at` moves all to another moment, as ` @ end()`. Of recorded counters see _recorded_grown().
    """
    if ":" in counter.partition("{")[0]:
        return _recorded_grown(counter, by, window, at)
    labels = ", ".join(by)
    look_back = STEP_LOOK_BACK if window == EACH_STEP else LOOK_BACK
    now, before = f"last_over_time({counter}[{look_back}]{at})", f"last_over_time({counter}[{look_back}] offset {window}{at})"
    least = f"min_over_time({counter}[{window}]{at})"
    return (
        f"max by ({labels}) (\n"
        f"  max by ({labels}) ({now}) - max by ({labels}) ({before})\n"
        f"  or {now} - {least} unless {before} <= {least}\n"
        ")"
    )


def _growth(counter: str, window: str, at: str = "") -> str:
    name, brace, selector = counter.partition("{")
    return f"sum_over_time({name.rpartition(':')[0]}:grown{brace}{selector}[{window}]{at})"


def _recorded_grown(counter: str, by: Sequence[str], window: str, at: str = "") -> str:
    """Return the same of a recorded counter: its recorded growth, or what stands at the end above all that stood before the window.

    The second outlives an outage for longer than rules remember. The least within the window says nothing here: while the replica that
    stands higher is not scraped, the recorded counter is low, and then high again without a change.
    """
    labels = ", ".join(by)
    now, before = f"last_over_time({counter}[{LOOK_BACK}]{at})", f"max_over_time({counter}[{LOOK_BACK}] offset {window}{at})"
    return (
        f"clamp_min(max by ({labels}) (\n"
        f"  max by ({labels}) ({now}) - max by ({labels}) ({before})\n"
        f"  or {_growth(counter, window, at)}\n"
        f"  or 0 * {now}\n"
        "), 0)"
    )


def total(expr: str, by: Sequence[str] = ()) -> str:
    """Return the sum of counts, by labels or over all."""
    return f"sum by ({', '.join(by)}) (\n{expr}\n)" if by else f"sum(\n{expr}\n)"


def in_steps(counter: str, by: Sequence[str]) -> str:
    """Return how often a counter went up in each step of time; of a recorded one, from what was recorded of its growth.

    That is there only for what grew, and reads in a moment; a series without growth has no 0. Windows of Prometheus 2 hold both of their
    edges; the offset keeps what was recorded at an edge out of the next one's.
    """
    if ":" not in counter.partition("{")[0]:
        return grown(counter, by, EACH_STEP)
    return f"max by ({', '.join(by)}) ({_growth(counter, EACH_STEP, ' offset -1ms')})"


def with_dots(expr: str, counter: str, by: Sequence[str]) -> str:
    """Return a query of recorded series that has the exemplars of the counter itself: Prometheus finds them by the selectors of a query."""
    return f"{expr}\nor sum by ({', '.join(by)}) ({counter} < 0)"


def busiest(counter: str, each: Sequence[str], by: Sequence[str], limit: int) -> tuple[str, str]:
    """Return two queries in steps of time: the `limit` busiest of the whole range by name, and all others together.

    Which they are is decided once, over the range, so that a series does not come and go with every step.
    """
    steps = total(in_steps(counter, each), by)
    chosen = f"topk({limit}, {total(grown(counter, each, '$__range', ' @ end()'), by)})"
    labels = ", ".join(by)
    return f"{steps}\nand on ({labels})\n{chosen} > 0", f"sum(\n{steps}\nunless on ({labels})\n{chosen}\n) > 0"


def last_rise(counter: str, by: Sequence[str]) -> str:
    """Return when a counter went up last within the range, in milliseconds since 1970; nothing if it did not.

    Told to one step of time, and to two minutes within the last step: steps stand at full multiples, so that none has the newest yet.
    """
    labels = ", ".join(by)

    def rose(window: str) -> str:
        # What did not rise is left out first: most series of an estate stand still.
        return f"(changes({counter}[{window}]) > 0) * 0 + time()"

    return (
        f"1000 * max by ({labels}) (\n"
        f"  max_over_time(({rose('$__rate_interval')})[$__range:$__interval])\n"
        f'  or label_replace(max_over_time(({rose("2m")})[$__rate_interval:1m]), "newest", "minutes", "", "")\n'
        f'  or label_replace({rose("2m")}, "newest", "now", "", "")\n'
        ") > 0"
    )


def beside(expr: str, by: Sequence[str], rows: str) -> str:
    """Return a further column of a table whose rows another query has chosen; otherwise it would add rows of its own."""
    return f"{expr}\nand on ({', '.join(by)}) {rows}"


def known(expr: str, witness: str) -> str:
    """Return an aggregate, and an honest 0 where it is empty although `witness` has series: without them nothing is known."""
    return f"{expr}\nor 0 * count({witness})"


def happened(counter: str, by: Sequence[str], window: str) -> str:
    """Return how often something happened to the exporters within a window: a whole number, of counters that each process begins at 0.

    Those of all instances are added. What a series has that was not there before, or fell, came since its process began.
    """
    look_back = STEP_LOOK_BACK if window == EACH_STEP else LOOK_BACK
    now = f"last_over_time({counter}[{window}])"
    each = f"(\n  {now} - last_over_time({counter}[{look_back}] offset {window}) >= 0\n  or {now}\n)"
    return f"sum by ({', '.join(by)}) {each}" if by else f"sum {each}"
