"""The rules over the simulated days: recorded by promtool, asked of Prometheus, and held as `for` says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.rules.render import alert_groups
from exporter.rules.settings import AlertSettings
from simulation.model import Span
from simulation.prometheus import STEP, Programs, Prometheus, running

GROUPS = ("exposure", "rate", "actors")
"""The groups whose critical alerts count as pages; the others are about the exporter and the trail, which stay well here."""

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule as Prometheus reads it."""

    name: str
    severity: str
    expr: str
    hold: int


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert from when it fires until it resolves; region is empty where the alert has none."""

    rule: str
    account_id: str
    region: str
    span: Span


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The recording rules in the order in which they are worked out, and the alerts that count."""

    records: Sequence[Mapping[str, str]]
    alerts: Sequence[Rule]

    def metrics(self) -> set[str]:
        """Return the names of the exporter's metrics that the rules read."""
        text = "\n".join([*(record["expr"] for record in self.records), *(alert.expr for alert in self.alerts)])
        return set(re.findall(r"(?<![:\w])awschange_\w+(?![:\w])", text))


def seconds(duration: str) -> int:
    """Return a duration of PromQL, such as 1h30m, in seconds."""
    return int(sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", duration)))


def rule_file(settings: AlertSettings, also: Iterable[str] = ()) -> RuleFile:
    """Return the critical alerts of the groups that page, and those named besides, with what they record."""
    records: list[Mapping[str, str]] = []
    alerts: list[Rule] = []
    for group in alert_groups(settings):
        if group["name"].rpartition(".")[2] not in GROUPS:
            continue
        pending: list[Mapping[str, str]] = []
        for rule in group["rules"]:
            if "record" in rule:
                pending.append({"record": rule["record"], "expr": rule["expr"]})
            elif rule["labels"]["severity"] == "critical" or rule["alert"] in also:
                alerts.append(Rule(rule["alert"], rule["labels"]["severity"], rule["expr"], seconds(rule.get("for", ""))))
        records += pending
    return RuleFile(_read(records, alerts), alerts)


def _read(records: Sequence[Mapping[str, str]], alerts: Sequence[Rule]) -> list[Mapping[str, str]]:
    """Return the recording rules that these alerts read, or that such a rule reads."""
    kept: list[Mapping[str, str]] = []
    texts = [alert.expr for alert in alerts]
    for record in reversed(records):
        if any(_names(record["record"], text) for text in texts):
            kept.append(record)
            texts.append(record["expr"])
    return kept[::-1]


def _names(record: str, text: str) -> bool:
    """Return whether an expression reads a recorded name, written out or by a pattern of names."""
    patterns = re.findall(r'__name__=~"([^"]*)"', text)
    return re.search(rf"(?<![\w:]){re.escape(record)}(?![\w:])", text) is not None or any(re.fullmatch(p, record) for p in patterns)


def levels(records: Sequence[Mapping[str, str]]) -> list[list[Mapping[str, str]]]:
    """Return recording rules in levels: one reads only what an earlier level recorded."""
    placed: dict[int, int] = {}
    for number, record in enumerate(records):
        below = [placed[earlier] for earlier in range(number) if _names(records[earlier]["record"], record["expr"])]
        placed[number] = max(below, default=-1) + 1
    return [[records[number] for number, level in placed.items() if level == wanted] for wanted in sorted(set(placed.values()))]


def evaluate(rules: RuleFile, programs: Programs, blocks: Path, directory: Path, spans: Sequence[Span]) -> list[Firing]:
    """Return all firings of the alerts within the spans; `blocks` hold the samples, and get what is recorded."""
    for number, level in enumerate(levels(rules.records)):
        files = []
        for place, record in enumerate(level):
            files.append(directory / f"record-{number}-{place}.yml")
            files[-1].write_text(yaml.safe_dump({"groups": [{"name": "simulation", "interval": f"{STEP}s", "rules": [dict(record)]}]}))
        fresh = directory / f"recorded-{number}"
        with running(programs, blocks, directory) as prometheus:
            programs.record(prometheus.url, files, spans, fresh)
        for block in fresh.iterdir() if fresh.exists() else ():
            # Beside the blocks promtool leaves nothing that Prometheus would read.
            if (block / "meta.json").exists():
                shutil.move(block, blocks / block.name)
    with running(programs, blocks, directory) as prometheus:
        return [firing for rule in rules.alerts for firing in _firings(rule, prometheus, spans)]


def _firings(rule: Rule, prometheus: Prometheus, spans: Sequence[Span]) -> list[Firing]:
    """Return the firings of one rule: it is pending from when its expression is true, and fires once it was for as long as `for` says."""
    found = []
    for labels, times in prometheus.firing(rule.expr, spans).items():
        named: dict[str, Any] = dict(labels)
        start = previous = times[0]
        for at in [*times[1:], None]:
            if at is None or at - previous > STEP:
                if previous - start >= rule.hold:
                    found.append(
                        Firing(rule.name, named.get("account_id", ""), named.get("region", ""), Span(start + rule.hold, previous + STEP))
                    )
                start = at if at is not None else start
            previous = at if at is not None else previous
    return sorted(found, key=lambda firing: firing.span.start)
