"""Pictures and chronicles as JSON for the store: what is written is read back equal, and what an older version wrote still reads."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from exporter.errors import StoreError

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder(order="deterministic")


def encode(value: object) -> bytes:
    """Return one value of exporter.posture as JSON, equal values as equal bytes."""
    return _ENCODER.encode(value)


def decode(body: bytes, kind: type[T]) -> T:
    """Return the value of a kind that `encode` wrote. Raises StoreError where it is anything else."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise StoreError(f"what is kept of rules cannot be read ({error}): the file is damaged, or a newer version wrote it") from error
