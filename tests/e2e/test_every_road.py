"""A rule that the real AWS command line authorizes comes by every road that there is, and counts once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.families import SOURCE_FAMILIES
from sandbox.server import Sandbox, Settings
from tests.e2e.conftest import SHOWN_WHERE_CONFIGURED, SHOWN_WITH_AWS, Process, free_port, get, names_of_metrics, wait_until
from tests.sandbox_client import ACCOUNT, KEY, REGION
from tests.soak.roads import Builder

pytestmark = pytest.mark.e2e
QUEUES = ("s3-direct", "s3-by-sns", "cloudtrail-by-sns", "s3-by-eventbridge")
ROADS = {"cloudtrail", "eventbridge", "s3-listing", *QUEUES}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox that is quick."""
    second = timedelta(seconds=1)
    with Sandbox(Settings(delay=second, bus_delay=timedelta(0), trail_interval=second, digest_interval=2 * second)) as running:
        yield running


def test_a_rule_of_the_aws_command_line_moves_the_metric_on_each_road(
    tmp_path: Path, sandbox: Sandbox, program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    """Each road is one that a team may have alone: what does not come by it, nobody there would ever see."""
    roads = Builder(sandbox.url).build([(ACCOUNT, REGION)])
    for name, value in {
        "AWS_ENDPOINT_URL": sandbox.url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PAGER": "",
    }.items():
        monkeypatch.setenv(name, value)
    addresses = (roads.s3_direct, roads.s3_by_sns, roads.cloudtrail_by_sns, roads.s3_by_eventbridge)
    config = tmp_path / "exporter.yml"
    config.write_text(
        json.dumps(
            {
                "store": {"path": str(tmp_path / "state.db")},
                "metrics": {"birth_hold": "0s"},
                "posture": {"poll_interval": "2s"},
                "sources": [
                    {"type": "cloudtrail", "poll_interval": "1s", "backfill": "0s"},
                    {"type": "eventbridge", "queue_url": roads.events, "wait_time": "1s"},
                    {"type": "s3", "name": "s3-listing", "bucket": roads.bucket, "poll_interval": "1s", "digest_interval": "1s"},
                    *(
                        {"type": "s3", "name": name, "queue_url": address, "poll_interval": "1s", "wait_time": "1s"}
                        for name, address in zip(QUEUES, addresses, strict=True)
                    ),
                ],
            }
        )
    )
    port = free_port()
    argv = [sys.executable, "-m", "exporter", "serve", "--config.file", str(config), "--web.listen-address", f"127.0.0.1:{port}"]
    exporter = Process("exporter", argv, tmp_path, f"http://127.0.0.1:{port}/-/ready")
    exporter.start()

    def page() -> list[str]:
        return get(f"http://127.0.0.1:{port}/metrics").decode().splitlines()

    def polled() -> bool:
        well = [line for line in page() if line.startswith("awschange_exporter_poll_success{")]
        return len(well) == len(ROADS) + 1 and all(line.endswith(" 1") for line in well)

    def roads_of_the_change() -> set[str]:
        found = json.loads(CliRunner().invoke(main, ["history", group, "--config.file", str(config), "--format", "json"]).stdout)
        return {road for row in found if row["event_name"] == "AuthorizeSecurityGroupIngress" for road in row["sources"]}

    try:
        wait_until(polled, "every road was polled", 40)
        aws = program("aws")
        made = subprocess.run([aws, *_CREATE], capture_output=True, text=True, check=True, timeout=60)
        group = json.loads(made.stdout)["GroupId"]
        subprocess.run([aws, *_AUTHORIZE, "--group-id", group], capture_output=True, check=True, timeout=60)
        wait_until(lambda: roads_of_the_change() == ROADS, "the change came by every road", 60)
        opened = f'awschange_ingress_opened_total{{account_id="{ACCOUNT}",region="{REGION}",port_class="admin"}} 1'
        wait_until(lambda: opened in page(), "the metric moved", 10)
        stands = f'security_group_id="{group}",protocol="tcp",port_class="admin",ip_version="4",exposure="unattached"}} 1'
        wait_until(lambda: any(line.endswith(stands) for line in page()), "the gauge shows what stands open", 10)
        for name in ROADS:
            fates = [line for line in page() if f'records_total{{source="{name}",fate="' in line and not line.endswith(" 0")]
            assert any('fate="stored"' in line or 'fate="duplicate"' in line for line in fates), (name, fates)
        # Names in alerts that are never exposed would never fire.
        counted = {family.name for family in SOURCE_FAMILIES} - SHOWN_WHERE_CONFIGURED
        shown = (SHOWN_WITH_AWS & names_of_metrics((repository / "deploy/prometheus/alerts.yml").read_text())) - _NOT_HERE
        assert shown, "rules name what stands"
        wait_until(
            lambda: counted | shown <= {line.partition("{")[0] for line in page()}, "all that is counted and stands is on the page", 20
        )
    finally:
        exporter.stop()


_NOT_HERE = {
    "awschange_aws_config_recorder_failing",  # no recorder
    "awschange_exporter_aws_estimated_cost_dollars_per_day",  # after some time
    "awschange_exporter_exception_expiry_timestamp_seconds",  # no exception in the configuration
    "awschange_security_group_rules_quota_ratio",  # from half of the quota on
}
"""What rules name and this estate has no reason to show; the tests of each show it."""

_CREATE = ("ec2", "create-security-group", "--group-name", "web", "--description", "d", "--output", "json")
_AUTHORIZE = ("ec2", "authorize-security-group-ingress", "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
