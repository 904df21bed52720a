"""Dashboards: what one look at each costs a real Prometheus at 500 accounts and regions.

The series are made up (tests/made_up_series.py): every family as wide as 500 accounts and regions and its budget make it, over two
hours; more would take longer to make than to read. promtool makes blocks of them and of what the recording rules would have put there
meanwhile; Prometheus serves both.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.rounds import Figures, interleaved, median, show
from dashboards.boards import DASHBOARDS
from exporter.rules.record import Record
from exporter.rules.recording import RECORDING
from tests.grafana_view import Asked, Json, Prometheus, Refused, View, of_one, panels, variables
from tests.made_up_series import Estate, Times, write

ESTATE = Estate(units=500, groups=10_000, principals=2_000)
HOURS = 2
BLOCK = 7200
SCRAPE = 120
REST = 240
ROUNDS = 3
DRAWN = 50
"""More lines than this nobody can tell apart."""
ROOT = Path(__file__).resolve().parent.parent
GROWN = ":grown"
_FIRST = {"group": [ESTATE.group(0)["security_group_id"]], "principal": [ESTATE.principal(0)["principal"]]}


def run() -> list[list[str]]:
    """Measure every dashboard, print the tables and return the rows of the first."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            show("Cost of one look at each dashboard", ["", program], [["not measured", "not installed"]])
            return []
    with tempfile.TemporaryDirectory(prefix="bench-dashboards-") as name:
        directory = Path(name)
        end = int(time.time()) // BLOCK * BLOCK
        start = end - HOURS * 3600
        series = _samples(directory, start, end)
        for growth in (False, True):
            with _server(directory) as (url, _):
                _record(directory, url, start, end, [record for record in RECORDING if record.name.endswith(GROWN) is growth])
        with _server(directory) as (url, pid):
            return _measure(Measured(Prometheus(url, 600), pid), end, series)


def _samples(directory: Path, start: int, end: int) -> int:
    """Make blocks of two hours each, one after the other, so that little is on the disk at once; return the number of series."""
    series = 0
    for begin in range(start, end, BLOCK):
        path = directory / "samples.om"
        with path.open("w", encoding="ascii") as out:
            series = write(out, ESTATE, Times(start, end, SCRAPE, REST, (begin, begin + BLOCK)))
        _promtool(directory, "create-blocks-from", "openmetrics", "-q", path.name, "tsdb")
        path.unlink()
    return series


def _record(directory: Path, url: str, start: int, end: int, records: Sequence[Record]) -> None:
    """Add what recording rules would have recorded meanwhile; promtool lets none of them read another."""
    rules = [{"record": record.name, "expr": record.expr} for record in records]
    (directory / "recording.yml").write_text(json.dumps({"groups": [{"name": "bench", "rules": rules}]}), encoding="utf-8")
    times = (f"--start={start}", f"--end={end}", f"--eval-interval={SCRAPE}s", "--output-dir=tsdb")
    _promtool(directory, "create-blocks-from", "rules", f"--url={url}", *times, "recording.yml")


def _promtool(directory: Path, *arguments: str) -> None:
    done = subprocess.run(["promtool", "tsdb", *arguments], cwd=directory, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        raise RuntimeError(f"promtool {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _server(directory: Path) -> Iterator[tuple[str, int]]:
    """Serve the blocks of a directory; yield the address and the id of the process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (directory / "prometheus.yml").write_text("{}", encoding="utf-8")
    # Blocks of one length are never merged: nothing else is at work while queries are measured.
    still = [f"--storage.tsdb.{end}-block-duration=2h" for end in ("min", "max")]
    flags = ("--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address={address}", "--log.level=error", *still)
    server = subprocess.Popen(["prometheus", *flags], cwd=directory, stdin=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while not _ready(f"http://{address}/-/ready"):
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError("Prometheus does not start")
            time.sleep(0.1)
        yield f"http://{address}", server.pid
    finally:
        server.terminate()
        server.wait(30)


def _ready(url: str) -> bool:
    try:
        with urlopen(url, timeout=2):
            return True
    except (URLError, OSError):
        return False


@dataclass(frozen=True)
class Measured:
    """A Prometheus, and how many seconds of the processor its process has taken: other load on the machine is not in them."""

    prometheus: Prometheus
    pid: int

    def seconds(self) -> float:
        """Return the seconds taken so far, to a hundredth."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cost(self, asked: Asked) -> Cost:
        """Ask, and return what it took."""
        begin = self.seconds()
        try:
            data = asked.data(self.prometheus, stats=True)
        except Refused:
            return Cost(self.seconds() - begin, 0, 0, refused=True)
        return Cost(self.seconds() - begin, data["stats"]["samples"]["totalQueryableSamples"], len(data["result"]))


@dataclass(frozen=True)
class Cost:
    """What one query took: seconds of the processor, samples read, and the series of its answer; or that it took too long, or too much."""

    seconds: float
    samples: int
    series: int
    refused: bool = False


def _measure(measured: Measured, end: int, series: int) -> list[list[str]]:
    rows, slow = [], []
    rules = sum(measured.cost(Asked(record.expr, instant=True, start=0, end=end - 1, step=0)).seconds for record in RECORDING)
    for board in DASHBOARDS:
        dashboard: Json = json.loads((ROOT / "grafana" / f"{board.name}.json").read_text(encoding="utf-8"))
        view = View(dashboard, measured.prometheus, end - 1, HOURS * 3600, of_one(dashboard, _FIRST), f"{SCRAPE}s")
        asked = dict(_asked(dashboard, view))
        costs: dict[str, Cost] = {}

        def ours(asked: Mapping[str, Asked] = asked, costs: dict[str, Cost] = costs) -> Figures:
            costs |= {name: measured.cost(query) for name, query in asked.items()}
            return _sums(costs)

        figures = interleaved({"ours": ours}, ROUNDS)
        most = max(costs, key=lambda name: costs[name].series)
        rows.append(
            [
                board.name,
                f"{len(asked)}",
                *_told(figures["ours"]),
                f"{costs[most].series}",
            ]
        )
        slow += [(cost, f"{board.name}: {name}") for name, cost in costs.items()]
    show(
        f"Cost of one look at each dashboard, all accounts and regions, {HOURS} hours",
        ["", "queries", "seconds", "samples", "most series"],
        rows,
        [
            f"{series:,} series of {ESTATE.units} accounts and regions, {ESTATE.groups:,} groups and {ESTATE.principals:,} principals.",
            f"Counters every {SCRAPE} s, gauges every {REST} s. Medians of {ROUNDS} rounds.",
            "Seconds of the processor, of the queries of all panels, marks and choices together.",
            "Refused: it took longer than 30 s, or more samples at once than Prometheus allows.",
            f"One evaluation of all recording rules takes {rules:.2f} s of the processor.",
        ],
    )
    slow.sort(key=lambda pair: -pair[0].seconds)
    wide = sorted((pair for pair in slow if pair[0].series > DRAWN), key=lambda pair: -pair[0].series)
    table = [[name, f"{cost.seconds:.2f} s", f"{cost.samples / 1e6:.2f} M", f"{cost.series}"] for cost, name in (*slow[:12], *wide[:12])]
    show(f"The slowest queries, and those with more than {DRAWN} series", ["", "seconds", "samples", "series"], table)
    return rows


def _asked(dashboard: Json, view: View) -> Iterator[tuple[str, Asked]]:
    """Yield what a dashboard asks when it is opened, by a name; choices of labels cost what their selector costs."""
    for panel in panels(dashboard):
        for letter, asked in view.asked(panel).items():
            yield f"{panel['title']}, {letter}", asked
    for annotation in dashboard["annotations"]["list"]:
        if annotation["enable"]:
            yield f"marks: {annotation['name']}", view.marks(annotation)
    for variable in variables(dashboard):
        text = view.expr(variable["query"]["query"], SCRAPE * 1000)
        if match := re.match(r"^label_values\((.+),\s*(\w+)\)$", text, re.DOTALL):
            yield f"choice: {variable['name']}", Asked(f"count by ({match[2]}) ({match[1]})", instant=True, start=0, end=view.end, step=0)


def _sums(costs: Mapping[str, Cost]) -> Figures:
    return {
        "seconds": sum(cost.seconds for cost in costs.values()),
        "samples": sum(cost.samples for cost in costs.values()),
        "refused": sum(cost.refused for cost in costs.values()),
    }


def _told(figures: Sequence[Figures]) -> tuple[str, str]:
    """Return seconds and samples as text, with how many queries were refused."""
    refused = median(figures, "refused")
    return f"{median(figures, 'seconds'):.2f} s" + (
        f", {refused:.0f} refused" if refused else ""
    ), f"{median(figures, 'samples') / 1e6:.1f} M"
