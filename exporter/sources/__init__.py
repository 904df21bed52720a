"""The registry of source types: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from exporter.aws import Aws
from exporter.sources.athena import ATHENA
from exporter.sources.base import Roster, Source, SourceSettings, SourceType
from exporter.sources.cloudtrail import CLOUDTRAIL
from exporter.sources.eventbridge import EVENTBRIDGE
from exporter.sources.files import FILES
from exporter.sources.s3 import S3

SOURCES: Mapping[str, SourceType] = {
    "cloudtrail": CLOUDTRAIL,
    "s3": S3,
    "eventbridge": EVENTBRIDGE,
    "athena": ATHENA,
    "files": FILES,
}
"""By `type`: what a source is made of."""


def _known_type(data: object) -> object:
    """Refuse an unknown type before anything else is said about its keys."""
    if isinstance(data, dict) and data.get("type") not in tuple(SOURCES):  # a tuple: what a file gives may be unhashable
        known = ", ".join(f"`{name}`" for name in SOURCES)
        raise PydanticCustomError("union_tag_invalid", "unknown source type; choose from {expected_tags}", {"expected_tags": known})
    return data


if TYPE_CHECKING:
    SourceConfig = SourceSettings
else:
    SourceConfig = Annotated[
        Union[tuple(kind.settings for kind in SOURCES.values())],  # noqa: UP007 - as many as there are rows
        Field(discriminator="type"),
        BeforeValidator(_known_type),
    ]
    """The settings of any source: a union of the settings in SOURCES, discriminated by `type`."""


def default_sources() -> tuple[SourceSettings, ...]:
    """Return what is read where the configuration names nothing: Event history, which needs nothing but credentials."""
    return (CLOUDTRAIL.settings(type="cloudtrail"),)


def roster(settings: SourceSettings, aws: Aws | None = None) -> Roster:
    """Return the units of the source that its settings describe, as of now; raise SourceError where none can be told."""
    return SOURCES[settings.type].units(settings, aws)


__all__ = ["SOURCES", "Roster", "Source", "SourceConfig", "SourceSettings", "SourceType", "default_sources", "roster"]
