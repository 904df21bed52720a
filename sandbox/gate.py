"""Where requests meet what is made to go wrong, before they are answered and after."""

from __future__ import annotations

import threading

from sandbox import json_answers, refusals
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


class Dropped(ConnectionError):
    """The connection ends without an answer."""


class Gate:
    """Decides the fate of requests. `stop` ends all waiting."""

    def __init__(self, faults: Faults, policies: Policies, trust: Trust, clock: Clock, stop: threading.Event) -> None:
        self._faults, self._policies, self._trust, self._clock, self._stop = faults, policies, trust, clock, stop
        self._chance = Chance(faults.seed)

    def denied(self, environ: Environ, call: Call | None, identity: Identity, asked: Asked | None) -> Answer | None:
        """Return the refusal of a request that is on the list of denied ones, or that no policy allows, or no role's trust."""
        if asked is None:
            return None
        key, region = access_key_of(environ), region_of(environ)
        if asked.action in self._faults.deny or self._policies.refuses(key, identity, region, asked):
            return refusals.denied(environ, asked, identity.arn(region))
        if call is not None and asked.action == "sts:AssumeRole" and self._trust.refuses(call, identity, asked):
            return refusals.distrusted(environ, asked, identity.arn(region))
        return None

    def expired(self, environ: Environ, identity: Identity) -> Answer | None:
        """Return the refusal of credentials that are no longer good: those of AssumeRole after their time, or after `credential_life`."""
        life = self._faults.credential_life
        ends = [identity.until] if identity.until is not None else []
        if ends and life is not None:
            ends.append(identity.since + life)
        return refusals.expired(environ) if ends and self._clock() >= min(ends) else None

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
            return refusals.broken(environ)
        return None

    def after(self, environ: Environ, call: Call | None, answer: Answer) -> Answer:
        """Return an answer, cut off in the middle of its body where that is its fate; its length still promises the whole."""
        if len(answer.body) < 2 or not _is_read(environ, call) or not self._chance.strikes(self._faults.cut):
            return answer
        whole = answer.with_body(answer.body)
        return Answer(whole.status, whole.headers, whole.body[: len(whole.body) // 2])


def _is_read(environ: Environ, call: Call | None) -> bool:
    service = service_of(environ)
    if service == "s3":
        return environ.get("REQUEST_METHOD") in _READ_METHODS
    if call is None:
        return False
    return (service == "sqs" and call.is_data_event) or (service == "cloudtrail" and call.action in _CLOUDTRAIL_READS)
