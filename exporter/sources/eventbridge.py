"""The source `eventbridge`: CloudTrail's events as EventBridge puts them into a queue, within seconds of the call."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import msgspec
from pydantic import Field

from exporter.aws import Aws
from exporter.families import QUEUE_MESSAGES
from exporter.settings import Duration, Size
from exporter.sources.base import Batch, Diagnosis, FetchContext, Roster, SourceSettings, SourceType
from exporter.sources.file_messages import LONGEST_FETCH
from exporter.sources.findings import Findings
from exporter.sources.notifications import Event, Greeting, Objects, Poison, understand
from exporter.sources.queue import DONE, POISON, TEST, UNRELATED, Message, Queue, QueueSettings, reader
from exporter.sources.s3_checks import diagnose_queue, queue_permissions
from exporter.sources.scan import Fates, Selector


class EventBridgeSettings(SourceSettings, QueueSettings):
    """CloudTrail's events from a rule of EventBridge, through a queue: the fastest road. EventBridge may drop some; have another too."""

    type: Literal["eventbridge"] = Field(description="Type of the source.")
    poll_interval: Duration = Field(
        default=timedelta(seconds=1), description="How long after one look into the queue the next begins; each waits for `wait_time`."
    )
    max_record_size: Size = Field(
        default=4 * 2**20,
        ge=1,
        description="Size that a wanted record may have; larger ones are counted as malformed (`too_large`). EventBridge sends none "
        "over 256 KiB.",
    )

    @property
    def wait(self) -> timedelta:
        """How long a poll waits for messages."""
        return self.wait_time

    @property
    def by_all(self) -> bool:
        """The queue hands each message to one of those that read it."""
        return True


class EventBridgeSource:
    """One queue; its events tell account and region."""

    account_id = ""
    region = ""

    def __init__(self, settings: EventBridgeSettings, aws: Aws) -> None:
        self.name = settings.name
        self._settings, self._aws = settings, aws

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        """Yield a batch for each ten messages until the queue is empty, or was read for a while; raises AwsError."""
        settings = self._settings
        caller = reader(self._aws, settings.role, settings.region, settings.queue_url)
        fates = Fates(context.wanted)
        end = time.monotonic() + LONGEST_FETCH
        with Queue(caller, settings, context.log) as queue:
            while not (queue.exhausted or context.stopping()):
                messages = queue.receive()
                if not messages or context.stopping():
                    return
                batch, done = self._take(queue, messages, fates, context)
                yield batch
                error = queue.delete(done)
                if error is not None:
                    yield Batch(settings.queue_url, error=error)
                if context.budget is not None and time.monotonic() >= end:
                    return

    def _take(self, queue: Queue, messages: list[Message], fates: Fates, context: FetchContext) -> tuple[Batch, list[Message]]:
        findings = Findings(self._settings.queue_url)
        selector = Selector(findings, fates, self._settings.max_record_size)
        counted: Counter[str] = Counter()
        done: list[Message] = []
        for message in messages:
            said = understand(message.body)
            if isinstance(said, Objects):
                # Deleted, the files of a queue that was taken for another would be told of to nobody.
                said = Poison("a notification of new files; a source of type s3 reads such a queue")
            if isinstance(said, Poison):
                counted[POISON] += queue.leave(message, said.why)
                continue
            if isinstance(said, Event):
                counted[DONE] += 1
                record = completed(said)
                selector.place(record)
                selector.record(record)
            elif isinstance(said, Greeting):
                counted[TEST] += 1
            else:
                counted[UNRELATED] += 1
                context.log.info("a message is unrelated and deleted", queue=self._settings.queue_url, message=message.id, what=said.what)
            done.append(message)
        counts = tuple((QUEUE_MESSAGES.name, (self.name, fate), float(number)) for fate, number in counted.items() if number)
        return replace(findings.batch({}), counts=counts), done


def completed(event: Event) -> bytes:
    """Return the record of an event, with account and region of the envelope where it tells none itself."""
    try:
        record = msgspec.json.decode(event.record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return event.record
    if not isinstance(record, dict) or not record:
        return event.record
    top = {key.lower(): value for key, value in record.items()}
    added: dict[str, Any] = {}
    identity = top.get("useridentity")
    identified = isinstance(identity, dict) and any(key.lower() == "accountid" and value for key, value in identity.items())
    if event.account_id and not top.get("recipientaccountid") and not identified:
        added["recipientAccountId"] = event.account_id
    if event.region and not top.get("awsregion"):
        added["awsRegion"] = event.region
    return msgspec.json.encode({**record, **added}) if added else event.record


def _units(settings: EventBridgeSettings, aws: Aws | None) -> Roster:
    assert aws is not None
    return Roster((EventBridgeSource(settings, aws),))


def _diagnose(settings: EventBridgeSettings, aws: Aws | None) -> Iterator[Diagnosis]:
    assert aws is not None
    yield from diagnose_queue(
        reader(aws, settings.role, settings.region, settings.queue_url), settings.queue_url, settings.name, ("events.amazonaws.com",)
    )


EVENTBRIDGE = SourceType(EventBridgeSettings, _units, queue_permissions, _diagnose, families=(QUEUE_MESSAGES.name,))
