"""The public keys that CloudTrail signs digests with, asked of AWS once for each fingerprint and region."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.aws import Caller
from exporter.aws.operations import LIST_PUBLIC_KEYS
from exporter.sources.digest import public_key

_AROUND = timedelta(hours=2)
_MOST = 1000


class PublicKeys:
    """Gives keys by fingerprint. Each region has its own; `caller` returns who asks there."""

    def __init__(self, caller: Callable[[str], Caller]) -> None:
        self._caller = caller
        self._keys: dict[tuple[str, str], rsa.RSAPublicKey] = {}

    def find(self, region: str, fingerprint: str, start: datetime, end: datetime) -> rsa.RSAPublicKey | None:
        """Return the key that was valid in a time, None where CloudTrail knows none by that fingerprint. Raises AwsError."""
        known = self._keys.get((region, fingerprint))
        if known is None:
            if len(self._keys) >= _MOST:
                self._keys.clear()
            for page in self._caller(region).pages(LIST_PUBLIC_KEYS, StartTime=start - _AROUND, EndTime=end + _AROUND):
                for entry in page.get("PublicKeyList") or ():
                    key = public_key(entry.get("Value"))
                    if key is not None:
                        self._keys[region, str(entry.get("Fingerprint"))] = key
            known = self._keys.get((region, fingerprint))
        return known
