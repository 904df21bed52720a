"""What became of one poll of one unit, whether it read events or what stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Report(ABC):
    """What one poll of one unit came to; `complete` is False where anything could not be read or stored."""

    source: str
    account_id: str
    region: str
    started_at: datetime
    seconds: float = 0.0
    complete: bool = True
    reason: str | None = None
    error: str | None = None
    stopped: bool = False
    problems: list[str] = field(default_factory=list)

    def fail(self, reason: str, error: str) -> None:
        """Remember the first failure; a poll with any is not complete."""
        self.complete = False
        self.reason, self.error = self.reason or reason, self.error or error

    @abstractmethod
    def counts(self) -> str:
        """Return what it brought, for a person."""


@dataclass(slots=True)
class PollReport(Report):
    """What one poll of a source of events did."""

    read: int = 0
    stored: int = 0
    live: int = 0
    promoted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    ignored: int = 0
    malformed: int = 0

    def counts(self) -> str:
        """Return what became of the records, for a person."""
        return (
            f"read {self.read} records: stored {self.stored} ({self.live} live), duplicate {self.duplicates + self.conflicts}, "
            f"ignored {self.ignored}, malformed {self.malformed}"
        )


@dataclass(slots=True)
class SurveyReport(Report):
    """What one reading of what stands showed: of one account and region, or of all that an aggregator has."""

    units: int = 0
    groups: int = 0
    rules: int = 0
    open: int = 0
    excepted: int = 0
    changed: int = 0
    pending: int = 0
    unexplained: int = 0

    def counts(self) -> str:
        """Return what stands, for a person."""
        return (
            f"{self.groups} security groups with {self.rules} rules: {self.open} open to the internet, {self.excepted} excepted; "
            f"{self.changed} changed, {self.pending} changes wait for their event, {self.unexplained} unexplained"
        )
