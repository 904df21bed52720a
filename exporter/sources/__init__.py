"""The registry of source types: one line each, and one more name in SourceConfig."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from exporter.aws import Aws
from exporter.sources.base import Roster, Source, SourceSettings, SourceType
from exporter.sources.cloudtrail import CLOUDTRAIL, CloudTrailSettings
from exporter.sources.eventbridge import EVENTBRIDGE, EventBridgeSettings
from exporter.sources.files import FILES, FilesSettings
from exporter.sources.s3 import S3, S3Settings

SOURCES: Mapping[str, SourceType] = {
    "cloudtrail": CLOUDTRAIL,
    "eventbridge": EVENTBRIDGE,
    "files": FILES,
    "s3": S3,
}
"""By `type`: what a source is made of."""


def _known_type(data: object) -> object:
    """Refuse an unknown type before anything else is said about its keys."""
    if isinstance(data, dict) and data.get("type") not in tuple(SOURCES):  # a tuple: what a file gives may be unhashable
        known = ", ".join(f"`{name}`" for name in SOURCES)
        raise PydanticCustomError("union_tag_invalid", "unknown source type; choose from {expected_tags}", {"expected_tags": known})
    return data


SourceConfig = Annotated[
    CloudTrailSettings | EventBridgeSettings | FilesSettings | S3Settings, Field(discriminator="type"), BeforeValidator(_known_type)
]
"""The settings of any source: a union of the settings in SOURCES, discriminated by `type`."""


def roster(settings: SourceSettings, aws: Aws | None = None) -> Roster:
    """Return the units of the source that its settings describe, as of now; raise SourceError where none can be told."""
    return SOURCES[settings.type].units(settings, aws)


__all__ = ["SOURCES", "Roster", "Source", "SourceConfig", "SourceSettings", "SourceType", "roster"]
