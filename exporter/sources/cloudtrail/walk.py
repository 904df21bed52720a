"""A walk over a stretch of time: every page of every lookup, newest event first, resumable after any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from exporter.errors import AwsError, SourceError
from exporter.sources.cloudtrail.clock import moment
from exporter.sources.cloudtrail.pages import Page

SWEEP = "ReadOnly=false"
"""The lookup of all that changed anything. AWS takes `true` and `false` in no other spelling."""

EVERYTHING = ""
"""The lookup without an attribute."""

_TOKEN_ERRORS = ("InvalidNextTokenException", "InvalidNextToken", "ExpiredNextTokenException")
_MOST_RESTARTS = 3

Ask = Callable[[Mapping[str, Any]], Page]


def by_name(event_name: str) -> str:
    """Return the lookup of one event name."""
    return f"EventName={event_name}"


class Walk(msgspec.Struct):
    """What is still to be read of [start, end], both included, in seconds: saved with the events, so that nothing is lost.

    `done` lookups of `queries` are complete. Of the one at hand all after `upto` is read where `token` is None, else up to where that
    token leads; it is good for requests with exactly this start and end only. `reached` is the oldest time seen under way.
    `pages` and `events` count all that was read.
    """

    start: int
    end: int
    queries: tuple[str, ...]
    done: int = 0
    upto: int = 0
    token: str | None = None
    reached: int | None = None
    pages: int = 0
    events: int = 0

    def __post_init__(self) -> None:
        self.upto = self.upto or self.end

    @property
    def complete(self) -> bool:
        """Whether every page of every lookup was read."""
        return self.done >= len(self.queries)

    def steps(self, ask: Ask) -> Iterator[Page]:
        """Yield page after page; what the walk says of itself then includes that page. Raises SourceError.

        A token that AWS no longer takes is no loss: the lookup goes on from the second that was reached, all of it.
        """
        restarts = 0
        while not self.complete:
            try:
                page = ask(self._request())
            except AwsError as error:
                if error.code not in _TOKEN_ERRORS or self.token is None:
                    raise
                upto = self.upto if self.reached is None else min(self.upto, self.reached)
                restarts = restarts + 1 if upto == self.upto else 0
                if restarts > _MOST_RESTARTS:
                    raise SourceError(
                        "unavailable", f"{error}: AWS took no token for long enough to read one second's events; the next poll tries again"
                    ) from error
                self.upto, self.token, self.reached = upto, None, None
                continue
            if page.token is not None and page.token == self.token:
                raise SourceError("unreadable", "cloudtrail:LookupEvents gave the same NextToken again; the walk would never end")
            self._advance(page)
            yield page

    def _request(self) -> dict[str, Any]:
        request: dict[str, Any] = {"StartTime": moment(self.start), "EndTime": moment(self.upto)}
        key, _, value = self.queries[self.done].partition("=")
        if key:
            request["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
        if self.token is not None:
            request["NextToken"] = self.token
        return request

    def _advance(self, page: Page) -> None:
        self.pages += 1
        self.events += page.count
        if page.token is None:
            self.done, self.upto, self.token, self.reached = self.done + 1, self.end, None, None
            return
        self.token = page.token
        oldest = page.oldest
        if oldest is not None and self.start <= oldest <= self.upto:
            self.reached = oldest
