"""The Compose file's own command lines and files as processes, with the addresses of this machine in place of names of containers."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests import compose_file
from tests.e2e.conftest import Process, free_port, get, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
SERVICES = compose_file.document()["services"]
PORTS = {"sandbox": 5000, "exporter": 10893, "prometheus": 9090, "alertmanager": 9093}
READY = {"sandbox": "/-/ready", "exporter": "/-/healthy", "prometheus": "/-/ready", "alertmanager": "/-/ready"}
HASTE = {"prometheus": ["--rules.alert.resend-delay=1s"]}
"""Prometheus drops what fires before it knows of Alertmanager, and tells it again after a minute."""
UNITS = 6
"""Three accounts in two regions, as exporter.yml has them."""


class Containers:
    """The programs of the Compose file, each with its files below a directory as in its container."""

    def __init__(self, directory: Path, programs: dict[str, list[str]]) -> None:
        self.directory = directory
        self.addresses = {name: f"127.0.0.1:{free_port()}" for name in PORTS}
        self._replaced = {}
        for name, port in PORTS.items():
            self._replaced |= dict.fromkeys((f"{name}:{port}", f"0.0.0.0:{port}", f"127.0.0.1:{port}"), self.addresses[name])
        self._replaced |= {"/tmp/state.db": f"{directory}/exporter/state.db"}
        # Thirty seconds are for people.
        self._replaced |= {f"{name}_interval: 30s": f"{name}_interval: 1s" for name in ("scrape", "evaluation")}
        self.processes = {name: self._process(name, argv) for name, argv in programs.items()}

    def _process(self, name: str, argv: list[str]) -> Process:
        service, root = SERVICES[name], self.directory / name
        root.mkdir()
        compose_file.lay_out(service, root, self._replaced)
        words = [self._word(word, root) for word in service["command"]] + HASTE.get(name, [])
        environment = [f"{key}={self._word(value, root)}" for key, value in service.get("environment", {}).items()]
        return Process(name, ["env", *environment, *argv, *words], root, f"http://{self.addresses[name]}{READY[name]}")

    def _word(self, word: str, root: Path) -> str:
        option, equals, value = compose_file.replace(word, self._replaced).partition("=")
        return f"{option}={root}{value}" if value.startswith("/") else option + equals + value

    def well(self, name: str) -> bool:
        """Run the health check of a container that has Python; return what it says."""
        words = [compose_file.replace(word, self._replaced) for word in SERVICES[name]["healthcheck"]["test"][1:]]
        assert words[0] == "python3"
        return subprocess.run([sys.executable, *words[1:]], capture_output=True, check=False).returncode == 0

    def ask(self, name: str, path: str) -> Any:
        """Return what one of the programs answers, as JSON."""
        return json.loads(get(f"http://{self.addresses[name]}{path}"))

    def values(self, expression: str) -> dict[str, float]:
        """Return the values of an instant query by account, region and source."""
        found = self.ask("prometheus", f"/api/v1/query?query={expression}")["data"]["result"]
        labels = ("account_id", "region", "source")
        return {" ".join(sample["metric"].get(label, "") for label in labels).strip(): float(sample["value"][1]) for sample in found}

    def close(self) -> None:
        """End everything, and print what it said."""
        for process in reversed(self.processes.values()):
            process.stop()
            sys.stdout.write(f"---- {process.name}: {shlex.join(process.argv)}\n{process.tail()}\n")


@pytest.fixture
def containers(tmp_path: Path, program: Callable[[str], Path]) -> Iterator[Containers]:
    """Return the programs, not started yet."""
    programs = {
        "sandbox": [sys.executable, "-P", "-m", "sandbox"],
        "exporter": [sys.executable, "-P", "-m", "exporter"],
        "alertmanager": [str(program("prometheus-alertmanager"))],
        "prometheus": [str(program("prometheus"))],
    }
    running = Containers(tmp_path, programs)
    try:
        yield running
    finally:
        running.close()


def test_the_command_lines_of_the_compose_file_work_together(containers: Containers) -> None:
    """Whoever starts it must see changes and alerts within a minute: a wrong flag, queue, role, port or mount shows nothing, in five logs."""
    assert not containers.well("sandbox")
    containers.processes["sandbox"].start(60)
    wait_until(lambda: containers.well("sandbox"), "the sandbox's health check passes", 120)
    assert not containers.well("exporter")
    containers.processes["exporter"].start(60)
    wait_until(lambda: containers.well("exporter"), "the exporter's health check passes")
    containers.processes["alertmanager"].start()
    containers.processes["prometheus"].start()

    # Every account and region is read on the roads that the configuration has, and what stands there too.
    wait_until(lambda: len(containers.values("awschange_security_groups")) == UNITS, "Prometheus knows the groups of all accounts", 60)
    wait_until(
        lambda: {name.split()[-1] for name in containers.values("awschange_exporter_polls_total>0")} >= {"cloudtrail", "eventbridge", "s3"},
        "each source was polled",
        60,
    )
    wait_until(lambda: sum(containers.values("awschange_exporter_store_events").values()) > 0, "changes are stored", 60)
    ill = "awschange_exporter_units_healthy<awschange_exporter_units or awschange_exporter_poll_failures_total{reason!='throttled'}>0"
    wait_until(lambda: not containers.values(quote(ill)), "every unit of every source is healthy, and none ever failed", 60)

    # Its rules are the mounted ones, and what they find arrives.
    groups = containers.ask("prometheus", "/api/v1/rules")["data"]["groups"]
    mounted = [yaml.safe_load(mount.path.read_text()) for mount in compose_file.mounts(SERVICES["prometheus"]) if mount.path]
    assert {group["name"] for group in groups} == {group["name"] for rules in mounted for group in rules.get("groups", ())}

    def told() -> bool:
        alerts = containers.ask("alertmanager", "/api/v2/alerts")
        return any(a["labels"]["alertname"] == "AwsChangeWatchdog" and a["receivers"] == [{"name": "dead-mans-switch"}] for a in alerts)

    wait_until(told, "the watchdog's alert is at its receiver", 60)
