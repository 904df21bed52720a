"""The checks of the dashboards' queries find what they are there to find, and ask as Grafana asks."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.dashboard_answers import against
from tests.grafana_view import Json, Prometheus, View, of_one, rounded

SERIES = {"metric": {"region": "us-east-1", "port_class": "admin"}, "value": [1_700_000_000, "3"]}
TABLE: Json = {
    "type": "table",
    "targets": [{"refId": "A", "expr": "a"}, {"refId": "B", "expr": "b"}],
    "transformations": [{"id": "organize", "options": {"renameByName": {"region": "Region", "Value #A": "Open", "Value #B": "All"}}}],
    "options": {"sortBy": [{"displayName": "Open"}]},
    "fieldConfig": {
        "defaults": {},
        "overrides": [
            {
                "matcher": {"id": "byName", "options": "Region"},
                "properties": [{"id": "links", "value": [{"url": "/history?region=${__data.fields.Region:percentencode}"}]}],
            }
        ],
    },
}
GRAPH: Json = {
    "type": "timeseries",
    "targets": [{"refId": "A", "expr": "a", "legendFormat": "{{port_class}} of all"}],
    "fieldConfig": {
        "defaults": {"links": [{"url": "/history?region=${__field.labels.region:percentencode}"}]},
        "overrides": [{"matcher": {"id": "byName", "options": "admin of all"}, "properties": []}],
    },
}


def test_a_panel_without_faults_has_none():
    """A check that always finds something would be switched off."""
    assert list(against(TABLE, {"A": [SERIES], "B": [SERIES]})) == []
    assert list(against(GRAPH, {"A": [SERIES]})) == []
    assert list(against({"type": "stat", "targets": [{"refId": "A"}]}, {"A": [SERIES]})) == []


@pytest.mark.parametrize(
    ("panel", "change", "answers", "fault"),
    [
        (GRAPH, lambda panel: panel["targets"][0].update(legendFormat="{{vpc_id}}"), {"A": [SERIES]}, "the legend wants the label vpc_id"),
        (
            GRAPH,
            lambda panel: panel["fieldConfig"]["overrides"][0]["matcher"].update(options="Admin"),
            {"A": [SERIES]},
            "changes how Admin",
        ),
        (
            GRAPH,
            lambda panel: panel["fieldConfig"]["defaults"]["links"][0].update(url="?${__field.labels.vpc}"),
            {"A": [SERIES]},
            "label vpc",
        ),
        (GRAPH, lambda panel: panel.update(type="stat"), {"A": [SERIES, SERIES]}, "2 series, and a stat shows one"),
        (TABLE, lambda panel: None, {"A": [SERIES], "B": []}, "the column of Value #B is empty"),
        (TABLE, lambda panel: None, {"A": [{"metric": {}}], "B": [{"metric": {}}]}, "the column of region is empty"),
        (TABLE, lambda panel: panel["targets"].pop(), {"A": [SERIES]}, "the column of Value #A is empty"),
        (TABLE, lambda panel: panel["options"]["sortBy"][0].update(displayName="A"), {"A": [SERIES], "B": [SERIES]}, "is sorted by A"),
        (
            TABLE,
            lambda panel: panel["fieldConfig"]["overrides"][0]["properties"][0]["value"][0].update(url="?${__data.fields.region}"),
            {"A": [SERIES], "B": [SERIES]},
            "a link wants the column region",
        ),
    ],
)
def test_what_is_shown_and_not_answered_is_found(panel, change, answers, fault):
    """Such a panel is drawn all the same: with a nameless line, an empty column, or a link to nothing."""
    changed = copy.deepcopy(panel)
    change(changed)
    assert any(fault in found for found in against(changed, answers)), list(against(changed, answers))


class Answering(Prometheus):
    """A Prometheus that knows three accounts and one address."""

    def __init__(self) -> None:
        super().__init__("http://nobody.example.com")

    def get(self, path: str, parameters: Any) -> Any:
        """Return the values of a label, or one sample."""
        if path.startswith("label/"):
            return ["1.1", "2", "3"]
        return {"result": [{"metric": {"__name__": "web", "address": "http://a.example.com"}, "value": [1, "1"]}]}


def dashboard(*variables: Json) -> Json:
    """Return a dashboard without panels."""
    return {"templating": {"list": [{"type": "query", "multi": False, **variable} for variable in variables]}}


ACCOUNT: Json = {"name": "account", "query": {"query": "label_values(m, account_id)"}, "multi": True, "includeAll": True, "allValue": ".*"}
GROUP: Json = {"name": "group", "query": {"query": 'label_values(m{account_id=~"$account"}, security_group_id)'}}


@pytest.mark.parametrize(
    ("chosen", "asked"),
    [
        (["$__all"], 'm{account_id=~".*"}'),
        (["2"], 'm{account_id=~"2"}'),
        (["1.1", "2"], r'm{account_id=~"(1\\.1|2)"}'),
    ],
)
def test_choices_are_put_in_as_grafana_does(chosen, asked):
    """What is asked here must be what is asked at night: a name with a dot would match others, or nothing."""
    view = View(dashboard(ACCOUNT), Answering(), 1e9, 600, {"account": chosen})
    assert view.expr('m{account_id=~"$account"}', 1000) == asked
    assert view.expr('m{account_id=~"${account:regex}"}', 1000) == asked


def test_a_dashboard_opens_with_its_defaults_and_first_values():
    """A test that looks at other values than a person sees would prove something else."""
    exporter = {"name": "exporter_url", "query": {"query": "query_result(web)"}, "regex": '/address="([^"]+)"/'}
    board = dashboard(ACCOUNT | {"current": {"value": ["$__all"]}}, GROUP, exporter)
    view = View(board, Answering(), 1e9, 600)
    assert view.values == {"account": ["$__all"], "group": ["1.1"], "exporter_url": ["http://a.example.com"]}
    assert of_one(board, {"account": ["2"], "group": ["3"], "other": ["4"]}) == {"group": ["3"]}


@pytest.mark.parametrize(
    ("seconds", "panel", "scrape", "sent"),
    [
        (86_400, {"maxDataPoints": 100}, "30s", "900s 930s 86400s 86400"),
        (86_400, {"maxDataPoints": 100, "interval": "30m"}, "30s", "1800s 1830s 86400s 86400"),
        (300, {"interval": "1m"}, "15s", "60s 75s 300s 300"),
        (300, {}, "30s", "30s 120s 300s 300"),
        (604_800, {}, "15s", "900s 915s 604800s 604800"),
    ],
)
def test_macros_are_what_grafana_makes_of_range_and_panel(seconds, panel, scrape, sent):
    """A window that is too short finds no two samples, and the panel stays empty in Grafana only."""
    view = View(dashboard(), Answering(), 1e9, seconds, scrape=scrape)
    panel["targets"] = [{"refId": "A", "expr": "$__interval ${__rate_interval} $__range $__range_s"}]
    asked = view.asked(panel)["A"]
    assert asked.expr == sent
    assert asked.start % asked.step == asked.end % asked.step == 0


def test_steps_are_rounded_as_grafana_rounds_them():
    """The steps decide which samples a query sees."""
    assert [rounded(length) for length in (1, 864_000, 216_000, 1_050_000, 5e9)] == [1, 900_000, 300_000, 1_200_000, 31_536_000_000]


def test_a_variable_that_is_not_there_is_no_text():
    """Grafana would send the dollar sign to Prometheus."""
    with pytest.raises(KeyError):
        View(dashboard(), Answering(), 1e9, 600).expr('m{account_id="$nowhere"}', 1000)
    assert View(dashboard(), Answering(), 1e9, 600).expr('label_replace(m, "a", "$1", "b", "(.+)")', 1000).count("$1") == 1
