"""One digest file: what it says, and whether AWS signed it. Pure.

Source: CloudTrail user guide, "CloudTrail digest file structure" and "Custom implementations of CloudTrail log file integrity validation".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from exporter.sources.decompress import Damage, gunzip_pieces

LARGEST = 64 * 2**20
"""Bytes that the text of a digest may have: that of an hour with 150,000 log files."""

ALGORITHM = "SHA256withRSA"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A log file as a digest names it; the hash is the SHA-256 of its text before compression, in lower case."""

    bucket: str
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest file that could be read; `signature` is None where the object carries none of the known algorithm."""

    bucket: str
    key: str
    start: datetime
    end: datetime
    end_text: str
    fingerprint: str
    previous_bucket: str | None
    previous_key: str | None
    previous_hash: str | None
    previous_signature: str | None
    files: tuple[NamedFile, ...]
    text_hash: str
    signature: bytes | None

    def signed_by(self, key: rsa.RSAPublicKey) -> bool:
        """Tell whether the signature is that of the text, at this place, after that previous digest."""
        text = f"{self.end_text}\n{self.bucket}/{self.key}\n{self.text_hash}\n{self.previous_signature or 'null'}"
        try:
            key.verify(self.signature or b"", text.encode(), padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


class NoDigest(Exception):
    """What lies there is no digest of that place; `text_hash` is that of its text, as far as it has one."""

    def __init__(self, why: str, text_hash: str = "") -> None:
        super().__init__(why)
        self.text_hash = text_hash


def read_digest(bucket: str, key: str, data: bytes, metadata: Mapping[str, str]) -> Digest:
    """Return the digest in an object as stored; raise NoDigest where it is none, or was moved here from elsewhere."""
    try:
        text = b"".join(gunzip_pieces(BytesIO(data), LARGEST))
    except Damage as damage:
        raise NoDigest(f"cannot be decompressed: {damage}") from None
    text_hash = hashlib.sha256(text).hexdigest()
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoDigest("is no JSON", text_hash) from None
    try:
        if (value["digestS3Bucket"], value["digestS3Object"]) != (bucket, key):
            raise NoDigest("was moved here from another place", text_hash)
        return Digest(
            bucket,
            key,
            _moment(value["digestStartTime"]),
            _moment(value["digestEndTime"]),
            value["digestEndTime"],
            _text(value["digestPublicKeyFingerprint"]),
            _optional(value.get("previousDigestS3Bucket")),
            _optional(value.get("previousDigestS3Object")),
            _optional(value.get("previousDigestHashValue"), lower=True),
            _optional(value["previousDigestSignature"]),
            tuple(_named(entry) for entry in value["logFiles"]),
            text_hash,
            _signature(metadata),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NoDigest("does not have what every digest has", text_hash) from None


def public_key(value: object) -> rsa.RSAPublicKey | None:
    """Return a key as ListPublicKeys gives it (PKCS #1, DER, as bytes or in base64), None where it is none."""
    try:
        loaded = load_der_public_key(value if isinstance(value, bytes) else base64.b64decode(str(value), validate=True))
    except (ValueError, binascii.Error):
        return None
    return loaded if isinstance(loaded, rsa.RSAPublicKey) else None


def _named(entry: Any) -> NamedFile:
    if entry.get("hashAlgorithm", "SHA-256") != "SHA-256":
        raise ValueError
    return NamedFile(_text(entry["s3Bucket"]), _text(entry["s3Object"]), _text(entry["hashValue"]).lower())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _optional(value: object, *, lower: bool = False) -> str | None:
    if value is None:
        return None
    text = _text(value)
    return text.lower() if lower else text


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _signature(metadata: Mapping[str, str]) -> bytes | None:
    if metadata.get("signature-algorithm") != ALGORITHM:
        return None
    try:
        return bytes.fromhex(metadata.get("signature", "")) or None
    except ValueError:
        return None
