"""Whom a single question asks of AWS: the accounts and regions of the configuration, or those that it names."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.aws import Aws, Caller, Operation
from exporter.config import Config
from exporter.errors import ConfigError
from exporter.sources.base import UnitFailure
from exporter.sources.cloudtrail import CloudTrailSettings
from exporter.sources.units import each_caller
from exporter.store.base import Query


class Unheard:
    """Hears of requests and does nothing: a single command has no metrics."""

    def aws_request(self, operation: Operation, account_id: str, region: str, seconds: float, error_code: str | None) -> None:
        """Do nothing."""

    def aws_spent(self, operation: Operation, account_id: str, dollars: float) -> None:
        """Do nothing."""


def callers_of(config: Config, query: Query, aws: Aws) -> tuple[Sequence[Caller], Sequence[str]]:
    """Return whom to ask, and what could not be told of them.

    These are the accounts and regions of the configured sources of type cloudtrail, else those of the section `aws`.
    """
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
    return tuple(callers.values()), [_failure(failure) for failure in failures.values()]


def _failure(failure: UnitFailure) -> str:
    where = f"account {failure.account_id}: " if failure.account_id else ""
    return f"{where}{failure.error}"
