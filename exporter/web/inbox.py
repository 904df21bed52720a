"""What a client has sent so far, and whether it is a whole request: threads are given whole ones only, so that slow clients cost none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

MAX_LINE = 8 * 1024
MAX_HEAD = 16 * 1024
MAX_HEADERS = 64
MAX_BODY = 8 * 1024
"""In bytes, but for the number of headers. Nothing here needs a body, and browsers send a kilobyte of headers."""

_END = re.compile(rb"\r?\n\r?\n")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE = re.compile(_NAME.pattern + rb" [^\x00-\x20\x7f]+ HTTP/\d\.\d")
_LONGEST_END = 4


@dataclass(frozen=True, slots=True)
class Turned:
    """A request that is turned away before it is whole; `reason` is one of those that are counted."""

    reason: str
    status: HTTPStatus
    message: str


def _malformed(message: str) -> Turned:
    return Turned("malformed", HTTPStatus.BAD_REQUEST, message)


class Inbox:
    """Bytes of one connection, in the order in which they came."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._seen = 0
        self._needed = 0

    def __len__(self) -> int:
        return len(self._data)

    def add(self, chunk: bytes) -> None:
        """Take in what came."""
        self._data += chunk

    def is_head_request(self) -> bool:
        """Whether the answer must have no body."""
        return self._data.startswith(b"HEAD ")

    def whole(self) -> int | Turned | None:
        """Return the length of the request that is whole, why it is turned away, or None where more must come."""
        if not self._needed:
            needed = self._head()
            if not isinstance(needed, int):
                return needed
            self._needed = needed
        return self._needed if len(self._data) >= self._needed else None

    def take(self, size: int) -> bytes:
        """Return the first bytes and forget them."""
        taken = bytes(self._data[:size])
        del self._data[:size]
        self._seen = self._needed = 0
        return taken

    def _head(self) -> int | Turned | None:
        """Return the length of the request by its head."""
        data = self._data
        first = data.find(b"\n", 2 if data.startswith(b"\r\n") else 0)
        if (first if first >= 0 else len(data)) > MAX_LINE:
            return Turned("line", HTTPStatus.REQUEST_URI_TOO_LONG, f"The request line is longer than {MAX_LINE} bytes.")
        # What was searched before is not searched again, or a client that sends byte by byte would cost more with each.
        end = _END.search(data, max(first, self._seen - _LONGEST_END)) if first >= 0 else None
        self._seen = len(data)
        if (end.end() if end else len(data)) > MAX_HEAD:
            return Turned("header", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The headers are longer than {MAX_HEAD} bytes.")
        return None if end is None else _length(bytes(data[first + 1 : end.start()]), end.end(), bytes(data[:first]))


def _length(fields: bytes, head: int, request_line: bytes) -> int | Turned:
    """Return the length of a request with these header lines, whose head has so many bytes.

    What two servers could read in two ways is refused, or a proxy in front would see other requests than we do.
    """
    request_line = request_line.strip(b"\r\n")
    if not _LINE.fullmatch(request_line):
        return _malformed("The request line cannot be read.")
    lines = fields.split(b"\n") if fields else []
    if len(lines) > MAX_HEADERS:
        return Turned("header", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"There are more than {MAX_HEADERS} headers.")
    lengths: set[bytes] = set()
    hosts = 0
    for line in lines:
        name, colon, value = line.removesuffix(b"\r").partition(b":")
        if not colon or not _NAME.fullmatch(name) or b"\r" in value or b"\0" in value:
            return _malformed("A header cannot be read.")
        key = name.lower()
        if key == b"transfer-encoding":
            return Turned("body", HTTPStatus.LENGTH_REQUIRED, "Send no body, or one of a known length.")
        if key == b"content-length":
            lengths.add(value.strip(b" \t"))
        hosts += key == b"host"
    if hosts > 1 or (not hosts and request_line.endswith(b"HTTP/1.1")):
        return _malformed("A request needs one header Host.")
    if not lengths:
        return head
    if len(lengths) > 1 or not (text := lengths.pop()).isdigit():
        return _malformed("The header Content-Length cannot be read.")
    if len(text) > len(str(MAX_BODY)) or int(text) > MAX_BODY:
        return Turned("body", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is longer than {MAX_BODY} bytes.")
    return head + int(text)
