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
    known = aws.accounts()
    sources: list[Source] = []
    failures = [UnitFailure(account_id, "", error) for account_id, error in known.failures]
    for account in known.accounts:
        try:
            found = aws.regions(account, regions)
        except SourceError as error:
            failures.append(UnitFailure(account.account_id, "", error))
        else:
            sources += [make(aws.caller(region, account)) for region in found]
    return Roster(tuple(sources), tuple(failures))


def region_permissions(regions: Sequence[str]) -> Iterator[Permission]:
    """Yield what discovering the regions of each account needs."""
    if ALL in regions:
        yield Permission(DESCRIBE_REGIONS.action, ("*",), "discover the regions that are enabled", who="member")
