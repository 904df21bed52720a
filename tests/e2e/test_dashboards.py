"""Every query of the dashboards and runbooks, asked of a real Prometheus that watches the demo: each answers what is shown of it."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import boto3
import pytest
import yaml

from dashboards.boards import DASHBOARDS
from exporter.demo import stand_in
from exporter.rules import ALERTS, AlertSettings
from exporter.rules.render import filled
from tests.dashboard_answers import against, links
from tests.e2e.conftest import Process, free_port, wait_until
from tests.grafana_view import Asked, Json, Prometheus, Refused, View, of_one, panels, variables

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

RANGE = 600
"""Seconds that the dashboards show: more than the demo has run."""
ACCOUNT = "111122223333"
BOARDS = [board.name for board in DASHBOARDS]
# What the demo cannot fill, and why. A panel whose record says `filled=False` stands here, and no other.
EMPTY: dict[tuple[str, str], str] = {
    ("exporter", "Failed polls"): "No poll fails.",
    ("exporter", "Units by replica"): "The demo is one process.",
    ("exporter", "Late events and gaps"): "No event is late.",
    ("exporter", "Trail files and digests"): "The demo's queue source verifies nothing.",
    ("exporter", "Proven complete"): "The demo's queue source verifies nothing.",
    ("exporter", "Throttles"): "The stand-in for AWS refuses none.",
    ("exporter", "Errors by code"): "No request fails.",
    ("exporter", "Store errors by operation"): "The store does not fail.",
    ("exporter", "Runs missed and failed"): "No run fails, and whether one is late is left to chance.",
    ("exposure", "Groups near their quota"): "No group of the demo has half of what it may have.",
    ("exposure", "Where trails were off"): "The demo's trail is on.",
    ("exposure", "Trails that cannot be judged"): "Those who watch own the trail.",
    ("security-group", "Open by exception"): "The exception is for another group.",
}
# Of panels that are filled, the queries that are not.
EMPTY_QUERIES: dict[tuple[str, str, str], str] = {
    ("principal", "Changes by account", "B"): "The demo has three, and others begin with the eleventh.",
    ("overview", "Changes by account and region", "B"): "The demo has six, and others begin with the eleventh.",
}


# Of tables that are filled, the columns that no row of the demo has.
EMPTY_COLUMNS = {
    # Which alerts fire, and so what they name, is left to chance.
    ("overview", "Firing alerts"): ("principal", "security_group_id", "source"),
}


@dataclass
class Watched:
    """The demo, the Prometheus that watches it, and what every panel was answered at one moment."""

    exporter_url: str
    prometheus: Prometheus
    dashboards: dict[str, Json]
    choices: dict[str, list[str]]
    scrape: str
    end: float = 0
    views: dict[str, View] = field(default_factory=dict)
    answers: dict[tuple[str, str], dict[str, list[Json]]] = field(default_factory=dict)

    def look(self) -> None:
        """Ask everything again, at this moment."""
        self.end = time.time()
        for name, dashboard in self.dashboards.items():
            view = self.view(name)
            self.views[name] = view
            for panel in panels(dashboard):
                self.answers[name, panel["title"]] = {
                    letter: [series for series in asked.ask(self.prometheus) if numbers(series)]
                    for letter, asked in view.asked(panel).items()
                }

    def view(self, name: str, **values: list[str]) -> View:
        """Return a look at a dashboard, at the moment of the last one."""
        return View(
            self.dashboards[name],
            self.prometheus,
            self.end,
            RANGE,
            {**of_one(self.dashboards[name], self.choices), **values},
            self.scrape,
            begun=True,
        )

    def empty(self) -> list[tuple[str, str, str]]:
        """Return the queries without an answer, of panels that should be filled."""
        return [
            (name, title, letter)
            for (name, title), answers in self.answers.items()
            for letter, series in answers.items()
            if not series and (name, title) not in EMPTY and (name, title, letter) not in EMPTY_QUERIES
        ]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, repository: Path, program: Callable[[str], Path]) -> Iterator[Watched]:
    """Run the demo and a Prometheus with all rules on it until every panel that can be is filled, a minute at most."""
    directory = tmp_path_factory.mktemp("dashboards")
    exporter_address, aws_address, prometheus_address = (f"127.0.0.1:{free_port()}" for _ in range(3))
    addresses = ("--web.listen-address", exporter_address, "--aws.listen-address", aws_address)
    demo = Process(
        "demo",
        [sys.executable, "-m", "exporter", "demo", "--no-monitoring", "--interval", "0.2", *addresses],
        directory,
        f"http://{exporter_address}/-/ready",
    )
    flags = (f"--storage.tsdb.path={directory / 'tsdb'}", f"--web.listen-address={prometheus_address}", "--enable-feature=exemplar-storage")
    server = Process(
        "prometheus",
        [str(program("prometheus")), f"--config.file={directory / 'prometheus.yml'}", *flags],
        directory,
        f"http://{prometheus_address}/-/ready",
    )
    source = yaml.safe_load((repository / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))["datasources"][0]
    seen = Watched(
        f"http://{exporter_address}",
        Prometheus(f"http://{prometheus_address}"),
        {board.name: json.loads((repository / f"grafana/{board.name}.json").read_text(encoding="utf-8")) for board in DASHBOARDS},
        {},
        source["jsonData"]["timeInterval"],
    )
    try:
        demo.start(90)
        group = open_a_group(f"http://{aws_address}")
        seen.choices = {"group": [group], "principal": ["user/you"]}
        (directory / "prometheus.yml").write_text(json.dumps(prometheus_config(repository, exporter_address)), encoding="utf-8")
        server.start()
        wait_until(lambda: seen.prometheus.get("query", [("query", f'{{security_group_id="{group}"}}')])["result"], "the group is seen", 60)
        until = time.monotonic() + 45
        seen.look()
        while seen.empty() and time.monotonic() < until:
            time.sleep(1)
            seen.look()
        yield seen
    finally:
        server.stop()
        demo.stop()
        sys.stdout.write(f"{demo.tail()}\n{server.tail()}\n")


def open_a_group(url: str) -> str:
    """Let user/you make a group, open it to the internet and close it a little again; return its id."""
    ec2 = boto3.client("ec2", endpoint_url=url, region_name="us-east-1", aws_access_key_id=stand_in.KEY, aws_secret_access_key="example")
    group = ec2.create_security_group(GroupName="dashboards", Description="d")["GroupId"]
    for port in (22, 3306):
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
    return str(group)


def prometheus_config(repository: Path, exporter_address: str) -> Json:
    """Return the shipped configuration with a quick clock, both files of rules, and this exporter."""
    config = yaml.safe_load((repository / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(repository / "deploy/prometheus" / name) for name in ("alerts.yml", "recording.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [exporter_address]
    del config["alerting"]
    return dict(config)


def test_panels_that_may_be_empty_are_those_that_say_so():
    """A flag that hides an empty panel would hide a query that is wrong just as well."""
    flagged = {(board.name, panel.title) for board in DASHBOARDS for panel in board.panels if not panel.filled}
    assert flagged == set(EMPTY)
    assert all(reason.endswith(".") for reason in (*EMPTY.values(), *EMPTY_QUERIES.values()))


@pytest.mark.parametrize("board", BOARDS)
def test_every_panel_is_filled_and_has_what_it_shows(watched, board):
    """An empty panel looks like a quiet night: a misspelt label or metric would be found on the worst of nights only."""
    dashboard = watched.dashboards[board]
    assert [query for query in watched.empty() if query[0] == board] == []
    faults = {}
    for panel in panels(dashboard):
        key = (board, panel["title"])
        if found := list(against(panel, watched.answers[key], EMPTY_COLUMNS.get(key, ()))):
            faults[panel["title"]] = found
    assert faults == {}


@pytest.mark.parametrize("board", BOARDS)
def test_no_number_is_below_nothing(watched, board):
    """A count below 0 is one that nobody can explain at night."""
    for panel in panels(watched.dashboards[board]):
        for series in [one for answer in watched.answers[board, panel["title"]].values() for one in answer]:
            assert min(numbers(series)) >= 0, (panel["title"], series)


def numbers(series: Json) -> list[float]:
    """Return the values of a series without those that are none, which Grafana does not draw."""
    values = (float(value) for _, value in series.get("values", [series.get("value")]))
    return [value for value in values if not math.isnan(value)]


@pytest.mark.parametrize("board", BOARDS)
def test_choices_offer_values_and_narrow_what_is_shown(watched, board):
    """A choice that narrows nothing shows somebody else's changes under the name of an account."""
    view = watched.views[board]
    for variable in variables(watched.dashboards[board]):
        assert view.options[variable["name"]], variable["name"]
    chosen = {"account": [ACCOUNT, "444455556666"], "region": ["us-east-1"], "job": ["aws-change-exporter"]}
    assert set(chosen["account"]) < set(view.options["account"])
    assert set(chosen["region"]) < set(view.options["region"])
    narrow = watched.view(board, **chosen)
    for panel in panels(watched.dashboards[board]):
        for letter, asked in narrow.asked(panel).items():
            for series in asked.ask(watched.prometheus):
                where = (panel["title"], letter, series["metric"])
                assert series["metric"].get("account_id", "") in {*chosen["account"], ""}, where
                assert series["metric"].get("region", "") in {*chosen["region"], ""}, where


@pytest.mark.parametrize("board", BOARDS)
def test_every_mark_finds_what_it_says(watched, board):
    """Marks whose query is wrong leave the graphs clean, as if nothing had happened."""
    for annotation in watched.dashboards[board]["annotations"]["list"]:
        series = watched.views[board].marks(annotation).ask(watched.prometheus)
        if annotation["name"] != "Changed in the dark":
            assert series, annotation["name"]
        labels = {label for one in series for label in one["metric"]}
        wanted = re.findall(r"\{\{(\w+)\}\}", annotation["titleFormat"] + annotation["textFormat"])
        assert not series or set(wanted) <= labels, annotation["name"]


def test_dots_on_graphs_lead_to_events(watched, repository):
    """A dot that leads nowhere is an answer that is promised and not given."""
    source = yaml.safe_load((repository / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))["datasources"][0]
    (destination,) = source["jsonData"]["exemplarTraceIdDestinations"]
    with_dots = [
        (board, panel["title"], watched.views[board].asked(panel)[target["refId"]])
        for board in BOARDS
        for panel in panels(watched.dashboards[board])
        for target in panel.get("targets", ())
        if target.get("exemplar")
    ]
    assert with_dots
    for board, title, asked in with_dots:
        found = exemplars(watched.prometheus, asked)
        assert found, (board, title)
        address = destination["url"].replace("${AWS_CHANGE_EXPORTER_URL}", watched.exporter_url)
        event = found[0]["labels"][destination["name"]]
        assert event in page(address.replace("$${__value.raw}", quote(event, safe=""))), (board, title)


def exemplars(prometheus: Prometheus, asked: Asked) -> list[Json]:
    """Return the events that Prometheus keeps for the series of a query."""
    found = prometheus.get("query_exemplars", [("query", asked.expr), ("start", asked.start), ("end", asked.end)])
    return [exemplar for series in found for exemplar in series["exemplars"]]


def page(address: str) -> str:
    """Return a page of the exporter; another status than 200 raises."""
    with urlopen(address, timeout=20) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("board", BOARDS)
def test_links_of_values_lead_to_pages_that_answer(watched, board):
    """A link that the exporter refuses is found by whoever was woken, as the first thing."""
    seen = 0
    for panel in panels(watched.dashboards[board]):
        for address in set(links(panel)):
            if not address.startswith("${exporter_url}"):
                continue
            filled = followed(address, watched, board, panel)
            if filled is not None:
                assert "<html" in page(filled), (panel["title"], filled)
                seen += 1
    assert seen or not any(address.startswith("${exporter_url}") for panel in panels(watched.dashboards[board]) for address in links(panel))


def followed(address: str, watched: Watched, board: str, panel: Json) -> str | None:
    """Return a link as Grafana makes it for the first series of a panel; None where the panel is empty."""
    series = next((one for answer in watched.answers[board, panel["title"]].values() for one in answer), None)
    if series is None:
        return None
    columns = {
        title: source
        for step in panel.get("transformations") or ()
        if step["id"] == "organize"
        for source, title in step["options"]["renameByName"].items()
    }
    view = watched.views[board]

    def value(match: re.Match[str]) -> str:
        name = match[1].partition(":")[0]
        if name == "__to":
            return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(view.end))
        if name.startswith("__data.fields."):
            text = series["metric"].get(columns[name.removeprefix("__data.fields.")], "")
        elif name.startswith("__field.labels."):
            text = series["metric"].get(name.removeprefix("__field.labels."), "")
        else:
            (text,) = view.values[name]
        return text if name == "exporter_url" else quote(text, safe="")

    return re.sub(r"\$\{([^}]+)\}", value, address)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_the_queries_of_every_runbook_run(watched, alert):
    """The first thing that somebody pastes at night must not be an error of syntax."""
    for query in alert.runbook.queries:
        expr = filled(query.expr, AlertSettings().values(alert))
        try:
            watched.prometheus.get("query", [("query", expr), ("time", watched.end)])
        except Refused as refused:
            pytest.fail(f"{query.asks}: {refused}\n{expr}")
