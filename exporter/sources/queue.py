"""The consumer of a queue: a message is deleted only once what it brought is committed, and kept hidden while it is worked on."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from exporter.aws import Aws, Caller, RoleSettings
from exporter.aws.operations import CHANGE_VISIBILITY, DELETE_MESSAGE, RECEIVE_MESSAGE
from exporter.aws.settings import KeyArn
from exporter.errors import SourceError
from exporter.families import MESSAGE_FATES
from exporter.logs import Logger
from exporter.settings import Duration, Settings

AT_ONCE = 10
"""SQS gives, deletes and extends no more messages in one call."""

DONE, TEST, UNRELATED, POISON, FAILED = MESSAGE_FATES
_DELETE_TRIES = 3
_HOST_REGION = re.compile(r"(?:^|\.)(?:sqs|sqs-fips)\.([a-z]{2,8}(?:-[a-z]+)+-\d{1,2})\.|^([a-z]{2,8}(?:-[a-z]+)+-\d{1,2})\.queue\.")
_PATH = re.compile(r"/(?:[^/]+/)*(\d{12})/([A-Za-z0-9_-]{1,80}(?:\.fifo)?)/?")


def queue_url(value: str) -> str:
    """Return the address of a queue; raise ValueError where it is none."""
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.netloc or not _PATH.fullmatch(parts.path)):
        raise ValueError(f"{value!r:.120} is no address of a queue; write it as https://sqs.us-east-1.amazonaws.com/111122223333/name")
    return value.rstrip("/")


class QueueSettings(Settings):
    """What sources that read a queue have in common."""

    queue_url: str = Field(
        description="Address of the SQS queue, for example `https://sqs.us-east-1.amazonaws.com/111122223333/trail-files`."
    )
    region: str = Field(
        default="",
        pattern=r"^$|^[a-z]{2,8}(-[a-z]+)+-\d{1,2}$",
        description="Region of queue and bucket; by default that of the queue's address, else that of the environment.",
    )
    role: RoleSettings | None = Field(default=None, description="Role to read with; the default credentials without it.")
    kms_keys: tuple[KeyArn, ...] = Field(
        default=(), description="ARNs of the KMS keys that encrypt queue or bucket, if any; only `iam-policy` asks for them."
    )
    wait_time: Duration = Field(
        default=timedelta(seconds=10), le=timedelta(seconds=20), description="How long one request waits for a message (long polling)."
    )
    visibility_timeout: Duration = Field(
        default=timedelta(minutes=2),
        ge=timedelta(seconds=1),
        le=timedelta(hours=12),
        description="How long a message stays hidden from other readers, and after how long one that failed comes again. Extended as long "
        "as a message is being worked on.",
    )

    @field_validator("queue_url")
    @classmethod
    def _is_queue(cls, url: str) -> str:
        return queue_url(url)


@dataclass(frozen=True, slots=True)
class QueueName:
    """What the address of a queue tells; `region` is empty where it does not (a stand-in, a VPC endpoint of one's own)."""

    region: str
    account_id: str
    name: str


def queue_name(url: str) -> QueueName:
    """Return what the address of a queue tells."""
    parts = urlsplit(url)
    host = _HOST_REGION.search(parts.hostname or "")
    path = _PATH.fullmatch(parts.path)
    region = (host[1] or host[2]) if host else "us-east-1" if parts.hostname == "queue.amazonaws.com" else ""
    return QueueName(region, path[1] if path else "", path[2] if path else "")


def reader(aws: Aws, role: RoleSettings | None, region: str, url: str = "") -> Caller:
    """Return the caller that reads a queue or bucket; raises AwsError where no region is known."""
    region = region or (queue_name(url).region if url else "") or aws.default_region()
    return aws.role_caller(region, () if role is None else (role,))


@dataclass(frozen=True, slots=True)
class Message:
    """One message as received; `deliveries` is how often SQS says that it was, this time included."""

    id: str
    receipt: str
    body: str
    deliveries: int


class Queue:
    """One queue. While it is entered, a thread keeps hidden every message that was received and neither deleted nor kept.

    `exhausted` turns true when nothing new came: no message, or one that was kept before.
    """

    def __init__(self, caller: Caller, settings: QueueSettings, log: Logger) -> None:
        self._caller, self._url, self._log = caller, settings.queue_url, log
        self._wait = round(settings.wait_time.total_seconds())
        self._visibility = max(1, round(settings.visibility_timeout.total_seconds()))
        self._held: dict[str, Message] = {}
        self._kept: set[str] = set()
        self.exhausted = False
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._beat = threading.Thread(target=self._extend, name="visibility", daemon=True)

    def __enter__(self) -> Self:
        """Begin to keep messages hidden."""
        self._beat.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop keeping messages hidden; what is still held was not worked on, and may come again at once."""
        self._end.set()
        with self._lock:
            left = list(self._held.values())
            self._held.clear()
        if left:
            with suppress(SourceError):
                self._change(left, 0)

    def receive(self) -> list[Message]:
        """Return up to ten messages, waiting for the first; raises AwsError."""
        answer = self._caller.call(
            RECEIVE_MESSAGE,
            QueueUrl=self._url,
            MaxNumberOfMessages=AT_ONCE,
            WaitTimeSeconds=self._wait,
            VisibilityTimeout=self._visibility,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages = [_message(entry) for entry in answer.get("Messages") or ()]
        with self._lock:
            self._held.update((message.receipt, message) for message in messages)
        self.exhausted = not messages or any(message.id in self._kept for message in messages)
        return messages

    def keep(self, message: Message) -> None:
        """Leave a message in the queue: it comes again when its visibility timeout is over."""
        self._kept.add(message.id)
        self._let_go(message)

    def leave(self, message: Message, why: str) -> bool:
        """Keep a message that is not understood and say why; return whether it is to be counted: once, not each time that it comes."""
        self._log.warning(
            "poison: a message is not understood; it stays in the queue until the queue's redrive policy moves it away",
            queue=self._url, message=message.id, deliveries=message.deliveries, why=why,
        )  # fmt: skip
        self.keep(message)
        return message.deliveries <= 1

    def delete(self, messages: Sequence[Message]) -> SourceError | None:
        """Delete messages whose batch is committed; return what failed. A message that stays is read again and does no harm."""
        left = list(messages)
        error: SourceError | None = None
        for _ in range(_DELETE_TRIES):
            failed: list[Message] = []
            for some in _tens(left):
                try:
                    answer = self._caller.call(DELETE_MESSAGE, QueueUrl=self._url, Entries=_entries(some))
                except SourceError as raised:
                    failed += some
                    error = raised
                else:
                    failed += _failed(some, answer)
            left = failed
            if not left:
                error = None
                break
        for message in messages:
            self._let_go(message)
        if left and error is None:
            error = SourceError(
                "unavailable", f"{self._url}: {len(left)} of {len(messages)} messages could not be deleted; they are read again"
            )
        return error

    def _let_go(self, message: Message) -> None:
        with self._lock:
            self._held.pop(message.receipt, None)

    def _extend(self) -> None:
        while not self._end.wait(self._visibility / 3):
            with self._lock:
                held = list(self._held.values())
            try:
                self._change(held, self._visibility)
            except SourceError as error:
                self._log.warning("messages could not be kept hidden; another reader may read them too", queue=self._url, error=str(error))

    def _change(self, messages: Sequence[Message], seconds: int) -> None:
        for some in _tens(messages):
            entries = [{**entry, "VisibilityTimeout": seconds} for entry in _entries(some)]
            self._caller.call(CHANGE_VISIBILITY, QueueUrl=self._url, Entries=entries)


def _message(entry: Mapping[str, Any]) -> Message:
    count = str((entry.get("Attributes") or {}).get("ApproximateReceiveCount", "1"))
    return Message(entry.get("MessageId", ""), entry["ReceiptHandle"], entry.get("Body", ""), int(count) if count.isdecimal() else 1)


def _tens(messages: Sequence[Message]) -> Iterable[Sequence[Message]]:
    for first in range(0, len(messages), AT_ONCE):
        yield messages[first : first + AT_ONCE]


def _entries(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"Id": str(number), "ReceiptHandle": message.receipt} for number, message in enumerate(messages)]


def _failed(messages: Sequence[Message], answer: Mapping[str, Any]) -> list[Message]:
    ids = {str(entry.get("Id")) for entry in answer.get("Failed") or ()}
    return [message for number, message in enumerate(messages) if str(number) in ids]
