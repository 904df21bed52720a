"""The section `athena` of the configuration: where the table of trail logs is, and what a query may cost."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from exporter.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9_]{1,128}")


class AthenaSettings(Settings):
    """Where Athena finds trail logs."""

    database: str = Field(default="default", description="Database (Glue) of the table.")
    table: str = Field(
        default="cloudtrail_logs",
        description="Table of trail logs, as `aws-change-exporter athena-ddl` prints it; we never create it.",
    )
    catalog: str = Field(default="AwsDataCatalog", min_length=1, max_length=256, description="Data catalog that has the database.")
    workgroup: str = Field(
        default="primary", min_length=1, max_length=128, description="Workgroup that queries run in; its cut-off bounds their cost."
    )
    output_location: str = Field(
        default="",
        description="Where Athena puts results, as `s3://bucket/prefix/`; empty where the workgroup says it or manages results itself.",
    )
    region: str = Field(default="", max_length=64, description="Region of table and workgroup; empty for the first of `aws.regions`.")
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
    def _an_s3_url(self) -> AthenaSettings:
        if self.output_location and not re.fullmatch(r"s3://[a-z0-9.-]{3,63}(/[^\s]*)?", self.output_location):
            raise ValueError(f"output_location: {self.output_location!r:.200} is no place in S3; write it as s3://bucket/prefix/")
        return self
