"""The service with its real access to AWS, on the sandbox: a change is made by boto3 and comes out as a count."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.config import validate
from exporter.logs import make_logger
from exporter.service import Service
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, KEY, REGION, client
from tests.test_service import wait_until

MEMBER = "444455556666"
ROLE = f"arn:aws:iam::{MEMBER}:role/aws-change-exporter"
OTHER = "eu-west-1"


@pytest.fixture
def faults() -> Faults:
    """Return what goes wrong in the sandbox: nothing, unless a test says otherwise."""
    return Faults()


@pytest.fixture
def sandbox(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Serve a sandbox in which events are seen at once, with credentials of its account in the environment."""
    for name, value in (("ACCESS_KEY_ID", KEY), ("SECRET_ACCESS_KEY", "example"), ("REGION", REGION), ("DEFAULT_REGION", REGION)):
        monkeypatch.setenv(f"AWS_{name}", value)
    with Sandbox(Settings(delay=timedelta(0), deliver=False, faults=faults)) as running:
        yield running


def change(sandbox: Sandbox, region: str = REGION) -> None:
    """Open ssh of a new group to the internet."""
    ec2 = client(sandbox, "ec2", region)
    group = ec2.create_security_group(GroupName=f"g{time.monotonic_ns()}", Description="test")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")


def configuration(directory: Path, sandbox: Sandbox, **aws: Any) -> dict[str, Any]:
    """Return a configuration without any source: then Event history is read."""
    return {
        "store": {"path": str(directory / "state.db")},
        "aws": {"endpoint_url": sandbox.url, "regions": [REGION, OTHER], "discovery_interval": "1s", **aws},
        "metrics": {"birth_hold": "0s"},
    }


def test_a_change_in_any_region_becomes_a_live_count(tmp_path: Path, sandbox: Sandbox) -> None:
    """From the call to /metrics through every part that is ours, in two regions polled each by itself."""
    data = configuration(tmp_path, sandbox)
    data["sources"] = [{"type": "cloudtrail", "poll_interval": "1s", "backfill": "0s"}]
    log = io.StringIO()
    service = Service(validate(data, "test"), None, make_logger("info", "json", log))
    service.start()
    try:

        def opened(region: str) -> float | None:
            page = service.pipeline.exposition.page().body.decode()
            start = f'awschange_ingress_opened_total{{account_id="{ACCOUNT}",region="{region}",port_class="admin"}} '
            found = [line for line in page.splitlines() if line.startswith(start)]
            return float(found[0].removeprefix(start)) if found else None

        wait_until(lambda: (opened(REGION), opened(OTHER)) == (0, 0), 30)
        change(sandbox)
        wait_until(lambda: opened(REGION) == 1, 30)
        change(sandbox, OTHER)
        wait_until(lambda: opened(OTHER) == 1, 30)
        assert opened(REGION) == 1
        page = service.pipeline.exposition.page().body.decode()
        assert 'awschange_exporter_units{source="cloudtrail"} 2' in page
        assert f'awschange_exporter_gaps_total{{source="cloudtrail",account_id="{ACCOUNT}",region="{OTHER}"}} 0' in page
        assert "awschange_exporter_aws_requests_total" in page
        changes = [json.loads(line) for line in log.getvalue().splitlines() if '"change"' in line]
        assert {line["region"] for line in changes} == {REGION, OTHER}
    finally:
        service.stop()


def test_one_round_with_defaults_reads_the_past_and_names_each_region(tmp_path: Path, sandbox: Sandbox) -> None:
    """The first thing that anybody tries."""
    change(sandbox)
    # A round ends at AWS's time at its beginning, in whole seconds: what happened in the last two is left to the next one.
    time.sleep(2)
    config = tmp_path / "config.yml"
    config.write_text(json.dumps(configuration(tmp_path, sandbox)))
    result = CliRunner().invoke(main, ["poll", "--config.file", str(config), "--log.level", "error"])
    assert result.exit_code == 0, result.output
    lines = sorted(result.stdout.splitlines())
    units = [f"{name} {ACCOUNT} {region}" for name in ("cloudtrail", "posture") for region in (OTHER, REGION)]
    assert [line.split(":")[0] for line in lines] == units
    assert "stored 2 (0 live)" in lines[1]
    assert "2 security groups with 3 rules: 1 open to the internet, 0 excepted" in lines[3]
    listed = CliRunner().invoke(main, ["history", "--config.file", str(config)])
    assert "AuthorizeSecurityGroupIngress" in listed.output


@pytest.mark.parametrize("faults", [Faults(deny=frozenset({"sts:AssumeRole"}))])
def test_an_account_whose_role_cannot_be_assumed_fails_alone_and_its_external_id_is_not_told(tmp_path: Path, sandbox: Sandbox) -> None:
    """The other account is read, the exit status tells, and the secret is in no line."""
    change(sandbox)
    secret = "hush-hush-external"
    data = configuration(tmp_path, sandbox, own_account=True, accounts=[{"role_arn": ROLE, "external_id": secret}])
    config = tmp_path / "config.yml"
    config.write_text(json.dumps(data))
    result = CliRunner().invoke(main, ["poll", "--config.file", str(config), "--log.level", "debug"])
    assert result.exit_code == 1
    assert f"cloudtrail {ACCOUNT} {REGION}: complete; read" in result.stdout
    assert f"cloudtrail {MEMBER}" in result.stdout
    assert "INCOMPLETE (" in result.stdout
    assert secret not in result.output


@pytest.mark.parametrize("faults", [Faults(clock_skew=timedelta(seconds=-40)), Faults(clock_skew=timedelta(seconds=40))])
def test_what_happens_right_after_the_start_is_live_though_the_clocks_disagree(tmp_path: Path, sandbox: Sandbox) -> None:
    """By our clock, 40 s ahead of AWS's, a change of the first 40 seconds would have happened before the start, and page nobody."""
    data = configuration(tmp_path, sandbox, regions=[REGION])
    data["sources"] = [{"type": "cloudtrail", "poll_interval": "1s", "backfill": "0s"}]
    service = Service(validate(data, "test"), None, make_logger("error", "json", io.StringIO()))
    service.start()
    try:
        opened = f'awschange_ingress_opened_total{{account_id="{ACCOUNT}",region="{REGION}",port_class="admin"}} '
        wait_until(lambda: f"{opened}0" in service.pipeline.exposition.page().body.decode(), 30)
        change(sandbox)
        wait_until(lambda: f"{opened}1" in service.pipeline.exposition.page().body.decode(), 30)
    finally:
        service.stop()
