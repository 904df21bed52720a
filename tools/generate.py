"""Write the pages of docs/ and the rule files that come from the code; with --check, tell which are not current."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from dashboards.render import pages as dashboard_pages
from exporter.rules import ALERTS, VARIANT, AlertSettings, prometheus_rule, render_alerts, render_recording, render_variant
from tools.compose_files import compose_alertmanager, compose_prometheus
from tools.helm_chart import CHART, chart_pages
from tools.page_alerts import alerts_page
from tools.page_api import api_page
from tools.page_cli import cli_page
from tools.page_configuration import configuration_page
from tools.page_deployments import deployments
from tools.page_events import events_page
from tools.page_metrics import metrics_page
from tools.page_runbooks import runbook_page

ROOT = Path(__file__).resolve().parent.parent

SIMULATION = ROOT / "docs/simulation.txt"
"""What the simulation last printed, for the page of the alerts."""
RUNBOOKS = "docs/runbooks"
EXAMPLES = ROOT / "deploy/prometheus"


def _simulation() -> str:
    return SIMULATION.read_text(encoding="utf-8") if SIMULATION.is_file() else ""


PAGES: Mapping[str, Callable[[], str]] = {
    "deploy/compose/alertmanager.yml": lambda: compose_alertmanager(EXAMPLES),
    "deploy/compose/prometheus.yml": lambda: compose_prometheus(EXAMPLES),
    "deploy/kubernetes/prometheusrule.yaml": lambda: prometheus_rule(AlertSettings()),
    "deploy/prometheus/alerts.yml": lambda: render_alerts(AlertSettings()),
    "deploy/prometheus/anomaly-promql.yml": lambda: render_variant(AlertSettings()),
    "deploy/prometheus/recording.yml": render_recording,
    "docs/alerts.md": lambda: alerts_page(_simulation()),
    "docs/api.md": api_page,
    "docs/cli.md": cli_page,
    "docs/configuration.md": lambda: configuration_page((ROOT / "example.yml").read_text(encoding="utf-8")),
    "docs/events.md": events_page,
    "docs/metrics.md": metrics_page,
    **chart_pages(ROOT),
    **dashboard_pages(),
    **deployments(),
    **{f"{RUNBOOKS}/{alert.name}.md": partial(runbook_page, alert) for alert in (*ALERTS, VARIANT)},
}
"""Every generated page and what makes its text."""


def stale(root: Path, pages: Mapping[str, Callable[[], str]]) -> dict[str, str]:
    """Return the pages whose file is missing or differs, with the text that they should have."""
    wanted = {name: render() for name, render in pages.items()}
    return {name: text for name, text in wanted.items() if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text}


def orphans(root: Path, pages: Mapping[str, Callable[[], str]]) -> list[str]:
    """Return the runbooks of alerts, and the chart's copies of dashboards, that are not there any more."""
    kept = ((RUNBOOKS, "*.md"), (f"{CHART}/files/dashboards", "*.json"))
    return sorted(name for folder, files in kept for path in (root / folder).glob(files) if (name := f"{folder}/{path.name}") not in pages)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check every page; return the exit code: 1 where --check found a page that is not current."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is not current")
    check = parser.parse_args(arguments).check
    pages = stale(ROOT, PAGES)
    for name, text in pages.items():
        if check:
            print(f"{name} is not current; run: make generate", file=sys.stderr)
        else:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    left = orphans(ROOT, PAGES)
    for name in left:
        print(f"{name} belongs to nothing that is there any more; remove it", file=sys.stderr)
    return 1 if (check and pages) or left else 0


if __name__ == "__main__":
    sys.exit(main())
