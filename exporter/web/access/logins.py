"""Basic authentication by bcrypt hashes: slow on purpose, so that what was verified is remembered and what is not is rationed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import bcrypt

from exporter.web.access.buckets import Buckets
from exporter.web.access.turnstile import Turnstile

_MOST_PASSWORD = 72
"""Bytes of a password that bcrypt reads; of a longer one the rest would not count."""
_MOST_USER = 256
_GOOD_SECONDS, _MOST_GOOD = 3600.0, 1000
_BAD_SECONDS, _MOST_BAD = 60.0, 1000
_GUESSES, _GUESSES_PER_SECOND = 10, 0.2
"""Checks that one client may cause at once, and in the long run; right passwords do not count."""
_CHECKS_AT_ONCE, _CHECKS_WAITING, _CHECK_PATIENCE = 1, 4, 2.0


class Outcome(Enum):
    """What became of a login; the values are reasons of refused requests."""

    RIGHT = "right"
    MISSING = "no_credentials"
    WRONG = "wrong_credentials"
    TOO_OFTEN = "login_rate"


@dataclass(frozen=True, slots=True)
class Login:
    """What became of a login; `wait` is the seconds after which another is welcome, where it came too often."""

    outcome: Outcome
    wait: float = 0.0


class Logins:
    """Checks credentials; safe to use from any thread. Nothing that it keeps tells a password."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        check: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
    ) -> None:
        self._now, self._check = now, check
        self._secret = os.urandom(32)
        self._buckets = Buckets(now)
        self._turnstile = Turnstile(_CHECKS_AT_ONCE, _CHECKS_WAITING, _CHECK_PATIENCE)
        self._lock = threading.Lock()
        self._good: OrderedDict[bytes, float] = OrderedDict()
        self._bad: OrderedDict[bytes, float] = OrderedDict()

    def login(self, users: Mapping[str, str], authorization: str | None, client: str) -> Login:
        """Check the value of the header Authorization of a client's request."""
        if authorization is None:
            return Login(Outcome.MISSING)
        given = _credentials(authorization)
        if given is None or len(given[1]) > _MOST_PASSWORD or len(given[0]) > _MOST_USER:
            return Login(Outcome.WRONG)
        user, password = given
        hashed = users.get(user.decode("utf-8", "replace"))
        # An unknown user is checked against the hash of one that there is, always the same, and never passes: as slow, and no other trace.
        against = (hashed or self._stand_in(users, user)).encode()
        key = self._keyed(user, against, password, b"" if hashed is None else b"known")
        known = self._remembered(key)
        if known is not None:
            return Login(Outcome.RIGHT if known and hashed is not None else Outcome.WRONG)
        wait = self._buckets.take(client, _GUESSES_PER_SECOND, _GUESSES)
        if wait:
            return Login(Outcome.TOO_OFTEN, wait)
        with self._turnstile.turn() as let_in:
            if not let_in:
                self._buckets.give_back(client)
                return Login(Outcome.TOO_OFTEN, 1.0)
            right = self._check(password, against) and hashed is not None
        self._remember(key, right=right)
        if right:
            self._buckets.give_back(client)
        return Login(Outcome.RIGHT if right else Outcome.WRONG)

    def _stand_in(self, users: Mapping[str, str], user: bytes) -> str:
        hashes = sorted(users.values())
        return hashes[int.from_bytes(self._keyed(user)[:8], "big") % len(hashes)]

    def _keyed(self, *parts: bytes) -> bytes:
        text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._secret, text, hashlib.sha256)

    def _remembered(self, key: bytes) -> bool | None:
        """Return whether this was right, None if that is not known. Each use of what was right keeps it, so that a scraper stays in."""
        at = self._now()
        with self._lock:
            until = self._good.get(key)
            if until is not None and at < until:
                self._good[key] = at + _GOOD_SECONDS
                self._good.move_to_end(key)
                return True
            until = self._bad.get(key)
            return False if until is not None and at < until else None

    def _remember(self, key: bytes, *, right: bool) -> None:
        """Keep the outcome. What is right cannot be pushed out by any number of guesses."""
        kept, seconds, most = (self._good, _GOOD_SECONDS, _MOST_GOOD) if right else (self._bad, _BAD_SECONDS, _MOST_BAD)
        with self._lock:
            kept[key] = self._now() + seconds
            kept.move_to_end(key)
            if len(kept) > most:
                kept.popitem(last=False)


def _credentials(authorization: str) -> tuple[bytes, bytes] | None:
    """Return user and password of a Basic header, None where it is none."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(text.strip(" "), validate=True)
    except (binascii.Error, ValueError):
        return None
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None
