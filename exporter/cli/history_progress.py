"""How far each place is, a line each on a terminal, while history is read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from exporter.history.places import Progress as Told
from exporter.history.several import Watching

_QUICK = frozenset({"store"})
"""Places that answer before anybody could read how far they are."""


@contextmanager
def watching(names: Sequence[str]) -> Iterator[Watching]:
    """Give what tells each place's progress: to standard error where that is a terminal, else to nobody.

    The lines are there from the beginning: which accounts and regions there are may take as long to learn as the rest.
    """
    if not sys.stderr.isatty() or _QUICK.issuperset(names):
        yield lambda _place: _unheard
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[told]}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        tasks = {name: progress.add_task(f"reading {name}", total=None, told="…") for name in names}
        yield lambda place: _line(progress, tasks[place.name])


def _unheard(_done: int, _all: int, _events: int) -> None:
    """Tell nobody."""


def _line(progress: Progress, task: TaskID) -> Told:
    def told(done: int, all_: int, events: int) -> None:
        steps = f"{done} of {all_} steps, " if all_ else f"{done} steps, " if done else ""
        progress.update(task, completed=done, total=all_ or None, told=f"{steps}{events} read")

    return told
