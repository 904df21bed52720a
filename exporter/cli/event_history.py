"""What `history --from cloudtrail` says while it asks AWS, and of what it could not ask."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from rich.console import Console

from exporter.aws import Aws, Caller, Operation
from exporter.catalog import Watch
from exporter.config import Config
from exporter.errors import ConfigError
from exporter.history.event_history import EventHistory
from exporter.history.places import Progress
from exporter.logs import make_logger
from exporter.pipeline import open_aws
from exporter.posture.open_ingress import OpenedIngress
from exporter.sources.base import UnitFailure
from exporter.sources.cloudtrail import CloudTrailSettings
from exporter.sources.units import each_caller
from exporter.store.base import HistoryEvent, Query
from exporter.text import visible


class _Unheard:
    """Hears of requests and does nothing: a single command has no metrics."""

    def aws_request(self, operation: Operation, account_id: str, region: str, seconds: float, error_code: str | None) -> None:
        """Do nothing."""

    def aws_spent(self, operation: Operation, account_id: str, dollars: float) -> None:
        """Do nothing."""


def from_event_history(config: Config, query: Query) -> tuple[list[HistoryEvent], int]:
    """Return the events that match, and the exit status: 1 where some account or region could not be read, which is said here."""
    aws = open_aws(config.aws, _Unheard())
    try:
        callers, failures = _callers(config, query, aws)
        history = EventHistory(
            callers,
            Watch(config.watch.sets, config.watch.events),
            OpenedIngress(config.port_classes.ranges(), config.posture.internet),
            make_logger("error", "console"),
        )
        with _progress() as progress:
            answer = history.search(query, datetime.now(UTC), progress)
    finally:
        aws.close()
    for note in answer.notes:
        click.echo(f"Note: {visible(note, 500)}", err=True)
    problems = [*(_failure(failure) for failure in failures), *answer.problems]
    for problem in problems:
        click.echo(f"Error: {visible(problem, 2000)}", err=True)
    if problems:
        click.echo("The answer is not complete: it lacks what could not be read.", err=True)
    return answer.events, 1 if problems else 0


def _callers(config: Config, query: Query, aws: Aws) -> tuple[Sequence[Caller], Sequence[UnitFailure]]:
    """Return whom to ask: the accounts and regions of the configured sources of type cloudtrail, else those of the section `aws`."""
    configured = [source.regions for source in config.sources if isinstance(source, CloudTrailSettings)]
    # A region that is named is asked, though nobody watches it.
    wanted = [query.regions] if query.regions else configured or [()]
    callers: dict[tuple[str, str], Caller] = {}
    failures: dict[tuple[str, str, str], UnitFailure] = {}
    for regions in wanted:
        found, failed = each_caller(aws, regions, query.accounts)
        for caller in found:
            callers.setdefault((caller.account_id, caller.region), caller)
        for failure in failed:
            failures.setdefault((failure.account_id, failure.region, str(failure.error)), failure)
    missing = set(query.accounts) - {account_id for account_id, _ in callers} - {failure.account_id for failure in failures.values()}
    if missing:
        raise ConfigError(f"--account {min(missing)}: is not among the accounts of the configuration; add it to aws.accounts")
    return tuple(callers.values()), tuple(failures.values())


def _failure(failure: UnitFailure) -> str:
    where = f"account {failure.account_id}: " if failure.account_id else ""
    return f"{where}{failure.error}"


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show on a terminal how far it is; AWS gives 50 events a call and two calls a second."""
    if not sys.stderr.isatty():
        yield lambda _done, _all, _events: None
        return
    with Console(stderr=True).status("asking AWS …") as status:
        yield lambda done, all_, events: status.update(f"asking AWS: {done} of {all_} lookups done, {events} events read …")
