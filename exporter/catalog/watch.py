"""Which calls are wanted: the watch sets chosen and the user's own patterns, answered fast for any name."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from exporter.catalog.sets import DEFAULT_WATCH_SETS, WATCH_SETS
from exporter.catalog.spec import VERSIONED_SERVICES, EventSpec, Kind

CUSTOM = "custom"
"""The watch set of an event that only a pattern of the user's own asks for."""

LONGEST_NAME = 256
"""Longest event source or name that is looked up at all, in characters; AWS's are under 80."""

_CACHED_LOOKUPS = 8192
# Looked for in the names of all services, also those that are not known to have one (VERSIONED_SERVICES).
_VERSION_SUFFIX = re.compile(r"20[0-9]{2}_?[0-9]{2}_?[0-9]{2}(?:v[0-9]+)?$")
# Rows of these kinds drop the calls that concern no group.
_SELECTIVE = (Kind.ATTACHMENT, Kind.TAGS)
_WILDCARDS = re.compile(r"[*?[]")
_EXACT_SERVICES = frozenset(spec.event_source for specs in WATCH_SETS.values() for spec in specs) - VERSIONED_SERVICES


class Pattern(Protocol):
    """A call to watch, as the user writes it: `*` and `?` match as in file names, case counts."""

    @property
    def event_source(self) -> str:
        """Pattern of the event source."""

    @property
    def event_name(self) -> str:
        """Pattern of the event name."""


class Watch:
    """Answers whether a call is watched, and by which row. Safe to use from several threads."""

    def __init__(self, sets: Iterable[str] = DEFAULT_WATCH_SETS, patterns: Iterable[Pattern] = ()) -> None:
        """Take names of WATCH_SETS, and patterns; raise ValueError for a set that does not exist.

        A call that stands in several chosen sets belongs to the first in the order of the catalog. No set takes away
        what another set or a pattern asks for.
        """
        chosen = set(sets)
        unknown = sorted(chosen - set(WATCH_SETS))
        if unknown:
            raise ValueError(f"unknown watch set {unknown[0]!r}; choose from {', '.join(WATCH_SETS)}")
        self._known: dict[tuple[str, str], EventSpec] = {}
        self._chosen: dict[tuple[str, str], EventSpec] = {}
        for name, specs in WATCH_SETS.items():
            for spec in specs:
                key = spec.event_source, spec.event_name
                self._known.setdefault(key, spec)
                if name in chosen:
                    first = self._chosen.setdefault(key, spec)
                    if first.kind in _SELECTIVE and spec.kind not in _SELECTIVE:
                        self._chosen[key] = replace(first, whole=True, resources=(*first.resources, *spec.resources))
        patterns = tuple(patterns)
        self._names = _names(self._chosen, patterns)
        self._patterns = tuple(
            (re.compile(fnmatch.translate(pattern.event_source)), re.compile(fnmatch.translate(pattern.event_name))) for pattern in patterns
        )
        self._lookup = lru_cache(maxsize=_CACHED_LOOKUPS)(self._find)

    def __getstate__(self) -> dict[str, object]:
        """Leave out what was looked up, so that a process that reads trail files can be given the same answers."""
        return {name: value for name, value in self.__dict__.items() if name != "_lookup"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Begin with nothing looked up."""
        self.__dict__.update(state)
        self._lookup = lru_cache(maxsize=_CACHED_LOOKUPS)(self._find)

    def spec(self, event_source: str, event_name: str) -> EventSpec | None:
        """Return the row that says how to read a call, None where it is not watched."""
        if len(event_source) > LONGEST_NAME or len(event_name) > LONGEST_NAME:
            return None
        return self._lookup(event_source, event_name)

    def wanted(self, event_source: str, event_name: str) -> bool:
        """Return whether a call is watched."""
        return self.spec(event_source, event_name) is not None

    def names(self) -> tuple[tuple[str, str], ...] | None:
        """Return every (event source, event name) that is watched, in alphabetical order; None where there is no end to them.

        Patterns with wildcards have no end, nor have calls of services whose names may carry a version (VERSIONED_SERVICES), nor
        patterns of services of which the catalog knows nothing.
        """
        return self._names

    def _find(self, event_source: str, event_name: str) -> EventSpec | None:
        bare = _VERSION_SUFFIX.sub("", event_name)
        spec = self._chosen.get((event_source, event_name)) or self._chosen.get((event_source, bare))
        if spec is not None and (spec.whole or spec.kind not in _SELECTIVE):
            return spec
        for source_pattern, name_pattern in self._patterns:
            if source_pattern.match(event_source) and (name_pattern.match(event_name) or name_pattern.match(bare)):
                if spec is not None:
                    return replace(spec, whole=True)
                known = self._known.get((event_source, event_name)) or self._known.get((event_source, bare))
                if known is None:
                    return EventSpec(event_source, event_name, CUSTOM)
                return replace(known, watch_set=CUSTOM, whole=known.kind in _SELECTIVE)
        return spec


def _names(chosen: Iterable[tuple[str, str]], patterns: Iterable[Pattern]) -> tuple[tuple[str, str], ...] | None:
    names = {*chosen, *((pattern.event_source, pattern.event_name) for pattern in patterns)}
    finite = all(source in _EXACT_SERVICES and not _WILDCARDS.search(name) for source, name in names)
    return tuple(sorted(names)) if finite else None
