"""A large document element by element, so that never all of its values are held at once: they take several times the room of its text.

Taken apart are a list, and of an object the lists of members that are known to hold what stands; all else is decoded whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Generator
from typing import Any

LARGE = 16 * 2**20
"""From how many bytes on a document is taken apart. Small ones are decoded whole, several times faster."""

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()

Found = tuple[str, Any]
"""Path and value."""


def elements(text: str, at: int, lists: Container[str]) -> Generator[Found, None, int]:
    """Yield the elements of the document that begins at `at`, and last what else it holds; return where it ends.

    An object's members named in `lists`, in lower case, are taken apart and empty in what is yielded last. Raises ValueError or
    RecursionError, as the decoder does, where the text breaks.
    """
    if text[at : at + 1] == "[":
        count, at = yield from _elements(text, at, "$")
        if not count:
            yield "$", []
        return at
    if text[at : at + 1] == "{":
        rest, at = yield from _members(text, at, lists)
    else:
        rest, at = _DECODER.raw_decode(text, at)
    yield "$", rest
    return at


def _members(text: str, at: int, lists: Container[str]) -> Generator[Found, None, tuple[dict[str, Any], int]]:
    rest: dict[str, Any] = {}
    at = _space(text, at + 1)
    if text[at : at + 1] == "}":
        return rest, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        name, at = _DECODER.raw_decode(text, at)
        at = _space(text, _expect(text, _space(text, at), ":"))
        if text[at : at + 1] == "[" and name.lower() in lists:
            _, at = yield from _elements(text, at, f"$.{name}")
            rest[name] = []
        else:
            rest[name], at = _DECODER.raw_decode(text, at)
        at = _space(text, at)
        if text[at : at + 1] == "}":
            return rest, at + 1
        at = _space(text, _expect(text, at, ","))


def _elements(text: str, at: int, path: str) -> Generator[Found, None, tuple[int, int]]:
    """Yield the elements of the list that begins at `at`; return how many they are and where it ends."""
    count, at = 0, _space(text, at + 1)
    if text[at : at + 1] == "]":
        return 0, at + 1
    while True:
        value, at = _DECODER.raw_decode(text, at)
        yield f"{path}[{count}]", value
        count += 1
        at = _space(text, at)
        if text[at : at + 1] == "]":
            return count, at + 1
        at = _space(text, _expect(text, at, ","))


def _expect(text: str, at: int, character: str) -> int:
    if text[at : at + 1] != character:
        raise json.JSONDecodeError(f"Expecting {character!r} delimiter", text, at)
    return at + 1


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
