"""The shipped Alertmanager example on the real Alertmanager: who hears of what, how often, and in which words."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.rules import ALERTS
from tests.alertmanager import EXAMPLE, TEMPLATES, Alertmanager, example
from tests.e2e.conftest import wait_until

Program = Callable[[str], Path]

UNIT = {"account_id": "111122223333", "region": "us-east-1"}
EXPORTER = {"job": "aws-change-exporter"}
GROUP = "sg-0123456789abcdef0"
SEVERITIES = {alert.name: alert.severity for alert in ALERTS}
HOSTILE = 'a"b\n<script>alert(1)</script>\n<!channel> *bold* <https://evil.example.com|x>\r\nBcc: all@example.com\u202e'


def alert(name: str, **labels: str) -> dict[str, str]:
    """Return the labels of an alert with the severity that it has."""
    return {"alertname": name, "severity": SEVERITIES[name], **labels}


@pytest.fixture
def running(tmp_path: Path, program: Program) -> Iterator[Alertmanager]:
    """Run the example with a webhook for each receiver."""
    alertmanager = Alertmanager(tmp_path, program("prometheus-alertmanager"))
    try:
        alertmanager.process.start()
        yield alertmanager
    finally:
        alertmanager.close()


@pytest.fixture
def talking(tmp_path: Path, program: Program) -> Iterator[Alertmanager]:
    """Run the example with the receivers that it ships, which all talk to the test."""
    alertmanager = Alertmanager(tmp_path, program("prometheus-alertmanager"), shipped_receivers=True)
    try:
        alertmanager.process.start()
        yield alertmanager
    finally:
        alertmanager.close()


def seconds(duration: str) -> int:
    """Return a duration of one unit."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]


def names(body: dict[str, Any]) -> list[str]:
    """Return the alerts of a message that fire."""
    return sorted(item["labels"]["alertname"].removeprefix("AwsChange") for item in body["alerts"] if item["status"] == "firing")


def test_amtool_accepts_the_example(program: Program) -> None:
    """An Alertmanager that refuses its configuration starts without any receiver, or not at all."""
    done = subprocess.run([program("amtool"), "check-config", EXAMPLE], capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 templates" in done.stdout


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_every_alert_goes_where_its_severity_says(severity: str, program: Program) -> None:
    """A critical alert that lands among the tickets wakes nobody; one that matches no route is lost among others."""
    receiver = {"critical": "pager", "warning": "tickets", "info": "reading"}[severity]
    named = [alert for alert in ALERTS if alert.severity == severity]
    assert named
    for item in named:
        for labels in (UNIT, EXPORTER, UNIT | EXPORTER):
            given = [f"{name}={value}" for name, value in {"alertname": item.name, "severity": severity, **labels}.items()]
            argv = [program("amtool"), "config", "routes", "test", f"--config.file={EXAMPLE}", *given]
            done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=180)
            assert done.stdout.split() == ["dead-mans-switch" if item.name == "AwsChangeWatchdog" else receiver], (item.name, labels)


def test_routes_and_inhibitions_name_only_alerts_that_exist() -> None:
    """A renamed alert would quietly lose its inhibition, and a name with a slip of the pen inhibits nothing."""
    texts: list[str] = []

    def collect(value: Any) -> None:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if key in ("matchers", "source_matchers", "target_matchers"):
                texts.extend(inner)
            elif isinstance(inner, dict | list):
                collect(inner)

    config = example()
    collect([config["route"], config["inhibit_rules"]])
    named = {name for text in texts for name in re.findall(r"AwsChange\w+", text)}
    assert len(named) > 10
    assert named <= set(SEVERITIES), named - set(SEVERITIES)


def test_one_incident_is_one_page_however_many_alerts_it_sets_off(running: Alertmanager) -> None:
    """An intruder opens ssh to the world with the root user: six pages in a minute hide more than they tell."""
    running.fire(alert("AwsChangeByHand", **UNIT), alert("AwsChangeIngressOpened", port_class="admin", **UNIT))
    wait_until(lambda: running.sent("pager"), "the page is sent")
    opened = {"port_class": "admin", "security_group_id": GROUP}
    running.fire(alert("AwsChangeOpenIngress", **opened, **UNIT), alert("AwsChangeByRoot", **UNIT), alert("AwsChangeBurst", **UNIT))
    wait_until(lambda: any(len(names(body)) == 4 for body in running.sent("pager")), "the page is brought up to date")
    time.sleep(2.5)
    pages = running.sent("pager")
    assert len({body["groupKey"] for body in pages}) == 1
    assert names(pages[0]) == ["IngressOpened"]
    assert names(pages[-1]) == ["Burst", "ByRoot", "IngressOpened", "OpenIngress"]
    assert running.sent("reading") == []
    assert running.sent("tickets") == []


def test_a_second_group_that_is_opened_meanwhile_is_told(running: Alertmanager) -> None:
    """Grouping must not hide the second door that is opened while somebody closes the first."""
    first, second = (alert("AwsChangeOpenIngress", port_class="admin", security_group_id=f"{GROUP[:-1]}{n}", **UNIT) for n in "01")
    running.fire(first)
    wait_until(lambda: running.sent("pager"), "the first is told")
    running.fire(second)
    wait_until(lambda: names(running.sent("pager")[-1]) == ["OpenIngress"] * 2, "the second is told")


def test_an_opening_that_follows_one_that_ended_is_told_while_another_still_stands(running: Alertmanager) -> None:
    """Without send_resolved Alertmanager never forgets the first opening, and says nothing of the next one."""
    stands = alert("AwsChangeOpenIngress", port_class="admin", security_group_id=GROUP, **UNIT)
    opened = alert("AwsChangeIngressOpened", port_class="database", **UNIT)
    running.fire(stands, opened)
    wait_until(lambda: running.sent("pager") and names(running.sent("pager")[-1]) == ["IngressOpened", "OpenIngress"], "both are told")
    running.end(opened)
    wait_until(lambda: names(running.sent("pager")[-1]) == ["OpenIngress"], "the end is told")
    told = len(running.sent("pager"))
    running.fire(opened)
    wait_until(lambda: len(running.sent("pager")) > told, "the next opening is told")
    assert names(running.sent("pager")[-1]) == ["IngressOpened", "OpenIngress"]


def test_another_account_or_region_is_another_page(running: Alertmanager) -> None:
    """One page for all of them would leave the second account to whoever reads the first page to its end."""
    elsewhere = {**UNIT, "region": "eu-west-1"}
    running.fire(
        alert("AwsChangeIngressOpened", port_class="admin", **UNIT), alert("AwsChangeIngressOpened", port_class="admin", **elsewhere)
    )
    wait_until(lambda: len({body["groupKey"] for body in running.sent("pager")}) == 2, "both are told")


def test_an_exporter_whose_credentials_ended_is_one_page(running: Alertmanager) -> None:
    """Each account and region becomes stale by itself: twenty pages say no more than one."""
    regions = ("us-east-1", "eu-west-1", "eu-central-1")
    units = [{**EXPORTER, "source": "cloudtrail", "account_id": "111122223333", "region": region} for region in regions]
    running.fire(*(alert("AwsChangePollFailing", **unit) for unit in units))
    running.fire(*(alert("AwsChangeSourceStale", **unit) for unit in units))
    wait_until(lambda: running.sent("pager"), "the page is sent")
    time.sleep(2.5)
    (page,) = running.sent("pager")
    assert names(page) == ["SourceStale"] * 3
    assert running.sent("tickets") == []


def test_a_stale_account_does_not_hide_that_polls_of_another_fail(running: Alertmanager) -> None:
    """An inhibition by source alone would keep the ticket of the second account from whoever could still mend it in time."""
    source = {**EXPORTER, "source": "cloudtrail", "region": "us-east-1"}
    running.fire(alert("AwsChangeSourceStale", account_id="111122223333", **source))
    running.fire(alert("AwsChangePollFailing", account_id="444455556666", **source))
    (ticket,) = wait_until(lambda: running.sent("tickets"), "the ticket is sent")
    assert [item["labels"]["account_id"] for item in ticket["alerts"]] == ["444455556666"]


def test_a_trail_that_was_stopped_in_every_region_is_one_page(running: Alertmanager) -> None:
    """A trail of all regions leaves seventeen of them without one."""
    running.fire(alert("AwsChangeTrailTampered", event_name="StopLogging", **UNIT))
    wait_until(lambda: running.sent("pager"), "the page is sent")
    running.fire(*(alert("AwsChangeNoTrail", **{**UNIT, "region": region}) for region in ("us-east-1", "eu-west-1")))
    wait_until(lambda: len(names(running.sent("pager")[-1])) == 3, "the page is brought up to date")
    assert len({body["groupKey"] for body in running.sent("pager")}) == 1


def test_what_was_inhibited_is_told_once_its_source_has_ended(running: Alertmanager) -> None:
    """Inhibition delays; if it hid, a change by hand behind a page that ended would be nobody's."""
    opened, by_hand = alert("AwsChangeIngressOpened", port_class="admin", **UNIT), alert("AwsChangeByHand", **UNIT)
    running.fire(opened, by_hand)
    wait_until(lambda: running.sent("pager"), "the page is sent")
    time.sleep(2.5)
    assert running.sent("reading") == []
    running.end(opened)
    (told,) = wait_until(lambda: running.sent("reading"), "the rest is told")
    assert names(told) == ["ByHand"]


_UNIT = ("account_id", "region")
INHIBITED: dict[tuple[str, str], tuple[str, ...]] = {
    **{("ExporterDown", target): ("job",) for target in ("SourceStale", "PostureStale", "PollFailing", "ReplicaDown")},
    **{("StoreFailing", target): ("job",) for target in ("SourceStale", "PollFailing")},
    **{(source, "PollFailing"): ("job", "source", *_UNIT) for source in ("SourceStale", "PostureStale")},
    **{(source, "ByHand"): _UNIT for source in ("IngressOpened", "Burst", "MassRemoval", "ByRoot")},
    ("NewPrincipalBusy", "ByNewPrincipal"): ("account_id", "principal_type", "principal"),
}
"""What may be inhibited by what, and the labels in which the two must agree; nothing else may be."""


def test_no_change_is_hidden_for_good_by_one_that_came_before() -> None:
    """Were the source to last longer after its last cause than the target does, a change made meanwhile would never be told."""
    windows = {item.name: seconds(str(bound.default)) for item in ALERTS for bound in item.thresholds if bound.name == "window"}
    for source, target in INHIBITED:
        if target == "ByHand":
            assert windows[f"AwsChange{source}"] <= windows["AwsChangeByHand"]


def test_only_what_says_the_same_of_the_same_thing_is_inhibited(running: Alertmanager) -> None:
    """An inhibition that is too wide hides another incident, and nobody ever notices."""
    kinds = ("account_id", "region", "security_group_id", "port_class", "principal_type", "principal", "job", "source")
    cases: list[tuple[str, str, str]] = []
    posted: list[dict[str, str]] = []

    def case(source: str, target: str, differs: str) -> None:
        labels = {kind: f"{kind}-{len(cases)}" for kind in kinds}
        posted.append(alert(f"AwsChange{source}", case=str(len(cases)), **labels))
        posted.append(alert(f"AwsChange{target}", case=str(len(cases)), target="yes", **labels | ({differs: "another"} if differs else {})))
        cases.append((source, target, differs))

    short = [name.removeprefix("AwsChange") for name in SEVERITIES]
    for source in short:
        for target in short:
            case(source, target, "")
    for (source, target), labels in INHIBITED.items():
        for label in labels:
            case(source, target, label)
    for start in range(0, len(posted), 500):
        running.fire(*posted[start : start + 500])
    suppressed = {
        cases[int(item["labels"]["case"])] for item in running.alerts() if item["status"]["inhibitedBy"] and "target" in item["labels"]
    }
    assert suppressed == {(source, target, "") for source, target in INHIBITED}


def test_names_that_callers_chose_do_no_harm_in_mail_chat_and_pager(talking: Alertmanager) -> None:
    """The text of a page is written by whom it warns of: it must forge no line, link, header, mention or script, nor fill the screen."""
    said = {
        "summary": "Somebody new changed security groups.",
        "description": f"Principal {HOSTILE}{'x' * 5000}",
        "who": HOSTILE,
        "what": f"{HOSTILE} on {GROUP}",
        "history_url": "https://changes.example.com/history?account_id=111122223333&region=us-east-1",
        "runbook_url": "javascript:alert(1)",
    }
    for name in ("AwsChangeIngressOpened", "AwsChangeByNewPrincipal", "AwsChangeWebIngressOpened"):
        talking.fire(alert(name, principal=HOSTILE, **{**UNIT, "region": HOSTILE}), annotations=said)
    wait_until(lambda: talking.sent("pagerduty") and talking.sent("chat") and talking.mail.messages(), "all three are sent")

    (mail,) = talking.mail.messages()
    assert set(mail) <= {"From", "To", "Subject", "Message-Id", "Date", "Content-Type", "MIME-Version"}, mail.items()
    assert "evil.example.com" in mail["Subject"]
    assert "\n" not in mail["Subject"]
    html, plain = (mail.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert plain is not None
    assert "<script" not in html.get_content()
    assert 'href="javascript' not in html.get_content()
    assert 'href="https://changes.example.com/history?account_id=111122223333&amp;region=us-east-1"' in html.get_content()
    attachment = talking.sent("chat")[0]["attachments"][0]
    page = talking.sent("pagerduty")[0]["payload"]
    texts = [
        plain.get_content(),
        attachment["title"],
        attachment["text"],
        attachment["fallback"],
        page["summary"],
        page["custom_details"]["firing"],
    ]
    for text in texts:
        assert "<" not in text
        assert "\u202e" not in text
        assert not re.search(r"(?m)^ ?(Bcc|<script)", text), text
        assert len(text) < 5000
    assert attachment["mrkdwn_in"] == ["pretext"], "Slack's markup would be taken from the text"
    assert talking.sent("pagerduty")[0]["client_url"] == said["history_url"]


def test_a_message_about_very_many_alerts_stays_short_and_says_so(talking: Alertmanager) -> None:
    """A thousand groups opened at once must not make a message that the pager refuses for its size."""
    groups = [f"sg-{number:017x}" for number in range(1000)]
    talking.fire(
        *(alert("AwsChangeOpenIngress", port_class="admin", security_group_id=group, **UNIT) for group in groups),
        annotations={"summary": "s" * 900, "description": "d" * 900, "who": "w" * 900, "what": "c" * 900},
    )
    whole = "[FIRING 1000] 111122223333 us-east-1: OpenIngress"
    wait_until(lambda: talking.sent("pagerduty") and talking.sent("pagerduty")[-1]["payload"]["summary"] == whole, "the page tells of all")
    page = talking.sent("pagerduty")[-1]
    assert "10 of 1000 firing alerts are shown" in page["payload"]["custom_details"]["firing"]
    assert len(json.dumps(page)) < 60_000


def test_templates_are_those_that_the_example_names() -> None:
    """A name that no template defines is found by Alertmanager only when it has something to send, and nothing is sent."""
    used = set(re.findall(r'template "(aws_change\.\w+)"', EXAMPLE.read_text() + TEMPLATES.read_text()))
    defined = set(re.findall(r'define "(aws_change\.\w+)"', TEMPLATES.read_text()))
    assert used
    assert used == defined
