"""`demo`: a lifelike trail that is written while it runs, and the exporter on it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import click

from exporter.cli.options import log_options, reports_errors
from exporter.cli.serve import end_process, run_service
from exporter.config import validate
from exporter.demo import trail
from exporter.logs import make_logger


@click.command(short_help="Run on a made-up trail, to look around.")
@click.option(
    "--web.listen-address", "listen_address", default="127.0.0.1:10893", show_default=True, help="Address for /metrics and the pages."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed tells another story.")
@click.option("--interval", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="Seconds between new trail files.")
@log_options
@reports_errors
def demo(listen_address: str, seed: int, interval: float, log_level: str, log_format: str) -> None:
    """Run on a lifelike trail that is made up as it goes, in a temporary directory, until stopped. Needs no AWS account."""
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-demo-") as directory:
        root = Path(directory)
        (root / "trail").mkdir()
        config = validate(
            {
                "store": {"path": str(root / "state.db")},
                "sources": [{"type": "files", "name": "demo", "path": str(root / "trail"), "poll_interval": "1s"}],
                "metrics": {"birth_hold": "3s"},
            },
            "the demo's configuration",
        )
        logger = make_logger(log_level, log_format)
        address = listen_address if not listen_address.startswith(":") else f"localhost{listen_address}"
        click.echo(
            f"A made-up trail is written to {root / 'trail'} while this runs.\n"
            f"  metrics   http://{address}/metrics\n  history   http://{address}/history\n  stop      Ctrl-C\n",
            err=True,
        )
        stop = threading.Event()
        writer = threading.Thread(target=trail.run, args=(root / "trail", stop, interval, seed), name="demo trail", daemon=True)
        writer.start()
        try:
            run_service(config, None, listen_address, logger)
        finally:
            stop.set()
            writer.join(timeout=2)
    end_process()
