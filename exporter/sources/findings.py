"""What reading one file has found so far: the records worth parsing, and the fate of every other one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from exporter.errors import MALFORMED_REASONS, SourceError
from exporter.model import Unit
from exporter.sources.base import Batch, Malformed, RawRecord

BATCH_RECORDS = 5_000
BATCH_BYTES = 32 * 2**20
_NAMED = 20
_TEXT_LIMIT = 64
_DETAIL_LIMIT = 200


class Findings:
    """Collects the findings of one origin and gives them as batches whose counts add up.

    `seen` and `understood` count over all batches: every entry, and those that were not malformed. `entry` says
    which one is at hand, where it has a name of its own; else malformed ones are told by their number.

    Only the first entries of a batch name each malformed record; the rest is folded into one entry for
    each reason, so that a file of garbage cannot fill the memory or the log.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.seen = 0
        self.understood = 0
        self.entry = ""
        self._clear()

    def _clear(self) -> None:
        self._records: list[RawRecord] = []
        self._raw_bytes = 0
        self._read = 0
        self._ignored: Counter[str] = Counter()
        self._malformed: list[Malformed] = []
        self._more_malformed: Counter[str] = Counter()
        self._units: set[Unit] = set()

    @property
    def full(self) -> bool:
        """Whether it is time to hand over a batch, so that memory stays bounded."""
        return len(self._records) >= BATCH_RECORDS or self._raw_bytes >= BATCH_BYTES

    def record(self, record: RawRecord) -> None:
        """Add a record worth parsing, and the account and region that it tells."""
        self._count(1)
        self.understood += 1
        self._records.append(record)
        self._raw_bytes += len(record.raw)
        self.unit(record.record.get("recipientAccountId"), record.record.get("awsRegion"))

    def ignored(self, reason: str, count: int = 1) -> None:
        """Count records that are understood but not wanted."""
        if count:
            self._count(count)
            self.understood += count
            self._ignored[reason] += count

    def malformed(self, reason: str, detail: str) -> None:
        """Count one thing that could not be understood, and name it while there are few."""
        assert reason in MALFORMED_REASONS, reason
        self._count(1)
        if len(self._malformed) < _NAMED:
            self._malformed.append(Malformed(reason, f"{self.origin}, {self.entry or f'entry {self.seen}'}", detail[:_DETAIL_LIMIT]))
        else:
            self._more_malformed[reason] += 1

    def unit(self, account_id: object, region: object) -> None:
        """Add an account and region; both come from outside and may be anything."""
        if isinstance(account_id, int) and not isinstance(account_id, bool):
            account_id = f"{account_id:012d}" if 0 <= account_id < 10**12 else None
        if isinstance(account_id, str) and isinstance(region, str) and account_id and region:
            self._units.add(Unit(account_id[:_TEXT_LIMIT], region[:_TEXT_LIMIT]))

    def batch(self, cursors: Mapping[str, str], error: SourceError | None = None) -> Batch:
        """Return what was found since the last batch, and begin the next one."""
        folded = [
            Malformed(reason, self.origin, "further entries of this kind", count) for reason, count in sorted(self._more_malformed.items())
        ]
        batch = Batch(
            origin=self.origin,
            records=tuple(self._records),
            read=self._read,
            ignored=dict(self._ignored),
            malformed=(*self._malformed, *folded),
            cursors=dict(cursors),
            units=frozenset(self._units),
            error=error,
        )
        self._clear()
        return batch

    def _count(self, count: int) -> None:
        self._read += count
        self.seen += count
