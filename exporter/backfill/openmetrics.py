"""Writes what was replayed as OpenMetrics text with the times of the events, as `promtool tsdb create-blocks-from openmetrics` reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from exporter.backfill.replay import Line, Replayed, Stretch, milliseconds
from exporter.backfill.sampling import Grid, samples_of_counter, samples_of_gauge
from exporter.backfill.steps import counter_steps, gauge_steps
from exporter.families import EVENT_FAMILIES, Family
from exporter.metrics.lines import OPENMETRICS_END, header, number, prefix

Labelled = tuple[bytes, Iterable[tuple[int, float]]]
"""One series: the line up to the value, and its samples (milliseconds, value)."""

_FLUSH = 10_000


@dataclass(slots=True)
class Written:
    """How much was written."""

    series: int = 0
    samples: int = 0
    bytes: int = 0


def write(
    out: BinaryIO,
    replayed: Replayed,
    stretch: Stretch,
    grid: Grid,
    target: Mapping[str, str],
    families: Sequence[Family] = EVENT_FAMILIES,
) -> Written:
    """Write all families, each series together and in order of time; `target` are labels that a scrape would add."""
    written = Written()
    for family in families:
        lines = replayed.lines[family.name]
        if lines:
            series = (_labelled(family, line, stretch, grid, target) for line in lines)
            write_family(out, header(family.name, family.type, family.help, openmetrics=True), series, written)
    written.bytes += out.write(OPENMETRICS_END)
    return written


def write_family(out: BinaryIO, head: bytes, series: Iterable[Labelled], written: Written) -> None:
    """Write one family; nothing, not even its head, where no series has a sample."""
    for start, samples in series:
        any_sample = False
        for part in _parts(start, samples):
            if head:
                written.bytes += out.write(head)
                head = b""
            any_sample = True
            written.samples += part.count(b"\n")
            written.bytes += out.write(part)
        written.series += any_sample


def _parts(start: bytes, samples: Iterable[tuple[int, float]]) -> Iterator[bytes]:
    text = start.decode()
    lines: list[str] = []
    for time, value in samples:
        lines.append(f"{text}{number(value)} {_seconds(time)}\n")
        if len(lines) >= _FLUSH:
            yield "".join(lines).encode()
            lines.clear()
    if lines:
        yield "".join(lines).encode()


def _seconds(time: int) -> str:
    seconds, rest = divmod(time, 1000)
    return f"{seconds}.{rest:03d}" if rest else str(seconds)


def _labelled(family: Family, line: Line, stretch: Stretch, grid: Grid, target: Mapping[str, str]) -> Labelled:
    start = prefix(family.name, (*family.labels, *target), (*line.labels, *target.values()))
    since, until = milliseconds(stretch.since), milliseconds(stretch.until)
    if family.type == "gauge":
        return start, samples_of_gauge(gauge_steps(line.track, since=since, until=until), grid, until)
    # A call that nobody ever made needs no more than a beginning and an end at 0.
    quiet = line.preset and len(line.track.times) > 0
    return start, samples_of_counter(counter_steps(line.track, scraped=line.scraped, since=since, until=until), grid, quiet=quiet)


__all__ = ["Labelled", "Written", "write", "write_family"]
