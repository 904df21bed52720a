"""How each service says no: denied, expired, broken.

Sources: each service's API reference, "Common errors"; AWS query compatible protocol (x-amzn-query-error of SQS).
"""

from __future__ import annotations

from http import HTTPStatus
from uuid import uuid4
from xml.sax.saxutils import escape

from sandbox import ec2_xml, json_answers
from sandbox.asked import Asked
from sandbox.backend import Answer, Environ
from sandbox.calls import service_of

_QUERY_COMPATIBLE = frozenset({"sqs"})
"""Services of JSON whose errors keep the codes that they had in the query protocol."""


def denied(environ: Environ, asked: Asked, who: str) -> Answer:
    """Return the refusal of a request of an ARN that no policy allows."""
    where = "" if asked.resource == "*" else f" on resource: {asked.resource}"
    why = (
        f"User: {who} is not authorized to perform: {asked.action}{where} because no identity-based policy allows the {asked.action} action"
    )
    return _refusal(environ, "AccessDenied", "UnauthorizedOperation", why, f"You are not authorized to perform this operation. {why}")


def distrusted(environ: Environ, asked: Asked, who: str) -> Answer:
    """Return the refusal of AssumeRole by the role's trust policy, which STS words as any other."""
    why = f"User: {who} is not authorized to perform: {asked.action} on resource: {asked.resource}"
    return _refusal(environ, "AccessDenied", "UnauthorizedOperation", why, why)


def expired(environ: Environ) -> Answer:
    """Return the refusal of credentials that are no longer good."""
    if service_of(environ) == "ec2":
        return ec2_xml.failure("RequestExpired", "Request has expired.")
    if service_of(environ) == "s3":
        return s3_error(HTTPStatus.BAD_REQUEST, "ExpiredToken", "The provided token has expired.")
    return _refusal(environ, "ExpiredToken", "", "The security token included in the request is expired", "")


def broken(environ: Environ) -> Answer:
    """Return what a service that is out of order answers."""
    if service_of(environ) == "s3":
        return s3_error(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
    if service_of(environ) == "ec2":
        return ec2_xml.failure("InternalError", "An internal error has occurred", 500)
    if not environ.get("HTTP_X_AMZ_TARGET"):
        return query_error(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalFailure", "The request processing has failed.")
    return json_answers.failure("InternalFailure", "The request processing has failed because of an unknown error.", 500)


def s3_error(status: HTTPStatus, code: str, message: str) -> Answer:
    """Return an error of S3."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>'
    return Answer(status, (("Content-Type", "application/xml"),), b"").with_body(text.encode())


def query_error(status: HTTPStatus, code: str, message: str) -> Answer:
    """Return an error of a service of the query protocol."""
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    text = f"<ErrorResponse>{error}<RequestId>{uuid4()}</RequestId></ErrorResponse>"
    return Answer(status, (("Content-Type", "text/xml"),), b"").with_body(text.encode())


def _refusal(environ: Environ, code: str, ec2_code: str, message: str, ec2_message: str) -> Answer:
    service = service_of(environ)
    if service == "ec2":
        return ec2_xml.failure(ec2_code, ec2_message, 403)
    if service == "s3":
        return s3_error(HTTPStatus.FORBIDDEN, code, message)
    if not environ.get("HTTP_X_AMZ_TARGET"):
        return query_error(HTTPStatus.FORBIDDEN, code, message)
    if service not in _QUERY_COMPATIBLE:
        return json_answers.failure(f"{code}Exception", message)
    answer = json_answers.failure(f"{code}Exception", message, HTTPStatus.FORBIDDEN)
    return Answer(answer.status, (*answer.headers, ("x-amzn-query-error", f"{code};Sender")), answer.body)
