"""Series as OpenMetrics text, one file for each stretch that becomes a block of Prometheus' own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from simulation.model import HOUR, Span
from simulation.scrape import Shown, runs
from simulation.world import Faults

BLOCK = 162 * HOUR
"""The longest block that promtool makes below a week (two hours, tripled again and again)."""


def _target(number: int) -> str:
    """Return the labels of a target: a pod's name and address change when it is moved."""
    return f'instance="192.0.2.{number + 10}:10893",job="aws-change-exporter",pod="aws-change-exporter-{number}"'


def write(directory: Path, shown: Iterable[Shown], whole: Span, faults: Faults) -> tuple[Sequence[Path], int]:
    """Write all samples of a span; return the files, each within one block, and how many samples there are."""
    first, last = whole.start // BLOCK, (whole.end - 1) // BLOCK
    names = [directory / f"samples-{number}.txt" for number in range(first, last + 1)]
    # A target begins where the pod is renamed.
    begins = [whole.start, *faults.renames]
    count = 0
    with ExitStack() as stack:
        files: list[TextIO] = [stack.enter_context(name.open("w", encoding="ascii")) for name in names]
        for family in shown:
            for file in files:
                file.write(f"# TYPE {family.name.removesuffix('_total')} {family.type}\n")
            for series in family.series:
                labels = ",".join(f'{name}="{value}"' for name, value in series.labels)
                head = f"{family.name}{{{labels},"
                number = 0
                for value, scrapes in runs(series, family.tail, whole, faults.outages):
                    text = f"}} {value!r} "
                    for part in _cut(scrapes, begins):
                        while number + 1 < len(begins) and begins[number + 1] <= part[0]:
                            number += 1
                        line = head + _target(number) + text
                        for block in range(part[0] // BLOCK, part[-1] // BLOCK + 1):
                            inside = [at for at in part if at // BLOCK == block]
                            files[block - first].write("".join([f"{line}{at}\n" for at in inside]))
                            count += len(inside)
        for file in files:
            file.write("# EOF\n")
    return names, count


def _cut(scrapes: range, begins: Sequence[int]) -> Iterable[range]:
    """Return scrapes in parts between which the target changes."""
    parts = []
    rest = scrapes
    for begin in begins:
        if rest and rest[0] < begin <= rest[-1]:
            here = -(-(begin - rest.start) // rest.step)
            parts.append(rest[:here])
            rest = rest[here:]
    return [*parts, rest]
