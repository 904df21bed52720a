"""The dashboards: each record makes sense, the files are what Grafana loads, and the queries count what happened."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard as Model
from hypothesis import given
from hypothesis import strategies as st

from dashboards import links
from dashboards.boards import DASHBOARDS
from dashboards.layout import COLUMNS, places
from dashboards.parts import EXPORTERS_DOWN, FIRING, FIRING_RANKED, SEVERITIES, SOURCES_STALE, UNIT
from dashboards.promql import CHOSEN, busiest, grown, happened, in_steps, known, last_rise, most, total
from dashboards.record import Column, Dashboard, Panel, Query, Row, Step
from dashboards.render import model, pages, render
from exporter.metrics.lines import exemplar
from exporter.rules.alert import SEVERITIES as ALERT_SEVERITIES
from exporter.rules.recording import RECORDING
from exporter.store import open_store
from exporter.web.pages import Pages
from tests.dashboard_faults import asked, faults, queries

ROOT = Path(__file__).resolve().parent.parent
GRAFANA = ROOT / "grafana"
EACH = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.name)
NEW = Panel(
    "New",
    "What it says.",
    "table",
    (Query("sum by (region) (awschange_security_groups)"),),
    columns=(Column("region", "Region"), Column("A", "Groups")),
)


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all panels of a dashboard's JSON, hidden ones too."""
    return [panel for one in document["panels"] for panel in (one, *one.get("panels", ()))]


@EACH
def test_nothing_is_wrong_with_a_dashboard(board: Dashboard) -> None:
    """A metric, label, link or variable that does not exist is a panel that stays empty, and looks as if nothing had happened."""
    found = faults(board, DASHBOARDS)
    assert not found, "\n".join((f"dashboards/boards/{board.name.replace('-', '_')}.py:", *found))


@pytest.mark.parametrize(
    ("panel", "fault"),
    [
        (
            replace(NEW, queries=(Query("sum by (region) (awschange_security_group)"),)),
            "no metric awschange_security_group; did you mean awschange_security_groups?",
        ),
        (replace(NEW, kind="tables"), "kind: no tables; choose from stat, bars, lines, table"),  # type: ignore[arg-type]
        (replace(NEW, unit="second"), "unit: 'second' is not one of bytes, "),
        (replace(NEW, steps=(Step(1, "pink"),)), "colour: no pink; choose from green, "),  # type: ignore[arg-type]
        (
            replace(NEW, queries=(Query('sum by (region) (awschange_security_groups{acct="1"})'),)),
            "awschange_security_groups has no label acct",
        ),
        (replace(NEW, queries=(Query("sum by (zone) (awschange_security_groups)"),)), "by (zone): no metric of the query has it"),
        (
            replace(NEW, queries=(Query("sum by (region, account_id) (awschange_security_groups)"),)),
            "rows differ by account_id, which no column shows",
        ),
        (
            replace(NEW, queries=(Query("sum by (region) (rate(awschange_events_total[5m]))"),)),
            "rate() of awschange_events_total, which moves too rarely",
        ),
        (replace(NEW, columns=(Column("region", "Region"), Column("vpc_id", "VPC"))), "column vpc_id: no query has this label"),
        (replace(NEW, columns=(Column("region", "Region"), Column("B", "Groups"))), "column B: no such query"),
        (replace(NEW, columns=(Column("region", "The region"), Column("A", "Groups"))), "titles of columns are single words"),
        (replace(NEW, sort="Rules"), "sort: no column Rules"),
        (replace(NEW, description="no sentence"), "its description is not a sentence"),
        (replace(NEW, links=(links.history(region=links.cell("Place")),)), "link: no column Place"),
        (replace(NEW, links=(links.history(region=links.label("zone")),)), "link: no label zone"),
        (replace(NEW, links=(links.history(region=links.chosen("zone")),)), "link: no variable zone"),
        (replace(NEW, links=(links.dashboard("principal", "There", vpc="1"),)), "link: /d/awschange-principal has no variable vpc"),
        (replace(NEW, links=(links.dashboard("princpal", "There"),)), "link: /d/awschange-princpal is neither the history nor a dashboard"),
        (replace(NEW, links=(links.Link("There", "${exporter_url}/history?region=${region}"),)), "link: region is not encoded"),
        (
            replace(NEW, kind="stat", columns=(), queries=(Query("sum(awschange_security_groups)"),)),
            "a number needs a word for where there is none",
        ),
        (replace(NEW, kind="lines", columns=()), "a legend must tell the series apart, as {{region}}"),
        (
            replace(NEW, kind="lines", columns=(), queries=(Query("sum by (region) (awschange_security_groups)", "{{vpc_id}}"),)),
            "legend: no label vpc_id",
        ),
        (replace(NEW, queries=()), "it needs queries"),
        (replace(NEW, title="Changes"), "'Changes' is the title of several panels"),
    ],
)
def test_a_mistake_in_a_new_panel_is_found(panel: Panel, fault: str) -> None:
    """Whoever adds a panel has no Grafana at hand; what these tests do not say, nobody says before the night it is needed."""
    overview = DASHBOARDS[0]
    assert faults(replace(overview, rows=(*overview.rows, Row("More", (NEW,)))), DASHBOARDS) == []
    found = faults(replace(overview, rows=(*overview.rows, Row("More", (panel,)))), DASHBOARDS)
    assert any(fault in one for one in found), found


def test_dashboards_and_files_belong_together() -> None:
    """A file that no dashboard makes any more would be loaded for ever; two with one uid hide one another."""
    assert {path.relative_to(ROOT).as_posix() for path in GRAFANA.glob("*.json")} == set(pages())
    assert len({board.uid for board in DASHBOARDS}) == len({board.title for board in DASHBOARDS}) == len(DASHBOARDS) >= 5
    assert all(len(board.uid) <= 40 for board in DASHBOARDS)


@EACH
def test_a_file_is_current_and_written_the_same_each_time(board: Dashboard) -> None:
    """What is reviewed as a record must be what Grafana loads."""
    text = (GRAFANA / f"{board.name}.json").read_text(encoding="utf-8")
    assert text == render(board) == render(board)
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@EACH
def test_a_dashboard_survives_reading_and_writing_by_the_sdk(board: Dashboard) -> None:
    """A key that the SDK does not know is one that we spelled wrong, and that Grafana leaves out without a word."""
    document = model(board)
    again = json.loads(json.dumps(Model.from_json(json.loads(json.dumps(document))), cls=JSONEncoder))
    for marks in document["annotations"]["list"]:
        # Keys of Prometheus' annotations alone, which the SDK's model of all data sources does not have.
        for key in ("titleFormat", "textFormat", "tagKeys", "step"):
            assert marks.pop(key)
    assert again == document


@EACH
def test_panels_have_ids_of_their_own_places_units_and_the_chosen_data_source(board: Dashboard) -> None:
    """Grafana draws one of two panels with the same id, and asks a data source that is not there for ever."""
    document = model(board)
    ids = [panel["id"] for panel in panels(document)]
    assert len(set(ids)) == len(ids)
    assert all(0 < number < 2**31 for number in ids)
    for panel in panels(document):
        if panel["type"] == "row":
            continue
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert all(target["instant"] != target["range"] for target in panel["targets"])
    assert document["templating"]["list"][0]["type"] == "datasource"
    assert document["templating"]["list"][0]["name"] == "datasource"


def test_an_id_stays_when_other_panels_come_and_go() -> None:
    """Links to a panel, and the differences of the files, would otherwise change with each panel before it."""
    board = DASHBOARDS[0]
    first, *others = board.rows
    more = replace(board, rows=(replace(first, panels=(NEW, *first.panels)), *others))
    before, after = ({panel["title"]: panel["id"] for panel in panels(model(one))} for one in (board, more))
    assert {title: after[title] for title in before} == before
    assert len(after) == len(before) + 1


@EACH
def test_colours_are_those_of_the_theme(board: Dashboard) -> None:
    """A colour by its number is legible on a light page or on a dark one, not on both."""
    text = render(board)
    assert not re.search(r'"#[0-9a-fA-F]{3,8}"', text)
    assert not re.search(r"\brgba?\(", text)


@EACH
def test_what_is_unknown_does_not_look_well(board: Dashboard) -> None:
    """Where nothing answers Grafana takes the colour of the least threshold; green would say that all is well."""
    for panel in panels(model(board)):
        if panel["type"] == "stat":
            defaults = panel["fieldConfig"]["defaults"]
            assert defaults["noValue"]
            assert defaults["thresholds"]["steps"][0]["color"] in {"orange", "text"}


@EACH
def test_words_without_a_colour_of_their_own_look_neither_good_nor_bad(board: Dashboard) -> None:
    """Grafana would take a colour of its palette, and what is harmless stands there in red."""
    for panel in panels(model(board)):
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            properties = {one["id"]: one["value"] for one in override["properties"]}
            if "mappings" in properties:
                assert properties["color"] in ({"fixedColor": "text", "mode": "fixed"}, {"mode": "thresholds"}), override


@EACH
def test_tables_have_no_pages(board: Dashboard) -> None:
    """A page of a low table holds two rows, and the worst alert is on the next."""
    for panel in panels(model(board)):
        assert not panel.get("options", {}).get("footer", {}).get("enablePagination"), panel["title"]


def test_critical_alerts_come_first(program: Any, tmp_path: Path) -> None:
    """By its letters info comes before warning, and by its age the newest trifle before what pages."""
    assert {severity for _, severity, _ in SEVERITIES} == set(ALERT_SEVERITIES)
    common = 'alertstate="firing", account_id="111122223333", region="us-east-1"'
    names = {"critical": "AwsChangeBurst", "warning": "AwsChangeDenied", "info": "AwsChangeByHand"}
    series = [
        {"series": f'ALERTS{{alertname="{name}", severity="{severity}", {common}}}', "values": "1x9"} for severity, name in names.items()
    ]
    ranks = [{"labels": f'{{alertname="{names[severity]}"}}', "value": int(rank)} for rank, severity, _ in SEVERITIES]
    asks = [
        {"expr": asked(f"max by (alertname) ({FIRING_RANKED})"), "eval_time": "5m", "exp_samples": ranks},
        {"expr": asked(f"{FIRING} unless ({FIRING_RANKED})"), "eval_time": "5m", "exp_samples": []},
    ]
    promtool(program, tmp_path, {}, [{"interval": "1m", "input_series": series, "promql_expr_test": asks}])
    assert [rank for rank, _, _ in SEVERITIES] == ["3", "2", "1"]
    (table,) = [panel for panel in DASHBOARDS[0].panels if panel.title == "Firing alerts"]
    assert table.sort == next(column.title for column in table.columns if column.texts == SEVERITIES)


@EACH
def test_other_dashboards_are_one_click_away_and_keep_what_was_chosen(board: Dashboard) -> None:
    """To choose account and time anew at each step is how the wrong account is looked at."""
    document = model(board)
    to = [link for link in document["links"] if link["url"].startswith("/")]
    assert {link["url"] for link in to} == {f"/d/{other.uid}" for other in DASHBOARDS} - {f"/d/{board.uid}"}
    assert all(link["includeVars"] and link["keepTime"] and not link["targetBlank"] for link in to)
    away = [link for link in document["links"] if link not in to]
    assert len(away) == len(board.links)
    assert all(link["url"].startswith("${exporter_url}/history?") and link["targetBlank"] and not link["includeVars"] for link in away)
    names = {one.name for one in board.variables}
    assert {"job", "account", "region", "exporter_url"} <= names
    for one in board.variables:
        assert one.hidden or one.label
    for choice in document["templating"]["list"][1:]:
        if choice["includeAll"]:
            assert (choice["multi"], choice["allValue"]) == (True, ".*")


sizes = st.lists(st.lists(st.tuples(st.integers(1, COLUMNS), st.integers(1, 12)), min_size=1, max_size=8), min_size=1, max_size=4)


@given(sizes, st.sets(st.integers(0, 3)))
def test_no_panel_covers_another(rows: list[list[tuple[int, int]]], collapsed: set[int]) -> None:
    """Grafana moves panels that overlap, and the dashboard is no longer what was reviewed."""
    made = tuple(
        Row(
            f"row {at}",
            tuple(replace(NEW, title=f"{at} {n}", width=width, height=height) for n, (width, height) in enumerate(row)),
            at in collapsed,
        )
        for at, row in enumerate(rows)
    )
    taken: set[tuple[int, int]] = set()
    shown = 0
    for row, y, placed in places(replace(DASHBOARDS[0], rows=made)):
        boxes = [(0, y, COLUMNS, 1), *((x, below, one.width, one.height) for one, x, below in placed if not row.collapsed)]
        for x, top, width, height in boxes:
            cells = {(column, line) for column in range(x, x + width) for line in range(top, top + height)}
            assert not cells & taken
            assert x + width <= COLUMNS
            taken |= cells
            shown += len(cells)
    assert shown == len(taken)


def test_a_panel_that_is_too_wide_is_refused() -> None:
    """It would stand beyond the edge, where nobody sees it."""
    with pytest.raises(ValueError, match="'New': a width of 25 does not fit into 24"):
        list(places(replace(DASHBOARDS[0], rows=(Row("r", (replace(NEW, width=25),)),))))


def provisioning(name: str) -> dict[str, Any]:
    """Return a provisioning file."""
    document: dict[str, Any] = yaml.safe_load((GRAFANA / "provisioning" / name).read_text(encoding="utf-8"))
    return document


def test_a_dot_on_a_graph_leads_to_the_event_that_the_exporter_names() -> None:
    """The link is put together by three: the exporter's exemplar, Grafana's data source and the history page."""
    (source,) = provisioning("datasources/prometheus.yml")["datasources"]
    (destination,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert f'{{{destination["name"]}="0"}}' in exemplar("0", None)
    # Grafana's provisioning takes $NAME from its environment, and $$ for a dollar.
    address, query = destination["url"].split("?")
    assert address == "${AWS_CHANGE_EXPORTER_URL}/history"
    assert query == "event_id=$${__value.raw}"
    assert source["type"] == "prometheus"


def test_every_link_to_the_history_asks_what_the_page_understands() -> None:
    """The page leaves out what it does not know, and would show all changes instead of those of the row."""
    store = open_store(Path(":memory:"))
    status, body = Pages(store, dict, lambda: datetime(2026, 1, 31, tzinfo=UTC)).history({})
    store.close()
    assert status is HTTPStatus.OK
    understood = set(re.findall(r'<input name="(\w+)"', body.decode()))
    used = {
        name
        for board in DASHBOARDS
        for name in re.findall(r"[?&](\w+)=", " ".join(re.findall(r"\$\{exporter_url\}/history\?[^\"]*", render(board))))
    }
    assert {"account_id", "region", "security_group_id", "principal", "event_name", "until"} == used
    assert used | {"event_id"} <= understood


def test_the_dashboards_are_loaded_from_where_the_page_says() -> None:
    """A provider without a path loads nothing, and says so only in Grafana's log."""
    (provider,) = provisioning("dashboards/aws-change-exporter.yml")["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    assert provider["options"]["path"] in (ROOT / "docs/grafana.md").read_text(encoding="utf-8")


def promtool(program: Any, directory: Path, rules: dict[str, str], tests: list[dict[str, Any]], every: str = "1m") -> None:
    """Let promtool evaluate recording rules over given series, so often; fail with what it says."""
    written = {"groups": [{"name": "g", "rules": [{"record": name, "expr": expr} for name, expr in rules.items()]}]}
    (directory / "rules.yml").write_text(yaml.safe_dump(written), encoding="utf-8")
    if tests:
        (directory / "tests.yml").write_text(
            yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": every, "tests": tests}), encoding="utf-8"
        )
    checked = ["check", "rules", "rules.yml"] if not tests else ["test", "rules", "tests.yml"]
    done = subprocess.run([program("promtool"), *checked], cwd=directory, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@EACH
def test_prometheus_can_read_every_query(board: Dashboard, program: Any, tmp_path: Path) -> None:
    """A query with a bracket too few is a red triangle in the corner of an empty panel."""
    named = {re.sub(r"\W+", "_", f"{name} {at}"): asked(expr) for at, (name, expr) in enumerate(queries(board))}
    promtool(program, tmp_path, named, [])


C = 'c_total{g="a", instance="%s", job="j"}'
ONE, TWO = C % "one", C % "two"
COUNTS = [
    # What happened; the series (1 sample a minute, from minute 0); the moment; grown() over 10 minutes.
    ("nothing", {ONE: "5x30"}, "20m", 0),
    ("one change", {ONE: "5x14 6x15"}, "20m", 1),
    ("ten changes at once, of which increase() makes eleven", {ONE: "5x14 15x15"}, "20m", 10),
    ("a change right after the window began", {ONE: "5x10 6x19"}, "20m", 1),
    ("a change with which the window before ended", {ONE: "5x10 6x19"}, "21m", 0),
    ("a series born at 0 within the window", {ONE: "_x14 0x2 3x13"}, "20m", 3),
    ("two replicas count one change", {ONE: "5x14 6x15", TWO: "5x15 6x14"}, "20m", 1),
    ("a replica that is late counts no change again", {ONE: "5x10 6x19", TWO: "5x12 6x17"}, "21m", 0),
    ("replicas that began at different times", {ONE: "105x14 106x15", TWO: "5x15 6x14"}, "20m", 1),
    ("a new pod takes over the store, and counts what came meanwhile", {ONE: "5x12 _x17", TWO: "_x15 7x14"}, "20m", 2),
    ("the exporter was down where the window begins", {ONE: "5x4 _x12 8x13"}, "20m", 3),
    ("the store was lost, and what came since is counted", {ONE: "5000x14 0x1 2x14"}, "20m", 2),
    ("the store was lost with the pod", {ONE: "5000x14 _x15", TWO: "_x15 0x1 2x12"}, "20m", 2),
    ("nobody has scraped for some minutes", {ONE: "5x11 7x2"}, "20m", 2),
    ("a restart keeps the counter", {ONE: "5x12 _x2 5x2 6x13"}, "20m", 1),
]  # fmt: skip


@pytest.mark.parametrize(("series", "at", "count"), [case[1:] for case in COUNTS], ids=[case[0] for case in COUNTS])
def test_changes_are_counted_as_whole_numbers_whatever_happens_to_exporters(
    program: Any, tmp_path: Path, series: dict[str, str], at: str, count: int
) -> None:
    """People compare these numbers with the history: one change too many or too few, and they trust neither."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": grown("c_total", ("g",), "10m"), "eval_time": at, "exp_samples": [{"labels": '{g="a"}', "value": count}]}
        ],
    }
    promtool(program, tmp_path, {}, [test])


def test_windows_side_by_side_add_up_to_all_of_them(program: Any, tmp_path: Path) -> None:
    """The bars of a graph and the number above them are of the same changes; one that fell between two bars would be in neither."""
    values = "0x3 1x1 2x0 4x7 5x12 9x3 10x30"
    bars = f"sum_over_time(({grown('c_total', ('g',), '10m')})[59m:10m])"
    test = {
        "interval": "1m",
        "input_series": [{"series": ONE, "values": values}],
        "promql_expr_test": [
            {"expr": expr, "eval_time": "60m", "exp_samples": [{"labels": '{g="a"}', "value": 10}]}
            for expr in (bars, grown("c_total", ("g",), "60m"))
        ],
    }
    promtool(program, tmp_path, {}, [test])


@pytest.mark.parametrize(
    ("values", "count"),
    [("4x30", 0), ("4x14 6x15", 2), ("_x14 1x15", 1), ("9x14 0x3 2x12", 2), ("7x14 1x15", 1)],
    ids=["nothing", "twice", "born at 1", "restarted, then twice", "restarted with one"],
)
def test_failures_of_a_process_are_counted_from_its_start(program: Any, tmp_path: Path, values: str, count: int) -> None:
    """An error code that comes for the first time is born at 1, where increase() sees nothing."""
    test = {
        "interval": "1m",
        "input_series": [{"series": ONE, "values": values}],
        "promql_expr_test": [
            {"expr": happened("c_total", ("g",), "10m"), "eval_time": "20m", "exp_samples": [{"labels": '{g="a"}', "value": count}]}
        ],
    }
    promtool(program, tmp_path, {}, [test])


@pytest.mark.parametrize(
    ("values", "told"),
    [("5x32 6x40", 35), ("5x60 6x10", 62), ("5x62 6x10", 64), ("5x63 6x10", 64), ("_x40 0x2 1x40", 45)],
    ids=["to a step", "to a minute after the last step", "a minute ago", "just now", "born within the range"],
)
def test_the_last_change_is_told_and_none_is_not(program: Any, tmp_path: Path, values: str, told: int) -> None:
    """The first row of the first table says what changed last; the newest change without a time would be the last row."""
    expr = asked(last_rise("c_total", ("g",)), seconds=3600, step=300)
    test = {
        "interval": "1m",
        "input_series": [{"series": ONE, "values": values}, {"series": ONE.replace('"a"', '"b"'), "values": "5x80"}],
        "promql_expr_test": [{"expr": expr, "eval_time": "64m", "exp_samples": [{"labels": '{g="a"}', "value": told * 60 * 1000}]}],
    }
    promtool(program, tmp_path, {}, [test])


def test_the_busiest_and_the_others_are_all(program: Any, tmp_path: Path) -> None:
    """What is cut off at the tenth account must still be seen, or a drip over many accounts is invisible."""
    series = {
        f'c_total{{g="{name}", instance="one", job="j"}}': values
        for name, values in (("a", "0x9 9x60"), ("b", "0x9 5x60"), ("c", "0x9 2x60"), ("d", "0x40 1x60"))
    }
    named, others = (asked(expr, seconds=3600, step=600) for expr in busiest("c_total", ("g",), ("g",), 2))
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": named.replace(" @ end()", ""), "eval_time": "60m", "exp_samples": [{"labels": f'{{g="{name}"}}', "value": 0} for name in "ab"]},
            {"expr": named.replace("[600s]", "[3600s]").replace("offset 600s", "offset 3600s"), "eval_time": "60m", "exp_samples": [{"labels": '{g="a"}', "value": 9}, {"labels": '{g="b"}', "value": 5}]},
            {"expr": others.replace("[600s]", "[3600s]").replace("offset 600s", "offset 3600s"), "eval_time": "60m", "exp_samples": [{"labels": "{}", "value": 3}]},
        ],
    }  # fmt: skip
    promtool(program, tmp_path, {}, [test])


def test_unknown_is_not_nought(program: Any, tmp_path: Path) -> None:
    """A green 0 where nothing could be read is the worst that a dashboard can say."""
    expr = known("sum(open_rules)", "read_at")
    asks = {"nothing was read": ("other", []), "nothing is open": ("read_at", [{"labels": "{}", "value": 0}])}
    tests = [
        {
            "interval": "1m",
            "name": name,
            "input_series": [{"series": series, "values": "7x9"}],
            "promql_expr_test": [{"expr": expr, "eval_time": "5m", "exp_samples": samples}],
        }
        for name, (series, samples) in asks.items()
    ]
    tests.append(
        {
            "interval": "1m",
            "input_series": [{"series": "read_at", "values": "7x9"}, {"series": "open_rules", "values": "3x9"}],
            "promql_expr_test": [{"expr": expr, "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": 3}]}],
        }
    )
    promtool(program, tmp_path, {}, tests)


def test_a_sum_of_counts_is_of_all_labels_that_are_left_out(program: Any, tmp_path: Path) -> None:
    """Counts of several groups by one call are one bar."""
    test = {
        "interval": "1m",
        "input_series": [{"series": f'c_total{{g="{name}", event_name="E", instance="one"}}', "values": "0x14 2x15"} for name in "ab"],
        "promql_expr_test": [{"expr": total(grown("c_total", ("g", "event_name"), "10m"), ("event_name",)), "eval_time": "20m", "exp_samples": [{"labels": '{event_name="E"}', "value": 4}]}],
    }  # fmt: skip
    promtool(program, tmp_path, {}, [test])


def matched(board: Dashboard, name: str, result: str) -> dict[str, str] | str | None:
    """Return what the pattern of a variable finds in a line of a query's result, as Grafana does."""
    pattern = next(one.pattern for one in board.variables if one.name == name).strip("/").replace("(?<", "(?P<").replace("\\/", "/")
    found = re.search(pattern, result)
    return None if found is None else found.groupdict() or found[1]


@pytest.mark.parametrize(
    ("told", "address"),
    [("https://changes.example.com/", "https://changes.example.com"), ("https://example.com/changes", "https://example.com/changes")],
)
def test_the_links_begin_with_the_address_that_the_exporter_tells(told: str, address: str) -> None:
    """A slash too many is another page for some proxies."""
    assert matched(DASHBOARDS[0], "exporter_url", f'{{address="{told}",external_url="{told}",instance="192.0.2.1:10893"}} 1 1') == address


def test_a_group_is_chosen_by_name_or_id() -> None:
    """People know names, links know ids: what is chosen must be the id, and what is searched must hold both."""
    board = next(one for one in DASHBOARDS if one.name == "security-group")
    result = '{security_group_id="sg-0123456789abcdef0",security_group_name="web",shown="web sg-0123456789abcdef0"} 1 1'
    assert matched(board, "group", result) == {"value": "sg-0123456789abcdef0", "text": "web sg-0123456789abcdef0"}


@EACH
def test_prometheus_answers_what_the_variables_ask(board: Dashboard, program: Any, tmp_path: Path) -> None:
    """A choice whose query fails leaves every panel of its dashboard empty."""
    asks = {}
    for at, one in enumerate(board.variables):
        query = asked(one.query)
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", query) or re.fullmatch(r"query_result\((.+)\)()", query, re.DOTALL)
        assert found, one.query
        asks[f"variable{at}"] = found[1]
    promtool(program, tmp_path, asks, [])


def test_groups_that_are_gone_can_still_be_chosen(program: Any, tmp_path: Path) -> None:
    """A group that was made, used and deleted tonight is the one to look at."""
    board = next(one for one in DASHBOARDS if one.name == "security-group")
    query = next(one.query for one in board.variables if one.name == "group")
    expr = asked(query)[len("query_result(") : -1]
    series = {
        'awschange_security_group_info{account_id="111122223333", region="us-east-1", security_group_id="sg-1", security_group_name="web", job="j"}': "1x9",
        'awschange_security_group_changes_total{account_id="111122223333", region="us-east-1", security_group_id="sg-1", job="j"}': "1x9",
        'awschange_security_group_changes_total{account_id="111122223333", region="us-east-1", security_group_id="sg-2", job="j"}': "1x9",
    }
    samples = [
        {"labels": '{security_group_id="sg-1", security_group_name="web", shown="web sg-1"}', "value": 1},
        {"labels": '{security_group_id="sg-2", shown="sg-2"}', "value": 1},
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": "5m", "exp_samples": samples}],
    }
    promtool(program, tmp_path, {}, [test])


@pytest.mark.parametrize(
    ("series", "samples"),
    [
        ({'up{job="exporter", instance="a"}': "1x60", 'up{job="other", instance="b"}': "0x60"}, [0]),
        ({'up{job="exporter", instance="a"}': "1x30 0x29"}, [1]),
        ({'up{job="other", instance="b"}': "0x60"}, []),
    ],
    ids=["another program is down", "the exporter is down", "no exporter was ever there"],
)
def test_an_exporter_that_is_down_is_told_from_other_programs(
    program: Any, tmp_path: Path, series: dict[str, str], samples: list[int]
) -> None:
    """All jobs are chosen at first, and some program of a large site is always down."""
    (query,) = EXPORTERS_DOWN.queries
    known_exporter = {'awschange_exporter_build_info{job="exporter", instance="a"}': "1x20 _x39"} if samples else {}
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in {**series, **known_exporter}.items()],
        "promql_expr_test": [
            {"expr": asked(query.expr), "eval_time": "50m", "exp_samples": [{"labels": "{}", "value": value} for value in samples]}
        ],
    }
    promtool(program, tmp_path, {}, [test])


STALE_UNIT = 'source="cloudtrail", account_id="111122223333", region="us-east-1", job="j", instance="%s"'


@pytest.mark.parametrize(
    ("series", "count"),
    [
        ({"a": "3600"}, 0),
        ({"a": "0"}, 1),
        ({"a": "0", "b": "3600"}, 0),
    ],
    ids=["read now", "never read since the start", "read by one of two replicas"],
)
def test_a_source_that_is_not_read_is_stale_and_not_quiet(program: Any, tmp_path: Path, series: dict[str, str], count: int) -> None:
    """While a source cannot be read no change comes, and a dashboard without changes looks peaceful."""
    (query,) = SOURCES_STALE.queries
    given_series = []
    for instance, value in series.items():
        labels = STALE_UNIT % instance
        given_series += [
            {"series": f"awschange_exporter_last_success_timestamp_seconds{{{labels}}}", "values": f"{value}x70"},
            {"series": f"awschange_exporter_poll_interval_seconds{{{labels}}}", "values": "60x70"},
        ]
    test = {
        "interval": "1m",
        "input_series": given_series,
        "promql_expr_test": [{"expr": asked(query.expr), "eval_time": "61m", "exp_samples": [{"labels": "{}", "value": count}]}],
    }
    promtool(program, tmp_path, {}, [test])


def test_the_panel_that_contributing_shows_is_a_panel() -> None:
    """Whoever copies it must not begin with an error."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^## Add a panel\n.*?^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names = {"Panel": Panel, "Query": Query, "Column": Column, "most": most, "CHOSEN": CHOSEN, "UNIT": UNIT}
    panel = eval(block, names)
    overview = DASHBOARDS[0]
    assert faults(replace(overview, rows=(*overview.rows, Row("More", (panel,)))), DASHBOARDS) == []
    assert len(block.splitlines()) <= 10


EVENT = 'awschange_events_total{account_id="111122223333", region="us-east-1", event_source="ec2.amazonaws.com", event_name="%s", outcome="%s", job="j", instance="%s"}'
OPEN, CLOSE = "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"


def test_what_the_recording_rules_keep_counts_the_same(program: Any, tmp_path: Path) -> None:
    """The sum over all accounts is read from recorded series: it must be that of the counters, whatever pod shows them."""
    series = {
        EVENT % (OPEN, "success", "one"): "5x12 _x47",  # a pod that goes
        EVENT % (OPEN, "success", "two"): "_x15 7x44",  # and one that comes, with the same store
        EVENT % (CLOSE, "success", "one"): "0x12 _x47",
        EVENT % (CLOSE, "success", "two"): "_x15 0x20 1x23",
        EVENT % (CLOSE, "denied", "two"): "_x15 0x20 4x23",
    }
    board = DASHBOARDS[0]
    exprs = {panel.title: asked(panel.queries[0].expr, seconds=3000) for panel in board.panels}
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": exprs["Changes"], "eval_time": "59m", "exp_samples": [{"labels": "{}", "value": 3}]},
            {"expr": exprs["Refused or failed"], "eval_time": "59m", "exp_samples": [{"labels": "{}", "value": 4}]},
        ],
    }
    promtool(program, tmp_path, {record.name: record.expr for record in RECORDING}, [test])


OPENING = 'awschange_ingress_opened_total{account_id="111122223333", region="us-east-1", port_class="admin", job="j", instance="%s"}'
FIRST, SECOND = OPENING % "one", OPENING % "two"


@pytest.mark.parametrize(
    ("series", "count"),
    [
        ({FIRST: "5x70"}, 0),
        ({FIRST: "5x30 8x40"}, 3),
        ({FIRST: "0x20 1x9 3x40"}, 3),
        ({FIRST: "5x12 _x60", SECOND: "_x15 7x55"}, 2),
        ({FIRST: "5x20 6x50", SECOND: "5x22 6x48"}, 1),
        ({FIRST: "5x20 _x30 9x20"}, 4),
        ({FIRST: "5000x20 0x5 2x44"}, 2),
        ({FIRST: "105x20 _x10 105x40", SECOND: "5x70"}, 0),
        ({FIRST: "105x20 _x10 107x40", SECOND: "5x70"}, 2),
        ({FIRST: "_x20 0x3 2x46"}, 2),
    ],
    ids=[
        "nothing",
        "three at once",
        "one, then two",
        "a new pod with the same store",
        "a replica that is late",
        "half an hour without a scrape",
        "the store was lost",
        "the replica that counts from earlier on was away",
        "and something came meanwhile",
        "born at 0",
    ],
)
def test_bars_of_recorded_growth_add_up_to_what_happened(program: Any, tmp_path: Path, series: dict[str, str], count: int) -> None:
    """Growth is recorded once and never again: what it misses, no bar will ever show, and what it counts twice was never there."""
    by = (*UNIT, "port_class")
    recorded = "account_region_port:awschange_ingress_opened:max"
    bar = asked(in_steps(recorded, by), step=300)
    labels = '{account_id="111122223333", region="us-east-1", port_class="admin"}'
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"sum_over_time(({bar})[64m:5m])",
                "eval_time": "65m",
                "exp_samples": [{"labels": labels, "value": count}] if count else [],
            },
            {
                "expr": grown(recorded, by, "60m"),
                "eval_time": "65m",
                "exp_samples": [{"labels": labels, "value": count}],
            },
        ],
    }
    promtool(program, tmp_path, {record.name: record.expr for record in RECORDING}, [test])


def test_what_an_evaluation_missed_is_in_the_next_ones(program: Any, tmp_path: Path) -> None:
    """Prometheus restarts, or is too busy to evaluate rules: growth against a minute ago would lose what came meanwhile."""
    test = {
        "interval": "1m",
        "input_series": [{"series": FIRST, "values": "5x3 7x10 9x40"}],
        "promql_expr_test": [
            {
                "expr": "sum(sum_over_time(account_region_port:awschange_ingress_opened:grown[60m]))",
                "eval_time": "50m",
                "exp_samples": [{"labels": "{}", "value": 4}],
            }
        ],
    }
    promtool(program, tmp_path, {record.name: record.expr for record in RECORDING}, [test], every="20m")


def test_a_number_remembers_an_outage_for_longer_than_the_bars(program: Any, tmp_path: Path) -> None:
    """What came in a night without a scrape is in no bar; the number above must not lose it, too."""
    test = {
        "interval": "1m",
        "input_series": [{"series": FIRST, "values": "5x20 _x120 9x30"}],
        "promql_expr_test": [
            {"expr": f"sum({expr})", "eval_time": "160m", "exp_samples": samples}
            for expr, samples in (
                (grown("account_region_port:awschange_ingress_opened:max", ("region",), "150m"), [{"labels": "{}", "value": 4}]),
                ("sum_over_time(account_region_port:awschange_ingress_opened:grown[150m])", []),
            )
        ],
    }
    promtool(program, tmp_path, {record.name: record.expr for record in RECORDING}, [test])


def test_no_change_stands_in_two_bars(program: Any, tmp_path: Path) -> None:
    """Windows of Prometheus 2 hold both edges: a change recorded on the edge would be in the bar before and in the one after."""
    bar = asked(in_steps(f"account_region_port:awschange_ingress_opened:max{{{CHOSEN}}}", (*UNIT, "port_class")), step=300)
    labels = '{account_id="111122223333", region="us-east-1", port_class="admin"}'
    test = {
        "interval": "1m",
        "input_series": [{"series": FIRST, "values": "5x9 6x20"}],  # it rises in minute 10
        "promql_expr_test": [
            {"expr": bar, "eval_time": "10m", "exp_samples": [{"labels": labels, "value": 1}]},
            {"expr": bar, "eval_time": "15m", "exp_samples": []},
        ],
    }
    promtool(program, tmp_path, {record.name: record.expr for record in RECORDING}, [test])
