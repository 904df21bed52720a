"""What can be wrong with a dashboard, as sentences; and its queries as Grafana would ask them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import get_args

from dashboards.layout import COLUMNS, places
from dashboards.record import Color, Dashboard, Kind, Link, Panel
from dashboards.tables import LETTERS
from exporter.checks import STATE_FAMILIES
from exporter.families import FAMILIES
from exporter.forecast import FORECAST_FAMILIES
from exporter.metrics.table import SERIES_GAUGES, TELEMETRY
from exporter.rules import ALERTS
from exporter.rules.recording import RECORDING

TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus puts on all it scrapes."""

ALERT = frozenset({"alertname", "severity", "account_id", "region", "security_group_id", "principal", "source"})
"""Labels of alerts that dashboards show."""

UNITS = frozenset({"bytes", "currencyUSD", "dateTimeFromNow", "locale", "none", "ms", "percentunit", "reqps", "s", "short"})
"""Units of Grafana that are known to be spelled so; Grafana shows others as text behind the number."""

_BY = re.compile(r"\bby \(([^)]*)\)")
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?\{([^{}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_NAME = re.compile(r"\b(?:awschange|account|process)\w*(?::\w+)*(?=[{\[)\s]|$)")
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def metrics() -> Mapping[str, frozenset[str]]:
    """Return every metric that there is with its labels, those of histograms and recording rules too."""
    known: dict[str, frozenset[str]] = {"up": TARGET, "ALERTS": ALERT | {"alertstate"}, "ALERTS_FOR_STATE": ALERT}
    for family in (*FAMILIES, *STATE_FAMILIES, *FORECAST_FAMILIES):
        known[family.name] = frozenset(family.labels) | TARGET
    for metric in (*TELEMETRY, *SERIES_GAUGES):
        labels = frozenset(metric.labels) | TARGET
        if metric.type in {"histogram", "summary"}:
            known |= {f"{metric.name}_sum": labels, f"{metric.name}_count": labels}
        if metric.type == "histogram":
            known[f"{metric.name}_bucket"] = labels | {"le"}
        if metric.type in {"counter", "gauge"}:
            known[metric.name] = labels
    for record in (*RECORDING, *(record for alert in ALERTS for record in alert.records)):
        known[record.name] = frozenset(split(record.expr))
    return known


def split(expr: str) -> tuple[str, ...]:
    """Return the labels by which the outermost aggregation of a query is split."""
    found = _BY.search(expr)
    return tuple(label.strip() for label in found[1].split(",") if label.strip()) if found else ()


def results(expr: str) -> set[str]:
    """Return the labels that the result of a query has."""
    joined = {label.strip() for labels in re.findall(r"group_(?:left|right) \(([^)]*)\)", expr) for label in labels.split(",")}
    labels = set(split(expr)) | joined - {""}
    return labels - {"le"} if expr.startswith("histogram_quantile") else labels


def pinned(expr: str) -> set[str]:
    """Return the labels that the selectors of a query hold to one value."""
    return {label for _, inside in _SELECTOR.findall(expr) for label, value in _MATCHER.findall(inside) if f'{label}="{value}"' in inside}


def faults(board: Dashboard, boards: tuple[Dashboard, ...]) -> list[str]:
    """Return all that is wrong with a dashboard among others."""
    found = [f"{title!r} is the title of several panels" for title, count in Counter(p.title for p in board.panels).items() if count > 1]
    known = metrics()
    found += [f"{panel.title}: {fault}" for panel in board.panels for fault in _panel(panel, board, boards, known)]
    for annotation in board.annotations:
        found += [f"{annotation.name}: {fault}" for fault in query_faults(annotation.expr, known)]
        wanted = set(_LEGEND.findall(annotation.title + annotation.text))
        found += [f"{annotation.name}: no label {label}" for label in sorted(wanted - results(annotation.expr))]
    for one in board.variables:
        found += [f"variable {one.name}: {fault}" for fault in query_faults(one.query, known)]
    return found + list(_overlaps(board))


def _panel(panel: Panel, board: Dashboard, boards: tuple[Dashboard, ...], known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    if not panel.description.endswith("."):
        yield "its description is not a sentence; end it with a full stop"
    if not panel.queries:
        yield "it needs queries"
    if panel.kind not in get_args(Kind):
        yield f"kind: no {panel.kind}; choose from {', '.join(get_args(Kind))}"
    for unit in sorted({panel.unit, *(column.unit for column in panel.columns if column.unit)} - UNITS):
        yield f"unit: {unit!r} is not one of {', '.join(sorted(UNITS))}; if Grafana has it, add it to UNITS in tests/dashboard_faults.py"
    colors = {step.color for part in (panel, *panel.columns) for step in part.steps} | {color for _, color in panel.colors}
    for color in sorted(colors - set(get_args(Color))):
        yield f"colour: no {color}; choose from {', '.join(get_args(Color))}"
    if panel.kind == "stat" and not panel.otherwise:
        yield "a number needs a word for where there is none: set `otherwise`"
    if (panel.kind == "table") != bool(panel.columns):
        yield "a table needs columns, and nothing else has them"
    for query in panel.queries:
        yield from query_faults(query.expr, known)
        for label in sorted(set(_LEGEND.findall(query.legend)) - results(query.expr) - ({"le"} if panel.kind == "heatmap" else set())):
            yield f"legend: no label {label}"
        if panel.kind not in {"table", "stat"} and len(split(query.expr)) > 0 and not query.legend:
            yield f"a legend must tell the series apart, as {{{{{split(query.expr)[0]}}}}}"
        if query.exemplars and (not re.search(r"\bawschange_\w+_total\{", query.expr) or panel.kind not in {"bars", "lines", "heatmap"}):
            yield "only counters themselves have exemplars, and only graphs show them"
    yield from _columns(panel)
    yield from _links(panel, board, boards)


def query_faults(expr: str, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Yield metrics and labels of a query that do not exist, and ways to count that lose changes."""
    if "${" in expr and "$datasource" not in expr:
        yield "a query needs no braces around variables"
    names = {name for name, _ in _SELECTOR.findall(expr) if name} | set(_NAME.findall(expr)) - {
        label for labels in known.values() for label in labels
    }
    for name in sorted(names - set(known) - {"awschange_security_group_"}):
        near = get_close_matches(name, known, 1)
        yield f"no metric {name}" + (f"; did you mean {near[0]}?" if near else "")
    everywhere = {label for name in names & set(known) for label in known[name]} or {label for labels in known.values() for label in labels}
    for name, inside in _SELECTOR.findall(expr):
        for label, _ in _MATCHER.findall(inside):
            if label != "__name__" and label not in known.get(name, everywhere):
                yield f"{name or 'the selector'} has no label {label}"
    for labels in _BY.findall(expr):
        for label in (one.strip() for one in labels.split(",") if one.strip()):
            if label not in everywhere | {"le"}:
                yield f"by ({label}): no metric of the query has it"
    own = {metric.name for metric in TELEMETRY}
    for name in re.findall(r"\brate\((\w[\w:]*)", expr):
        if name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") not in own:
            yield f"rate() of {name}, which moves too rarely"


def _columns(panel: Panel) -> Iterator[str]:
    titles = [column.title for column in panel.columns]
    if len(set(titles)) < len(titles) or not all(re.fullmatch(r"[A-Z]\w*", title) for title in titles):
        yield "titles of columns are single words, each once"
    if panel.sort and panel.sort not in titles:
        yield f"sort: no column {panel.sort}"
    wanted = [column.of for column in panel.columns]
    letters = set(LETTERS[: len(panel.queries)])
    values = {name for name in wanted if name in LETTERS}
    if panel.kind == "table":
        have = {label for query in panel.queries for label in results(query.expr)}
        for label in wanted:
            if label not in LETTERS and label not in have:
                yield f"column {label}: no query has this label"
        for letter in sorted(values - letters):
            yield f"column {letter}: no such query"
        for query in panel.queries:
            for label in sorted(results(query.expr) - set(wanted) - pinned(query.expr)):
                yield f"rows differ by {label}, which no column shows"


def _all_links(panel: Panel) -> list[Link]:
    return [*panel.links, *(link for column in panel.columns for link in column.links)]


def _links(panel: Panel, board: Dashboard, boards: tuple[Dashboard, ...]) -> Iterator[str]:
    """Yield what is wrong with the links of a panel, and of its dashboard."""
    titles = {column.title for column in panel.columns}
    own = {one.name for one in board.variables} | {"datasource"}
    labels = {label for query in panel.queries for label in results(query.expr)}
    targets = {f"/d/{other.uid}": {one.name for one in other.variables} | {"datasource"} for other in boards}
    for link in (*_all_links(panel), *board.links):
        for title in re.findall(r"\$\{__data\.fields\.(\w+):percentencode\}", link.url):
            if title not in titles:
                yield f"link: no column {title}"
        for label in re.findall(r"\$\{__field\.labels\.(\w+):percentencode\}", link.url):
            if label not in labels:
                yield f"link: no label {label}"
        for name, form in re.findall(r"\$\{(\w+)(:\w+)?\}", link.url):
            if not name.startswith("__") and name not in own:
                yield f"link: no variable {name}"
            if form not in {":percentencode", ":queryparam"} and name not in {"exporter_url", "__url_time_range"}:
                yield f"link: {name} is not encoded"
        path = link.url.split("?")[0]
        if path in targets:
            for name in re.findall(r"var-(\w+)=", link.url):
                if name not in targets[path]:
                    yield f"link: {path} has no variable {name}"
        elif path != "${exporter_url}/history":
            yield f"link: {path} is neither the history nor a dashboard"


def _overlaps(board: Dashboard) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for row, y, placed in places(board):
        boxes = [(row.title, 0, y, COLUMNS, 1), *((p.title, x, below, p.width, p.height) for p, x, below in placed if not row.collapsed)]
        for title, x, top, width, height in boxes:
            if x + width > COLUMNS:
                yield f"{title} stands beyond the right edge"
            for cell in ((column, line) for column in range(x, x + width) for line in range(top, top + height)):
                if taken.setdefault(cell, title) != title:
                    yield f"{title} covers {taken[cell]}"
                    return


def asked(expr: str, seconds: int = 86400, step: int = 900, **variables: str) -> str:
    """Return a query as Grafana sends it, for a range and a step in seconds; variables that are not given stand for all."""
    for name, value in (
        ("$__rate_interval", f"{max(step + 30, 120)}s"),
        ("$__range_s", str(seconds)),
        ("$__range", f"{seconds}s"),
        ("$__interval", f"{step}s"),
    ):
        expr = expr.replace(name, value)
    return re.sub(r"\$(\w+)", lambda match: variables.get(match[1], ".*"), expr)


def queries(board: Dashboard) -> Iterator[tuple[str, str]]:
    """Yield every query of panels and annotations with a name for it."""
    for panel in board.panels:
        for place, query in enumerate(panel.queries):
            yield f"{board.name}: {panel.title}, {LETTERS[place]}", query.expr
    for annotation in board.annotations:
        yield f"{board.name}: {annotation.name}", annotation.expr
