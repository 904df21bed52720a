"""What the demo leaves empty is not empty where something is wrong: the dashboards over a made-up hour in which everything happens."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dashboards.boards import DASHBOARDS
from exporter.rules import ALERTS
from exporter.rules.recording import RECORDING
from tests.dashboard_answers import against
from tests.e2e.conftest import Process, free_port
from tests.grafana_view import Json, Prometheus, View, of_one, panels
from tests.made_up_series import TARGET, Estate, Times, write

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ESTATE = Estate(units=12, groups=20, principals=8, busy=True)
HOUR = 3600
# Others begin with the eleventh account; tests/test_dashboards.py proves that they and the busiest are all.
OTHERS = {("principal", "Changes by account", "B")}
# One group and one principal that something of everything has happened to.
CHOICES = {"group": [ESTATE.group(0)["security_group_id"]], "principal": [ESTATE.principal(0)["principal"]]}


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], Path]) -> Iterator[Callable[[Json], View]]:
    """Serve the made-up hour by a real Prometheus; return a maker of looks at its end."""
    directory = tmp_path_factory.mktemp("filled")
    end = int(time.time()) // 60 * 60
    with (directory / "hour.om").open("w", encoding="utf-8") as out:
        write(out, ESTATE, Times(end - 2 * HOUR, end, 60, 240, (end - 2 * HOUR, end)))
    made = [str(program("promtool")), "tsdb", "create-blocks-from", "openmetrics", "-q", "hour.om", "tsdb"]
    subprocess.run(made, cwd=directory, check=True, capture_output=True, timeout=180)
    (directory / "prometheus.yml").write_text("{}", encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    argv = [str(program("prometheus")), "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address={address}"]
    server = Process("prometheus", argv, directory, f"http://{address}/-/ready")
    try:
        server.start()
        yield lambda dashboard: View(
            dashboard, Prometheus(f"http://{address}"), end - 1, HOUR, {**of_one(dashboard, CHOICES), "job": [TARGET["job"]]}, "60s"
        )
    finally:
        server.stop()


@pytest.mark.parametrize("board", [board.name for board in DASHBOARDS])
def test_every_query_finds_what_it_is_there_for(view: Callable[[Json], View], repository: Path, board: str) -> None:
    """A panel of failures is empty on every good day; whether its query is right would show on the first bad one."""
    dashboard = json.loads((repository / f"grafana/{board}.json").read_text(encoding="utf-8"))
    look = view(dashboard)
    recorded = {record.name for record in (*RECORDING, *(record for alert in ALERTS for record in alert.records))}
    asked = 0
    for panel in panels(dashboard):
        queries = look.asked(panel)
        answers = {letter: query.ask(look.prometheus) for letter, query in queries.items()}
        raw = [letter for letter, query in queries.items() if not any(name in query.expr for name in recorded)]
        for letter in raw:
            if (board, panel["title"], letter) not in OTHERS:
                assert answers[letter], (panel["title"], letter, queries[letter].expr)
                asked += 1
        # Nothing is recorded here: a table that also shows recorded series lacks their columns.
        if not raw or len(raw) == len(queries):
            assert list(against(panel, answers)) == [], panel["title"]
    assert asked
