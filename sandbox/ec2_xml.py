"""What EC2 answers, written: XML of the EC2 protocol from mappings and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from sandbox.backend import Answer
from sandbox.wrapper import XMLNS

_HEADERS = (("Content-Type", "text/xml;charset=UTF-8"), ("Server", "AmazonEC2"))


def success(action: str, body: Mapping[str, Any]) -> Answer:
    """Return the answer to a call that succeeded, with a new request id."""
    text = f"<requestId>{uuid4()}</requestId>{_inner(body)}"
    return _answer(200, f'<{action}Response xmlns="{XMLNS}">{text}</{action}Response>')


def failure(code: str, message: str, status: int = 400) -> Answer:
    """Return the answer to a call that failed."""
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    return _answer(status, f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{uuid4()}</RequestID></Response>")


def _answer(status: int, text: str) -> Answer:
    return Answer(status, _HEADERS, b"").with_body(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode())


def _inner(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_inner(below)}</{name}>" for name, below in value.items() if below is not None)
    if isinstance(value, list):
        return "".join(f"<item>{_inner(item)}</item>" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))
