"""The whole chain as processes: exporter, Prometheus, Alertmanager, and a webhook that hears the pages."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import pytest
import yaml

import exporter
from exporter.checks import STATE_FAMILIES
from exporter.families import POSTURE_FAMILIES

SHOWN_WITH_AWS = frozenset(family.name for family in (*STATE_FAMILIES, *POSTURE_FAMILIES)) | {
    "awschange_exporter_aws_estimated_cost_dollars_per_day",
    "awschange_exporter_aws_requests_total",
    "awschange_exporter_aws_throttles_total",
    "awschange_exporter_exception_expiry_timestamp_seconds",
}
"""Metrics that an exporter shows only where it reads from AWS."""

SHOWN_WHERE_CONFIGURED = frozenset({
    "awschange_exporter_athena_scanned_bytes_total",  # a source of type athena
    "awschange_exporter_web_config_last_reload_successful",  # --web.config.file
})  # fmt: skip
"""Metrics of parts that the exporters of these tests do not have."""


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> bytes:
    """Return what a local server answers; a status other than 2xx raises."""
    with urlopen(url, timeout=5) as answer:
        return bytes(answer.read())


def dies_with_parent() -> list[str]:
    """Return what to put before a command so that the kernel ends it with the test run, which runs no finalizer when it is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


class Process:
    """One program that a test runs, with its output in a file."""

    def __init__(self, name: str, argv: list[str], directory: Path, ready_url: str) -> None:
        self.name, self.argv, self.directory, self.ready_url = name, argv, directory, ready_url
        self.log = directory / f"{name}.log"
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 20) -> None:
        """Start it and wait until it says that it is ready."""
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*dies_with_parent(), *self.argv],
                env={**os.environ, "PYTHONPATH": str(Path(exporter.__file__).parent.parent)},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._ready, f"{self.name} is ready", seconds)

    def _ready(self) -> bool:
        assert self._popen is not None
        assert self._popen.poll() is None, f"{self.name} ended with {self._popen.returncode}:\n{self.tail()}"
        try:
            get(self.ready_url)
        except (URLError, OSError):
            return False
        return True

    def kill(self) -> None:
        """End it as the kernel would, without any chance to tidy up."""
        assert self._popen is not None
        self._popen.kill()
        self._popen.wait(10)

    def stop(self) -> None:
        """End it, by force where asking does not help."""
        if self._popen is None or self._popen.poll() is not None:
            return
        self._popen.terminate()
        try:
            self._popen.wait(6)
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self, lines: int = 60) -> str:
        """Return the end of its output."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


class Webhook:
    """Receives what Alertmanager posts, and remembers it by path: /pager, /tickets, /reading."""

    def __init__(self) -> None:
        self._posts: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer._posts.append((self.path, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def posts(self) -> list[tuple[str, dict[str, Any]]]:
        """Return every path and body received so far."""
        with self._lock:
            return list(self._posts)

    def pages(self, alertname: str | None = None) -> list[dict[str, Any]]:
        """Return the distinct firing alerts posted to the pager; a repeat of the same firing is the same page."""
        found: dict[str, dict[str, Any]] = {}
        for path, body in self.posts():
            for alert in body["alerts"]:
                if path == "/pager" and alert["status"] == "firing" and alertname in (None, alert["labels"]["alertname"]):
                    found[json.dumps([alert["labels"], alert["startsAt"]], sort_keys=True)] = alert
        return list(found.values())

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 25) -> Any:
    """Return the first true value of a condition; fail the test, saying what was awaited, when it stays false."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.1)
    return value


def webhooks(receivers: list[dict[str, Any]], url: str) -> list[dict[str, Any]]:
    """Return receivers of the same names that post to a webhook, and tell of ends as the given ones do."""
    ends = {
        receiver["name"]: one["send_resolved"] for receiver in receivers for kind in receiver if kind != "name" for one in receiver[kind]
    }
    return [{"name": name, "webhook_configs": [{"url": f"{url}/{name}", "send_resolved": told}]} for name, told in ends.items()]


class Stack:
    """Exporter, Prometheus, Alertmanager and webhook in one directory. Trails go to `trails`, whole or not at all."""

    def __init__(self, directory: Path, repository: Path, program: Callable[[str], Path]) -> None:
        self.directory, self._repository = directory, repository
        self.trails = directory / "trails"
        self.trails.mkdir()
        self.webhook = Webhook()
        self.exporter_address = f"127.0.0.1:{free_port()}"
        self.prometheus_url = f"http://127.0.0.1:{free_port()}"
        self.alertmanager_url = f"http://127.0.0.1:{free_port()}"
        self.external_url = ""
        self.exporter = Process(
            "exporter",
            [sys.executable, "-m", "exporter", "serve", "--config.file", "exporter.yml", "--web.listen-address", self.exporter_address],
            directory,
            f"http://{self.exporter_address}/-/ready",
        )
        self.prometheus = Process(
            "prometheus",
            [
                str(program("prometheus")), "--config.file=prometheus.yml", f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address={self.prometheus_url.removeprefix('http://')}", "--enable-feature=exemplar-storage",
            ],
            directory,
            f"{self.prometheus_url}/-/ready",
        )  # fmt: skip
        self.alertmanager = Process(
            "alertmanager",
            [
                str(program("prometheus-alertmanager")), "--config.file=alertmanager.yml", f"--storage.path={directory / 'alertmanager'}",
                f"--web.listen-address={self.alertmanager_url.removeprefix('http://')}", "--cluster.listen-address=",
            ],
            directory,
            f"{self.alertmanager_url}/-/ready",
        )  # fmt: skip

    def start(self) -> None:
        """Write the configurations and start everything; Prometheus comes last and has scraped once."""
        self._write("exporter.yml", self._exporter_config())
        self._write("prometheus.yml", self._prometheus_config())
        self._write("alertmanager.yml", self._alertmanager_config())
        for process in (self.alertmanager, self.exporter, self.prometheus):
            process.start()
        wait_until(lambda: self.value('up{job="aws-change-exporter"}') == 1, "Prometheus has scraped the exporter")

    def _write(self, name: str, config: object) -> None:
        (self.directory / name).write_text(yaml.safe_dump(config))

    def _exporter_config(self) -> Mapping[str, Any]:
        return {
            "store": {"path": str(self.directory / "state.db")},
            "sources": [{"type": "files", "path": str(self.trails), "poll_interval": "500ms"}],
            "metrics": {"birth_hold": "2s"},
            "web": {"external_url": self.external_url},
        }

    def _prometheus_config(self) -> Mapping[str, Any]:
        """Return the shipped example with faster clocks and this stack's addresses; the rules are the shipped file itself."""
        config = yaml.safe_load((self._repository / "deploy/prometheus/prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(self._repository / "deploy/prometheus/alerts.yml")]
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [self.alertmanager_url.removeprefix("http://")]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [self.exporter_address]
        return dict(config)

    def _alertmanager_config(self) -> Mapping[str, Any]:
        """Return the shipped example with faster clocks, every receiver being this stack's webhook."""
        config = yaml.safe_load((self._repository / "deploy/prometheus/alertmanager.yml").read_text())
        config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
        config["receivers"] = webhooks(config["receivers"], self.webhook.url)
        return dict(config)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query."""
        answer = json.loads(get(f"{self.prometheus_url}/api/v1/query?query={quote(expression)}"))
        return list(answer["data"]["result"])

    def value(self, expression: str) -> float | None:
        """Return the one value of an instant query, None where there is none."""
        samples = self.query(expression)
        assert len(samples) < 2, samples
        return float(samples[0]["value"][1]) if samples else None

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """Return the exemplars that Prometheus keeps for a series, of the last ten minutes."""
        now = time.time()
        parameters = urlencode({"query": expression, "start": now - 600, "end": now + 60})
        answer = json.loads(get(f"{self.prometheus_url}/api/v1/query_exemplars?{parameters}"))
        return [exemplar for series in answer["data"] for exemplar in series["exemplars"]]

    def names(self) -> bytes:
        """Return Prometheus' list of metric names, as JSON."""
        return get(f"{self.prometheus_url}/api/v1/label/__name__/values")

    def add_trail(self, name: str, *records: Mapping[str, Any]) -> None:
        """Let a trail file appear at once and whole, as it does when S3 is copied to a directory by rename."""
        draft = self.directory / f"{name}.draft"
        draft.write_text(json.dumps({"Records": records}))
        draft.replace(self.trails / f"{name}.json")

    def close(self) -> None:
        """End every process and print what they said; pytest shows it when the test failed."""
        for process in (self.prometheus, self.alertmanager, self.exporter):
            process.stop()
        self.webhook.close()
        said = [f"---- {process.name}\n{process.tail()}" for process in (self.exporter, self.prometheus, self.alertmanager)]
        said += ["---- webhook", *(f"{path} {json.dumps(body)}" for path, body in self.webhook.posts()), ""]
        sys.stdout.write("\n".join(said))


@pytest.fixture
def stack(tmp_path: Path, repository: Path, program: Callable[[str], Path]) -> Iterator[Stack]:
    """Return a stack that is not started yet; every process ends with the test."""
    stack = Stack(tmp_path, repository, program)
    try:
        yield stack
    finally:
        stack.close()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Return `wait_until`."""
    return wait_until


@pytest.fixture
def authorize() -> Callable[..., dict[str, Any]]:
    """Return a maker of AuthorizeSecurityGroupIngress records, in the shape of aws-facts' long form with a rule set."""

    def make(
        event_id: str, port: int, *, region: str = "us-east-1", cidr: str = "0.0.0.0/0", when: datetime | None = None
    ) -> dict[str, Any]:
        when = when or datetime.now(UTC)
        account, group = "111122223333", "sg-0123456789abcdef0"
        rule = {"ipProtocol": "tcp", "fromPort": port, "toPort": port}
        empty: dict[str, dict[str, Any]] = {"groups": {}, "ipv6Ranges": {}, "prefixListIds": {}}
        return {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLEEXAMPLE123:alice",
                "arn": f"arn:aws:sts::{account}:assumed-role/Deploy/alice",
                "accountId": account,
                "accessKeyId": "ASIAEXAMPLEEXAMPLE12",
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": "AROAEXAMPLEEXAMPLE123",
                        "arn": f"arn:aws:iam::{account}:role/Deploy",
                        "accountId": account,
                        "userName": "Deploy",
                    },
                    "attributes": {"creationDate": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "mfaAuthenticated": "false"},
                },
            },
            "eventTime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": "ec2.amazonaws.com",
            "eventName": "AuthorizeSecurityGroupIngress",
            "awsRegion": region,
            "sourceIPAddress": "198.51.100.7",
            "userAgent": "aws-cli/2.22.0 md/command#ec2.authorize-security-group-ingress",
            "requestParameters": {
                "groupId": group,
                "ipPermissions": {"items": [{**rule, **empty, "ipRanges": {"items": [{"cidrIp": cidr}]}}]},
            },
            "responseElements": {
                "requestId": event_id,
                "_return": True,
                "securityGroupRuleSet": {
                    "items": [
                        {
                            "groupOwnerId": account, "groupId": group, "securityGroupRuleId": f"sgr-{event_id[:8]}{event_id[-9:]}",
                            "isEgress": False, **rule, "cidrIpv4": cidr,
                        }
                    ]
                },
            },
            "requestID": event_id,
            "eventID": event_id,
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": account,
            "eventCategory": "Management",
        }  # fmt: skip

    return make


def names_of_metrics(rules: str) -> set[str]:
    """Return the names that the rules ask the exporter for; those with a colon are what the rules record themselves."""
    texts = " ".join(str(rule) for group in yaml.safe_load(rules)["groups"] for rule in group["rules"])
    return set(re.findall(r"(?<![:\w])awschange_\w+(?![:\w])", texts))
