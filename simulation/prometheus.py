"""A real Prometheus over blocks that promtool made, for as long as a `with` lasts."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from simulation.model import HOUR, Span
from simulation.openmetrics import BLOCK

STEP = 60
"""Seconds between evaluations of the rules."""

POINTS = 10_000
"""Prometheus answers a range query of 11,000 points and no more."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where prometheus and promtool are, and how many of promtool may run at once."""

    prometheus: str = "prometheus"
    promtool: str = "promtool"
    jobs: int = 2

    def version(self) -> str:
        """Return the version of this Prometheus."""
        done = subprocess.run([self.prometheus, "--version"], capture_output=True, text=True, check=True)
        return (done.stdout or done.stderr).split("version ", 1)[1].split()[0]

    def load(self, files: Sequence[Path], blocks: Path) -> None:
        """Turn each OpenMetrics file into blocks."""
        self._blocks([("openmetrics", str(file), str(blocks)) for file in files])

    def record(self, url: str, rules: Sequence[Path], spans: Sequence[Span], blocks: Path) -> None:
        """Work out recording rules over these spans as a Prometheus would have recorded them, and write them as blocks.

        `rules` are files of one directory. Prometheus takes the second of the minute in which a group is evaluated from a hash of the
        file's name; without its directory, which differs from run to run, the same seed gives the same figures.
        """
        self._blocks(
            [
                (
                    "rules", f"--url={url}", f"--start={span.start}", f"--end={span.end}", f"--output-dir={blocks.absolute()}",
                    f"--eval-interval={STEP}s", file.name,
                )
                for file in rules
                for span in spans
            ],
            rules[0].parent,
        )  # fmt: skip

    def _blocks(self, commands: Sequence[tuple[str, ...]], directory: Path | None = None) -> None:
        def run(arguments: tuple[str, ...]) -> None:
            # In blocks of the default two hours promtool would read each file once for each of them.
            call = [self.promtool, "tsdb", "create-blocks-from", f"--max-block-duration={BLOCK // HOUR}h", *arguments]
            done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=directory)
            # 2.42 ends well where a rule could not be worked out, and only says so.
            if done.returncode or "err=" in done.stderr:
                raise RuntimeError(f"{' '.join(call)}: {done.stderr or done.stdout}")

        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(run, commands))


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that answers at `url`."""

    url: str

    def firing(self, expression: str, spans: Sequence[Span]) -> Mapping[tuple[tuple[str, str], ...], list[int]]:
        """Return at which evaluations within the spans an expression has a value, by its labels without the name."""
        found: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for span in spans:
            for start in range(span.start, span.end, STEP * POINTS):
                end = min(span.end, start + STEP * POINTS) - STEP
                for series in self._range(expression, start, end):
                    labels = tuple(sorted((name, value) for name, value in series["metric"].items() if name != "__name__"))
                    found.setdefault(labels, []).extend(int(at) for at, _ in series["values"])
        return found

    def _range(self, expression: str, start: int, end: int) -> list[dict[str, Any]]:
        body = urlencode({"query": expression, "start": start, "end": end, "step": STEP}).encode()
        try:
            with urlopen(f"{self.url}/api/v1/query_range", body, timeout=600) as answer:
                return list(json.load(answer)["data"]["result"])
        except HTTPError as error:
            raise RuntimeError(f"{expression}: {error.read().decode(errors='replace')}") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(programs: Programs, blocks: Path, directory: Path) -> Iterator[Prometheus]:
    """Start a Prometheus that scrapes nothing on these blocks, and stop it at the end."""
    config = directory / "prometheus.yml"
    config.write_text("{}\n", encoding="ascii")
    blocks.mkdir(exist_ok=True)
    address = f"127.0.0.1:{_free_port()}"
    command = [
        programs.prometheus, f"--config.file={config}", f"--storage.tsdb.path={blocks}", "--storage.tsdb.retention.time=10y",
        f"--web.listen-address={address}", "--query.timeout=10m", "--query.max-samples=500000000", "--log.level=warn",
    ]  # fmt: skip
    # A run that is killed must not leave a server behind.
    if setpriv := shutil.which("setpriv"):
        command = [setpriv, "--pdeathsig", "KILL", "--", *command]
    log = directory / "prometheus.log"
    with log.open("ab") as output, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
        try:
            _wait_until_ready(f"http://{address}", process, log)
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Prometheus did not start:\n{log.read_text(errors='replace')[-4000:]}")
        try:
            with urlopen(f"{url}/-/ready", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
