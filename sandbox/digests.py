"""Digests that prove which log files were delivered: one an hour for each trail, account and region, signed and chained.

Source: CloudTrail user guide, "CloudTrail digest file structure" and "Custom implementations of log file integrity validation".
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import md5, sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox import json_answers
from sandbox.backend import Answer, Backend
from sandbox.calls import Call
from sandbox.faults import Chance, Faults
from sandbox.identities import Identity
from sandbox.journal import Unit
from sandbox.moments import Clock, iso
from sandbox.trail_files import LogFile, digest_key, log_entry, span
from sandbox.trail_status import Deliveries
from sandbox.trails import Trail, Trails

_KEY_BITS = 2048
_YEAR = timedelta(days=365)


class SigningKey:
    """The key of the sandbox, made when it is first used."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @cached_property
    def _private(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)

    @cached_property
    def public(self) -> bytes:
        """The public key, PKCS #1 in DER."""
        return self._private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)

    @cached_property
    def since(self) -> datetime:
        """From when on the key is valid: well before the first digest that it signs."""
        return self._clock() - timedelta(days=91)

    @property
    def fingerprint(self) -> str:
        """How digests name the key."""
        return md5(self.public, usedforsecurity=False).hexdigest()

    def sign(self, text: str) -> str:
        """Return a signature, RSASSA-PKCS1-v1_5 with SHA-256, in hexadecimal digits."""
        return self._private.sign(text.encode(), padding.PKCS1v15(), SHA256()).hex()

    def __call__(self, call: Call, identity: Identity) -> Answer:  # noqa: ARG002 - the key is the same for all accounts
        """Answer ListPublicKeys."""
        asked = call.document if isinstance(call.document, dict) else {}
        now = self._clock().timestamp()
        start, end = asked.get("StartTime", now), asked.get("EndTime", now)
        if not isinstance(start, int | float) or not isinstance(end, int | float) or start > end:
            return json_answers.failure("InvalidTimeRangeException", "The start time must be before the end time.")
        first, last = int(self.since.timestamp()), int((self.since + _YEAR).timestamp())
        value = base64.b64encode(self.public).decode()
        key = {"Value": value, "ValidityStartTime": first, "ValidityEndTime": last, "Fingerprint": self.fingerprint}
        return json_answers.success({"PublicKeyList": [key] if start <= last and end >= first else []})


_NO_PREVIOUS = {
    "previousDigestS3Bucket": None,
    "previousDigestS3Object": None,
    "previousDigestHashValue": None,
    "previousDigestHashAlgorithm": None,
    "previousDigestSignature": None,
}


@dataclass(slots=True)
class _Chain:
    """The digests of one trail, account and region so far. `behind` are files that the digest of their time leaves out."""

    trail: Trail
    start: datetime
    files: list[LogFile] = field(default_factory=list)
    behind: list[LogFile] = field(default_factory=list)
    previous: dict[str, Any] = field(default_factory=lambda: dict(_NO_PREVIOUS))


class Digests:
    """Writes digests. `every` is an hour at AWS; a share of files, `faults.backfill`, is left to a later backfill digest."""

    def __init__(
        self, backend: Backend, trails: Trails, deliveries: Deliveries, key: SigningKey, clock: Clock, every: timedelta, faults: Faults
    ) -> None:
        self._backend, self._trails, self._deliveries = backend, trails, deliveries
        self._key, self._clock, self._every = key, clock, every
        self._backfill, self._chance = faults.backfill, Chance(faults.seed)
        self._chains: dict[tuple[str, Unit], _Chain] = {}
        self._regions: defaultdict[str, set[Unit]] = defaultdict(set)

    def deliver(self, files: Iterable[LogFile]) -> list[str]:
        """Take note of files that were delivered, write every digest whose time is over, and return the keys of those."""
        now = self._clock().replace(microsecond=0)
        written: list[str] = []
        trails = {trail.arn: trail for trail in self._trails.logging() if trail.validated}
        for trail in trails.values():
            self._regions[trail.arn].add((trail.account_id, trail.home_region))
        for file in files:
            self._regions[file.trail.arn].add(file.unit)
            if file.trail.validated:
                chain = self._chains.setdefault((file.trail.arn, file.unit), _Chain(file.trail, now))
                (chain.behind if self._chance.strikes(self._backfill) else chain.files).append(file)
        for arn, trail in trails.items():
            for unit in sorted(self._regions[arn]):
                chain = self._chains.setdefault((arn, unit), _Chain(trail, now))
                # An hour without files has a digest too: it says that there were none.
                while chain.start + self._every <= now:
                    written += self._hour(trail, unit, chain, chain.start + self._every)
        # A trail that stops ends its chains, with a digest of what is left; the first after it starts again has no previous one.
        for gone in [known for known in self._chains if known[0] not in trails]:
            chain = self._chains.pop(gone)
            if chain.start < now:
                written += self._hour(chain.trail, gone[1], chain, now)
        return written

    def _hour(self, trail: Trail, unit: Unit, chain: _Chain, end: datetime) -> list[str]:
        """Write the digest of an hour that ends at a time, and a backfill digest of the files that it leaves out."""
        key = digest_key(trail, unit, end)
        text, signature = self._write(trail, unit, (chain.start, end), key, chain.files, chain.previous)
        written = [key]
        if chain.behind:
            written.append(digest_key(trail, unit, end, "_backfill"))
            # It stands beside the chain and is no link of it.
            self._write(trail, unit, (chain.start, end), written[-1], chain.behind, _NO_PREVIOUS)
        chain.start, chain.files, chain.behind = end, [], []
        chain.previous = {
            "previousDigestS3Bucket": trail.bucket,
            "previousDigestS3Object": key,
            "previousDigestHashValue": sha256(text).hexdigest(),
            "previousDigestHashAlgorithm": "SHA-256",
            "previousDigestSignature": signature,
        }
        return written

    def _write(
        self, trail: Trail, unit: Unit, hour: tuple[datetime, datetime], key: str, files: list[LogFile], previous: Mapping[str, Any]
    ) -> tuple[bytes, str]:
        """Write a digest and return its text and signature."""
        oldest, newest = span(files)
        start, end = map(iso, hour)
        digest = {
            "awsAccountId": unit[0],
            "digestStartTime": start,
            "digestEndTime": end,
            "digestS3Bucket": trail.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": self._key.fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": newest,
            "oldestEventTime": oldest,
            **previous,
            "logFiles": [log_entry(file) for file in files],
        }
        text = json.dumps(digest, separators=(",", ":")).encode()
        before = previous["previousDigestSignature"] or "null"
        signature = self._key.sign(f"{end}\n{trail.bucket}/{key}\n{sha256(text).hexdigest()}\n{before}")
        headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "X-Amz-Meta-Signature": signature,
            "X-Amz-Meta-Signature-Algorithm": "SHA256withRSA",
        }
        now = self._clock()
        if key.endswith("_backfill.json.gz"):
            headers["X-Amz-Meta-Backfill-Generation-Timestamp"] = iso(now)
        error = self._backend.put_object(trail.account_id, trail.bucket, key, gzip.compress(text, mtime=0), headers)
        self._deliveries.note("DigestDelivery", trail.arn, unit[1], now, error)
        return text, signature
