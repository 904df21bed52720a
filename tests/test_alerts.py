"""The shipped Prometheus files: rules, their promtool tests, example configurations, and the runbooks they lead to."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy/prometheus/alerts.yml"
RULE_TESTS = sorted((ROOT / "tests/promtool").glob("*.test.yml"))
RUNBOOKS = ROOT / "docs/runbooks"

Program = Callable[[str], Path]


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in argv], capture_output=True, text=True, timeout=60, check=False)


def passes(*argv: str | Path) -> str:
    done = run(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def names() -> list[str]:
    return [alert["alert"] for alert in alerts()]


def test_promtool_accepts_the_rules(program: Program) -> None:
    """A rule file that Prometheus refuses leaves it without any rule."""
    assert f"{len(rules())} rules found" in passes(program("promtool"), "check", "rules", RULES)


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_rules_do_what_their_cases_say(path: Path, program: Program) -> None:
    """Rules fire, stay silent and resolve: each case is a page for nothing, or none for something, otherwise."""
    passes(program("promtool"), "test", "rules", path)


@pytest.mark.parametrize(
    ("name", "old", "new", "case"),
    [
        ("AwsChangeIngressOpened", r"ingress_opened:(increase|delta)15m", "ingress_opened:increase15m", "came while the pod was renamed"),
        (
            "AwsChangeIngressOpened",
            r"ingress_opened:(increase|delta)15m",
            "ingress_opened:delta15m",
            "does not hide what the other one sees",
        ),
        ("AwsChangeIngressOpened", "[6h] offset 15m", "[1h] offset 15m", "with the higher counts goes for two hours"),
        (
            "AwsChangeIngressOpened",
            "max by (account_id, region, port_class) (increase",
            "sum by (account_id, region, port_class) (increase",
            "two replicas",
        ),
        (
            "AwsChangeBurst",
            r"security_group_changes:(increase|delta)10m",
            "security_group_changes:increase10m",
            "while the pod was renamed",
        ),
        ("AwsChangeBurst", r"security_group_changes:(increase|delta)10m", "security_group_changes:delta10m", "a lost store"),
        (
            "AwsChangeBurst",
            "max by (account_id, region, event_name) (\n              increase",
            "(\n              increase",
            "two replicas",
        ),
        ("AwsChangeBurst", ', outcome="success"', "", "failed, denied and dry-run"),
        (
            "AwsChangeSourceStale",
            "max without (instance, pod) (awschange_exporter_last",
            "min without (instance, pod) (awschange_exporter_last",
            "a replica that cannot read",
        ),
        (
            "AwsChangeSourceStale",
            "clamp_min(3 * max without (instance, pod) (awschange_exporter_poll_interval_seconds), 180)",
            "180",
            "every ten minutes",
        ),
        (
            "AwsChangePostureStale",
            'last_success_timestamp_seconds{source!="posture"}',
            "last_success_timestamp_seconds",
            "a ticket of its own",
        ),
        ("AwsChangePostureStale", "for: 15m", "for: 2m", "first reading takes ten minutes"),
        ("AwsChangeRecords", r"records_malformed:(increase|delta)30m", "records_malformed:increase30m", "the first malformed records ever"),
        ("AwsChangeTrailFileUnverified", "files_unverified:(increase|delta)1h", "files_unverified:increase1h", "born with it"),
        ("AwsChangeTrailFileUnverified", 'trail_files_total{state!="verified"}', "trail_files_total{}", "good ones are silent"),
        ("AwsChangeDigestUnverified", "digests_unverified:(increase|delta)1h", "digests_unverified:increase1h", "born with it"),
        ("AwsChangeMessagesPoison", "messages_poison:(increase|delta)1h", "messages_poison:increase1h", "born with it"),
        ("AwsChangeExporterDown", "max without (instance, pod) (up", "(up", "one replica of two"),
    ],
)
def test_a_simpler_rule_fails_the_case_that_is_there_for_it(
    name: str, old: str, new: str, case: str, program: Program, tmp_path: Path
) -> None:
    """A case that no wrong rule can fail guards nothing, and someone would simplify the rules one day."""
    text = RULES.read_text()
    assert old in text
    (tmp_path / "alerts.yml").write_text(text.replace(old, new))
    cases = yaml.safe_load((ROOT / f"tests/promtool/{name}.test.yml").read_text())
    (chosen,) = [entry for entry in cases["tests"] if case in entry["name"]]
    (tmp_path / "one.test.yml").write_text(yaml.safe_dump({**cases, "rule_files": ["alerts.yml"], "tests": [chosen]}))
    passes(program("promtool"), "check", "rules", tmp_path / "alerts.yml")
    done = run(program("promtool"), "test", "rules", tmp_path / "one.test.yml")
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr


def test_every_alert_is_seen_firing_and_silent_by_its_cases() -> None:
    """A new alert without a case would be trusted untested."""
    fires: set[str] = set()
    silent: set[str] = set()
    for path in RULE_TESTS:
        for case in yaml.safe_load(path.read_text())["tests"]:
            for expected in case.get("alert_rule_test", ()):
                (fires if expected["exp_alerts"] else silent).add(expected["alertname"])
    assert fires == set(names())
    assert silent == set(names())


@pytest.mark.parametrize("alert", alerts(), ids=names())
def test_alerts_keep_the_conventions(alert: dict[str, Any]) -> None:
    """Routing goes by severity, and the person on call needs the sentence, the numbers and the runbook."""
    assert re.fullmatch(r"AwsChange([A-Z][a-z]+)+", alert["alert"])
    assert set(alert["labels"]) == {"severity"}
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    notes = alert["annotations"]
    assert {"summary", "description", "runbook_url"} <= set(notes)
    assert "{{" not in notes["summary"]
    assert notes["summary"].endswith(".")
    assert (ROOT / notes["runbook_url"]).is_file()
    assert notes["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"


@pytest.mark.parametrize(
    "alert",
    [alert for alert in alerts() if "awschange_exporter_" not in alert["expr"] and "up{" not in alert["expr"]],
    ids=lambda a: a["alert"],
)
def test_alerts_about_changes_name_account_and_region_and_lead_to_the_history(alert: dict[str, Any]) -> None:
    """A page that does not say where, or leads nowhere, costs the minutes that count."""
    notes = alert["annotations"]
    assert "{{ $labels.account_id }}" in notes["description"]
    assert "{{ $labels.region }}" in notes["description"]
    assert notes["history_url"].endswith("/history?account_id={{ $labels.account_id | urlquery }}&region={{ $labels.region | urlquery }}")


def test_every_runbook_belongs_to_an_alert_and_says_what_it_must() -> None:
    """A runbook is opened by someone just woken: the same four questions are answered in the same order."""
    pages = {path.stem: path.read_text() for path in RUNBOOKS.glob("*.md") if path.stem != "README"}
    assert set(pages) == set(names())
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n"), name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["What it means", "First three queries", "How to silence it", "Known false positives"], name
        queries = text.split("## First three queries")[1].split("## How to silence it")[0]
        assert len(re.findall(r"^\d\. ", queries, re.MULTILINE)) == 3, name
        assert "amtool silence add" in text, name


def promql() -> list[tuple[str, str]]:
    return [
        (path.stem, query)
        for path in sorted(RUNBOOKS.glob("*.md"))
        for query in re.findall(r"^ *```promql\n(.*?)^ *```", path.read_text(), re.MULTILINE | re.DOTALL)
    ]


def test_every_query_of_the_runbooks_parses(program: Program, tmp_path: Path) -> None:
    """A query with a typing error is found out at three in the morning."""
    queries = promql()
    assert len(queries) > len(names())
    rules_file = {
        "groups": [
            {
                "name": "runbooks",
                "rules": [{"record": f"runbook:query:{number}", "expr": query} for number, (_, query) in enumerate(queries)],
            }
        ]
    }
    path = tmp_path / "runbooks.yml"
    path.write_text(yaml.safe_dump(rules_file).replace("runbook:query:", "runbook:query_"))
    passes(program("promtool"), "check", "rules", path)


def test_the_example_prometheus_configuration_is_valid(program: Program) -> None:
    """People copy it as it is."""
    passes(program("promtool"), "check", "config", ROOT / "deploy/prometheus/prometheus.yml")


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "tickets"), ("info", "reading")])
def test_the_example_alertmanager_configuration_routes_by_severity(severity: str, receiver: str, program: Program) -> None:
    """A critical alert that lands among the tickets wakes nobody."""
    path = ROOT / "deploy/prometheus/alertmanager.yml"
    passes(program("amtool"), "check-config", path)
    named = [alert["alert"] for alert in alerts() if alert["labels"]["severity"] == severity]
    assert named
    for name in named:
        out = passes(program("amtool"), "config", "routes", "test", f"--config.file={path}", f"severity={severity}", f"alertname={name}")
        assert out.split() == [receiver]
