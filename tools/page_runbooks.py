"""docs/runbooks/: a page for each alert, from its record."""

from __future__ import annotations

import re
from inspect import cleandoc
from textwrap import indent

from exporter.rules import VARIANT, Alert
from exporter.rules.render import filled, spoken
from exporter.rules.settings import Value
from tools.markdown import code, notice, page, table
from tools.page_alerts import DEFAULTS, needed, threshold_rows


def runbook_page(alert: Alert) -> str:
    """Return the runbook of one alert, with thresholds as they are by default."""
    book, values = alert.runbook, DEFAULTS.values(alert)

    def prose(text: str) -> str:
        return spoken(cleandoc(text), alert, values)

    queries = "\n".join(
        f"{number}. {query.asks}:\n   ```promql\n{indent(filled(cleandoc(query.expr), values), '   ')}\n   ```"
        for number, query in enumerate(book.queries, 1)
    )
    # An alert without labels to match has no words but those of amtool itself.
    command = code(f"amtool silence add alertname={alert.name} {book.silence_matchers}")
    blocks = [
        notice("exporter/rules/variant.py" if alert is VARIANT else f"exporter/rules/alerts/{module_of(alert)}.py"),
        f"# {alert.name}",
        f"Severity: {alert.severity}. {needed(alert)}".strip(),
        f"## What it means\n{prose(book.means)}",
        f"## First three queries\n{queries}",
        prose(book.then),
        f"## How to silence it\n{prose(book.silence)}\n{command}.{f' {prose(book.caution)}' if book.caution else ''}".replace("\n\n", "\n"),
        "## Known false positives\n" + "\n".join(f"- {prose(text)}" for text in book.false_positives),
        thresholds(alert, values),
    ]
    return page(*filter(None, blocks))


def module_of(alert: Alert) -> str:
    """Return the name of the module that holds an alert, which follows from the alert's."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", alert.name.removeprefix("AwsChange")).lower()


def thresholds(alert: Alert, values: dict[str, Value]) -> str:
    """Return the section on what a site may change, with an example of the first one; nothing for an alert without thresholds."""
    if not alert.thresholds:
        return ""
    first = alert.thresholds[0]
    value = values[first.name]
    shown = f'"{value}"' if isinstance(value, str) and not first.duration else filled("${x}", {"x": value})
    example = f"```yaml\nalerts:\n  thresholds:\n    {alert.name}:\n      {first.name}: {shown}\n```"
    return (
        "## Thresholds\n"
        + table(("Name", "Default", "What it is"), threshold_rows(alert))
        + "\n\nTo change one, put it into the configuration and print the rules anew with `aws-change-exporter rules`"
        + f" ([more on that](../alerts.md)):\n\n{example}"
    )
