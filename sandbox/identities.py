"""Who makes a call, told by its access key: `userIdentity` as CloudTrail writes it.

Source: CloudTrail user guide, "CloudTrail userIdentity element".
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sandbox.moments import iso

_TEXT = re.compile(
    r"(?:(?P<account>\d{12}):)?(?P<kind>user|role|sso|service|root)(?:/(?P<name>[\w+=,.@-]+))?(?:/(?P<session>[\w+=,.@-]{2,64}))?"
)
REMEDY = (
    "write KEY=root, KEY=user/NAME, KEY=role/NAME/SESSION, KEY=sso/PERMISSION_SET/SESSION or KEY=service/NAME.amazonaws.com, "
    "with ACCOUNT: before the name for another account (AKIAIOSFODNN7EXAMPLE=444455556666:role/Deploy/ci)"
)
_SSO_PATH = "aws-reserved/sso.amazonaws.com/"


def partition_of(region: str) -> str:
    """Return the partition of a region, as ARNs name it."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


@dataclass(frozen=True, slots=True)
class Identity:
    """One principal of one account. `name` is that of the user, role or service; a role has a session, begun at `since`.

    Its credentials are good until `until`, None for ever. `source_ip` is where it calls from, "" for the address of the request;
    `console` is a person in the management console, `invoked_by` the service that calls on its behalf, `federated` the identity
    provider behind a role.
    """

    account_id: str
    kind: Literal["root", "user", "role", "service"]
    name: str = ""
    session: str = ""
    path: str = ""
    since: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    until: datetime | None = None
    source_ip: str = ""
    console: bool = False
    invoked_by: str = ""
    federated: str = ""

    @property
    def principal_id(self) -> str:
        """The unique id, with the session where there is one; GetCallerIdentity has it as UserId."""
        if self.kind == "role":
            return f"{_unique('AROA', self.name)}:{self.session}"
        return _unique("AIDA", self.name) if self.kind == "user" else self.account_id

    def principal_arn(self, region: str) -> str:
        """Return the ARN of the user, role or account in the partition of a region, as policies name it."""
        iam = f"arn:{partition_of(region)}:iam::{self.account_id}"
        return f"{iam}:{self.kind}/{self.path}{self.name}" if self.kind in {"user", "role"} else f"{iam}:root"

    def arn(self, region: str) -> str:
        """Return the ARN of whoever calls: that of a session where it is a role."""
        if self.kind == "role":
            return f"arn:{partition_of(region)}:sts::{self.account_id}:assumed-role/{self.name}/{self.session}"
        return self.principal_arn(region)

    def user_identity(self, access_key: str, region: str) -> dict[str, Any]:
        """Return `userIdentity` of a call that is signed with an access key."""
        if self.kind == "service":
            return {"type": "AWSService", "invokedBy": self.name}
        who: dict[str, Any] = {
            "principalId": self.principal_id,
            "arn": self.arn(region),
            "accountId": self.account_id,
            "accessKeyId": access_key,
        }
        behalf = {"invokedBy": self.invoked_by} if self.invoked_by else {}
        attributes = {"creationDate": iso(self.since), "mfaAuthenticated": "true" if self.console else "false"}
        if self.kind == "root":
            return {"type": "Root", **who, **behalf}
        if self.kind == "user":
            # A user in the console has a session without an issuer.
            session = {"sessionContext": {"sessionIssuer": {}, "attributes": attributes}} if self.console else {}
            return {"type": "IAMUser", **who, "userName": self.name, **session, **behalf}
        issuer = {"type": "Role", "principalId": _unique("AROA", self.name), "arn": self.principal_arn(region)}
        context: dict[str, Any] = {"sessionIssuer": issuer | {"accountId": self.account_id, "userName": self.name}}
        if self.federated:
            context["webIdFederationData"] = {"federatedProvider": self.federated, "attributes": {}}
        return {"type": "AssumedRole", **who, "sessionContext": context | {"attributes": attributes}, **behalf}


def _unique(prefix: str, name: str) -> str:
    """Return a stable id that cannot be anybody's: EXAMPLE stands in it."""
    return f"{prefix}EXAMPLE{sum((place + 1) * byte for place, byte in enumerate(name.encode())) % 10**10:010d}"


def parse_identity(text: str, account_id: str) -> Identity:
    """Return what `user/alice` and its like name, in the account that stands before it or else in the given one. Raises ValueError."""
    match = _TEXT.fullmatch(text)
    wrong = ValueError(f"{text!r:.80} is no identity; {REMEDY}")
    if match is None:
        raise wrong
    account, kind, name, session = match["account"] or account_id, match["kind"], match["name"] or "", match["session"] or ""
    if kind == "root" and not name:
        return Identity(account, "root")
    if kind == "user" and name and not session:
        return Identity(account, "user", name)
    if kind == "service" and name.endswith(".amazonaws.com") and not session:
        return Identity(account, "service", name)
    if kind == "role" and name and session:
        return Identity(account, "role", name, session)
    if kind == "sso" and name and session:
        return Identity(account, "role", f"AWSReservedSSO_{name}_0123456789abcdef", session, _SSO_PATH)
    raise wrong


class Identities:
    """The access keys that are known. An unknown one belongs to the default identity."""

    def __init__(self, default: Identity, known: Mapping[str, Identity]) -> None:
        self._default, self._known = default, dict(known)
        self._lock = threading.Lock()

    def of(self, access_key: str) -> Identity:
        """Return whose an access key is."""
        with self._lock:
            return self._known.get(access_key, self._default)

    def add(self, access_key: str, identity: Identity) -> None:
        """Remember whose an access key is; temporary credentials of AssumeRole come here."""
        with self._lock:
            self._known[access_key] = identity
