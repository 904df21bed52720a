"""Digests as CloudTrail signs them, put into a bucket in memory by a key of the test's own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fake_bucket import ACCOUNT, BUCKET, REGION, FakeBucket

HOUR = timedelta(hours=1)


@cache
def private_key() -> rsa.RSAPrivateKey:
    """Return the key, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def fingerprint() -> str:
    """Return how digests name the key."""
    return hashlib.md5(public_key(), usedforsecurity=False).hexdigest()


def public_key() -> bytes:
    """Return the public key, PKCS #1 in DER."""
    return private_key().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)


class Chain:
    """Writes one digest after the other for a trail, as one account and region."""

    def __init__(
        self, bucket: FakeBucket, start: datetime, trail: str = "main", region: str = REGION, ending: str = "", before: str = "AWSLogs/"
    ) -> None:
        self.bucket, self.end, self.trail, self.region, self.ending, self.before = bucket, start, trail, region, ending, before
        self.keys: list[str] = []
        self.begin_anew()
        bucket.keys[:] = [{"Value": public_key(), "Fingerprint": fingerprint()}]

    def begin_anew(self) -> None:
        """Have the next digest name no previous one, as after a trail was stopped."""
        self.previous: dict[str, Any] = dict.fromkeys(
            ["previousDigestS3Bucket", "previousDigestS3Object", "previousDigestHashValue", "previousDigestHashAlgorithm", "previousDigestSignature"]
        )  # fmt: skip

    def key_of(self, end: datetime) -> str:
        """Return the key of the digest that ends at a time."""
        name = f"{ACCOUNT}_CloudTrail-Digest_{self.region}_{self.trail}_us-east-1_{end:%Y%m%dT%H%M%SZ}{self.ending}.json.gz"
        return f"{self.before}{ACCOUNT}/CloudTrail-Digest/{self.region}/{end:%Y/%m/%d}/{name}"

    def write(self, *logs: str, hashes: dict[str, str] | None = None, **metadata: str) -> str:
        """Write the digest of the next hour, that names logs as they are now; return its key."""
        start, self.end = self.end, self.end + HOUR
        key = self.key_of(self.end)
        text = json.dumps(
            {
                "awsAccountId": ACCOUNT, "digestStartTime": f"{start:%Y-%m-%dT%H:%M:%SZ}", "digestEndTime": f"{self.end:%Y-%m-%dT%H:%M:%SZ}",
                "digestS3Bucket": BUCKET, "digestS3Object": key, "digestPublicKeyFingerprint": fingerprint(),
                "digestSignatureAlgorithm": "SHA256withRSA", "newestEventTime": None, "oldestEventTime": None, **self.previous,
                "logFiles": [self._named(log, hashes or {}) for log in logs],
            }
        ).encode()  # fmt: skip
        before = self.previous["previousDigestSignature"] or "null"
        text_hash = hashlib.sha256(text).hexdigest()
        to_sign = f"{self.end:%Y-%m-%dT%H:%M:%SZ}\n{BUCKET}/{key}\n{text_hash}\n{before}"
        signature = private_key().sign(to_sign.encode(), padding.PKCS1v15(), SHA256()).hex()
        self.bucket.objects[key] = (
            gzip.compress(text, mtime=0),
            {"signature": signature, "signature-algorithm": "SHA256withRSA", **metadata},
        )
        self.previous = {
            "previousDigestS3Bucket": BUCKET, "previousDigestS3Object": key, "previousDigestHashValue": text_hash,
            "previousDigestHashAlgorithm": "SHA-256", "previousDigestSignature": signature,
        }  # fmt: skip
        self.keys.append(key)
        return key

    def hours(self, count: int) -> list[str]:
        """Write digests of hours in which nothing was delivered."""
        return [self.write() for _ in range(count)]

    def _named(self, log: str, hashes: dict[str, str]) -> dict[str, Any]:
        held = hashes.get(log) or hashlib.sha256(gzip.decompress(self.bucket.objects[log][0])).hexdigest()
        return {
            "s3Bucket": BUCKET,
            "s3Object": log,
            "hashValue": held,
            "hashAlgorithm": "SHA-256",
            "newestEventTime": None,
            "oldestEventTime": None,
        }


def base64_keys(bucket: FakeBucket) -> Sequence[object]:
    """Have the bucket give its public keys in base64, as JSON has them."""
    bucket.keys[:] = [{"Value": base64.b64encode(public_key()).decode(), "Fingerprint": fingerprint()}]
    return bucket.keys
