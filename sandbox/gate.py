"""Where requests meet what is made to go wrong, before they are answered and after."""

from __future__ import annotations

import threading
from http import HTTPStatus

from sandbox import ec2_xml, json_answers
from sandbox.backend import Answer, Environ
from sandbox.calls import Call, service_of
from sandbox.faults import Chance, Faults
from sandbox.identities import Identity
from sandbox.moments import Clock

_READ_METHODS = frozenset({"GET", "HEAD"})
_CLOUDTRAIL_READS = frozenset({"LookupEvents", "ListPublicKeys"})


class Dropped(ConnectionError):
    """The connection ends without an answer."""


class Gate:
    """Decides the fate of requests. `stop` ends all waiting."""

    def __init__(self, faults: Faults, clock: Clock, stop: threading.Event) -> None:
        self._faults, self._clock, self._stop = faults, clock, stop
        self._chance = Chance(faults.seed)

    def denied(self, environ: Environ, call: Call | None) -> Answer | None:
        """Return the refusal of a call that is on the list of denied ones."""
        name = action_of(environ, call)
        if name not in self._faults.deny:
            return None
        return _refusal(environ, name)

    def expired(self, environ: Environ, identity: Identity) -> Answer | None:
        """Return the refusal of credentials that are no longer good: those of AssumeRole after their time, or after `credential_life`."""
        life = self._faults.credential_life
        ends = [identity.until] if identity.until is not None else []
        if ends and life is not None:
            ends.append(identity.since + life)
        return _expiry(environ) if ends and self._clock() >= min(ends) else None

    def before(self, environ: Environ, call: Call | None) -> Answer | None:
        """Return the answer to a request that goes wrong before it is understood, None for the rest. Raises Dropped."""
        if not _is_read(environ, call):
            return None
        is_lookup = call is not None and call.action == "LookupEvents"
        if is_lookup and (self._faults.storms_at(self._clock()) or self._chance.strikes(self._faults.throttle)):
            return json_answers.failure("ThrottlingException", "Rate exceeded")
        if self._chance.strikes(self._faults.hang):
            self._stop.wait(self._faults.hang_for.total_seconds())
            raise Dropped
        if self._chance.strikes(self._faults.error):
            return _broken(environ)
        return None

    def after(self, environ: Environ, call: Call | None, answer: Answer) -> Answer:
        """Return an answer, cut off in the middle of its body where that is its fate; its length still promises the whole."""
        if len(answer.body) < 2 or not _is_read(environ, call) or not self._chance.strikes(self._faults.cut):
            return answer
        whole = answer.with_body(answer.body)
        return Answer(whole.status, whole.headers, whole.body[: len(whole.body) // 2])


def action_of(environ: Environ, call: Call | None) -> str:
    """Return a call by its name in IAM policies: `cloudtrail:LookupEvents`, `s3:GetObject`."""
    if call is not None:
        return f"{call.service}:{call.action}"
    service = service_of(environ)
    if service != "s3":
        return service
    has_key = bool(environ.get("PATH_INFO", "").removeprefix("/").partition("/")[2])
    reads = environ.get("REQUEST_METHOD") in _READ_METHODS
    return f"s3:{('GetObject' if has_key else 'ListBucket') if reads else ('PutObject' if has_key else 'Other')}"


def _is_read(environ: Environ, call: Call | None) -> bool:
    service = service_of(environ)
    if service == "s3":
        return environ.get("REQUEST_METHOD") in _READ_METHODS
    if call is None:
        return False
    return (service == "sqs" and call.is_data_event) or (service == "cloudtrail" and call.action in _CLOUDTRAIL_READS)


def _broken(environ: Environ) -> Answer:
    if service_of(environ) == "s3":
        return _s3_error(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
    return json_answers.failure("InternalFailure", "The request processing has failed because of an unknown error.", 500)


def _refusal(environ: Environ, name: str) -> Answer:
    message = f"User is not authorized to perform: {name} because no identity-based policy allows the {name} action"
    service = service_of(environ)
    if service == "ec2":
        return ec2_xml.failure("UnauthorizedOperation", "You are not authorized to perform this operation. " + message, 403)
    if service == "s3":
        return _s3_error(HTTPStatus.FORBIDDEN, "AccessDenied", message)
    if environ.get("HTTP_X_AMZ_TARGET"):
        return json_answers.failure("AccessDeniedException", message)
    return _query_error(HTTPStatus.FORBIDDEN, "AccessDenied", message)


def _expiry(environ: Environ) -> Answer:
    message, service = "The security token included in the request is expired", service_of(environ)
    if service == "ec2":
        return ec2_xml.failure("RequestExpired", "Request has expired.")
    if service == "s3":
        return _s3_error(HTTPStatus.BAD_REQUEST, "ExpiredToken", "The provided token has expired.")
    if environ.get("HTTP_X_AMZ_TARGET"):
        return json_answers.failure("ExpiredTokenException", message)
    return _query_error(HTTPStatus.FORBIDDEN, "ExpiredToken", message)


def _s3_error(status: HTTPStatus, code: str, message: str) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, (("Content-Type", "application/xml"),), b"").with_body(text.encode())


def _query_error(status: HTTPStatus, code: str, message: str) -> Answer:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, (("Content-Type", "text/xml"),), b"").with_body(f"<ErrorResponse>{error}</ErrorResponse>".encode())
