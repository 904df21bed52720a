"""What replicas that share a store ask of it: who polls which unit, and when each was last read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LastRead:
    """When the last poll of a unit that read and stored everything began and ended."""

    began: datetime
    ended: datetime


class Leases(Protocol):
    """The part of a store (`base.Store`) that is about its replicas; a unit is any text that all of them have for it."""

    def claim(self, replica: str, units: Collection[str], ttl: timedelta, busy: Collection[str] = ()) -> frozenset[str]:
        """Say that a replica is alive and knows these units; return those that are its own to poll for `ttl` from now.

        Each unit belongs to one of the replicas alive (seen within `ttl`), to each a fair share. It changes hands only where its lease
        was given up or has ended; one that another asks for is given up as soon as it is not `busy`. Times are the database's.
        """
        ...

    def release(self, replica: str) -> None:
        """Give up all that a replica holds, and forget that it was alive."""
        ...

    def replicas(self) -> frozenset[str]:
        """Return the names of the replicas that were alive when one last claimed."""
        ...

    def mark_read(self, reads: Mapping[str, LastRead]) -> None:
        """Remember when units were last read; the last word stands."""
        ...

    def last_reads(self) -> Mapping[str, LastRead]:
        """Return when each unit was last read, by whichever replica."""
        ...
