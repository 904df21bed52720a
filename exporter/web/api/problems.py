"""How the API says what is wrong: application/problem+json (RFC 9457), never with a path, a secret or what was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from exporter.web.http import Response

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Fault:
    """One parameter that is wrong, and what is allowed in its place."""

    parameter: str
    allowed: str


class Problem(Exception):
    """Why a request is not answered; raised by handlers and turned into an answer at one place."""

    def __init__(self, status: HTTPStatus, detail: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults = status, detail, faults


def bad_request(*faults: Fault) -> Problem:
    """Return the problem of parameters that are wrong."""
    names = ", ".join(dict.fromkeys(fault.parameter for fault in faults))
    return Problem(HTTPStatus.BAD_REQUEST, f"The query string is not understood: {names}.", faults)


def tell(problem: Problem, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return the answer that tells a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    if problem.faults:
        body["errors"] = [{"parameter": fault.parameter, "allowed": fault.allowed} for fault in problem.faults]
    return Response(problem.status, json.dumps(body).encode("ascii") + b"\n", PROBLEM_TYPE, (("Cache-Control", "no-cache"), *headers))


def refuse(status: HTTPStatus, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return the answer to what never reached a handler, or failed in one; see `Route.refuse`."""
    return tell(Problem(status, message), headers)
