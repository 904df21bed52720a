"""What stands between a request and its handler: limits, login, and pages of others that act in a reader's name."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

from exporter.logs import Logger
from exporter.web.access.access import Access
from exporter.web.access.buckets import Buckets, client_of
from exporter.web.access.logins import Logins, Outcome
from exporter.web.access.turnstile import Turnstile
from exporter.web.headers import Headers
from exporter.web.http import MAX_QUERY, Request, Response, Route, text
from exporter.web.quiet import Quiet

_SEARCHES_AT_ONCE, _SEARCHES_WAITING, _SEARCH_PATIENCE = 8, 4, 1.0
"""Of the server's threads half stay for /metrics, whatever people search for."""
_HEALTH = ("/-/healthy", "/-/ready")
_TOLD = ("wrong_credentials", "login_rate", "cross_site", "rate_limit")
_CHALLENGE = ("WWW-Authenticate", 'Basic realm="aws-change-exporter", charset="UTF-8"')


class Switches(Protocol):
    """What the section `web` of the configuration says of access."""

    @property
    def external_url(self) -> str: ...
    @property
    def metrics_without_login(self) -> bool: ...
    @property
    def health_without_login(self) -> bool: ...
    @property
    def search_rate(self) -> float: ...
    @property
    def search_burst(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a request goes no further: the reason that is counted, what is said, and the seconds after which it may come again."""

    reason: str
    status: HTTPStatus
    message: str
    wait: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()

    def response(self, route: Route | None) -> Response:
        """Return the answer, in the form in which the route tells of failures."""
        again = (("Retry-After", str(max(1, math.ceil(self.wait)))),) if self.wait else ()
        return (route.refuse if route else text)(self.status, self.message, (*again, *self.headers))


class Guard:
    """Refuses what must not reach a handler, and counts it: `refused` hears the reason of each."""

    def __init__(
        self, access: Access, switches: Callable[[], Switches], refused: Callable[[str], None], log: Logger, logins: Logins | None = None
    ) -> None:
        self._access, self._switches, self._refused, self._log = access, switches, refused, log
        self._quiet = Quiet()
        self._logins = logins or Logins()
        self._searches, self._requests = Buckets(), Buckets()
        self._turnstile = Turnstile(_SEARCHES_AT_ONCE, _SEARCHES_WAITING, _SEARCH_PATIENCE)

    def headers(self) -> Headers:
        """Return the headers of every answer, which one may bring in another form."""
        return self._access.headers()

    def last_headers(self, response: Response) -> Headers:
        """Return headers that this answer may not bring in another form: where people log in, nothing keeps what they saw.

        Files of the program itself, which never change under their address, say nothing of anybody.
        """
        is_file = any(name.lower() == "cache-control" and "immutable" in value for name, value in response.headers)
        return (("Cache-Control", "no-store"),) if self._access.has_users and not is_file else ()

    def turn(self) -> AbstractContextManager[bool]:
        """Return a context that yields whether a search may begin now."""
        return self._turnstile.turn()

    def refusal(self, request: Request, route: Route | None) -> Response | None:
        """Return the answer to a request that must go no further, None for all others."""
        client = client_of(str(request.environ.get("REMOTE_ADDR", "")))
        refusal = (
            self._past_the_limit()
            or self._too_long(request)
            or self._without_login(request, route, client)
            or self._from_elsewhere(request)
            or self._searching_too_often(route, client)
        )
        if refusal is None:
            return None
        self._refused(refusal.reason)
        self._say(refusal.reason, client)
        return refusal.response(route)

    def busy(self, route: Route) -> Response:
        """Return the answer to a search for which there was no place."""
        self._refused("busy")
        return _Refusal("busy", HTTPStatus.SERVICE_UNAVAILABLE, "Too many searches run now. Try again in a moment.", 2.0).response(route)

    def _say(self, reason: str, client: str) -> None:
        """Log what somebody should know of, a line a minute of a kind, and never what was sent: it may be a password, nearly right."""
        held = self._quiet.passes(reason) if reason in _TOLD else None
        if held is not None:
            self._log.warning("requests are refused", reason=reason, last_from=client, more_since_the_last_line=held)

    def _past_the_limit(self) -> _Refusal | None:
        limit = self._access.rules.settings.rate_limit
        wait = self._requests.take("", 1 / limit.interval, limit.burst) if limit.interval else 0.0
        return _Refusal("rate_limit", HTTPStatus.TOO_MANY_REQUESTS, "Too many requests.", wait) if wait else None

    def _too_long(self, request: Request) -> _Refusal | None:
        if len(str(request.environ.get("QUERY_STRING", ""))) <= MAX_QUERY:
            return None
        return _Refusal("query", HTTPStatus.REQUEST_URI_TOO_LONG, f"The query string is longer than {MAX_QUERY} bytes.")

    def _without_login(self, request: Request, route: Route | None, client: str) -> _Refusal | None:
        users = self._access.rules.settings.basic_auth_users
        if not users or (route is not None and self._is_open(route)):
            return None
        login = self._logins.login(users, request.header("Authorization"), client)
        if login.outcome is Outcome.RIGHT:
            return None
        if login.outcome is Outcome.TOO_OFTEN:
            return _Refusal(login.outcome.value, HTTPStatus.TOO_MANY_REQUESTS, "Too many attempts to log in. Try again later.", login.wait)
        return _Refusal(login.outcome.value, HTTPStatus.UNAUTHORIZED, "Log in to see this.", headers=(_CHALLENGE,))

    def _is_open(self, route: Route) -> bool:
        switches = self._switches()
        if route.pattern == "/metrics":
            return switches.metrics_without_login
        return route.pattern in _HEALTH and switches.health_without_login

    def _from_elsewhere(self, request: Request) -> _Refusal | None:
        """Refuse what the page of another site makes a browser send: the browser adds the login that it remembers."""
        if request.method in ("GET", "HEAD"):
            return None
        site, origin = request.header("Sec-Fetch-Site"), request.header("Origin")
        ours = {(request.header("Host") or "").lower(), urlsplit(self._switches().external_url).netloc.lower()}
        if site in (None, "same-origin", "none") and (origin is None or _host(origin) in ours):
            return None
        return _Refusal("cross_site", HTTPStatus.FORBIDDEN, "A page of another site may not do this. Use curl, or send SIGHUP.")

    def _searching_too_often(self, route: Route | None, client: str) -> _Refusal | None:
        if route is None or not route.searches:
            return None
        switches = self._switches()
        wait = self._searches.take(client, switches.search_rate, switches.search_burst)
        if not wait:
            return None
        return _Refusal("search_rate", HTTPStatus.TOO_MANY_REQUESTS, "Too many searches from this address. Try again later.", wait)


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower() or "null"
    except ValueError:
        return "null"
