"""What makes the record of an alert right, told in words that a newcomer can act on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from inspect import cleandoc
from pathlib import Path

import yaml

from exporter.catalog.sets import WATCH_SETS
from exporter.metrics.table import TELEMETRY
from exporter.rules import Alert, AlertSettings
from exporter.rules.alert import SEVERITIES
from exporter.rules.render import alert_rule, filled
from tests import dashboard_faults
from tools.page_metrics import metrics_page

SETTINGS = AlertSettings()
_OTHERS = {"up", "process_resident_memory_bytes", "ALERTS"}
_NAME = re.compile(r"(?<![:\w\"])(awschange_\w+|up|process_\w+)\b(?![:(])")
_PLACE = re.compile(r"\$\{(\w+)\}")
_LABEL = re.compile(r"\$labels\.(\w+)")


@cache
def metrics() -> set[str]:
    """Return every metric name that the exporter shows or Prometheus adds."""
    own = {
        f"{metric.name}{end}" for metric in TELEMETRY if metric.type in ("histogram", "summary") for end in ("_bucket", "_sum", "_count")
    }
    return set(re.findall(r"^\| `(awschange_\w+)` \|", metrics_page(), re.MULTILINE)) | own | _OTHERS


def alone(alert: Alert, directory: Path) -> Path:
    """Write one alert, with its recording rules and the queries of its runbook, as a rule file for promtool, and return its path."""
    values = SETTINGS.values(alert)
    texts = [record.expr for record in alert.records] + [query.expr for query in alert.runbook.queries]
    rules = [{"record": f"expression_{number}", "expr": filled(cleandoc(text), values)} for number, text in enumerate(texts)]
    path = directory / "alone.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "alone", "rules": [*rules, alert_rule(alert, SETTINGS)]}]}))
    return path


def kept_labels(alert: Alert) -> set[str] | None:
    """Return the labels that the expression leaves, where its first aggregation says so by `by`; None where it cannot be told."""
    expr = cleandoc(alert.expr).lstrip("( \n")
    # Comparisons and set operators keep what stands on the left.
    expr = next((cleandoc(record.expr) for record in alert.records if expr.startswith(f"{record.name} ")), expr)
    found = re.match(r"(?:max|min|sum|count) by \(([\w, ]*)\)", expr)
    joined = re.search(r"group_(?:left|right)\s*\(([\w, ]+)\)", expr)
    if not found:
        return None
    return set(re.findall(r"\w+", found[1])) | (set(re.findall(r"\w+", joined[1])) if joined else set())


def mistakes(alert: Alert) -> list[str]:
    """Return what is wrong with the record of an alert, as sentences that begin with the field."""
    return [*_of_names(alert), *_of_texts(alert), *_of_thresholds(alert), *_of_metrics(alert), *_of_labels(alert), *_of_runbook(alert)]


def _of_names(alert: Alert) -> Iterator[str]:
    if not re.fullmatch(r"AwsChange([A-Z][a-z]+)+", alert.name):
        yield "name: write it as AwsChange and more words in CamelCase, as AwsChangeBurst"
    if alert.severity not in SEVERITIES:
        yield f"severity: choose one of {', '.join(SEVERITIES)}"
    for name in alert.needs:
        if name not in WATCH_SETS:
            yield f"needs: {name} is no watch set; those are {', '.join(sorted(WATCH_SETS))}"


def _of_texts(alert: Alert) -> Iterator[str]:
    if not alert.summary.endswith("."):
        yield "summary: end it with a full stop"
    if "{{" in alert.summary or "${" in alert.summary:
        yield "summary: it is the same for all, so it names no label or value; the description does"
    if "{{" not in alert.description and alert.name != "AwsChangeWatchdog":
        yield "description: say where and how much, as {{ $labels.account_id }} and {{ $value }}"
    if not alert.description.rstrip().endswith((".", "}}")):
        yield "description: end it with a full stop"


def _of_thresholds(alert: Alert) -> Iterator[str]:
    values = SETTINGS.values(alert)
    records = [text for record in alert.records for text in (record.name, record.expr)]
    texts = {
        "expr": [alert.expr],
        "hold": [alert.hold],
        "description": [alert.description],
        "records": records,
        "runbook": list(_words(alert)),
    }
    for field, each in texts.items():
        for name in sorted({name for text in each for name in _PLACE.findall(text)} - set(values)):
            yield f"{field}: ${{{name}}} is no threshold of it; it has {', '.join(sorted(values))}"
    rule = {name for text in (alert.expr, alert.hold, *records) for name in _PLACE.findall(text)}
    for threshold in alert.thresholds:
        if threshold.name not in rule:
            yield f"threshold {threshold.name}: nothing uses it; write ${{{threshold.name}}} into expr, hold or records"
        if not threshold.help.endswith("."):
            yield f"threshold {threshold.name}: end its help with a full stop"


def _of_metrics(alert: Alert) -> Iterator[str]:
    known = metrics()
    recorded = [record.expr for record in alert.records]
    texts = {"expr": [alert.expr], "records": recorded, "runbook.queries": [query.expr for query in alert.runbook.queries]}
    for field, each in texts.items():
        for name in sorted({name for text in each for name in _NAME.findall(text)} - known):
            near = get_close_matches(name, known, 1)
            yield f"{field}: {name} is no metric of the exporter" + (f"; did you mean {near[0]}?" if near else "")
    values = SETTINGS.values(alert)
    for field, each in texts.items():
        # A threshold that is missing is told elsewhere.
        for text in (text for text in each if set(_PLACE.findall(text)) <= set(values)):
            yield from (f"{field}: {fault}" for fault in _labels_of_none(filled(cleandoc(text), values)))
    for field, name in _read_records(alert.expr):
        if not any(
            re.fullmatch(filled(name, SETTINGS.values(alert)), filled(record.name, SETTINGS.values(alert))) for record in alert.records
        ):
            yield f"{field}: {name} is recorded by no rule in `records` of this alert, so alerts.yml would not work by itself"


@cache
def _labels() -> Mapping[str, frozenset[str]]:
    return {name: labels | {"pod"} for name, labels in dashboard_faults.metrics().items()}


def _labels_of_none(expr: str) -> Iterator[str]:
    """Yield labels that no metric of an expression has, of which it would see nothing; those that it makes itself, or recorded ones have, are left out."""
    for fault in dashboard_faults.query_faults(expr, _labels()):
        grouped = re.match(r"by \((\w+)\)", fault)
        if " has no label " in fault or (grouped and "__name__" not in expr and f'"{grouped[1]}"' not in expr):
            yield fault


def _read_records(expr: str) -> Iterator[tuple[str, str]]:
    for name in re.findall(r'__name__=~"([^"]+)"', expr):
        yield "expr", name
    for name in re.findall(r"(?<![\w\"=~])(\w+:awschange_\w+:(?:\w|\$\{\w+\})+)", re.sub(r'"[^"]*"', '""', expr)):
        yield "expr", name


def _of_labels(alert: Alert) -> Iterator[str]:
    kept = kept_labels(alert)
    used = set(_LABEL.findall(alert.description))
    if kept is None:
        return
    for name in sorted(used - kept):
        yield f"description: {{{{ $labels.{name} }}}} is always empty, because the expression keeps only {', '.join(sorted(kept))}"
    for name, word in (("account_id", "account"), ("region", "region")):
        if name in kept and name not in used:
            yield f"description: name the {word}, as {{{{ $labels.{name} }}}}"
    if "account_id" in kept and not alert.history:
        yield "history: set it, because the alert has the label account_id and the history page shows what happened there"
    if alert.history and "account_id" not in kept:
        yield "history: the link needs the label account_id, which the expression drops"


def _words(alert: Alert) -> Iterable[str]:
    book = alert.runbook
    return (book.means, book.then, book.silence, book.caution, *book.false_positives, *(query.expr for query in book.queries))


def _of_runbook(alert: Alert) -> Iterator[str]:
    book = alert.runbook
    if len(book.means.split()) < 10:
        yield f"runbook.means: it is {'too short' if book.means.strip() else 'empty'}; say what fires it, then what that means"
    if len(book.queries) != 3:
        yield "runbook.queries: give three"
    for query in book.queries:
        if query.asks.endswith((".", ":", "?")) or not query.asks:
            yield f"runbook.queries: {query.asks!r}: say what it answers, without a stop at the end"
    if "--duration=" not in book.silence_matchers or "--comment=" not in book.silence_matchers:
        yield "runbook.silence_matchers: give it a --duration and a --comment, so that no silence is forgotten"
    if not book.false_positives:
        yield "runbook.false_positives: name one, or say `None known`"
