"""Answers in pages: where the next one begins, in a token that is good for the same request only.

A page begins behind the last member of the one before, in the order of their keys: what comes or goes in between moves nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

_Member = TypeVar("_Member")


class InvalidTokenError(ValueError):
    """A token that was not given for this request."""


class Page(Generic[_Member]):
    """Some members of a list, and the token for the rest; None where there is none."""

    def __init__(self, members: Sequence[_Member], token: str | None) -> None:
        self.members, self.token = members, token


class Pages:
    """Cuts lists into pages; its tokens are signed, so that nobody can make one up."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def page(
        self, members: Sequence[_Member], key: Callable[[_Member], str], size: int | None, token: str | None, request: Hashable
    ) -> Page[_Member]:
        """Return the page of a request, of all members where `size` is None. Raises InvalidTokenError."""
        after = self._read(token, request) if token else None
        ordered = sorted(members, key=key)
        rest = [member for member in ordered if after is None or key(member) > after]
        if size is None or len(rest) <= size:
            return Page(rest, None)
        return Page(rest[:size], self._written(key(rest[size - 1]), request))

    def _written(self, last: str, request: Hashable) -> str:
        body = last.encode()
        return urlsafe_b64encode(self._signature(body, request) + body).decode()

    def _read(self, token: str, request: Hashable) -> str:
        try:
            raw = urlsafe_b64decode(token.encode())
        except ValueError:
            raise InvalidTokenError from None
        signature, body = raw[:32], raw[32:]
        if not hmac.compare_digest(signature, self._signature(body, request)):
            raise InvalidTokenError
        return body.decode()

    def _signature(self, body: bytes, request: Hashable) -> bytes:
        return hmac.digest(self._secret, repr(request).encode() + b"\0" + body, hashlib.sha256)
