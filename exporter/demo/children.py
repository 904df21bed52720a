"""Programs that the demo runs beside itself: each ends when the demo does, however that happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from exporter.errors import ExporterError

_PR_SET_PDEATHSIG = 1
_ASK_SECONDS = 0.1
_GRACE = 1.5
"""How long a program may take to end before it is ended by force, in seconds; the demo is to be gone in five."""
_SHOWN = 1200


class DemoError(ExporterError):
    """The demo cannot run; the text says what to do."""


class Child:
    """A running program. Its output goes to a file, to a pipe of the caller, or to the demo's own."""

    def __init__(self, name: str, argv: Sequence[str], output: Path | int | None, environment: Mapping[str, str] | None = None) -> None:
        self.name, self._log = name, output if isinstance(output, Path) else None
        with contextlib.ExitStack() as stack:
            stdout: IO[bytes] | int | None = stack.enter_context(output.open("wb")) if isinstance(output, Path) else output
            self.process = subprocess.Popen(  # noqa: S603 - programs of ours and those found on PATH, without a shell
                argv,
                env=None if environment is None else dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.STDOUT if isinstance(output, Path) else None,
                # Out of the terminal's group: Ctrl-C reaches the demo alone, which then ends them in its own way.
                start_new_session=True,
                preexec_fn=_dies_with(os.getpid()),  # noqa: PLW1509 - no other thread of the demo holds a lock that it needs
            )

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def wait_for(self, url: str, seconds: float, stopping: Callable[[], bool]) -> None:
        """Return when an address answers; raises DemoError where the program ends first or takes too long."""
        until = time.monotonic() + seconds
        while not answers(url):
            if stopping():
                return
            if self.ended:
                raise DemoError(f"{self.name} ended with {self.process.returncode} before it answered on {url}{self.last_words()}")
            if time.monotonic() > until:
                raise DemoError(f"{self.name} does not answer on {url} after {seconds:.0f} seconds{self.last_words()}")
            time.sleep(_ASK_SECONDS)

    def last_words(self) -> str:
        """Return the end of its output, after a colon; nothing where it went elsewhere."""
        if self._log is None or not self._log.exists():
            return ""
        return f":\n{self._log.read_text(errors='replace')[-_SHOWN:].strip()}"


def end(children: Sequence[Child]) -> None:
    """End programs, by force those that do not end when asked; the first, on which the others rely, last."""
    for group in (children[1:], children[:1]):
        for child in group:
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        until = time.monotonic() + _GRACE
        for child in group:
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def answers(url: str) -> bool:
    """Tell whether an address answers with success."""
    return fetch(url) is not None


def fetch(url: str) -> bytes | None:
    """Return what a local address answers; None where it does not, or not with success."""
    try:
        with urlopen(Request(url), timeout=2) as answer:  # noqa: S310 - an address of ours, http://127.0.0.1
            return bytes(answer.read())
    except (URLError, OSError):
        return None


def require_free(address: str, what: str, option: str) -> tuple[str, int]:
    """Return an address as host and port, any free port for 0; raises DemoError where somebody listens there."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise DemoError(f"{option}: {address!r:.80} is no address; write HOST:PORT, as 127.0.0.1:9090")
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            return host, int(probe.getsockname()[1])
    except OSError as error:
        reason = error.strerror or error
        raise DemoError(
            f"{what} cannot listen on {address}: {reason}; end what listens there, or give another address with {option}"
        ) from None


def _dies_with(parent: int) -> Callable[[], Any] | None:
    """Return what has the kernel end a child when its parent ends without a word; None where the kernel cannot."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask
