"""What a soak does: how much, over how many accounts, and what goes wrong meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

SKEW = timedelta(seconds=40)
"""How far AWS's clock is ahead of ours."""

FAULTS = (
    ("--throttle", "0.05"),
    ("--throttle-storm", "3s/20s"),
    ("--error", "0.05"),
    ("--hang", "0.01"),
    ("--hang-for", "3s"),
    ("--cut", "0.03"),
    ("--token-life", "2s"),
    ("--credential-life", "20s"),
    ("--clock-skew", f"{SKEW.total_seconds():g}s"),
    ("--duplicate", "0.1"),
    ("--late", "0.05"),
    ("--jitter", "3s"),
    ("--updated", "0.05"),
    ("--bus-loss", "0.2"),
    ("--deny", "organizations:ListAccounts"),
)
"""Every fault switch that the sandbox has; `--late-by` comes from the plan."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One soak. Times are in seconds; `changes` are spread over `seconds`, every `kill_every` the exporter is killed with -9.

    `late_by` is how late late records come: past the overlap of the polls, so that only a re-scan finds them where no other road does.
    `bound` is the most that may pass from a change to its row in the store.
    """

    seed: int
    changes: int
    accounts: int
    seconds: float
    kill_every: float
    late_by: float
    bound: float


def full(seed: int) -> Plan:
    """Return the soak of the issue: 10,000 changes over 20 account-regions."""
    return Plan(seed, changes=10_000, accounts=10, seconds=150, kill_every=6, late_by=75, bound=240)


def small(seed: int) -> Plan:
    """Return one that CI has time for."""
    return Plan(seed, changes=600, accounts=3, seconds=15, kill_every=4, late_by=65, bound=150)
