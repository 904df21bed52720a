"""Where requests meet what is made to go wrong, before they are answered and after."""

from __future__ import annotations

import re
import threading
from http import HTTPStatus

from sandbox import ec2_xml, json_answers, refusals
from sandbox.asked import Asked
from sandbox.backend import Answer, Environ
from sandbox.calls import Call, access_key_of, region_of, service_of
from sandbox.faults import Chance, Faults
from sandbox.identities import Identity
from sandbox.moments import Clock
from sandbox.policies import Policies
from sandbox.sts import Trust

_READ_METHODS = frozenset({"GET", "HEAD"})
_CLOUDTRAIL_READS = frozenset({"LookupEvents", "ListPublicKeys"})


_NEXT = re.compile(r"[nN]ext(?:Token|Marker)(?:>|\"\s*:\s*\")([^<\"]+)")


class Dropped(ConnectionError):
    """The connection ends without an answer."""


class Gate:
    """Decides the fate of requests. `stop` ends all waiting."""

    def __init__(self, faults: Faults, policies: Policies, trust: Trust, clock: Clock, stop: threading.Event) -> None:
        self.faults, self._policies, self._trust, self._clock, self._stop = faults, policies, trust, clock, stop
        self._chance = Chance(faults.seed)
        self._page_numbers: dict[str, int] = {}

    def denied(self, environ: Environ, call: Call | None, identity: Identity, asked: Asked | None) -> Answer | None:
        """Return the refusal of a request that is on the list of denied ones, or that no policy allows, or no role's trust."""
        if asked is None:
            return None
        region = region_of(environ)
        if self.refuses(access_key_of(environ), identity, region, asked):
            return refusals.denied(environ, asked, identity.arn(region))
        if call is not None and asked.action == "sts:AssumeRole" and self._trust.refuses(call, identity, asked):
            return refusals.distrusted(environ, asked, identity.arn(region))
        return None

    def refuses(self, access_key: str, identity: Identity, region: str, asked: Asked) -> bool:
        """Tell whether a request is on the list of denied ones, or no policy allows it."""
        return asked.action in self.faults.deny or self._policies.refuses(access_key, identity, region, asked)

    def strikes(self, share: float) -> bool:
        """Return True for a share of the times."""
        return self._chance.strikes(share)

    def expired(self, environ: Environ, identity: Identity) -> Answer | None:
        """Return the refusal of credentials that are no longer good: those of AssumeRole after their time, or after `credential_life`."""
        life = self.faults.credential_life
        ends = [identity.until] if identity.until is not None else []
        if ends and life is not None:
            ends.append(identity.since + life)
        return refusals.expired(environ) if ends and self._clock() >= min(ends) else None

    def before(self, environ: Environ, call: Call | None) -> Answer | None:
        """Return the answer to a request that goes wrong before it is understood, None for the rest. Raises Dropped."""
        struck = self._posture(environ, call) if call is not None else None
        if struck is not None or not _is_read(environ, call):
            return struck
        is_lookup = call is not None and call.action == "LookupEvents"
        if is_lookup and (self.faults.storms_at(self._clock()) or self._chance.strikes(self.faults.throttle)):
            return json_answers.failure("ThrottlingException", "Rate exceeded")
        if self._chance.strikes(self.faults.hang):
            self._stop.wait(self.faults.hang_for.total_seconds())
            raise Dropped
        if self._chance.strikes(self.faults.error):
            return refusals.broken(environ)
        return None

    def _posture(self, environ: Environ, call: Call) -> Answer | None:
        """Return the answer to a call of EC2, AWS Config or Athena that is throttled, or to the page of any call that is to fail."""
        if call.service == "ec2" and call.read_only and self._chance.strikes(self.faults.ec2_throttle):
            return ec2_xml.failure("RequestLimitExceeded", "Request limit exceeded.", HTTPStatus.SERVICE_UNAVAILABLE)
        if call.service == "config" and call.read_only and self._chance.strikes(self.faults.config_throttle):
            return json_answers.failure("ThrottlingException", "Rate exceeded")
        if call.service == "athena" and self._chance.strikes(self.faults.athena_throttle):
            return json_answers.failure("TooManyRequestsException", "Rate exceeded")
        page = self.faults.fail_page.get(f"{call.service}:{call.action}")
        return refusals.broken(environ) if page is not None and self._page_numbers.get(_token(call), 1) == page else None

    def _number(self, call: Call, answer: Answer) -> None:
        """Remember of which page an answer gives the token."""
        if f"{call.service}:{call.action}" in self.faults.fail_page and answer.ok:
            match = _NEXT.search(answer.body.decode("utf-8", "replace"))
            if match is not None:
                self._page_numbers[match[1]] = self._page_numbers.get(_token(call), 1) + 1

    def after(self, environ: Environ, call: Call | None, answer: Answer) -> Answer:
        """Return an answer, cut off in the middle of its body where that is its fate; its length still promises the whole."""
        if call is not None:
            self._number(call, answer)
        if len(answer.body) < 2 or not _is_read(environ, call) or not self._chance.strikes(self.faults.cut):
            return answer
        whole = answer.with_body(answer.body)
        return Answer(whole.status, whole.headers, whole.body[: len(whole.body) // 2])


def _token(call: Call) -> str:
    """Return the token with which a call asks for a page; "" for the first."""
    names = ("NextToken", "nextToken", "Marker")
    told = {**call.form, **(call.document if isinstance(call.document, dict) else {})}
    return next((str(told[name]) for name in names if told.get(name)), "")


def _is_read(environ: Environ, call: Call | None) -> bool:
    service = service_of(environ)
    if service == "s3":
        return environ.get("REQUEST_METHOD") in _READ_METHODS
    if call is None:
        return False
    return (service == "sqs" and call.is_data_event) or (service == "cloudtrail" and call.action in _CLOUDTRAIL_READS)
