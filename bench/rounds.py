"""Interleaved rounds, children that measure themselves, and tables of the medians."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Figures = dict[str, float]


def interleaved(cases: Mapping[str, Callable[[], Figures]], rounds: int) -> dict[str, list[Figures]]:
    """Run every case once a round, so that a machine that grows busy slows all of them alike; return the figures by case."""
    out: dict[str, list[Figures]] = {name: [] for name in cases}
    for number in range(rounds):
        # The order alternates, for whoever runs first finds the caches cold.
        names = list(cases) if number % 2 == 0 else list(cases)[::-1]
        for name in names:
            out[name].append(cases[name]())
    return out


def median(figures: Sequence[Figures], key: str) -> float:
    """Return the median of one figure over the rounds."""
    return statistics.median(figure[key] for figure in figures)


def ratio(figures: Sequence[Figures], baseline: Sequence[Figures], key: str) -> float:
    """Return the median of the ratios within each round, which other load disturbs less than the ratio of medians."""
    return statistics.median(ours[key] / theirs[key] for ours, theirs in zip(figures, baseline, strict=True))


def in_child(module: str, *arguments: str, seconds: float = 400) -> Figures:
    """Run `python -m module arguments` and return the figures that it prints as JSON on its last line."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=False, capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def peak_rss_mb() -> float:
    """Return the most memory that this process ever held, in MB of 10^6 bytes.

    Not ru_maxrss: a child inherits its parent's there (Linux carries it over exec).
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("no VmHWM in /proc/self/status; the benchmarks need Linux")


def timed(work: Callable[[], object]) -> Figures:
    """Return CPU and wall seconds of a piece of work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Print a table: the first column to the left, all others to the right."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    print(f"\n{title}")
    for line in (header, ["-" * width for width in widths], *rows):
        cells = (cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(zip(line, widths, strict=True)))
        print("  " + "  ".join(cells))
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()
