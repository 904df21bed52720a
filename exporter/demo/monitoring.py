"""Prometheus and Alertmanager for the demo: the project's own configuration, with the addresses of the demo."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import exporter
from exporter.demo.children import Child, answers, fetch
from exporter.rules import AlertSettings, render_alerts

EXAMPLES = Path(exporter.__file__).parent.parent / "deploy" / "prometheus"
SCRAPE_SECONDS = 5
_ALERTMANAGERS = ("prometheus-alertmanager", "alertmanager")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where each part of the demo listens, as host:port."""

    exporter: str
    prometheus: str
    alertmanager: str


def missing() -> dict[str, str]:
    """Return which of the two cannot run here, and why."""
    if not EXAMPLES.is_dir():
        why = "its configuration is in the source tree (deploy/prometheus), which is not here"
        return {"Prometheus": why, "Alertmanager": why}
    found = {"Prometheus": shutil.which("prometheus"), "Alertmanager": _alertmanager()}
    return {
        name: "not installed (Debian and Ubuntu: apt install prometheus prometheus-alertmanager)"
        for name, path in found.items()
        if not path
    }


def start_prometheus(directory: Path, addresses: Addresses, *, alerting: bool) -> Child:
    """Start Prometheus on the rules and configuration of the project, adapted, with its data in a directory."""
    config = _example("prometheus.yml")
    config["global"] = {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"}
    rules = directory / "alerts.yml"
    rules.write_text(render_alerts(AlertSettings()), encoding="utf-8")
    config["rule_files"] = [str(rules)]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [addresses.exporter]}]
    if alerting:
        config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [addresses.alertmanager]}]
    else:
        del config["alerting"]
    path = _write(directory / "prometheus.yml", config)
    program = shutil.which("prometheus") or "prometheus"
    flags = (f"--config.file={path}", f"--storage.tsdb.path={directory / 'prometheus'}", f"--web.listen-address={addresses.prometheus}")
    return Child("Prometheus", [program, *flags], directory / "prometheus.log")


def start_alertmanager(directory: Path, addresses: Addresses) -> Child:
    """Start Alertmanager with the routes of the project; its pages go nowhere, and are seen on its own page."""
    config = _example("alertmanager.yml")
    config["receivers"] = [{"name": receiver["name"]} for receiver in config["receivers"]]
    path = _write(directory / "alertmanager.yml", config)
    flags = (f"--config.file={path}", f"--storage.path={directory / 'alertmanager'}", f"--web.listen-address={addresses.alertmanager}")
    return Child("Alertmanager", [_alertmanager() or "alertmanager", *flags, "--cluster.listen-address="], directory / "alertmanager.log")


def prometheus_page(addresses: Addresses) -> str:
    """Return the address of the page of alerts, which Debian's package has in another place."""
    base = f"http://{addresses.prometheus}"
    return next((f"{base}{path}" for path in ("/alerts", "/classic/alerts") if answers(base + path)), f"{base}/")


def alertmanager_page(addresses: Addresses) -> str:
    """Return the address of the page of alerts, or of their list where Debian's package has no pages."""
    base = f"http://{addresses.alertmanager}"
    if b"does not include a web application" in (fetch(f"{base}/") or b""):
        return f"{base}/api/v2/alerts (this package has no pages; or: amtool alert --alertmanager.url={base})"
    return f"{base}/"


def _alertmanager() -> str | None:
    return next((path for path in map(shutil.which, _ALERTMANAGERS) if path), None)


def _example(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    return document


def _write(path: Path, config: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path
