"""The source `cloudtrail`: CloudTrail's Event history, read by LookupEvents in each account and region."""

from __future__ import annotations

from exporter.sources.cloudtrail.settings import CloudTrailSettings, RescanSettings
from exporter.sources.cloudtrail.source import CloudTrailSource
from exporter.sources.cloudtrail.type import CLOUDTRAIL

__all__ = ["CLOUDTRAIL", "CloudTrailSettings", "CloudTrailSource", "RescanSettings"]
