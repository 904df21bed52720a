"""What a soak of the posture does: how many rounds, how much in each, and what goes wrong meanwhile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """One soak: `changes` are tried before each of `rounds` readings, a share `dark` of them without a record.

    `serve` runs a process for each round and kills it with -9 meanwhile; without it the exporter is in this process. `faults` makes
    parts of readings fail and records come late. `ties` has calls happen in one second, and `tangled` prefix lists and the groups that
    name them change between the same two readings. `deadliness` is how likely another kill is before each reading.
    """

    seed: int
    rounds: int
    changes: int
    dark: float = 0.15
    faults: bool = True
    serve: bool = False
    ties: bool = False
    tangled: bool = False
    source: str = "ec2"
    deadliness: float = 0.7
