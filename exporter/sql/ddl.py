"""The table of trail logs as a statement for Athena: every name checked, partitions worked out and never listed.

Sources: Athena user guide, "Create the table for CloudTrail logs in Athena using partition projection" and "Supported types for partition
projection".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from exporter.errors import ConfigError
from exporter.sql.columns import COLUMNS, PARTITIONS

_NAME = re.compile(r"[A-Za-z0-9_]{1,128}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.()/=@:,+ -]{0,512}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
_ACCOUNT = re.compile(r"\d{12}")
_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z]+)+-\d{1,2}")


@dataclass(frozen=True, slots=True)
class TrailTable:
    """What a table is made for. Where accounts or regions are not known (empty), every query has to name one."""

    database: str
    table: str
    bucket: str
    prefix: str = ""
    organization: str = ""
    accounts: Sequence[str] = ()
    regions: Sequence[str] = ()
    since: date = date(2020, 1, 1)

    def ddl(self) -> str:
        """Return CREATE EXTERNAL TABLE; raise ConfigError for a name that is not safe in it."""
        self._check()
        root = "/".join(part for part in (f"s3://{self.bucket}", self.prefix.strip("/"), "AWSLogs", self.organization) if part)
        columns = ",\n".join(f"  `{column.name}` string" for column in COLUMNS)
        partitions = ", ".join(f"`{name}` string" for name in PARTITIONS)
        properties = {
            "projection.enabled": "true",
            **_values("account", self.accounts),
            **_values("region", self.regions),
            "projection.day.type": "date",
            "projection.day.format": "yyyy/MM/dd",
            "projection.day.range": f"{self.since:%Y/%m/%d},NOW",
            "projection.day.interval": "1",
            "projection.day.interval.unit": "DAYS",
            "storage.location.template": f"{root}/${{account}}/CloudTrail/${{region}}/${{day}}",
        }
        lines = ",\n".join(f"  '{key}'='{value}'" for key, value in properties.items())
        return (
            "".join(f"-- {line}\n" for line in self._comments())
            + f"CREATE EXTERNAL TABLE `{self.database}`.`{self.table}` (\n{columns}\n)\n"
            + "COMMENT 'CloudTrail logs, one row a record; objects are JSON text'\n"
            + f"PARTITIONED BY ({partitions})\n"
            + "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'\n"
            + "STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'\n"
            + "OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'\n"
            + f"LOCATION '{root}/'\n"
            + f"TBLPROPERTIES (\n{lines}\n);\n"
        )

    def _comments(self) -> list[str]:
        out = ["Run this once in Athena. The partition `day` is that of a file's delivery (UTC): the day of its events, or the next."]
        for name, known in (("account", self.accounts), ("region", self.regions)):
            if not known:
                out.append(
                    f"No {name} is configured, so `{name}` is `injected`: every query must name it, as in {name} = '…', else it fails."
                )
        if not self.organization:
            out.append("Of one account's trail. That of an organization has its id after AWSLogs/: give --organization-id.")
        return out

    def _check(self) -> None:
        for what, text, pattern in (
            ("database", self.database, _NAME),
            ("table", self.table, _NAME),
            ("bucket", self.bucket, _BUCKET),
            ("prefix", self.prefix, _PREFIX),
            *(("organization id", self.organization, _ORGANIZATION) for _ in range(bool(self.organization))),
            *(("account", account, _ACCOUNT) for account in self.accounts),
            *(("region", region, _REGION) for region in self.regions),
        ):
            if not pattern.fullmatch(text):
                raise ConfigError(f"athena-ddl: the {what} {text!r:.140} is none that is put into SQL; correct it")


def _values(name: str, values: Sequence[str]) -> dict[str, str]:
    if not values:
        return {f"projection.{name}.type": "injected"}
    return {f"projection.{name}.type": "enum", f"projection.{name}.values": ",".join(dict.fromkeys(values))}
