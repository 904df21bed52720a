"""The one endpoint: reads each request, has it answered, and keeps the record of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias

from sandbox.actions import Action, ActionLog
from sandbox.asked import Asked, asked_of
from sandbox.backend import Answer, Backend, Environ, element_of
from sandbox.balancers import Balancers
from sandbox.calls import Call, access_key_of, read_call, region_of
from sandbox.config_recording import Recording
from sandbox.control import Control
from sandbox.ec2 import Ec2
from sandbox.ec2_state import Ec2State
from sandbox.gate import Gate
from sandbox.identities import Identities, Identity
from sandbox.moments import Clock
from sandbox.records import Record, Recorder, service_event

StartResponse: TypeAlias = Callable[[str, list[tuple[str, str]]], Any]
LONGEST_BODY = 64 * 1024 * 1024
LONGEST_AGENT = 1024
_SESSION_SECONDS = 3600
"""How long a session of a role is if AssumeRole does not say."""
_VPC_CALLS = frozenset({"CreateDefaultVpc", "CreateVpc"})


class Operation(Protocol):
    """A call that the sandbox answers itself."""

    def __call__(self, call: Call, identity: Identity) -> Answer:
        """Return the answer to a call of somebody."""
        ...


class Gateway:
    """A WSGI application. `own` are the calls that moto does not have, by service and action; `seen` is told of each answer.

    `keep` is given each record, `control` answers what is the sandbox's own, `workgroup_of` knows the queries of Athena.
    """

    def __init__(
        self,
        backend: Backend,
        recorder: Recorder,
        identities: Identities,
        keep: Callable[[Record], None],
        clock: Clock,
        own: Mapping[tuple[str, str], Operation],
        seen: Callable[[Call, Answer, str], None],
        gate: Gate,
        actions: ActionLog,
        control: Control,
        ec2: Ec2,
        recording: Recording,
        balancers: Balancers,
        workgroup_of: Callable[[str], str],
    ) -> None:
        self._backend, self._recorder, self._identities, self._keep = backend, recorder, identities, keep
        self._clock, self._own, self._seen, self._gate = clock, own, seen, gate
        self._actions, self._control, self._ec2, self._recording = actions, control, ec2, recording
        self._balancers, self._workgroup_of = balancers, workgroup_of

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        answer = self._control.answer(environ, _body(environ)) if path.startswith("/-/") else self._answer(environ)
        status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        headers = [(name, value) for name, value in answer.headers if name.lower() != "date"]
        # AWS's clock, from which a caller learns how wrong its own is.
        start_response(status, [*headers, ("Date", format_datetime(self._clock(), usegmt=True))])
        return [answer.body]

    def _answer(self, environ: Environ) -> Answer:
        body = _body(environ)
        call = read_call(environ, body)
        at = self._clock()
        identity = self._identities.of(access_key_of(environ))
        asked = asked_of(environ, call, identity, self._workgroup_of)
        denied = self._gate.denied(environ, call, identity, asked)
        self._note(environ, identity, asked, allowed=denied is None)
        answer = self._gate.before(environ, call) or self._gate.expired(environ, identity)
        if answer is None:
            if call is not None:
                self._recording.before((identity.account_id, call.region))
            answer = denied or self._done(call, environ, body, identity)
            if call is not None:
                self._balancers.changed(call, answer, identity.account_id)
                record = self._record_of(call, answer, identity, at)
                self._recording.changed(call, answer, identity.account_id, record["eventID"] if record else "")
                self._learn(call, answer, at)
                self._tell(record, call, answer, identity, at)
                self._seen(call, answer, identity.account_id)
        return self._gate.after(environ, call, answer)

    def _note(self, environ: Environ, identity: Identity, asked: Asked | None, *, allowed: bool) -> None:
        """Count what was asked for, also if it goes wrong."""
        if asked is None:
            return
        region, agent = region_of(environ), environ.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT]
        who = (access_key_of(environ), identity.principal_arn(region), agent)
        self._actions.add(Action(asked.action, identity.account_id, region, *who, allowed=allowed))

    def _done(self, call: Call | None, environ: Environ, body: bytes, identity: Identity) -> Answer:
        """Return the answer to a request, led to the account of its key; what is no management call is moto's alone."""
        environ = environ | {"HTTP_X_MOTO_ACCOUNT_ID": identity.account_id}
        if call is None:
            return self._backend.send(environ, body)
        own = self._own.get((call.service, call.action))
        if own is not None:
            return own(call, identity)
        if call.service == "ec2":
            return self._ec2.answer(call, environ, body, identity.account_id)
        return self._backend.send(environ, body)

    def _record_of(self, call: Call, answer: Answer, identity: Identity, at: datetime) -> Record | None:
        """Return the record of a call; None where CloudTrail tells nothing of it."""
        if call.is_data_event or answer.status == HTTPStatus.NOT_IMPLEMENTED or self._control.unrecorded:
            return None
        return self._recorder.record(call, answer, identity, at)

    def _tell(self, record: Record | None, call: Call, answer: Answer, identity: Identity, at: datetime) -> None:
        if record is None:
            return
        self._keep(record)
        if answer.ok and call.action in _VPC_CALLS and call.service == "ec2":
            vpc_id = element_of(answer.body).findtext("vpc/vpcId", "")
            resources = Ec2State(self._backend, identity.account_id, call.region).born_with(vpc_id)
            details = {"vpcId": vpc_id}
            self._keep(service_event("CreateVpcResourceCreation", identity.account_id, call.region, at, details, resources))

    def _learn(self, call: Call, answer: Answer, at: datetime) -> None:
        """Remember whose the access keys are that STS and IAM hand out."""
        if not answer.ok or (call.service, call.action) not in {("sts", "AssumeRole"), ("iam", "CreateAccessKey")}:
            return
        told = element_of(answer.body)
        key = told.findtext(".//AccessKeyId", "")
        if call.service == "iam":
            owner = self._identities.of(call.access_key)
            self._identities.add(key, Identity(owner.account_id, "user", told.findtext(".//UserName", "")))
            return
        # arn:aws:sts::444455556666:assumed-role/Deploy/session
        parts = told.findtext(".//AssumedRoleUser/Arn", "").split(":")
        path, _, role = call.form.get("RoleArn", "").partition(":role/")[2].rpartition("/")
        if len(parts) == 6 and parts[5].count("/") >= 2:
            account = call.form.get("RoleArn", "").split(":")[4]
            session, seconds = call.form.get("RoleSessionName", ""), call.form.get("DurationSeconds", "")
            until = at + timedelta(seconds=int(seconds) if seconds.isdigit() else _SESSION_SECONDS)
            self._identities.add(key, Identity(account, "role", role, session, f"{path}/" if path else "", at, until))


def _body(environ: Environ) -> bytes:
    """Return the body of a request, sent whole or in chunks; what is longer than a sandbox needs is cut off."""
    length = LONGEST_BODY if environ.pop("HTTP_TRANSFER_ENCODING", "") == "chunked" else int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(min(length, LONGEST_BODY))
    return body
