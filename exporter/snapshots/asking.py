"""How a reader asks: page by page, patient where AWS throttles, and never content with half an answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from exporter.aws import Caller, Operation
from exporter.aws import operations as op
from exporter.errors import AwsError, SourceError
from exporter.snapshots.base import ReadContext

Item: TypeAlias = Mapping[str, Any]
Wait: TypeAlias = Callable[[float, Callable[[], bool]], None]

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 16.0
_ATTEMPTS = 6
"""How often a throttled page is asked for in all. Each is up to three requests, for the caller tries by itself."""
_PATIENCE = 180.0
"""Seconds that one reading waits in all, lest a storm of throttles keep it for hours."""
_SLICE = 0.25
_MOST_PAGES = 100_000


class Stopping(Exception):
    """The process must end: what was read so far is no reading."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A call that AWS answers in pages: where its items are, and how many of them a page may have at most.

    `limit`, `token` and `next_token` are what the service calls the size of a page, the token in a request and that in an answer.
    """

    operation: Operation
    items: str
    most: int = 1000
    limit: str = "MaxResults"
    token: str = "NextToken"  # noqa: S105 - the name of a parameter
    next_token: str = "NextToken"  # noqa: S105


# Sizes of pages: the largest that the EC2 and Elastic Load Balancing API references allow. Groups come with all their permissions,
# which are hundreds for each group: a page of 1000 of them may be larger than an answer may be.
GROUPS = Listing(op.DESCRIBE_GROUPS, "SecurityGroups", 200)
RULES = Listing(op.DESCRIBE_RULES, "SecurityGroupRules")
ASSOCIATIONS = Listing(op.DESCRIBE_ASSOCIATIONS, "SecurityGroupVpcAssociations")
PREFIX_LISTS = Listing(op.DESCRIBE_PREFIX_LISTS, "PrefixLists", 100)
ENTRIES = Listing(op.GET_PREFIX_LIST_ENTRIES, "Entries", 100)
INTERFACES = Listing(op.DESCRIBE_INTERFACES, "NetworkInterfaces")
BALANCERS = Listing(op.DESCRIBE_BALANCERS, "LoadBalancers", 400, "PageSize", "Marker", "NextMarker")
TARGET_GROUPS = Listing(op.DESCRIBE_TARGET_GROUPS, "TargetGroups", 400, "PageSize", "Marker", "NextMarker")
CLASSIC_BALANCERS = Listing(op.DESCRIBE_CLASSIC_BALANCERS, "LoadBalancerDescriptions", 400, "PageSize", "Marker", "NextMarker")


def wait(seconds: float, stopping: Callable[[], bool]) -> None:
    """Wait, but not on when all is to end."""
    until = time.monotonic() + seconds
    while not stopping() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE))


@dataclass(slots=True)
class Asker:
    """Asks as one caller for one reading; what it raises is SourceError, or Stopping as soon as all is to end."""

    caller: Caller
    context: ReadContext
    wait: Wait = wait
    jitter: Callable[[], float] = random.random
    _patience: float = field(default=_PATIENCE, init=False)

    @property
    def where(self) -> str:
        """The account and region, as people read it."""
        return f"account {self.caller.account_id} {self.caller.region}" if self.caller.account_id else self.caller.region

    def call(self, operation: Operation, **parameters: Any) -> Item:
        """Return the answer to one call; where it is throttled it is asked again, later and later, a few times."""
        pause = _FIRST_WAIT
        for attempt in range(1, _ATTEMPTS + 1):
            if self.context.stopping():
                raise Stopping
            try:
                return self.caller.call(operation, **parameters)
            except SourceError as error:
                if self.context.stopping():
                    raise Stopping from None
                seconds = min(pause * (0.5 + self.jitter() / 2), self._patience)
                if error.reason != "throttled" or attempt == _ATTEMPTS or seconds <= 0:
                    raise
            self._patience -= seconds
            self.wait(seconds, self.context.stopping)
            pause = min(pause * 2, _LONGEST_WAIT)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def items(self, operation: Operation, name: str, answer: Item) -> Sequence[Item]:
        """Return the list that an answer must have. An answer without it says nothing, which is not the same as none."""
        items = answer.get(name)
        if not isinstance(items, list | tuple):
            raise self.unreadable(operation, f"the answer has no {name}")
        return items

    def all(self, listing: Listing, **parameters: Any) -> Iterator[Item]:
        """Yield the items of all pages. One that moves between pages meanwhile may come twice; whoever counts goes by ids.

        A page that is too large for one answer begins the whole list anew, in smaller pages.
        """
        most = listing.most
        while True:
            try:
                yield from self._paged(listing, most, parameters)
            except AwsError as error:
                smaller = max(most // 10, 5)
                if error.code != "too_large" or smaller == most:
                    raise
                most = smaller
            else:
                return

    def unreadable(self, operation: Operation, wrong: str) -> AwsError:
        """Return the error that an answer is not what it must be."""
        where = " ".join(
            part for part in (f"account {self.caller.account_id}" if self.caller.account_id else "", self.caller.region) if part
        )
        text = f"{operation.action} in {where} failed: {wrong}; it is asked again with the next reading, please report it if it stays"
        return AwsError("unreadable", text, operation.action)

    def _paged(self, listing: Listing, most: int, parameters: Mapping[str, Any]) -> Iterator[Item]:
        asked = {**parameters, listing.limit: most}
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            answer = self.call(listing.operation, **asked)
            yield from self.items(listing.operation, listing.items, answer)
            token = answer.get(listing.next_token)
            if not token:
                return
            if token in seen:
                raise self.unreadable(listing.operation, "a page leads back to one before it, so the list never ends")
            seen.add(token)
            asked[listing.token] = token
        raise self.unreadable(listing.operation, f"the list has not ended after {_MOST_PAGES} pages")
