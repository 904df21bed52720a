"""The time of a soak: it runs faster than ours, jumps when told to, and processes that are started share it through a file."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

SPEED = 20
"""So many seconds pass in one of ours: Event history allows two calls a second, and who waited for them would wait for hours."""


class Clock:
    """Tells the time as `path` says: where it stood when our clock stood where, by which it runs on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def begin(cls, path: Path) -> Clock:
        """Make a clock that begins now."""
        clock = cls(path)
        clock._set(time.time())
        return clock

    def __call__(self) -> datetime:
        """Return the time, aware and UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def seconds(self) -> float:
        """Return the time since 1970."""
        stood, ours = map(float, self._path.read_text().split())
        return stood + (time.time() - ours) * SPEED

    def jump(self, by: timedelta | float) -> None:
        """Let time pass at once."""
        self._set(self.seconds() + (by.total_seconds() if isinstance(by, timedelta) else by))

    def _set(self, to: float) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(f"{to!r} {time.time()!r}")
        fresh.replace(self._path)
