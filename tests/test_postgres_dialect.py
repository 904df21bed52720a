"""Statements and texts on their way to PostgreSQL and back."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.store.postgres.dialect import escaped, translated, unescaped

TEXTS = st.text(st.sampled_from("\0\x01\x02a\ud7ff\U0010ffff"), max_size=6)


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT a FROM t WHERE b = ? AND c = ?", "SELECT a FROM t WHERE b = $1 AND c = $2"),
        ("SELECT ?2 WHERE a = ?1 OR b = ?2", "SELECT $2 WHERE a = $1 OR b = $2"),
        ("SELECT e.id FROM events e INDEXED BY events_by_time WHERE TRUE", "SELECT e.id FROM events e  WHERE TRUE"),
        ("FROM json_each(?) w CROSS JOIN events e ON e.id = w.value", "FROM numbers_of($1) w JOIN events e ON e.id = w.value"),
    ],
)
def test_a_statement_of_the_rooms_becomes_one_of_postgresql(sql: str, wanted: str) -> None:
    """Else the first search on PostgreSQL ends in a syntax error."""
    assert translated(sql) == wanted


def test_no_literal_of_a_statement_holds_what_is_translated(repository: Path) -> None:
    """The translation does not read SQL: a question mark in a literal would become a value that nobody gives."""
    statements = 0
    for path in sorted((repository / "exporter" / "store").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"(SELECT|INSERT|UPDATE|DELETE) ", node.value):
                statements += 1
                literals = re.findall(r"'[^']*'", node.value)
                assert not any("?" in literal or translated(literal) != literal for literal in literals), (path.name, node.value)
    assert statements > 50


@given(TEXTS, TEXTS)
def test_texts_come_back_and_keep_their_order(one: str, two: str) -> None:
    """PostgreSQL takes no NUL: a user agent with one must not stop its batch, nor cursors with one come in another order."""
    assert unescaped(escaped(one)) == one
    assert "\0" not in escaped(one)
    assert (one < two) == (escaped(one) < escaped(two))
    assert escaped(one + two).startswith(escaped(one))
