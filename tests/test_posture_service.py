"""Whether what stands is read, and shown, follows the configuration: by default, switched off, and over reloads."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from exporter.aws import Aws
from exporter.checks import STATE_FAMILIES
from exporter.config import validate
from exporter.logs import make_logger
from exporter.service import Service
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, KEY, REGION, client
from tests.test_service import wait_until

MEMBER = "444455556666"
OTHER = "eu-west-1"
OPEN, EXCEPTED = "awschange_open_ingress_rules", "awschange_open_ingress_excepted_rules"
STATES = frozenset(family.name for family in STATE_FAMILIES)


class World:
    """A sandbox with a port open in it, and services on it."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self.sandbox, self.directory, self.config = sandbox, directory, directory / "config.yml"
        self.services: list[Service] = []
        ec2 = client(sandbox, "ec2")
        self.group = ec2.create_security_group(GroupName="bastion", Description="test")["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=self.group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")

    def write(self, **sections: Any) -> dict[str, Any]:
        """Write a configuration, with the store in the test's directory."""
        store = {"path": str(self.directory / "state.db")}
        # A pattern makes the names endless: then one question brings all writes, and a round takes seconds.
        watch = {"events": [{"event_source": "ec2.amazonaws.com", "event_name": "NothingLike*"}]}
        data = {"store": store, "metrics": {"birth_hold": "0s"}, "watch": watch, **sections}
        self.config.write_text(json.dumps(data))
        return data

    def service(self, **sections: Any) -> Service:
        """Make a service of a configuration."""
        made = Service(validate(self.write(**sections), "test"), self.config, make_logger("error", "json", io.StringIO()))
        self.services.append(made)
        return made

    def asked(self) -> set[str]:
        """Return the actions of AWS that were asked for."""
        with urlopen(f"{self.sandbox.url}/-/actions") as answer:
            return {row["action"] for row in json.load(answer)}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serve a sandbox to whoever takes address, credentials and region from the environment."""
    monkeypatch.chdir(tmp_path)
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as sandbox:
        for name, value in {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": "example", "REGION": REGION, "ENDPOINT_URL": sandbox.url}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        made = World(sandbox, tmp_path)
        client(sandbox, "sts").get_caller_identity()
        yield made
        for service in made.services:
            service.stop()


def families(service: Service) -> set[str]:
    """Return the families of which the page has series."""
    service.pipeline.exposition.refresh()
    lines = service.pipeline.exposition.page().body.decode().splitlines()
    return {line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")}


def series(service: Service, family: str) -> list[str]:
    """Return the series of a family."""
    return [line for line in service.pipeline.exposition.page().body.decode().splitlines() if line.startswith(f"{family}{{")]


def test_an_empty_configuration_reads_event_history_and_ec2(world: World) -> None:
    """What the design promises of `{}`: the account and region of the credentials, both ways."""
    service = world.service()
    reports = service.poll_once()
    assert all(report.complete for report in reports), [report.error for report in reports]
    assert [(report.source, report.account_id, report.region) for report in reports] == [
        ("cloudtrail", ACCOUNT, REGION), ("posture", ACCOUNT, REGION),
    ]  # fmt: skip
    assert {"cloudtrail:LookupEvents", "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules"} <= world.asked()
    assert "config:SelectResourceConfig" not in world.asked()
    assert {OPEN, "awschange_security_groups", "awschange_trails_logging", "awschange_exporter_snapshot_timestamp_seconds"} <= families(
        service
    )


def test_switched_off_nothing_of_it_is_asked_or_shown(world: World) -> None:
    """Otherwise `iam-policy`, which leaves its permissions out, makes each reading a denied call, or the page shows what nobody reads."""
    made = {"cloudtrail:LookupEvents", "sts:GetCallerIdentity", "ec2:CreateSecurityGroup", "ec2:AuthorizeSecurityGroupIngress"}
    service = world.service(posture={"enabled": False})
    reports = service.poll_once()
    assert [(report.source, report.complete) for report in reports] == [("cloudtrail", True)]
    assert world.asked() == made
    assert families(service) & STATES == set()


def test_files_alone_ask_nothing_of_aws(world: World) -> None:
    """An investigation runs where no credentials are."""

    def refuse(*_: Any) -> Aws:
        raise AssertionError("AWS was set up")

    data = world.write(sources=[{"type": "files", "path": str(world.directory / "trails")}])
    (world.directory / "trails").mkdir()
    service = Service(validate(data, "test"), world.config, make_logger("error", "json", io.StringIO()), aws=refuse)
    world.services.append(service)
    assert [report.source for report in service.poll_once()] == ["files"]
    assert service.pipeline.lease is None
    assert families(service) & STATES == set()


def until(service: Service, condition: Callable[[], bool]) -> None:
    """Wait for what a page shows."""

    def holds() -> bool:
        service.pipeline.exposition.refresh()
        return condition()

    wait_until(holds, 20)


def test_a_reload_switches_it_and_changes_exceptions_at_once(world: World) -> None:
    """Who excepts a rule, or takes the exception back, does not wait for the next reading to see it; here that is an hour away."""
    often = {"poll_interval": "1h"}
    exception = {"name": "bastion", "reason": "test", "expires": "2099-12-31", "security_groups": [world.group]}
    service = world.service(posture=often)
    service.start()
    until(service, lambda: len(series(service, OPEN)) == 1)
    world.write(posture=often | {"exceptions": [exception]})
    assert service.reload()
    until(service, lambda: (len(series(service, OPEN)), len(series(service, EXCEPTED))) == (0, 1))
    assert series(service, "awschange_exporter_exception_expiry_timestamp_seconds")
    world.write(posture={"enabled": False})
    assert service.reload()
    assert families(service) & STATES == set()
    assert [key for key in service.reports() if key[0] == "posture"] == []
    assert not [line for line in service.pipeline.exposition.page().body.decode().splitlines() if 'source="posture"' in line]
    world.write(posture=often)
    assert service.reload()
    until(service, lambda: (len(series(service, OPEN)), len(series(service, EXCEPTED))) == (1, 0))
    assert series(service, "awschange_exporter_exception_expiry_timestamp_seconds") == []


def test_what_the_configuration_no_longer_watches_leaves_the_page(world: World) -> None:
    """A gauge of an account that nobody reads any more would stand open for ever."""
    member = {"role_arn": f"arn:aws:iam::{MEMBER}:role/aws-change-exporter"}

    def units(service: Service) -> set[tuple[str, str]]:
        shown = series(service, "awschange_security_groups")
        return {tuple(part.split('"')[1] for part in line.partition("}")[0].split(",")) for line in shown}  # type: ignore[misc]

    service = world.service(aws={"regions": [REGION, OTHER], "accounts": [member], "own_account": True})
    service.start()
    every = {(account, region) for account in (ACCOUNT, MEMBER) for region in (REGION, OTHER)}
    until(service, lambda: units(service) == every)
    world.write(aws={"regions": [REGION, OTHER], "own_account": True})
    assert service.reload()
    until(service, lambda: units(service) == {(ACCOUNT, REGION), (ACCOUNT, OTHER)})
    world.write(aws={"regions": [REGION], "own_account": True})
    assert service.reload()
    until(service, lambda: units(service) == {(ACCOUNT, REGION)})
    assert [family for family in STATES if any(OTHER in line or MEMBER in line for line in series(service, family))] == []
