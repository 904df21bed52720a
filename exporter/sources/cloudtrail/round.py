"""What one fetch of one account and region has at hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from exporter.errors import SourceError
from exporter.model import Unit
from exporter.sources.base import Batch, FetchContext
from exporter.sources.cloudtrail.ask import Asker
from exporter.sources.cloudtrail.clock import AwsClock
from exporter.sources.cloudtrail.pages import Taker
from exporter.sources.cloudtrail.plan import Plan
from exporter.sources.cloudtrail.settings import KEPT, CloudTrailSettings
from exporter.sources.cloudtrail.walk import Walk
from exporter.sources.findings import Findings
from exporter.sources.scan import Fates

SAVE_PAGES = 10
SAVE_SECONDS = 1.0
"""How much of a walk may have to be read again where the process dies; more often would write more than it saves."""

Saved = TypeVar("Saved", bound=msgspec.Struct)
Cursors = Callable[[], Mapping[str, str]]


@dataclass(slots=True)
class Round:
    """One fetch: who asks, what is wanted, and until when what can wait may take.

    `since` are the names that are watched only from some time on, in seconds.
    """

    name: str
    unit: Unit
    settings: CloudTrailSettings
    context: FetchContext
    clock: AwsClock
    ask: Asker
    plan: Plan
    monotonic: Callable[[], float] = time.monotonic
    deadline: float | None = None
    since: Mapping[str, int] = field(default_factory=dict)
    fates: Fates = field(init=False)

    def __post_init__(self) -> None:
        self.fates = Fates(self.context.wanted)

    @property
    def oldest(self) -> int:
        """The time before which AWS keeps nothing."""
        return self.clock.now() - int(KEPT.total_seconds())

    @property
    def over(self) -> bool:
        """Whether what can wait has had its time."""
        return self.deadline is not None and self.monotonic() >= self.deadline

    def key(self, kind: str) -> str:
        """Return the cursor key of a kind of this unit."""
        return f"{kind}/{self.unit.account_id}/{self.unit.region}"

    def load(self, key: str, kind: type[Saved]) -> Saved | None:
        """Return what was saved under a key; raise SourceError where it is damaged, because starting anew would lose what it says."""
        saved = self.context.cursor(key)
        if saved is None:
            return None
        try:
            return msgspec.json.decode(saved, type=kind)
        except (msgspec.MsgspecError, ValueError) as error:
            raise SourceError(
                "internal", f"{self.ask.where}: the cursor {key} cannot be read; a newer version wrote it ({error})"
            ) from error

    def findings(self) -> Findings:
        """Return empty findings of this unit, which is shown at 0 even where nothing happens."""
        findings = Findings(self.ask.where)
        findings.unit(self.unit.account_id, self.unit.region)
        return findings

    def batch(self, cursors: Mapping[str, str], counts: Sequence[tuple[str, tuple[str, ...], float]] = ()) -> Batch:
        """Return a batch without records."""
        return Batch(self.ask.where, cursors=cursors, units=frozenset({self.unit}), counts=tuple(counts))

    def take(self, walk: Walk, saved: Cursors, enough: Callable[[], bool], *, past: bool = False) -> Generator[Batch, None, Findings]:
        """Walk until the end or until there is `enough`, and hand over what was found with the cursors `saved` tells then.

        Returns the findings of the last pages of a complete walk, whose cursors the caller knows; nothing is left in them where
        the walk was cut. The `past` is saved page by page, without regard to `since`. Raises SourceError once all that was read
        before is handed over.
        """
        findings, begun, pages = self.findings(), self.monotonic(), 0
        taker = Taker(self.fates, findings, {} if past else self.since)
        try:
            for page in walk.steps(self.ask):
                taker.take(page)
                pages += 1
                if walk.complete:
                    break
                last = enough()
                if last or past or findings.full or pages >= SAVE_PAGES or self.monotonic() - begun >= SAVE_SECONDS:
                    yield findings.batch(saved())
                    findings.unit(self.unit.account_id, self.unit.region)
                    begun, pages = self.monotonic(), 0
                if last:
                    break
        except SourceError:
            if pages:
                yield findings.batch(saved())
            raise
        return findings
