"""`python -m exporter.healthcheck`: whether the exporter beside it answers; the health check of the container image.

It needs the standard library alone: it starts every half minute, in the memory that the exporter may use. Where the exporter listens
and what it speaks come from the variables that `serve` reads too. The exit status is 0 for healthy and 1 for not, as Docker wants it.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

_SECONDS = 2.0
"""For each step of a connection; with two tries the whole ends within the image's timeout."""
_ALIVE = {200, 401, 403, 429}
"""Healthy, or alive enough to ask for a login that a health check does not have."""
_SPEAKS_TLS = "This port speaks HTTPS"
_LOOPBACK = {"": "127.0.0.1", "::": "127.0.0.1", "0.0.0.0": "127.0.0.1"}  # noqa: S104 - what is listened on, not listening
_TURNED_AWAY = "TLS is spoken, and the certificate of a client is wanted"


def main(environment: Mapping[str, str]) -> int:
    """Ask, say on standard output what came of it, and return the exit status."""
    address = environment.get("AWS_CHANGE_EXPORTER_LISTEN_ADDRESS") or ":10893"
    match = re.fullmatch(r"(?:\[([^]]*)\]|([^:]*)):(\d+)", address)
    if match is None:
        print(f"unhealthy: AWS_CHANGE_EXPORTER_LISTEN_ADDRESS is {address!r}; write it as :10893, 127.0.0.1:10893 or [::1]:10893")  # noqa: T201
        return 1
    host = match[1] or match[2] or ""
    healthy, said = ask(_LOOPBACK.get(host, host), int(match[3]), tls_first=wants_tls(environment.get("AWS_CHANGE_EXPORTER_WEB_CONFIG")))
    print(f"{'healthy' if healthy else 'unhealthy'}: {said}")  # noqa: T201
    return 0 if healthy else 1


def wants_tls(web_config: str | None) -> bool:
    """Say what to try first: the file is only looked at, because what reads it in earnest costs more than the whole check."""
    try:
        return bool(web_config) and re.search(r"\btls_server_config\b", Path(str(web_config)).read_text(encoding="utf-8")) is not None
    except (OSError, ValueError):
        return False


def ask(host: str, port: int, *, tls_first: bool) -> tuple[bool, str]:
    """Return whether the exporter is alive and what it said, in TLS or without, whichever it speaks."""
    if tls_first:
        # Silence may be a server without TLS that waits for the rest of what it takes for a request.
        return _encrypted(host, port) or _plain(host, port)
    healthy, said = _plain(host, port)
    return (_SPEAKS_TLS in said and _encrypted(host, port)) or (healthy, said)


def _plain(host: str, port: int) -> tuple[bool, str]:
    with closing(http.client.HTTPConnection(host, port, timeout=_SECONDS)) as connection:
        try:
            return _answer(connection)
        except (OSError, http.client.HTTPException) as error:
            return False, f"nothing answers at {host}:{port}: {str(error) or type(error).__name__}"


def _encrypted(host: str, port: int) -> tuple[bool, str] | None:
    """Return the same in TLS, None where TLS cannot be agreed on."""
    context = ssl.create_default_context()
    # The name in the certificate is not that of the loopback, and there is nobody between.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with closing(http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)) as connection:
        try:
            connection.connect()
        except OSError as error:
            # TLS 1.2 says so before the handshake ends.
            wants = isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
            return (True, _TURNED_AWAY) if wants else None
        try:
            return _answer(connection)
        except TimeoutError as error:
            return False, f"nothing answers at {host}:{port}: {error}"
        except (OSError, http.client.HTTPException):
            # Alive enough to shake hands, and to close on whoever has no certificate.
            return True, _TURNED_AWAY


def _answer(connection: http.client.HTTPConnection) -> tuple[bool, str]:
    connection.request("GET", "/-/healthy")
    response = connection.getresponse()
    return response.status in _ALIVE, f"{response.status} {response.read(200).decode('utf-8', 'replace').strip()}"


if __name__ == "__main__":
    sys.exit(main(os.environ))
