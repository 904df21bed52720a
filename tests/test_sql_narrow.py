"""What a statement needs of the logs: never less than it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sql import duck
from exporter.sql.base import Statement
from exporter.sql.conditions import EVERYTHING, possible
from exporter.sql.narrow import Need, need
from tests.records import record
from tests.sql_logs import TABLE, ask, write_lines

TABLES = {TABLE}


def _need(sql: str, *parameters: str) -> Need:
    return need(Statement(sql, parameters), TABLES)


def test_only_the_columns_that_are_named_are_filled() -> None:
    """A count of names over a terabyte of records must not carry their bodies along."""
    assert _need(f"SELECT eventname, count(*) FROM {TABLE} GROUP BY 1").columns == ("eventname",)
    assert _need(f"SELECT count(*) FROM {TABLE}").columns == ("eventname",)
    assert set(_need(f'SELECT t."EventID" FROM {TABLE} t WHERE day = ?', "x").columns) == {"eventid", "day"}


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM {TABLE}",
        f"SELECT t.* FROM {TABLE} t",
        f"SELECT t FROM {TABLE} t",
        f"SELECT {TABLE} FROM {TABLE}",
        f"SELECT a.eventid FROM {TABLE} a NATURAL JOIN {TABLE} b",
        f"SELECT count(*) FROM (SELECT DISTINCT * FROM {TABLE}) AS d",
        f"SELECT x.first FROM {TABLE} AS x(first)",
        f"SELECT x.eventname FROM ({TABLE}) AS x(eventname)",
        f"SELECT COLUMNS('event.*') FROM {TABLE}",
    ],
)
def test_a_star_or_the_row_itself_needs_every_column(sql: str) -> None:
    """A column that is not filled would be NULL in an answer that looks whole."""
    assert len(_need(sql).columns) == 32


@pytest.mark.parametrize(
    ("where", "met"),
    [
        ("eventname = 'A'", {"A"}),
        ("'A' = eventname", {"A"}),
        ("eventname IN ('A', 'B')", {"A", "B"}),
        ("eventname LIKE 'A%'", {"A", "AB"}),
        ("eventname LIKE '_'", {"A", "B"}),
        ("eventname LIKE 'A!%%' ESCAPE '!'", set()),
        ("eventname > 'A' AND eventname <= 'B'", {"AB", "B"}),
        ("'A' < eventname", {"AB", "B"}),
        ("eventname BETWEEN 'A' AND 'AZ'", {"A", "AB"}),
        ("eventname = 'A' OR eventname = 'B'", {"A", "B"}),
        ("(eventname = 'A' OR eventname = 'B') AND eventname LIKE '%B'", {"B"}),
        ("eventname = 'A' AND lower(eventid) = 'x'", {"A"}),
        ("cloudtrail_logs.eventname = 'A'", {"A"}),
        ("other.eventname = 'A'", {"A", "B", "AB"}),
        # Whatever is not sure lets everything through.
        ("eventname <> 'A'", {"A", "B", "AB"}),
        ("NOT eventname = 'A'", {"A", "B", "AB"}),
        ("eventname NOT LIKE 'A%'", {"A", "B", "AB"}),
        ("eventname NOT IN ('A')", {"A", "B", "AB"}),
        ("lower(eventname) = 'a'", {"A", "B", "AB"}),
        ("eventname = 'A' OR eventid = lower('X')", {"A", "B", "AB"}),
        ("eventname = 'A' OR true", {"A", "B", "AB"}),
        ("eventname = upper('a')", {"A", "B", "AB"}),
        ("eventname NOT BETWEEN 'A' AND 'AZ'", {"A", "B", "AB"}),
        ("eventname IN (SELECT eventid FROM cloudtrail_logs)", {"A", "B", "AB"}),
        ("CASE WHEN eventname = 'A' THEN false ELSE true END", {"A", "B", "AB"}),
        ("(eventname = 'A') IS NOT TRUE", {"A", "B", "AB"}),
        ("(eventname = 'A') = false", {"A", "B", "AB"}),
        ("coalesce(eventname = 'A', true)", {"A", "B", "AB"}),
    ],
)
def test_names_are_narrowed_only_where_that_is_sure(where: str, met: set[str]) -> None:
    """A record that is left out by mistake is missing from an answer that says it is complete."""
    condition = _need(f"SELECT eventid FROM {TABLE} WHERE {where}").condition
    assert {name for name in ("A", "B", "AB") if possible(condition, {"eventname": name, "eventsource": "x"})} == met


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT lower(eventname) AS eventname FROM {TABLE} WHERE eventname = 'A'",
        f"SELECT a.eventid FROM {TABLE} a JOIN {TABLE} b ON true WHERE a.eventname = 'A'",
        f"SELECT a.eventid FROM {TABLE} a LEFT JOIN {TABLE} b ON a.eventid = b.eventid AND b.eventname = 'A'",
        f"SELECT eventid FROM {TABLE} WHERE eventname = 'A' UNION ALL SELECT eventid FROM {TABLE}",
        f"SELECT eventid FROM {TABLE}, (SELECT 1) AS one WHERE eventname = 'A'",
        f"SELECT count(*) FILTER (WHERE eventname = 'A') FROM {TABLE}",
        f"SELECT eventname FROM {TABLE} GROUP BY eventname HAVING eventname = 'A'",
        f"SELECT (SELECT count(*) FROM {TABLE} b WHERE a.eventname = 'A') FROM {TABLE} a WHERE a.eventname = 'A'",
        f"SELECT (SELECT count(*) FROM {TABLE} WHERE one.eventname = 'A') FROM (SELECT 'A' AS eventname) AS one",
        f"SELECT x.eventid FROM {TABLE} AS x(eventname, eventid) WHERE eventname = 'A'",
    ],
)
def test_a_condition_elsewhere_than_right_over_the_table_narrows_nothing(sql: str) -> None:
    """The other side of a join or a union needs records that this condition is not about."""
    assert _need(sql).condition == EVERYTHING


def test_a_table_read_twice_needs_what_either_reading_does() -> None:
    """Each name of WITH may mean other records of one table."""
    sql = f"WITH a AS (SELECT eventid FROM {TABLE} WHERE eventname = 'A'), b AS (SELECT eventid FROM {TABLE} WHERE eventname = 'B') "
    needed = _need(sql + "SELECT count(*) FROM a, b")
    assert [possible(needed.condition, {"eventname": name}) for name in ("A", "B", "C")] == [True, True, False]
    assert not needed.once


_NAMES = st.sampled_from(["CreateSecurityGroup", "DeleteSecurityGroup", "RunInstances", "Ä", "", "a_b", "a%b", "20%"])
_RECORDS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "eventName": st.one_of(_NAMES, st.none(), st.integers(0, 3)),
            "eventsource": _NAMES,
            "eventSource": st.one_of(_NAMES, st.none()),
            "eventID": st.sampled_from(["sg-1", "sg-12", "x\\u00y", "\\u0073g-1", None]),
            "requestParameters": st.recursive(
                st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["sg-1", "sg-12", "'", "%", "_", "é"])),
                lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["sg-1", "b"]), inner, max_size=2)),
                max_leaves=4,
            ),
        },
    ),
    max_size=6,
)
_COLUMN = st.sampled_from(["eventname", "eventsource", "eventid", "requestparameters", "day"])
_VALUE = st.one_of(_NAMES, st.sampled_from(["sg-1", "%sg-1%", "%Security%", "_%", "!%", "%!_%", "2026/01/31", '{"b":1}']))
_ATOMS = st.one_of(
    st.builds(lambda column, op: (f"{column} {op} ?", 1), _COLUMN, st.sampled_from(["=", "<", ">", "<=", ">=", "<>", "LIKE"])),
    st.builds(lambda column: (f"{column} LIKE ? ESCAPE '!'", -1), _COLUMN),
    st.builds(lambda column: (f"{column} IN (?, ?)", 2), _COLUMN),
    st.builds(lambda column: (f"{column} NOT LIKE ?", 1), _COLUMN),
    st.builds(lambda column: (f"strpos({column}, ?) > 0", 1), _COLUMN),
    st.builds(lambda column: (f"{column} BETWEEN ? AND ?", 2), _COLUMN),
    st.builds(lambda column: (f"{column} IS NULL", 0), _COLUMN),
)
_WHERE = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds(lambda a, b, op: (f"({a[0]} {op} {b[0]})", (a, b)), inner, inner, st.sampled_from(["AND", "OR"])),
        st.builds(lambda a: (f"NOT ({a[0]})", (a,)), inner),
    ),
    max_leaves=4,
)


def _count(node: Any) -> list[int]:
    return [abs(node)] if isinstance(node, int) else [number for part in node for number in _count(part[1])]


@given(records=_RECORDS, where=_WHERE, data=st.data(), escaped=st.booleans())
@settings(max_examples=40)
def test_narrowing_changes_no_answer(tmp_path_factory: pytest.TempPathFactory, records: Any, where: Any, data: Any, escaped: bool) -> None:
    """Whatever the question and the records, what is left out beforehand is what the engine would have left out."""
    text, shape = where
    values = [data.draw(_VALUE) for _ in range(sum(_count(shape)))]
    values = [value if "ESCAPE" not in text else value.replace("!%", "%").replace("!_", "_").replace("!", "") for value in values]
    path = tmp_path_factory.mktemp("logs") / "x.ndjson"
    made = [record() | {"eventName": "x", "n": number} | item for number, item in enumerate(records)]
    lines = [json.dumps(item) for item in made]
    if escaped:
        lines = ["".join(f"\\u{ord(c):04x}" if c == "g" else c for c in line) if "\\" not in line else line for line in lines]
    write_lines(path, *lines)
    sql = f"SELECT eventid, eventname, eventsource, requestparameters FROM {TABLE} WHERE {text}"
    narrowed, told = ask(path, sql, *values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duck, "need", lambda statement, tables: Need(need(statement, tables).columns, EVERYTHING, once=True))
        assert ask(path, sql, *values)[0] == narrowed
    assert not told.problems
