"""`backfill`: the past into the store, and out of it as OpenMetrics with event times, for Prometheus."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import click

from exporter.backfill import Grid, Stretch, Written, default_end, replay, write
from exporter.cli.history import Moment
from exporter.cli.options import config_option, existing_store, fail, log_options, reports_errors, resolve_config
from exporter.cli.poll import line_of
from exporter.errors import ConfigError
from exporter.families import EVENT_FAMILIES
from exporter.history import format_time
from exporter.logs import make_logger
from exporter.service import Service
from exporter.settings import parse_duration

_SINCE = "90d"
_TARGET = {"job": "aws-change-exporter", "instance": "localhost:10893"}
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OURS = {label for family in EVENT_FAMILIES for label in family.labels}
_STEP, _LEAST_STEP, _MOST_STEP = timedelta(minutes=1), timedelta(seconds=10), timedelta(minutes=5)


class Target(click.ParamType[tuple[str, str]]):
    """A label that a scrape would add."""

    name = "label"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return name and value, or fail with a remedy."""
        name, equals, text = str(value).partition("=")
        if not equals or not _LABEL.fullmatch(name) or name.startswith("__"):
            self.fail(f"{str(value)!r:.100} is no label; write it as job=aws-change-exporter", param, ctx)
        if name in _OURS:
            self.fail(f"{name} is a label of the metrics themselves, which honor_labels keeps from being replaced", param, ctx)
        return name, text


class Step(click.ParamType[timedelta]):
    """The distance of samples near a change."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration, or fail with a remedy."""
        try:
            step = value if isinstance(value, timedelta) else parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not _LEAST_STEP <= step <= _MOST_STEP:
            self.fail("must be from 10s to 5m: an instant query of Prometheus looks back for 5m", param, ctx)
        return step


@click.command(short_help="Read the past into the store, or write it for Prometheus.")
@config_option
@click.option(
    "--since", type=Moment(), default=_SINCE, show_default=True, help="How far back: 90d, 2026-01-31 or 2026-01-31T13:00:00Z (UTC)."
)
@click.option("--openmetrics", "output", metavar="FILE", help="Read nothing; write what the store has to FILE, `-` for standard output.")
@click.option(
    "--until",
    type=Moment(),
    help="Where FILE ends. Default: when the exporter went live or was first scraped, at least 3h ago; nothing that Prometheus has itself.",
)
@click.option("--step", type=Step(), help="Distance of the samples near a change, 10s to 5m (1m by default).")
@click.option(
    "--label",
    "labels",
    type=Target(),
    multiple=True,
    help="A label that the scrape adds, such as `job=aws-change-exporter` and `instance=localhost:10893`, which are the defaults; an "
    "empty value leaves it out. May be repeated.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@log_options
@reports_errors
def backfill(
    config_file: Path | None, since: datetime, output: str | None, until: datetime | None, step: timedelta | None,
    labels: tuple[tuple[str, str], ...], force: bool, log_level: str, log_format: str,
) -> None:  # fmt: skip
    """Read the past into the store, or write the past of the store for Prometheus.

    Without --openmetrics, what is missing since --since is read of every source that can go back, and exit is 0 if all of it could be
    read, 1 if not. It never counts as live, and what was read before counts once. A source that cannot go back further is named.

    With --openmetrics, FILE gets the events from --since (where every counter begins at 0) to --until as OpenMetrics text with the times
    of the events, live or not, of which `promtool tsdb create-blocks-from openmetrics` makes blocks (docs/backfill.md). It appears when it
    is complete; one that exists is kept unless --force is given.
    """
    if output is not None:
        _write(config_file, output, since, until, step or _STEP, labels, force=force)
    elif until or step or labels or force:
        raise click.UsageError("--until, --step, --label and --force go with --openmetrics")
    else:
        _read(config_file, since, log_level, log_format)


def _read(config_file: Path | None, since: datetime, log_level: str, log_format: str) -> None:
    """Read the past into the store and end the command."""
    config, path = resolve_config(config_file)
    where = str(path or "the default configuration")
    if not config.sources:
        raise ConfigError(f"{where}: sources: no source of events is configured, so that there is no past to read")
    service = Service(config, path, make_logger(log_level, log_format))
    try:
        reports, unable = service.read_past(since)
    finally:
        service.stop()
    for report in reports:
        click.echo(line_of(report))
    for name in unable:
        click.echo(f"{name}: cannot go back further than it did at its first poll (docs/backfill.md)")
    sys.exit(0 if reports and all(report.complete for report in reports) else 1)


def _write(
    config_file: Path | None, output: str, since: datetime, until: datetime | None, step: timedelta, labels: tuple[tuple[str, str], ...],
    *, force: bool,
) -> None:  # fmt: skip
    config, _ = resolve_config(config_file)
    if output != "-" and not force and Path(output).exists():
        fail(f"{output} exists and was left as it is; --force replaces it", 2)
    store = existing_store(config)
    try:
        now = datetime.now(UTC)
        stretch = Stretch(_whole_second(since), _whole_second(until or default_end(store, now)))
        if stretch.until <= stretch.since:
            fail(_nothing_before(stretch, given=until is not None), 2)
        if stretch.until > now:
            fail(f"--until ({format_time(stretch.until)}) is yet to come", 2)
        replayed = replay(store, stretch, config.metrics.budgets)
    finally:
        store.close()
    grid = Grid(int(step.total_seconds() * 1000))
    target = {name: value for name, value in {**_TARGET, **dict(labels)}.items() if value}
    with _standard_output() if output == "-" else _whole_file(Path(output)) as out:
        written = write(out, replayed, stretch, grid, target)
    _say(stretch, replayed.events, written)


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _nothing_before(stretch: Stretch, *, given: bool) -> str:
    since, until = format_time(stretch.since), format_time(stretch.until)
    if given:
        return f"--until ({until}) must be later than --since ({since})"
    return (
        f"the past ends at {until}, before --since ({since}); choose an earlier one, or give --until if Prometheus has nothing of its own"
    )


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file that has its name only once it is complete and on disk."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb", buffering=1 << 20) as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _say(stretch: Stretch, events: int, written: Written) -> None:
    click.echo(
        f"{events} events from {format_time(stretch.since)} to {format_time(stretch.until)}: {written.series} series, "
        f"{written.samples} samples, {written.bytes} bytes",
        err=True,
    )
