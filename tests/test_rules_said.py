"""Who and what in alerts: the templates run on the real Prometheus' own evaluation, by promtool."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from exporter.rules.render import filled
from exporter.rules.said import CALLS, CHANGES, REFUSED, Said, said_annotations

Program = Callable[[str], Path]
Tell = Callable[..., dict[str, str]]

UNIT = {"account_id": "111122223333", "region": "us-east-1"}
CALL = "AuthorizeSecurityGroupIngress"
GROUP = "sg-0123456789abcdef0"


def series(metric: str, values: str, **labels: str) -> dict[str, str]:
    inner = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in {**UNIT, "instance": "a:1", **labels}.items())
    return {"series": f"{metric}{{{inner}}}", "values": values}


def change(values: str, principal: str = "role/Deploy", group: str = GROUP, call: str = CALL, **labels: str) -> dict[str, str]:
    labels = {"security_group_id": group, "event_name": call, "principal": principal, **labels}
    return series("awschange_security_group_changes_total", values, **labels)


@pytest.fixture
def tell(tmp_path: Path, program: Program) -> Tell:
    """Return a teller of `who` and `what` at the 40th minute, of series that are given minute by minute."""

    def told(said: Said, *given: Mapping[str, str], labels: Mapping[str, str] = UNIT) -> dict[str, str]:
        templates = {name: filled(text, {"calls": "Modify.*"}) for name, text in said_annotations(said, "15m").items()}
        expr = "vector(1)"
        for name, value in labels.items():
            expr = f'label_replace({expr}, "{name}", "{value}", "", "")'
        rules = {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": expr, "annotations": templates}]}]}
        (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
        case = {
            "interval": "1m",
            "input_series": list(given),
            "alert_rule_test": [{"eval_time": "40m", "alertname": "A", "exp_alerts": []}],
        }
        (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}))
        argv = [program("promtool"), "test", "rules", tmp_path / "test.yml"]
        out = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=180).stderr
        found = re.search(r"Annotations:\{what=(\".*\"), who=(\".*\")\}", out)
        assert found, out
        # Go's quoting is that of JSON for all that is printable.
        return {"what": json.loads(found[1]), "who": json.loads(found[2])}

    return told


def test_the_page_names_who_and_what_with_counts(tell: Tell) -> None:
    """Without names the person who was woken has to open another tool before knowing whom to call."""
    told = tell(CHANGES, change("0x34 1x9"), change("0x34 2x9", principal="user/alice", group="sg-0123456789abcdef1"))
    assert told["who"] == "user/alice (2), role/Deploy (1) in 15m"
    assert told["what"] == f"{CALL} on sg-0123456789abcdef1 (2), {CALL} on {GROUP} (1) in 15m"


def test_the_very_first_change_is_named_while_its_series_is_still_held_at_zero(tell: Tell) -> None:
    """A series is held at 0 for birth_hold: just the page of a newcomer's first call would not say who it was."""
    told = tell(CHANGES, change("_x39 0x2", principal="user/alice"), change("7x60"))
    assert told == {"who": "user/alice (1) in 15m", "what": f"{CALL} on {GROUP} (1) in 15m"}


def test_three_names_and_five_calls_are_told_and_that_there_are_more(tell: Tell) -> None:
    """A message as long as the incident is large would be cut by the pager, wherever that happens."""
    many = [change(f"0x34 {number}x9", principal=f"user/u{number}", group=f"sg-{number:017x}") for number in range(1, 9)]
    told = tell(CHANGES, *many)
    assert told["who"] == "user/u8 (8), user/u7 (7), user/u6 (6) and more in 15m"
    assert told["what"].count(CALL) == 5
    assert told["what"].endswith(" and more in 15m")


def test_folded_names_are_others(tell: Tell) -> None:
    """`__other__` is no principal that anybody could look for."""
    told = tell(CHANGES, change("0x34 4x9", principal="__other__", group="__other__", call="__other__"))
    assert told == {"who": "others (4) in 15m", "what": "others (4) in 15m"}


def test_a_name_cannot_pass_for_the_text_around_it(tell: Tell) -> None:
    """A federated caller picks its own name: it must not end the line, turn the text around, or claim that somebody else did it."""
    forged = 'x (1) in 15m"\nHistory: https://evil.example.com \u202e' + "y" * 100
    told = tell(CHANGES, change("0x34 1x9", principal=forged, call=forged, group=forged))
    for text in told.values():
        assert text.startswith('"x (1) in 15m\\"\\nHistory: ')
        assert "\\u202eyy" in text
        assert "\n" not in text
        assert "y" * 64 not in text


def test_replicas_and_calls_that_touch_two_groups_do_not_double_a_count_of_one(tell: Tell) -> None:
    """Two replicas count the same call."""
    told = tell(CHANGES, change("0x34 1x9"), change("0x34 1x9", instance="b:1"))
    assert told["who"] == "role/Deploy (1) in 15m"


def test_an_alert_about_one_group_or_principal_tells_only_of_it(tell: Tell) -> None:
    """Who changed another group an hour ago is a suspect without a reason."""
    given = [change("0x34 1x9", group="sg-0123456789abcdef1", principal="user/bob"), change("0x34 1x9", principal="user/alice")]
    assert tell(CHANGES, *given, labels={**UNIT, "security_group_id": GROUP})["who"] == "user/alice (1) in 15m"
    told = tell(CHANGES, *given, labels={"account_id": UNIT["account_id"], "principal": "user/bob"})
    assert told["what"] == f"{CALL} on sg-0123456789abcdef1 (1) in 15m"


def test_another_account_and_region_are_not_told_of(tell: Tell) -> None:
    """Names of another account would send the person who was woken to the wrong people."""
    given = [change("0x34 1x9", region="eu-west-1"), change("0x34 1x9", account_id="444455556666")]
    told = tell(CHANGES, *given)
    assert set(told.values()) == {"no change of a group was counted lately; the history has all"}


def test_refused_calls_are_told_without_names(tell: Tell) -> None:
    """Successful changes of somebody else in the same quarter of an hour would be blamed for what was refused."""
    refused = {"event_source": "ec2.amazonaws.com", "event_name": CALL, "outcome": "denied"}
    told = tell(REFUSED, change("0x34 1x9"), series("awschange_events_total", "0x34 6x9", **refused))
    assert told["what"] == f"{CALL} in us-east-1 (6) in 15m"
    assert told["who"] == "refused calls are not counted by name; the history has all"


def test_calls_that_touch_no_group_are_told_with_the_principals_of_the_account(tell: Tell) -> None:
    """The counter of principals knows no region and no call, and the page has to say so."""
    made = {"event_source": "ec2.amazonaws.com", "event_name": "ModifyManagedPrefixList", "outcome": "success"}
    other = {**made, "event_name": "CreateSecurityGroup"}
    principal = {"series": 'awschange_principal_changes_total{account_id="111122223333",principal_type="role",principal="role/Deploy"}'}
    told = tell(
        CALLS,
        series("awschange_events_total", "0x34 1x9", **made),
        series("awschange_events_total", "0x34 9x9", **other),
        principal | {"values": "0x34 1x9"},
    )
    assert told == {"what": "ModifyManagedPrefixList (1) in 15m", "who": "role/Deploy (1) in 15m, of all changes of the account"}
