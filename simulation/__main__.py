"""Run the simulation and print its table: `make simulate SEED=1`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.rules.settings import AlertSettings
from simulation.estate import UNITS
from simulation.evaluate import Firing, RuleFile, evaluate, rule_file
from simulation.expectation import Fit, expectations, fit
from simulation.model import MINUTE, Span
from simulation.openmetrics import write
from simulation.prometheus import Programs
from simulation.score import Score, score
from simulation.scrape import AFTER, BEFORE, Shown, families, merged
from simulation.table import text
from simulation.world import DAYS, World, world

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = ROOT / "docs" / "simulation.txt"

MODEL, PROMQL = "AwsChangeRateAnomalous", "AwsChangeRateAnomalousByPromql"
"""The two forms of the rule on the rate, of which a site uses one."""


@dataclass(frozen=True, slots=True)
class Run:
    """One world and all that fired in it."""

    world: World
    rules: RuleFile
    firings: Sequence[Firing]
    samples: int

    def scores(self) -> dict[str, Score]:
        """Return the figures with the rule on the rate in each of its forms, and without it."""
        names = [alert.name for alert in self.rules.alerts]
        others = [name for name in names if name not in (MODEL, PROMQL)]
        sets = {f"with {form}": [*others, form] for form in (MODEL, PROMQL) if form in names} | {"with neither": others}
        return {name: score(self.world, self.firings, rules) for name, rules in sets.items()}


def shown(simulated: World, metrics: set[str], learn: Fit = fit) -> list[Shown]:
    """Return the families among these metrics that the simulation can show."""
    learned = expectations(simulated, learn) if any(name.startswith("awschange_expected_changes") for name in metrics) else []
    return families(simulated, metrics) + [family for family in learned if family.name in metrics]


def stretches(simulated: World) -> list[Span]:
    """Return when any rule can see anything but standing counters, in whole minutes."""
    judged = simulated.period.judged
    spans = merged(Span(recorded.at - BEFORE, recorded.at + AFTER) for recorded in simulated.live)
    return [Span(max(span.start, judged.start) // MINUTE * MINUTE, min(span.end, judged.end) // MINUTE * MINUTE) for span in spans]


def simulate(simulated: World, settings: AlertSettings, programs: Programs, directory: Path, learn: Fit = fit) -> Run:
    """Load a world into Prometheus and evaluate the rules over it."""
    rules = rule_file(settings, also=(PROMQL,))
    blocks = directory / "tsdb"
    files, samples = write(directory, shown(simulated, rules.metrics(), learn), simulated.period.judged, simulated.faults)
    programs.load(files, blocks)
    for file in files:
        file.unlink()
    return Run(simulated, rules, evaluate(rules, programs, blocks, directory, stretches(simulated)), samples)


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
