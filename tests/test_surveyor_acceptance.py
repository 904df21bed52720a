"""What issue 4 promises, on the sandbox: rules opened, modified, described, closed, a group deleted, a list widened, and a change in the dark."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.config import validate
from exporter.logs import make_logger
from exporter.service import Service
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, KEY, REGION, client

EVERYONE = "0.0.0.0/0"
OFFICE = "192.0.2.0/24"


class World:
    """A sandbox and an exporter that reads it in rounds, one after the other."""

    def __init__(self, sandbox: Sandbox, directory: Path, **posture: Any) -> None:
        self.sandbox, self.ec2 = sandbox, client(sandbox, "ec2")
        self.data = {
            "store": {"path": str(directory / "state.db")},
            "aws": {"endpoint_url": sandbox.url, "regions": [REGION], "lookup_rate": 2},
            "sources": [{"type": "cloudtrail", "live_since": "beginning", "backfill": "1h"}],
            # A pattern makes the names endless: then one question brings all writes, and a round takes seconds.
            "watch": {"events": [{"event_source": "ec2.amazonaws.com", "event_name": "NothingLike*"}]},
            "metrics": {"birth_hold": "0s"},
            "posture": {"lag_budget": "1s", **posture},
        }
        self.config = directory / "config.yml"
        self.config.write_text(json.dumps(self.data))
        self.log = io.StringIO()
        self.service = Service(validate(self.data, "test"), None, make_logger("info", "json", self.log))

    def round(self) -> None:
        """Read everything once; Event history tells of a call when its second is over."""
        time.sleep(2.1)
        for report in self.service.poll_once():
            assert report.complete, report.error

    def page(self) -> dict[str, float]:
        """Return the page as a scrape would get it."""
        self.service.pipeline.exposition.refresh()
        lines = self.service.pipeline.exposition.page().body.decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def open(self) -> dict[tuple[str, str], float]:
        """Return what the page shows as open: by group and port class."""
        found = {}
        for series, value in self.page().items():
            if series.startswith("awschange_open_ingress_rules{"):
                labels = dict(part.split("=", 1) for part in series.partition("{")[2].rstrip("}").split(","))
                found[labels["security_group_id"].strip('"'), labels["port_class"].strip('"')] = value
        return found

    def counter(self, name: str, **labels: str) -> float:
        """Return a counter of the account and region."""
        shown = ",".join(f'{key}="{value}"' for key, value in {"account_id": ACCOUNT, "region": REGION, **labels}.items())
        return self.page()[f"{name}{{{shown}}}"]

    def history(self, name: str, group: str) -> list[dict[str, Any]]:
        """Return the events of a name that `history` shows of a group, newest first."""
        shown = CliRunner().invoke(main, ["history", group, "--event-name", name, "--config.file", str(self.config), "--format", "json"])
        assert shown.exit_code == 0, shown.output
        found: list[dict[str, Any]] = json.loads(shown.stdout)
        return found

    def group(self, name: str = "web") -> str:
        """Make a group."""
        return str(self.ec2.create_security_group(GroupName=name, Description="test")["GroupId"])

    def authorize(self, group: str, port: int, cidr: str) -> str:
        """Add a rule; return its id."""
        made = self.ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=cidr)
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def unrecorded(self, *, on: bool) -> None:
        """Have the sandbox do calls without a record, or with one again."""
        with urlopen(
            Request(f"{self.sandbox.url}/-/unrecorded", data=json.dumps({"on": on}).encode(), method="POST"), timeout=10
        ) as answer:
            assert answer.status == 200


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serve a sandbox in which events are seen at once."""
    for name, value in (("ACCESS_KEY_ID", KEY), ("SECRET_ACCESS_KEY", "example"), ("REGION", REGION), ("DEFAULT_REGION", REGION)):
        monkeypatch.setenv(f"AWS_{name}", value)
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as sandbox:
        made = World(sandbox, tmp_path)
        try:
            yield made
        finally:
            made.service.stop()


def test_a_rule_from_its_opening_to_the_end_of_its_group(world: World) -> None:
    """Each step shows who, and what was before; the gauge follows within one reading; nothing counts as unexplained."""
    group = world.group()
    world.round()
    assert world.open() == {}
    rule = world.authorize(group, 22, OFFICE)
    world.round()
    assert world.open() == {}

    changed = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": EVERYONE}
    world.ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": changed}])
    world.round()
    assert world.open() == {(group, "admin"): 1}
    (event,) = world.history("ModifySecurityGroupRules", group)
    (change,) = event["rule_changes"]
    assert event["principal"]["name"] == "user/alice"
    assert (change["action"], change["direction"], change["peer"], change["before"]["peer"]) == ("modified", "ingress", EVERYONE, OFFICE)
    assert world.counter("awschange_ingress_opened_total", port_class="admin") == 1

    described = [{"SecurityGroupRuleId": rule, "Description": "for a day"}]
    world.ec2.update_security_group_rule_descriptions_ingress(GroupId=group, SecurityGroupRuleDescriptions=described)
    world.round()
    (event,) = world.history("UpdateSecurityGroupRuleDescriptionsIngress", group)
    (change,) = event["rule_changes"]
    assert (change["action"], change["description"], change["before"]["description"]) == ("described", "for a day", None)
    assert change["before"]["peer"] == EVERYONE

    world.ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
    world.round()
    assert world.open() == {}

    world.authorize(group, 3306, EVERYONE)
    world.round()
    assert world.open() == {(group, "database"): 1}
    world.ec2.delete_security_group(GroupId=group)
    world.round()
    assert world.open() == {}
    (event,) = world.history("DeleteSecurityGroup", group)
    lost = {(change["action"], change["direction"], change["from_port"], change["peer"]) for change in event["rule_changes"]}
    assert lost == {("removed", "ingress", 3306, EVERYONE), ("removed", "egress", None, EVERYONE)}
    assert world.counter("awschange_unexplained_rule_changes_total") == 0


def test_what_happens_between_two_readings_is_known_from_events(world: World) -> None:
    """A group that was made, opened, narrowed and deleted within one interval never stood in any reading."""
    world.round()
    group = world.group("short")
    rule = world.authorize(group, 22, EVERYONE)
    changed = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": OFFICE}
    world.ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": changed}])
    time.sleep(1.1)  # events are told by the second, and a deletion that comes with a change in one second cannot be put in order
    world.ec2.delete_security_group(GroupId=group)
    world.round()
    (event,) = world.history("ModifySecurityGroupRules", group)
    assert event["rule_changes"][0]["before"]["from_port"] == 22
    (event,) = world.history("DeleteSecurityGroup", group)
    assert {(change["direction"], change["from_port"]) for change in event["rule_changes"]} == {("ingress", 443), ("egress", None)}
    assert world.counter("awschange_unexplained_rule_changes_total") == 0


def test_a_prefix_list_that_is_widened_shows_which_groups_it_opened(world: World) -> None:
    """No event of the group tells; the list's own names no group."""
    entries = [{"Cidr": OFFICE, "Description": "office"}]
    made = world.ec2.create_managed_prefix_list(PrefixListName="offices", MaxEntries=10, AddressFamily="IPv4", Entries=entries)
    name = made["PrefixList"]["PrefixListId"]
    group = world.group("listed")
    permission = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "PrefixListIds": [{"PrefixListId": name}]}
    world.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    world.round()
    assert world.open() == {}
    world.ec2.modify_managed_prefix_list(PrefixListId=name, CurrentVersion=1, AddEntries=[{"Cidr": EVERYONE, "Description": "oops"}])
    world.round()
    assert world.open() == {(group, "database"): 1}
    (event,) = world.history("ModifyManagedPrefixList", group)
    assert event["security_groups"] == [group]
    assert world.counter("awschange_ingress_opened_total", port_class="database") == 1
    assert world.counter("awschange_unexplained_rule_changes_total") == 0


def test_a_change_behind_cloudtrails_back_is_counted_once_and_told(world: World) -> None:
    """Someone works in the dark: the rules differ, and no event says why."""
    group = world.group("dark")
    world.round()
    world.unrecorded(on=True)
    world.authorize(group, 3389, EVERYONE)
    world.unrecorded(on=False)
    world.round()
    assert world.open() == {(group, "admin"): 1}
    for _ in range(2):
        world.round()
        assert world.counter("awschange_unexplained_rule_changes_total") == 1
    (entry,) = world.history("UnexplainedRuleChange", group)
    (change,) = entry["rule_changes"]
    assert (change["action"], change["from_port"], change["peer"]) == ("added", 3389, EVERYONE)
    assert entry["principal"]["name"] == "unknown"
    assert "no event says who did it" in world.log.getvalue()


def test_open_tells_who_and_since_when_and_check_fails_a_pipeline(world: World) -> None:
    """The two commands on what the exporter knows."""
    group = world.group("told")
    world.round()
    world.authorize(group, 22, EVERYONE)
    world.round()
    shown = CliRunner().invoke(main, ["open", "--config.file", str(world.config), "--format", "json"])
    assert shown.exit_code == 0, shown.output
    (row,) = json.loads(shown.stdout)
    expected = {"security_group_id": group, "protocol": "tcp", "from_port": 22, "to_port": 22, "ip_version": 4, "port_class": "admin"}
    assert expected.items() <= row.items()
    assert (row["by"], row["exposure"]) == ("user/alice", "unattached")
    assert row["since"] is not None
    gone = "sg-0123456789abcdef0"
    unknown = CliRunner().invoke(main, ["open", gone, group, "--config.file", str(world.config), "--format", "csv"])
    assert (unknown.exit_code, len(unknown.stdout.splitlines())) == (1, 2), unknown.output
    assert f"Error: {gone}: no such group stands in what was read" in unknown.stderr
    elsewhere = CliRunner().invoke(main, ["open", "--config.file", str(world.config), "--region", "eu-west-1"])
    assert (elsewhere.exit_code, "holds no picture of what stands there" in elsewhere.stderr) == (2, True), elsewhere.output
    world.service.stop()
    checked = CliRunner().invoke(main, ["poll", "--check", "--config.file", str(world.config), "--log.level", "error"])
    assert checked.exit_code == 2, checked.output
    excepted = {"name": "bastion", "reason": "test", "expires": "2099-12-31", "security_groups": [group], "ports": [22]}
    world.config.write_text(json.dumps(world.data | {"posture": {"exceptions": [excepted]}}))
    checked = CliRunner().invoke(main, ["poll", "--check", "--config.file", str(world.config), "--log.level", "error"])
    assert checked.exit_code == 0, checked.output
