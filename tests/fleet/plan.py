"""What a fleet is put through: how many replicas and changes, and how often one of them dies."""

from __future__ import annotations

from dataclasses import dataclass

FAULTS = (
    ("--duplicate", "0.1"),
    ("--jitter", "2s"),
    ("--late", "0.02"),
    ("--late-by", "5s"),
    ("--updated", "0.05"),
    ("--error", "0.02"),
    ("--throttle", "0.02"),
)
"""What AWS does on a usual bad day. Every fault there is belongs to `make soak`; here it is the replicas that fail."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Times are in seconds; `changes` are spread over `seconds`, every `kill_every` one of the replicas is killed with -9.

    PostgreSQL is restarted once, when half of the time is over. `bound` is how long all may take to be counted once the killing has ended.
    """

    seed: int
    changes: int
    accounts: int
    seconds: float
    kill_every: float
    replicas: int = 3
    bound: float = 90


def full(seed: int) -> Plan:
    """Return what `make fleet` runs: two minutes under fire."""
    return Plan(seed, changes=4000, accounts=4, seconds=120, kill_every=4)


def small(seed: int) -> Plan:
    """Return one that CI has time for."""
    return Plan(seed, changes=250, accounts=2, seconds=14, kill_every=3)
