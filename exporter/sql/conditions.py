"""Conditions that a record must meet to matter to a statement, asked before a row is made of it: they may err only by letting through."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Test = Callable[[str], bool]
_ESCAPED = b"\\u00"
"""How JSON may write any ASCII character; where it stands, a search for bytes tells nothing."""

_SURE = re.compile(r"\\?[A-Za-z0-9:.@_+=-]+")
"""What stands in JSON text as it is, inside a string or not. A backslash before it stands there at least once."""


@dataclass(frozen=True, slots=True)
class Is:
    """A column, if it is known, must have a value that passes a test."""

    column: str
    test: Test


@dataclass(frozen=True, slots=True)
class Holds:
    """The record's JSON text must hold these bytes, or an escape that may stand for them."""

    needle: bytes


@dataclass(frozen=True, slots=True)
class All:
    """All parts must be met; none at all lets everything through."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part must be met."""

    parts: tuple[Condition, ...]


Condition = Is | Holds | All | AnyOf

EVERYTHING = All()


def possible(condition: Condition, known: Mapping[str, str | None], raw: bytes | None = None) -> bool:
    """Tell whether what is known can meet a condition: values of columns (None is NULL), and JSON text of a record or of several."""
    if isinstance(condition, Is):
        if condition.column not in known:
            return True
        value = known[condition.column]
        return value is not None and condition.test(value)
    if isinstance(condition, Holds):
        return raw is None or condition.needle in raw or _ESCAPED in raw
    if isinstance(condition, All):
        return all(possible(part, known, raw) for part in condition.parts)
    return any(possible(part, known, raw) for part in condition.parts)


def both(parts: list[Condition]) -> Condition:
    """Return a condition of all parts, without those that let everything through."""
    real = tuple(part for part in parts if part != EVERYTHING)
    return real[0] if len(real) == 1 else All(real)


def either(parts: list[Condition]) -> Condition:
    """Return a condition of any part; one that lets everything through decides."""
    if EVERYTHING in parts:
        return EVERYTHING
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))


def holding(text: str) -> Condition:
    """Return the condition of records of which some column holds a text."""
    sure = max(_SURE.findall(text), key=len, default="")
    return Holds(sure.encode()) if sure else EVERYTHING


def like(pattern: str, escape: str) -> tuple[Test, Condition] | None:
    """Return a pattern of LIKE as a test of a value, and what a record must hold that has such a value; None where it is malformed."""
    parts: list[str] = []
    literal, literals = "", [""]
    characters = iter(pattern)
    for character in characters:
        if escape and character == escape:
            escaped = next(characters, None)
            if escaped is None or escaped not in (escape, "%", "_"):
                return None
            literal = escaped
        elif character in "%_":
            parts.append(".*" if character == "%" else ".")
            literals.append("")
            continue
        else:
            literal = character
        parts.append(re.escape(literal))
        literals[-1] += literal
    fits = re.compile("".join(parts), re.DOTALL)
    # What counts as one character beyond ASCII is for the engine to say.
    exact = "." not in parts
    return (lambda value: fits.fullmatch(value) is not None or not (exact or value.isascii())), both(list(map(holding, literals)))
