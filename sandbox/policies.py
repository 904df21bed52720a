"""IAM policies, evaluated as far as a policy of least privilege for a reader needs: actions, resources and string conditions.

Source: IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements". What is not understood is refused when the policy is
read, so that nothing is allowed or denied by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.asked import FREE, Asked
from sandbox.identities import Identity

_OPERATORS = {"StringEquals": False, "ArnEquals": True, "StringLike": True, "ArnLike": True}
"""Condition operators, and whether they know wildcards."""
_IF_EXISTS = "IfExists"


@dataclass(frozen=True, slots=True)
class _Condition:
    key: str
    patterns: tuple[re.Pattern[str], ...]
    absent: bool

    def holds(self, context: Mapping[str, str]) -> bool:
        value = next((value for key, value in context.items() if key.lower() == self.key), None)
        return self.absent if value is None else any(pattern.fullmatch(value) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class _Statement:
    allows: bool
    actions: tuple[re.Pattern[str], ...]
    resources: tuple[re.Pattern[str], ...]
    conditions: tuple[_Condition, ...]
    principals: tuple[str, ...]

    def applies(self, asked: Asked) -> bool:
        return (
            any(action.fullmatch(asked.action) for action in self.actions)
            and any(resource.fullmatch(asked.resource) for resource in self.resources)
            and all(condition.holds(asked.context) for condition in self.conditions)
        )


class Policy:
    """One policy document, of an identity or of a role's trust. Raises ValueError where it is none that the sandbox understands."""

    def __init__(self, document: Any) -> None:
        if not isinstance(document, Mapping) or "Statement" not in document:
            raise ValueError("is no IAM policy; it needs a `Statement`")
        self._statements = tuple(_statement(item) for item in _several(document["Statement"]))

    def allows(self, asked: Asked) -> bool | None:
        """Return what the policy says of a request: True and False are its word, None is that it says nothing."""
        said = [statement.allows for statement in self._statements if statement.applies(asked)]
        return all(said) if said else None

    def trusts(self, caller: Identity, region: str, asked: Asked) -> bool:
        """Tell whether, as a role's trust policy, it lets a caller assume the role."""
        said = [
            statement.allows
            for statement in self._statements
            if statement.applies(Asked(asked.action, "", asked.context)) and _names(statement.principals, caller, region)
        ]
        return bool(said) and all(said)


class Policies:
    """The policies of access keys and of principals, by key or by ARN (that of a role, not of its session)."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._policies: dict[str, Policy] = {}
        for who, document in documents.items():
            self.add(who, document)

    def add(self, who: str, document: Any) -> None:
        """Give a policy to an access key or principal. Raises ValueError."""
        try:
            self._policies[who] = Policy(document)
        except ValueError as error:
            raise ValueError(f"the policy of {who} {error}") from None

    def refuses(self, access_key: str, identity: Identity, region: str, asked: Asked) -> bool:
        """Tell whether a request is not allowed. Whoever has no policy here may do everything."""
        found = [self._policies[who] for who in (access_key, identity.principal_arn(region)) if who in self._policies]
        if not found or asked.action in FREE:
            return False
        said = {policy.allows(asked) for policy in found}
        return False in said or True not in said


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _statement(item: Any) -> _Statement:
    if not isinstance(item, Mapping) or item.get("Effect") not in {"Allow", "Deny"}:
        raise ValueError("has a statement without `Effect`: Allow or Deny")
    unknown = sorted(set(item) - {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"})
    if unknown or "Action" not in item:
        raise ValueError(f"has a statement with {', '.join(unknown) or 'no Action'}, which the sandbox does not know")
    actions = tuple(_wild(str(action), re.IGNORECASE) for action in _several(item["Action"]))
    resources = tuple(_wild(str(resource)) for resource in _several(item.get("Resource", "" if "Principal" in item else "*")))
    return _Statement(item["Effect"] == "Allow", actions, resources, tuple(_conditions(item.get("Condition", {}))), _principals(item))


def _conditions(block: Any) -> Iterable[_Condition]:
    for operator, keys in block.items():
        name, _, modifier = operator.partition(":")
        if modifier:
            raise ValueError(f"has the condition {operator}, which the sandbox does not know")
        absent = name.endswith(_IF_EXISTS)
        name = name.removesuffix(_IF_EXISTS)
        if name not in _OPERATORS:
            raise ValueError(f"has the condition {operator}, which the sandbox does not know; choose from {', '.join(_OPERATORS)}")
        for key, values in keys.items():
            texts = [str(value) for value in _several(values)]
            patterns = tuple(_wild(text) if _OPERATORS[name] else re.compile(re.escape(text)) for text in texts)
            yield _Condition(key.lower(), patterns, absent)


def _principals(item: Mapping[str, Any]) -> tuple[str, ...]:
    principal = item.get("Principal", ())
    if isinstance(principal, Mapping):
        return tuple(str(name) for kind, names in principal.items() if kind == "AWS" for name in _several(names))
    return (str(principal),) if principal else ()


def _names(principals: Iterable[str], caller: Identity, region: str) -> bool:
    account, arn = caller.account_id, caller.principal_arn(region)
    known = {"*", account, f"{arn.rpartition(':')[0]}:root", arn, caller.arn(region)}
    return any(principal in known for principal in principals)


def _wild(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what matches a text in which `*` is anything and `?` any one character."""
    return re.compile("".join({"*": ".*", "?": "."}.get(letter) or re.escape(letter) for letter in text), flags | re.DOTALL)
