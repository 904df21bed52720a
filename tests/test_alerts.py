"""The shipped Prometheus files: rules, their promtool tests, example configurations, and the runbooks they lead to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pydantic import ValidationError

from exporter.cli import main
from exporter.rules import ALERTS, VARIANT, Alert, AlertSettings, prometheus_rule, render_alerts
from exporter.rules.render import alert_groups, recording_groups
from tests.alert_cases import RULE_TESTS, passes, rules_of, run, with_rules
from tests.alert_records import alone, mistakes
from tools.page_runbooks import module_of

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy/prometheus/alerts.yml"
KNOWN = "account_region_class:awschange_expected_changes_upper:known"
NEW_ONES = "max by (account_id, principal_type, principal) (awschange_principal_first_seen_timestamp_seconds)"

Program = Callable[[str], Path]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def names() -> list[str]:
    return [alert["alert"] for alert in alerts()]


def test_promtool_accepts_the_rules(program: Program) -> None:
    """A rule file that Prometheus refuses leaves it without any rule."""
    assert f"{len(rules())} rules found" in passes(program("promtool"), "check", "rules", RULES)


@pytest.mark.parametrize("alert", [*ALERTS, VARIANT], ids=lambda alert: alert.name)
def test_every_record_of_an_alert_keeps_the_conventions(alert: Alert, program: Program, tmp_path: Path) -> None:
    """Routing goes by severity, and the person on call needs the sentence, the numbers, the runbook and the link."""
    told = mistakes(alert)
    # Not compared with an empty list, of which pytest would show the first difference alone.
    assert not told, "\n".join((f"{alert.name}:", *told))
    done = run(program("promtool"), "check", "rules", alone(alert, tmp_path))
    assert done.returncode == 0, f"{alert.name}: Prometheus refuses an expression or a template of it:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_rules_do_what_their_cases_say(path: Path, program: Program, tmp_path: Path) -> None:
    """Rules fire, stay silent and resolve: each case is a page for nothing, or none for something, otherwise."""
    passes(program("promtool"), "test", "rules", with_rules(yaml.safe_load(path.read_text()), rules_of(path), tmp_path))


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
        ("AwsChangeRateAnomalous", r"awschange_changes:(increase|delta)1h", "awschange_changes:increase1h", "while the pod was renamed"),
        ("AwsChangeRateAnomalous", r"awschange_changes:(increase|delta)1h", "awschange_changes:delta1h", "a lost store"),
        ("AwsChangeRateAnomalous", "observed1h * 0 + 30", "observed1h * 0 + Inf", "nobody said anything of"),
        ("AwsChangeRateAnomalous", "awschange_expected_changes_upper[2h]", "awschange_expected_changes_upper[5m]", "has just started"),
        ("AwsChangeRateAnomalous", "clamp_min(account_region_class:awschange_expected_changes_upper:known, 10)", KNOWN, "under the floor"),
        (
            "AwsChangeRateAnomalous",
            "max by (account_id, region, channel_class) (awschange_expected_changes_upper)",
            "min by (account_id, region, channel_class) (awschange_expected_changes_upper)",
            "higher bound of two replicas",
        ),
        ("AwsChangeRateAnomalous", '"people", "channel", "console|cli"', '"people", "channel", "console"', "channels of one class"),
        (
            "AwsChangeRateAnomalous",
            "max by (account_id, region, channel) (increase",
            "sum by (account_id, region, channel) (increase",
            "two replicas that both count 8",
        ),
        ("AwsChangeRateAnomalousByPromql", "[2h]", "[30m]", "put back by an hour"),
        ("AwsChangeRateAnomalousByPromql", "(2 / 3,", "(1,", "a week of deploys teaches"),
        ("AwsChangeRateAnomalousByPromql", "  1 + account_region_class", "  0 * account_region_class", "quiet weeks"),
        ("AwsChangeRateAnomalousByPromql", "observed1h * 0 + 30", "observed1h * 0 + Inf", "no week to go by"),
        ("AwsChangeRateAnomalousByPromql", r"hourly_changes:(increase|delta)1h", "hourly_changes:increase1h", "while the pod was renamed"),
        ("AwsChangeRateAnomalous", "unless on (account_id, region)", "and on (account_id, region)", "are refused change nothing"),
        ("AwsChangeMassRemoval", "> 0.8 *", "> 0 *", "as much as it removes"),
        ("AwsChangeMassRemoval", r"removals:(increase|delta)10m", "removals:increase10m", "while the pod was renamed"),
        ("AwsChangeMassRemoval", r"removals:(increase|delta)10m", "removals:delta10m", "a lost store"),
        (
            "AwsChangeMassRemoval",
            '(Revoke|Delete)SecurityGroup.*", outcome="success"',
            '(Revoke|Delete)SecurityGroup.*"',
            "failed removals",
        ),
        ("AwsChangeMassRemoval", "(Revoke|Delete)SecurityGroup.*", ".*SecurityGroup.*", "12 openings"),
        (
            "AwsChangeMassRemoval",
            "max by (account_id, region, event_name) (\n              increase",
            "(\n              increase",
            "two replicas",
        ),
        ("AwsChangeByRoot", r"root_changes:(increase|delta)15m", "root_changes:increase15m", "while the pod was renamed"),
        ("AwsChangeByRoot", r"root_changes:(increase|delta)15m", "root_changes:delta15m", "a lost store"),
        ("AwsChangeByRoot", '{principal_type="root"}', "{}", "changes by all others"),
        ("AwsChangeByHand", r"hand_calls:(increase|delta)15m", "hand_calls:increase15m", "while the pod was renamed"),
        ("AwsChangeByHand", r"hand_calls:(increase|delta)15m", "hand_calls:delta15m", "a lost store"),
        ("AwsChangeByHand", 'channel=~"console"', 'channel=~".+"', "every other tool"),
        ("AwsChangeDenied", r"awschange_denied:(increase|delta)15m", "awschange_denied:increase15m", "while the pod was renamed"),
        ("AwsChangeDenied", r"awschange_denied:(increase|delta)15m", "awschange_denied:delta15m", "a lost store"),
        ("AwsChangeDenied", 'awschange_events_total{outcome="denied"}', "awschange_events_total{}", "any number that succeed"),
        ("AwsChangeUnapprovedRegion", 'region!~"eu-.*"', 'region!~"none"', "in the regions that are named"),
        ("AwsChangeUnapprovedRegion", r"region_changes:(increase|delta)15m", "region_changes:increase15m", "while the pod was renamed"),
        ("AwsChangeUnapprovedRegion", r"region_changes:(increase|delta)15m", "region_changes:delta15m", "a lost store"),
        ("AwsChangeByNewPrincipal", "< time() - 7 * 86400", "< time()", "not known before"),
        (
            "AwsChangeByNewPrincipal",
            "(max by (account_id, principal_type, principal) (awschange_principal_changes_total) > 0)",
            NEW_ONES,
            "only tried",
        ),
        (
            "AwsChangeByNewPrincipal",
            "  min by (account_id, principal_type, principal)",
            "  max by (account_id, principal_type, principal)",
            "a shorter past",
        ),
        (
            "AwsChangeNewPrincipalBusy",
            r"principal_changes:(increase|delta)6h",
            "principal_changes:increase6h",
            "before and after a renamed pod",
        ),
        ("AwsChangeNewPrincipalBusy", "< time() - 7 * 86400", "< time()", "not known before"),
        ("AwsChangeNewPrincipalBusy", "24 * 3600", "2400000 * 3600", "known for long"),
        ("AwsChangeNewPrincipalBusy", "> 8", "> 4", "and a newcomer six"),
        ("AwsChangeExporterDown", "max without (instance, pod) (up", "(up", "one replica of two"),
        (
            "AwsChangeOpenIngress",
            "last_over_time(awschange_open_ingress_rules[15m])",
            "awschange_open_ingress_rules",
            "comes back under another",
        ),
        (
            "AwsChangeOpenIngress",
            "unless on (account_id, region) max by",
            "and on (account_id, region) max by",
            "resolves with its first page",
        ),
        ("AwsChangeOpenIngressInternal", 'sum{exposure="public"} > 0', 'sum{exposure="public"} > 99', "that one IP version lets"),
        ("AwsChangeTrailTampered", " offset 15m))\n        labels", "))\n        labels", "for the first time"),
        ("AwsChangeTrailTampered", "trail_tampering:(increase|delta)15m", "trail_tampering:increase15m", "the first call ever"),
        ("AwsChangeNoTrail", "min by (account_id, region) (awschange_trails_logging)", "(awschange_trails_logging)", "two replicas"),
        ("AwsChangeStoreFailing", "> 2.5", "> 0.5", "the next poll makes good"),
        ("AwsChangeSnapshotStale", 'source="posture", account_id=""', 'source="none", account_id=""', "an aggregator that cannot be read"),
        ("AwsChangeLagHigh", "> 20", "> 1", "one late change among few"),
    ],
)
def test_a_simpler_rule_fails_the_case_that_is_there_for_it(
    name: str, old: str, new: str, case: str, program: Program, tmp_path: Path
) -> None:
    """A case that no wrong rule can fail guards nothing, and someone would simplify the rules one day."""
    path = ROOT / f"tests/promtool/{name}.test.yml"
    text = rules_of(path)
    assert old in text
    cases = yaml.safe_load(path.read_text())
    (chosen,) = [entry for entry in cases["tests"] if case in entry["name"]]
    one = with_rules({**cases, "tests": [chosen]}, text.replace(old, new), tmp_path)
    passes(program("promtool"), "check", "rules", tmp_path / "alerts.yml")
    done = run(program("promtool"), "test", "rules", one)
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr


def test_cases_run_with_what_they_name_and_what_that_reads(tmp_path: Path) -> None:
    """A record left out, or a name that no alert has, is silent, and so is every case that wants silence."""
    cases = {
        "tests": [
            {
                "alert_rule_test": [{"alertname": "AwsChangeIngressOpened"}],
                "promql_expr_test": [{"expr": 'ALERTS{alertname="AwsChangeGap"}'}],
            }
        ]
    }
    with_rules(cases, RULES.read_text(), tmp_path)
    kept = [rule for group in yaml.safe_load((tmp_path / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
    opened = [f"account_region_port_class:awschange_ingress_opened:{how}15m" for how in ("increase", "delta")]
    gaps = [f"source_account_region:awschange_exporter_gaps:{how}1h" for how in ("increase", "delta")]
    assert [rule.get("alert") or rule["record"] for rule in kept] == [*opened, "AwsChangeIngressOpened", *gaps, "AwsChangeGap"]
    with_rules({"tests": [{"promql_expr_test": [{"expr": 'ALERTS{alertstate="firing"}'}]}]}, RULES.read_text(), tmp_path)
    assert yaml.safe_load((tmp_path / "alerts.yml").read_text()) == yaml.safe_load(RULES.read_text())
    with pytest.raises(AssertionError, match="a case names AwsChangeBrust, which its rule file has not"):
        with_rules({"tests": [{"alert_rule_test": [{"alertname": "AwsChangeBrust"}]}]}, RULES.read_text(), tmp_path)


def test_every_alert_is_seen_firing_and_silent_by_its_cases() -> None:
    """A new alert without a case would be trusted untested."""
    fires: set[str] = set()
    silent: set[str] = set()
    for path in RULE_TESTS:
        for case in yaml.safe_load(path.read_text())["tests"]:
            for expected in case.get("alert_rule_test", ()):
                (fires if expected["exp_alerts"] else silent).add(expected["alertname"])
    wanted = {alert.name for alert in (*ALERTS, VARIANT)}
    told = [f"{name}: add a case to tests/promtool/{name}.test.yml in which it fires (alert_rule_test)" for name in wanted - fires]
    told += [f"{name}: add a moment at which it is silent (exp_alerts: [])" for name in wanted - silent - {"AwsChangeWatchdog"}]
    assert not told, "\n".join(sorted(told))
    assert set(names()) == {alert.name for alert in ALERTS}, "run `make generate`"


def test_a_newcomers_mistakes_are_told_by_name() -> None:
    """A check that says nothing useful, or nothing at all, sends a newcomer off to guess."""
    (good,) = [alert for alert in ALERTS if alert.name == "AwsChangeBurst"]
    bad = replace(
        good,
        name="ChangeBurst2",
        summary="{{ $value }} changes",
        description="{{ $labels.principal }} changed ${limits}",
        expr="max by (account_id, region) (awschange_event_total) > 20",
        history=False,
        needs=("logs",),
        runbook=replace(good.runbook, means=" ", silence_matchers="region=us-east-1", false_positives=()),
    )
    told = "\n".join(mistakes(bad))
    for part in (
        "name: write it as AwsChange and more words in CamelCase",
        "summary: end it with a full stop",
        "summary: it is the same for all, so it names no label or value",
        "description: ${limits} is no threshold of it; it has calls, exporter_job, limit, window",
        "description: {{ $labels.principal }} is always empty, because the expression keeps only account_id, region",
        "description: name the account",
        "expr: awschange_event_total is no metric of the exporter; did you mean awschange_events_total?",
        "threshold limit: nothing uses it",
        "history: set it, because the alert has the label account_id",
        "needs: logs is no watch set",
        "runbook.means: it is empty",
        "runbook.false_positives: name one, or say `None known`",
        "runbook.silence_matchers: give it a --duration",
    ):
        assert part in told, part
    assert mistakes(good) == []
    blind = replace(good, expr='sum by (acount_id) (awschange_events_total{outcom="denied"}) > ${limit}')
    told = "\n".join(mistakes(blind))
    assert "expr: awschange_events_total has no label outcom" in told
    assert "expr: by (acount_id): no metric of the query has it" in told


def test_an_alert_lies_in_the_file_that_bears_its_name() -> None:
    """The notice in a runbook names the file to edit."""
    modules = [path.stem for path in (ROOT / "exporter/rules/alerts").glob("[a-z]*.py")]
    belong = {module_of(alert): alert.name for alert in ALERTS}
    for module in modules:
        assert module in belong, f"exporter/rules/alerts/{module}.py: name the file after its alert, and give no two alerts one name"
    assert len(ALERTS) == len(modules) == len(belong)


def test_a_recording_rule_means_one_thing() -> None:
    """Prometheus takes two rules of one name for one series, with whatever labels and values both bring."""
    meaning: dict[str, str] = {}
    for alert in ALERTS:
        for record in alert.records:
            assert meaning.setdefault(record.name, record.expr) == record.expr, (alert.name, record.name)
    for name, expr in meaning.items():
        users = [alert.name for alert in ALERTS if name in {record.name for record in alert.records}]
        places = set(re.findall(r"\$\{(\w+)\}", expr)) - set(re.findall(r"\$\{(\w+)\}", name))
        assert len(users) == 1 or not places, f"{users} share {name}, whose {places} each may set: give each a record of its own"


def test_no_settings_of_two_alerts_give_one_recording_rule_two_meanings() -> None:
    """Prometheus keeps the first of both, so AwsChangeMassRemoval would compare with the calls that AwsChangeBurst was told to count."""
    for alert in ALERTS:
        chosen = {threshold.name: "x.*" for threshold in alert.thresholds if isinstance(threshold.default, str) and not threshold.duration}
        meaning: dict[str, str] = {}
        for group in alert_groups(AlertSettings(thresholds={alert.name: chosen})):
            for rule in group["rules"]:
                if "record" in rule:
                    assert meaning.setdefault(rule["record"], rule["expr"]) == rule["expr"], (alert.name, rule["record"])


def test_generated_rule_files_hold_what_the_records_say() -> None:
    """The files are written for people, line by line; Prometheus must read the same out of them."""
    settings = AlertSettings(labels={"team": "it's: a #1"}, disabled=("AwsChangeGap",), thresholds={"AwsChangeBurst": {"limit": 50}})
    assert yaml.safe_load(render_alerts(settings)) == {"groups": alert_groups(settings)}
    operator = yaml.safe_load(prometheus_rule(settings))
    assert operator["spec"] == {"groups": [*alert_groups(settings), *recording_groups()]}
    assert operator["kind"] == "PrometheusRule"
    rendered = [rule for group in alert_groups(settings) for rule in group["rules"] if "alert" in rule]
    assert {rule["alert"] for rule in rendered} == set(names()) - {"AwsChangeGap"}
    assert {rule["labels"]["team"] for rule in rendered} == {"it's: a #1"}
    (burst,) = [rule for rule in rendered if rule["alert"] == "AwsChangeBurst"]
    assert burst["expr"].endswith(" > 50")
    for alert in ALERTS:
        assert all(f"# {line}" in RULES.read_text() for line in wrap(alert.why, 120, break_long_words=False, break_on_hyphens=False))


def test_every_threshold_changes_the_rules() -> None:
    """A setting that is accepted and does nothing is believed in until the day that it was needed."""
    default = alert_groups(AlertSettings())
    for alert in ALERTS:
        for threshold in alert.thresholds:
            other: float | str = "3h" if threshold.duration else "x.*" if isinstance(threshold.default, str) else 1234
            changed = alert_groups(AlertSettings(thresholds={alert.name: {threshold.name: other}}))
            assert changed != default, f"{alert.name}: {threshold.name}"
            assert ("3 hours" if threshold.duration else str(other)) in str(changed) or str(other) in str(changed)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"thresholds": {"AwsChangeBursts": {"limit": 1}}}, "unknown alert 'AwsChangeBursts'"),
        ({"thresholds": {"AwsChangeBurst": {"limits": 1}}}, "AwsChangeBurst has no threshold 'limits'; it has limit, window, calls"),
        ({"thresholds": {"AwsChangeBurst": {"limit": "many"}}}, "AwsChangeBurst.limit must be a number, not 'many'"),
        ({"thresholds": {"AwsChangeBurst": {"window": "10 min"}}}, "must be a duration of Prometheus such as 10m"),
        ({"thresholds": {"AwsChangeBurst": {"calls": 'a"} or vector(1) #'}}}, "without quotes and backslashes"),
        ({"thresholds": {"AwsChangeBurst": {"window": "1m1h"}}}, "must be a duration of Prometheus such as 10m, 1h or 1h30m"),
        ({"thresholds": {"AwsChangeBurst": {"window": "1h1h"}}}, "must be a duration of Prometheus"),
        ({"thresholds": {"AwsChangeBurst": {"window": "0h0m"}}}, "must be a duration of Prometheus"),
        ({"thresholds": {"AwsChangeBurst": {"window": "300y"}}}, "must be a duration of Prometheus"),
        ({"thresholds": {"AwsChangeBurst": {"limit": float("nan")}}}, "must be a finite number"),
        ({"thresholds": {"AwsChangeBurst": {"calls": "(Revoke"}}}, "AwsChangeBurst.calls is no regular expression"),
        ({"thresholds": {"AwsChangeBurst": {"calls": "(?!Revoke).*"}}}, "RE2: no look-around"),
        ({"exporter_job": "exporter)"}, "exporter_job is no regular expression"),
        ({"labels": {"severity": "critical"}}, "'severity' cannot be a label here"),
        ({"labels": {"region": "eu"}}, "'region' cannot be a label here"),
        ({"labels": {"__name__": "x"}}, "'__name__' cannot be a label here"),
        ({"exporter_job": 'x"} or up{a="'}, "without quotes and backslashes"),
        ({"labels": {"team": '{{ query "up" }}'}}, "holds a template"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_remedy(settings: dict[str, Any], message: str) -> None:
    """Otherwise Prometheus refuses the whole file, or a rule watches something else than it says."""
    with pytest.raises(ValidationError, match=re.escape(message)):
        AlertSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("form", "count"), [("alerts", "rules"), ("recording", "rules"), ("anomaly-promql", "rules"), ("prometheusrule", "")]
)
def test_promtool_accepts_what_the_command_prints(form: str, count: str, program: Program, tmp_path: Path) -> None:
    """What a site prints from its own settings has no test of ours; only the command stands between it and Prometheus."""
    (tmp_path / "config.yml").write_text(
        "sources: [{type: files, path: .}]\nalerts: {runbook_url: 'https://example.com/{x}#', labels: {team: net}, "
        "thresholds: {AwsChangeBurst: {limit: 2.5, window: 1h30m, calls: 'Revoke.*|Delete.*'}}}\n"
    )
    shown = CliRunner().invoke(main, ["rules", "--config.file", str(tmp_path / "config.yml"), "--format", form])
    assert shown.exit_code == 0, shown.output
    document = yaml.safe_load(shown.stdout)
    (tmp_path / "rules.yml").write_text(shown.stdout if count else yaml.safe_dump(document["spec"]))
    passes(program("promtool"), "check", "rules", tmp_path / "rules.yml")
    text = " ".join(shown.stdout.split())
    if form in ("alerts", "prometheusrule"):
        assert "successful security-group changes in 1 hour 30 minutes." in text
        assert "runbook_url: https://example.com/{x}#/AwsChangeBurst.md" in text


def test_the_example_prometheus_configuration_is_valid(program: Program) -> None:
    """People copy it as it is."""
    passes(program("promtool"), "check", "config", ROOT / "deploy/prometheus/prometheus.yml")
