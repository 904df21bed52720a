"""The past as blocks in a real Prometheus, and a live exporter that goes on where they end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.conftest import get

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SERIES = 'awschange_events_total{account_id="111122223333",region="us-east-1",event_name="AuthorizeSecurityGroupIngress",outcome="success"}'


def backfilled(stack, program, *options):
    """Run the commands of docs/backfill.md."""
    out = stack.directory / "past.om"
    config = stack.directory / "exporter.yml"
    command = [sys.executable, "-m", "exporter", "backfill", "--config.file", config, "--openmetrics", out, "--force"]
    address = ["--label", f"instance={stack.exporter_address}"]
    done = subprocess.run([*command, *address, *options], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    blocks = stack.directory / "tsdb"
    blocks.mkdir(exist_ok=True)
    make = [program("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics", "-q", out, blocks]
    done = subprocess.run(make, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def at(stack, expression, moment):
    """The one value of a query at a time, None where there is none."""
    url = f"{stack.prometheus_url}/api/v1/query?query={quote(expression)}&time={moment.timestamp()}"
    found = json.loads(get(url))["data"]["result"]
    assert len(found) < 2, found
    return float(found[0]["value"][1]) if found else None


def record(authorize, number, when, **more):
    return authorize(f"0a4c7d8e-9999-4222-8333-{number:012}", 22, when=when, **more)


@pytest.fixture
def past(stack, authorize, eventually):
    """An exporter that has read the changes of 40 days, one every other day; nothing has scraped it."""
    now = datetime.now(UTC).replace(microsecond=0)
    times = [now - timedelta(days=2 * day, hours=5) for day in range(1, 20)]
    stack.add_trail("past", *(record(authorize, number, when) for number, when in enumerate(times)))
    stack._write("exporter.yml", stack._exporter_config())
    stack._write("prometheus.yml", stack._prometheus_config() | {"rule_files": [], "alerting": {}})
    stack.prometheus.argv.append("--storage.tsdb.retention.time=1y")
    stack.exporter.start()
    time.sleep(2)
    return times


def test_prometheus_shows_the_past_where_it_happened_and_what_is_live_after_it(stack, past, program, authorize, eventually):
    """An import that Prometheus reads otherwise, or a burst where the past ends, is found out only when it pages somebody."""
    until = datetime.now(UTC)
    backfilled(stack, program, "--until", until.isoformat())
    stack.prometheus.start()
    eventually(lambda: stack.value('up{job="aws-change-exporter"}') == 1, "Prometheus has scraped the exporter")
    for when in past:
        assert at(stack, SERIES, when + timedelta(minutes=4)) - at(stack, SERIES, when - timedelta(seconds=1)) == 1
        for hours in (1, 6, 24):
            assert at(stack, f"increase({SERIES}[{hours}h])", when + timedelta(minutes=20)) == pytest.approx(1, abs=0.11)
        assert at(stack, f"increase({SERIES}[1h])", when - timedelta(seconds=2)) == 0
        assert at(stack, f"increase({SERIES}[1h])", when + timedelta(hours=2)) == 0
    # The seam: nothing for what Prometheus did not see happen, and each change after it once.
    eventually(lambda: stack.value(SERIES) == 0, "the live counter stands at 0")
    assert stack.value(f"increase({SERIES}[1h])") == 0
    assert stack.value(f"increase({SERIES}[30d])") == pytest.approx(14, abs=0.7)
    stack.add_trail("live", *(record(authorize, 100 + number, datetime.now(UTC)) for number in range(5)))
    eventually(lambda: stack.value(SERIES) == 5, "the live changes are counted")
    assert stack.value(f"round(increase({SERIES}[1h]))") in (5, 6)
    assert stack.value(f"increase({SERIES}[60d])") == pytest.approx(24, abs=0.5)
    assert stack.value(f"count(count_over_time({SERIES}[60d]))") == 1


def test_a_second_import_of_the_same_past_changes_nothing(stack, past, program, eventually):
    """Who is not sure whether the import worked runs it again; the counts must not double."""
    until = (datetime.now(UTC) - timedelta(hours=4)).isoformat()
    since = (datetime.now(UTC) - timedelta(days=80)).isoformat()
    for _ in range(2):
        backfilled(stack, program, "--since", since, "--until", until)
    stack.prometheus.start()
    eventually(lambda: stack.value('up{job="aws-change-exporter"}') == 1, "Prometheus has scraped the exporter")
    assert at(stack, f"increase({SERIES}[80d])", datetime.now(UTC)) == pytest.approx(len(past), abs=0.5)
    assert len([path for path in Path(stack.directory / "tsdb").iterdir() if (path / "meta.json").exists()]) >= 2


def test_scraped_before_and_written_until_now_the_counter_goes_on(stack, past, program, authorize, eventually):
    """A new Prometheus beside an exporter that another one has scraped for long: its first scrape must not look like a burst."""
    get(f"http://{stack.exporter_address}/metrics")
    stack.add_trail("live", *(record(authorize, 200 + number, datetime.now(UTC)) for number in range(3)))
    shown = f"{SERIES.split('{', maxsplit=1)[0]}{{"
    eventually(
        lambda: (
            f'{shown}account_id="111122223333",region="us-east-1",event_source="ec2.amazonaws.com",event_name="AuthorizeSecurityGroupIngress",outcome="success"}} 3'.encode()
            in get(f"http://{stack.exporter_address}/metrics")
        ),
        "it shows 3",
    )
    time.sleep(1.1)
    backfilled(stack, program, "--until", datetime.now(UTC).isoformat())
    stack.prometheus.start()
    eventually(lambda: stack.value(SERIES) == 3, "Prometheus has scraped the exporter")
    assert stack.value(f"resets({SERIES}[1h])") <= 1
    assert stack.value(f"increase({SERIES}[1h])") == pytest.approx(3, abs=0.31)
    assert stack.value(f"increase({SERIES}[60d])") == pytest.approx(len(past) + 3, abs=0.5)
