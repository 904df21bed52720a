"""What feeds trail logs to the embedded engine: rows column by column, and what became of all that was read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from exporter.sql.arrow import Batch
from exporter.sql.base import Progress
from exporter.sql.narrow import Need

_SHOWN = 5
_TOLD_EVERY = 0.1


class Tally:
    """What one reading of the logs has come to so far; tells whoever watches, a few times a second."""

    def __init__(self, progress: Progress, stopping: Callable[[], bool]) -> None:
        self.files = self.all_files = self.passed_over = self.records = self.bytes = 0
        self.problems: list[str] = []
        self.malformed: Counter[str] = Counter()
        self.stopping = stopping
        self._examples: list[str] = []
        self._progress, self._told = progress, 0.0

    def file(self, size: int) -> None:
        """Count a file that was read."""
        self.files += 1
        self.bytes += size
        self.tell()

    def broken(self, reason: str, where: str, detail: str, count: int = 1) -> None:
        """Count what could not be understood; the first few are named."""
        self.malformed[reason] += count
        if len(self._examples) < _SHOWN:
            self._examples.append(f"{where}: {detail}")

    def tell(self) -> None:
        """Say how far it is, unless that was said just now."""
        now = time.monotonic()
        if now - self._told >= _TOLD_EVERY:
            self._told = now
            self._progress(self.files + self.passed_over, self.all_files, self.records)

    def notes(self) -> Iterator[str]:
        """Yield what a person should know of the reading."""
        passed = f"; {self.passed_over:,} files were passed over, for their account, region or day" if self.passed_over else ""
        if self.files + self.passed_over < self.all_files and not self.problems:
            # The rows that were asked for were there before the end, as with LIMIT.
            yield f"read {self.records:,} records, then there were rows enough, and the rest was not read"
        else:
            yield f"read {self.records:,} records of {self.files:,} files ({self.bytes / 1e6:,.1f} MB){passed}"

    def failures(self) -> list[str]:
        """Return what the answer lacks."""
        if not self.malformed:
            return list(self.problems)
        count = sum(self.malformed.values())
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(self.malformed.items()))
        more = "; …" if count > len(self._examples) else ""
        return [*self.problems, f"{count:,} records or files could not be understood ({reasons}): {'; '.join(self._examples)}{more}"]


class Feed(Protocol):
    """Trail logs somewhere. What cannot be read is said in the tally, and ends nothing."""

    def batches(self, need: Need, tally: Tally) -> Iterator[Batch]:
        """Yield the rows that may matter, with the columns that are needed, in the order of the files; raises SqlError."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...
