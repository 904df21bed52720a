"""The running service as Prometheus and an operator see it: a real process, real sockets, real signals."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.records import GROUP, authorize, record, write_trail


class Server:
    """`serve` in a process of its own, on a free port."""

    def __init__(self, directory: Path, **more: Any) -> None:
        self.directory = directory
        self.trail = directory / "trail"
        self.trail.mkdir(exist_ok=True)
        self.config = directory / "config.yml"
        self.configuration: dict[str, Any] = {
            "store": {"path": str(directory / "state.db")},
            "sources": [{"type": "files", "path": str(self.trail), "poll_interval": "200ms"}],
            "metrics": {"birth_hold": "0s"},
        } | more
        self.write()
        self.log = directory / "log.ndjson"
        self.start()

    def write(self, **changes: Any) -> None:
        """Write the configuration file."""
        self.configuration |= changes
        self.config.write_text(json.dumps(self.configuration))

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "exporter", "serve", "--config.file", str(self.config), "--web.listen-address", "127.0.0.1:0", "--log.format", "json"],
                stderr=log,
            )  # fmt: skip
        self.address = ""
        self.wait(self._address)

    def _address(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        served = [entry for entry in self.lines() if entry["event"] == "serving"]
        if served:
            self.address = served[-1]["address"]
        return bool(served)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was logged, whole lines only."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]

    def wait(self, condition: Any, seconds: float = 15.0) -> None:
        """Wait for a condition, failing with the log."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not in time; log:\n{self.log.read_text()}"
            time.sleep(0.05)

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Return status, text and headers."""
        request = urllib.request.Request(f"http://{self.address}{path}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                body = response.read()
                head = {name.lower(): value for name, value in response.headers.items()}
                return response.status, (gzip.decompress(body) if head.get("content-encoding") == "gzip" else body).decode(), head
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), {name.lower(): value for name, value in error.headers.items()}

    def value(self, series: str) -> float | None:
        """Return the value of the one series whose line starts so, None while it is not there."""
        found = re.search(rf"^{re.escape(series)}[^\n]*? ([0-9.e+-]+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(found.group(1)) if found else None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal and return how many seconds the end took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=10)
        return time.monotonic() - begin


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a running server; it is killed at the end whatever happens."""
    running = Server(tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


OPENED = 'awschange_ingress_opened_total{account_id="111122223333",region="us-east-1",port_class="admin"}'
SUCCESS = "awschange_exporter_config_last_reload_successful"


def test_a_change_goes_from_a_file_to_metrics_page_and_log(server: Server) -> None:
    """The whole path, in the running process."""
    write_trail(server.trail / "quiet.json.gz", record(number=1))
    server.wait(lambda: server.value(OPENED) == 0)
    write_trail(server.trail / "loud.json.gz", authorize(2, when=datetime.now(UTC)))
    server.wait(lambda: server.value(OPENED) == 1)
    # The line is written after the transaction, so a scrape may be sooner.
    server.wait(lambda: any(entry["event"] == "change" for entry in server.lines()))
    (line,) = [entry for entry in server.lines() if entry["event"] == "change"]
    assert (line["who"], line["what"], line["security_groups"]) == ("user/alice", "AuthorizeSecurityGroupIngress", [GROUP])
    status, page, headers = server.get(f"/history?account_id=111122223333&region=us-east-1&security_group_id={GROUP}")
    assert status == 200
    assert "user/alice" in page
    assert "+ ingress tcp 22 from 0.0.0.0/0" in page
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "No change is stored that matches" in server.get("/history?security_group_id=sg-0000000000000000b")[1]


def test_health_ready_landing_and_errors_answer(server: Server) -> None:
    """Probes, people and typos each get an answer they can use."""
    assert server.get("/-/healthy")[:2] == (200, "AWS Change Exporter is Healthy.\n")
    assert server.get("/-/ready")[:2] == (200, "AWS Change Exporter is Ready.\n")
    server.wait(lambda: "complete" in server.get("/")[1])
    assert server.get("/nothing")[0] == 404
    status, text, headers = server.get("/-/reload")
    assert (status, headers["allow"]) == (405, "POST, PUT"), text
    assert server.get("/history?since=yesterday")[0] == 400
    assert server.get("/style.css")[2]["content-type"].startswith("text/css")


def test_metrics_are_negotiated_as_prometheus_asks(server: Server) -> None:
    """Prometheus asks for OpenMetrics and gzip; curl for neither."""
    accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    status, text, headers = server.get("/metrics", Accept=accept, **{"Accept-Encoding": "gzip"})
    assert status == 200
    assert headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert headers["content-encoding"] == "gzip"
    assert text.endswith("# EOF\n")
    status, text, headers = server.get("/metrics")
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "content-encoding" not in headers
    assert "awschange_exporter_build_info" in text


def test_hostile_text_is_inert_on_the_page(server: Server) -> None:
    """A user agent is the attacker's; the page is read by the person who hunts him."""
    attack = "<script>alert(1)</script>\u202eevil\x1b[31m" + "x" * 5000
    write_trail(server.trail / "a.json", authorize(1, when=datetime.now(UTC), userAgent=attack, group='sg-"><img src=x>'))
    server.wait(lambda: "user/alice" in server.get("/history")[1])
    page = server.get("/history")[1]
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert len(page) < 20_000
    # The one script is the pages' own file.
    assert re.findall(r"<script[^>]*>", server.get("/history?security_group_id=%22%3E%3Cscript%3E")[1]) == [
        f'<script src="page.js?v={re.search("page.js.v=([0-9a-f]{12})", page)[1]}" defer>'  # type: ignore[index]
    ]


def test_reload_takes_a_good_file_and_keeps_the_old_one_on_a_bad_one(server: Server) -> None:
    """A typo at night must not end the watching."""
    other = server.directory / "other"
    write_trail(other / "a.json", authorize(1, when=datetime.now(UTC)))
    source = {"type": "files", "name": "other", "path": str(other), "poll_interval": "200ms", "live_since": "beginning"}
    server.write(sources=[*server.configuration["sources"], source])
    assert server.get("/-/reload", "POST")[0] == 200
    assert server.value(SUCCESS) == 1
    server.wait(lambda: server.value(OPENED) == 1)

    server.config.write_text("sources: [{type: files}]")
    status, text, _ = server.get("/-/reload", "POST")
    assert status == 500
    assert str(server.directory) not in text
    assert server.value(SUCCESS) == 0
    assert any("sources[0].path: is required" in entry.get("error", "") for entry in server.lines())
    write_trail(other / "b.json", authorize(2, when=datetime.now(UTC)))
    server.wait(lambda: server.value(OPENED) == 2)

    server.write(store={"path": str(server.directory / "else.db")})
    server.process.send_signal(signal.SIGHUP)
    server.wait(lambda: any("store.path: cannot change" in entry.get("error", "") for entry in server.lines()))
    server.write(store={"path": str(server.directory / "state.db")})
    server.process.send_signal(signal.SIGHUP)
    server.wait(lambda: server.value(SUCCESS) == 1)


def test_sigterm_ends_the_process_in_time_and_a_restart_goes_on(server: Server) -> None:
    """Kubernetes kills what lingers; counters must go on where they were."""
    write_trail(server.trail / "a.json", record(number=1))
    server.wait(lambda: server.value(OPENED) == 0)
    write_trail(server.trail / "b.json", authorize(2, when=datetime.now(UTC)))
    server.wait(lambda: server.value(OPENED) == 1)
    assert server.stop() < 5
    assert server.process.returncode == 0
    server.log.unlink()
    server.start()
    assert server.value(OPENED) == 1
    server.stop(signal.SIGKILL)
    server.log.unlink()
    server.start()
    assert server.value(OPENED) == 1
    assert server.stop(signal.SIGINT) < 5


@pytest.mark.parametrize("stalled", [False, True])
def test_a_log_that_nobody_reads_stops_neither_the_watching_nor_the_end(server: Server, stalled: bool) -> None:
    """`2>&1 | tee` whose tee was killed or stopped: changes count all the same, and SIGTERM is obeyed."""
    server.stop()
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", "serve", "--config.file", str(server.config), "--web.listen-address", "127.0.0.1:0", "--log.format", "json"],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        first: dict[str, Any] = {}
        while first.get("event") != "serving":
            first = json.loads(process.stderr.readline())
        server.address = first["address"]
        if not stalled:
            process.stderr.close()
        write_trail(server.trail / "a.json", record(number=1))
        server.wait(lambda: server.value(OPENED) == 0)
        # More lines than a pipe holds.
        write_trail(server.trail / "b.json", *(authorize(number, when=datetime.now(UTC)) for number in range(2, 402)))
        server.wait(lambda: server.value(OPENED) == 400)
        begin = time.monotonic()
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - begin < 5
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def test_a_taken_port_is_a_clear_error(server: Server) -> None:
    """The message names the address and what to do."""
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "serve", "--config.file", str(server.config), "--web.listen-address", server.address],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"cannot listen on {server.address}" in done.stderr
    assert "Traceback" not in done.stderr


def test_new_series_are_born_at_zero_for_the_scraper(tmp_path: Path) -> None:
    """increase() misses a first sample of 1: it must see the 0 before."""
    server = Server(tmp_path, metrics={"birth_hold": "2s"})
    try:
        write_trail(server.trail / "a.json", authorize(1, when=datetime.now(UTC)))
        group = f'awschange_security_group_changes_total{{account_id="111122223333",region="us-east-1",security_group_id="{GROUP}"'
        server.wait(lambda: server.value(group) is not None)
        assert server.value(group) == 0
        assert server.value(OPENED) == 0
        server.wait(lambda: server.value(group) == 1)
        assert server.value(OPENED) == 1
    finally:
        server.process.kill()
        server.process.wait()
