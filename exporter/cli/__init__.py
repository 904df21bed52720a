"""The command line: parses and prints, decides nothing."""

from __future__ import annotations

import io
import sys

import click

from exporter import __version__
from exporter.cli.athena_ddl import athena_ddl
from exporter.cli.backfill import backfill
from exporter.cli.check_config import check_config
from exporter.cli.demo import demo
from exporter.cli.doctor import doctor
from exporter.cli.history import history
from exporter.cli.iam_policy import iam_policy
from exporter.cli.metrics import metrics
from exporter.cli.open import open_command
from exporter.cli.poll import poll
from exporter.cli.query import query
from exporter.cli.rules import rules
from exporter.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="aws-change-exporter")
def main() -> None:
    """Watch who changes what in AWS, security groups first: metrics for Prometheus, history for people."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's or pipe's encoding lacks is written as an escape instead of ending the command half-way.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


for command in (serve, poll, metrics, history, query, backfill, open_command, check_config, doctor, iam_policy, athena_ddl, rules, demo):
    main.add_command(command)
