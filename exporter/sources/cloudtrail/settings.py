"""Settings of the source `cloudtrail`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from exporter.settings import AnyDuration, Duration, Region, Settings
from exporter.sources.base import SourceSettings

KEPT = timedelta(days=90)
"""How long CloudTrail's Event history keeps events (CloudTrail user guide, "Working with CloudTrail Event history")."""


def _kept(value: timedelta, what: str) -> timedelta:
    if value > KEPT:
        raise ValueError(f"{what} must be at most 90d: AWS keeps no older events in Event history")
    return value


class RescanSettings(Settings):
    """A stretch of the past that is read again and again, because AWS shows some events late."""

    every: Duration = Field(description="How often it is read again.")
    over: Duration = Field(description="How far back it reaches, at most 90d.")

    @field_validator("over")
    @classmethod
    def _reachable(cls, value: timedelta) -> timedelta:
        return _kept(value, "over")


DEFAULT_RESCANS = (
    RescanSettings(every=timedelta(hours=1), over=timedelta(hours=6)),
    RescanSettings(every=timedelta(days=1), over=timedelta(days=2)),
    RescanSettings(every=timedelta(days=7), over=KEPT),
)


class CloudTrailSettings(SourceSettings):
    """Event history of CloudTrail (LookupEvents) in each watched account and region: needs no trail, only credentials.

    One unit for each account and region; what AWS records for global services (IAM, STS, CloudFront, Organizations) is in us-east-1 alone.
    """

    type: Literal["cloudtrail"] = Field(description="Type of the source.")
    regions: tuple[Region, ...] = Field(
        default=(), description="Regions to watch, or `all`; those of the account or of the section `aws` by default."
    )
    overlap: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=1))] = Field(
        default=timedelta(minutes=30),
        description="How much of what was read before each poll reads again: AWS shows most events within 5 minutes and promises nothing.",
    )
    rescans: tuple[RescanSettings, ...] = Field(
        default=DEFAULT_RESCANS,
        max_length=10,
        description="Longer stretches that are read again, at low priority, for events that come later still.",
    )
    backfill: Annotated[AnyDuration, Field(ge=timedelta(0))] = Field(
        default=KEPT,
        description="How much of the past is read at the first start, at most 90d; `0s` for none. It never counts as live.",
    )
    strategy: Literal["auto", "names", "sweep", "all"] = Field(
        default="auto",
        description="What is asked: `names` makes one lookup for each watched event name; `sweep` reads all that changed anything "
        "(`ReadOnly=false`); `auto` takes whichever cost less lately; `all` reads everything, for patterns of calls that only read.",
    )

    @field_validator("backfill")
    @classmethod
    def _reachable(cls, value: timedelta) -> timedelta:
        return _kept(value, "backfill")

    @model_validator(mode="after")
    def _useful(self) -> Self:
        spans = [(rescan.every, rescan.over) for rescan in self.rescans]
        if len(set(spans)) < len(spans):
            raise ValueError("two `rescans` are the same; keep one")
        if any(rescan.over <= self.overlap for rescan in self.rescans):
            raise ValueError("`over` of each of `rescans` must be longer than `overlap`, which every poll reads again anyway")
        return self


__all__ = ["DEFAULT_RESCANS", "KEPT", "CloudTrailSettings", "RescanSettings"]
