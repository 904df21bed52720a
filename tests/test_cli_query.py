"""`query` as a person types it: usual questions, free SQL, each form, and what it says where it cannot answer."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.sql.named import NAMED
from tests.records import authorize, record, write_trail

pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")

GROUP = "sg-0123456789abcdef0"


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """Return a directory with three records."""
    directory = tmp_path / "trail"
    write_trail(
        directory / "a.json.gz",
        record("CreateSecurityGroup", 1, eventTime="2026-01-31T10:00:00Z"),
        authorize(2, group=GROUP, eventTime="2026-01-31T11:00:00Z", userAgent="=cmd()\u202e\x1b[31m<script>"),
        record("RunInstances", 3, eventTime="2026-01-31T12:00:00Z"),
    )
    return directory


def query(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["query", *map(str, arguments)])


def test_every_usual_question_is_listed_with_its_sql_and_answers(trail: Path) -> None:
    """A question that is listed and fails is found at three in the morning."""
    listed = query("--list")
    assert listed.exit_code == 0
    for question in NAMED:
        assert question.name in listed.stdout
        assert question.help in listed.stdout
        values = [f"--param={parameter.name}={GROUP}" for parameter in question.parameters if parameter.default is None]
        done = query("--name", question.name, *values, "--path", trail, "--format", "ndjson")
        assert done.exit_code == 0, done.output


def test_a_question_takes_times_as_people_write_them(trail: Path) -> None:
    """`since` of every other command takes 90d and a day; here too, or the answer is silently empty."""
    done = query("--name", "group-events", f"--param=group={GROUP}", "--param=since=2026-01-31", "--path", trail, "--format", "ndjson")
    assert [json.loads(line)["eventname"] for line in done.stdout.splitlines()] == ["AuthorizeSecurityGroupIngress"]
    late = query("--name", "group-events", f"--param=group={GROUP}", "--param=since=2026-02-01", "--path", trail, "--format", "ndjson")
    assert (late.exit_code, late.stdout) == (0, "")


def test_the_same_rows_come_in_every_form_and_nothing_hostile_runs(trail: Path) -> None:
    """A user agent is a caller's to choose: no terminal obeys it, and no spreadsheet."""
    sql = "SELECT eventname, useragent FROM cloudtrail_logs WHERE eventname LIKE 'Authorize%'"
    forms = {form: query(sql, "--path", trail, "--format", form) for form in ("table", "json", "csv", "ndjson")}
    assert {done.exit_code for done in forms.values()} == {0}
    assert "\x1b" not in forms["table"].stdout
    assert "\u202e" not in forms["table"].stdout
    (row,) = json.loads(forms["json"].stdout)
    assert row == json.loads(forms["ndjson"].stdout)
    assert row["useragent"].startswith("=cmd()")
    header, cells = csv.reader(io.StringIO(forms["csv"].stdout))
    assert header == ["eventname", "useragent"]
    assert cells[1].startswith("'=cmd()")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give a SELECT"),
        (("SELECT 1 FROM cloudtrail_logs", "--name", "group-events"), "give a SELECT"),
        (("SELECT 1 FROM cloudtrail_logs", "--param", "a=b"), "--param is for a question"),
        (("--name", "group-events", "--param", "group"), "key=value"),
        (("--name", "group-events"), "needs a value: group"),
        (("--name", "nonsense"), "choose from"),
        (("--name", "group-events", "--param=group=x", "--param=since=soon"), "--param since"),
        (("DROP TABLE cloudtrail_logs",), "SELECT"),
        (("SELECT * FROM read_csv('/etc/passwd')",), "table"),
        (("SELECT * FROM '/etc/passwd'",), "table"),
        (("SELECT 1 FROM cloudtrail_logs; SELECT 2 FROM cloudtrail_logs",), "statements"),
    ],
)
def test_what_is_asked_wrongly_is_said_before_anything_is_read(trail: Path, arguments: tuple[str, ...], told: str) -> None:
    """The exit status tells a script that the question, not the answer, was wrong."""
    done = query(*arguments, "--path", trail)
    assert done.exit_code == 2, done.output
    assert told in done.stderr
    assert done.stdout == ""


def test_an_answer_that_lacks_something_ends_with_one(trail: Path) -> None:
    """Half an answer that looks whole is the worst one."""
    cut = query("SELECT eventname FROM cloudtrail_logs", "--path", trail, "--max-rows", "2", "--format", "csv")
    assert cut.exit_code == 1
    assert "Only the first 2 rows" in cut.stderr
    (trail / "broken.json.gz").write_bytes((trail / "a.json.gz").read_bytes()[:-20])
    broken = query("SELECT count(*) AS n FROM cloudtrail_logs", "--path", trail, "--format", "ndjson")
    assert broken.exit_code == 1
    assert "broken.json.gz" in broken.stderr
    assert "not complete" in broken.stderr
    assert json.loads(broken.stdout)["n"] >= 3


def test_without_logs_it_says_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer has no configuration yet."""
    monkeypatch.chdir(tmp_path)
    done = query("SELECT 1 FROM cloudtrail_logs")
    assert done.exit_code == 2
    assert "--path" in done.stderr
