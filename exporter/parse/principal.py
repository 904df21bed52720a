"""Who made a call: userIdentity normalized to a name fit for a label, and all that history keeps besides.

The shapes are those of the CloudTrail userIdentity element; `sessionIssuer` may be `{}` and `type` may be
missing. A session name never becomes part of a name: it is unbounded, since callers choose it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from exporter.model import Principal, PrincipalType
from exporter.parse.dialect import lowered, text, truth

_LONGEST_NAME = 128
_SSO_ROLE = re.compile(r"AWSReservedSSO_(.+)_[0-9a-f]{16}")
_SSO_SUFFIX = re.compile(r"_[0-9A-Za-z]{1,32}$")
_SSO_PREFIX = "AWSReservedSSO_"
# IAM reserves these paths by their beginning only: `role/team/aws-service-role/...` is anybody's to create.
_SSO_PATH = ":role/aws-reserved/sso.amazonaws.com/"
_SERVICE_ROLE_PATH = ":role/aws-service-role/"
_SERVICE_ROLE_PREFIX = "AWSServiceRoleFor"


@dataclass(frozen=True, slots=True)
class _Identity:
    """userIdentity, its session and the session's issuer, all with lower-case keys."""

    user: Mapping[str, Any]
    session: Mapping[str, Any]
    issuer: Mapping[str, Any]

    @property
    def arn_parts(self) -> list[str]:
        """The parts of the resource in the ARN: `['assumed-role', 'Deploy', 'ci']`."""
        arn = text(self.user.get("arn"), 2048) or ""
        return arn.split(":", 5)[5].split("/") if arn.count(":") >= 5 else []


def principal(identity: Mapping[str, Any], recipient: str | None, source_ip: object, user_agent: str | None) -> Principal:
    """Return the principal of a record; `identity` is userIdentity with lower-case keys, `recipient` the recording account."""
    session = lowered(identity.get("sessioncontext"))
    who = _Identity(identity, session, lowered(session.get("sessionissuer")))
    account = text(identity.get("accountid"), 64)
    invoked_by = text(identity.get("invokedby"), 128)
    kind = _kind(who)
    if account != recipient and kind != "AWSService" and _is_account(account) and _is_account(recipient):
        # A caller from another account chose its names itself, so only the account is trusted as a label.
        kind = "AWSAccount"
    type_, name = _READERS.get(kind, _unknown)(who)
    return Principal(
        type=type_,
        name=name[:_LONGEST_NAME],
        arn=text(identity.get("arn"), 512),
        session=_session(who, identity.get("type")),
        account_id=account,
        source_ip=text(source_ip, 256),
        user_agent=user_agent,
        invoked_by=invoked_by,
    )


def _kind(who: _Identity) -> str:
    kind = who.user.get("type")
    if isinstance(kind, str) and kind in _READERS:
        return kind
    if kind is None and text(who.user.get("invokedby")):
        return "AWSService"
    # Types that are missing or not documented: the ARN still tells.
    parts = who.arn_parts
    return _ARN_KINDS.get(parts[0], "Unknown") if parts else "Unknown"


def _is_account(value: str | None) -> bool:
    """Tell a real account from a masked one, which is different from another mask without meaning it."""
    return value is not None and value.isascii() and value.isdigit()


def _session(who: _Identity, kind: object) -> str | None:
    if kind in ("IAMUser", "Root"):
        return None
    if kind == "IdentityCenterUser":
        return text(lowered(who.user.get("onbehalfof")).get("userid")) or text(who.user.get("principalid"))
    if kind in ("SAMLUser", "WebIdentityUser"):
        return text(who.user.get("username")) or text(who.user.get("principalid"))
    _, colon, session = (text(who.user.get("principalid"), 1024) or "").partition(":")
    if colon and session:
        return session[:256]
    parts = who.arn_parts
    if len(parts) > 1 and parts[0] in ("assumed-role", "federated-user"):
        return "/".join(parts[1:] if parts[0] == "federated-user" else parts[2:])[:256] or None
    return None


def _root(who: _Identity) -> tuple[PrincipalType, str]:
    return PrincipalType.ROOT, "root/assumed" if truth(who.session.get("assumedroot")) else "root"


def _iam_user(who: _Identity) -> tuple[PrincipalType, str]:
    parts = who.arn_parts
    name = text(who.user.get("username"), _LONGEST_NAME) or (parts[-1] if len(parts) > 1 else "") or "unknown"
    return PrincipalType.IAM_USER, f"user/{name}"


def _role(who: _Identity) -> tuple[PrincipalType, str]:
    issuer_arn = text(who.issuer.get("arn"), 2048) or text(who.user.get("arn"), 2048) or ""
    name = text(who.issuer.get("username"), _LONGEST_NAME)
    if name is None:
        parts = who.arn_parts
        if len(parts) > 1 and parts[0] == "assumed-role":
            name = parts[1]
        elif ":role/" in issuer_arn:
            # A role may have a path: role/<path>/<role>.
            name = issuer_arn.rpartition("/")[2]
    name = name or "unknown"
    match = _SSO_ROLE.fullmatch(name)
    if match:
        return PrincipalType.SSO, f"sso/{match.group(1)}"
    if _SSO_PATH in issuer_arn:
        return PrincipalType.SSO, f"sso/{_SSO_SUFFIX.sub('', name.removeprefix(_SSO_PREFIX))}"
    if _SERVICE_ROLE_PATH in issuer_arn:
        service = issuer_arn.partition(_SERVICE_ROLE_PATH)[2].partition("/")[0]
        return PrincipalType.SERVICE_LINKED_ROLE, f"service/{service or name}"
    if name.startswith(_SERVICE_ROLE_PREFIX) and ":role/" not in issuer_arn:
        return PrincipalType.SERVICE_LINKED_ROLE, f"service/{text(who.user.get('invokedby'), _LONGEST_NAME) or name}"
    return PrincipalType.ROLE, f"role/{name}"


def _service(who: _Identity) -> tuple[PrincipalType, str]:
    return PrincipalType.AWS_SERVICE, f"service/{text(who.user.get('invokedby'), _LONGEST_NAME) or 'unknown'}"


def _federated(who: _Identity) -> tuple[PrincipalType, str]:
    name = "root" if who.issuer.get("type") == "Root" else text(who.issuer.get("username"), _LONGEST_NAME)
    return PrincipalType.FEDERATED, f"federated/{name or 'unknown'}"


def _other_account(who: _Identity) -> tuple[PrincipalType, str]:
    principal_account = (text(who.user.get("principalid"), _LONGEST_NAME) or "").partition(":")[0]
    account = text(who.user.get("accountid"), 64) or (principal_account if principal_account.isdigit() else "") or "unknown"
    return PrincipalType.CROSS_ACCOUNT, f"account/{account}"


def _unknown(_who: _Identity) -> tuple[PrincipalType, str]:
    return PrincipalType.UNKNOWN, "unknown"


_READERS: Mapping[str, Callable[[_Identity], tuple[PrincipalType, str]]] = MappingProxyType(
    {
        "AssumedRole": _role,
        "Role": _role,
        "IAMUser": _iam_user,
        "Root": _root,
        "AWSService": _service,
        "FederatedUser": _federated,
        "AWSAccount": _other_account,
        "IdentityCenterUser": lambda _who: (PrincipalType.IDENTITY_CENTER, "identity-center"),
        "SAMLUser": lambda _who: (PrincipalType.SAML, "saml"),
        "WebIdentityUser": lambda _who: (PrincipalType.WEB_IDENTITY, "web_identity"),
        "Directory": lambda _who: (PrincipalType.DIRECTORY, "directory"),
        "Unknown": _unknown,
    }
)
_ARN_KINDS = MappingProxyType(
    {"assumed-role": "AssumedRole", "role": "Role", "user": "IAMUser", "root": "Root", "federated-user": "FederatedUser"}
)
