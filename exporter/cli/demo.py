"""`demo`: a stand-in for AWS with people at work in it, the exporter on every road, and Prometheus and Alertmanager where installed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import yaml

import exporter
from exporter.cli.options import format_option, reports_errors
from exporter.config import validate
from exporter.demo import monitoring, stand_in, trail
from exporter.demo.children import Child, DemoError, end, require_free
from exporter.demo.monitoring import Addresses
from exporter.logs import LOG_LEVELS
from exporter.sources import SOURCES

_BIRTH_HOLD = f"{2 * monitoring.SCRAPE_SECONDS}s"
_WATCH_SECONDS = 0.3
_READY_SECONDS = 60.0


def _say(text: str = "") -> None:
    click.echo(text, err=True)


class _Demo:
    """The demo while it runs: its directory, its programs, and whether it was told to stop."""

    def __init__(self, directory: Path, log: tuple[str, str]) -> None:
        self.directory, self._log = directory, log
        self.done = threading.Event()
        self._children: list[Child] = []

    def keep(self, child: Child) -> Child:
        """Have a program end with the demo."""
        self._children.append(child)
        return child

    def end(self) -> None:
        """End all programs."""
        end(self._children)

    def serve(self, address: str, config: dict[str, Any], environment: dict[str, str]) -> Child:
        """Start the exporter on a configuration and return when it answers."""
        shared = {
            "store": {"path": str(self.directory / "state.db")},
            "metrics": {"birth_hold": _BIRTH_HOLD},
            "web": {"external_url": f"http://{address}"},
        }
        validate(shared | config, "the demo's configuration")
        path = self.directory / "exporter.yml"
        path.write_text(yaml.safe_dump(shared | config, sort_keys=False), encoding="utf-8")
        level, form = self._log
        flags = ("--config.file", str(path), "--web.listen-address", address, "--log.level", level, "--log.format", form)
        # The demo asks its exporter by plain HTTP.
        plain = {name: value for name, value in environment.items() if name != "AWS_CHANGE_EXPORTER_WEB_CONFIG"}
        child = self.keep(Child("the exporter", [sys.executable, "-P", "-m", "exporter", "serve", *flags], None, plain))
        child.wait_for(f"http://{address}/-/healthy", _READY_SECONDS, self.done.is_set)
        return child

    def watch(self, vital: list[Child]) -> None:
        """Return when told to stop; raises DemoError where a program ends without which there is no demo."""
        while not self.done.wait(_WATCH_SECONDS):
            for child in [child for child in self._children if child.ended]:
                if child in vital:
                    raise DemoError(f"{child.name} ended with {child.process.returncode}{child.last_words()}")
                _say(f"{child.name} ended with {child.process.returncode}; the demo goes on without it{child.last_words()}")
                self._children.remove(child)


@click.command(short_help="Run on a stand-in for AWS, to look around.")
@click.option(
    "--web.listen-address", "listen_address", default="127.0.0.1:10893", show_default=True, help="Address for /metrics and the pages."
)
@click.option("--aws.listen-address", "aws_address", default="127.0.0.1:5000", show_default=True, help="Address of the stand-in for AWS.")
@click.option(
    "--prometheus.listen-address", "prometheus_address", default="127.0.0.1:9090", show_default=True, help="Address of Prometheus."
)
@click.option(
    "--alertmanager.listen-address", "alertmanager_address", default="127.0.0.1:9093", show_default=True, help="Address of Alertmanager."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed tells another story.")
@click.option("--interval", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="Seconds between two things that happen.")
@click.option(
    "--monitoring/--no-monitoring", "with_monitoring", default=True, show_default=True, help="Run Prometheus and Alertmanager too."
)
@click.option("--log.level", "log_level", type=click.Choice(LOG_LEVELS), default="error", show_default=True, help="Least severe log lines.")
@format_option
@reports_errors
def demo(
    listen_address: str,
    aws_address: str,
    prometheus_address: str,
    alertmanager_address: str,
    seed: int,
    interval: float,
    with_monitoring: bool,
    log_level: str,
    log_format: str,
) -> None:
    """Run on a stand-in for AWS in which people, pipelines and controllers are at work, until stopped. Needs no AWS account.

    The exporter reads it on every road, and Prometheus and Alertmanager watch the exporter where they are installed. All of it
    listens on this machine only, keeps its files in a temporary directory, and ends with Ctrl-C.
    """
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aws-change-exporter-demo-", ignore_cleanup_errors=True)))
        running = _Demo(root, (log_level, log_format))
        stack.callback(running.end)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: running.done.set())
        web = _joined(require_free(listen_address, "the exporter", "--web.listen-address"))
        lacking = monitoring.missing()
        watched = Addresses(web, prometheus_address, alertmanager_address)
        if with_monitoring and "Prometheus" not in lacking:
            require_free(prometheus_address, "Prometheus", "--prometheus.listen-address")
        if with_monitoring and "Alertmanager" not in lacking:
            require_free(alertmanager_address, "Alertmanager", "--alertmanager.listen-address")
        reason = stand_in.missing()
        if reason:
            _say(f"No stand-in for AWS: {reason}. A made-up trail in files takes its place.")
            vital, lines = _on_files(running, web, seed, interval)
        else:
            address = require_free(aws_address, "the stand-in for AWS", "--aws.listen-address")
            vital, lines = _on_aws(running, web, address, seed, interval)
        pages = [f"  overview      http://{web}/", f"  metrics       http://{web}/metrics", f"  history       http://{web}/history"]
        if not running.done.is_set():
            pages += _monitor(running, watched, lacking) if with_monitoring else ["  Prometheus    not wanted (--no-monitoring)"]
        if not running.done.is_set():
            _say("\n".join(["", *pages, *lines, "", "  stop          Ctrl-C", ""]))
        running.watch(vital)
        _say("stopping")


def _on_aws(running: _Demo, web: str, address: tuple[str, int], seed: int, interval: float) -> tuple[list[Child], list[str]]:
    """Run the stand-in for AWS and the exporter on it; return both, and what to say of them."""
    _say("Starting a stand-in for AWS, with people at work in it ...")
    aws = stand_in.start(address, seed, interval, lambda line: _say(f"aws: {line}"), running.keep, running.done.is_set)
    config = stand_in.settings(aws.world, aws.url, tuple(SOURCES), _next_month()) if aws.world else {}
    if running.done.is_set():
        return [aws.child], []
    exporter_ = running.serve(web, config, stand_in.environment(aws.url, stand_in.READER_KEY))
    accounts = [aws.world["account_id"], *(member["account_id"] for member in aws.world["members"])]
    paste = " ".join(f"{name}={value}" for name, value in stand_in.given(aws.url, stand_in.KEY).items())
    return [aws.child, exporter_], [
        f"  AWS           {aws.url}",
        f"                accounts {', '.join(accounts)}; regions {', '.join(aws.world['regions'])}",
        f"                read on these roads: {', '.join(source['type'] for source in config['sources'])}",
        f"  open now      {_called()} open --config.file {shlex.quote(str(running.directory / 'exporter.yml'))}",
        "",
        "Open a port to the internet yourself, and see within seconds on the history page that it was user/you:",
        "",
        f"  {paste} \\",
        "    aws ec2 authorize-security-group-ingress --group-name default --protocol tcp --port 3389 --cidr 0.0.0.0/0",
    ]


def _next_month() -> date:
    return (datetime.now(UTC) + timedelta(days=30)).date()


def _called() -> str:
    """Return what a shell runs this program by, as the demo itself was run: `make demo` finds it where no PATH leads."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m exporter"
    return called.name if shutil.which(called.name) else shlex.quote(str(called))


def _on_files(running: _Demo, web: str, seed: int, interval: float) -> tuple[list[Child], list[str]]:
    """Write the made-up trail and run the exporter on it; return it, and what to say of it."""
    directory = running.directory / "trail"
    directory.mkdir()
    threading.Thread(target=trail.run, args=(directory, running.done, interval, seed), name="demo trail", daemon=True).start()
    source = {"type": "files", "name": "demo", "path": str(directory), "poll_interval": "1s"}
    environment = {**os.environ, "PYTHONPATH": str(Path(exporter.__file__).parent.parent)}
    return [running.serve(web, {"sources": [source]}, environment)], [f"  trail         {directory}"]


def _monitor(running: _Demo, addresses: Addresses, lacking: Mapping[str, str]) -> list[str]:
    """Start Prometheus and Alertmanager where nothing is lacking; return what to say of them."""
    lines = [f"  {name:<13} {why}" for name, why in lacking.items()]
    alerting = "Alertmanager" not in lacking
    if alerting:
        _await(running, running.keep(monitoring.start_alertmanager(running.directory, addresses)), addresses.alertmanager)
        lines.append(f"  Alertmanager  {monitoring.alertmanager_page(addresses)}")
    if "Prometheus" not in lacking:
        _await(running, running.keep(monitoring.start_prometheus(running.directory, addresses, alerting=alerting)), addresses.prometheus)
        lines.append(f"  Prometheus    {monitoring.prometheus_page(addresses)}")
    return lines


def _await(running: _Demo, child: Child, address: str) -> None:
    child.wait_for(f"http://{address}/-/ready", _READY_SECONDS, running.done.is_set)


def _joined(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
