"""What AWS's errors say, and the sentence that a person reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus

import orjson

from exporter.aws.codes import REASONS, SPENT, UNANSWERED
from exporter.aws.listing import tree
from exporter.aws.operations import ASSUME_ROLE, LIST_ACCOUNTS, Operation
from exporter.aws.transport import Answer
from exporter.errors import AwsError
from exporter.text import visible

_SIGNATURES = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException"})

_ELSEWHERE = frozenset({"PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed", "HTTP301", "HTTP307"})

_REMEDIES = {
    "access_denied": "allow {action} to these credentials (`aws-change-exporter iam-policy` prints the whole policy; service control "
    "policies and boundaries may forbid it too)",
    "credentials": "check the credentials, and the clock of this machine; renew them where they are temporary",
    "throttled": "lower aws.lookup_rate or poll less often: others use the same limit",
    "not_found": "check the name, its account and its region",
    "unavailable": "it is tried again with the next poll; check network, proxy and endpoint if it stays",
}
_REMEDIES_BY_CODE = {
    "OptInRequired": "enable the region in this account, or take it out of aws.regions",
    "RegionDisabledException": "enable the region in this account, or take it out of aws.regions",
    "UnrecognizedClientException": "check the credentials; a region that is not enabled in the account answers so too",
    "InvalidClientTokenId": "check the credentials; a region that is not enabled in the account answers so too",
    "AuthFailure": "check the credentials; a region that is not enabled in the account answers so too",
    "RequestTimeTooSkewed": "set the clock of this machine",
    "InvalidObjectState": "restore the object from its archive tier",
    "NoAvailableConfigurationRecorderException": "have AWS Config record there, or leave that account or region out",
    "AWSOrganizationsNotInUseException": "take `aws.organization` out of the configuration: the account is in none",
}

# What could let somebody act as us, should AWS repeat it: keys, signatures, tokens.
_SECRET = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b|\b[0-9a-fA-F]{64}\b|(?i:(?:signature|security-token|credential)[=:]\s*)[^\s,;&]+")
_SHORTEST_SECRET = 8
"""Shorter ones are no keys of AWS, and stand in any text."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that failed: AWS's code, or one of UNANSWERED, what it said, and our reason."""

    code: str
    message: str
    reason: str

    @property
    def spent(self) -> bool:
        """Whether fresh credentials may cure it."""
        return self.code in SPENT

    @property
    def transient(self) -> bool:
        """Whether the same may succeed at once."""
        return self.reason == "unavailable"


def failure_of(answer: Answer) -> Failure:
    """Return what an answer that is no success says."""
    code, message = _told(answer)
    reason = REASONS.get(code)
    if reason is None:
        reason = _by_status(answer.status)
    return Failure(code or f"HTTP{answer.status}", message or _phrase(answer.status), reason)


def error_of(
    failure: Failure, operation: Operation, account_id: str, region: str, *, what: str = "", remedy: str = "", secrets: Iterable[str] = ()
) -> AwsError:
    """Return the error that a person reads: `what` was asked for, `remedy` instead of the usual one; `secrets` never stand in it."""
    where = " ".join(part for part in (f"account {account_id}" if account_id else "", region) if part)
    remedy = remedy or _REMEDIES_BY_CODE.get(failure.code) or _REMEDIES.get(failure.reason, "")
    subject = f"{operation.action}{f' of {visible(what, 300)}' if what else ''} in {where}"
    ours = failure.code in UNANSWERED
    told = failure.message if ours else f"{failure.code}: {failure.message}"
    text = f"{subject} failed: {_clean(told, failure.code, secrets)}"
    if remedy:
        text += "; " + remedy.replace("{action}", operation.action)
    # An answer over a limit will be so again, and whoever set the limit must know.
    code = "" if ours and failure.code != "too_large" else failure.code
    return AwsError(failure.reason, text, operation.action, visible(code, 100))


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without what could let its reader act as us."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[redacted]")
    return _SECRET.sub("[redacted]", text)


def _clean(text: str, code: str, secrets: Iterable[str]) -> str:
    if code in _SIGNATURES:
        # The rest repeats the whole request, its token included.
        text = re.split(r"\n|\. |: ?'", text, maxsplit=1)[0]
    return visible(redacted(text, secrets), 600).rstrip(". ")


def _told(answer: Answer) -> tuple[str, str]:
    body = answer.body.strip()
    if body.startswith(b"{"):
        return _told_json(answer, body)
    if body.startswith(b"<"):
        try:
            root = tree(body)
        except ValueError:
            return "", ""
        found = {element.tag.rpartition("}")[2]: element.text or "" for element in reversed(list(root.iter()))}
        return found.get("Code", ""), found.get("Message", "")
    return answer.headers.get("x-amzn-errortype", "").partition(":")[0], ""


def _told_json(answer: Answer, body: bytes) -> tuple[str, str]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", ""
    code = document.get("__type") or answer.headers.get("x-amzn-errortype") or document.get("code") or ""
    message = document.get("message") or document.get("Message") or ""
    # com.amazonaws.sqs#QueueDoesNotExist, or ThrottlingException:http://internal.amazon.com/…
    return str(code).rpartition("#")[2].partition(":")[0], str(message)


def _by_status(status: int) -> str:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "throttled"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return "unavailable"
    return {401: "credentials", 403: "access_denied", 404: "not_found"}.get(status, "internal")


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def is_elsewhere(answer: Answer, failure: Failure) -> bool:
    """Tell whether S3 says that the bucket is in another region, and in which."""
    return "x-amz-bucket-region" in answer.headers and failure.code in _ELSEWHERE


def assume_remedy(failure: Failure, who: Callable[[], str]) -> str:
    """Return what to do about a role that cannot be assumed; empty for the usual."""
    if failure.reason == "access_denied":
        return (
            f"tried by {who()}: the role must exist, its trust policy must name that principal and ask for the external id that is "
            "configured (if any), and that principal must be allowed sts:AssumeRole on it"
        )
    if failure.code == "ValidationError":
        return "session_duration may be longer than the role's maximum session duration"
    return ""


def list_accounts_remedy(failure: Failure) -> str:
    """Return what to do about an organization that cannot be listed; empty for the usual."""
    if failure.reason == "access_denied":
        return "only the management account and delegated administrators may call it: name a role there as the last of organization.via"
    return ""


def remedy_of(operation: Operation, failure: Failure, who: Callable[[], str]) -> str:
    """Return the remedy that an operation has of its own; empty for the usual."""
    if operation is ASSUME_ROLE:
        return assume_remedy(failure, who)
    if operation is LIST_ACCOUNTS:
        return list_accounts_remedy(failure)
    return ""
