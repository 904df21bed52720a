"""Checks of this machine: the configuration and the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from exporter.doctor.base import Examination
from exporter.errors import StoreError
from exporter.sources.base import Diagnosis
from exporter.store import probe_store, shown
from exporter.store.place import loaded

_LITTLE = 1024**3
_TOO_LITTLE = 64 * 1024**2


def configuration(examination: Examination) -> Iterator[Diagnosis]:
    """Tell that the configuration is valid: whoever gets here has one that is."""
    names = ", ".join(settings.name for settings in examination.config.sources)
    yield Diagnosis("ok", examination.where, f"valid; sources: {names or 'none'}")
    for exception in examination.config.posture.ended(datetime.now(UTC)):
        yield Diagnosis("warning", "posture.exceptions", exception.told_as_ended())


def store(examination: Examination) -> Iterator[Diagnosis]:
    """Look at the store's file and directory, or at its database, without changing anything."""
    where = examination.config.store.where
    if isinstance(where, str):
        yield database(where)
        return
    path = where
    try:
        probe = probe_store(path)
    except StoreError as error:
        yield Diagnosis("failure", str(path), str(error), "a store that cannot be written stops every poll")
        return
    if not probe.version:
        yield Diagnosis("ok", str(path), "does not exist yet; the directory is writable")
    elif probe.in_use:
        yield Diagnosis("ok", str(path), f"a store of ours, schema {probe.version}; another process is writing to it")
    elif probe.version < probe.latest:
        yield Diagnosis("ok", str(path), f"a store of ours, writable; schema {probe.version} becomes {probe.latest} at the next start")
    else:
        yield Diagnosis("ok", str(path), f"a store of ours, writable, schema {probe.version}")
    free = f"{probe.free / 1024**3:.1f} GiB free"
    remedy = "free space on it, move the store (store.path) or keep less (store.retention)"
    if probe.free < _TOO_LITTLE:
        yield Diagnosis("failure", "disk of the store", free, remedy)
    elif probe.free < _LITTLE:
        yield Diagnosis("warning", "disk of the store", free, remedy)
    else:
        yield Diagnosis("ok", "disk of the store", free)


def database(url: str) -> Diagnosis:
    """Look at the database of the store: reachable, of a version that is taken, ours, and all privileges there."""
    where = shown(url)
    try:
        probe = loaded("probe").probe_postgres(url)
    except StoreError as error:
        return Diagnosis("failure", where, str(error), "a store that cannot be written stops every poll")
    there = f"PostgreSQL {probe.server}, schema {probe.schema}"
    if not probe.version:
        return Diagnosis("ok", where, f"{there}: no store yet; it can be created")
    if probe.version < probe.latest:
        said = f"{there}: a store of ours, writable; schema version {probe.version} becomes {probe.latest} at the next start"
        if probe.missing:
            return Diagnosis("failure", where, f"{said}, for which {probe.missing} is missing", "let the owner of the tables start it once")
        return Diagnosis("ok", where, said)
    return Diagnosis("ok", where, f"{there}: a store of ours, writable, schema version {probe.version}")
