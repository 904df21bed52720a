"""The JSON values of a saved answer: one document, several after one another, or one a line; gzip or plain; as AWS tools write them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Container, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import orjson

from exporter.errors import SourceError
from exporter.snapshots.answer_members import LARGE, elements
from exporter.sources.decompress import Damage, gunzip_pieces, is_gzip
from exporter.text import visible

LARGEST_ANSWER = 256 * 2**20
"""Most bytes of one answer, once decompressed."""

_MOST_PROBLEMS = 20
_REMEDY = "give the whole answer as AWS wrote it, in JSON (for its CLI: --output json)"
_SPACE = re.compile(r"[\s,\x00\ufeff\x1e]*")
_NEXT_VALUE = re.compile(r"\n[ \t\r]*(?=[{\[])")
_DECODER = json.JSONDecoder()


def read_text(file: BinaryIO, name: str, limit: int = LARGEST_ANSWER) -> bytes:
    """Return the text of a file, decompressed where it is gzip. Raises SourceError where it is damaged or over the limit."""
    held = file if file.seekable() else io.BytesIO(file.read(limit + 1))
    if is_gzip(held):
        try:
            return b"".join(gunzip_pieces(held, limit))
        except Damage as damage:
            if damage.reason == "too_large":
                raise _too_large(name, limit) from damage
            raise SourceError("unreadable", f"{visible(name)}: {damage}; {_REMEDY}") from damage
    body = held.read(limit + 1)
    if len(body) > limit:
        raise _too_large(name, limit)
    return body


def _too_large(name: str, limit: int) -> SourceError:
    return SourceError("unreadable", f"{visible(name)}: has over {limit // 2**20} MiB; split it")


def values_in(body: bytes, name: str, problems: list[str], lists: Container[str] = (), large: int = LARGE) -> Iterator[tuple[str, Any]]:
    """Yield the path and the content of each JSON value of a text; what stands between them and is no JSON goes into `problems`.

    A document of over `large` bytes comes in pieces: each element of its `lists` (see answer_members) is a value of its own. Raises
    SourceError where the text is not UTF-8 or UTF-16, holds nothing, or its first value is no JSON.
    """
    if len(body) <= large:
        # Most answers are one document in UTF-8.
        with suppress(ValueError):
            yield "$", orjson.loads(body)
            return
    in_pieces = len(body) > large
    text = _decoded(body, name)
    del body
    at, found, counted, line = _end(_SPACE.match(text)), 0, 0, 1
    if at == len(text):
        raise SourceError("unreadable", f"{visible(name)}: is empty; {_REMEDY}")
    while at < len(text):
        line, counted = line + text.count("\n", counted, at), at
        try:
            if in_pieces and not found:
                at = yield from elements(text, at, lists)
                value = None
            else:
                value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            problem = f"line {line}: not JSON: {error}"
            if not found:
                raise SourceError("unreadable", f"{visible(name)}: {visible(problem, 300)}; {_REMEDY}") from None
            problems.append(problem)
            at = _resumed(text, at)
            if len(problems) >= _MOST_PROBLEMS and at < len(text):
                problems.append("the rest is not read")
                return
            continue
        at = _end(_SPACE.match(text, at))
        if found or not in_pieces:
            yield ("$" if at == len(text) and not found else f"line {line}, $"), value
        found += 1


def json_in(text: str) -> Any:
    """Return what a JSON text inside JSON holds; None where it is none."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _decoded(body: bytes, name: str) -> str:
    """Return the text; a redirection in PowerShell writes UTF-16 with a byte order mark."""
    try:
        return body.decode("utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError("unreadable", f"{visible(name)}: neither UTF-8 nor UTF-16: {error}; {_REMEDY}") from None


def _resumed(text: str, at: int) -> int:
    """Return where the next line begins that may begin a value."""
    following = _NEXT_VALUE.search(text, at)
    return following.end() if following else len(text)


def _end(match: re.Match[str] | None) -> int:
    return match.end() if match else 0
