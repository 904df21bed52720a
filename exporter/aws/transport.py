"""One pool of connections for all accounts, regions and services: TLS set up once, proxies as the environment has them."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from botocore.compat import HTTPHeaders
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from urllib3 import exceptions
from urllib3.util import Timeout, make_headers
from urllib3.util.ssl_ import create_urllib3_context

_HOSTS = 64
"""How many hosts keep connections: a host for each service and region, not for each account."""
_CONNECTIONS = 256
"""How many connections to one host are kept: as many as there may be threads that ask at once."""
_LONGEST_ERROR = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outgoing:
    """A request as botocore's signers want it. Its own, because botocore's AWSRequest is prepared anew each time its body is asked for."""

    __slots__ = ("body", "context", "headers", "method", "params", "url")

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.method, self.url, self.body = method, url, body
        self.headers = HTTPHeaders()
        for name, value in headers.items():
            self.headers[name] = value
        self.params: dict[str, str] = {}
        self.context: dict[str, Any] = {}


class Unanswered(Exception):
    """No whole answer came: `code` is timeout, connection, cut or too_large; the text says what happened, for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Transport:
    """Sends requests. Safe to use from several threads. `ca_bundle` is the file of trusted authorities, None for botocore's own."""

    def __init__(self, connect_timeout: float, read_timeout: float, ca_bundle: str | None = None) -> None:
        self._connect, self._read = connect_timeout, read_timeout
        self._ca_bundle = ca_bundle
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._managers: dict[str, urllib3.PoolManager] = {}
        self._proxies: dict[tuple[str, str], str] = {}

    def send(self, request: Outgoing, *, size_limit: int, patience: float = 0.0) -> Answer:
        """Return the answer, of whatever status; raise Unanswered. `patience` are seconds that the service may wait on purpose."""
        url, headers = request.url, dict(request.headers.items())
        parts = urlsplit(url)
        proxy = self._proxy(parts.scheme, parts.netloc)
        manager = self._manager(proxy)
        pool = manager.connection_from_host(parts.hostname, parts.port, parts.scheme)
        # Given as a path, it is sent as it is; whole addresses would lose the dots that are part of a key.
        target = url if proxy and parts.scheme == "http" else url[len(f"{parts.scheme}://{parts.netloc}") :] or "/"
        if proxy and parts.scheme == "http":
            headers = {**getattr(manager, "proxy_headers", {}), **headers}
        try:
            response = pool.urlopen(
                request.method,
                target,
                body=request.body or None,
                headers=headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=Timeout(connect=self._connect, read=self._read + patience),
                preload_content=False,
                decode_content=False,
            )
        except exceptions.HTTPError as error:
            raise self._unanswered(error, parts.netloc, "connection") from None
        except ValueError as error:
            raise Unanswered("connection", f"{parts.netloc} cannot be asked: {error}") from None
        return self._whole(response, parts.netloc, size_limit)

    def close(self) -> None:
        """Close the connections that nobody uses; the rest close when they are done."""
        with self._lock:
            managers = list(self._managers.values())
        for manager in managers:
            manager.clear()

    def _whole(self, response: Any, host: str, size_limit: int) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        promised = headers.get("content-length", "")
        limit = size_limit if response.status < HTTPStatus.MULTIPLE_CHOICES else _LONGEST_ERROR
        whole = False
        try:
            if promised.isdigit() and int(promised) > limit:
                raise Unanswered("too_large", f"{promised} bytes are more than the limit of {limit}")
            body = response.read(limit + 1)
            if len(body) > limit:
                raise Unanswered("too_large", f"more bytes than the limit of {limit}")
            if promised.isdigit() and len(body) != int(promised):
                raise Unanswered("cut", f"{len(body)} of {promised} bytes came")
            whole = True
        except exceptions.HTTPError as error:
            raise self._unanswered(error, host, "cut") from None
        finally:
            if whole:
                response.release_conn()
            else:
                response.close()
        return Answer(response.status, headers, body)

    def _unanswered(self, error: exceptions.HTTPError, host: str, otherwise: str) -> Unanswered:
        if isinstance(error, exceptions.ConnectTimeoutError) and not isinstance(error, exceptions.NewConnectionError):
            return Unanswered("timeout", f"no connection to {host} within {self._connect:g} s")
        if isinstance(error, exceptions.ReadTimeoutError):
            return Unanswered("timeout", f"no answer of {host} within {self._read:g} s")
        if isinstance(error, exceptions.SSLError):
            return Unanswered("connection", f"{host} is not trusted: {error}; AWS_CA_BUNDLE names the file of authorities to trust")
        if isinstance(error, exceptions.ProxyError):
            return Unanswered("connection", f"the proxy for {host} does not serve (HTTPS_PROXY, NO_PROXY): {error}")
        return Unanswered(otherwise, f"{host}: {error}")

    def _proxy(self, scheme: str, host: str) -> str:
        proxy = self._proxies.get((scheme, host))
        if proxy is None:
            proxy = self._proxies[scheme, host] = str(get_environ_proxies(f"{scheme}://{host}").get(scheme, ""))
        return proxy

    def _manager(self, proxy: str) -> urllib3.PoolManager:
        with self._lock:
            manager = self._managers.get(proxy)
            if manager is None:
                manager = self._managers[proxy] = self._make(proxy)
            return manager

    def _make(self, proxy: str) -> urllib3.PoolManager:
        if self._context is None:
            # botocore loads the authorities anew for each connection, at 30 ms of CPU each.
            context, bundle = create_urllib3_context(), self._ca_bundle or get_cert_path(True)
            try:
                context.load_verify_locations(cafile=bundle)
            except OSError as error:
                raise Unanswered("connection", f"the trusted authorities in {bundle} (AWS_CA_BUNDLE) cannot be read: {error}") from None
            self._context = context
        kwargs: dict[str, Any] = {"num_pools": _HOSTS, "maxsize": _CONNECTIONS, "ssl_context": self._context}
        if not proxy:
            return urllib3.PoolManager(**kwargs)
        address = proxy if "://" in proxy else f"http://{proxy}"
        parts = urlsplit(address)
        user = unquote(f"{parts.username}:{parts.password or ''}") if parts.username else None
        return urllib3.ProxyManager(address, proxy_headers=make_headers(proxy_basic_auth=user), proxy_ssl_context=self._context, **kwargs)
