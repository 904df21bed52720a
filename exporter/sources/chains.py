"""One chain of digests, judged from its oldest digest on: each digest, and each log file that it names, counts once.

The verdicts are those of `aws cloudtrail validate-logs`; what a log file held is what it held when it was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from exporter.errors import SourceError
from exporter.families import DIGESTS, TRAIL_FILES, VERIFICATION_STATES, VERIFIED_UNTIL
from exporter.sources.base import Batch
from exporter.sources.digest import LARGEST, Digest, NamedFile, NoDigest, read_digest
from exporter.sources.downloads import Object
from exporter.sources.ledger import ABSENT, UNHASHED, Chain, Gather, encode, epoch, file_key, row_of
from exporter.sources.public_keys import PublicKeys
from exporter.sources.trail_bucket import Bucket, Count, archived
from exporter.sources.trail_keys import DigestFile, LogFile, understand_key

VERIFIED, MISSING, MODIFIED, UNSIGNED = VERIFICATION_STATES

_PATIENCE = timedelta(hours=1)
"""How much later than the digest after it a digest may come before it is missing."""

_SAID = {
    (DIGESTS.name, MISSING): "digest missing: the next one names it, and it is not there; find out who deleted it",
    (DIGESTS.name, MODIFIED): "digest modified: it is not what AWS signed; find out who wrote it, and restore it from a version or a copy",
    (DIGESTS.name, UNSIGNED): "digest unsigned: it has no valid signature of AWS and proves nothing; find out who wrote it",
    (
        TRAIL_FILES.name,
        MISSING,
    ): "trail file missing: a signed digest names it, and it is not there; find out who deleted it, and restore it",
    (
        TRAIL_FILES.name,
        MODIFIED,
    ): "trail file modified: its content is not what AWS signed; find out who wrote it, and restore it from a version",
    (TRAIL_FILES.name, UNSIGNED): "trail file unsigned: no digest names it, so AWS does not vouch for it; find out who wrote it",
}


class Wait(Exception):
    """The rest of a chain cannot be judged now."""


@dataclass(slots=True)
class _Verdicts:
    """What is said of one digest, of the one before it and of the files it names, until it is committed as one."""

    digests: Counter[str] = field(default_factory=Counter)
    files: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    cursors: dict[str, str | None] = field(default_factory=dict)
    proven: bool = True


@dataclass(slots=True)
class Chains:
    """Judges digests of one bucket."""

    bucket: Bucket
    keys: PublicKeys

    def read(self, key: str) -> Digest | NoDigest | None:
        """Return the digest at a key, None where nothing is; raises AwsError where it cannot be told."""
        try:
            reply = self.bucket.caller.get_object(self.bucket.name, key, LARGEST)
        except SourceError as error:
            if error.reason == "not_found":
                return None
            if getattr(error, "code", "") == "too_large":
                return NoDigest("is larger than any digest")
            raise
        try:
            return read_digest(self.bucket.name, key, reply.body, reply.metadata)
        except NoDigest as fault:
            return fault

    def is_signed(self, file: DigestFile, digest: Digest) -> bool:
        """Tell whether AWS signed a digest. Raises AwsError."""
        if digest.signature is None:
            return False
        key = self.keys.find(file.region, digest.fingerprint, digest.start, digest.end)
        return key is not None and digest.signed_by(key)

    def say(self, family: str, state: str, key: str, file: DigestFile | LogFile) -> None:
        """Tell a person which file is meant, and what to do."""
        chain = {"trail": file.trail, "digest": file.key} if isinstance(file, DigestFile) else {}
        self.bucket.context.log.error(
            _SAID[family, state], bucket=self.bucket.name, key=key, account_id=file.account_id, region=file.region, **chain
        )

    def judge(self, name: str, file: DigestFile, chain: Chain | None, after: DigestFile | None) -> Generator[Batch, None, Chain | None]:
        """Yield what one digest brings and proves, and return the chain with it; `after` is the digest that follows, if there is one.

        Raises AwsError and Wait where that cannot be told now; nothing is counted then.
        """
        if self.bucket.context.cursor(bad_key(file.key)) is not None:
            return chain
        digest = self.read(file.key)
        if digest is None:
            return chain  # gone since it was listed: the one after it names it
        verdicts = _Verdicts()
        state = VERIFIED
        if isinstance(digest, NoDigest) or not self.is_signed(file, digest):
            state = self._fault(file, digest, after)
        if isinstance(digest, NoDigest) or state != VERIFIED:
            # It proves nothing, not even that the chain got this far: else one with a name from the future would end all verification.
            self.say(DIGESTS.name, state, file.key, file)
            verdicts.digests[state] += 1
            verdicts.cursors[bad_key(file.key)] = state
            verdicts.proven = False
            yield self._batch(file, verdicts)
            return chain
        chain = yield from self._link(name, file, digest, chain, verdicts)
        yield from self._files(file, digest.files, verdicts)
        verdicts.digests[VERIFIED] += 1
        judged = Chain(file.key, digest.text_hash, epoch(file.end), epoch(digest.start) if chain is None else chain.first)
        verdicts.cursors[f"chain:{name}"] = encode(judged)
        yield self._batch(file, verdicts)
        return judged

    def _fault(self, file: DigestFile, digest: Digest | NoDigest, after: DigestFile | None) -> str:
        """Return why a digest without a valid signature has none: the digest after it tells whether the text is that of AWS."""
        following = self.read(after.key) if after is not None else None
        if after is not None and isinstance(following, Digest) and following.previous_key == file.key and self.is_signed(after, following):
            return UNSIGNED if following.previous_hash == digest.text_hash else MODIFIED
        return MODIFIED if isinstance(digest, NoDigest) else UNSIGNED

    def _link(
        self, name: str, file: DigestFile, digest: Digest, chain: Chain | None, verdicts: _Verdicts
    ) -> Generator[Batch, None, Chain | None]:
        """Compare what a digest says of the one before it with the one that was judged last."""
        if chain is None:
            return chain
        if digest.previous_key is None or digest.previous_bucket != self.bucket.name:
            self.bucket.context.log.warning(
                "a chain of digests begins anew: log file validation, trail or bucket was switched; no digest names files from between",
                bucket=self.bucket.name, digest=file.key, trail=file.trail, account_id=file.account_id, region=file.region,
            )  # fmt: skip
            return chain
        if digest.previous_key == chain.key:
            if digest.previous_hash != chain.text_hash:
                verdicts.digests[MODIFIED] += 1
                verdicts.proven = False
                self.say(DIGESTS.name, MODIFIED, chain.key, file)
            return chain
        before = understand_key(digest.previous_key)
        late = isinstance(before, DigestFile) and chain.end < epoch(before.end) < epoch(file.end)
        if late and isinstance(before, DigestFile) and self.read(before.key) is not None:
            return (yield from self.judge(name, before, chain, file))
        if self.bucket.context.now() < digest.end + _PATIENCE:
            raise Wait
        verdicts.digests[MISSING] += 1
        self.say(DIGESTS.name, MISSING, digest.previous_key, file)
        return chain

    def _files(self, digest: DigestFile, named: tuple[NamedFile, ...], verdicts: _Verdicts) -> Iterator[Batch]:
        unread: list[Object[tuple[NamedFile, LogFile]]] = []
        for entry in named:
            file = understand_key(entry.key)
            if not isinstance(file, LogFile) or entry.bucket != self.bucket.name:
                verdicts.proven = False
                self.bucket.context.log.warning("a digest names a file of another bucket or layout", digest=digest.key, key=entry.key)
                continue
            row = self.bucket.row(entry.key)
            if row is None or (row.sha256 == UNHASHED and not row.judged):
                unread.append(Object(self.bucket.name, entry.key, (entry, file)))
            elif not row.judged:
                self._compare(digest, entry, file, row.sha256, verdicts)
        failed = False
        gather = Gather()
        for reading in self.bucket.objects.read(unread):
            entry, file = reading.object.of
            for batch, outcome in self.bucket.file(reading, partial(self.bucket.remember, file)):
                if outcome is None or outcome.error is None:
                    if outcome is not None:
                        self._compare(digest, entry, file, outcome.sha256, verdicts)
                elif outcome.missing:
                    self._count(digest, file, MISSING, ABSENT, verdicts)
                    continue
                elif archived(outcome.error):
                    verdicts.proven = False
                    continue
                else:
                    failed = True
                if (ready := gather.add(batch)) is not None:
                    yield ready
            if self.bucket.context.stopping():
                failed = True
                break
        if (ready := gather.flush()) is not None:
            yield ready
        if failed:
            raise Wait

    def _compare(self, digest: DigestFile, entry: NamedFile, file: LogFile, sha256: str, verdicts: _Verdicts) -> None:
        self._count(digest, file, VERIFIED if sha256 == entry.sha256 else MODIFIED, sha256, verdicts)

    def _count(self, digest: DigestFile, file: LogFile, state: str, sha256: str, verdicts: _Verdicts) -> None:
        verdicts.files[file.account_id, file.region, state] += 1
        verdicts.cursors[file_key(file.key)] = row_of(file, sha256, self.bucket.context.now(), judged=True)
        if state != VERIFIED:
            verdicts.proven = False
            self.say(TRAIL_FILES.name, state, file.key, digest)

    def _batch(self, file: DigestFile, verdicts: _Verdicts) -> Batch:
        where = self.bucket.source, file.account_id, file.region
        counts: list[Count] = [(DIGESTS.name, (*where, state), float(number)) for state, number in verdicts.digests.items()]
        counts += [(TRAIL_FILES.name, (self.bucket.source, *of), float(number)) for of, number in verdicts.files.items()]
        if verdicts.proven:
            counts.append((VERIFIED_UNTIL.name, where, float(epoch(file.end))))
        return Batch(self.bucket.origin(file.key), cursors=verdicts.cursors, counts=counts)


def bad_key(key: str) -> str:
    """Return the cursor key of a digest that proves nothing and was counted."""
    return f"bad:{key}"
