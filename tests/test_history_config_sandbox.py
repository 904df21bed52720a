"""The timeline of AWS Config asked of the sandbox: what it tells agrees with what stands, and with what CloudTrail tells."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.config import validate
from exporter.iam import principals
from sandbox.faults import Faults
from sandbox.policies import Policies
from tests.aws_fast import Stepping, stepping_sandbox, without_turns
from tests.sandbox_client import ACCOUNT, REGION, client

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    without_turns(monkeypatch)


class World:
    """A sandbox in which AWS Config records, and the command asked about it."""

    def __init__(self, sandbox: Any, folder: Path) -> None:
        self.sandbox, self.ec2, self.config, self._folder = sandbox, client(sandbox, "ec2"), client(sandbox, "config"), folder

    def record(self, **recorder: Any) -> None:
        """Have a recorder record."""
        client(self.sandbox, "s3").create_bucket(Bucket="example-config")
        put = {"name": "default", "roleARN": f"arn:aws:iam::{ACCOUNT}:role/config", **recorder}
        self.config.put_configuration_recorder(ConfigurationRecorder=put)
        self.config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "example-config"})
        self.config.start_configuration_recorder(ConfigurationRecorderName="default")

    def group(self) -> str:
        """Make a group."""
        return str(self.ec2.create_security_group(GroupName="web", Description="d")["GroupId"])

    def open(self, group: str, port: int, cidr: str = "192.0.2.0/24") -> str:
        """Open a port; return the id of the rule."""
        permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}
        answer = self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def asked(self, action: str) -> int:
        """Return how often an action was asked for."""
        return sum(row["count"] for row in self.sandbox.actions.rows() if row["action"] == action)

    def run(self, command: str, *arguments: str) -> Result:
        """Run a command."""
        path = self._folder / "config.yml"
        path.write_text(json.dumps({"aws": {"endpoint_url": self.sandbox.url}, "store": {"path": str(self._folder / "state.db")}}))
        return CliRunner().invoke(main, [command, "--config.file", str(path), *arguments])

    def history(self, *arguments: str, places: tuple[str, ...] = ("aws-config",)) -> list[dict[str, Any]]:
        """Return the rows of a complete answer, newest first."""
        result = self.run("history", *(word for place in places for word in ("--from", place)), "--format", "json", *arguments)
        assert result.exit_code == 0, result.output
        rows: list[dict[str, Any]] = json.loads(result.stdout)
        return rows


@contextmanager
def world(tmp_path: Path, **settings: Any) -> Iterator[World]:
    """Serve a sandbox whose AWS Config shows at once what it has."""
    with stepping_sandbox(Stepping(), config_delay=timedelta(0), **settings) as sandbox:
        yield World(sandbox, tmp_path)


Part = tuple[str, str | None, int | None, int | None, str | None, str]


def part(rule: dict[str, Any]) -> Part:
    """Return what a rule lets pass, and how it is described."""
    return rule["direction"], rule["protocol"], rule["from_port"], rule["to_port"], rule["peer"], rule["description"] or ""


def replayed(rows: list[dict[str, Any]]) -> set[Part]:
    """Return the rules that stand after all changes of rows, newest first."""
    rules: set[Part] = set()
    for row in reversed(rows):
        for change in row["rule_changes"]:
            if change["before"]:
                rules.remove(part(change["before"]))
            if change["action"] == "removed":
                rules.remove(part(change))
            else:
                assert part(change) not in rules
                rules.add(part(change))
    return rules


def standing(ec2: Any, group: str) -> set[Part]:
    """Return the rules that EC2 says stand."""
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    return {
        (
            "egress" if rule["IsEgress"] else "ingress",
            "all" if rule["IpProtocol"] == "-1" else rule["IpProtocol"],
            *((None, None) if rule["IpProtocol"] == "-1" else (rule["FromPort"], rule["ToPort"])),
            rule.get("CidrIpv4") or rule.get("CidrIpv6"),
            rule.get("Description") or "",
        )
        for rule in rules
    }


def churn(world_: World, group: str, seed: int, steps: int = 25) -> None:
    """Change a group at random, some of it without a record."""
    chance, rules = random.Random(seed), {}
    for number in range(steps):
        deed = chance.choice(["open", "open", "close", "describe", "edit", "tag"]) if rules else "open"
        world_.sandbox.control.unrecorded = chance.random() < 0.2
        if deed == "open":
            rules[world_.open(group, 1000 + number, chance.choice(["0.0.0.0/0", "192.0.2.0/24"]))] = 1000 + number
        elif deed == "tag":
            world_.ec2.create_tags(Resources=[group], Tags=[{"Key": "step", "Value": str(number)}])
        else:
            rule = chance.choice(sorted(rules))
            if deed == "close":
                world_.ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
                del rules[rule]
            elif deed == "describe":
                told = [{"SecurityGroupRuleId": rule, "Description": f"step {number}"}]
                world_.ec2.update_security_group_rule_descriptions_ingress(GroupId=group, SecurityGroupRuleDescriptions=told)
            else:
                changed = {"IpProtocol": "tcp", "FromPort": 2000 + number, "ToPort": 2000 + number, "CidrIpv4": "198.51.100.0/24"}
                world_.ec2.modify_security_group_rules(
                    GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": changed}]
                )
    world_.sandbox.control.unrecorded = False


def told_parts(rows: list[dict[str, Any]]) -> list[tuple[str, Part]]:
    """Return everything that rows say came and went."""
    found = []
    for row in rows:
        for change in row["rule_changes"]:
            old = change if change["action"] == "removed" else change["before"]
            found += [("-", part(old))] if old else []
            found += [("+", part(change))] if change["action"] != "removed" else []
    return found


@pytest.mark.parametrize("related", [True, False], ids=["events named", "none named"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_timeline_leads_to_what_stands_and_merged_with_events_loses_nothing_and_doubles_nothing(tmp_path, related, seed):
    """Every change once, with who it was where anybody knows: else nobody believes either place."""
    with world(tmp_path, config_related=related) as here:
        here.record()
        group = here.group()
        churn(here, group, seed)
        config, events = here.history(group), here.history(group, places=("cloudtrail",))
        assert replayed([row for row in config if row["event_name"] != "ResourceDiscovered"]) == {
            rule for rule in standing(here.ec2, group) if rule[0] == "ingress"
        }
        merged = here.history(group, places=("aws-config", "cloudtrail"))
        ids = [row["event_id"] for row in merged]
        assert len(ids) == len(set(ids))
        assert {row["event_id"] for row in events} <= set(ids)
        assert [row["event_time"] for row in merged] == sorted((row["event_time"] for row in merged), reverse=True)
        # What AWS Config tells is told, by itself or by the event; and by both only where the event tells less.
        assert set(told_parts(config)) <= set(told_parts(merged))
        by_id = {row["event_id"]: row for row in merged}
        items = [row for row in merged if row["event_source"] == "config.amazonaws.com"]
        for row in items:
            event = by_id.get(row["shared_event_id"] or "")
            if event is not None and row["rule_changes"]:
                assert not set(told_parts([row])) <= set(told_parts([event])), row
        assert len(items) < len(config)
        folded = [row for row in merged if row["sources"] == ["cloudtrail", "aws-config"]]
        assert len(folded) == len(config) - len(items)
        # Each call that AWS Config names is that of its item: who, and by which channel.
        if related:
            for row in items:
                if row["shared_event_id"]:
                    assert row["principal"] == by_id[row["shared_event_id"]]["principal"]
        # A page shows the newest, whatever stands beside what.
        arguments = ("--from", "cloudtrail", "--from", "aws-config", "--limit", "5", "--format", "json")
        assert [row["event_id"] for row in json.loads(here.run("history", group, *arguments).stdout)] == ids[:5]


def test_the_store_comes_first_and_all_who_tell_of_an_event_are_named(tmp_path):
    """What is stored says whether it counted; what AWS says says that it is so."""
    with world(tmp_path) as here:
        here.record()
        group = here.group()
        here.open(group, 22, "0.0.0.0/0")
        assert here.run("poll").exit_code == 0
        rows = here.history(group, places=("aws-config", "cloudtrail", "store"))
        opened = next(row for row in rows if row["event_name"] == "AuthorizeSecurityGroupIngress")
        assert opened["sources"] == ["cloudtrail", "aws-config"]
        assert [row["event_name"] for row in rows if row["event_source"] == "config.amazonaws.com"] == ["ResourceDiscovered"]
        # Alone, AWS Config finds who it was in the store, without asking Event history.
        before = here.asked("cloudtrail:LookupEvents")
        (item, _) = here.history(group)
        assert (item["shared_event_id"], item["principal"]["name"]) == (opened["event_id"], "user/alice")
        assert here.asked("cloudtrail:LookupEvents") == before > 0


def test_a_page_of_the_timeline_goes_on_where_the_last_one_ended(tmp_path):
    """More items than AWS gives in an answer, in the order of their times, none of them twice."""
    with world(tmp_path) as here:
        here.record()
        group = here.group()
        for port in range(1, 61):
            here.ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[here.open(group, port)])
        rows = here.history(group)
        assert len(rows) == 121
        assert [row["rule_changes"][0]["from_port"] for row in rows[:-1]] == [port for port in range(60, 0, -1) for _ in range(2)]
        first = here.run("history", group, "--from", "aws-config", "--limit", "100", "--format", "json")
        on = first.stderr.split("--until ")[2].split()[0]
        rest = here.history(group, "--until", on)
        shown = json.loads(first.stdout)
        assert {row["event_id"] for row in shown} | {row["event_id"] for row in rest} == {row["event_id"] for row in rows}


def test_daily_recording_and_a_missing_recorder_are_said(tmp_path):
    """A day's row is not one change, and a region without a recorder has no timeline."""
    with world(tmp_path) as here:
        here.record(recordingMode={"recordingFrequency": "DAILY"})
        group = here.group()
        here.open(group, 22)
        here.sandbox.config.end_day()
        here.open(group, 443)
        here.open(group, 80)
        here.sandbox.config.end_day()
        result = here.run("history", group, "--from", "aws-config", "--format", "json")
        assert result.exit_code == 0
        assert "looks once a day there" in result.stderr
        assert [[change["from_port"] for change in row["rule_changes"]] for row in json.loads(result.stdout)] == [[80, 443], []]
        elsewhere = here.run("history", group, "--from", "aws-config", "--region", "eu-west-1")
        assert elsewhere.exit_code == 1
        assert "have AWS Config record there" in elsewhere.stderr


def test_what_iam_policy_grants_for_history_is_what_it_calls(tmp_path):
    """Least privilege that is denied, or that allows what nobody calls, is neither."""
    with world(tmp_path) as here:
        here.record()
        group = here.group()
        here.open(group, 22)
        (hub,) = principals(validate({"sources": [], "posture": {"enabled": False}}, "x"), history=("aws-config",))
        granted = {action for statement in hub.policy()["Statement"] for action in statement["Action"]}
        here.sandbox.application._gate._policies = Policies({f"arn:aws:iam::{ACCOUNT}:user/alice": hub.policy()})
        assert [row["principal"]["name"] for row in here.history(group)] == ["user/alice"] * 2
        called = {row["action"] for row in here.sandbox.actions.rows() if row["user_agent"].startswith("aws-change-exporter/")}
        assert called - {"sts:GetCallerIdentity"} == granted


def test_a_lookup_that_is_denied_leaves_rows_without_a_name(tmp_path):
    """Who may read AWS Config may not read CloudTrail: the changes are shown all the same."""
    with world(tmp_path, faults=Faults(deny=frozenset({"cloudtrail:LookupEvents"}))) as here:
        here.record()
        group = here.group()
        here.open(group, 22)
        result = here.run("history", group, "--from", "aws-config", "--format", "json")
        assert result.exit_code == 0
        assert {row["principal"]["name"] for row in json.loads(result.stdout)} == {"AWS Config (actor unknown)"}
        assert "Note: Who did what AWS Config recorded could not be asked" in result.stderr
        assert "cloudtrail:LookupEvents" in result.stderr


def test_a_prefix_list_has_a_timeline(tmp_path):
    """An edit of a list opens every group that names it."""
    with world(tmp_path) as here:
        here.record()
        made = here.ec2.create_managed_prefix_list(
            PrefixListName="p", MaxEntries=3, AddressFamily="IPv4", Entries=[{"Cidr": "192.0.2.0/24"}]
        )
        list_id = made["PrefixList"]["PrefixListId"]
        here.ec2.modify_managed_prefix_list(PrefixListId=list_id, CurrentVersion=1, AddEntries=[{"Cidr": "198.51.100.0/24"}])
        rows = here.history(list_id)
        assert [[change["peer"] for change in row["rule_changes"]] for row in rows] == [["198.51.100.0/24"], ["192.0.2.0/24"]]
        assert [row["security_groups"] for row in rows] == [[], []]
        assert REGION in {row["region"] for row in rows}
