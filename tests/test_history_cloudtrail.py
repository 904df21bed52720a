"""`history --from cloudtrail`: the console's flow over Event history, which finds what a lookup by resource does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from exporter.catalog import Watch
from exporter.cli import main
from exporter.history import row
from exporter.history.event_history import EventHistory
from exporter.history.lookups import EVERYTHING, SWEEP, attaching, lookups
from exporter.logs import make_logger
from exporter.store.base import Query
from sandbox.faults import Faults
from tests.aws_fast import Stepping, stepping_sandbox, without_turns
from tests.aws_session import opened
from tests.records import BOB
from tests.sandbox_client import ACCOUNT, REGION, client

pytestmark = pytest.mark.usefixtures("aws_environment")

ANYWHERE = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    without_turns(monkeypatch)


@pytest.fixture
def sandbox():
    """Serve a sandbox."""
    with stepping_sandbox(Stepping()) as running:
        yield running


def ask(sandbox: Any, tmp_path: Path, *arguments: str, config: dict[str, Any] | None = None) -> Result:
    """Run the command against the sandbox."""
    path = tmp_path / "config.yml"
    path.write_text(json.dumps({"aws": {"endpoint_url": sandbox.url}, **(config or {})}))
    return CliRunner().invoke(main, ["history", "--config.file", str(path), "--from", "cloudtrail", *arguments])


def rows(result: Result) -> list[dict[str, Any]]:
    """Return the rows of a complete answer."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def names(result: Result) -> list[str]:
    """Return the event names of an answer, newest first."""
    return [entry["event_name"] for entry in rows(result)]


def test_a_group_shows_all_that_was_done_to_it_and_nothing_done_to_others(sandbox, tmp_path):
    """A lookup by resource name misses edits in place and the birth of default groups, and gives the groups that refer to it."""
    ec2 = client(sandbox, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="web", Description="d", VpcId=vpc)["GroupId"]
    other = ec2.create_security_group(GroupName="db", Description="d", VpcId=vpc)["GroupId"]
    rule = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ANYWHERE)["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    described = [{"SecurityGroupRuleId": rule, "Description": "x"}]
    ec2.update_security_group_rule_descriptions_ingress(GroupId=group, SecurityGroupRuleDescriptions=described)
    changed = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": "192.0.2.0/24"}
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": changed}])
    refers = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=refers)
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
    ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=refers)
    ec2.delete_security_group(GroupId=group)

    found = ask(sandbox, tmp_path, group, "--format", "json")
    assert names(found) == [
        "DeleteSecurityGroup",
        "RevokeSecurityGroupIngress",
        "ModifySecurityGroupRules",
        "UpdateSecurityGroupRuleDescriptionsIngress",
        "AuthorizeSecurityGroupIngress",
        "CreateSecurityGroup",
    ]
    assert {entry["sources"][0] for entry in rows(found)} == {"cloudtrail"}
    assert names(ask(sandbox, tmp_path, other, "--format", "json")) == [
        "RevokeSecurityGroupIngress",
        "AuthorizeSecurityGroupIngress",
        "CreateSecurityGroup",
    ]
    by_rule = names(ask(sandbox, tmp_path, "--rule-id", rule, "--format", "json"))
    assert set(by_rule) >= {"ModifySecurityGroupRules", "UpdateSecurityGroupRuleDescriptionsIngress", "AuthorizeSecurityGroupIngress"}

    default = next(
        item["GroupId"]
        for item in ec2.describe_security_groups()["SecurityGroups"]
        if item.get("VpcId") == vpc and item["GroupName"] == "default"
    )
    assert names(ask(sandbox, tmp_path, default, "--format", "json")) == ["CreateVpcResourceCreation"]
    assert "CreateVpcResourceCreation" in names(ask(sandbox, tmp_path, vpc, "--format", "json"))

    only = ask(sandbox, tmp_path, group, "--event-name", "ModifySecurityGroupRules", "--format", "json")
    assert names(only) == ["ModifySecurityGroupRules"]
    listed = ask(sandbox, tmp_path, group, "--event-name", "AuthorizeSecurityGroupIngress", "--format", "json")
    assert names(listed) == ["AuthorizeSecurityGroupIngress"]
    pattern = ask(sandbox, tmp_path, group, "--event-name", "*SecurityGroupRule*", "--format", "json")
    assert names(pattern) == ["ModifySecurityGroupRules", "UpdateSecurityGroupRuleDescriptionsIngress"]
    swept = ask(sandbox, tmp_path, "--event-name", "Revoke*", "--format", "json")
    assert names(swept) == ["RevokeSecurityGroupIngress"] * 2
    assert len(rows(ask(sandbox, tmp_path, "--event-name", "Revoke*", "--limit", "1", "--format", "json"))) == 1
    assert names(ask(sandbox, tmp_path, "--principal", "user/alice", "--event-name", "DeleteSecurityGroup", "--format", "json"))
    assert rows(ask(sandbox, tmp_path, "--principal", "user/bob", "--event-name", "DeleteSecurityGroup", "--format", "json")) == []
    assert "Describe" not in "".join(names(ask(sandbox, tmp_path, "--format", "json")))
    assert set(names(ask(sandbox, tmp_path, "--event-name", "DescribeSecurityG*", "--format", "json"))) == {"DescribeSecurityGroups"}


def test_the_newest_of_many_are_shown_and_that_there_are_more_is_said(sandbox, tmp_path):
    """A limit that gives the newest of one lookup only, or hides that it cut, misleads."""
    ec2 = client(sandbox, "ec2")
    groups = [ec2.create_security_group(GroupName=f"g{number}", Description="d")["GroupId"] for number in range(60)]
    ec2.delete_security_group(GroupId=groups[0])
    result = ask(sandbox, tmp_path, "--limit", "3", "--format", "json")
    assert [(entry["event_name"], entry["security_groups"]) for entry in rows(result)] == [
        ("DeleteSecurityGroup", [groups[0]]),
        ("CreateSecurityGroup", [groups[59]]),
        ("CreateSecurityGroup", [groups[58]]),
    ]
    assert "Only the newest 3" in result.stderr
    assert len(rows(ask(sandbox, tmp_path, "--format", "json"))) == 61


def test_the_how_tos_example_is_right_to_the_letter():
    """A console user of an assumed role authorizes tcp 998 from 192.168.0.0/32."""
    clock = Stepping(datetime(2019, 8, 6, tzinfo=UTC))
    with stepping_sandbox(clock, account_id="123456789") as sandbox, opened(sandbox.url) as aws:
        sandbox.journal.add({**BOB, "readOnly": False}, clock.now)
        history = EventHistory([aws.caller(REGION)], Watch(), lambda _changes: (), make_logger("error", "console"))
        now = clock.now + timedelta(minutes=1)
        for query in (
            Query(security_groups=("sg-123456789",)),
            Query(event_names=("AuthorizeSecurityGroupIngress",)),
            Query(principals=("Bob",)),
            Query(security_groups=("sg-123456789",), event_names=("AuthorizeSecurityGroupIngress",), principals=("role/Bob",)),
        ):
            answer = history.search(query, now)
            assert answer.problems == []
            (found,) = [row(item) for item in answer.events]
            assert found == {
                "event_id": "6c604d53-d9c3-492e-a26a-a48ac3f711e0",
                "event_time": "2019-08-05T07:16:31Z",
                "recorded_at": now.isoformat().replace("+00:00", "Z"),
                "account_id": "123456789",
                "region": "us-east-1",
                "event_source": "ec2.amazonaws.com",
                "event_name": "AuthorizeSecurityGroupIngress",
                "outcome": "success",
                "error_code": None,
                "channel": "console",
                "principal": {
                    "type": "role", "name": "role/Bob", "arn": "arn:aws:sts::123456789:assumed-role/Bob/Bob", "session": "Bob",
                    "source_ip": "111.111.111.111", "user_agent": "console.ec2.amazonaws.com",
                },
                "security_groups": ["sg-123456789"],
                "resources": [{"type": "AWS::EC2::SecurityGroup", "id": "sg-123456789"}],
                "rule_changes": [
                    {
                        "action": "added", "direction": "ingress", "rule_id": None, "protocol": "tcp", "from_port": 998, "to_port": 998,
                        "peer_type": "ipv4", "peer": "192.168.0.0/32", "description": None, "before": None,
                    }
                ],
                "content_known": True,
                "live": False,
                "sources": ["cloudtrail"],
            }  # fmt: skip


def test_an_account_that_cannot_be_read_is_said_and_hides_no_other(tmp_path):
    """An answer that silently lacks an account reads as "nobody changed anything there"."""
    member = {"role_arn": "arn:aws:iam::444455556666:role/exporter"}
    with stepping_sandbox(Stepping(), faults=Faults(deny=frozenset({"sts:AssumeRole"}))) as sandbox:
        client(sandbox, "ec2").create_security_group(GroupName="web", Description="d")
        config = {"aws": {"endpoint_url": sandbox.url, "own_account": True, "accounts": [member]}}
        result = ask(sandbox, tmp_path, "--event-name", "CreateSecurityGroup", "--format", "json", config=config)
    assert result.exit_code == 1
    assert [entry["account_id"] for entry in json.loads(result.stdout)] == [ACCOUNT]
    assert "sts:AssumeRole" in result.stderr
    assert "not complete" in result.stderr


def test_a_region_that_is_named_is_asked_though_nobody_watches_it(sandbox, tmp_path):
    """An investigation goes where the configuration does not."""
    client(sandbox, "ec2", "eu-central-1").create_security_group(GroupName="web", Description="d")
    arguments = ("--event-name", "CreateSecurityGroup", "--format", "json")
    assert rows(ask(sandbox, tmp_path, *arguments)) == []
    assert [entry["region"] for entry in rows(ask(sandbox, tmp_path, *arguments, "--region", "eu-central-1"))] == ["eu-central-1"]
    unknown = ask(sandbox, tmp_path, *arguments, "--account", "444455556666")
    assert unknown.exit_code == 2
    assert "444455556666" in unknown.stderr


def test_what_aws_no_longer_keeps_is_said(sandbox, tmp_path):
    """Nothing found in 2019 does not mean that nothing happened."""
    result = ask(sandbox, tmp_path, "--since", "200d", "--event-name", "CreateSecurityGroup", "--format", "json")
    assert rows(result) == []
    assert "keeps 90 days" in result.stderr
    assert "No event in Event history matches." in ask(sandbox, tmp_path, "--event-name", "CreateSecurityGroup").stderr


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), [("EventName", "CreateTags")]),
        (Query(event_names=("RunInstances",)), [("EventName", "RunInstances")]),
        (Query(event_names=("Put*",)), [SWEEP]),
        (Query(event_names=("Get*",)), [EVERYTHING]),
        (Query(security_groups=("eni-0123456789abcdef0",)), [("ResourceName", "eni-0123456789abcdef0")]),
        (Query(security_groups=("sg-1",), event_names=("DeleteSecurityGroup",)), [("ResourceName", "sg-1")]),
        (Query(security_groups=("sg-1",), event_names=("*",)), [SWEEP]),
    ],
)
def test_the_fewest_lookups_are_made_that_hold_the_answer(query, expected):
    """Each costs a call of two a second; one too few loses events."""
    assert list(lookups(query, [("ec2.amazonaws.com", "CreateTags")])) == expected


def test_calls_that_attach_a_group_are_looked_up_where_they_are_watched():
    """AWS does not list a group with the cluster that it was given to: who asked for the group would never see that."""
    assert attaching(Watch().wanted) == ()
    names = attaching(Watch(("attachments",)).wanted)
    assert {"ModifyDBCluster", "CreateFunction20150331"} <= set(names)
    found = lookups(Query(security_groups=("sg-0123456789abcdef0", "eni-0123456789abcdef0")), None, names)
    assert ("EventName", "ModifyDBCluster") in found
    assert ("EventName", "ModifyDBCluster") not in lookups(Query(security_groups=("eni-0123456789abcdef0",)), None, names)


def test_endless_names_are_swept():
    """Patterns in the configuration cannot be looked up by name."""
    assert lookups(Query(principals=("user/alice",)), None) == (SWEEP,)
