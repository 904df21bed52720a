"""The exporter of a soak: in this process, read round by round, or a process that serves and is killed with -9 at any instant."""

from __future__ import annotations

import io
import os
import random
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.request import urlopen

from exporter.config import validate
from exporter.logs import make_logger
from exporter.service import Service
from tests.posture_soak.clock import Clock
from tests.sandbox_client import KEY, REGION

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("groups", "prefix_lists", "interfaces", "load_balancers", "trails")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "example", "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
Page = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Every series of a page, by family and labels."""

_LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def read_page(text: str) -> Page:
    """Return the series of a page."""
    out: Page = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is not None:
            out[match[1], tuple(_LABEL.findall(match[2] or ""))] = float(match[3])
    return out


class Exporter(Protocol):
    """Reads events and what stands."""

    kills: int

    def round(self) -> Page:
        """Read everything once, and return the page then."""
        ...

    def stop(self) -> None:
        """End it."""
        ...


class Within:
    """The exporter in this process."""

    def __init__(self, config: dict[str, Any], clock: Clock) -> None:
        self.kills, self._config, self._clock = 0, config, clock
        self.log = io.StringIO()
        self._begin()

    def _begin(self) -> None:
        self._service = Service(validate(self._config, "test"), None, make_logger("info", "json", self.log))
        # Private, and here alone: the product's clock is that of the machine.
        for part in (self._service.pipeline.poller, self._service.pipeline.surveyor):
            part._now = self._clock
        for units in self._service.pipeline.units:
            units._now = self._clock

    def round(self) -> Page:
        """Read everything once, and return the page then."""
        self._service.poll_once()
        self._service.pipeline.exposition.refresh()
        return read_page(self._service.pipeline.exposition.page().body.decode())

    def stop(self) -> None:
        """End it."""
        self._service.stop()


class Serving:
    """A process for each round, killed and started again meanwhile."""

    def __init__(self, config: Path, clock: Path, chance: random.Random, deadliness: float) -> None:
        self.kills, self._config, self._path, self._chance, self._deadliness = 0, config, clock, chance, deadliness
        self._log = config.parent / "exporter.log"
        self._process: subprocess.Popen[bytes] | None = None

    def round(self) -> Page:
        """Kill it some times while it starts, reads or stores; then let it read all once, return the page, and kill it."""
        while self._chance.random() < self._deadliness:
            self._start()
            time.sleep(self._chance.uniform(0.7, 2.5))
            self._kill()
        self._start()
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, f"the exporter ended:\n{self.tail()}"
            with suppress(OSError):
                text = urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5).read().decode()
                page = read_page(text)
                if self._has_read(page):
                    self._kill()
                    return page
            time.sleep(0.1)
        raise AssertionError(f"not everything was read:\n{self.tail()}")

    @staticmethod
    def _has_read(page: Page) -> bool:
        """Tell whether events were read and, after that, what stands, twice: by the first the page may be one reading old."""
        polls = {
            (dict(labels)["source"], name): value
            for (name, labels), value in page.items()
            if name in ("awschange_exporter_polls_total", "awschange_exporter_poll_failures_total")
        }
        return polls.get(("cloudtrail", "awschange_exporter_polls_total"), 0) >= 1 and (
            polls.get(("posture", "awschange_exporter_polls_total"), 0) >= 3
        )

    def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._kill()
            self.kills -= 1

    def tail(self) -> str:
        """Return the end of its log."""
        return self._log.read_text(errors="replace")[-4000:]

    def _start(self) -> None:
        from tests.e2e.conftest import free_port

        self._port = free_port()
        command = [
            sys.executable, "-m", "tests.posture_soak.life", str(self._path), "serve", "--config.file", str(self._config),
            "--web.listen-address", f"127.0.0.1:{self._port}", "--log.format", "json",
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=os.environ | CREDENTIALS, stdout=log, stderr=subprocess.STDOUT)

    def _kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.kills += 1
