"""The cases of tests/promtool, each with the rules that it is about."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from exporter.rules import AlertSettings, render_alerts
from tests.repository import ROOT

RULE_TESTS = sorted((ROOT / "tests/promtool").glob("*.test.yml"))

_WORD = re.compile(r"[\w:]+")
_BY_PATTERN = re.compile(r'__name__=~"([^"]+)"')


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of Prometheus, with time for a machine that has much else to do."""
    return subprocess.run([str(part) for part in argv], capture_output=True, text=True, timeout=240, check=False)


def passes(*argv: str | Path) -> str:
    """Run a program and return what it printed; fail with what it said if it failed."""
    done = run(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules_of(cases: Path) -> str:
    """Return the rule file that cases are about: the shipped one, or that of the settings beside the cases."""
    settings = cases.with_name(cases.name.replace(".test.yml", ".settings.yml"))
    if settings.is_file():
        return render_alerts(AlertSettings.model_validate(yaml.safe_load(settings.read_text())))
    (shipped,) = yaml.safe_load(cases.read_text())["rule_files"]
    return (cases.parent / shipped).read_text()


def with_rules(cases: dict[str, Any], text: str, directory: Path) -> Path:
    """Write cases and those rules of a file that they are about into a directory, and return the path of the cases."""
    (directory / "alerts.yml").write_text(yaml.safe_dump({"groups": _asked_for(cases, yaml.safe_load(text)["groups"])}))
    path = directory / "cases.test.yml"
    path.write_text(yaml.safe_dump({**cases, "rule_files": ["alerts.yml"]}))
    return path


def _asked_for(cases: dict[str, Any], groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the groups with the rules that cases name and what those read, because all fifty at every minute take long.

    Fails where cases name an alert that is no rule: what is not there is silent.
    """
    rules = [rule for group in groups for rule in group["rules"]]
    alerts = {rule["alert"] for rule in rules if "alert" in rule}
    named = {name for one in cases["tests"] for name in _named(one, alerts)}
    assert named <= alerts, (
        f"a case names {', '.join(sorted(named - alerts))}, which its rule file has not: write the name as there, or run `make generate`"
    )
    kept = [rule for rule in rules if rule.get("alert") in named]
    texts = [rule["expr"] for rule in kept] + [asked["expr"] for one in cases["tests"] for asked in one.get("promql_expr_test", ())]
    while texts:
        read = [rule for rule in rules if "record" in rule and rule not in kept and _reads(texts, rule["record"])]
        kept += read
        texts = [rule["expr"] for rule in read]
    left = [{**group, "rules": [rule for rule in group["rules"] if rule in kept]} for group in groups]
    return [group for group in left if group["rules"]]


def _named(case: dict[str, Any], alerts: set[str]) -> set[str]:
    """Return the alerts that a case is about; all of them where it asks for any."""
    exprs = [asked["expr"] for asked in case.get("promql_expr_test", ())]
    if any("alertname=" not in selector for expr in exprs for selector in re.findall(r"ALERTS(?:_FOR_STATE)?(.[^}]*)", f"{expr} ")):
        return alerts
    names = [name for expr in exprs for names in re.findall(r'alertname=~?"([^"]+)"', expr) for name in names.split("|")]
    return {*names, *(asked["alertname"] for asked in case.get("alert_rule_test", ()))}


def _reads(exprs: list[str], record: str) -> bool:
    """Tell whether expressions read a recording rule, by its name or by a pattern of names."""
    return any(
        record in _WORD.findall(expr) or any(re.fullmatch(pattern, record) for pattern in _BY_PATTERN.findall(expr)) for expr in exprs
    )
