"""The demo as a newcomer runs it: everything comes up, every road moves, and nothing is left when it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import exporter
from exporter.demo import stand_in
from exporter.sources import SOURCES
from tests.e2e.conftest import free_port, get, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
ROADS = ("cloudtrail", "eventbridge", "s3")


class Demo:
    """A running demo, and what it said so far."""

    def __init__(self, directory: Path, *flags: str, **environment: str) -> None:
        self.addresses = {name: f"127.0.0.1:{free_port()}" for name in ("web", "aws", "prometheus", "alertmanager")}
        addressed = [word for name, address in self.addresses.items() for word in (f"--{name}.listen-address", address)]
        command = [sys.executable, "-m", "exporter", "demo", *addressed, "--interval", "0.2", *flags]
        self.process = subprocess.Popen(
            command, cwd=directory, env={**os.environ, "TMPDIR": str(directory), **environment}, stderr=subprocess.PIPE, text=True
        )
        self._said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self._said.extend(iter(self.process.stderr.readline, ""))

    def close(self) -> None:
        """End it, by force where asking does not help."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self._listener.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()

    @property
    def said(self) -> str:
        """What stands on the terminal."""
        return "".join(self._said)

    def says(self, text: str, seconds: float = 150) -> None:
        """Wait until it has said something."""

        def found() -> bool:
            assert text in self.said or self.process.poll() is None, self.said
            return text in self.said

        wait_until(found, f"the demo says {text!r}", seconds)

    def url(self, name: str, path: str) -> str:
        """Return an address of one of its parts."""
        return f"http://{self.addresses[name]}{path}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Return a starter of demos whose files are under the test's directory; all end with the test."""
    running: list[Demo] = []

    def begin(*flags: str, **environment: str) -> Demo:
        running.append(Demo(tmp_path, *flags, **environment))
        return running[-1]

    yield begin
    for demo in running:
        demo.close()


def processes(directory: Path) -> list[str]:
    """Return the commands of all processes whose files are under a directory or that listen for it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"TMPDIR={directory}".encode() in environment and command:
                found.append(command)
    return found


def counted(demo: Demo, family: str, **labels: str) -> float:
    """Return the sum of a family's samples that have these labels."""
    total = 0.0
    for line in get(demo.url("web", "/metrics")).decode().splitlines():
        name, _, rest = line.partition("{")
        if name == family and all(f'{label}="{value}"' in rest for label, value in labels.items()):
            total += float(rest.rpartition("} ")[2].split()[0])
    return total


def test_every_road_moves_every_address_answers_and_nothing_is_left(start, tmp_path, program):
    """Otherwise the first thing that a newcomer sees is a dead link, or a process that outlives it."""
    for name in ("prometheus", "prometheus-alertmanager"):
        program(name)
    assert set(ROADS) <= set(SOURCES)
    demo = start()
    demo.says("Ctrl-C")
    addresses = re.findall(r"http://127\.0\.0\.1:\d+[\w/.]*", demo.said[demo.said.index("overview ") :])
    for address in addresses:
        get(address if address.count("/") > 2 else f"{address}/-/ready")
    assert len({address.split("/")[2] for address in addresses}) == 4

    for road in ROADS:
        wait_until(lambda road=road: counted(demo, "awschange_exporter_records_total", source=road, fate="stored") + counted(
            demo, "awschange_exporter_records_total", source=road, fate="duplicate") > 0, f"{road} brings records", 60)  # fmt: skip
    wait_until(lambda: counted(demo, "awschange_events_total") > 20, "changes are counted", 60)
    for account in ("111122223333", "444455556666", "777788889999"):
        wait_until(lambda account=account: counted(demo, "awschange_events_total", account_id=account) > 0, f"{account} has changes", 60)

    # The lines that are there to be pasted, pasted: what stands open first.
    listed = next(line for line in demo.said.splitlines() if "open now" in line).split("open now", 1)[1]
    wait_until(lambda: counted(demo, "awschange_open_ingress_rules") > 2, "what stands open is shown", 60)
    shown = subprocess.run(["bash", "-c", f"{listed} --format csv"], cwd="/", capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 0, shown.stderr
    for word in ("public,", "attached,", "unattached,", ",public-web,", "role/Terraform"):
        assert word in shown.stdout, word
    pasted = next(line for line in demo.said.splitlines() if "AWS_ENDPOINT_URL=" in line and "\\" in line).strip(" \\")
    call = demo.said[demo.said.index("aws ec2 authorize") :].splitlines()[0]
    before = counted(demo, "awschange_ingress_opened_total", port_class="admin", account_id="111122223333", region="us-east-1")
    environment = dict(word.split("=", 1) for word in pasted.split()) | {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_PAGER": ""}
    program("aws")
    done = subprocess.run(call.split(), env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr

    wait_until(
        lambda: counted(demo, "awschange_ingress_opened_total", port_class="admin", account_id="111122223333", region="us-east-1") > before,
        "the pasted change is counted",
        60,
    )
    assert "user/you" in get(demo.url("web", "/history?principal=user/you")).decode()

    targets = json.loads(get(demo.url("prometheus", "/api/v1/targets")))["data"]["activeTargets"]
    assert [target["labels"]["job"] for target in targets] == ["aws-change-exporter"]
    wait_until(
        lambda: json.loads(get(demo.url("prometheus", "/api/v1/targets")))["data"]["activeTargets"][0]["health"] == "up",
        "Prometheus scrapes the exporter",
        30,
    )
    wait_until(lambda: json.loads(get(demo.url("alertmanager", "/api/v2/alerts"))) != [], "an alert is seen in Alertmanager", 60)

    assert len(processes(tmp_path)) == 5
    begin = time.monotonic()
    demo.process.send_signal(signal.SIGINT)
    demo.process.wait(10)
    assert time.monotonic() - begin < 5
    assert demo.process.returncode == 0
    assert processes(tmp_path) == []
    assert list(tmp_path.glob("aws-change-exporter-demo-*")) == []
    assert "Traceback" not in demo.said


def test_a_demo_that_is_killed_takes_its_programs_with_it(start, tmp_path):
    """Otherwise a closed terminal leaves five servers behind, and the next demo finds its ports taken."""
    demo = start("--no-monitoring")
    demo.says("Ctrl-C")
    assert len(processes(tmp_path)) == 3
    demo.process.kill()
    demo.process.wait()
    wait_until(lambda: processes(tmp_path) == [], "all its programs have ended", 5)


def test_it_can_be_stopped_while_it_starts(start, tmp_path):
    """Otherwise whoever changes their mind must wait, or kill it."""
    demo = start()
    demo.says("Starting")
    time.sleep(0.5)
    begin = time.monotonic()
    demo.process.send_signal(signal.SIGTERM)
    demo.process.wait(10)
    assert time.monotonic() - begin < 5
    assert (demo.process.returncode, processes(tmp_path)) == (0, [])
    assert list(tmp_path.glob("aws-change-exporter-demo-*")) == []


@pytest.mark.parametrize("part", ["web", "aws", "prometheus", "alertmanager"])
def test_a_port_that_is_taken_is_named_with_a_remedy(start, tmp_path, part, unused_port_holder, program):
    """Otherwise the demo dies of a trace, or shows somebody else's Prometheus."""
    if part in ("prometheus", "alertmanager"):
        program("prometheus")
        program("prometheus-alertmanager")
    port = unused_port_holder
    demo = start(f"--{part}.listen-address", f"127.0.0.1:{port}")
    demo.process.wait(90)
    wait_until(lambda: "Error:" in demo.said, "it says why", 5)
    assert demo.process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in demo.said
    assert f"--{part}.listen-address" in demo.said
    assert processes(tmp_path) == []
    assert list(tmp_path.glob("aws-change-exporter-demo-*")) == []


@pytest.fixture
def unused_port_holder() -> Iterator[int]:
    """Return a port on which somebody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield int(holder.getsockname()[1])


def test_what_is_not_installed_is_said(start, tmp_path):
    """Otherwise the demo fails on a machine without Prometheus, or shows a link to nothing."""
    demo = start(PATH=str(tmp_path))
    demo.says("Ctrl-C")
    assert re.search(r"Prometheus +not installed", demo.said)
    assert re.search(r"Alertmanager +not installed", demo.said)
    assert counted(demo, "awschange_exporter_polls_total") >= 0


def test_an_installed_package_shows_a_made_up_trail(start, tmp_path):
    """Otherwise the demo needs the source tree, which whoever installs a package has not."""
    installed = tmp_path / "installed"
    shutil.copytree(Path(exporter.__file__).parent, installed / "exporter", ignore=shutil.ignore_patterns("__pycache__"))
    demo = start(PYTHONPATH=str(installed))
    demo.says("Ctrl-C")
    assert "the sandbox that stands in for AWS is in the source tree" in demo.said
    assert re.search(r"trail +/", demo.said)
    wait_until(lambda: counted(demo, "awschange_exporter_records_total", fate="stored") > 0, "the trail is read", 30)
    demo.process.send_signal(signal.SIGINT)
    demo.process.wait(10)
    assert (demo.process.returncode, processes(tmp_path)) == (0, [])
    assert list(tmp_path.glob("aws-change-exporter-demo-*")) == []


def test_credentials_of_this_machine_stay_out_of_it(monkeypatch):
    """Otherwise a demo could ask the real AWS with a real key."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL_CLOUDTRAIL"):
        monkeypatch.setenv(name, "mine")
    environment = stand_in.environment("http://127.0.0.1:5000", stand_in.READER_KEY)
    assert "mine" not in environment.values()
    assert (environment["AWS_CONFIG_FILE"], environment["AWS_SHARED_CREDENTIALS_FILE"]) == (os.devnull, os.devnull)
