"""A sandbox whose clock moves with each reading, and access to it that does not wait for its turn: for tests of many calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.aws.pacing import Pacer
from sandbox.server import Sandbox, Settings


class Stepping:
    """A clock that moves a second with each reading, so that no rate is ever exceeded."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)

    def __call__(self) -> datetime:
        """Return the time, then move on."""
        self.now += timedelta(seconds=1)
        return self.now


def without_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every call be made at once: the sandbox's clock, and not ours, tells its rate."""
    monkeypatch.setattr(Pacer, "turn", lambda _self, _key: None)


@contextmanager
def stepping_sandbox(clock: Stepping, **settings: Any) -> Iterator[Sandbox]:
    """Yield a running sandbox that shows everything at once."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False, **settings), clock=clock) as running:
        yield running
