"""SQL over trail files by the embedded engine, beside the exporter's own ingest of the same files in the same run."""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.ingest import generate, ingested
from bench.rounds import Figures, in_child, interleaved, median, peak_rss_mb, ratio, show, timed
from exporter.history.trail_feeds import FilesFeed
from exporter.sql.base import Limits, Statement
from exporter.sql.duck import DuckEngine

RECORDS, FILES, ROUNDS = 1_000_000, 550, 3
INGEST = "ingest"
MAX_FILE_SIZE = 256 * 2**20
QUESTIONS = {
    "security groups": "SELECT * FROM cloudtrail_logs WHERE eventname LIKE '%SecurityGroup%' ORDER BY eventtime",
    "all, by call": "SELECT eventsource, eventname, count(*) AS n FROM cloudtrail_logs GROUP BY 1, 2 ORDER BY n DESC",
    "all, twice": "SELECT count(*) FROM cloudtrail_logs a JOIN cloudtrail_logs b ON a.eventid = b.eventid",
}
"""The first reads few of the records, the second every one, the third goes through the table twice."""


def _ask(directory: Path, question: str) -> Figures:
    engine = DuckEngine(FilesFeed({directory: MAX_FILE_SIZE}))
    rows = 0

    def work() -> None:
        nonlocal rows
        result = engine.run(Statement(QUESTIONS[question]), Limits(), lambda _done, _all, _read: None)
        rows = sum(1 for _ in result.rows)
        if result.problems or result.truncated:
            raise RuntimeError(f"the answer is not whole: {result.problems}")

    figures = timed(work)
    engine.close()
    return figures | {"rows": rows, "peak": peak_rss_mb()}


def run() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as name:
        made = generate(Path(name), RECORDS, FILES)
        cases = {case: partial(in_child, "bench.query", name, case) for case in (INGEST, *QUESTIONS)}
        figures = interleaved(cases, ROUNDS)
    rows = [
        [
            case,
            f"{median(found, 'cpu'):.2f} s",
            f"{median(found, 'wall'):.2f} s",
            f"{ratio(found, figures[INGEST], 'cpu'):.2f} x",
            f"{median(found, 'peak'):.0f} MB",
            f"{median(found, 'rows'):,.0f}",
        ]
        for case, found in figures.items()
    ]
    show(
        f"SQL over trail files: {made['records']:,.0f} records, {made['changes']:,.0f} changes, {made['compressed'] / 1e6:.0f} MB gzip",
        ["", "cpu", "wall", "of ingest", "peak RSS", "rows"],
        rows,
        [
            f"Medians of {ROUNDS} interleaved rounds, each case a process of its own.",
            "Goal: the question about security groups in less than 3 x of the ingest, in less than 500 MB.",
        ],
    )


def main(directory: str, case: str) -> None:
    """Measure one case in this process, and print the figures."""
    place = Path(directory)
    figures = (ingested(place) | {"peak": peak_rss_mb(), "rows": 0.0}) if case == INGEST else _ask(place, case)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
