"""The real Alertmanager on the shipped example, with quick clocks and with everything that it sends coming to this test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import yaml

from tests.e2e.conftest import Process, Webhook, free_port, get, webhooks
from tests.mailbox import Mailbox

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "deploy/prometheus/alertmanager.yml"
TEMPLATES = ROOT / "deploy/prometheus/aws-change-exporter.tmpl"

Labels = Mapping[str, str]


def example() -> dict[str, Any]:
    """Return the shipped configuration."""
    return dict(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))


def quick(route: dict[str, Any]) -> None:
    """Let a route and those below it wait seconds where the example waits minutes, and what waits longer still do so."""
    if "group_wait" in route:
        route["group_wait"] = {"0s": "0s", "30s": "500ms", "2m": "1500ms"}[route["group_wait"]]
    if "group_interval" in route:
        route["group_interval"] = "1s"
    for inner in route.get("routes", ()):
        quick(inner)


class Alertmanager:
    """Alertmanager in a directory. `webhook` hears all receivers, by name; or `pager`, `chat` and `mail` what the shipped ones send."""

    def __init__(self, directory: Path, program: Path, *, shipped_receivers: bool = False) -> None:
        self.directory = directory
        self.webhook, self.mail = Webhook(), Mailbox()
        self.url = f"http://127.0.0.1:{free_port()}"
        config = example()
        quick(config["route"])
        if shipped_receivers:
            self._send_here(config)
        else:
            config["receivers"] = webhooks(config["receivers"], self.webhook.url)
        shutil.copy(TEMPLATES, directory)
        (directory / "alertmanager.yml").write_text(yaml.safe_dump(config))
        argv = [
            str(program), "--config.file=alertmanager.yml", f"--storage.path={directory / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}", "--cluster.listen-address=",
        ]  # fmt: skip
        self.process = Process("alertmanager", argv, directory, f"{self.url}/-/ready")

    def _send_here(self, config: dict[str, Any]) -> None:
        """Give the shipped receivers addresses of this test, and nothing else."""
        config["global"] |= {"smtp_smarthost": self.mail.address, "smtp_require_tls": False}
        by_name = {receiver["name"]: receiver for receiver in config["receivers"]}
        key, hook = self.directory / "key", self.directory / "hook"
        key.write_text("0123456789abcdef0123456789abcdef")
        hook.write_text(f"{self.webhook.url}/chat")
        by_name["pager"]["pagerduty_configs"][0] |= {"routing_key_file": str(key), "url": f"{self.webhook.url}/pagerduty"}
        by_name["reading"]["slack_configs"][0] |= {"api_url_file": str(hook)}
        by_name["dead-mans-switch"]["webhook_configs"][0] |= {"url": f"{self.webhook.url}/dead-mans-switch"}

    def fire(self, *alerts: Labels, annotations: Mapping[str, str] | None = None) -> None:
        """Post alerts that fire until they are told to end."""
        now = datetime.now(UTC)
        self._post(alerts, annotations or {}, now, now + timedelta(hours=1))

    def end(self, *alerts: Labels) -> None:
        """Post that alerts have ended."""
        now = datetime.now(UTC)
        self._post(alerts, {}, now - timedelta(seconds=1), now)

    def _post(self, alerts: tuple[Labels, ...], annotations: Mapping[str, str], starts: datetime, ends: datetime) -> None:
        body = [
            {
                "labels": dict(labels),
                "annotations": dict(annotations),
                "startsAt": starts.isoformat(),
                "endsAt": ends.isoformat(),
                "generatorURL": "http://prometheus.example.com/graph",
            }
            for labels in alerts
        ]
        request = Request(f"{self.url}/api/v2/alerts", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=5) as answer:
            assert answer.status == 200

    def alerts(self) -> list[dict[str, Any]]:
        """Return all alerts as Alertmanager lists them, with what inhibits each."""
        return list(json.loads(get(f"{self.url}/api/v2/alerts")))

    def sent(self, receiver: str) -> list[dict[str, Any]]:
        """Return the bodies that came for a receiver."""
        return [body for path, body in self.webhook.posts() if path == f"/{receiver}"]

    def close(self) -> None:
        """End it."""
        self.process.stop()
        self.webhook.close()
        self.mail.close()
