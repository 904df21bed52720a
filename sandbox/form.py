"""The form that the query and EC2 protocols send (`IpPermissions.1.IpRanges.1.CidrIp=…`), as a tree.

Source: Smithy, AWS query protocol and AWS EC2 query protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl

Node: TypeAlias = "str | dict[str, Node]"
Tree: TypeAlias = "dict[str, Node]"
_ENVELOPE = frozenset({"Action", "Version"})
MOST_DEPTH = 16


def form_of(body: bytes) -> dict[str, str]:
    """Return the fields of a form; of a field that is given twice the last counts."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def tree_of(form: Mapping[str, str]) -> Tree:
    """Return the fields as nested mappings, without Action and Version; list positions are keys ("1", "2").

    A field that contradicts another (`A=1&A.B=2`) is left out, as is one nested deeper than any call of AWS.
    """
    root: Tree = {}
    for name, value in form.items():
        steps = name.split(".")
        if name in _ENVELOPE or len(steps) > MOST_DEPTH:
            continue
        place = root
        for step in steps[:-1]:
            below = place.setdefault(step, {})
            if not isinstance(below, dict):
                break
            place = below
        else:
            if steps[-1] not in place:
                place[steps[-1]] = value
    return root


def items_of(node: Node) -> list[Node]:
    """Return the members of a list in their order; a lone value is a list of one."""
    if isinstance(node, str):
        return [node]
    return [node[key] for key in sorted(node, key=lambda key: (int(key) if key.isascii() and key.isdigit() else 0, key))]


def is_list(node: Node) -> bool:
    """Tell whether every key is a position."""
    return isinstance(node, dict) and bool(node) and all(key.isascii() and key.isdigit() for key in node)


def text_of(tree: Tree, name: str) -> str | None:
    """Return a field that must be plain text; None where it is absent or something else."""
    value = tree.get(name)
    return value if isinstance(value, str) else None


def texts_of(node: Node | None) -> list[str]:
    """Return the plain members of a list."""
    return [] if node is None else [item for item in items_of(node) if isinstance(item, str)]


def trees_of(nodes: Iterable[Node]) -> list[Tree]:
    """Return those members that have fields."""
    return [node for node in nodes if isinstance(node, dict)]
