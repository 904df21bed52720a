"""Verifies what is new of the digests in a folder, and finds the log files that no digest names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from exporter.families import DIGESTS, TRAIL_FILES, VERIFICATION_STATES
from exporter.sources.base import Batch
from exporter.sources.chains import UNSIGNED, Chains, Wait, bad_key
from exporter.sources.digest import Digest
from exporter.sources.ledger import Chain, Deadline, Progress, Row, decode, encode, epoch, file_key, from_epoch
from exporter.sources.listing import forgotten_before, rows_of, unread_past
from exporter.sources.places import objects_after
from exporter.sources.trail_bucket import Bucket, Count
from exporter.sources.trail_keys import DigestFile, LogFile, day_position, digest_folder, log_folder, understand_key

_EXPIRY = timedelta(hours=25)
"""A bucket that deletes old files deletes a log file up to a day before the digest that names it."""

_OVER = timedelta(days=7)
"""So long after its last digest a chain counts as ended: files that come later belong to another trail."""

_FORGOTTEN = 3 * 86400
"""So long before the listed digests one that proves nothing is remembered, in seconds."""


@dataclass(slots=True)
class Verification:
    """Verifies one bucket. `listed` says that new files are found by listing; `unsigned_after` is how long a digest is waited for.

    `unfinished` turns true where the time was over first.
    """

    bucket: Bucket
    chains: Chains
    backfill: timedelta
    unsigned_after: timedelta
    listed: bool
    unfinished: bool = False

    def folder(self, folder: str, progress: Progress, deadline: Deadline) -> Iterator[Batch]:
        """Yield what is new of the digests of a folder, then of the log files that none names; raises AwsError."""
        context = self.bucket.context
        begun = int(context.cursor(f"digests:{folder}") or epoch(context.now() - max(self.backfill, timedelta(days=1))))
        start = day_position(folder, from_epoch(begun) - timedelta(days=1))
        found: defaultdict[str, list[DigestFile]] = defaultdict(list)
        for item in objects_after(self.bucket.caller, self.bucket.name, folder, start):
            file = understand_key(item.key)
            if isinstance(file, DigestFile) and file.end <= context.now() + timedelta(days=1):
                found[file.chain].append(file)
        bad = {name.removeprefix(bad_key("")) for name in context.cursors(bad_key(folder))}
        complete = True
        for name, files in sorted(found.items()):
            try:
                yield from self._chain(name, sorted((file for file in files if file.key not in bad), key=lambda file: file.order), deadline)
            except Wait:
                complete = False
        # Chains that have ended must not keep the listing at their end.
        newest = max((epoch(file.end) for files in found.values() for file in files), default=0)
        if complete and newest > begun:
            cursors: dict[str, str | None] = {f"digests:{folder}": str(newest)}
            for key in bad:
                file = understand_key(key)
                if not isinstance(file, DigestFile) or epoch(file.end) < begun - _FORGOTTEN:
                    cursors[bad_key(key)] = None
            yield Batch(self.bucket.origin(folder), cursors=cursors)
        yield from self.sweep(log_folder(folder), progress, judge=complete)

    def sweep(self, folder: str, progress: Progress, *, judge: bool) -> Iterator[Batch]:
        """Count the files that no digest names, and forget those that no listing will show again."""
        context = self.bucket.context
        now = epoch(context.now())
        old = forgotten_before(progress, context.now(), listed=self.listed)
        known = [decode(text, Chain) for text in context.cursors(f"chain:{digest_folder(folder)}").values()]
        chains = [chain for chain in known if chain is not None] if self.bucket.verifying else []
        first = min((chain.first for chain in chains), default=0)
        last = max((chain.end for chain in chains), default=0) + int(_OVER.total_seconds())
        cursors: dict[str, str | None] = {}
        counts: list[Count] = []
        for key, text in rows_of(self.bucket, folder, self.backfill):
            row, file = decode(text, Row), understand_key(key)
            if row is None or not isinstance(file, LogFile):
                cursors[file_key(key)] = None
            elif chains and not row.judged and first <= row.moment <= last:
                if judge and row.moment + self.unsigned_after.total_seconds() < now:
                    counts.append(self.bucket.verdict(file, UNSIGNED))
                    self.chains.say(TRAIL_FILES.name, UNSIGNED, key, file)
                    cursors[file_key(key)] = encode(Row(row.sha256, row.moment, judged=True))
            elif row.moment < old and not unread_past(progress, key):
                cursors[file_key(key)] = None
        if cursors:
            yield Batch(self.bucket.origin(folder), cursors=cursors, counts=counts)

    def _chain(self, name: str, files: list[DigestFile], deadline: Deadline) -> Iterator[Batch]:
        chain = decode(self.bucket.context.cursor(f"chain:{name}"), Chain)
        if chain is None and files:
            # A series that is born with its first finding in it would hide that finding from increase().
            yield self._zeros(files[0])
            files = self._from_the_start(files)
        for number, file in enumerate(files):
            if chain is not None and epoch(file.end) <= chain.end:
                continue
            if self.bucket.context.stopping() or deadline.over:
                self.unfinished = True
                raise Wait
            chain = yield from self.chains.judge(name, file, chain, files[number + 1] if number + 1 < len(files) else None)

    def _from_the_start(self, files: list[DigestFile]) -> list[DigestFile]:
        """Return the digests to begin with: all, unless the bucket deletes old files and has those of the first day in part."""
        first = self.chains.read(files[0].key)
        if isinstance(first, Digest) and first.previous_key is not None and self.chains.read(first.previous_key) is None:
            return [file for file in files if file.end > files[0].end + _EXPIRY]
        return files

    def _zeros(self, file: DigestFile) -> Batch:
        where = self.bucket.source, file.account_id, file.region
        counts = [(family.name, (*where, state), 0.0) for family in (DIGESTS, TRAIL_FILES) for state in VERIFICATION_STATES]
        return Batch(self.bucket.origin(file.key), counts=counts)
