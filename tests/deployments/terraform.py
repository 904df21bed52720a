"""A module of Terraform worked out: every resource that it makes, with its arguments, and its outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.deployments.hcl import Block, Expression, read
from tests.deployments.places import ACCOUNT, PARTITION, REGION, identity


class Unknown(KeyError):
    """A variable without a value, a name that nothing defines, or an attribute that no table has."""


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "jsonencode": json.dumps,
    "flatten": lambda lists: [item for some in lists for item in (some if isinstance(some, list) else [some])],
    "compact": lambda texts: [text for text in texts if text],
    "distinct": lambda items: list(dict.fromkeys(items)),
    "length": len,
}
_DATA = {
    "aws_caller_identity": {"account_id": ACCOUNT},
    "aws_partition": {"partition": PARTITION},
    "aws_region": {"id": REGION},
}
_META = {"count", "depends_on", "for_each", "provider"}


class Module:
    """A module, and what it makes with these variables."""

    def __init__(self, folder: Path, variables: Mapping[str, Any]) -> None:
        blocks = _blocks(folder)
        self.declared = {block.words[1]: block for block in blocks if block.words[0] == "variable"}
        unknown = set(variables) - set(self.declared)
        if unknown:
            raise Unknown(unknown)
        self._variables = dict(variables)
        self._locals: dict[str, Expression] = {}
        for block in blocks:
            if block.words[0] == "locals":
                assert not set(self._locals) & set(block.attributes)
                self._locals |= block.attributes
        self._resources = {(block.words[1], block.words[2]): block for block in blocks if block.words[0] == "resource"}
        self._outputs = {block.words[1]: block for block in blocks if block.words[0] == "output"}
        self.providers = [block for block in blocks if block.words[0] == "terraform"]

    def variable(self, name: str) -> Any:
        """Return the value of a variable, given or by default."""
        if name in self._variables:
            return self._variables[name]
        return self.value(self.declared[name].attributes["default"])

    def resources(self) -> list[tuple[str, dict[str, Any]]]:
        """Return each resource that is made: its type, and its arguments without those that are null."""
        return [(kind, self._made(block)) for (kind, _), block in self._resources.items() if self._count(block)]

    def outputs(self) -> dict[str, Any]:
        """Return the outputs that are not null."""
        found = {name: self.value(block.attributes["value"]) for name, block in self._outputs.items()}
        return {name: value for name, value in found.items() if value is not None}

    def refusals(self) -> list[str]:
        """Return the messages of the preconditions that do not hold."""
        return [
            self.value(check.attributes["error_message"])
            for block in self._resources.values()
            if self._count(block)
            for lifecycle in block.within("lifecycle")
            for check in lifecycle.within("precondition")
            if not self.value(check.attributes["condition"])
        ]

    def _count(self, block: Block) -> int:
        return int(self.value(block.attributes["count"])) if "count" in block.attributes else 1

    def _made(self, block: Block, scope: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found = {name: self.value(expression, scope) for name, expression in block.attributes.items() if name not in _META}
        for inner in block.blocks:
            if inner.words[0] == "lifecycle":
                continue
            if inner.words[0] == "dynamic":
                (content,) = inner.within("content")
                for item in self.value(inner.attributes["for_each"], scope):
                    found.setdefault(inner.words[1], []).append(self._made(content, {inner.words[1]: {"value": item}}))
            else:
                found.setdefault(inner.words[0], []).append(self._made(inner, scope))
        return {name: value for name, value in found.items() if value is not None}

    def value(self, node: Expression, scope: Mapping[str, Any] | None = None) -> Any:
        """Return what an expression is worth."""
        return getattr(self, f"_{node[0]}")(scope or {}, *node[1:])

    def _value(self, _scope: Any, value: Any) -> Any:
        return value

    def _template(self, scope: Any, parts: list[Any]) -> str:
        return "".join(part if isinstance(part, str) else str(self.value(part, scope)) for part in parts)

    def _list(self, scope: Any, items: list[Expression]) -> list[Any]:
        return [self.value(item, scope) for item in items]

    def _object(self, scope: Any, pairs: list[tuple[Expression, Expression]]) -> dict[str, Any]:
        return {self.value(key, scope): self.value(item, scope) for key, item in pairs}

    def _if(self, scope: Any, condition: Expression, yes: Expression, no: Expression) -> Any:
        return self.value(yes if self.value(condition, scope) else no, scope)

    def _not(self, scope: Any, inner: Expression) -> bool:
        return not self.value(inner, scope)

    def _binary(self, scope: Any, mark: str, left: Expression, right: Expression) -> Any:
        one, other = self.value(left, scope), self.value(right, scope)
        return {"||": one or other, "&&": one and other, "==": one == other, "!=": one != other}.get(
            mark, one > other if mark == ">" else None
        )

    def _call(self, scope: Any, name: str, arguments: list[Expression]) -> Any:
        return _FUNCTIONS[name](*(self.value(argument, scope) for argument in arguments))

    def _for(self, scope: Any, names: tuple[str, ...], over: Expression, first: Expression, second: Any, only: Any) -> Any:
        items = self.value(over, scope)
        pairs = sorted(items.items()) if isinstance(items, dict) else list(enumerate(items))
        rounds = [{**scope, **dict(zip(names, pair if len(names) == 2 else pair[1:], strict=True))} for pair in pairs]
        rounds = [one for one in rounds if only is None or self.value(only, one)]
        if second is None:
            return [self.value(first, one) for one in rounds]
        return {self.value(first, one): self.value(second, one) for one in rounds}

    def _name(self, scope: Any, name: str) -> Any:
        if name in scope:
            return scope[name]
        return ("root", name)

    def _index(self, scope: Any, of: Expression, key: Expression) -> Any:
        value, index = self.value(of, scope), self.value(key, scope)
        if isinstance(value, tuple) and value[0] == "resource":
            assert index == 0, value
            return ("one", *value[1:])
        return value[index]

    def _attribute(self, scope: Any, of: Expression, name: str) -> Any:
        value = self.value(of, scope)
        if not isinstance(value, tuple):
            return value[name]
        kind = value[0]
        if kind == "root" and value[1] == "var":
            return self.variable(name)
        if kind == "root" and value[1] == "local":
            return self.value(self._locals[name])
        if kind == "root" and value[1] == "data":
            return ("data", name)
        if kind == "root":
            if (value[1], name) not in self._resources:
                raise Unknown(f"{value[1]}.{name}")
            return ("resource", value[1], name)
        if kind == "data":
            return _DATA[value[1]] if name == "current" else _unknown(name)
        return self._of_resource(value, name)

    def _of_resource(self, value: tuple[Any, ...], name: str) -> Any:
        block = self._resources[value[1], value[2]]
        counted = "count" in block.attributes
        assert counted == (value[0] == "one"), f"{value[1]}.{value[2]} has {'a' if counted else 'no'} count"
        assert self._count(block), f"{value[1]}.{value[2]} is not made, but asked for its {name}"
        return identity(value[1], self._made(block), name)


@cache
def _blocks(folder: Path) -> list[Block]:
    return [block for path in sorted(folder.glob("*.tf")) for block in read(path.read_text(encoding="utf-8"))]


def _unknown(name: str) -> Any:
    raise Unknown(name)
