"""Reads the files that messages of a queue name; a message is deleted once all of its files are committed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from exporter.families import QUEUE_MESSAGES
from exporter.sources.base import Batch
from exporter.sources.downloads import Object
from exporter.sources.ledger import Gather
from exporter.sources.notifications import Event, Greeting, Objects, Poison, Unrelated, understand
from exporter.sources.places import Choice
from exporter.sources.queue import DONE, FAILED, POISON, TEST, UNRELATED, Message, Queue, QueueSettings
from exporter.sources.trail_bucket import Bucket, Count, Finished
from exporter.sources.trail_keys import DigestFile, LogFile, understand_key

LONGEST_FETCH = 30.0
"""Seconds after which a fetch of a running exporter ends though more messages wait, so that a busy queue is seen to be polled."""


@dataclass(slots=True)
class _Open:
    """A message that names log files: how many are still to be read, and whether one failed."""

    message: Message
    left: int
    failed: bool = False


@dataclass(slots=True)
class _Sorted:
    """Messages as far as they can be judged without reading a file."""

    fates: Counter[str] = field(default_factory=Counter)
    digests: int = 0
    done: list[Message] = field(default_factory=list)
    files: list[Object[tuple[_Open, LogFile]]] = field(default_factory=list)


class FileMessages:
    """The messages of one queue during one fetch. With a name, only files of that bucket are read."""

    def __init__(self, bucket: Bucket, settings: QueueSettings, choice: Choice) -> None:
        self._bucket, self._settings, self._choice = bucket, settings, choice
        self._log, self._context = bucket.context.log, bucket.context

    def fetch(self) -> Iterator[Batch]:
        """Yield the batches of messages until the queue is empty or has been read for a while; raises AwsError."""
        end = time.monotonic() + LONGEST_FETCH
        with Queue(self._bucket.caller, self._settings, self._log) as queue:
            while not (queue.exhausted or self._context.stopping()):
                messages = queue.receive()
                if self._context.stopping():
                    return
                yield from self._take(queue, messages)
                if self._context.budget is not None and time.monotonic() >= end:
                    return

    def _take(self, queue: Queue, messages: list[Message]) -> Iterator[Batch]:
        gather, found = Gather(), self._sort(queue, messages)
        done, committed = found.done, list[Message]()
        try:
            if found.fates or found.digests:
                ignored = {"digest": found.digests} if found.digests else {}
                counts = tuple(self._count(fate, number) for fate, number in found.fates.items())
                gather.add(Batch(self._settings.queue_url, read=found.digests, ignored=ignored, counts=counts))
            for batch, finished in self._read(queue, found.files):
                if finished is not None:
                    done.append(finished)
                if (ready := gather.add(batch)) is not None:
                    yield ready
                    committed += done
                    done.clear()
            if (ready := gather.flush()) is not None:
                yield ready
            committed += done
        finally:
            error = queue.delete(committed)
        if error is not None:
            yield Batch(self._settings.queue_url, error=error)

    def _sort(self, queue: Queue, messages: list[Message]) -> _Sorted:
        found = _Sorted()
        for message in messages:
            said = understand(message.body)
            if isinstance(said, Event):
                # Deleted, the changes of a queue that was taken for another would be lost.
                said = Poison("an event of CloudTrail; a source of type eventbridge reads such a queue")
            if isinstance(said, Poison):
                found.fates[POISON] += queue.leave(message, said.why)
                continue
            fate = TEST if isinstance(said, Greeting) else UNRELATED
            if isinstance(said, Objects):
                logs, digests, others = self._wanted(said)
                found.digests += digests
                if logs:
                    opened = _Open(message, len(logs))
                    found.files += [Object(bucket, file.key, (opened, file)) for bucket, file in logs]
                    continue
                fate = DONE if digests else UNRELATED
                if not digests:
                    self._log.debug("a message names no file of the trail", queue=self._settings.queue_url, keys=others[:5])
            elif isinstance(said, Unrelated):
                self._log.info("a message is unrelated and deleted", queue=self._settings.queue_url, message=message.id, what=said.what)
            found.fates[fate] += 1
            found.done.append(message)
        found.fates += Counter()
        return found

    def _wanted(self, said: Objects) -> tuple[list[tuple[str, LogFile]], int, list[str]]:
        logs, digests, others = [], 0, []
        for bucket, key in said.locations:
            file = understand_key(key) if self._bucket.name in {"", bucket} else None
            if file is None or not self._choice.includes(file):
                others.append(f"s3://{bucket}/{key}")
            elif isinstance(file, DigestFile):
                digests += 1
            else:
                logs.append((bucket, file))
        return logs, digests, others

    def _read(self, queue: Queue, files: list[Object[tuple[_Open, LogFile]]]) -> Iterator[tuple[Batch, Message | None]]:
        for reading in self._bucket.objects.read(files):
            opened, file = reading.object.of
            for batch, outcome in self._bucket.file(reading, partial(self._finish, file)):
                if outcome is None:
                    yield batch, None
                    continue
                opened.left -= 1
                opened.failed = opened.failed or outcome.error is not None
                if opened.left:
                    yield batch, None
                elif opened.failed:
                    queue.keep(opened.message)
                    yield replace(batch, counts=(*batch.counts, self._count(FAILED))), None
                else:
                    yield replace(batch, counts=(*batch.counts, self._count(DONE))), opened.message
            if self._context.stopping():
                return

    def _finish(self, file: LogFile, sha256: str) -> Finished:
        return self._bucket.remember(file, sha256) if self._bucket.verifying else ({}, ())

    def _count(self, fate: str, number: float = 1.0) -> Count:
        return QUEUE_MESSAGES.name, (self._bucket.source, fate), float(number)
