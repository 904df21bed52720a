"""Terraform's language: the roles with policy and trust, and the hub's managed policy.

Source: Terraform language reference, "Strings and templates": in quotes the backslash escapes, and `${` and `%{` begin templates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporter.errors import ConfigError
from exporter.iam.documents import trust_statement, trusted
from exporter.iam.grants import HUB
from exporter.iam.principals import Principal

_HOUR = 3600
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class _Expression:
    """Text that is Terraform already."""

    text: str


_HUB_VARIABLE = _Expression("var.hub_principal_arn")


def render(chosen: tuple[Principal, ...], hub: str) -> str:
    """Return Terraform for one principal; raise ConfigError where several are asked for, which live in different accounts."""
    if len(chosen) != 1:
        names = ", ".join(principal.name for principal in chosen)
        raise ConfigError(f"--format terraform: one file is for one principal; choose with --for: {names}")
    principal = chosen[0]
    if not principal.roles:
        return _resource("aws_iam_policy", {"name": "aws-change-exporter", "policy": _encoded(principal.policy())})
    path, name = principal.role()
    statements = [
        trust_statement(_callers(callers), external_id, number) for number, (callers, external_id) in enumerate(trusted(principal), 1)
    ]
    role: dict[str, Any] = {
        "name": name,
        "path": path,
        "assume_role_policy": _encoded({"Version": "2012-10-17", "Statement": statements}),
    }
    if principal.session_seconds > _HOUR:
        role["max_session_duration"] = principal.session_seconds
    blocks = [_resource("aws_iam_role", role)]
    if principal.statements:
        policy = {
            "name": "aws-change-exporter",
            "role": _Expression("aws_iam_role.aws_change_exporter.id"),
            "policy": _encoded(principal.policy()),
        }
        blocks.append(_resource("aws_iam_role_policy", policy))
    if any(one.caller == HUB for one in principal.trusts):
        variable = {"type": _Expression("string"), "description": "ARN of the role or user that the exporter runs as."}
        blocks.insert(0, _block('variable "hub_principal_arn"', variable | ({"default": hub} if hub else {})))
    return "\n".join(blocks)


def _callers(callers: tuple[str, ...]) -> Any:
    written = [_HUB_VARIABLE if caller == HUB else caller for caller in callers]
    return written if len(written) > 1 else written[0]


def _resource(kind: str, attributes: Mapping[str, Any]) -> str:
    return _block(f'resource "{kind}" "aws_change_exporter"', attributes)


def _block(header: str, attributes: Mapping[str, Any]) -> str:
    width = max(map(len, attributes))
    lines = [f"  {name.ljust(width)} = {_value(value, 1)}\n" for name, value in attributes.items()]
    return f"{header} {{\n{''.join(lines)}}}\n"


def _encoded(document: Mapping[str, Any]) -> _Expression:
    return _Expression(f"jsonencode({_value(document, 1)})")


def _value(value: Any, depth: int) -> str:
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, _Expression):
        return value.text
    if isinstance(value, Mapping):
        lines = [f"{inner}{_key(key)} = {_value(item, depth + 1)}\n" for key, item in value.items()]
        return f"{{\n{''.join(lines)}{outer}}}"
    if isinstance(value, list | tuple):
        lines = [f"{inner}{_value(item, depth + 1)},\n" for item in value]
        return f"[\n{''.join(lines)}{outer}]" if lines else "[]"
    return str(value) if isinstance(value, int) else quoted(str(value))


def _key(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else quoted(key)


def quoted(text: str) -> str:
    """Return text as a quoted string that Terraform reads back as it was."""
    escaped = "".join(
        _ESCAPES.get(character) or (character if character.isprintable() else f"\\U{ord(character):08x}") for character in text
    )
    return '"' + re.sub(r"[$%]+(?=\{)", _literal, escaped) + '"'


def _literal(signs: re.Match[str]) -> str:
    """Return the signs before a brace so that they begin no template: one is doubled, the last of several is written by its number."""
    before, last = signs[0][:-1], signs[0][-1]
    return f"{before}\\u{ord(last):04x}" if before else last * 2
