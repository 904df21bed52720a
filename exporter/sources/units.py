"""Units of sources that are polled in each account and region, and what AWS must allow to tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from exporter.aws import Aws, Caller, Permission
from exporter.aws.operations import DESCRIBE_REGIONS
from exporter.aws.settings import ALL
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


def region_permissions(regions: Sequence[str]) -> Iterator[Permission]:
    """Yield what discovering the regions of each account needs."""
    if ALL in regions:
        yield Permission(DESCRIBE_REGIONS.action, ("*",), "discover the regions that are enabled", who="member")
