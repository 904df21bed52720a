"""A reader of as much of Terraform's language as `iam-policy` writes, to tell that what it writes means what it should.

Source: HCL native syntax specification (blocks, attributes, expressions, quoted templates).
"""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(r'\s*(?:(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<word>[A-Za-z_][\w.-]*)|(?P<number>\d+)|(?P<mark>[{}\[\]()=,])|(?P<end>$))')
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class Reference(str):
    """An expression that refers to something, such as var.name."""

    __slots__ = ()


def read(text: str) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Return every block: its words, and its attributes with jsonencode(…) as the value inside."""
    reader = _Reader(text)
    blocks = []
    while reader.kind != "end":
        header = []
        while reader.value != "{" or reader.kind != "mark":
            header.append(reader.take())
        blocks.append((tuple(header), reader.body(",")))
    return blocks


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.kind, self.value = "", ""
        self._next()

    def _next(self) -> None:
        match = _TOKEN.match(self._text, self._at)
        assert match is not None, f"no token at {self._text[self._at : self._at + 40]!r}"
        self.kind, self.value, self._at = str(match.lastgroup), match[str(match.lastgroup)], match.end()

    def take(self, expected: str | None = None) -> str:
        value, kind = self.value, self.kind
        assert expected is None or (kind, value) == ("mark", expected), f"{value!r} where {expected!r} should be"
        self._next()
        return _unquoted(value) if kind == "string" else value

    def body(self, separator: str) -> dict[str, Any]:
        self.take("{")
        found: dict[str, Any] = {}
        while self.value != "}" or self.kind != "mark":
            assert self.kind in ("word", "string"), self.value
            name = self.take()
            self.take("=")
            assert name not in found, f"{name} stands twice"
            found[name] = self._expression()
            if self.value == separator and self.kind == "mark":
                self._next()
        self.take("}")
        return found

    def _expression(self) -> Any:
        if self.kind == "string":
            return self.take()
        if self.kind == "number":
            return int(self.take())
        if self.kind == "word":
            word = self.take()
            if word != "jsonencode":
                return Reference(word)
            self.take("(")
            inner = self._expression()
            self.take(")")
            return inner
        if self.value == "{":
            return self.body(",")
        self.take("[")
        items = []
        while self.value != "]" or self.kind != "mark":
            items.append(self._expression())
            if self.value == ",":
                self._next()
        self.take("]")
        return items


def _unquoted(quoted: str) -> str:
    """Return what a quoted template stands for; a template that would be filled in is an error."""
    inner = quoted[1:-1]
    unescaped = re.sub(r"\$\$\{|%%\{", "(", inner)
    assert "${" not in unescaped, f"{quoted} would be filled in"
    assert "%{" not in unescaped, f"{quoted} would be filled in"
    inner = re.sub(r"([$%])\1(?=\{)", r"\1", inner)
    return re.sub(
        r"\\(?:U([0-9a-fA-F]{8})|u([0-9a-fA-F]{4})|(.))",
        lambda match: chr(int(match[1] or match[2], 16)) if match[1] or match[2] else _ESCAPES[match[3]],
        inner,
    )
