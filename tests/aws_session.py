"""The exporter's own access to AWS, opened on a sandbox or on a server of a few lines."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from exporter.aws import AwsSettings, Operation, RoleSettings
from exporter.aws.session import AwsSession, open_aws
from exporter.errors import AwsError

MEMBER = "444455556666"
ROLE = RoleSettings(role_arn=f"arn:aws:iam::{MEMBER}:role/aws-change-exporter", external_id="open-sesame")
SECOND_ROLE = RoleSettings(role_arn="arn:aws:iam::111122223333:role/second", session_duration="6h")


class Heard:
    """Requests that were told: (action, account, region, error code), in order."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str, str | None]] = []
        self.spent: list[tuple[str, str, float]] = []

    def aws_request(self, operation: Operation, account_id: str, region: str, seconds: float, error_code: str | None) -> None:
        """Keep one attempt."""
        assert seconds >= 0
        self.requests.append((operation.action, account_id, region, error_code))

    def aws_spent(self, operation: Operation, account_id: str, dollars: float) -> None:
        """Keep what was spent beside requests."""
        self.spent.append((operation.action, account_id, dollars))

    def codes(self, action: str) -> list[str | None]:
        """Return the codes of the attempts of an action."""
        return [code for name, _account, _region, code in self.requests if name == action]

    def counts(self) -> Counter[str]:
        """Return the attempts by action."""
        return Counter(action for action, *_ in self.requests)


@contextmanager
def opened(url: str = "", heard: Heard | None = None, **settings: Any) -> Iterator[AwsSession]:
    """Yield access to AWS at an address, closed in the end; a retry waits no time."""
    aws = open_aws(AwsSettings(endpoint_url=url, **settings), heard or Heard())
    aws._road.sender._jitter = lambda: 0.0
    try:
        yield aws
    finally:
        aws.close()


def failed(call: Callable[[], object]) -> AwsError:
    """Return the error of a call that must fail."""
    try:
        call()
    except AwsError as error:
        return error
    raise AssertionError("it did not fail")


class Service:
    """A server whose every answer is written by a test. `requests` are (method, path, headers, body)."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, int], None]) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                service.requests.append((self.command, self.path, dict(self.headers), body))
                answer(self, len(service.requests))

            do_POST = do_GET  # noqa: N815 - as the standard library has it

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.05), daemon=True)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """Send an answer; `promised` among the headers is a length other than that of the body."""
    handler.send_response(status)
    handler.send_header("Content-Length", headers.pop("promised", str(len(body))))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()
