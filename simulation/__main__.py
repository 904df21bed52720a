"""Run the simulation and print its table: `make simulate SEED=1`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from exporter.rules.settings import AlertSettings
from simulation.estate import UNITS
from simulation.prometheus import Programs
from simulation.run import simulate
from simulation.table import text
from simulation.world import DAYS, world

WRITTEN = Path(__file__).resolve().parent.parent / "docs" / "simulation.txt"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of one seed, or write it to docs/simulation.txt."""
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--units", type=int, default=UNITS, help="account-regions, the first of the twenty")
    parser.add_argument("--days", type=int, default=DAYS, help="days that are judged; 90 days of history come before them")
    parser.add_argument("--share", type=float, default=1.0, help="how many of the 60 incidents there are")
    parser.add_argument("--prometheus", default="prometheus", help="another Prometheus than the one on PATH")
    parser.add_argument("--promtool", default="promtool")
    parser.add_argument("--write", action="store_true", help="write the table to docs/simulation.txt too")
    chosen = parser.parse_args(arguments)
    programs = Programs(chosen.prometheus, chosen.promtool)
    simulated = world(chosen.seed, units=chosen.units, days=chosen.days, share=chosen.share)
    with tempfile.TemporaryDirectory(prefix="simulation-") as directory:
        run = simulate(simulated, AlertSettings(), programs, Path(directory))
    title = f"seed {chosen.seed}: {chosen.days} days of {chosen.units} account-regions, {len(simulated.incidents)} labelled incidents"
    table = text(title, run.scores(), [alert.name for alert in run.rules.alerts])
    sys.stdout.write(table)
    if chosen.write:
        WRITTEN.write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
