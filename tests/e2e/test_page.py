"""From a trail file to the page, through the real Prometheus and Alertmanager and the rules and examples as they are shipped."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from exporter.families import SOURCE_FAMILIES
from tests.e2e.conftest import SHOWN_WHERE_CONFIGURED, SHOWN_WITH_AWS, names_of_metrics

if TYPE_CHECKING:
    from conftest import Stack

pytestmark = pytest.mark.e2e

UNIT = 'account_id="111122223333",region="us-east-1"'
OPENED = f"awschange_ingress_opened_total{{{UNIT}}}"
QUIET_SECONDS = 6.0
"""Several times what a page takes from trail file to webhook here, where nothing must come."""

Authorize = Callable[..., dict[str, Any]]
Eventually = Callable[..., Any]


def opened(port_class: str) -> str:
    return f'awschange_ingress_opened_total{{{UNIT},port_class="{port_class}"}}'


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=30)


def stays_quiet(stack: Stack) -> None:
    """Fail where anything fires, pages or is posted within a time in which a page would have come."""
    before = stack.webhook.posts()
    deadline = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < deadline:
        assert stack.webhook.posts() == before, "something was posted that nobody should hear of"
        time.sleep(0.2)
    if not before:
        assert stack.query('ALERTS{alertname!="AwsChangeWatchdog"}') == []


def test_opening_ssh_to_the_world_pages_with_account_region_and_a_link_to_the_history(
    stack: Stack, authorize: Authorize, eventually: Eventually
) -> None:
    """The main job of the product: were any link of the chain broken, the person on call would sleep on."""
    stack.external_url = f"http://localhost:{stack.exporter_address.split(':')[1]}"
    stack.add_trail("older", authorize("0a4c7d8e-1111-4222-8333-000000000001", 22, cidr="192.0.2.7/32", when=long_ago()))
    stack.start()
    eventually(lambda: stack.value(opened("admin")) == 0, "the paging counter stands at 0")
    time.sleep(2)
    assert stack.webhook.posts() == []

    event_id = "0a4c7d8e-1111-4222-8333-000000000002"
    stack.add_trail("opening", authorize(event_id, 22))
    started = time.monotonic()
    (page,) = eventually(stack.webhook.pages, "the page reaches the webhook", 25)
    assert time.monotonic() - started < 20

    assert page["labels"] == {
        "alertname": "AwsChangeIngressOpened",
        "account_id": "111122223333",
        "region": "us-east-1",
        "port_class": "admin",
        "severity": "critical",
    }
    assert "111122223333" in page["annotations"]["description"]
    assert "us-east-1" in page["annotations"]["description"]
    assert page["annotations"]["history_url"] == f"{stack.external_url}/history?account_id=111122223333&region=us-east-1"

    counts = {sample["metric"]["port_class"]: float(sample["value"][1]) for sample in stack.query(OPENED)}
    assert counts.pop("admin") == 1
    assert set(counts.values()) == {0.0}
    exemplars = eventually(lambda: stack.exemplars(opened("admin")), "Prometheus keeps the exemplar")
    assert {exemplar["labels"]["event_id"] for exemplar in exemplars} == {event_id}


def test_the_very_first_file_of_a_new_account_pages_too(stack: Stack, authorize: Authorize, eventually: Eventually) -> None:
    """A series that appears with its first change in it has no increase: without the birth hold nobody would be paged."""
    stack.start()
    assert stack.query("awschange_ingress_opened_total") == []
    time.sleep(1.5)  # CloudTrail's clock has whole seconds: the change must come after the source first went live.
    stack.add_trail("first", authorize("0a4c7d8e-2222-4222-8333-000000000001", 3389))
    (page,) = eventually(stack.webhook.pages, "the page reaches the webhook", 25)
    assert (page["labels"]["account_id"], page["labels"]["region"], page["labels"]["port_class"]) == ("111122223333", "us-east-1", "admin")

    link = page["annotations"]["history_url"]
    assert link == f"http://{stack.exporter_address}/history?account_id=111122223333&region=us-east-1"
    with urlopen(link, timeout=5) as answer:
        shown = html.unescape(answer.read().decode())
    assert "sg-0123456789abcdef0" in shown
    assert "AuthorizeSecurityGroupIngress" in shown


def test_a_first_start_over_an_archive_of_old_changes_pages_nobody(stack: Stack, authorize: Authorize, eventually: Eventually) -> None:
    """Counting the past as live would wake someone for last month's changes on the day of installation."""
    for day in range(3):
        records = (
            authorize(f"0a4c7d8e-3333-4222-8333-0000000{day:02}{number:03}", 22, when=long_ago() + timedelta(days=day, minutes=number))
            for number in range(30)
        )
        stack.add_trail(f"old-{day}", *records)
    stack.start()
    eventually(lambda: stack.value('sum(awschange_exporter_records_total{fate="stored"})') == 90, "the archive is in the store")
    eventually(lambda: stack.value(f"sum({OPENED})") == 0, "the paging counters stand at 0")
    stays_quiet(stack)
    assert stack.value(f"sum(awschange_events_total{{{UNIT}}})") == 0

    # The silence above means something only if the same chain does page.
    stack.add_trail("now", authorize("0a4c7d8e-3333-4222-8333-000000099999", 22))
    (page,) = eventually(stack.webhook.pages, "a change of today does page")
    assert page["labels"]["alertname"] == "AwsChangeIngressOpened"


def test_a_killed_exporter_goes_on_counting_and_no_page_comes_twice(stack: Stack, authorize: Authorize, eventually: Eventually) -> None:
    """Counts kept in memory would fall to 0 or count again: either a page for nothing, or none for a change during the outage."""
    stack.add_trail("older", authorize("0a4c7d8e-4444-4222-8333-000000000001", 22, cidr="192.0.2.7/32", when=long_ago()))
    stack.start()
    eventually(lambda: stack.value(opened("admin")) == 0, "the paging counter stands at 0")
    time.sleep(1.5)
    stack.add_trail("opening", authorize("0a4c7d8e-4444-4222-8333-000000000002", 22))
    eventually(stack.webhook.pages, "the page reaches the webhook")

    stack.exporter.kill()
    eventually(lambda: stack.value('up{job="aws-change-exporter"}') == 0, "Prometheus sees the exporter gone")
    stack.exporter.start()
    eventually(lambda: stack.value('up{job="aws-change-exporter"}') == 1, "Prometheus sees the exporter again")
    eventually(lambda: stack.value(opened("admin")) == 1, "the counter goes on from where it was")
    stays_quiet(stack)
    assert len(stack.webhook.pages()) == 1

    stack.exporter.kill()
    stack.add_trail("meanwhile", authorize("0a4c7d8e-4444-4222-8333-000000000003", 5432))
    eventually(lambda: stack.value('up{job="aws-change-exporter"}') == 0, "Prometheus sees the exporter gone")
    stack.exporter.start()
    eventually(lambda: len(stack.webhook.pages()) > 1, "the change made during the outage pages")
    assert sorted(page["labels"]["port_class"] for page in stack.webhook.pages()) == ["admin", "database"]
    assert stack.value(opened("admin")) == 1
    assert stack.value(opened("database")) == 1
    assert stack.value(f"sum(resets({OPENED}[10m]))") == 0


def test_every_metric_that_a_rule_names_is_really_exposed(
    stack: Stack, repository: Path, authorize: Authorize, eventually: Eventually
) -> None:
    """A query for a name that is gone returns nothing, and an alert on nothing never fires."""
    stack.external_url = "https://changes.example.com/"
    stack.add_trail("older", authorize("0a4c7d8e-5555-4222-8333-000000000001", 22, when=long_ago()))
    stack.start()
    eventually(lambda: stack.value(opened("admin")) == 0, "the unit is known")
    # What is counted by principal has no series before that principal's first change.
    stack.add_trail("now", authorize("0a4c7d8e-5555-4222-8333-000000000002", 22))
    eventually(lambda: stack.value("sum(awschange_principal_changes_total)") is not None, "the change is counted for its principal")
    rules = (repository / "deploy/prometheus/alerts.yml").read_text()
    known = json.loads(stack.names())
    named = names_of_metrics(rules)
    assert len(named) > 7
    # What only sources of AWS count, and what stands, is looked for where they run (test_every_road.py).
    named -= {family.name for family in SOURCE_FAMILIES} | SHOWN_WITH_AWS | SHOWN_WHERE_CONFIGURED
    assert named <= set(known["data"]), named - set(known["data"])
