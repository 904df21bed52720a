"""The cursor of a page of history as text: where the page ended, short and safe in a URL."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta

from exporter.store.base import Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_VERSION = "1"
_TEXT = re.compile(r"1\.(0|-?[1-9][0-9]{0,17})\.(hash:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_LONGEST = 128


def encode(position: Position) -> str:
    """Return the text of a position."""
    micros = (position.event_time - _EPOCH) // _MICROSECOND
    plain = f"{_VERSION}.{micros}.{position.event_id}"
    return base64.urlsafe_b64encode(plain.encode("ascii")).decode("ascii").rstrip("=")


def decode(text: str) -> Position:
    """Return the position that `encode` wrote; raise ValueError for anything else, which nobody has from us."""
    problem = "a cursor is what `next` of an answer held, unchanged"
    if len(text) > _LONGEST:
        raise ValueError(problem)
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        plain = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        match = _TEXT.fullmatch(plain)
        position = None if match is None else Position(_EPOCH + int(match.group(1)) * _MICROSECOND, match.group(2))
    except (UnicodeError, binascii.Error, OverflowError):
        position = None
    # Base64 has several spellings of the same bytes, and only one of them is ours.
    if position is None or encode(position) != text:
        raise ValueError(problem)
    return position
