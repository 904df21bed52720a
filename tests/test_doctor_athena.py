"""What `doctor` finds of Athena, and what `iam-policy` grants for it, before anybody pays for a query that fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from exporter.config import validate
from exporter.doctor.athena import athena
from exporter.doctor.base import Examination
from exporter.doctor.checks import examine
from exporter.iam import principals
from exporter.sources import SOURCES
from exporter.sources.base import Diagnosis
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.athena_table import BUCKET, OUTPUT, RESULTS, TABLE, Asker, ddl, make_buckets
from tests.aws_session import opened
from tests.sandbox_client import ACCOUNT, REGION

pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")
pytestmark = pytest.mark.usefixtures("aws_environment")

GROUP, TABLE_SUBJECT = "athena: workgroup changes", f"athena: table default.{TABLE}"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox with all that Athena needs but the table."""
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(0))) as running:
        make_buckets(running)
        configuration = {"ResultConfiguration": {"OutputLocation": OUTPUT}, "BytesScannedCutoffPerQuery": 10**12}
        Asker(running).athena.create_work_group(Name="changes", Configuration=configuration)
        yield running


def found(sandbox: Sandbox, **settings: Any) -> dict[str, Diagnosis]:
    """Return what is found of the section `athena`, by subject."""
    config = validate({"sources": [], "athena": {"workgroup": "changes", **settings}, "aws": {"regions": [REGION]}}, "test.yml")
    with opened(sandbox.url) as aws:
        return {one.subject: one for one in athena(Examination(config, "test.yml", aws))}


def test_all_that_is_right_is_said(sandbox: Sandbox) -> None:
    """Whoever set it up by the book must see that he did."""
    assert Asker(sandbox).run(ddl()).state == "SUCCEEDED"
    told = found(sandbox)
    assert {one.status for one in told.values()} == {"ok"}
    assert told[GROUP].detail == f"is enabled; results go to {OUTPUT}"
    assert told[f"{GROUP}, cut-off"].detail == "a query is cancelled once it has scanned 1.00 TB"
    assert told[TABLE_SUBJECT].detail == "has what is asked for, by account, region, day"


def test_nothing_is_looked_at_where_nothing_is_configured(sandbox: Sandbox) -> None:
    """Nobody who has no Athena must read of it."""
    for given, expected in (({}, False), ({"athena": {"output_location": OUTPUT}}, True)):
        config = validate({"sources": [], "aws": {"regions": [REGION]}, **given}, "test.yml")
        with opened(sandbox.url) as aws:
            assert any(one.check == "athena" for one in examine(Examination(config, "test.yml", aws))) is expected


def test_a_workgroup_that_runs_nothing_is_told_with_what_to_do(sandbox: Sandbox) -> None:
    """Each would be found out at the first question, in the middle of an incident."""
    client = Asker(sandbox).athena
    told = found(sandbox, workgroup="other")["athena: workgroup other"]
    assert (told.status, "create the workgroup" in told.remedy) == ("failure", True)
    client.update_work_group(WorkGroup="changes", State="DISABLED")
    assert found(sandbox)[GROUP].detail == "is disabled: it runs no query"
    told = found(sandbox, workgroup="primary")["athena: workgroup primary"]
    assert (told.status, told.detail) == ("failure", "has no place for results")
    assert found(sandbox, workgroup="primary", output_location=OUTPUT)["athena: workgroup primary"].status == "ok"
    client.create_work_group(Name="managed", Configuration={"ManagedQueryResultsConfiguration": {"Enabled": True}})
    told = found(sandbox, workgroup="managed")["athena: workgroup managed"]
    assert (told.status, "managed query results" in told.detail) == ("ok", True)


def test_a_query_without_any_bound_is_a_warning(sandbox: Sandbox) -> None:
    """One question over all days of an organization may cost more than the exporter does in a year."""
    Asker(sandbox).athena.create_work_group(Name="free", Configuration={"ResultConfiguration": {"OutputLocation": OUTPUT}})
    assert found(sandbox, workgroup="free")["athena: workgroup free, cut-off"].status == "warning"
    assert "athena: workgroup free, cut-off" not in found(sandbox, workgroup="free", max_scanned_bytes=10**10)


def test_a_table_that_is_not_as_ours_is_told_with_the_command_that_makes_it(sandbox: Sandbox) -> None:
    """A table made by AWS's page has structures for the identity, and no partitions: our statements fail on it, or scan all there is."""
    told = found(sandbox)[TABLE_SUBJECT]
    assert (told.status, "athena-ddl" in told.remedy) == ("failure", True)
    assert "not found" in told.detail
    asker = Asker(sandbox)
    plain = (
        f"CREATE EXTERNAL TABLE plain (`eventid` string, `eventtime` string) {ddl()[ddl().index('ROW FORMAT') : ddl().index('TBLPROP')]}"
    )
    assert asker.run(plain).state == "SUCCEEDED"
    with opened(sandbox.url) as aws:
        config = validate(
            {"sources": [], "athena": {"table": "plain", "output_location": OUTPUT}, "aws": {"regions": [REGION]}}, "test.yml"
        )
        details = [one.detail for one in athena(Examination(config, "test.yml", aws)) if one.subject.endswith("default.plain")]
    assert details[0].startswith("is not partitioned by account, region, day")
    assert details[1].startswith("lacks the columns eventversion, useridentity, eventsource")


def test_a_denied_look_names_the_action(sandbox: Sandbox) -> None:
    """The policy is the first thing that is wrong."""
    sandbox.application._gate.faults = Faults(deny=frozenset({"athena:GetWorkGroup", "glue:GetTable"}))
    told = found(sandbox)
    assert "athena:GetWorkGroup" in told[GROUP].detail
    assert "glue:GetTable" in told[TABLE_SUBJECT].detail
    assert "allow glue:GetDatabase and glue:GetTable" in told[TABLE_SUBJECT].remedy


def test_a_source_is_looked_at_as_the_section_is(sandbox: Sandbox) -> None:
    """The source has its own table, workgroup and region."""
    kind = SOURCES["athena"]
    settings = kind.settings.model_validate({"type": "athena", "name": "archive", "workgroup": "changes", "region": REGION})
    with opened(sandbox.url) as aws:
        subjects = [one.subject for one in kind.diagnose(settings, aws)]
    assert subjects[0] == "archive: workgroup changes"


def granted(**config: Any) -> dict[str, set[str]]:
    """Return the resources by action that the policy of the hub, or of the one role, has."""
    (principal, *_) = principals(validate({"posture": {"enabled": False}, "sources": [], **config}, "test.yml"))
    resources: dict[str, set[str]] = {}
    for statement in principal.statements:
        for action in statement.actions:
            resources.setdefault(action, set()).update(statement.resources)
    return resources


def test_a_policy_names_workgroup_table_logs_and_results_and_nothing_else() -> None:
    """Whoever may query one table in one workgroup must not thereby read every bucket."""
    policy = granted(athena={"region": REGION, "output_location": OUTPUT, "logs": f"s3://{BUCKET}/team/", "workgroup": "changes"})
    athena_arn, glue = f"arn:aws:athena:{REGION}:*", f"arn:aws:glue:{REGION}:*"
    assert policy["athena:StartQueryExecution"] == policy["athena:StopQueryExecution"] == {f"{athena_arn}:workgroup/changes"}
    assert policy["athena:GetTableMetadata"] == {f"{athena_arn}:datacatalog/AwsDataCatalog"}
    assert policy["glue:GetTable"] == {f"{glue}:catalog", f"{glue}:database/default", f"{glue}:table/default/{TABLE}"}
    assert policy["s3:GetObject"] == {f"arn:aws:s3:::{BUCKET}/team/AWSLogs/*", f"arn:aws:s3:::{RESULTS}/athena/*"}
    assert policy["s3:PutObject"] == {f"arn:aws:s3:::{RESULTS}/athena/*"}
    assert policy["s3:ListBucket"] == {f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{RESULTS}"}
    assert not {action for action in policy if action.startswith("kms:")}


def test_logs_are_those_of_the_sources_of_the_bucket() -> None:
    """Nobody need write the same bucket twice."""
    config = {"athena": {}, "sources": [{"type": "s3", "bucket": BUCKET, "prefix": "team", "verify_digests": False}]}
    assert granted(**config)["s3:GetObject"] == {f"arn:aws:s3:::{BUCKET}/team/AWSLogs/*"}


def test_a_role_of_the_log_account_has_it_all_and_the_hub_the_way_there() -> None:
    """Logs of an organization lie in an account of their own."""
    role = "arn:aws-us-gov:iam::444455556666:role/archive"
    key = "arn:aws-us-gov:kms:us-gov-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    source = {"type": "athena", "region": "us-gov-west-1", "role": {"role_arn": role}, "kms_keys": [key], "output_location": OUTPUT}
    config = validate({"posture": {"enabled": False}, "sources": [source]}, "test.yml")
    by_name = {principal.name: principal for principal in principals(config)}
    allowed = {action: statement.resources for statement in by_name[role].statements for action in statement.actions}
    assert allowed["athena:StartQueryExecution"] == ("arn:aws-us-gov:athena:us-gov-west-1:444455556666:workgroup/primary",)
    assert allowed["kms:Decrypt"] == allowed["kms:GenerateDataKey"] == (key,)
    of_hub = {action for statement in by_name["hub"].statements for action in statement.actions}
    assert not {action for action in of_hub if action.startswith(("athena:", "glue:", "s3:"))}
    assert "sts:AssumeRole" in of_hub
    assert ACCOUNT not in str(allowed)
