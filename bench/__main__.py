"""`python -m bench [ingest|s3|store|scrape|aws …]`: measure what this machine does, each figure beside its baseline in the same run."""

from __future__ import annotations

import importlib
import os
import platform
import sqlite3
import sys
import time

PARTS = ("ingest", "s3", "store", "scrape", "aws", "units", "posture", "dashboards", "searches", "history", "query", "fleet")


def main(arguments: list[str]) -> int:
    """Run the named parts, all by default; return the exit code."""
    unknown = [name for name in arguments if name not in PARTS]
    if unknown:
        print(f"unknown: {' '.join(unknown)}; choose from {' '.join(PARTS)}", file=sys.stderr)
        return 2
    begin = time.monotonic()
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. "
        "Trust the ratios; the rest depends on machine and load.",
        flush=True,
    )
    for name in arguments or PARTS:
        importlib.import_module(f"bench.{name}").run()
    print(f"\n{time.monotonic() - begin:.0f} s in all.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
