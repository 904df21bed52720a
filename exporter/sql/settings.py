"""The section `athena` of the configuration: where the table of trail logs is, and what a query may cost."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from exporter.aws.settings import KeyArn, RoleSettings
from exporter.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9_]{1,128}")
_PLACE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?")

CATALOG = "AwsDataCatalog"
"""The catalog of AWS Glue, which every account has."""


class AthenaSettings(Settings):
    """Where Athena finds trail logs."""

    database: str = Field(default="default", description="Database (Glue) of the table.")
    table: str = Field(
        default="cloudtrail_logs",
        description="Table of trail logs, as `aws-change-exporter athena-ddl` prints it; we never create it.",
    )
    catalog: str = Field(default=CATALOG, min_length=1, max_length=256, description="Data catalog that has the database.")
    workgroup: str = Field(
        default="primary",
        pattern=r"^[a-zA-Z0-9._-]{1,128}$",
        description="Workgroup that queries run in; its cut-off bounds their cost.",
    )
    output_location: str = Field(
        default="",
        description="Where Athena puts results, as `s3://bucket/prefix/`; empty where the workgroup says it or manages results itself. "
        "A workgroup that enforces its own settings goes before.",
    )
    region: str = Field(default="", max_length=64, description="Region of table and workgroup; empty for the first of `aws.regions`.")
    role: RoleSettings | None = Field(
        default=None, description="Role to assume first, where table and workgroup belong to another account than the default credentials."
    )
    logs: str = Field(
        default="",
        description="Where the log files of the table lie, as `s3://bucket/prefix/` (what stands before `AWSLogs/`), for `iam-policy`; "
        "empty for the buckets of the sources of type `s3`.",
    )
    kms_keys: tuple[KeyArn, ...] = Field(
        default=(), description="ARNs of the KMS keys that log files and results are encrypted with, for `iam-policy`."
    )
    max_scanned_bytes: Annotated[int, Field(ge=10_000_000)] | None = Field(
        default=None,
        description="A query that has scanned more is cancelled (what it scanned until then is billed). "
        "The workgroup's own cut-off is harder.",
    )
    price_per_terabyte: float = Field(default=5.0, ge=0, description="US dollars for a terabyte scanned, to estimate what a query costs.")

    @field_validator("database", "table")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r:.140} is no name of letters, digits and underscores, which is all that this exporter puts into SQL")
        return name

    @model_validator(mode="after")
    def _an_s3_url(self) -> Self:
        for name, place in (("output_location", self.output_location), ("logs", self.logs)):
            if place and not _PLACE.fullmatch(place):
                raise ValueError(f"{name}: {place!r:.200} is no place in S3; write it as s3://bucket/prefix/")
        return self


def bucket_and_prefix(place: str) -> tuple[str, str]:
    """Return the bucket of `s3://bucket/prefix/`, and the prefix without slashes at its ends."""
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    return bucket, prefix.strip("/")
