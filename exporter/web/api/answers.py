"""An answer on its way out: JSON, its entity tag, compression, and 304 where the asker has it already."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from isal import igzip

from exporter.metrics.negotiation import negotiate
from exporter.web.http import Request, Response

JSON_TYPE = "application/json"
_WORTH = 1024
"""Smaller answers fit into one packet as they are."""
_PACKED = "-gzip"
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler found. `tag` stands for the body where something cheaper than a digest of it does."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    tag: str = ""


def to_json(value: Any) -> bytes:
    """Return JSON in ASCII: whatever was put into a name stays text for every reader, and on every terminal."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def digest(*parts: bytes) -> str:
    """Return 128 bits that stand for these bytes."""
    made = blake2b(digest_size=16)
    for part in parts:
        made.update(len(part).to_bytes(8, "big") + part)
    return made.hexdigest()


def held(request: Request, tag: str) -> str | None:
    """Return the entity tag by which the asker holds what a tag stands for, None where it does not (RFC 9110, section 13.1.2)."""
    header = request.header("If-None-Match")
    if header is None:
        return None
    if header.strip() == "*":
        return tag
    return next((found for found in _TAG.findall(header[:4096]) if found in (tag, tag + _PACKED)), None)


def respond(request: Request, answer: Answer) -> Response:
    """Return the answer, compressed where that is wanted and worth it, or 304."""
    tag, body, more = answer.tag or digest(answer.body), answer.body, answer.headers
    known = held(request, tag)
    if known is not None:
        return unchanged(known)
    if len(body) >= _WORTH and negotiate(None, request.header("Accept-Encoding"))[1]:
        # Other bytes, another tag; and the same ones each time, so no time of packing in them.
        tag, body, more = tag + _PACKED, igzip.compress(body, 1, mtime=0), (("Content-Encoding", "gzip"), *more)
    return Response(HTTPStatus.OK, body, JSON_TYPE, (*_headers(tag), *more))


def unchanged(tag: str) -> Response:
    """Return 304 for what the asker holds by this tag."""
    return Response(HTTPStatus.NOT_MODIFIED, b"", JSON_TYPE, _headers(tag))


def _headers(tag: str) -> tuple[tuple[str, str], ...]:
    return ("ETag", f'"{tag}"'), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding")
