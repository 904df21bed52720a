"""Sources that read from AWS, on a sandbox, with a store in memory that keeps cursors and counts as the real one does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.aws import Aws
from exporter.catalog import Watch
from exporter.sources import SOURCES, SourceSettings
from exporter.sources.base import Batch, FetchContext
from tests.sources_reading import Sum, add_up

WATCH = Watch()


class Kept:
    """What a source brought so far: cursors, counts and event ids, over as many polls and restarts as a test wants."""

    def __init__(self) -> None:
        self.cursors: dict[str, str] = {}
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[tuple[str, ...], float] = {}
        self.ids: Counter[str] = Counter()
        self.log: list[tuple[str, dict[str, Any]]] = []

    def of(self, family: str) -> dict[tuple[str, ...], int]:
        """Return what was counted into a family, by labels without the source, zeros left out."""
        return {labels[2:]: int(value) for labels, value in self.counts.items() if labels[0] == f"awschange_exporter_{family}" and value}

    def states(self, family: str) -> dict[str, int]:
        """Return what was counted into a family by its last label."""
        out: Counter[str] = Counter()
        for labels, value in self.of(family).items():
            out[labels[-1]] += value
        return dict(out)

    def with_prefix(self, prefix: str) -> Mapping[str, str]:
        """Return the cursors that begin with a prefix."""
        return {key: value for key, value in self.cursors.items() if key.startswith(prefix)}

    def take(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Commit each batch, then hand it on."""
        for batch in batches:
            for key, value in batch.cursors.items():
                if value is None:
                    self.cursors.pop(key, None)
                else:
                    self.cursors[key] = value
            for name, labels, amount in batch.counts:
                if "timestamp" in name:
                    self.gauges[name, *labels] = max(amount, self.gauges.get((name, *labels), 0))
                else:
                    self.counts[name, *labels] += amount
            self.ids.update(str(record.record.get("eventID")) for record in batch.records)
            yield batch


class _Log:
    """Keeps what it is told, as structlog's loggers are called."""

    def __init__(self, entries: list[tuple[str, dict[str, Any]]]) -> None:
        self._entries = entries

    def _tell(self, event: str, **fields: Any) -> None:
        self._entries.append((event, fields))

    debug = info = warning = error = _tell


class Road:
    """One configured source, made anew by `restart`; `poll` fetches once."""

    def __init__(self, aws: Aws, kept: Kept | None = None, **settings: Any) -> None:
        self.kept = kept or Kept()
        self._aws, self._settings = aws, settings
        self.restart()

    def restart(self, **settings: Any) -> None:
        """Begin as a new process does."""
        self._settings |= settings
        kind = SOURCES[self._settings["type"]]
        parsed: SourceSettings = kind.settings.model_validate(self._settings)
        (self.source,) = kind.units(parsed, self._aws).sources

    def batches(
        self,
        now: datetime | None = None,
        stopping: Callable[[], bool] = lambda: False,
        budget: timedelta | None = None,
        wanted: Callable[[str, str], bool] = WATCH.wanted,
        alone: bool = True,
    ) -> Iterator[Batch]:
        """Yield the batches of a fetch as they are committed."""
        context = FetchContext(
            cursor=self.kept.cursors.get,
            cursors=self.kept.with_prefix,
            wanted=wanted,
            now=lambda: now or datetime.now(UTC),
            stopping=stopping,
            budget=budget,
            log=_Log(self.kept.log),
            alone=alone,
        )
        return self.kept.take(self.source.fetch(context))

    def poll(self, now: datetime | None = None, **how: Any) -> Sum:
        """Fetch once and return all of it as one."""
        return add_up(self.batches(now, **how))

    def said(self, what: str) -> list[dict[str, Any]]:
        """Return the fields of log lines that begin so."""
        return [fields for event, fields in self.kept.log if event.startswith(what)]
