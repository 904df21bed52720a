"""`python -m tests.soak [--small] [--seed N]…`: soak, tell what came of it, and exit with 1 where anything was wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.plan import full, small
from tests.soak.soak import Outcome, Soak


def tell(outcome: Outcome, bound: float) -> bool:
    """Print an outcome; return whether all was right."""
    right = not outcome.wrong and not outcome.twice and outcome.longest <= bound
    print(
        f"{outcome.made} changes, {outcome.kills} kills, {outcome.seconds:.0f} s: {len(outcome.wrong)} counts wrong, "
        f"{outcome.twice} events twice, longest from change to store {outcome.longest:.1f} s (bound {bound:g} s)"
    )
    print("first brought by: " + ", ".join(f"{source} {count}" for source, count in outcome.first_by.most_common()))
    for (family, labels), (stored, true) in list(outcome.wrong.items())[:20]:
        print(f"  WRONG {family}{labels}: {stored:g} stored, {true:g} true")
    return right


def main() -> int:
    """Run one soak for each seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--small", action="store_true", help="the size that CI runs")
    parser.add_argument("--seed", type=int, action="append", help="a seed; may be repeated (default 1)")
    parser.add_argument("--keep", type=Path, help="a directory to keep store, configuration and logs in")
    chosen = parser.parse_args()
    right = True
    for seed in chosen.seed or [1]:
        plan = (small if chosen.small else full)(seed)
        with tempfile.TemporaryDirectory(prefix="aws-change-exporter-soak-") as scratch:
            directory = chosen.keep or Path(scratch)
            directory.mkdir(parents=True, exist_ok=True)
            print(f"seed {seed}: {plan}", flush=True)
            right &= tell(Soak(plan, directory, lambda line: print(f"  {line}", flush=True)).run(), plan.bound)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
