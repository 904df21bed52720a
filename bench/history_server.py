"""The exporter itself, serving a large store while it reads new trail files: `serve` as anybody runs it, and a trail that grows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from exporter.demo.trail import TrailGenerator, write_batch

POLL = 1.0
_READY_SECONDS = 60
_RETENTION = "4000d"
"""Nothing is pruned meanwhile."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running exporter."""

    port: int
    pid: int
    trail: Path
    log: Path


@contextmanager
def served(directory: Path, store: Path) -> Iterator[Served]:
    """Run `serve` on a store and an empty trail; yield it when it answers."""
    trail = directory / "trail"
    trail.mkdir(parents=True)
    config = directory / "config.json"
    settings = {
        "store": {"path": str(store), "retention": _RETENTION},
        "sources": [{"type": "files", "path": str(trail), "poll_interval": f"{POLL}s"}],
        # All clients have one address here, and ask as fast as they are answered.
        "web": {"search_rate": 0},
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(config), f"--web.listen-address=127.0.0.1:{port}"]
    log = directory / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--log.level=warning"], stdout=out, stderr=out, env={**os.environ, "NO_PROXY": "127.0.0.1"})
    try:
        until = time.monotonic() + _READY_SECONDS
        while not _ready(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"serve does not start:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.1)
        yield Served(port, process.pid, trail, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def growing(server: Served, rate: int) -> Iterator[None]:
    """Have another process write so many changes a second into the trail of a server: here it would hold up the clients."""
    # Never the same changes again: a store may be used for several runs.
    process = subprocess.Popen([sys.executable, "-m", "bench.history_server", str(server.trail), str(rate), str(time.time_ns())])
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError("the trail has stopped growing")
    finally:
        process.terminate()
        process.wait()


def grow(trail: Path, rate: int, seed: int) -> None:
    """Write trail files for ever, one for each account and region a second; of eleven records ten are no change."""
    generator, due = TrailGenerator(seed), time.monotonic()
    while True:
        due += 1.0
        now = datetime.now(UTC)
        write_batch(trail, generator, generator.records(rate * 11, now - timedelta(seconds=1), now, change_share=1 / 11), now)
        time.sleep(max(0.0, due - time.monotonic()))


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2):
            return True
    except (URLError, OSError):
        return False


if __name__ == "__main__":
    grow(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
