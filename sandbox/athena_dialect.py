"""What is a statement of Athena and what is not, by sqlglot's grammar of it and a list of what that lets pass.

The parser is lenient (it takes many dialects for one another), so functions, operators and forms that only others have are refused by
name. Wording and categories of the failures are inferred. Trino's own grammar is not here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.athena_functions import FUNCTIONS, WORDS

USER, SYSTEM = 2, 1
LONGEST = 262_144

_FOREIGN = frozenset({"DCOLON", "GLOB", "HASH_ARROW", "ILIKE", "L_BRACE", "QUALIFY", "RLIKE", "SESSION_PARAMETER", "SIMILAR_TO"})
_SYMBOLS = ("::", "~", "@", "#", "{", "}", "->>", ":=", "//", "`")

_SUBSCRIBED = frozenset({"VAR", "IDENTIFIER", "R_PAREN", "R_BRACKET", "ARRAY"})
"""What a bracket may follow: a list on its own is written ARRAY[…]."""


class StatementError(Exception):
    """Why a query fails: a reason as Athena words it, and the category of the error (1 its own fault, 2 the statement's)."""

    def __init__(self, reason: str, category: int = USER, *, retryable: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.category, self.retryable = reason, category, retryable


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement, understood: its text as it came, what it is, its tree with the parameters in their places, and their values."""

    sql: str
    kind: str
    tree: Any
    values: tuple[Any, ...]


def parse(sql: str, parameters: Sequence[str]) -> Parsed:
    """Return what a statement says. Raises StatementError."""
    word = re.match(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w+|\S|$)", sql, re.DOTALL)
    first = word[1].upper() if word is not None else ""
    if first in {"CREATE", "DROP"}:
        return Parsed(sql, "DDL", _tree(sql), ())
    if first not in {"SELECT", "WITH", "("}:
        raise StatementError(f"SYNTAX_ERROR: line 1:1: mismatched input '{first[:80] or '<EOF>'}'. Expecting: 'SELECT', 'WITH', '('")
    sqlglot = _sqlglot()
    try:
        tokens = sqlglot.tokenize(sql, dialect="athena")
    except sqlglot.errors.SqlglotError as error:
        raise _syntax_error(str(error)) from None
    _check_tokens(sql, tokens)
    places = [token for token in tokens if token.token_type.name == "PLACEHOLDER"]
    tree = _tree(sql)
    _check_tree(tree, len(places))
    if len(places) != len(parameters):
        raise StatementError(f"SYNTAX_ERROR: line 1:1: Incorrect number of parameters: expected {len(places)} but found {len(parameters)}")
    values = tuple(_value(text) for text in parameters)
    filled = sql
    for token, text in reversed(list(zip(places, parameters, strict=True))):
        filled = f"{filled[: token.start]}{text}{filled[token.end + 1 :]}"
    return Parsed(sql, "DML", _tree(filled) if parameters else tree, values)


def statements(sql: str) -> int:
    """Return how many statements a text has, as far as semicolons outside of quotes tell."""
    bare = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL)
    return sum(bool(part.strip()) for part in bare.split(";"))


def _sqlglot() -> Any:
    try:
        import sqlglot  # noqa: PLC0415 - a sandbox that is asked for no SQL does without
        import sqlglot.errors  # noqa: PLC0415
    except ImportError:
        raise StatementError("the sandbox has no sqlglot and no duckdb; install the extra `sql`", SYSTEM) from None
    return sqlglot


def _tree(sql: str) -> Any:
    sqlglot = _sqlglot()
    try:
        found = [tree for tree in sqlglot.parse(sql, dialect="athena") if tree is not None]
    except sqlglot.errors.ParseError as error:
        told = error.errors[0] if error.errors else {}
        near = str(told.get("highlight") or "")[:80]
        raise _syntax_error(f"line {told.get('line', 1)}:{told.get('col', 1)}: mismatched input '{near}'") from None
    except sqlglot.errors.SqlglotError as error:
        raise _syntax_error(str(error)) from None
    if len(found) != 1:
        raise _syntax_error("line 1:1: one statement expected")
    return found[0]


def _syntax_error(why: str) -> StatementError:
    return StatementError(f"SYNTAX_ERROR: {' '.join(why.split())[:400]}")


def _check_tokens(sql: str, tokens: Sequence[Any]) -> None:
    for place, token in enumerate(tokens):
        name, text = token.token_type.name, str(token.text)
        quoted = name in {"STRING", "IDENTIFIER", "NATIONAL_STRING", "HEX_STRING"} or sql[token.start] in "'\""
        where = f"line {token.line}:{token.col - len(text) + 1 if token.col >= len(text) else token.col}"
        before = tokens[place - 1].token_type.name if place else ""
        if not quoted and (name in _FOREIGN or text in _SYMBOLS or (name == "L_BRACKET" and before not in _SUBSCRIBED)):
            raise StatementError(f"SYNTAX_ERROR: {where}: mismatched input '{text[:80]}'")
        follows = tokens[place + 1] if place + 1 < len(tokens) else None
        if quoted or follows is None or follows.token_type.name != "L_PAREN" or not re.fullmatch(r"[A-Za-z_]\w*", text):
            continue
        if text.lower() in FUNCTIONS | WORDS or _names_columns(tokens, place, before):
            continue
        raise StatementError(f"SYNTAX_ERROR: {where}: Function '{text.lower()[:80]}' not registered")


def _names_columns(tokens: Sequence[Any], place: int, before: str) -> bool:
    """Tell whether a name before a parenthesis is that of a CTE or an alias with its columns: `WITH t (a) AS`, `AS t (a)`."""
    return before in {"WITH", "ALIAS", "COMMA", "RECURSIVE"} and (before == "ALIAS" or _then_as(tokens, place + 1))


def _then_as(tokens: Sequence[Any], place: int) -> bool:
    depth = 0
    for at in range(place, len(tokens)):
        depth += {"L_PAREN": 1, "R_PAREN": -1}.get(tokens[at].token_type.name, 0)
        if depth == 0:
            return at + 1 < len(tokens) and tokens[at + 1].token_type.name == "ALIAS"
    return False


def _check_tree(tree: Any, parameters: int) -> None:
    from sqlglot import exp  # noqa: PLC0415 - as above

    if not isinstance(tree, exp.Query):
        raise _syntax_error("line 1:1: Queries of this type are not supported")
    selects = list(tree.find_all(exp.Select))
    if any(not select.expressions for select in selects):
        raise _syntax_error("line 1:8: mismatched input 'FROM'. Expecting: a select item")
    for star in tree.find_all(exp.Star):
        if any(star.args.get(name) for name in ("except_", "except", "replace", "rename")):
            raise _syntax_error("line 1:10: mismatched input after '*'")
    if any(True for _ in tree.find_all(exp.TableSample)):
        raise _syntax_error("line 1:1: the sandbox takes no samples")
    if any(distinct.args.get("on") for distinct in tree.find_all(exp.Distinct)):
        raise _syntax_error("line 1:17: mismatched input 'ON'")
    within = [place for place in tree.find_all(exp.Placeholder) if place.find_ancestor(exp.Where) is not None]
    if len(within) != parameters:
        raise _syntax_error("line 1:1: parameters are supported in the WHERE clause only")


def _value(text: str) -> Any:
    """Return the value of a parameter, which must be a literal of SQL."""
    if re.fullmatch(r"'(?:[^']|'')*'", text, re.DOTALL):
        return text[1:-1].replace("''", "'")
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if re.fullmatch(r"[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?", text):
        return float(text)
    if text.lower() in {"true", "false", "null"}:
        return {"true": True, "false": False, "null": None}[text.lower()]
    raise StatementError(f"SYNTAX_ERROR: line 1:1: Column '{text[:80]}' cannot be resolved; a text is given as a literal, in quotes")
