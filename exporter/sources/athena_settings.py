"""Settings of the source `athena`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from exporter.settings import AccountId, AnyDuration, Duration, RegionName
from exporter.sources.base import SourceSettings
from exporter.sql.settings import AthenaSettings


class AthenaSourceSettings(SourceSettings, AthenaSettings):
    """SQL over the table of trail logs in Amazon Athena: for very large organizations, and for the past. Every poll costs money."""

    type: Literal["athena"] = Field(description="Type of the source.")
    region: str = Field(default="", max_length=64, description="Region of table and workgroup; that of the environment by default.")
    poll_interval: Annotated[Duration, Field(ge=timedelta(minutes=10))] = Field(
        default=timedelta(hours=1),
        description="How often the table is asked, at least `10m`: each poll scans the files of the whole day again, and is billed.",
    )
    accounts: tuple[AccountId, ...] = Field(
        default=(), description="Only the files of these accounts; all by default. A table whose accounts are `injected` needs them."
    )
    regions: tuple[RegionName, ...] = Field(
        default=(), description="Only the files of these regions; all by default. A table whose regions are `injected` needs them."
    )
    overlap: Annotated[Duration, Field(le=timedelta(days=7))] = Field(
        default=timedelta(hours=6),
        description="For how long a day that is over is still asked for, because its last files come late.",
    )
    backfill: AnyDuration = Field(
        default=timedelta(0),
        description="How far back the table is read at the first start, into the history; none by default, because every day of it costs "
        "what it scans.",
    )
    days_at_once: int = Field(default=7, ge=1, le=366, description="Days that one query asks for, of the past or after an outage.")
    query_timeout: Duration = Field(default=timedelta(minutes=30), description="How long one query may run before it is stopped.")
