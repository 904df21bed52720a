"""A fake of CloudTrail's Event history with a clock of its own, and a store of nothing but ids and cursors, for tests of the walk."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.aws import Reply
from exporter.errors import AwsError, SourceError
from exporter.sources.base import Batch, FetchContext
from exporter.sources.cloudtrail import CloudTrailSettings, CloudTrailSource

ACCOUNT, REGION = "111122223333", "eu-west-1"
EC2 = "ec2.amazonaws.com"
WATCHED = (
    (EC2, "AuthorizeSecurityGroupIngress"),
    (EC2, "CreateSecurityGroup"),
    (EC2, "CreateVpcResourceCreation"),
    (EC2, "ModifySecurityGroupRules"),
)
START = 1_800_000_000
DAY = 86_400


def at(seconds: float) -> datetime:
    """Return a time."""
    return datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True)
class Happened:
    """One event: when it happened, from when on AWS shows it."""

    number: int
    time: int
    shown: float
    name: str = "AuthorizeSecurityGroupIngress"
    source: str = EC2
    read_only: str | None = "false"
    text: str | None = None

    @property
    def event_id(self) -> str:
        """Its id."""
        return f"00000000-0000-4000-8000-{self.number:012d}"

    def listed(self) -> dict[str, Any]:
        """Return it as LookupEvents lists it."""
        record = {
            "eventVersion": "1.11", "eventID": self.event_id, "eventTime": at(self.time).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventName": self.name, "eventSource": self.source, "awsRegion": REGION, "recipientAccountId": ACCOUNT,
            "userIdentity": {"type": "Root", "accountId": ACCOUNT}, "requestParameters": {"groupId": "sg-0123456789abcdef0"},
        }  # fmt: skip
        text = json.dumps(record) if self.text is None else self.text
        return {
            "EventId": self.event_id, "EventName": self.name, "EventSource": self.source, "EventTime": float(self.time), "CloudTrailEvent": text,
        }  # fmt: skip


class Killed(BaseException):
    """The process dies."""


@dataclass
class History:
    """Event history of one account and region, and the clocks of all who take part.

    `now` is the true time and AWS's; a call takes `takes` seconds. `ahead` is how far our clock is ahead. `fault` is asked before
    each call and may raise. `asked` are the requests that were answered.
    """

    now: float = START
    ahead: float = 0
    takes: float = 0.625
    page: int = 50
    token_life: float = 3600
    tells_date: bool = True
    fault: Callable[[Mapping[str, Any]], None] = lambda _request: None
    events: list[Happened] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    account_id: str = ACCOUNT
    region: str = REGION
    partition: str = "aws"

    def add(self, time: float, shown: float | None = None, **more: Any) -> Happened:
        """Let something happen; it is shown at once by default."""
        event = Happened(len(self.events) + 1, int(time), time if shown is None else shown, **more)
        self.events.append(event)
        return event

    def ours(self) -> datetime:
        """Return the time by our clock."""
        return at(self.now + self.ahead)

    def sleep(self, seconds: float) -> None:
        """Pass the time."""
        self.now += seconds

    def monotonic(self) -> float:
        """Return a clock that nobody sets."""
        return self.now

    def lookup_events(self, request: Mapping[str, Any]) -> Reply:
        """Answer as AWS does."""
        self.now += self.takes
        self.fault(request)
        body = self._answer(dict(request))
        self.asked.append(dict(request))
        return Reply(json.dumps(body).encode(), at(int(self.now)) if self.tells_date else None)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        start, end = request.get("StartTime"), request.get("EndTime")
        if start is not None and (start.timestamp() > self.now or (end is not None and start > end)):
            raise refused("InvalidTimeRangeException")
        low = max(start.timestamp() if start else 0, int(self.now) - 90 * DAY)
        high = end.timestamp() if end else self.now
        binding = repr(sorted((key, str(value)) for key, value in request.items() if key != "NextToken"))
        after = None
        if token := request.get("NextToken"):
            bound, time, number, given = json.loads(token)
            if bound != binding or self.now - given > self.token_life:
                raise refused("InvalidNextTokenException")
            after = (time, number)
        found = [
            event
            for event in sorted(self.events, key=lambda event: (event.time, event.number), reverse=True)
            if event.shown <= self.now and low <= event.time <= high and _asked_for(event, request)
            and (after is None or (event.time, event.number) < after)
        ]  # fmt: skip
        limit = min(request.get("MaxResults", self.page), self.page)
        body: dict[str, Any] = {"Events": [event.listed() for event in found[:limit]]}
        if len(found) > limit:
            last = found[limit - 1]
            body["NextToken"] = json.dumps([binding, last.time, last.number, self.now])
        return body


def _asked_for(event: Happened, request: Mapping[str, Any]) -> bool:
    for attribute in request.get("LookupAttributes", ()):
        value = {"EventName": event.name, "ReadOnly": event.read_only, "EventId": event.event_id}[attribute["AttributeKey"]]
        if value != attribute["AttributeValue"]:
            return False
    return True


def refused(code: str) -> AwsError:
    """Return an error as the callers raise it."""
    return AwsError("internal", f"cloudtrail:LookupEvents failed: {code}", "cloudtrail:LookupEvents", code)


def throttled() -> AwsError:
    """Return a throttle."""
    return AwsError("throttled", "cloudtrail:LookupEvents failed: ThrottlingException", "cloudtrail:LookupEvents", "ThrottlingException")


@dataclass
class Keeper:
    """Polls a history and keeps what a store would: ids, cursors, counts. Each batch is a transaction; `restart` forgets all else."""

    history: History
    settings: dict[str, Any] = field(default_factory=dict)
    names: tuple[tuple[str, str], ...] | None = WATCHED
    budget: timedelta | None = None
    cursors: dict[str, str] = field(default_factory=dict)
    stored: Counter[str] = field(default_factory=Counter)
    late: set[str] = field(default_factory=set)
    counts: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)
    batches: list[Batch] = field(default_factory=list)
    stop: Callable[[], bool] = lambda: False
    source: CloudTrailSource | None = None

    def restart(self) -> None:
        """Begin a new process."""
        self.source = None

    def context(self) -> FetchContext:
        """Return what a source may ask."""
        wanted = dict.fromkeys(WATCHED if self.names is None else self.names)
        return FetchContext(
            cursor=self.cursors.get, wanted=lambda source, name: (source, name) in wanted, now=self.history.ours, stopping=self.stop,
            names=self.names, budget=self.budget,
        )  # fmt: skip

    def poll(self, kill: Callable[[], bool] = lambda: False) -> SourceError | None:
        """Poll once, and return the error that ended it. `kill` before or after any commit ends the process."""
        if self.source is None:
            settings = CloudTrailSettings.model_validate({"type": "cloudtrail", **self.settings})
            self.source = CloudTrailSource(settings, self.history, self.history.sleep, self.history.monotonic)
        try:
            for batch in self.source.fetch(self.context()):
                if kill():
                    raise Killed
                self._commit(batch)
                if kill():
                    raise Killed
        except SourceError as error:
            return error
        except Killed:
            self.restart()
        return None

    def _commit(self, batch: Batch) -> None:
        assert batch.read == len(batch.records) + sum(batch.ignored.values()) + sum(entry.count for entry in batch.malformed)
        self.batches.append(batch)
        for raw in batch.records:
            if raw.record["eventID"] not in self.stored and batch.late:
                self.late.add(raw.record["eventID"])
            self.stored[raw.record["eventID"]] += 1
        for key, value in batch.cursors.items():
            if value is None:
                self.cursors.pop(key, None)
            else:
                self.cursors[key] = value
        for name, labels, amount in batch.counts:
            self.counts[name, labels] += amount

    def live(self) -> dict[str, Any]:
        """Return the cursor of the live line."""
        return json.loads(self.cursors[f"live/{ACCOUNT}/{REGION}"])

    def missing(self) -> set[str]:
        """Return the watched events that AWS shows now and that are not stored."""
        watched = set(WATCHED if self.names is None else self.names)
        shown = {
            event.event_id for event in self.history.events if event.shown <= self.history.now and (event.source, event.name) in watched
        }
        return shown - set(self.stored)


def raising(*answers: Exception | None) -> Callable[[Mapping[str, Any]], None]:
    """Return faults for the next calls, one each."""
    queue: Iterator[Exception | None] = iter(answers)

    def fault(_request: Mapping[str, Any]) -> None:
        if (error := next(queue, None)) is not None:
            raise error

    return fault
