"""The dialect of all services but EC2: the names of the API with a small first letter, lists as plain arrays.

A list of the query protocol stands below `member` or its own name on the wire, and in an answer too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element

from botocore.model import ListShape, Shape, StructureShape

from sandbox.classic import lower_first, typed
from sandbox.form import Node, Tree, is_list, items_of

_LEFT_OUT = frozenset({"zipFile"})
"""Code of functions, which CloudTrail does not log."""
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_SECRET = frozenset({"secretaccesskey", "password", "newpassword", "oldpassword", "masteruserpassword", "secretstring", "plaintext"})


def asked(shape: Shape | None, tree: Tree) -> dict[str, Any]:
    """Return requestParameters of a call in the query protocol."""
    members = shape.members if isinstance(shape, StructureShape) else {}
    return {lower_first(name): _hidden(name) or _asked(members.get(name), node) for name, node in tree.items()}


def spelled(value: Any) -> Any:
    """Return decoded JSON with the names of the API as records spell them, secrets hidden."""
    if isinstance(value, Mapping):
        named = {lower_first(str(name)): _hidden(str(name)) or spelled(below) for name, below in value.items()}
        return {name: below for name, below in named.items() if name not in _LEFT_OUT}
    if isinstance(value, list):
        return [spelled(item) for item in value]
    return value


def answered(shape: Shape | None, answer: Element) -> dict[str, Any] | None:
    """Return responseElements of a call in the query protocol; None where the answer says nothing."""
    result = next((child for child in answer if child.tag.rpartition("}")[2].endswith("Result")), None)
    body = None if result is None else _read(shape, result)
    return body if isinstance(body, dict) and body else None


def _hidden(name: str) -> str | None:
    return HIDDEN if name.lower() in _SECRET else None


def _asked(shape: Shape | None, node: Node) -> Any:
    if isinstance(node, str):
        return typed(shape, node)
    if isinstance(shape, ListShape) or is_list(node):
        # `Tags.member.1.Key`: the positions stand one level below the name of the list.
        inner = next(iter(node.values())) if len(node) == 1 and not is_list(node) else node
        member = shape.member if isinstance(shape, ListShape) else None
        return [_asked(member, item) for item in items_of(inner)]
    return asked(shape, node)


def _read(shape: Shape | None, element: Element) -> Any:
    if isinstance(shape, ListShape):
        return [_read(shape.member, child) for child in element]
    if isinstance(shape, StructureShape):
        names = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        body: dict[str, Any] = {}
        for child in element:
            tag = child.tag.rpartition("}")[2]
            name, member = names.get(tag, (tag, None))
            body[lower_first(name)] = _hidden(name) or _read(member, child)
        # CloudTrail hides the secret by leaving it out of what STS and IAM answer.
        return {name: value for name, value in body.items() if value != HIDDEN}
    if shape is not None and shape.type_name == "timestamp":
        return moment(element.text or "")
    return typed(shape, element.text or "")


def moment(text: str) -> str:
    """Return a time as CloudTrail writes it in answers: `Jan 31, 2026, 1:05:09 PM`."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return text
    return f"{at:%b} {at.day}, {at.year}, {at.hour % 12 or 12}:{at:%M:%S %p}"
