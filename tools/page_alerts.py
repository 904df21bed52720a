"""docs/alerts.md, from the records of the alerts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

from exporter.rules import ALERTS, GROUPS, VARIANT, Alert, AlertSettings
from exporter.rules.render import filled, spoken
from tools.markdown import code, notice, page, table

DEFAULTS = AlertSettings()
_WIDEST = 120
"""Characters of a threshold that a cell of the tables can hold beside the others."""

HEADER = ("Alert", "Severity", "Fires on", "Thresholds", "Needs")

INTRODUCTION = """
Every alert is one record in `exporter/rules/alerts/`. From these come the rule file of Prometheus, the `PrometheusRule` of the Prometheus
Operator, a [runbook](runbooks) for each, and this page. *critical* pages a person, *warning* opens a ticket, *info* is for reading.
"""

LOADING = """
For Prometheus, load [alerts.yml](../deploy/prometheus/alerts.yml), and for the dashboards
[recording.yml](../deploy/prometheus/recording.yml) beside it ([example configuration](../deploy/prometheus/prometheus.yml)). For the
Prometheus Operator, apply [prometheusrule.yaml](../deploy/kubernetes/prometheusrule.yaml), which holds both. The alerts do not need the
recording rules of the dashboards. These files have the defaults below; for your own, print them from your configuration, which says what
is wrong with it, and let Prometheus check them:

```
aws-change-exporter rules --config.file exporter.yml > alerts.yml
aws-change-exporter rules --config.file exporter.yml --format recording > recording.yml
promtool check rules alerts.yml recording.yml
```

Two things must be right for the rules to see what they count. `honor_labels: true` in the scrape configuration, because `region` is AWS's
word and may be one of your target labels too. And a scrape interval of at most half of `metrics.birth_hold` (2 minutes by default), or
`increase()` misses the first change of a series. Then [tell Alertmanager](alertmanager.md) what to make of them.

The rules are tested with Prometheus 2.42. On 3.5 the same cases hold, but for two whose counts read higher: 3.x leaves out the sample that
stands exactly on the edge of a window, so that `increase()` may add a share of one scrape interval (24 changes in ten minutes read as 25).
With VictoriaMetrics they are not tested. Its `increase()` does not extrapolate, which does no harm here; but vmalert stores what a
recording rule gives only after the round, so an alert that reads one fires one evaluation later.
"""

CHANGING = """
The section [`alerts`](configuration.md#alerts) of the configuration changes thresholds, severities, labels and links, and takes
alerts out:

```yaml
alerts:
  runbook_url: https://runbooks.example.com/aws-change-exporter
  labels: {team: network}
  disabled: [AwsChangeWebIngressOpened]
  severities: {AwsChangeBurst: warning}
  thresholds:
    AwsChangeBurst: {limit: 50, window: 30m}
```

A threshold that is text is a regular expression, anchored as in PromQL. Where its default is too long for the tables below, the
runbook has it.

Links. `runbook_url` leads to your copy of the runbooks. `history_url`, where an alert has it, leads to the exporter's history page for the
account, region, group and principal that the alert is about; set `web.external_url` in the configuration, so that the link opens from
where people read it.
"""

LEARNED = """
`AwsChangeRateAnomalous` compares with `awschange_expected_changes_upper`, which the exporter works out from its own history, so it knows 90
days from the first day on. Who would rather have Prometheus learn loads [anomaly-promql.yml](../deploy/prometheus/anomaly-promql.yml)
(`rules --format anomaly-promql`) and puts `AwsChangeRateAnomalous` into `alerts.disabled`. Prometheus must keep five weeks for it
(`--storage.tsdb.retention.time=36d`), and until a week of its rules is there only a fixed number pages.
It is for Prometheus 2.x: a 3.x reads counts of coarse scrapes higher, and a weekly deploy then pages.
"""


def alerts_page(simulation: str = "") -> str:
    """Return the page: how to load and change rules, a table for each group, and what the simulation printed, where there is any."""
    groups = [
        f"## {heading}\n\n" + table(HEADER, (alert_row(alert) for alert in ALERTS if alert.group == group))
        for group, heading in GROUPS.items()
        if any(alert.group == group for alert in ALERTS)
    ]
    figures = (
        "## How good they are\n\nPrinted by `make simulate` ([what it does](simulation.md)):\n\n```text\n"
        + simulation.strip("\n")
        + "\n```"
        if simulation.strip()
        else ""
    )
    return page(
        *filter(
            None,
            [
                notice("exporter/rules"),
                "# Alerts",
                INTRODUCTION,
                "## Load the rules",
                LOADING,
                "## Change them",
                CHANGING,
                *groups,
                "## Unusual rates by PromQL alone",
                LEARNED,
                table(HEADER, [alert_row(VARIANT)]),
                figures,
            ],
        )
    )


def alert_row(alert: Alert) -> tuple[str, ...]:
    """Return the row of one alert."""
    names = ", ".join(f"`{threshold.name}` {_in_short(threshold.default)}" for threshold in alert.thresholds)
    return f"[{alert.name}](runbooks/{alert.name}.md)", alert.severity, first_sentence(alert), names, ", ".join(map(code, alert.needs))


def first_sentence(alert: Alert) -> str:
    """Return what the runbook says first, as plain text: what makes the alert fire."""
    text = " ".join(spoken(cleandoc(alert.runbook.means), alert, DEFAULTS.values(alert)).split())
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", re.split(r"(?<=\.)\s", text)[0])


def threshold_rows(alert: Alert) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the thresholds of one alert."""
    for threshold in alert.thresholds:
        yield code(threshold.name), _shown(threshold.default), threshold.help


def needed(alert: Alert) -> str:
    """Return the sentence on what must be watched for an alert to fire at all; empty where the default is enough."""
    if not alert.needs:
        return ""
    sets = ", ".join(map(code, alert.needs))
    return f"It needs {sets} in `watch.sets` of the configuration, which is not there by default."


def _shown(value: float | str) -> str:
    # Code of nothing is shown by no Markdown.
    return code(filled("${value}", {"value": value}) or '""')


def _in_short(value: float | str) -> str:
    return "(long)" if isinstance(value, str) and len(value) > _WIDEST else _shown(value)
