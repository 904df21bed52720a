"""Digests that prove which log files were delivered: one an hour for each trail, account and region, signed and chained.

Source: CloudTrail user guide, "CloudTrail digest file structure" and "Custom implementations of log file integrity validation".
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable
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
from sandbox.identities import Identity
from sandbox.journal import Unit
from sandbox.moments import Clock, iso
from sandbox.trail_files import LogFile, digest_key, log_entry, span
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


@dataclass(slots=True)
class _Chain:
    """The digests of one trail, account and region so far."""

    start: datetime
    files: list[LogFile] = field(default_factory=list)
    previous: dict[str, Any] = field(
        default_factory=lambda: {
            "previousDigestS3Bucket": None,
            "previousDigestS3Object": None,
            "previousDigestHashValue": None,
            "previousDigestHashAlgorithm": None,
            "previousDigestSignature": None,
        }
    )


class Digests:
    """Writes digests. `every` is an hour at AWS."""

    def __init__(self, backend: Backend, trails: Trails, key: SigningKey, clock: Clock, every: timedelta) -> None:
        self._backend, self._trails, self._key, self._clock, self._every = backend, trails, key, clock, every
        self._chains: dict[tuple[str, Unit], _Chain] = {}
        self._regions: defaultdict[str, set[Unit]] = defaultdict(set)

    def deliver(self, files: Iterable[LogFile]) -> list[str]:
        """Take note of files that were delivered, write every digest whose time is over, and return the keys of those."""
        now = self._clock().replace(microsecond=0)
        written = []
        trails = {trail.arn: trail for trail in self._trails.logging() if trail.validated}
        for trail in trails.values():
            self._regions[trail.arn].add((trail.account_id, trail.home_region))
        for file in files:
            self._regions[file.trail.arn].add(file.unit)
            if file.trail.validated:
                self._chains.setdefault((file.trail.arn, file.unit), _Chain(now)).files.append(file)
        for arn, trail in trails.items():
            for unit in sorted(self._regions[arn]):
                chain = self._chains.setdefault((arn, unit), _Chain(now))
                # An hour without files has a digest too: it says that there were none.
                while chain.start + self._every <= now:
                    written.append(self._write(trail, unit, chain))
        # A trail that stops ends its chains; the first digest after it starts again has no previous one.
        for gone in [known for known in self._chains if known[0] not in trails]:
            del self._chains[gone]
        return written

    def _write(self, trail: Trail, unit: Unit, chain: _Chain) -> str:
        end = chain.start + self._every
        key = digest_key(trail, unit, end)
        oldest, newest = span(chain.files)
        digest = {
            "awsAccountId": unit[0],
            "digestStartTime": iso(chain.start),
            "digestEndTime": iso(end),
            "digestS3Bucket": trail.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": self._key.fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": newest,
            "oldestEventTime": oldest,
            **chain.previous,
            "logFiles": [log_entry(file) for file in chain.files],
        }
        text = json.dumps(digest, separators=(",", ":")).encode()
        before = chain.previous["previousDigestSignature"] or "null"
        signature = self._key.sign(f"{iso(end)}\n{trail.bucket}/{key}\n{sha256(text).hexdigest()}\n{before}")
        headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "X-Amz-Meta-Signature": signature,
            "X-Amz-Meta-Signature-Algorithm": "SHA256withRSA",
        }
        self._backend.put_object(trail.account_id, trail.bucket, key, gzip.compress(text, mtime=0), headers)
        chain.start, chain.files = end, []
        chain.previous = {
            "previousDigestS3Bucket": trail.bucket,
            "previousDigestS3Object": key,
            "previousDigestHashValue": sha256(text).hexdigest(),
            "previousDigestHashAlgorithm": "SHA-256",
            "previousDigestSignature": signature,
        }
        return key
