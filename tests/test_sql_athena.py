"""The engine that runs SQL by Athena: against the sandbox, and against a fake for all that goes wrong at AWS."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from exporter.aws import Operation
from exporter.aws.operations import GET_QUERY, GET_QUERY_RESULTS, START_QUERY, STOP_QUERY
from exporter.errors import AwsError, SqlError
from exporter.logs import make_logger
from exporter.sql.athena import AthenaEngine
from exporter.sql.athena_cost import cost
from exporter.sql.base import Limits, Statement
from exporter.sql.settings import AthenaSettings
from sandbox.server import Sandbox, Settings
from tests.athena_table import OUTPUT, TABLE, Asker, ddl, make_buckets, put, record
from tests.aws_session import Heard, opened
from tests.sandbox_client import REGION, client

pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")

LOG = make_logger("error", "console")
ALL = f"SELECT eventid FROM {TABLE}"


def no_progress(_done: int, _all: int, _bytes: int) -> None:
    """Say nothing."""


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.on_sleep = 0.0, lambda: None

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.on_sleep()


def execution(state: str, scanned: int = 0, reason: str = "", *, retryable: bool = False) -> dict[str, Any]:
    """Return what GetQueryExecution tells."""
    status: dict[str, Any] = {"State": state} | ({"StateChangeReason": reason} if reason else {})
    if state == "FAILED":
        status["AthenaError"] = {"ErrorCategory": 1 if retryable else 2, "Retryable": retryable, "ErrorMessage": reason}
    return {"QueryExecution": {"Status": status, "Statistics": {"DataScannedInBytes": scanned}}}


def page(rows: list[list[str | None]], token: str = "", names: tuple[str, ...] = ("eventid",), kind: str = "varchar") -> dict[str, Any]:
    """Return what GetQueryResults tells."""
    told = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in rows]
    columns = {"ColumnInfo": [{"Name": name, "Type": kind} for name in names]}
    return {"ResultSet": {"Rows": told, "ResultSetMetadata": columns}} | ({"NextToken": token} if token else {})


class Fake:
    """A caller whose Athena answers what a test says: the states in their order, the last for ever, then the pages.

    `start` and the states may be errors that are raised. `asked` has every call.
    """

    region, partition, account_id = REGION, "aws", "111122223333"

    def __init__(self, *states: Mapping[str, Any] | BaseException, pages: list[Any] | None = None, start: list[Any] | None = None) -> None:
        self._states, self._pages, self._start = list(states), pages or [page([["eventid"]])], start or []
        self.asked: list[tuple[Operation, dict[str, Any]]] = []
        self.dollars: list[float] = []

    def call(self, operation: Operation, /, **parameters: Any) -> Mapping[str, Any]:
        """Answer."""
        self.asked.append((operation, parameters))
        if operation is START_QUERY:
            return _told(self._start.pop(0) if self._start else {"QueryExecutionId": f"q{len(self.of(START_QUERY))}"})
        if operation is STOP_QUERY:
            self._states = [execution("CANCELLED", 20_000_000)]
            return {}
        if operation is GET_QUERY_RESULTS:
            return _told(self._pages.pop(0))
        assert operation is GET_QUERY
        return _told(self._states.pop(0) if len(self._states) > 1 else self._states[0])

    def spent(self, _operation: Operation, dollars: float) -> None:
        """Keep it."""
        self.dollars.append(dollars)

    def of(self, operation: Operation) -> list[dict[str, Any]]:
        """Return the parameters of the calls of an operation."""
        return [parameters for one, parameters in self.asked if one is operation]


def _told(answer: Any) -> Any:
    if isinstance(answer, BaseException):
        raise answer
    return answer


def run(fake: Fake, statement: Statement | str = ALL, clock: Clock | None = None, limits: Limits | None = None, **settings: Any) -> Any:
    """Run a statement by a fake and return its result, with the rows as a list."""
    clock = clock or Clock()
    engine = AthenaEngine(fake, AthenaSettings(**settings), LOG, clock.sleep, clock)  # type: ignore[arg-type]
    result = engine.run(Statement(statement) if isinstance(statement, str) else statement, limits or Limits(), no_progress)
    result.rows = list(result.rows)
    return result


def failed(fake: Fake, *arguments: Any, **more: Any) -> str:
    """Return the text of the error of a statement that must fail."""
    with pytest.raises(SqlError) as caught:
        run(fake, *arguments, **more)
    return str(caught.value)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox with a table and 2,500 records of one day."""
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(0))) as running:
        make_buckets(running)
        put(running, "2026/01/30", (record(number, errorCode='It\'s "denied"' if number == 7 else None) for number in range(2_500)))
        assert Asker(running).run(ddl()).state == "SUCCEEDED"
        yield running


@pytest.fixture
def engine(sandbox: Sandbox, aws_environment: pytest.MonkeyPatch) -> Iterator[AthenaEngine]:
    """Return the engine as the exporter opens it on the sandbox."""
    with opened(sandbox.url) as aws:
        yield AthenaEngine(aws.caller(REGION), AthenaSettings(output_location=OUTPUT), LOG, lambda _seconds: None)


def test_every_row_of_every_page_comes_once(engine: AthenaEngine) -> None:
    """A header that passes for a record, or a page that is left out, is a change too many or too few."""
    told: list[tuple[int, int, int]] = []
    result = engine.run(Statement(f"{ALL} ORDER BY eventid"), Limits(), lambda *said: told.append(said))
    rows = list(result.rows)
    assert rows == [(f"00000000-0000-4000-8000-{number:012d}",) for number in range(2_500)]
    assert (list(result.columns), result.truncated, result.problems) == (["eventid"], False, [])
    assert result.scanned_bytes is not None
    assert result.cost == cost(result.scanned_bytes, 5.0) == 0.00005  # the least that is billed
    assert told[-1] == (3, 0, result.scanned_bytes)


def test_values_have_the_types_of_their_columns_and_nothing_is_none(engine: AthenaEngine) -> None:
    """`history` must not take an absent error for one whose code is empty, nor JSON a count for a text."""
    sql = f"SELECT count(*) AS n, count(*) > 1 AS many, avg(1.5E0) AS mean, max(errorcode) AS code, max(vpcendpointid) AS v FROM {TABLE}"
    (row,) = engine.run(Statement(sql), Limits(), no_progress).rows
    assert row == (2500, True, 1.5, 'It\'s "denied"', None)


def test_parameters_arrive_as_they_are(engine: AthenaEngine) -> None:
    """Quotes in a searched text must neither end the literal nor be lost."""
    statement = Statement(f"SELECT eventid FROM {TABLE} WHERE errorcode = ? AND day = ?", ('It\'s "denied"', "2026/01/30"))
    assert [row[0][-2:] for row in engine.run(statement, Limits(), no_progress).rows] == ["07"]
    for text in ("' OR 1 = 1 --", "''", "'; DROP TABLE x; --", "\\'"):
        statement = Statement(f"SELECT eventid FROM {TABLE} WHERE eventname = ?", (text,))
        assert list(engine.run(statement, Limits(), no_progress).rows) == [], text


def test_a_limit_of_rows_cuts_and_says_so(engine: AthenaEngine) -> None:
    """Somebody who asks for everything must not be told that a part is all."""
    result = engine.run(Statement(ALL), Limits(rows=1_500), no_progress)
    assert (len(list(result.rows)), result.truncated) == (1_500, True)
    result = engine.run(Statement(ALL), Limits(rows=2_500), no_progress)
    assert (len(list(result.rows)), result.truncated) == (2_500, False)


def test_what_queries_cost_is_told_to_the_metrics(sandbox: Sandbox, aws_environment: pytest.MonkeyPatch) -> None:
    """The one source that can become dear must be seen in the estimate of what AWS costs."""
    heard = Heard()
    with opened(sandbox.url, heard) as aws:
        engine = AthenaEngine(aws.caller(REGION), AthenaSettings(output_location=OUTPUT), LOG, lambda _seconds: None)
        list(engine.run(Statement(ALL), Limits(), no_progress).rows)
        with pytest.raises(SqlError):
            engine.run(Statement(f"SELECT nothing FROM {TABLE}"), Limits(), no_progress)
    assert [(action, dollars) for action, _account, dollars in heard.spent] == [("athena:StartQueryExecution", 0.00005)]
    assert (engine.scanned_bytes > 0, engine.cost) == (True, 0.00005)


@pytest.mark.parametrize(
    ("settings", "said", "advice"),
    [
        ({"table": "other"}, "Table 'awsdatacatalog.default.other' does not exist", "athena-ddl"),
        ({"database": "elsewhere"}, "Schema 'elsewhere' does not exist", "correct athena.database"),
        ({"workgroup": "nobodys"}, "WorkGroup nobodys is not found", "create the workgroup"),
        ({"output_location": ""}, "No output location provided", "set athena.output_location"),
        ({"output_location": "s3://not-there/"}, "Unable to verify/create output bucket not-there", "create the bucket"),
        ({"catalog": "other"}, "Catalog other does not exist", "AwsDataCatalog"),
    ],
)
def test_what_athena_refuses_comes_with_what_to_do(sandbox: Sandbox, aws_environment, settings, said: str, advice: str) -> None:
    """Athena's own words do not tell which setting is wrong."""
    with opened(sandbox.url) as aws:
        engine = AthenaEngine(aws.caller(REGION), AthenaSettings(**{"output_location": OUTPUT, **settings}), LOG, lambda _seconds: None)
        with pytest.raises(SqlError) as caught:
            engine.run(Statement(f"SELECT eventid FROM {engine.table}"), Limits(), no_progress)
    assert said in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("Access denied when writing output to url: s3://x/y.csv", "allow s3:PutObject"),
        ("Permission denied on S3 path: s3://logs/AWSLogs/1/x.json.gz", "allow s3:GetObject and s3:ListBucket"),
        (
            "Insufficient permissions to execute the query. User: arn is not authorized to perform: glue:GetTable on resource: x",
            "glue:GetTable",
        ),
        ("CONSTRAINT_VIOLATION: For the injected projected partition column account, the WHERE clause must contain", "is `injected`"),
        ("Query exhausted resources at this scale factor", "ask for fewer days"),
        ("HIVE_CURSOR_ERROR: Failed to read file s3://logs/x: Row is not a valid JSON Object", "is no trail file"),
        ("COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved", "correct the column"),
        ("something \x1b[31mnew\u202e", "something \\x1b[31mnew\\u202e"),
    ],
)
def test_a_query_that_fails_says_why_and_what_to_do(reason: str, advice: str) -> None:
    """Whoever reads this at night does not know Athena, and its text must not write on his terminal."""
    text = failed(Fake(execution("RUNNING"), execution("FAILED", 5, reason)))
    assert text.startswith("the query failed at Athena: ")
    assert advice in text


def test_a_cut_off_by_the_workgroup_is_said_and_billed() -> None:
    """A query that is cancelled has its price, too."""
    fake = Fake(execution("CANCELLED", 30_000_000, "Bytes scanned limit was exceeded"))
    assert "BytesScannedCutoffPerQuery" in failed(fake)
    assert fake.dollars == [cost(30_000_000, 5.0)]


def test_a_fault_that_may_pass_is_tried_once_more() -> None:
    """A worker that AWS lost is no reason for a poll to fail; a query that always fails must not run for ever."""
    lost = execution("FAILED", 7, "GENERIC_INTERNAL_ERROR: lost", retryable=True)
    fake = Fake(lost, execution("SUCCEEDED", 5), pages=[page([["eventid"], ["a"]])])
    result = run(fake)
    assert (result.rows, result.scanned_bytes, fake.dollars) == ([("a",)], 12, [0.00005])
    tokens = {asked["ClientRequestToken"] for asked in fake.of(START_QUERY)}
    assert len(tokens) == 2
    again = Fake(lost)
    assert "GENERIC_INTERNAL_ERROR" in failed(again)
    assert (len(again.of(START_QUERY)), again.dollars) == (2, [])
    assert len(Fake(execution("FAILED", 0, "SYNTAX_ERROR: x")).of(START_QUERY)) == 0
    once = Fake(execution("FAILED", 0, "SYNTAX_ERROR: x"))
    failed(once)
    assert len(once.of(START_QUERY)) == 1


def test_more_than_may_be_scanned_stops_the_query() -> None:
    """The bound that a user sets here must hold where the workgroup has none."""
    fake = Fake(execution("QUEUED"), execution("RUNNING", 9_000_000), execution("RUNNING", 11_000_001))
    text = failed(fake, max_scanned_bytes=10_000_000)
    assert "11,000,001 bytes (11.0 MB), and athena.max_scanned_bytes is 10,000,000" in text
    assert "ask for fewer days" in text
    assert fake.of(STOP_QUERY) == [{"QueryExecutionId": "q1"}]
    assert fake.dollars == [cost(20_000_000, 5.0)]  # what it had scanned when it really ended


def test_what_scanned_too_much_before_anybody_could_stop_it_is_shown_with_a_note() -> None:
    """It is paid for: to throw the result away helps nobody."""
    result = run(Fake(execution("SUCCEEDED", 50_000_000), pages=[page([["eventid"], ["a"]])]), max_scanned_bytes=10_000_000)
    assert result.rows == [("a",)]
    assert "50.0 MB" in result.notes[0]


def test_a_query_that_takes_too_long_is_stopped() -> None:
    """A poll must end before the next begins, and a query that nobody waits for must not go on to cost."""
    fake, clock = Fake(execution("RUNNING", 1)), Clock()
    assert "ran longer than it may" in failed(fake, clock=clock, limits=Limits(seconds=30))
    assert 30 <= clock.now <= 31
    assert len(fake.of(STOP_QUERY)) == 1
    assert len(fake.of(GET_QUERY)) < 20  # it asks less and less often


def test_reading_that_takes_too_long_is_cut_and_said() -> None:
    """An answer that lacks rows must not pass for a whole one."""
    clock = Clock()
    pages = [page([["eventid"], ["a"]], "t"), page([["b"]])]
    engine = AthenaEngine(Fake(execution("SUCCEEDED"), pages=pages), AthenaSettings(), LOG, clock.sleep, clock)  # type: ignore[arg-type]
    result = engine.run(Statement(ALL), Limits(seconds=10), no_progress)
    clock.now = 11
    assert list(result.rows) == [("a",)]
    assert "only the first 1 rows were read" in result.problems[0]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), SystemExit(1), RuntimeError("a fault of ours")])
def test_whatever_ends_us_while_it_runs_stops_the_query(interrupt: BaseException) -> None:
    """Ctrl-C at a query over a year of an organization must not leave it running, at five dollars a terabyte."""
    fake, clock = Fake(execution("RUNNING", 1)), Clock()

    def end() -> None:
        raise interrupt

    clock.on_sleep = end
    with pytest.raises(type(interrupt)):
        run(fake, clock=clock)
    assert fake.of(STOP_QUERY) == [{"QueryExecutionId": "q1"}]


def test_an_interrupt_while_it_starts_stops_what_may_have_started() -> None:
    """The answer that names the query is lost; the same token asks for it again."""
    fake = Fake(execution("RUNNING"), start=[KeyboardInterrupt(), {"QueryExecutionId": "lost"}])
    with pytest.raises(KeyboardInterrupt):
        run(fake)
    first, second = fake.of(START_QUERY)
    assert first == second
    assert fake.of(STOP_QUERY) == [{"QueryExecutionId": "lost"}]


def test_a_cancel_from_another_thread_stops_the_query_and_ends_the_wait() -> None:
    """A web page or a reload that is closed must not wait for a query, nor leave it running."""
    fake, clock = Fake(execution("RUNNING", 1)), Clock()
    engine = AthenaEngine(fake, AthenaSettings(), LOG, clock.sleep, clock)  # type: ignore[arg-type]

    def cancel() -> None:
        clock.on_sleep = lambda: None
        thread = threading.Thread(target=engine.cancel)
        thread.start()
        thread.join()

    clock.on_sleep = cancel
    with pytest.raises(SqlError, match="the query was cancelled"):
        engine.run(Statement(ALL), Limits(), no_progress)
    assert fake.of(STOP_QUERY) == [{"QueryExecutionId": "q1"}]
    assert fake.dollars == [cost(20_000_000, 5.0)]  # once
    assert engine.cost == fake.dollars[0]
    fake._states = [execution("SUCCEEDED")]
    assert list(engine.run(Statement(ALL), Limits(), no_progress).rows) == []  # it can be used again


def test_a_cancel_ends_the_rows_too() -> None:
    """A reader that goes on over a cancelled result holds up whoever waits for it."""
    pages = [page([["eventid"], ["a"], ["b"]])]
    engine = AthenaEngine(Fake(execution("SUCCEEDED"), pages=pages), AthenaSettings(), LOG)  # type: ignore[arg-type]
    rows = engine.run(Statement(ALL), Limits(), no_progress).rows
    assert next(rows) == ("a",)
    engine.close()
    with pytest.raises(SqlError, match="cancelled"):
        next(rows)


def denied() -> AwsError:
    """Return a call that is not allowed."""
    return AwsError(
        "access_denied", "athena:StartQueryExecution failed: AccessDeniedException: no", "athena:StartQueryExecution", "AccessDenied"
    )


def busy(reason: str = "throttled") -> AwsError:
    """Return a call that Athena has no room for, or no answer to."""
    return AwsError(
        reason, "athena failed: TooManyRequestsException: Rate exceeded", "athena:GetQueryExecution", "TooManyRequestsException"
    )


def test_throttles_are_waited_out_with_the_same_token() -> None:
    """Others query in the same account; and a start that is asked again must not start twice."""
    fake, clock = Fake(busy(), busy("unavailable"), execution("SUCCEEDED"), start=[busy(), busy(), {"QueryExecutionId": "q"}]), Clock()
    assert run(fake, clock=clock).rows == []
    assert len({asked["ClientRequestToken"] for asked in fake.of(START_QUERY)}) == 1
    assert clock.now > 4


def test_patience_has_an_end_and_then_the_query_is_stopped() -> None:
    """A poll that waits for ever says nothing to anybody."""
    fake, clock = Fake(execution("RUNNING"), busy()), Clock()
    text = failed(fake, clock=clock)
    assert "try again when fewer queries run" in text
    assert clock.now < 120
    assert len(fake.of(STOP_QUERY)) == 1


def test_a_denied_start_is_not_asked_again() -> None:
    """It would be denied again; and nothing runs that had to be stopped."""
    fake = Fake(execution("SUCCEEDED"), start=[denied()])
    assert "athena:StartQueryExecution failed" in failed(fake)
    assert [operation for operation, _ in fake.asked].count(STOP_QUERY) == 0


def test_a_first_row_that_is_no_header_is_a_row() -> None:
    """Only what repeats the names is the header."""
    pages = [page([["a"], ["eventid"]], "t"), page([["eventid"]])]
    assert run(Fake(execution("SUCCEEDED"), pages=pages)).rows == [("a",), ("eventid",), ("eventid",)]


def test_a_value_that_is_not_as_its_type_says_stays_text() -> None:
    """A type that Athena adds must not end a query that is paid for."""
    pages = [page([["n"], ["1"], ["one"], [None]], names=("n",), kind="bigint")]
    assert run(Fake(execution("SUCCEEDED"), pages=pages), f"SELECT count(*) AS n FROM {TABLE}").rows == [(1,), ("one",), (None,)]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM cloudtrail_logs",
        "SELECT 1; SELECT 2",
        "SELECT a FROM other",
        "CREATE TABLE x AS SELECT 1",
        "SELECT * FROM read_text('x')",
    ],
)
def test_nothing_but_reading_the_table_is_started(sql: str) -> None:
    """Whoever may query must not thereby change or read anything else in the account."""
    fake = Fake(execution("SUCCEEDED"))
    failed(fake, sql)
    assert fake.asked == []


def test_bounds_of_athena_are_told_before_anything_is_started() -> None:
    """Its own refusal does not say which of the values is too long."""
    fake = Fake(execution("SUCCEEDED"))
    assert "parameter 1 has 1,025 characters" in failed(fake, Statement(f"{ALL} WHERE eventname = ?", ("x" * 1_023,)))
    assert fake.asked == []


def test_the_request_says_where_and_in_what() -> None:
    """A query in the wrong workgroup is billed to somebody else."""
    fake = Fake(execution("SUCCEEDED"))
    run(fake, Statement(f"{ALL} WHERE eventname = ?", ("it's",)), workgroup="ours", database="trails", output_location="s3://results/x/")
    (asked,) = fake.of(START_QUERY)
    token = asked.pop("ClientRequestToken")
    assert asked == {
        "QueryString": f"{ALL} WHERE eventname = ?",
        "QueryExecutionContext": {"Database": "trails", "Catalog": "AwsDataCatalog"},
        "WorkGroup": "ours",
        "ExecutionParameters": ["'it''s'"],
        "ResultConfiguration": {"OutputLocation": "s3://results/x/"},
    }
    assert 32 <= len(token) <= 128


def test_a_real_query_is_stopped_at_aws(aws_environment: pytest.MonkeyPatch) -> None:
    """The fake may agree with the engine where AWS does not."""
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(hours=1))) as slow, opened(slow.url) as aws:
        make_buckets(slow)
        engine: AthenaEngine
        calls = 0

        def sleep(_seconds: float) -> None:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise KeyboardInterrupt

        engine = AthenaEngine(aws.caller(REGION), AthenaSettings(output_location=OUTPUT), LOG, sleep)
        with pytest.raises(KeyboardInterrupt):
            engine.run(Statement(ALL), Limits(), no_progress)
        (query,) = slow.athena.runs._known
        assert client(slow, "athena").get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"] == "CANCELLED"


def test_the_prices_of_the_page_are_those_that_are_counted(repository) -> None:
    """Somebody decides by that table whether to turn the source on."""
    page = (repository / "docs" / "athena.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| [^|]+ \| ([\d.]+) GB \| \$([\d.]+) \|$", page, re.MULTILINE)
    assert len(table) == 5
    for gigabytes, dollars in table:
        assert cost(int(float(gigabytes) * 10**9), AthenaSettings().price_per_terabyte) == pytest.approx(float(dollars), rel=0.001)
    for every, scanned in ((1, 37), (6, 7)):
        # At each poll what there is of the day, and all of the day before until six hours after the poll before were of today.
        polls = [2 * hour / 24 + (2 if hour - every - 6 < 0 else 0) for hour in range(0, 24, every)]
        assert sum(polls) == scanned
