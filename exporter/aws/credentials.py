"""Whose credentials sign: the default chain of AWS's tools, and roles assumed from there, renewed before they expire."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.credentials import create_credential_resolver
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from exporter.aws.failures import redacted
from exporter.aws.settings import RoleSettings
from exporter.errors import AwsError
from exporter.text import visible

_CHAINED_LIMIT = 3600
"""Seconds: AWS's limit for a role that is assumed with the credentials of another."""
_SHORTEST = 900
_ADVANCE = 600.0
"""Seconds before the end from which on new credentials are asked for; less where they are short-lived."""
_RETRY_SECONDS = 30.0
"""How long credentials that could not be renewed, but are still good, are used before it is tried again."""
NO_CREDENTIALS = (
    "no AWS credentials found; give them by environment variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), a profile (aws.profile or "
    "AWS_PROFILE), a web identity (EKS), or the role of the task or instance"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a request is signed with, named as botocore's signers want it; `token` only where they are temporary."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class Credentials(Protocol):
    """Credentials that keep themselves good. Safe to use from several threads."""

    def current(self) -> Keys:
        """Return keys that are good now. Raises AwsError."""
        ...

    def renewed(self, spent: Keys) -> Keys:
        """Return other keys than those that AWS has refused; the same, if there are none. Raises AwsError."""
        ...

    def who(self) -> str:
        """Return who they belong to, for people."""
        ...


class DefaultCredentials:
    """The default chain: environment, profile (SSO, source_profile), web identity, ECS, EC2; loaded when first needed."""

    def __init__(self, session: Session, who: Callable[[], str] = lambda: "the default credentials") -> None:
        self._session, self.who = session, who
        self._lock = threading.Lock()
        self._loaded: Any = None

    def current(self) -> Keys:
        """Return keys that are good now. Raises AwsError."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            loaded = self._loaded
        return self._frozen(loaded)

    def renewed(self, spent: Keys) -> Keys:
        """Return the keys that the chain gives when it is asked anew: files and variables may have changed. Raises AwsError."""
        with self._lock:
            if self._loaded is None or self._frozen(self._loaded) == spent:
                self._loaded = self._load()
            return self._frozen(self._loaded)

    def _load(self) -> Any:
        try:
            # A resolver of our own, because the session's keeps what it has found.
            loaded = create_credential_resolver(self._session).load_credentials()
        except (BotoCoreError, ClientError) as error:
            raise _unusable(error) from None
        if loaded is None:
            raise AwsError("credentials", NO_CREDENTIALS)
        return loaded

    @staticmethod
    def _frozen(loaded: Any) -> Keys:
        try:
            frozen = loaded.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise _unusable(error) from None
        if not frozen.access_key or not frozen.secret_key:
            raise AwsError("credentials", NO_CREDENTIALS)
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)


def _unusable(error: Exception) -> AwsError:
    return AwsError(
        "credentials",
        f"the AWS credentials cannot be loaded: {visible(redacted(str(error)), 400).rstrip('.')}; {_remedy_of(error)}",
    )


def _remedy_of(error: Exception) -> str:
    name = type(error).__name__
    if "SSO" in name:
        return "sign in with `aws sso login`"
    if name == "ProfileNotFound":
        return "check aws.profile (or AWS_PROFILE) against the AWS configuration files"
    return "check what the default credential chain is given: environment, profile, web identity, task or instance role"


class RoleCredentials:
    """A role, assumed when first needed and again before its session ends, by one thread at a time.

    `assume` makes the call with a duration in seconds; raises AwsError.
    """

    def __init__(
        self,
        role: RoleSettings,
        parent: Credentials,
        assume: Callable[[RoleSettings, Credentials, int], tuple[Keys, float]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._role, self._parent, self._assume, self._now = role, parent, assume, now
        self._lock = threading.Lock()
        self._keys: Keys | None = None
        self._ends = self._renew_at = 0.0
        self._failure: tuple[float, AwsError] | None = None

    def who(self) -> str:
        """Return the role."""
        return self._role.role_arn

    def current(self) -> Keys:
        """Return keys that are good now. Raises AwsError."""
        keys, now = self._keys, self._now()
        if keys is not None and now < self._renew_at:
            return keys
        # Whoever comes while another renews need not wait as long as the old keys are good.
        good = keys is not None and now < self._ends
        if not self._lock.acquire(blocking=not good):
            assert keys is not None
            return keys
        try:
            if self._keys is not None and now < self._renew_at:
                return self._keys
            try:
                return self._new(now)
            except AwsError:
                if not good:
                    raise
                assert keys is not None
                self._renew_at = self._now() + _RETRY_SECONDS
                return keys
        finally:
            self._lock.release()

    def renewed(self, spent: Keys) -> Keys:
        """Return the keys of a new session, unless another thread has begun one since. Raises AwsError."""
        came = self._now()
        with self._lock:
            if self._keys is not None and self._keys != spent:
                return self._keys
            self._keys = None
            return self._new(came)

    def _new(self, came: float) -> Keys:
        if self._failure is not None and self._failure[0] > came:
            # Tried while this thread waited for its turn: the same again would only make the others wait.
            known = self._failure[1]
            raise AwsError(known.reason, str(known), known.operation, known.code)
        duration = max(_SHORTEST, int(self._role.session_duration.total_seconds()))
        try:
            if self._parent.current().token:
                duration = min(duration, _CHAINED_LIMIT)
            keys, seconds = self._assume(self._role, self._parent, duration)
        except AwsError as error:
            self._failure = self._now(), error
            raise
        now = self._now()
        self._keys, self._ends = keys, now + seconds
        self._renew_at = now + max(0.0, seconds - min(_ADVANCE, seconds / 4))
        return keys
