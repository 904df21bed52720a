"""What lets through one SELECT over the table of trail logs, and nothing else."""

from __future__ import annotations

import pytest

from exporter.errors import SqlError, SqlRefused
from exporter.sql.base import Statement
from exporter.sql.reads_only import LONGEST, checked

TABLES = {"cloudtrail_logs", "default.cloudtrail_logs"}
T = "cloudtrail_logs"

GOOD = (
    f"SELECT * FROM {T}",
    f"select eventname from {T};",
    f"SELECT eventname FROM {T}; -- a question\n",
    f"SELECT eventname FROM {T} ORDER BY eventtime FETCH FIRST 5 ROWS ONLY",
    f"SELECT count(*) FROM {T} WHERE eventname = 'x' -- SELECT; DROP TABLE y",
    f"/* a question */ SELECT 1 FROM {T}",
    f'SELECT * FROM "default"."{T}" AS logs',
    f"WITH a AS (SELECT eventid FROM {T}), b AS (SELECT * FROM a) SELECT * FROM b JOIN a ON a.eventid = b.eventid",
    f"SELECT * FROM (SELECT eventname, count(*) AS n FROM {T} GROUP BY eventname) AS c ORDER BY n DESC LIMIT 5",
    f"SELECT a.eventid FROM {T} a JOIN {T} b ON a.eventid = b.eventid",
    f"SELECT eventid FROM {T} UNION ALL SELECT requestid FROM {T}",
    f"(SELECT eventid FROM {T}) EXCEPT SELECT requestid FROM {T}",
    f"SELECT json_extract_scalar(useridentity, '$.arn'), regexp_like(useragent, 'x'), approx_distinct(eventname), max_by(eventid, eventtime) FROM {T}",
    f"SELECT row_number() OVER (PARTITION BY eventname ORDER BY eventtime) FROM {T}",
    f"SELECT x FROM {T} CROSS JOIN UNNEST(ARRAY['a', 'b']) AS u(x)",
    f"SELECT CASE WHEN errorcode IS NULL THEN 'ok' ELSE errorcode END FROM {T} WHERE eventname IN (SELECT eventname FROM {T})",
    f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT * FROM n, {T}",
    f"SELECT 'SELECT * FROM secrets; COPY x' AS text, ';' FROM {T}",
    f"SELECT coalesce(errorcode, ''), substr(eventtime, 1, 10), try_cast(readonly AS boolean) FROM {T} WHERE eventtime BETWEEN '2' AND '3'",
)


@pytest.mark.parametrize("sql", GOOD)
def test_reading_the_table_is_let_through(sql: str) -> None:
    """A check that refuses ordinary questions would be switched off."""
    checked(Statement(sql), TABLES)


BAD = (
    "",
    ";",
    "nonsense",
    "SELECT * FROM secrets",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM 'file.csv'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_json('x.json')",
    "SELECT * FROM read_csv_auto('x.csv')",
    "SELECT * FROM parquet_scan('x')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM pragma_database_list()",
    "SELECT * FROM pragma_version()",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('secrets')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM range(10)",
    f"SELECT * FROM TABLE(system.query('x')), {T}",
    f"SELECT getenv('HOME') FROM {T}",
    f"SELECT current_setting('threads') FROM {T}",
    f"SELECT getvariable('x') FROM {T}",
    f"SELECT current_database(), current_schemas(true) FROM {T}",
    f"SELECT read_text('/etc/passwd') FROM {T}",
    f"SELECT main.getenv('HOME') FROM {T}",
    f"SELECT system.main.read_blob('x') FROM {T}",
    f"SELECT nextval('s') FROM {T}",
    f"SELECT version() FROM {T}",
    f"SELECT write_log('x') FROM {T}",
    f"SELECT * FROM {T}; SELECT * FROM {T}",
    f"SELECT * FROM {T}; DROP TABLE {T}",
    f"SELECT * FROM {T} WHERE eventname = ''; COPY {T} TO '/tmp/x'",
    f"COPY {T} TO '/tmp/x'",
    f"COPY (SELECT * FROM {T}) TO '/tmp/x'",
    f"CREATE TABLE x AS SELECT * FROM {T}",
    f"CREATE VIEW x AS SELECT * FROM {T}",
    f"INSERT INTO x SELECT * FROM {T}",
    f"WITH x AS (INSERT INTO y SELECT 1 RETURNING *) SELECT * FROM x, {T}",
    f"WITH x AS (DELETE FROM {T} RETURNING *) SELECT * FROM x",
    f"SELECT * INTO x FROM {T}",
    f"SELECT * FROM {T} FOR UPDATE",
    f"DELETE FROM {T}",
    f"UPDATE {T} SET eventname = 'x'",
    f"MERGE INTO {T} USING x ON true WHEN MATCHED THEN DELETE",
    f"DROP TABLE {T}",
    f"ALTER TABLE {T} ADD COLUMN x int",
    f"TRUNCATE TABLE {T}",
    f"DESCRIBE {T}",
    f"SHOW CREATE TABLE {T}",
    f"EXPLAIN ANALYZE SELECT * FROM {T}",
    f"UNLOAD (SELECT * FROM {T}) TO 's3://x/'",
    f"PREPARE x FROM SELECT * FROM {T}",
    "EXECUTE x",
    "ATTACH 'x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "RESET threads",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "USE other",
    "BEGIN",
    "CHECKPOINT",
    "EXPORT DATABASE 'x'",
    "VALUES (1)",
    f"USING EXTERNAL FUNCTION f(x varchar) RETURNS varchar LAMBDA 'l' SELECT f(eventname) FROM {T}",
    # Names that look like the table's and are not it.
    f"SELECT * FROM other.{T}",
    f"SELECT * FROM awsdatacatalog.other.{T}",
    f"SELECT * FROM {T}_2",
    f"WITH {T} AS (SELECT 1) SELECT * FROM {T}",
    # A name of WITH is one only where the engines see it.
    f"SELECT * FROM (WITH secrets AS (SELECT 1) SELECT * FROM secrets) AS a, secrets, {T}",
    f"WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a, {T}",
    f"WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets, {T}",
    f"SELECT (SELECT max(x) FROM secrets) FROM {T}",
    f"SELECT * FROM {T} WHERE eventname IN (SELECT x FROM secrets)",
    f"SELECT * FROM {T} WHERE EXISTS (SELECT 1 FROM read_text('x'))",
    f"SELECT * FROM {T}, LATERAL read_text(eventname)",
    f"SELECT eventname FROM {T} ORDER BY (SELECT 1 FROM secrets)",
    # Comments that engines read differently hide what comes after them.
    f"SELECT * FROM {T} /* a /* b */, secrets -- */",
    f"SELECT * FROM {T} WHERE eventname = $1",
    f"SELECT * FROM {T} WHERE eventname = :name",
    f"SELECT @@version FROM {T}",
    f"SELECT '\0' FROM {T}",
)  # fmt: skip


@pytest.mark.parametrize("sql", BAD)
def test_everything_else_is_refused(sql: str) -> None:
    """One way round the check is a file of the machine in an answer, or a table that was never meant to be read."""
    with pytest.raises(SqlRefused):
        checked(Statement(sql), TABLES)


def test_values_and_question_marks_must_match() -> None:
    """A value too few would be told by the engine only after it was started."""
    with pytest.raises(SqlRefused, match="1 `\\?`, but 0 values"):
        checked(Statement(f"SELECT * FROM {T} WHERE eventname = ?"), TABLES)
    checked(Statement(f"SELECT * FROM {T} WHERE eventname = ? AND eventid <> '?'", ("x",)), TABLES)


@pytest.mark.parametrize("depth", [300, 3000, 30_000])
def test_a_bomb_of_brackets_is_refused_and_ends_nothing(depth: int) -> None:
    """A statement that overflows the stack must not take the process along."""
    sql = f"SELECT {'(' * depth}1{')' * depth} FROM {T}"
    try:
        checked(Statement(sql), TABLES)
    except SqlRefused:
        return
    assert depth == 300


def test_a_statement_that_never_ends_is_refused() -> None:
    """Parsing megabytes would hold a thread for minutes."""
    with pytest.raises(SqlRefused, match="characters"):
        checked(Statement(f"SELECT '{'x' * LONGEST}' FROM {T}"), TABLES)


def test_a_refusal_says_what_is_wrong_without_terminal_codes() -> None:
    """The parser underlines with escape codes, which a log would keep."""
    with pytest.raises(SqlError) as error:
        checked(Statement("SELECT FROM WHERE \x1b[31m"), TABLES)
    assert "\x1b" not in str(error.value)


def test_the_parser_says_nothing_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """It warned on standard error, in words about itself, before the refusal that says what to do."""
    with pytest.raises(SqlRefused, match="2 statements"):
        checked(Statement("SELECT 1; FETCH c"), TABLES)
    assert not caplog.records
