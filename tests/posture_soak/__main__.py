"""`python -m tests.posture_soak [--seed N]… [--rounds N]`: soak, tell what came of it, and exit with 1 where anything was wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.posture_soak.plan import Plan
from tests.posture_soak.soak import Outcome, Soak


def tell(outcome: Outcome) -> bool:
    """Print an outcome; return whether all was right."""
    print(
        f"{outcome.rounds} rounds, {outcome.changes} changes tried, {outcome.events} events, {outcome.dark_made} dark changes, "
        f"{outcome.dark} rule changes of them seen, {outcome.unexplained:g} counted; {outcome.earlier} rules before, {outcome.lost} lost rules, "
        f"{outcome.edits} list edits, {outcome.opened} openings, {outcome.open_rows} open rows, {outcome.failed_parts} parts failed, "
        f"{outcome.kills} kills, {outcome.seconds:.0f} s: {len(outcome.wrong)} wrong"
    )
    print("  tried (done): " + ", ".join(f"{name} {tried} ({done})" for name, (tried, done) in sorted(outcome.tried.items())))
    for line in outcome.wrong[:40]:
        print(f"  WRONG {line}")
    return not outcome.wrong


def main() -> int:
    """Run one soak for each seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.posture_soak", description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="a seed; may be repeated (default 1)")
    parser.add_argument("--rounds", type=int, default=40, help="how many readings")
    parser.add_argument("--changes", type=int, default=12, help="changes before each reading, on average")
    parser.add_argument("--dark", type=float, default=0.15, help="share of changes that leave no record")
    parser.add_argument("--no-faults", action="store_true", help="nothing fails and nothing is late")
    parser.add_argument("--serve", action="store_true", help="the exporter is a process, and is killed with -9")
    parser.add_argument("--ties", action="store_true", help="calls happen in one second")
    parser.add_argument("--tangled", action="store_true", help="lists and the groups that name them change between the same readings")
    parser.add_argument("--source", default="ec2", choices=("ec2", "aws_config"), help="where rules are read")
    parser.add_argument("--keep", type=Path, help="a directory to keep store, configuration and logs in")
    chosen = parser.parse_args()
    right = True
    for seed in chosen.seed or [1]:
        plan = Plan(
            seed, chosen.rounds, chosen.changes, chosen.dark, not chosen.no_faults, chosen.serve, chosen.ties, chosen.tangled, chosen.source
        )
        with tempfile.TemporaryDirectory(prefix="aws-change-exporter-posture-") as scratch:
            directory = chosen.keep / str(seed) if chosen.keep else Path(scratch)
            directory.mkdir(parents=True, exist_ok=True)
            print(f"seed {seed}: {plan}", flush=True)
            right &= tell(Soak(plan, directory).run())
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
