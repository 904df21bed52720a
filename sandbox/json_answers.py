"""Answers of the services that speak JSON 1.1.

Source: Smithy, AWS JSON 1.1 protocol.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from sandbox.backend import Answer


def success(body: Any) -> Answer:
    """Return the answer to a call that succeeded."""
    return _answer(200, body)


def failure(code: str, message: str, status: int = 400) -> Answer:
    """Return the answer to a call that failed."""
    return _answer(status, {"__type": code, "message": message})


def _answer(status: int, body: Any) -> Answer:
    headers = (("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", str(uuid4())))
    return Answer(status, headers, b"").with_body(json.dumps(body, separators=(",", ":")).encode())
