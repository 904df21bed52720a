"""The registry of source types: one line each, and one more name in SourceConfig."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from exporter.sources.base import Source, SourceSettings
from exporter.sources.files import FilesSettings, FilesSource

SOURCES: Mapping[str, tuple[type[SourceSettings], Callable[[Any], Source]]] = {
    "files": (FilesSettings, FilesSource),
}
"""By `type`: the settings of a source and what makes it."""


def _known_type(data: object) -> object:
    """Refuse an unknown type before anything else is said about its keys."""
    if isinstance(data, dict) and data.get("type") not in tuple(SOURCES):  # a tuple: what a file gives may be unhashable
        known = ", ".join(f"`{name}`" for name in SOURCES)
        raise PydanticCustomError("union_tag_invalid", "unknown source type; choose from {expected_tags}", {"expected_tags": known})
    return data


SourceConfig = Annotated[FilesSettings, BeforeValidator(_known_type)]
"""The settings of any source: a union of the settings in SOURCES, discriminated by `type` once there are several."""


def build_source(settings: SourceSettings) -> Source:
    """Return the source that its settings describe."""
    return SOURCES[settings.type][1](settings)


__all__ = ["SOURCES", "Source", "SourceConfig", "SourceSettings", "build_source"]
