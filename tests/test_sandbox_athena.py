"""The sandbox's Athena, asked by boto3 as it comes: whoever tests against it must not learn what AWS would not do."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.athena_table import BUCKET, OUTPUT, RESULTS, TABLE, Asker, ddl, make_buckets, put, record
from tests.sandbox_client import ACCOUNT, Clock, client

pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")

DAYS = ("2026/01/29", "2026/01/30", "2026/01/31")


def prepared(sandbox: Sandbox) -> dict[str, int]:
    """Make the table with a file of one record for each of three days; return their sizes."""
    make_buckets(sandbox)
    sizes = {day: put(sandbox, day, [record(int(day[-2:]), eventTime=f"{day.replace('/', '-')}T11:00:00Z")]) for day in DAYS}
    assert Asker(sandbox).run(ddl()).state == "SUCCEEDED"
    return sizes


@pytest.fixture(scope="module")
def sandbox():
    """Serve one sandbox with a table for the module."""
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(0))) as running:
        yield running


@pytest.fixture(scope="module")
def sizes(sandbox):
    """Make the table, once."""
    return prepared(sandbox)


@pytest.fixture
def asker(sandbox, sizes):
    """Return who asks."""
    return Asker(sandbox)


def refusal(call) -> tuple[str, str]:
    """Return code and message of a call that must be refused."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_states_come_one_after_the_other_and_no_result_before_the_last():
    """A client that asks for rows too early, or takes the first state for the last, must fail here and not at AWS."""
    clock = Clock(datetime(2026, 1, 31, 12, 0, tzinfo=UTC))
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(seconds=2)), clock) as sandbox:
        make_buckets(sandbox)
        asker = Asker(sandbox)
        query = asker.start(ddl())
        assert asker.look(query)["Status"]["State"] == "QUEUED"
        clock.now += timedelta(seconds=2)
        assert asker.look(query)["Status"]["State"] == "RUNNING"
        code, message = refusal(lambda: asker.athena.get_query_results(QueryExecutionId=query))
        assert (code, message) == ("InvalidRequestException", "Query has not yet finished. Current state: RUNNING")
        clock.now += timedelta(seconds=2)
        for _ in range(500):
            if asker.look(query)["Status"]["State"] != "RUNNING":
                break
        told = asker.look(query)
        assert (told["Status"]["State"], told["StatementType"]) == ("SUCCEEDED", "DDL")
        assert told["Status"]["CompletionDateTime"] >= told["Status"]["SubmissionDateTime"]


def test_only_the_days_that_are_asked_for_are_scanned(asker, sizes):
    """Otherwise a statement that forgets its partitions looks as cheap as one that names them."""
    assert asker.run(f"SELECT eventid FROM {TABLE}").scanned == sum(sizes.values())
    for where, days in (
        ("day = '2026/01/30'", DAYS[1:2]),
        ("day >= '2026/01/30' AND region = 'us-east-1'", DAYS[1:]),
        ("day BETWEEN '2026/01/29' AND '2026/01/30' AND eventname LIKE 'Auth%'", DAYS[:2]),
        ("(day IN ('2026/01/29', '2026/01/31'))", (DAYS[0], DAYS[2])),
        ("account = '444455556666'", ()),
        (f"t.day > '2026/01/30' AND t.account IN ('{ACCOUNT}')", DAYS[2:]),
    ):
        assert asker.run(f"SELECT eventid FROM {TABLE} t WHERE {where}").scanned == sum(sizes[day] for day in days), where


def test_values_are_text_and_what_is_absent_has_none(asker):
    """Rows that come otherwise than Athena's let a reader pass that cannot read those."""
    found = asker.run(f"SELECT eventid, readonly, responseelements, requestparameters, day FROM {TABLE} WHERE day = '2026/01/31'")
    assert found.names == ("eventid", "readonly", "responseelements", "requestparameters", "day")
    assert found.rows == (("00000000-0000-4000-8000-000000000031", "false", None, '{"groupId":"sg-0123456789abcdef0"}', "2026/01/31"),)
    found = asker.run(f"SELECT count(*), max(day) AS newest, count_if(readonly = 'true') FROM {TABLE}")
    assert (found.names, found.rows) == (("_col0", "newest", "_col2"), (("3", "2026/01/31", "0"),))


def test_parameters_are_literals_in_their_order(asker):
    """A parameter that is put in without quotes works nowhere but in a lax emulator."""
    sql = f"SELECT eventid FROM {TABLE} WHERE day >= ? AND json_extract_scalar(requestparameters, '$.groupId') = ? ORDER BY eventid"
    assert len(asker.run(sql, "'2026/01/30'", "'sg-0123456789abcdef0'").rows) == 2
    assert asker.run(sql, "'it''s'", "'sg-0123456789abcdef0'").rows == ()
    for wrong, said in (
        (("'2026/01/30'",), "expected 2 but found 1"),
        (("2026/01/30", "'x'"), "cannot be resolved"),
        (("'a' OR 1=1 --'", "'x'"), "cannot be resolved"),
    ):
        found = asker.run(sql, *wrong)
        assert (found.state, said in found.reason) == ("FAILED", True), found
    assert asker.run(f"SELECT ? FROM {TABLE}", "'x'").state == "FAILED"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC eventid FROM t", "SYNTAX_ERROR: line 1:1: mismatched input 'SELEC'"),
        (f"SELECT eventid FROM {TABLE} WHERE (day = '2026/01/31'", "SYNTAX_ERROR"),
        (f"FROM {TABLE} SELECT eventid", "SYNTAX_ERROR: line 1:1: mismatched input 'FROM'"),
        (f"SELECT eventid::varchar FROM {TABLE}", "mismatched input '::'"),
        (f"SELECT * EXCLUDE (eventid) FROM {TABLE}", "Function 'exclude' not registered"),
        (f"SELECT eventid FROM {TABLE} WHERE eventid ILIKE 'E%'", "mismatched input 'ILIKE'"),
        (f"SELECT requestparameters->>'$.groupId' FROM {TABLE}", "mismatched input '->>'"),
        (f"SELECT DISTINCT ON (eventid) eventid FROM {TABLE}", "mismatched input 'ON'"),
        (f"SELECT list_value(eventid) FROM {TABLE}", "Function 'list_value' not registered"),
        ("SELECT [1, 2]", "mismatched input '['"),
        (f"SELECT {{'a': eventid}} FROM {TABLE}", "mismatched input '{'"),
        (f"SELECT `eventid` FROM {TABLE}", "SYNTAX_ERROR"),
        (f"SELECT eventid FROM {TABLE} QUALIFY row_number() OVER () = 1", "SYNTAX_ERROR"),
        (f"DELETE FROM {TABLE}", "mismatched input 'DELETE'"),
        (f"SELECT nothing FROM {TABLE}", "COLUMN_NOT_FOUND: line 1:8: Column 'nothing' cannot be resolved"),
        ("SELECT eventid FROM other", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.default.other' does not exist"),
        ("SELECT eventid FROM nowhere.cloudtrail_logs", "SCHEMA_NOT_FOUND"),
        ("SELECT eventid FROM elsewhere.default.cloudtrail_logs", "CATALOG_NOT_FOUND"),
        ("SELECT content FROM read_text('/etc/hostname')", "Function 'read_text' not registered"),
        ("SELECT * FROM '/etc/hostname'", "TABLE_NOT_FOUND"),
        ("COPY (SELECT 1) TO '/tmp/x'", "mismatched input 'COPY'"),
    ],
)
def test_what_is_no_sql_of_athena_fails_and_scans_nothing(asker, sql, said):
    """DuckDB runs all of this, or reaches out of the sandbox by it; Athena does not, and the exporter must hear it here first."""
    found = asker.run(sql)
    assert (found.state, found.scanned) == ("FAILED", 0)
    assert said in found.reason, found.reason
    assert found.error == {"ErrorCategory": 2, "Retryable": False, "ErrorMessage": found.reason}


def test_the_queries_of_the_how_to_run_as_they_stand(asker):
    """They are what a reader of AWS's page pastes first."""
    first = (
        "SELECT * FROM cloudtrail_logs WHERE (eventname = 'CreateSecurityGroup' or eventname = 'DeleteSecurityGroup') "
        "and eventtime > '2019-02-15T00:00:00Z' order by eventtime asc"
    )
    second = (
        "SELECT * FROM cloudtrail_logs WHERE (eventname like '%SecurityGroup%' and requestparameters like '%sg-0123456789%') "
        "and eventtime > '2019-02-15T00:00:00Z' order by eventtime asc;"
    )
    assert asker.run(first).rows == ()
    found = asker.run(second)
    times = [dict(zip(found.names, row, strict=True))["eventtime"] for row in found.rows]
    assert times == [f"{day.replace('/', '-')}T11:00:00Z" for day in DAYS]


def test_a_table_may_be_called_with_its_database_and_joined(asker, sizes):
    """`default` is a word of DuckDB's grammar; and every reading of a table is paid for."""
    assert len(asker.run(f"SELECT eventid FROM default.{TABLE}").rows) == 3
    assert len(asker.run(f'SELECT eventid FROM "awsdatacatalog"."default"."{TABLE}"').rows) == 3
    joined = asker.run(f"SELECT a.eventid FROM {TABLE} a JOIN {TABLE} b ON a.eventid = b.eventid")
    assert (len(joined.rows), joined.scanned) == (3, 2 * sum(sizes.values()))
    within = asker.run(f"WITH n (id) AS (SELECT eventid FROM {TABLE} WHERE day = '2026/01/31') SELECT id FROM n")
    assert (len(within.rows), within.scanned) == (1, sizes["2026/01/31"])


def test_an_injected_column_needs_its_values(sandbox, asker, sizes):
    """A statement that works for enumerated accounts only fails at whoever cannot list his own."""
    asker.run(ddl(table="by_account", account="injected"))
    for where in ("day = '2026/01/31'", "account LIKE '1%'", "account > '1'", f"account = '{ACCOUNT}' OR day = '2026/01/31'"):
        found = asker.run(f"SELECT eventid FROM by_account WHERE {where}")
        assert found.state == "FAILED"
        assert found.reason.startswith("CONSTRAINT_VIOLATION: For the injected projected partition column account")
    for where in (f"account = '{ACCOUNT}'", f"account IN ('{ACCOUNT}', '444455556666')", f"(account = '{ACCOUNT}') AND day > '2026'"):
        assert len(asker.run(f"SELECT eventid FROM by_account WHERE {where}").rows) == 3
    assert len(asker.run("SELECT eventid FROM by_account WHERE account = ?", f"'{ACCOUNT}'").rows) == 3


def test_what_is_not_projected_is_not_there(sandbox, asker):
    """A file of an account, region or day that the table does not list is invisible, without a word."""
    put(sandbox, "2026/01/31", [record(90)], account="777788889999")
    put(sandbox, "2026/01/31", [record(91)], region="sa-east-1")
    put(sandbox, "2018/12/31", [record(92)])
    put(sandbox, "2999/01/01", [record(93)])
    assert len(asker.run(f"SELECT eventid FROM {TABLE}").rows) == 3


def test_a_file_that_is_no_trail_file_breaks_the_query(sandbox, asker):
    """Otherwise a location that takes in something else passes here, and no query works there."""
    key = f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/2026/01/31/odd.json.gz"
    client(sandbox, "s3").put_object(Bucket=BUCKET, Key=key, Body=b"no JSON")
    try:
        found = asker.run(f"SELECT eventid FROM {TABLE} WHERE region = 'eu-west-1'")
    finally:
        client(sandbox, "s3").delete_object(Bucket=BUCKET, Key=key)
    assert found.reason.startswith(f"HIVE_CURSOR_ERROR: Failed to read file s3://{BUCKET}/{key}")


def test_results_come_in_pages_of_a_thousand_with_the_header_first(sandbox, asker):
    """A reader that takes the first page for all, or the header for a row, loses or invents a change."""
    put(sandbox, "2026/01/28", [record(number) for number in range(2_500)])
    query = asker.start(f"SELECT eventid FROM {TABLE} WHERE day = '2026/01/28' ORDER BY eventid")
    while asker.look(query)["Status"]["State"] != "SUCCEEDED":
        pass
    first = asker.athena.get_query_results(QueryExecutionId=query)
    assert len(first["ResultSet"]["Rows"]) == 1000
    assert first["ResultSet"]["Rows"][0]["Data"] == [{"VarCharValue": "eventid"}]
    second = asker.athena.get_query_results(QueryExecutionId=query, NextToken=first["NextToken"])
    third = asker.athena.get_query_results(QueryExecutionId=query, NextToken=second["NextToken"])
    assert (len(second["ResultSet"]["Rows"]), len(third["ResultSet"]["Rows"]), third.get("NextToken")) == (1000, 501, None)
    assert third["ResultSet"]["Rows"][-1]["Data"] == [{"VarCharValue": "00000000-0000-4000-8000-000000002499"}]
    assert refusal(lambda: asker.athena.get_query_results(QueryExecutionId=query, NextToken="made-up"))[1] == "Invalid NextToken"
    result = client(sandbox, "s3").get_object(Bucket=RESULTS, Key=f"athena/{query}.csv")["Body"].read()
    assert result.startswith(b'"eventid"\n"00000000-')
    client(sandbox, "s3").delete_object(
        Bucket=BUCKET,
        Key=client(sandbox, "s3").list_objects_v2(Bucket=BUCKET, Prefix=f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2026/01/28/")["Contents"][
            0
        ]["Key"],
    )


def test_a_token_starts_one_query(asker):
    """Whoever asks again after a lost answer must get the query that he paid for."""
    token, sql = "t" * 32, f"SELECT eventid FROM {TABLE}"
    first = asker.start(sql, ClientRequestToken=token)
    assert asker.start(sql, ClientRequestToken=token) == first
    assert "Idempotent" in refusal(lambda: asker.start("SELECT 1", ClientRequestToken=token))[1]


def test_a_workgroup_decides_where_results_go_and_whether_anything_runs(sandbox, asker):
    """Each of these refuses a query in somebody's account."""
    nowhere, athena = Asker(sandbox, output=""), asker.athena
    assert "No output location provided" in refusal(lambda: nowhere.start("SELECT 1"))[1]
    assert "Unable to verify/create output bucket" in refusal(lambda: Asker(sandbox, output="s3://not-there/").start("SELECT 1"))[1]
    assert refusal(lambda: asker.start("SELECT 1", WorkGroup="other"))[1] == "WorkGroup other is not found."
    assert refusal(lambda: athena.get_work_group(WorkGroup="other"))[1] == "WorkGroup other is not found."
    athena.create_work_group(Name="managed", Configuration={"ManagedQueryResultsConfiguration": {"Enabled": True}})
    assert nowhere.run("SELECT 'x' AS a", WorkGroup="managed").rows == (("x",),)
    athena.create_work_group(Name="own", Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{RESULTS}/own/"}})
    assert asker.look(asker.start("SELECT 1", WorkGroup="own"))["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{RESULTS}/own/")
    athena.update_work_group(WorkGroup="own", State="DISABLED")
    assert refusal(lambda: asker.start("SELECT 1", WorkGroup="own"))[1] == "WorkGroup own is disabled."
    assert athena.get_work_group(WorkGroup="own")["WorkGroup"]["State"] == "DISABLED"


def test_the_cut_off_of_a_workgroup_cancels_what_scans_more(sandbox, asker):
    """The one bound of cost that holds whatever a client does."""
    asker.athena.create_work_group(Name="cheap", Configuration={"BytesScannedCutoffPerQuery": 10_000_000})
    noise = os.urandom(8_000_000).hex()
    for number in range(2):
        put(sandbox, "2026/01/27", [record(number, userAgent=noise)])
    found = asker.run(f"SELECT eventid FROM {TABLE} WHERE day = '2026/01/27'", WorkGroup="cheap")
    assert (found.state, found.reason) == ("CANCELLED", "Bytes scanned limit was exceeded")
    assert found.scanned > 10_000_000
    assert asker.run(f"SELECT eventid FROM {TABLE} WHERE day = '2026/01/31'", WorkGroup="cheap").state == "SUCCEEDED"


def test_bounds_of_a_request_are_those_of_the_api(asker):
    """A statement that is too long must not work here."""
    long = f"SELECT 1 -- {'ü' * 131_072}"
    assert "QueryString" in refusal(lambda: asker.start(long))[1]
    assert "ExecutionParameters" in refusal(lambda: asker.start("SELECT 1", "'" + "x" * 1023 + "'"))[1]
    assert refusal(lambda: asker.start("SELECT 1; SELECT 2"))[1] == "Only one sql statement is allowed."
    assert "was not found" in refusal(lambda: asker.look("no-such-query"))[1]


def test_a_table_tells_its_columns_partitions_and_projection(asker):
    """`doctor` judges by this."""
    told = asker.athena.get_table_metadata(CatalogName="AwsDataCatalog", DatabaseName="default", TableName=TABLE)["TableMetadata"]
    assert [column["Name"] for column in told["PartitionKeys"]] == ["account", "region", "day"]
    assert {column["Type"] for column in told["Columns"]} == {"string"}
    assert told["Parameters"]["projection.enabled"] == "true"
    absent = {"CatalogName": "AwsDataCatalog", "DatabaseName": "default", "TableName": "other"}
    assert refusal(lambda: asker.athena.get_table_metadata(**absent))[0] == "MetadataException"


@pytest.mark.parametrize(
    ("denied", "reason"),
    [
        ("glue:GetTable", "not authorized to perform: glue:GetTable on resource: arn:aws:glue:us-east-1:111122223333:catalog"),
        ("glue:GetDatabase", "not authorized to perform: glue:GetDatabase"),
        ("s3:ListBucket", f"Permission denied on S3 path: s3://{BUCKET}/AWSLogs/"),
        ("s3:GetObject", f"Permission denied on S3 path: s3://{BUCKET}/AWSLogs/{ACCOUNT}"),
        ("s3:PutObject", f"Access denied when writing output to url: {OUTPUT}"),
    ],
)
def test_athena_acts_with_the_permissions_of_its_caller(sandbox, asker, denied, reason):
    """A policy that lacks what Athena does on one's behalf must fail here."""
    gate = sandbox.application._gate
    before = gate.faults
    gate.faults = Faults(deny=frozenset({denied}))
    try:
        found = asker.run(f"SELECT eventid FROM {TABLE}")
    finally:
        gate.faults = before
    assert found.state == "FAILED"
    assert reason in found.reason, found.reason
    rows = [row for row in sandbox.actions.rows() if row["action"] == denied and not row["allowed"]]
    assert {row["user_agent"] for row in rows} == {"athena.amazonaws.com"}


def test_calls_are_allowed_by_workgroup(sandbox, sizes):
    """A policy for one workgroup must let nobody into another, nor at its queries."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": [f"arn:aws:athena:us-east-1:{ACCOUNT}:workgroup/mine", "arn:aws:s3:::*"]}
    sandbox.policies.add("AKIAATHENAEXAMPLE0000", {"Version": "2012-10-17", "Statement": [statement]})
    everyone, mine = Asker(sandbox), Asker(sandbox, "AKIAATHENAEXAMPLE0000")
    everyone.athena.create_work_group(Name="mine")
    other = everyone.start("SELECT 1")
    assert refusal(lambda: mine.start("SELECT 1"))[0] == "AccessDeniedException"
    assert refusal(lambda: mine.look(other))[0] == "AccessDeniedException"
    assert mine.run("SELECT 'x' AS a", WorkGroup="mine").rows == (("x",),)


def test_a_query_can_be_stopped():
    """Who stops a query must be able to trust that it no longer runs."""
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(hours=1))) as sandbox:
        make_buckets(sandbox)
        asker = Asker(sandbox)
        query = asker.start("SELECT 1")
        asker.athena.stop_query_execution(QueryExecutionId=query)
        assert asker.look(query)["Status"]["State"] == "CANCELLED"
        assert "CANCELLED" in refusal(lambda: asker.athena.get_query_results(QueryExecutionId=query))[1]


def test_faults_strike():
    """Otherwise nothing shows how the exporter bears them."""
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(0), faults=Faults(athena_throttle=1))) as sandbox:
        assert refusal(lambda: Asker(sandbox).start("SELECT 1"))[0] == "TooManyRequestsException"
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(0), faults=Faults(athena_failure=1))) as sandbox:
        make_buckets(sandbox)
        found = Asker(sandbox).run("SELECT 1")
    assert (found.state, found.error["ErrorCategory"], found.error["Retryable"]) == ("FAILED", 1, True)


def test_calls_have_their_rates():
    """80 starts at once and no more; a client that knows no throttle learns it here."""
    clock = Clock(datetime(2026, 1, 31, 12, 0, tzinfo=UTC))
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(0)), clock) as sandbox:
        asker = Asker(sandbox, output="")
        codes = [refusal(lambda: asker.start("SELECT 1"))[0] for _ in range(81)]
        assert codes == ["InvalidRequestException"] * 80 + ["TooManyRequestsException"]
        clock.now += timedelta(seconds=0.05)
        assert refusal(lambda: asker.start("SELECT 1"))[0] == "InvalidRequestException"
