"""SQL over trail logs, embedded: what the rows are, and what a statement may never cost."""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import SqlError, SqlRefused
from exporter.sql.base import Limits, Statement
from exporter.sql.conditions import EVERYTHING
from exporter.sql.narrow import Need
from tests.records import ACCOUNT, GROUP, REGION, authorize, event_id, record, write_trail
from tests.sql_logs import TABLE, ask, engine, write_lines


def nothing(_done: int, _all: int, _read: int) -> None:
    """Watch nothing."""


def test_values_are_text_as_hive_gives_it(tmp_path: Path) -> None:
    """A question that runs on Athena and on DuckDB must get the same answer of both."""
    odd = (
        '{"eventVersion": 1.05, "eventName": "X", "eventSource": "x.amazonaws.com", "readOnly": true, "managementEvent": false, "errorCode": null,'
        ' "requestParameters": {"a" : 1.0, "b":[1, 2]}, "responseElements": "text", "userIdentity": [1 ], "eventTime": {"x": 1},'
        ' "apiVersion": 12345678901234567890123, "resources": 5, "userAgent": "é\\u0000\\ud83d\\ude00", "addendum": true}'
    )  # fmt: skip
    write_lines(tmp_path / "x.ndjson", odd)
    names = "eventversion, readonly, managementevent, errorcode, requestparameters, responseelements, useridentity, eventtime, apiversion, resources"
    rows, result = ask(tmp_path, f"SELECT {names}, useragent, addendum, eventid, tlsdetails FROM {TABLE}")
    assert rows == [
        ("1.05", "true", "false", None, '{"a" : 1.0, "b":[1, 2]}', "text", "[1 ]", '{"x": 1}', "12345678901234567890123", "5",
         "é\0😀", "true", None, None)
    ]  # fmt: skip
    assert not result.problems


def test_keys_in_any_case_are_the_same_column(tmp_path: Path) -> None:
    """Some pipelines write all keys in lower case; Hive reads them, and so does the parser."""
    lower = {key.lower(): value for key, value in record("A", 1).items()}
    mixed = {("eventid" if key == "eventID" else key): value for key, value in record("B", 2).items()}
    write_trail(tmp_path / "x.json", lower, mixed, record("C", 3))
    rows, _ = ask(tmp_path, f"SELECT eventname, eventid, useridentity IS NOT NULL FROM {TABLE}")
    assert sorted(rows) == [("A", event_id(1), True), ("B", event_id(2), True), ("C", event_id(3), True)]


def test_every_form_of_a_file_gives_its_rows(tmp_path: Path) -> None:
    """Trail files, JSON lines, answers of LookupEvents, EventBridge events: what the source `files` reads, SQL reads."""
    write_trail(tmp_path / "a.json.gz", record("A", 1), record("B", 2))
    write_lines(tmp_path / "b.ndjson", record("C", 3))
    (tmp_path / "c.json").write_text(json.dumps({"Events": [{"EventId": event_id(4), "CloudTrailEvent": json.dumps(record("D", 4))}]}))
    (tmp_path / "d.json").write_text(json.dumps({"detail-type": "AWS API Call via CloudTrail", "detail": record("E", 5)}))
    (tmp_path / "e.jsonl.gz").write_bytes(gzip.compress(json.dumps(record("F", 6), indent=2).encode()))
    (tmp_path / "f.json").write_text(json.dumps([record("G", 7)]))
    for condition in ("", " WHERE eventsource = 'ec2.amazonaws.com'", " WHERE eventid LIKE '%-0000%'"):
        rows, result = ask(tmp_path, f"SELECT eventname FROM {TABLE}{condition}")
        assert sorted(name for (name,) in rows) == list("ABCDEFG")
        assert not result.problems
        assert result.notes[0].startswith("read 7 records of 6 files")


def test_a_reading_that_ended_early_does_not_tell_of_no_files(tmp_path: Path) -> None:
    """`LIMIT 1` over a large file said that 2,059 records of 0 files were read."""
    write_lines(tmp_path / "AWSLogs" / "x.ndjson", *(record("A", number) for number in range(20_000)))
    rows, result = ask(tmp_path, f"SELECT eventid FROM {TABLE} LIMIT 1")
    assert len(rows) == 1
    assert "rows enough" in result.notes[0]


def test_digests_are_no_files_of_records(tmp_path: Path) -> None:
    """With digests counted, every reading would seem to have ended early, and progress never got to its end."""
    write_trail(tmp_path / "a.json.gz", record("A", 1))
    digest = (
        f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/02/01/{ACCOUNT}_CloudTrail-Digest_{REGION}_t_{REGION}_20260201T000500Z.json.gz"
    )
    write_trail(tmp_path / digest, record("B", 2))
    rows, result = ask(tmp_path, f"SELECT eventname FROM {TABLE}")
    assert rows == [("A",)]
    assert result.notes[0].startswith("read 1 records of 1 files")


def test_a_column_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    """Only the columns that are named are filled, so the engine alone proposed `eventname` for any slip of the pen."""
    with pytest.raises(SqlError, match=r"the table has the columns eventversion, .*errorcode, .*day\)"):
        ask(tmp_path, f"SELECT errorcod FROM {TABLE}")


def test_the_place_of_a_file_tells_account_region_and_day(tmp_path: Path) -> None:
    """The day is that of the delivery, as Athena's partitions have it; where no path tells, the record does."""
    key = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/02/01/{ACCOUNT}_CloudTrail_{REGION}_20260201T0005Z_0123456789abcdef.json.gz"
    write_trail(tmp_path / key, record("A", 1, recipientAccountId="444455556666"))
    write_trail(tmp_path / "other.json", record("B", 2, awsRegion="eu-west-1"))
    sql = f"SELECT eventname, account, region, day FROM {TABLE}"
    both = [("A", ACCOUNT, REGION, "2026/02/01"), ("B", ACCOUNT, "eu-west-1", "2026/01/31")]
    assert sorted(ask(tmp_path, sql)[0]) == both
    rows, result = ask(tmp_path, f"{sql} WHERE day BETWEEN '2026/01/31' AND '2026/01/31'")
    assert (rows, result.notes[0].split("; ")[1]) == (both[1:], "1 files were passed over, for their account, region or day")


def test_a_table_read_twice_gives_the_same_rows_twice(tmp_path: Path) -> None:
    """A stream that can be read once gives nothing the second time, and a join of it looks like an answer."""
    write_lines(tmp_path / "x.ndjson", *(record("A", number) for number in range(3000)))
    joined = f"SELECT count(*) FROM {TABLE} a JOIN {TABLE} b ON a.eventid = b.eventid"
    named = f"WITH a AS (SELECT eventid FROM {TABLE}) SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM a)"
    nested = f"SELECT count(*) FROM {TABLE} WHERE eventid IN (SELECT max(eventid) FROM {TABLE})"
    assert [ask(tmp_path, sql)[0] for sql in (joined, named, nested)] == [[(3000,)], [(3000, 3000)], [(1,)]]


def test_duplicates_stay_and_the_order_is_that_of_the_files(tmp_path: Path) -> None:
    """Athena removes none: whoever counts deliveries must see them."""
    write_lines(tmp_path / "b.ndjson", record("B", 1), record("B", 1))
    write_lines(tmp_path / "a.ndjson", record("A", 1))
    assert ask(tmp_path, f"SELECT eventname FROM {TABLE}")[0] == [("A",), ("B",), ("B",)]


def test_what_cannot_be_read_is_named_and_ends_nothing(tmp_path: Path) -> None:
    """One bad file among thousands must neither hide the rest nor be passed over in silence."""
    write_lines(tmp_path / "a.ndjson", record("A", 1), '{"eventName": "B", ', record("C", 3))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [record("D", 4)]}).encode())[:-9])
    write_lines(tmp_path / "c.ndjson", record("E", 5))
    (tmp_path / "d.json").symlink_to(tmp_path / "d.json")
    hidden = tmp_path / "f.json"
    hidden.write_text("{}")
    hidden.chmod(0)
    rows, result = ask(tmp_path, f"SELECT eventname FROM {TABLE} ORDER BY 1")
    assert [name for (name,) in rows] == ["A", "C", "D", "E"]
    said = " ".join(result.problems)
    assert "a.ndjson" in said
    assert "b.json.gz" in said
    assert "records or files could not be understood (json 1, " in said
    assert os.geteuid() == 0 or "f.json: permission denied" in said


def test_half_a_surrogate_pair_and_wrong_bytes_lose_no_neighbour(tmp_path: Path) -> None:
    """What no table takes is made readable or counted, and its neighbours stay."""
    half = json.dumps(record("A", 1)).replace('"alice"', '"\\ud800"')
    (tmp_path / "x.ndjson").write_bytes(
        half.encode()
        + b"\n"
        + json.dumps(record("B", 2)).encode().replace(b'"alice"', b'"\xff"')
        + b"\n"
        + json.dumps(record("C", 3)).encode()
    )
    rows, result = ask(tmp_path, f"SELECT eventname, json_extract_scalar(useridentity, '$.userName') FROM {TABLE}")
    assert rows == [("A", "\ufffd"), ("C", "alice")]
    assert "encoding 1" in result.problems[0]


def test_json_functions_take_what_is_no_json(tmp_path: Path) -> None:
    """One odd record must not end a question over a million: Trino gives NULL there."""
    write_lines(
        tmp_path / "x.ndjson", record("A", 1, requestParameters="no {json"), record("B", 2, requestParameters={"a": {"b": 1}, "c": True})
    )
    sql = (
        f"SELECT json_extract_scalar(requestparameters, '$.a'), json_extract_scalar(requestparameters, '$.a.b'), "
        f"json_extract_scalar(requestparameters, '$.c'), regexp_like(useragent, '^aws-cli/'), json_extract_scalar(errorcode, '$.x') FROM {TABLE}"
    )
    assert ask(tmp_path, sql)[0] == [(None, None, None, True, None), (None, "1", "true", True, None)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        f"SELECT * FROM {TABLE}; SELECT 1",
        f"SELECT * FROM {TABLE} WHERE eventname = ?",
        "SELECT * FROM other",
    ],
)
def test_what_is_refused_reads_nothing(tmp_path: Path, sql: str) -> None:
    """The refusal must come before a terabyte is read."""
    running = engine(tmp_path / "is not there")
    with pytest.raises(SqlRefused):
        running.run(Statement(sql), Limits(), nothing)


def test_duckdb_itself_is_locked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the check miss something, DuckDB still opens no file and changes no setting."""
    write_lines(tmp_path / "x.ndjson", record("A", 1))
    monkeypatch.setattr("exporter.sql.duck.checked", lambda _statement, _tables: None)
    for sql in (
        f"SELECT * FROM read_text('{tmp_path}/x.ndjson')",
        f"SELECT * FROM '{tmp_path}/x.ndjson'",
        f"SELECT * FROM read_json('{tmp_path}/*')",
        f"SELECT * FROM glob('{tmp_path}/*')",
        "SELECT * FROM tests",
    ):
        with pytest.raises(SqlError):
            ask(tmp_path, sql)
    monkeypatch.setattr("exporter.sql.duck.need", lambda _statement, _tables: Need(("eventname",), EVERYTHING, once=True))
    for sql in (
        "SET memory_limit = '10GB'",
        "RESET enable_external_access",
        f"COPY {TABLE} TO '{tmp_path}/out'",
        f"ATTACH '{tmp_path}/x.db'",
    ):
        with pytest.raises(SqlError):
            ask(tmp_path, sql)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.ndjson"]


def test_more_rows_than_asked_for_are_cut_and_said_so(tmp_path: Path) -> None:
    """A cut answer that does not say so is a wrong one."""
    write_lines(tmp_path / "x.ndjson", *(record("A", number) for number in range(10)))
    for most, cut in ((9, True), (10, False), (11, False)):
        rows, result = ask(tmp_path, f"SELECT eventid FROM {TABLE}", limits=Limits(rows=most))
        assert (len(rows), result.truncated) == (min(most, 10), cut)


def test_a_statement_ends_when_its_time_is_over(tmp_path: Path) -> None:
    """A join that would run for days must not hold the process."""
    write_lines(tmp_path / "x.ndjson", *(record("A", number) for number in range(20_000)))
    begin = time.monotonic()
    with pytest.raises(SqlError, match="longer than 1 s"):
        ask(
            tmp_path,
            f"SELECT count(*) FROM {TABLE} a, {TABLE} b, {TABLE} c WHERE a.eventid || b.eventid < c.eventid || 'x'",
            limits=Limits(seconds=1),
        )
    assert time.monotonic() - begin < 60


def test_a_statement_can_be_cancelled_from_elsewhere(tmp_path: Path) -> None:
    """Ctrl-C, a closed page, a stopped service: what runs must end, while it reads and while it counts."""
    write_lines(tmp_path / "x.ndjson", *(record("A", number) for number in range(20_000)))
    running = engine(tmp_path)
    threading.Timer(1, running.cancel).start()
    endless = f"SELECT count(*) FROM {TABLE} a, {TABLE} b, {TABLE} c WHERE a.eventid || b.eventid < c.eventid || 'x'"
    with pytest.raises(SqlError, match="cancelled"):
        running.run(Statement(endless), Limits(), nothing)
    assert list(running.run(Statement(f"SELECT count(*) FROM {TABLE}"), Limits(), nothing).rows) == [(20_000,)]


_CHILD = """
import re, sys
from pathlib import Path
from tests.sql_logs import ask
rows, result = ask(Path(sys.argv[1]), sys.argv[2])
print(len(rows), int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""
"""Not ru_maxrss, which a process has from the one that started it."""


def test_sorting_and_joining_all_records_stays_within_memory(tmp_path: Path) -> None:
    """What does not fit must spill to disk: the naive form died of 18 GB."""
    padding = {"requestParameters": {"x": "y" * 6000}}
    for number in range(12):
        write_trail(tmp_path / f"{number}.json.gz", *(record("A", number * 5000 + index, **padding) for index in range(5000)))
    sql = f"SELECT a.eventid, a.requestparameters FROM {TABLE} a JOIN {TABLE} b ON a.eventid = b.eventid ORDER BY b.eventid DESC LIMIT 3"
    done = subprocess.run([sys.executable, "-c", _CHILD, str(tmp_path), sql], capture_output=True, text=True, timeout=250, check=True)
    rows, peak = map(int, done.stdout.split())
    assert rows == 3
    assert peak < 500


def test_thousands_of_small_files_do_no_harm(tmp_path: Path) -> None:
    """A trail makes a file every five minutes in every region, most with a handful of records."""
    for number in range(1500):
        write_trail(tmp_path / f"{number % 10}" / f"{number}.json.gz", record("A", number))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows, result = ask(tmp_path, f"SELECT count(*), count(DISTINCT eventid) FROM {TABLE}")
    assert rows == [(1500, 1500)]
    assert result.notes[0].startswith("read 1,500 records of 1,500 files")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_progress_is_told_while_files_are_read(tmp_path: Path) -> None:
    """A long scan without a sign of life is taken for a hung one."""
    for number in range(3):
        write_trail(tmp_path / f"{number}.json", authorize(number, group=GROUP))
    told: list[tuple[int, int, int]] = []
    result = engine(tmp_path).run(Statement(f"SELECT count(*) FROM {TABLE}"), Limits(), lambda *step: told.append(step))
    assert list(result.rows) == [(3,)]
    assert told
    assert told[0][1] == 3


def test_the_how_tos_two_queries_run_as_they_stand(tmp_path: Path) -> None:
    """They are what people paste; only the name of the table is ours."""
    created: dict[str, Any] = {"eventTime": "2019-03-01T00:00:00Z"}
    write_trail(
        tmp_path / "x.json.gz",
        record("DeleteSecurityGroup", 1, eventTime="2019-03-02T00:00:00Z"),
        record("CreateSecurityGroup", 2, **created),
        record("CreateSecurityGroup", 3, eventTime="2019-02-14T00:00:00Z"),
        authorize(4, group="sg-123456789", eventTime="2019-03-03T00:00:00Z"),
        record("RunInstances", 5, requestParameters={"groupSet": {"items": [{"groupId": "sg-123456789"}]}}),
    )
    first = (
        f"SELECT * FROM {TABLE} WHERE (eventname = 'CreateSecurityGroup' or eventname = 'DeleteSecurityGroup') "
        "and eventtime > '2019-02-15T00:00:00Z' order by eventtime asc"
    )
    second = (
        f"SELECT * FROM {TABLE} WHERE (eventname like '%SecurityGroup%' and requestparameters like '%sg-123456789%') "
        "and eventtime > '2019-02-15T00:00:00Z' order by eventtime asc;"
    )
    rows, result = ask(tmp_path, first)
    at = result.columns.index("eventid")
    assert [row[at] for row in rows] == [event_id(2), event_id(1)]
    assert [row[at] for row in ask(tmp_path, second)[0]] == [event_id(4)]
