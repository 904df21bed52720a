"""A reader of Terraform's language as far as the modules use it, beside python-hcl2, which leaves expressions as text.

Source: HCL native syntax specification.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+|#[^\n]*|//[^\n]*)|(?P<newline>\n)|(?P<number>\d+)|(?P<word>[A-Za-z_](?:[\w-]*\w)?)"
    r"|(?P<mark>=>|==|!=|&&|\|\||\.\.\.|[{}\[\]()=,.:?!<>])"
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_BINARY = (("||",), ("&&",), ("==", "!="), ("<", ">"))

Expression = tuple[Any, ...]
"""A node: its kind, then its parts."""


@dataclass
class Block:
    """A block: its words, its attributes as expressions, and the blocks within."""

    words: tuple[str, ...]
    attributes: dict[str, Expression] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def within(self, word: str) -> list[Block]:
        """Return the blocks within that begin with a word."""
        return [block for block in self.blocks if block.words[0] == word]


def read(text: str) -> list[Block]:
    """Return the blocks of a file; raise SyntaxError where it is not understood."""
    reader = _Reader(_tokens(text))
    root = Block(("file",))
    reader.body(root, "end")
    return root.blocks


def _tokens(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    at = 0
    while at < len(text):
        if text[at] == '"':
            parts, at = _template(text, at + 1)
            found.append(("string", parts))
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise SyntaxError(f"no token at {text[at : at + 40]!r}")
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match[0]))
        at = match.end()
    return [*found, ("end", "end")]


def _template(text: str, at: int) -> tuple[list[Any], int]:
    """Return the parts of a quoted template, texts and expressions, and where it ends."""
    parts: list[Any] = [""]
    while text[at] != '"':
        if text[at] == "\\":
            parts[-1] += _ESCAPES[text[at + 1]]
            at += 2
        elif text.startswith(("$${", "%%{"), at):
            parts[-1] += text[at + 1 : at + 3]
            at += 3
        elif text.startswith("${", at):
            end, depth = at + 2, 1
            while depth:
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
            reader = _Reader([*_tokens(text[at + 2 : end - 1])])
            parts += [reader.expression(), ""]
            at = end
        else:
            parts[-1] += text[at]
            at += 1
    return parts, at + 1


class _Reader:
    def __init__(self, tokens: list[tuple[str, Any]]) -> None:
        self._tokens, self._at = tokens, 0

    def _is(self, mark: str) -> bool:
        return self._tokens[self._at] == ("mark", mark)

    def _word(self, word: str) -> bool:
        return self._tokens[self._at] == ("word", word)

    def _skip(self) -> None:
        while self._tokens[self._at][0] == "newline":
            self._at += 1

    def _take(self, mark: str | None = None) -> tuple[str, Any]:
        token = self._tokens[self._at]
        if mark is not None and token != ("mark", mark):
            raise SyntaxError(f"{token[1]!r} where {mark!r} should be")
        self._at += 1
        return token

    def body(self, block: Block, end: str) -> None:
        """Read attributes and blocks up to an end."""
        self._skip()
        while self._tokens[self._at][1] != end:
            name = self._take()[1]
            if self._is("="):
                self._take()
                if name in block.attributes:
                    raise SyntaxError(f"{name} stands twice")
                block.attributes[name] = self.expression()
            else:
                words = [name]
                while not self._is("{"):
                    kind, value = self._take()
                    words.append("".join(value) if kind == "string" else value)
                self._take("{")
                inner = Block(tuple(words))
                self.body(inner, "}")
                self._take("}")
                block.blocks.append(inner)
            if self._tokens[self._at][0] not in ("newline", "end") and self._tokens[self._at][1] != end:
                raise SyntaxError(f"{self._tokens[self._at][1]!r} on the line of {name}")
            self._skip()

    def expression(self) -> Expression:
        """Read an expression."""
        condition = self._binary(0)
        if not self._is("?"):
            return condition
        self._take()
        yes = self.expression()
        self._take(":")
        return ("if", condition, yes, self.expression())

    def _binary(self, level: int) -> Expression:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while any(self._is(mark) for mark in _BINARY[level]):
            mark = self._take()[1]
            left = ("binary", mark, left, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        if self._is("!"):
            self._take()
            return ("not", self._unary())
        value = self._primary()
        while self._is(".") or self._is("["):
            if self._take()[1] == ".":
                value = ("attribute", value, self._take()[1])
            else:
                value = ("index", value, self.expression())
                self._take("]")
        return value

    def _primary(self) -> Expression:
        kind, token = self._take()
        if kind == "string":
            return ("template", token)
        if kind == "number":
            return ("value", int(token))
        if (kind, token) == ("mark", "("):
            inner = self.expression()
            self._take(")")
            return inner
        if (kind, token) == ("mark", "["):
            return self._listed()
        if (kind, token) == ("mark", "{"):
            return self._object()
        if kind != "word":
            raise SyntaxError(f"{token!r} where an expression should be")
        if self._is("("):
            self._take()
            return ("call", token, self._several(")"))
        return ("value", {"true": True, "false": False, "null": None}[token]) if token in ("true", "false", "null") else ("name", token)

    def _several(self, end: str) -> list[Expression]:
        items = []
        self._skip()
        while not self._is(end):
            items.append(self.expression())
            self._skip()
            if not self._is(end):
                self._take(",")
                self._skip()
        self._take(end)
        return items

    def _listed(self) -> Expression:
        self._skip()
        return self._for("]") if self._word("for") else ("list", self._several("]"))

    def _object(self) -> Expression:
        self._skip()
        if self._word("for"):
            return self._for("}")
        pairs: list[tuple[Expression, Expression]] = []
        while not self._is("}"):
            kind, token = self._take()
            key: Expression = ("template", token) if kind == "string" else ("value", token)
            self._take("=")
            pairs.append((key, self.expression()))
            if self._is(","):
                self._take()
            elif not self._is("}") and self._tokens[self._at][0] != "newline":
                raise SyntaxError(f"{self._tokens[self._at][1]!r} between the members of an object")
            self._skip()
        self._take("}")
        return ("object", pairs)

    def _for(self, end: str) -> Expression:
        self._take()
        names = [self._take()[1]]
        if self._is(","):
            self._take()
            names.append(self._take()[1])
        assert self._take() == ("word", "in")
        over = self.expression()
        self._skip()
        self._take(":")
        self._skip()
        first = self.expression()
        second = None
        if end == "}":
            self._take("=>")
            second = self.expression()
        self._skip()
        only = None
        if self._word("if"):
            self._take()
            only = self.expression()
        self._skip()
        self._take(end)
        return ("for", tuple(names), over, first, second, only)
