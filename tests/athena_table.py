"""A table of trail logs in the sandbox's Athena: its DDL, files below its location, and a query run to its end."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from exporter.sql.columns import COLUMNS
from sandbox.server import Sandbox
from tests.sandbox_client import ACCOUNT, REGION, client

BUCKET, RESULTS = "example-trail", "example-results"
OUTPUT = f"s3://{RESULTS}/athena/"
TABLE = "cloudtrail_logs"


def ddl(bucket: str = BUCKET, table: str = TABLE, **projections: str) -> str:
    """Return the statement that makes the table; `projections` are other types than that which each partition has."""
    told = {
        "account": f"'projection.account.type'='enum', 'projection.account.values'='{ACCOUNT},444455556666'",
        "region": "'projection.region.type'='enum', 'projection.region.values'='us-east-1,eu-west-1'",
        "day": "'projection.day.type'='date', 'projection.day.format'='yyyy/MM/dd', 'projection.day.range'='2019/01/01,NOW', "
        "'projection.day.interval'='1', 'projection.day.interval.unit'='DAYS'",
    } | {name: f"'projection.{name}.type'='{kind}'" for name, kind in projections.items()}
    columns = ",\n  ".join(f"`{column.name}` string" for column in COLUMNS)
    return f"""CREATE EXTERNAL TABLE `{table}` (
  {columns}
)
PARTITIONED BY (`account` string, `region` string, `day` string)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
  OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://{bucket}/AWSLogs/'
TBLPROPERTIES ('projection.enabled'='true', {", ".join(told.values())},
  'storage.location.template'='s3://{bucket}/AWSLogs/${{account}}/CloudTrail/${{region}}/${{day}}/')"""


def record(number: int = 0, **more: Any) -> dict[str, Any]:
    """Return a record of a change, whose event id ends in its number."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/alice", "userName": "alice"},
        "eventTime": "2026-01-31T11:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "AuthorizeSecurityGroupIngress",
        "awsRegion": REGION,
        "sourceIPAddress": "192.0.2.1",
        "userAgent": "aws-cli/2.27.0",
        "requestParameters": {"groupId": "sg-0123456789abcdef0"},
        "responseElements": None,
        "eventID": f"00000000-0000-4000-8000-{number:012d}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        **more,
    }


def put(
    sandbox: Sandbox, day: str, records: Iterable[Mapping[str, Any]], account: str = ACCOUNT, region: str = REGION, bucket: str = BUCKET
) -> int:
    """Deliver a file on a day (`2026/01/31`), and return its size."""
    name = f"{account}_CloudTrail_{region}_{day.replace('/', '')}T1200Z_{uuid4().hex[:16]}.json.gz"
    body = gzip.compress(json.dumps({"Records": list(records)}).encode())
    client(sandbox, "s3").put_object(Bucket=bucket, Key=f"AWSLogs/{account}/CloudTrail/{region}/{day}/{name}", Body=body)
    return len(body)


def make_buckets(sandbox: Sandbox) -> None:
    """Make the buckets of logs and results."""
    for bucket in (BUCKET, RESULTS):
        client(sandbox, "s3").create_bucket(Bucket=bucket)


@dataclass(frozen=True)
class Answered:
    """What became of a query."""

    state: str
    reason: str
    scanned: int
    error: Mapping[str, Any]
    names: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


class Asker:
    """Runs queries with boto3, as anybody would."""

    def __init__(self, sandbox: Sandbox, key: str = "AKIAIOSFODNN7EXAMPLE", output: str = OUTPUT) -> None:
        self.athena = client(sandbox, "athena", key=key)
        self._output = output

    def start(self, sql: str, *parameters: str, **more: Any) -> str:
        """Start a query; return its id."""
        asked = {"ExecutionParameters": list(parameters)} if parameters else {}
        if self._output:
            asked["ResultConfiguration"] = {"OutputLocation": self._output}
        return str(self.athena.start_query_execution(QueryString=sql, **asked, **more)["QueryExecutionId"])

    def look(self, query_id: str) -> dict[str, Any]:
        """Return what GetQueryExecution tells."""
        execution: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return execution

    def run(self, sql: str, *parameters: str, **more: Any) -> Answered:
        """Run a query to its end, and read all of its pages."""
        query_id = self.start(sql, *parameters, **more)
        while (execution := self.look(query_id))["Status"]["State"] in {"QUEUED", "RUNNING"}:
            time.sleep(0.02)
        status, scanned = execution["Status"], execution["Statistics"]["DataScannedInBytes"]
        told = (status["State"], status.get("StateChangeReason", ""), scanned, status.get("AthenaError", {}))
        if status["State"] != "SUCCEEDED":
            return Answered(*told)
        pages = self.athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
        rows = [tuple(datum.get("VarCharValue") for datum in row["Data"]) for page in pages for row in page["ResultSet"]["Rows"]]
        return Answered(*told, *((rows[0], tuple(rows[1:])) if rows else ()))
