"""`python -m tests.fleet [--small] [--seed N]…`: put replicas under fire, tell what came of it, and exit with 1 where anything was wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.fleet.fleet import Fleet, Outcome
from tests.fleet.plan import full, small
from tests.fleet.shared import SharedDatabase
from tests.postgres_server import Server


def tell(outcome: Outcome) -> bool:
    """Print an outcome; return whether all was right."""
    gaps = ", ".join(f"{source} {gap:.1f} s" for source, gap in sorted(outcome.longest_gaps.items()))
    print(
        f"{outcome.made} changes, {outcome.kills} kills, {outcome.restarts} restart of PostgreSQL, {outcome.refused} starts without it, "
        f"{outcome.seconds:.0f} s: "
        f"{len(outcome.wrong)} counts wrong, {len(outcome.missing)} changes missing, {len(outcome.shown_wrong)} counts shown wrong, "
        f"{len(outcome.differing)} samples differ between the replicas"
    )
    print(
        f"{len(outcome.polled_by)} units polled, {len(outcome.unpolled)} not; longest between two polls of one: {gaps}; "
        f"longest from change to store {outcome.longest:.1f} s"
    )
    print("brought by: " + ", ".join(f"{source} {count}" for source, count in outcome.brought_by.most_common()))
    for fault in outcome.faults():
        print(f"  WRONG {fault}")
    return not outcome.faults()


def main() -> int:
    """Run one fleet for each seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=__doc__)
    parser.add_argument("--small", action="store_true", help="the size that CI runs")
    parser.add_argument("--replicas", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--seed", type=int, action="append", help="a seed; may be repeated (default 1)")
    parser.add_argument("--keep", type=Path, help="a directory to keep configuration and logs in")
    chosen = parser.parse_args()
    right = True
    for seed in chosen.seed or [1]:
        plan = replace((small if chosen.small else full)(seed), replicas=chosen.replicas)
        with tempfile.TemporaryDirectory(prefix="aws-change-exporter-fleet-") as scratch, closing(Server(fsync=True)) as server:
            directory = chosen.keep or Path(scratch)
            directory.mkdir(parents=True, exist_ok=True)
            print(f"seed {seed}: {plan}", flush=True)
            right &= tell(Fleet(plan, directory, SharedDatabase(server), lambda line: print(f"  {line}", flush=True)).run())
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
