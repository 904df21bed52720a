"""Units of sources that are polled in each account and region."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exporter.aws import Aws, Caller
from exporter.errors import SourceError
from exporter.sources.base import Roster, Source, UnitFailure


def each_unit(aws: Aws, regions: Sequence[str], make: Callable[[Caller], Source]) -> Roster:
    """Return a source for each region of each watched account; what fails for one account is a failure beside the others.

    Raises SourceError where no account at all can be told.
    """
    callers, failures = each_caller(aws, regions)
    return Roster(tuple(make(caller) for caller in callers), failures)


def each_caller(aws: Aws, regions: Sequence[str], accounts: Sequence[str] = ()) -> tuple[tuple[Caller, ...], tuple[UnitFailure, ...]]:
    """Return a caller for each region of each watched account, or of those `accounts` among them, and what failed; see `each_unit`."""
    known = aws.accounts()
    callers: list[Caller] = []
    failures = [UnitFailure(account_id, "", error) for account_id, error in known.failures if not accounts or account_id in accounts]
    for account in known.accounts:
        if accounts and account.account_id not in accounts:
            continue
        try:
            found = aws.regions(account, regions)
        except SourceError as error:
            failures.append(UnitFailure(account.account_id, "", error))
        else:
            callers += [aws.caller(region, account) for region in found]
    return tuple(callers), tuple(failures)
