"""One world from its seed to its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.baseline.model import Estate
from exporter.rules.alerts import ALERTS
from exporter.rules.settings import AlertSettings
from simulation.evaluate import Firing, RuleFile, evaluate, rule_file
from simulation.expectation import Learn, expectations
from simulation.model import MINUTE, Span
from simulation.openmetrics import write
from simulation.prometheus import Programs
from simulation.score import Score, score
from simulation.scrape import AFTER, BEFORE, Shown, families, merged
from simulation.world import World

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


def shown(simulated: World, metrics: set[str], learn: Learn = Estate.of, jobs: int = 1, least: int = 1) -> list[Shown]:
    """Return the families among these metrics that the simulation can show."""
    learned = expectations(simulated, learn, jobs, least) if any(name.startswith("awschange_expected_changes") for name in metrics) else []
    return families(simulated, metrics) + [family for family in learned if family.name in metrics]


def stretches(simulated: World) -> list[Span]:
    """Return when any rule can see anything but standing counters, in whole minutes."""
    judged = simulated.period.judged
    spans = merged(Span(recorded.at - BEFORE, recorded.at + AFTER) for recorded in simulated.live)
    return [Span(max(span.start, judged.start) // MINUTE * MINUTE, min(span.end, judged.end) // MINUTE * MINUTE) for span in spans]


def _least(settings: AlertSettings) -> int:
    """Return a number of changes in an hour at which the rule on the rate cannot fire yet; increase() may read a few high."""
    (floor,) = [settings.values(alert)["floor"] for alert in ALERTS if alert.name == MODEL]
    return max(1, int(0.8 * float(floor)))


def simulate(simulated: World, settings: AlertSettings, programs: Programs, directory: Path, learn: Learn = Estate.of) -> Run:
    """Load a world into Prometheus and evaluate the rules over it."""
    rules = rule_file(settings, also=(PROMQL,))
    blocks = directory / "tsdb"
    families_shown = shown(simulated, rules.metrics(), learn, programs.jobs, _least(settings))
    files, samples = write(directory, families_shown, simulated.period.judged, simulated.faults)
    programs.load(files, blocks)
    for file in files:
        file.unlink()
    return Run(simulated, rules, evaluate(rules, programs, blocks, directory, stretches(simulated)), samples)
