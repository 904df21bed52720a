"""Every request that leaves: signed, sent, told to `Requests`, tried again where that may help, translated where it fails."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

from botocore.auth import S3SigV4Auth, SigV4Auth

from exporter.aws.base import Requests
from exporter.aws.codes import UNANSWERED
from exporter.aws.credentials import Credentials, Keys
from exporter.aws.failures import Failure, error_of, failure_of, is_elsewhere, remedy_of
from exporter.aws.operations import Operation
from exporter.aws.pacing import Stopped
from exporter.aws.transport import Answer, Outgoing, Transport, Unanswered
from exporter.errors import AwsError

ATTEMPTS = 3
"""How often what fails by chance is tried in all."""
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 8.0
LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that is no object: a page of LookupEvents has 50 events of at most 256 KiB."""


class Sender:
    """Sends for all callers. `stop` ends all waiting; `jitter` gives a random share between 0 and 1."""

    def __init__(
        self,
        transport: Transport,
        requests: Requests,
        stop: threading.Event,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport, self._requests, self._stop, self._jitter = transport, requests, stop, jitter

    def send(
        self,
        operation: Operation,
        request: Callable[[], Outgoing],
        credentials: Credentials,
        region: str,
        signing_region: str,
        account_id: str,
        *,
        what: str = "",
        size_limit: int = LONGEST_ANSWER,
        patience: float = 0.0,
        again_if_throttled: bool = True,
        check: Callable[[Answer], str] = lambda _answer: "",
    ) -> Answer:
        """Return the answer of a success, or one that points to another region of a bucket; raise AwsError.

        `request` makes the request anew for each attempt and may wait for its turn; `check` tells what is wrong with an answer
        that came whole but is not. `patience` are seconds that AWS may wait on purpose before it answers.
        """
        renewed, tried = False, 0
        while True:
            if self._stop.is_set():
                raise self._stopped(operation, account_id, region)
            try:
                unsigned = request()
            except Stopped:
                raise self._stopped(operation, account_id, region) from None
            keys = credentials.current()
            answer, failure = self._attempt(operation, unsigned, keys, region, signing_region, account_id, size_limit, patience, check)
            if answer is not None:
                return answer
            assert failure is not None
            if failure.spent and not renewed:
                renewed = True
                if credentials.renewed(keys) != keys:
                    continue
            tried += 1
            if tried < ATTEMPTS and (failure.transient or (failure.reason == "throttled" and again_if_throttled)):
                self.wait(min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (tried - 1)) * self._jitter(), operation, account_id, region)
                continue
            secrets = (keys.secret_key, keys.token or "", keys.access_key)
            remedy = remedy_of(operation, failure, credentials.who)
            raise error_of(failure, operation, account_id, region, what=what, remedy=remedy, secrets=secrets)

    def spent(self, operation: Operation, account_id: str, dollars: float) -> None:
        """Tell what a call cost beside its requests."""
        self._requests.aws_spent(operation, account_id, dollars)

    def wait(self, seconds: float, operation: Operation, account_id: str, region: str) -> None:
        """Wait; raise AwsError if all is to end."""
        if self._stop.wait(seconds):
            raise self._stopped(operation, account_id, region)

    def _attempt(
        self,
        operation: Operation,
        request: Outgoing,
        keys: Keys,
        region: str,
        signing_region: str,
        account_id: str,
        size_limit: int,
        patience: float,
        check: Callable[[Answer], str],
    ) -> tuple[Answer | None, Failure | None]:
        signer = S3SigV4Auth if operation.service == "s3" else SigV4Auth
        signer(keys, operation.signing_name, signing_region).add_auth(request)
        begun = time.perf_counter()
        failure, answer, elsewhere = None, None, False
        try:
            answer = self._transport.send(request, size_limit=size_limit, patience=patience)
            if wrong := check(answer) if answer.status < HTTPStatus.MULTIPLE_CHOICES else "":
                failure = Failure("cut", wrong, "unavailable")
            elif answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                failure = failure_of(answer)
                elsewhere = operation.service == "s3" and is_elsewhere(answer, failure)
        except Unanswered as error:
            failure = Failure(error.code, str(error), UNANSWERED[error.code])
        self._requests.aws_request(operation, account_id, region, time.perf_counter() - begun, failure.code if failure else None)
        return (answer, None) if failure is None or elsewhere else (None, failure)

    @staticmethod
    def _stopped(operation: Operation, account_id: str, region: str) -> AwsError:
        where = " ".join(part for part in (account_id, region) if part)
        return AwsError("unavailable", f"{operation.action} in {where} was not made: the exporter is stopping", operation.action)
