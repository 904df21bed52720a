"""The processes that a soak starts: a sandbox, and exporters that it kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.e2e.conftest import dies_with_parent, free_port
from tests.soak.roads import HUB_REGION

ROOT = Path(__file__).resolve().parents[2]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_DEFAULT_REGION": HUB_REGION}


@contextmanager
def sandbox(directory: Path, switches: Iterable[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a sandbox on a free port, its log in a directory; give its address and the process, which ends with the block at the latest."""
    command = [*dies_with_parent(), sys.executable, "-m", "sandbox", "--listen", "127.0.0.1:0", *switches]
    with (
        (directory / "sandbox.log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split(" on ")[1].split()[0], process
        finally:
            process.kill()


def clock_of(url: str) -> datetime:
    """Return the time by the clock of a sandbox."""
    with urlopen(f"{url}/-/ready", timeout=10) as answer:
        return parsedate_to_datetime(answer.headers["Date"])


def inject(url: str, records: Sequence[dict[str, Any]]) -> None:
    """Have a sandbox tell of records as if their calls had been made now."""
    with urlopen(Request(f"{url}/-/records", data=json.dumps(list(records)).encode(), method="POST"), timeout=30) as answer:
        answer.read()


class Replica:
    """The real `serve`, each life of it on a port of its own and all of them in one log."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config, self.log = config, log
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting until it serves."""
        self.port = free_port()
        command = [
            *dies_with_parent(), sys.executable, "-m", "exporter", "serve", "--config.file", str(self._config),
            "--web.listen-address", f"127.0.0.1:{self.port}", "--log.format", "json",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=os.environ | CREDENTIALS, stdout=log, stderr=subprocess.STDOUT)

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid

    def ended(self) -> int | None:
        """Return the exit code of one that ended, None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        """End it as the kernel would, without any chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end and return its exit code; raises TimeoutExpired."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(10)

    def page(self) -> str:
        """Return what it shows to Prometheus; raises OSError while it does not serve."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-4000:]
