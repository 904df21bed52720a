"""Has moto's queues lose no message among threads, and serve thousands of them.

moto deletes from a copy of the list of messages, so that one that is sent meanwhile is gone; it counts all messages for each
that is sent or received; and it looks at its own directory for each request of any service.
Source: Amazon SQS API reference, ReceiveMessage and DeleteMessage.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any

from moto import backends
from moto.sqs import models
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend

_MARK = "_sandbox_corrected"
_LOOK_AGAIN = 0.2
"""A waiting receiver looks for messages that have become visible again so often, in seconds; new ones wake it."""


def correct() -> None:
    """Correct this process's moto from now on; again is nothing."""
    if hasattr(backends.list_of_moto_modules, _MARK):
        return
    known = tuple(backends.list_of_moto_modules())

    def modules() -> tuple[str, ...]:
        return known

    setattr(modules, _MARK, True)
    vars(backends)["list_of_moto_modules"] = modules
    overrides: dict[str, Any] = {
        "messages": property(lambda queue: [message for message in queue._messages if _is_due(message, _millis())]),  # noqa: SLF001
        "approximate_number_of_messages": property(lambda queue: _count(queue, _is_due)),
        "approximate_number_of_messages_delayed": property(lambda queue: _count(queue, lambda message, now: message.delayed_until >= now)),
        "approximate_number_of_messages_not_visible": property(lambda queue: _count(queue, lambda message, now: message.visible_at >= now)),
        "delete_message": _delete,
    }
    for name, value in overrides.items():
        setattr(Queue, name, value)
    SQSBackend.receive_message = _receiving(SQSBackend.receive_message)  # type: ignore[method-assign]
    SQSBackend.change_message_visibility = _alone(SQSBackend.change_message_visibility)  # type: ignore[method-assign]


def _millis() -> float:
    return time.time() * 1000


def _is_due(message: Message, now: float) -> bool:
    return message.visible_at < now and message.delayed_until < now


def _count(queue: Queue, counts: Callable[[Message, float], bool]) -> int:
    now = _millis()
    with queue._messages_lock:  # noqa: SLF001 - moto has no other way
        return sum(counts(message, now) for message in queue._messages)  # noqa: SLF001


def _delete(queue: Queue, receipt_handle: str) -> None:
    with queue._messages_lock:  # noqa: SLF001
        if receipt_handle in queue.deleted_messages:
            return
        # Whatever was received is pending, and that is little.
        for messages in (queue.pending_messages, queue._messages):  # noqa: SLF001
            found = next((message for message in messages if message.had_receipt_handle(receipt_handle)), None)
            if found is not None:
                break
        else:
            raise ReceiptHandleIsInvalid
        queue.pending_messages.discard(found)
        queue.deleted_messages.update(handle for handle in found.all_receipt_handles if handle)
        queue._messages.remove(found)  # noqa: SLF001


def _receiving(original: Callable[..., list[Message]]) -> Callable[..., list[Message]]:
    @wraps(original)
    def receive(
        backend: SQSBackend, queue_name: str, count: int, wait_seconds_timeout: int, visibility_timeout: int, names: list[str] | None = None
    ) -> list[Message]:
        queue = backend.get_queue(queue_name)
        if queue.fifo_queue:
            return original(backend, queue_name, count, wait_seconds_timeout, visibility_timeout, names)
        end = time.monotonic() + wait_seconds_timeout
        with queue._messages_lock:  # noqa: SLF001
            while True:
                found = _taken(queue, count, visibility_timeout, names or [])
                left = end - time.monotonic()
                if found or left <= 0:
                    return found
                queue._messages_lock.wait(min(left, _LOOK_AGAIN))  # noqa: SLF001

    return receive


def _taken(queue: Queue, count: int, visibility_timeout: int, names: list[str]) -> list[Message]:
    """Return messages that are due, now in flight; dead ones go to the queue for them, and ones past their time are dropped."""
    taken: list[Message] = []
    gone: list[Message] = []
    now = _millis()
    most = queue.redrive_policy["maxReceiveCount"] if queue.dead_letter_queue is not None and queue.redrive_policy else None
    oldest = now - int(queue.message_retention_period) * 1000  # type: ignore[attr-defined]
    for message in queue._messages:  # noqa: SLF001
        if len(taken) == count:
            break
        if not _is_due(message, now):
            continue
        queue.pending_messages.discard(message)
        if (message.sent_timestamp or now) <= oldest:
            gone.append(message)
        elif most is not None and message.approximate_receive_count >= int(most):
            gone.append(message)
            queue.dead_letter_queue.add_message(message)  # type: ignore[union-attr]
        else:
            queue.pending_messages.add(message)
            message.mark_received(visibility_timeout=visibility_timeout)
            given = copy(message)
            models._filter_message_attributes(given, names)  # noqa: SLF001
            taken.append(given)
    for message in gone:
        queue._messages.remove(message)  # noqa: SLF001
    return taken


def _alone(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def change(backend: SQSBackend, queue_name: str, *args: Any, **named: Any) -> None:
        with backend.get_queue(queue_name)._messages_lock:  # noqa: SLF001
            original(backend, queue_name, *args, **named)

    return change
