"""The people and machines of the activity: who they are to the sandbox, and clients of boto3 through which they act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from boto3 import Session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.session import get_session

from exporter.demo.callers import ALICE, BOB, CAROL, CLOUDFORMATION, DAVE, DEPLOY, INTERN, KUBERNETES, TERRAFORM, WORKER, Caller
from sandbox.identities import Identities, Identity
from sandbox.moments import Clock
from sandbox.policies import Policies

SCALER = replace(
    CLOUDFORMATION,
    principal="service/autoscaling.amazonaws.com",
    name="AWSServiceRoleForAutoScaling",
    path="aws-service-role/autoscaling.amazonaws.com/",
    session="AutoScaling",
    user_agent="autoscaling.amazonaws.com",
    source_ip="autoscaling.amazonaws.com",
    invoked_by="autoscaling.amazonaws.com",
)
MIGRATION = replace(DEPLOY, principal="role/Migration", name="Migration", session="migration", source_ip="198.51.100.200")
CONTRACTOR = replace(BOB, principal="role/Contractor", name="Contractor", path="", session="contractor", source_ip="203.0.113.250")
CAST: tuple[Caller, ...] = (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    TERRAFORM,
    CLOUDFORMATION,
    KUBERNETES,
    DEPLOY,
    WORKER,
    INTERN,
    SCALER,
    MIGRATION,
    CONTRACTOR,
)
_READS = ["ec2:Describe*", "s3:Get*", "s3:List*"]
READ_ONLY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": _READS, "Resource": "*"}]}


def key_of(caller: Caller, account_id: str) -> str:
    """Return the access key with which somebody acts in an account; each has its own, and none is a real one."""
    return f"{'ASIA' if caller.kind == 'role' or caller.console else 'AKIA'}EXAMPLE{CAST.index(caller):02}{account_id[-7:]}"


def introduce(identities: Identities, policies: Policies, accounts: tuple[str, ...], clock: Clock) -> None:
    """Make everybody known in every account. The intern may only read."""
    for account_id in accounts:
        for caller in CAST:
            identity = Identity(
                account_id,
                "role" if caller.kind == "role" else "user",
                caller.name,
                caller.session,
                caller.path,
                since=clock(),
                source_ip=caller.source_ip,
                console=caller.console,
                invoked_by=caller.invoked_by,
                federated=caller.federated.format(account=account_id),
            )
            identities.add(key_of(caller, account_id), identity)
        policies.add(key_of(INTERN, account_id), READ_ONLY)


class Hands:
    """Makes calls as anybody, in any account, from one thread: one client for each service and region, lent to whoever acts."""

    def __init__(self, url: str) -> None:
        self._url = url
        core = get_session()
        core.set_credentials("nobody", "example")  # the sandbox checks no signature
        credentials = core.get_credentials()
        assert isinstance(credentials, Credentials)
        self._credentials, self._session = credentials, Session(botocore_session=core)
        self._clients: dict[tuple[str, str], Any] = {}
        self._agent: Callable[[str, str], str] = lambda _service, _call: ""

    def lend(self, caller: Caller, account_id: str, service: str, region: str) -> Any:
        """Return a client with which the next calls are made as somebody in an account."""
        self._credentials.access_key = key_of(caller, account_id)
        self._agent = caller.agent
        if (service, region) not in self._clients:
            once = Config(retries={"total_max_attempts": 1})
            made = self._session.client(service, endpoint_url=self._url, region_name=region, config=once)
            made.meta.events.register("before-sign", self._introduce)
            self._clients[service, region] = made
        return self._clients[service, region]

    def _introduce(self, request: Any, operation_name: str, **_: Any) -> None:
        service = request.context.get("signing", {}).get("signing_name", "ec2")
        request.headers["User-Agent"] = self._agent(f"{service}.amazonaws.com", operation_name)

    def close(self) -> None:
        """Close all connections."""
        for made in self._clients.values():
            made.close()
        self._clients.clear()
