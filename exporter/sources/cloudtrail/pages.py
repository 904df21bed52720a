"""One page of LookupEvents: decoded by type, and each event given its fate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import msgspec

from exporter.aws import Reply
from exporter.errors import SourceError
from exporter.sources.findings import Findings
from exporter.sources.scan import DECODE_ERRORS, NOT_WANTED, Fates, Selector, repair_surrogates

MAX_RECORD_SIZE = 4 * 2**20
"""AWS makes no record over 256 KiB; what is past this is no record."""

_ID_SHOWN = 64


class LookupEvent(msgspec.Struct, frozen=True, gc=False):
    """What is needed of one event; the record itself is JSON text within the JSON."""

    EventId: str | None = None
    EventName: str | None = None
    EventSource: str | None = None
    EventTime: float | str | None = None
    CloudTrailEvent: str | None = None

    @property
    def seconds(self) -> int | None:
        """When it happened, in seconds since 1970, where it tells."""
        try:
            if isinstance(self.EventTime, str):
                return int(datetime.fromisoformat(self.EventTime).timestamp())
            return None if self.EventTime is None else int(self.EventTime)
        except (ValueError, OverflowError):
            return None


class _Body(msgspec.Struct, gc=False):
    Events: list[LookupEvent]
    NextToken: str | None = None


class _LooseBody(msgspec.Struct, gc=False):
    Events: list[msgspec.Raw]
    NextToken: str | None = None


_BODY = msgspec.json.Decoder(_Body)
_LOOSE_BODY = msgspec.json.Decoder(_LooseBody)
_EVENT = msgspec.json.Decoder(LookupEvent)


@dataclass(frozen=True, slots=True)
class Page:
    """Events newest first, the token of the next page, and AWS's clock. `broken` says why an entry is no event."""

    events: Sequence[LookupEvent]
    broken: Sequence[str]
    token: str | None
    date: datetime | None

    @property
    def count(self) -> int:
        """How many entries the page has."""
        return len(self.events) + len(self.broken)

    @property
    def oldest(self) -> int | None:
        """Time of the last event that tells one: from there on a lost walk goes on."""
        return next((seconds for event in reversed(self.events) if (seconds := event.seconds) is not None), None)


def read_page(reply: Reply, where: str) -> Page:
    """Return the page that an answer holds; raise SourceError where it is none, because then nothing tells what it held."""
    body = reply.body
    try:
        whole = _BODY.decode(body)
    except DECODE_ERRORS:
        pass
    else:
        return Page(whole.Events, (), whole.NextToken or None, reply.date)
    # Half a surrogate pair is no error of JSON, but the decoder takes it for one.
    body = repair_surrogates(body)
    try:
        loose = _LOOSE_BODY.decode(body)
    except DECODE_ERRORS as error:
        raise SourceError(
            "unreadable",
            f"{where}: cloudtrail:LookupEvents answered what is no page of events ({str(error)[:200]}); is a proxy in between?",
        ) from None
    events: list[LookupEvent] = []
    broken: list[str] = []
    for raw in loose.Events:
        try:
            events.append(_EVENT.decode(raw))
        except DECODE_ERRORS as error:
            broken.append(str(error)[:200])
    return Page(events, broken, loose.NextToken or None, reply.date)


class Taker:
    """Puts the events of pages into findings: wanted, not watched or malformed. `since` tells from when on a name is watched."""

    def __init__(self, fates: Fates, findings: Findings, since: Mapping[str, int] = MappingProxyType({})) -> None:
        self._fates, self._findings, self._since = fates, findings, since
        self._selector = Selector(findings, fates, MAX_RECORD_SIZE)

    def take(self, page: Page) -> None:
        """Give each entry of a page its fate; what is asked by name comes from any service, so the source is looked at, too."""
        findings = self._findings
        for event in page.events:
            if self._since and self._too_early(event):
                findings.ignored("not_watched")
                continue
            findings.entry = f"event {event.EventId[:_ID_SHOWN]}" if event.EventId else ""
            if event.CloudTrailEvent is not None:
                self._selector.record(event.CloudTrailEvent.encode())
            elif self._fates.of(event.EventName, event.EventSource) == NOT_WANTED:
                findings.ignored("not_watched")
            else:
                findings.malformed("shape", "LookupEvents gave no CloudTrailEvent, which holds the record")
        findings.entry = ""
        for reason in page.broken:
            findings.malformed("shape", f"no event: {reason}")

    def _too_early(self, event: LookupEvent) -> bool:
        since = self._since.get(event.EventName or "")
        return since is not None and event.seconds is not None and event.seconds < since
