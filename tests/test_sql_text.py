"""The statement that finds what history asks for, the usual questions, and the way back from a row to a record."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from exporter.catalog import Watch
from exporter.errors import MalformedRecord, SqlRefused
from exporter.history.counted import everything
from exporter.history.matching import Matcher
from exporter.model import ChangeEvent, Outcome
from exporter.parse import RecordParser
from exporter.sql.base import Statement
from exporter.sql.columns import COLUMNS
from exporter.sql.named import NAMED, named
from exporter.sql.reads_only import checked
from exporter.sql.records import record_reader
from exporter.sql.text import history_statement
from exporter.store.base import Query
from tests.records import ACCOUNT, GROUP, REGION, authorize, event_id, record
from tests.sql_logs import TABLE, ask, write_lines

NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
SINCE = datetime(2026, 1, 31, 10, tzinfo=UTC)


def _statement(partitioned: bool = False, **filters: Any) -> Statement:
    return history_statement(Query(**filters), TABLE, NOW, partitioned=partitioned)


FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"security_groups": (GROUP, "name:web servers", "arn:aws:iam::111122223333:role/x")},
    {"rule_ids": ("sgr-0123456789abcdef0",), "outcomes": (Outcome.SUCCESS,)},
    {"event_names": ("Create*", "DeleteSecurityGroup", "*_%!*")},
    {"principals": ("role/Deploy*", "arn:aws:sts::*:assumed-role/x/y")},
    {"accounts": (ACCOUNT,), "regions": (REGION,), "since": SINCE, "until": SINCE + timedelta(days=3)},
    {"event_ids": (event_id(1),), "outcomes": (Outcome.DENIED, Outcome.FAILED)},
    {"since": datetime.min.replace(tzinfo=UTC), "until": datetime.max.replace(tzinfo=UTC)},
)


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("partitioned", [False, True])
def test_the_statement_is_one_select_for_both_engines_and_holds_no_value(filters: dict[str, Any], partitioned: bool) -> None:
    """A value in the text is an injection; a dialect that only one engine reads is two languages to keep."""
    statement = _statement(partitioned, **filters)
    checked(statement, {TABLE})
    sqlglot.parse_one(statement.sql, read="trino")
    for value in statement.parameters:
        assert value not in statement.sql
    assert "LIMIT" not in statement.sql


def test_days_are_those_of_delivery_and_bounded_on_both_sides() -> None:
    """A file comes up to a day after its events; a bound that is too narrow loses what happened before midnight."""
    one = _statement(True, since=SINCE, until=SINCE + timedelta(hours=1))
    assert "day >= ? AND day <= ?" in one.sql
    assert one.parameters[:2] == ("2026/01/31", "2026/02/01")
    assert _statement(True, since=SINCE).parameters[:2] == ("2026/01/31", "2026/02/11")
    assert "day" not in _statement(True, security_groups=(GROUP,)).sql.partition("WHERE")[2]


def _recorded(shared_data: Path) -> list[dict[str, Any]]:
    with gzip.open(shared_data / "records.ndjson.gz", "rb") as lines:
        return [json.loads(line) for line in lines]


def _questions(events: list[ChangeEvent], chance: random.Random) -> Iterator[dict[str, Any]]:
    for event in chance.sample(events, min(12, len(events))):
        who = event.principal
        rules = [change.rule.rule_id for change in event.rule_changes if change.rule.rule_id]
        yield {"security_groups": tuple({*event.security_groups[:1], *(resource.id for resource in event.resources[:2])})}
        yield {"principals": (who.name,)}
        yield {"principals": tuple(text for text in (who.session, who.arn) if text)}
        yield {"principals": (f"*{who.name[len(who.name) // 2 :]}", f"{who.name[:7]}*")}
        yield {"event_names": (f"{event.event_name[:4]}*", event.event_name), "accounts": (event.account_id,), "regions": (event.region,)}
        yield {"outcomes": (event.outcome,), "since": event.event_time, "until": event.event_time + timedelta(seconds=1)}
        yield {"event_ids": (event.event_id,)}
        yield {"rule_ids": tuple(rules), "outcomes": (event.outcome, Outcome.NOOP)}


def test_whatever_matches_is_among_the_rows(shared_data: Path) -> None:
    """The statement narrows by text what the parser decides by meaning: over 3,120 real and odd records it may lose none."""
    parser = RecordParser(everything(), lambda _changes: ())
    events: list[ChangeEvent] = []
    for item in _recorded(shared_data):
        try:
            event = parser.parse(item, b"")
        except MalformedRecord:
            continue
        if isinstance(event, ChangeEvent):
            events.append(event)
    asked = 0
    for filters in _questions(events, random.Random(7)):
        query = Query(**filters)
        matching = {event.event_id for event in filter(Matcher(query).matches, events)}
        statement = history_statement(query, TABLE, NOW, partitioned=False)
        rows, result = ask(shared_data / "records.ndjson.gz", statement.sql, *statement.parameters)
        read = record_reader(result.columns)
        found = set()
        for row in rows:
            try:
                event = parser.parse(read(row)[1], b"")
            except MalformedRecord:
                continue
            if isinstance(event, ChangeEvent):
                found.add(event.event_id)
        missing = {name for name in matching - found if not name.startswith("hash:")}
        assert not missing, filters
        asked += 1
    assert asked > 90


def test_watched_calls_narrow_only_where_nothing_is_named(tmp_path: Path) -> None:
    """Without a name the answer is what is watched; a name of the API's version is still that call."""
    path = write_lines(
        tmp_path / "x.ndjson",
        record("CreateFunction20150331", 1, eventSource="lambda.amazonaws.com"),
        record("CreateFunction", 2, eventSource="lambda.amazonaws.com"),
        record("CreateFunction", 3),
        record("DescribeInstances", 4),
    )
    watched = [("lambda.amazonaws.com", "CreateFunction")]
    plain = history_statement(Query(), TABLE, NOW, partitioned=False, watched=watched)
    rows, result = ask(path, plain.sql, *plain.parameters)
    at = result.columns.index("eventid")
    assert [row[at] for row in rows] == [event_id(1), event_id(2)]
    assert history_statement(Query(event_names=("X",)), TABLE, NOW, partitioned=False, watched=watched) == _statement(event_names=("X",))


def test_a_row_becomes_the_record_that_it_was(tmp_path: Path) -> None:
    """Event ids, fingerprints and rules must come out the same whether a record came as JSON or as a row."""
    records = [
        record("DescribeInstances", 1),
        authorize(2),
        record(
            "X", 3, errorCode="Client.AccessDenied", errorMessage='no "quotes"\n', resources=[{"ARN": "arn:aws:s3:::b"}], apiVersion="2"
        ),
        {key: value for key, value in record("Y", 4).items() if key != "eventID"},
    ]
    rows, result = ask(write_lines(tmp_path / "x.ndjson", *records), f"SELECT * FROM {TABLE}")
    read = record_reader(result.columns)
    for row, original in zip(rows, records, strict=True):
        raw, decoded = read(row)
        assert decoded == original
        assert json.loads(raw) == original
    parser = RecordParser(Watch(), lambda _changes: ())
    _, decoded = read(rows[1])
    assert parser.parse(decoded, b"") == parser.parse(records[1], b"")


def test_a_row_that_can_be_no_record_says_so() -> None:
    """Broken JSON in a column is one malformed record, not the end of an answer."""
    read = record_reader(["requestparameters", "eventname", "account", "other"])
    assert read(('{"a": 1}', "X", "1", "2"))[1] == {"requestParameters": {"a": 1}, "eventName": "X"}
    with pytest.raises(MalformedRecord, match="requestParameters is no JSON"):
        read(('{"a": ', "X", "1", "2"))


@pytest.mark.parametrize("question", NAMED, ids=lambda question: question.name)
def test_every_usual_question_parses_for_athena_and_runs_on_duckdb(question: Any, tmp_path: Path) -> None:
    """They are asked at three in the morning: one that does not run is worse than none."""
    console = {"userAgent": "console.ec2.amazonaws.com", "sessionCredentialFromConsole": "true"}
    path = write_lines(
        tmp_path / "x.ndjson",
        record("CreateSecurityGroup", 1, requestParameters={"groupName": "web"}, responseElements={"groupId": GROUP}),
        authorize(2, **console),
        authorize(3, cidr="192.0.2.0/24"),
        authorize(4, errorCode="Client.UnauthorizedOperation"),
        record("DescribeSecurityGroups", 5, requestParameters={"groupId": GROUP}),
        record("DeleteSecurityGroup", 6, eventTime="2013-01-01T00:00:00Z"),
        record("DeleteSecurityGroup", 7, requestParameters="odd", userIdentity=None),
    )
    values = {"group": GROUP} if question.name == "group-events" else {}
    statement = question.statement(TABLE, values)
    checked(statement, {TABLE})
    sqlglot.parse_one(statement.sql, read="trino")
    assert statement.sql.count("?") == len(statement.parameters)
    rows, result = ask(path, statement.sql, *statement.parameters)
    expected = {
        "groups-created-deleted": {event_id(1), event_id(7)},
        "group-events": {event_id(number) for number in (1, 2, 3, 4, 5)},
        "opened-to-the-world": {event_id(2)},
        "console-changes": {event_id(2)},
    }
    if question.name == "first-time-principals":
        assert [(row[2], row[3]) for row in rows] == [(None, 1)]
        assert question.statement(TABLE, {"since": "2012-01-01T00:00:00Z"}).parameters == ("%SecurityGroup%", "2012-01-01T00:00:00Z")
    else:
        at = result.columns.index("eventid")
        assert {row[at] for row in rows} == expected[question.name]


def test_a_question_says_what_it_takes() -> None:
    """A value that is misspelt must not be passed over, nor a needed one be made up."""
    with pytest.raises(SqlRefused, match="needs a value: group"):
        named("group-events").statement(TABLE, {})
    with pytest.raises(SqlRefused, match="takes no 'sense'; it takes since"):
        named("opened-to-the-world").statement(TABLE, {"sense": "x"})
    with pytest.raises(SqlRefused, match="choose from groups-created-deleted"):
        named("nonsense")
    assert len({question.name for question in NAMED}) == len(NAMED) >= 5
    assert all(column.name in _statement().sql for column in COLUMNS)


def test_the_guide_names_every_usual_question() -> None:
    """A question that no page names is never asked."""
    guide = (Path(__file__).parent.parent / "docs/history.md").read_text(encoding="utf-8")
    assert [name for name in re.findall(r"^\| `([a-z-]+)` \|", guide, re.MULTILINE) if "-" in name and name != "aws-config"] == [
        question.name for question in NAMED
    ]
