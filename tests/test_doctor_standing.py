"""`doctor` tries each call that reads what stands, and says which one is not allowed, to whom, and whether that matters."""

from __future__ import annotations

import pytest

from exporter.config import validate
from exporter.doctor import Examination
from exporter.doctor.standing import standing
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import Heard, opened
from tests.sandbox_client import ACCOUNT, REGION, client
from tests.test_snapshots_sandbox import EVERYTHING

pytestmark = pytest.mark.usefixtures("aws_environment")


def look(sandbox, heard=None, **posture):
    """Return what the check finds: status, subject, detail and remedy."""
    config = validate({"sources": [{"type": "cloudtrail"}], "posture": posture, "aws": {"endpoint_url": sandbox.url}}, "test.yml")
    with opened(sandbox.url, heard or Heard()) as session:
        return [(one.status, one.subject, one.detail, one.remedy) for one in standing(Examination(config, "test.yml", session))]


def running(*deny):
    return Sandbox(Settings(deliver=False, faults=Faults(deny=frozenset(deny))))


def test_every_call_is_tried_once():
    """Otherwise a permission is missed only when it is needed."""
    heard = Heard()
    with running() as sandbox:
        ec2 = client(sandbox, "ec2")
        ec2.create_managed_prefix_list(PrefixListName="offices", MaxEntries=1, AddressFamily="IPv4")
        vpc_id = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        client(sandbox, "elbv2").create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc_id)
        found = look(sandbox, heard)
    what = "groups, rules, prefix lists and interfaces can be read from EC2, and AWS Config can be asked"
    assert found == [("ok", f"{ACCOUNT} {REGION}", what, "")]
    counted = heard.counts()
    assert counted.keys() - {"sts:GetCallerIdentity"} == EVERYTHING | {"config:SelectResourceConfig"}
    # Two kinds of load balancers share the name of the action.
    assert {action: number for action, number in counted.items() if action in EVERYTHING and number > 1} == {
        "elasticloadbalancing:DescribeLoadBalancers": 2
    }


@pytest.mark.parametrize(("source", "status"), [("ec2", "failure"), ("auto", "warning")])
def test_what_is_denied_is_named_with_whom_to_allow_it(source, status):
    """Otherwise a person guesses at policies; where AWS Config may stand in, it is no failure."""
    denied = ("ec2:DescribeSecurityGroupRules", "elasticloadbalancing:DescribeTargetGroups")
    with running(*denied) as sandbox:
        found = look(sandbox, source=source)
    assert [one[:2] for one in found] == [(status, f"{ACCOUNT} {REGION}")] * 2
    for action, (_, _, detail, remedy) in zip(denied, found, strict=True):
        assert action in detail
        assert remedy == f"missing action {action} for the default credentials; add it: `aws-change-exporter iam-policy`"


@pytest.mark.parametrize(
    ("posture", "services"),
    [
        ({"source": "aws_config"}, {"config"}),
        ({"source": "ec2"}, {"ec2", "elasticloadbalancing"}),
        ({"source": "ec2", "load_balancers": False}, {"ec2"}),
        ({"source": "aws_config", "overrides": [{"regions": [REGION], "source": "ec2"}], "load_balancers": False}, {"ec2"}),
    ],
)
def test_what_is_not_read_is_not_tried(posture, services):
    """Otherwise whoever turned it off is told to allow it."""
    heard = Heard()
    with running() as sandbox:
        found = look(sandbox, heard, **posture)
    assert {action.partition(":")[0] for action in heard.counts()} - {"sts"} == services
    assert [one[0] for one in found] == ["ok"]


AGGREGATOR = {"name": "all", "region": "eu-west-1"}


def test_an_aggregator_is_tried_where_it_is():
    """Otherwise what brings every account at once fails only when it is needed."""
    heard = Heard()
    with running() as sandbox:
        missing = look(sandbox, source="aws_config", aggregator=AGGREGATOR)[1:]
        elsewhere = look(sandbox, source="aws_config", aggregator=AGGREGATOR | {"account_id": "777788889999"})[1:]
        client(sandbox, "config", "eu-west-1").put_configuration_aggregator(
            ConfigurationAggregatorName="all", AccountAggregationSources=[{"AccountIds": [ACCOUNT], "AllAwsRegions": True}]
        )
        sound = look(sandbox, heard, source="aws_config", aggregator=AGGREGATOR)[1:]
    assert {one[0] for one in missing} == {"failure"}
    assert all(one[1] == "aggregator all in eu-west-1" for one in (*missing, *sound))
    assert sound == [("ok", "aggregator all in eu-west-1", "can be asked", "")]
    assert {(action, region) for action, _, region, _ in heard.requests if "Aggregat" in action} == {
        ("config:DescribeConfigurationAggregators", "eu-west-1"),
        ("config:DescribeConfigurationAggregatorSourcesStatus", "eu-west-1"),
        ("config:SelectAggregateResourceConfig", "eu-west-1"),
    }
    assert [one[0] for one in elsewhere] == ["failure"]
    assert "777788889999 is none of the watched accounts" in elsewhere[0][2]


@pytest.mark.parametrize("action", ["config:SelectAggregateResourceConfig", "config:DescribeConfigurationAggregators"])
def test_an_aggregator_that_may_not_be_asked_names_the_action(action):
    """Otherwise a person guesses at the policy of the account that has it."""
    with running(action) as sandbox:
        client(sandbox, "config", "eu-west-1").put_configuration_aggregator(
            ConfigurationAggregatorName="all", AccountAggregationSources=[{"AccountIds": [ACCOUNT], "AllAwsRegions": True}]
        )
        (found,) = look(sandbox, source="aws_config", aggregator=AGGREGATOR)[1:]
    assert (found[0], found[3]) == (
        "failure",
        f"missing action {action} for the default credentials; add it: `aws-change-exporter iam-policy`",
    )


def test_where_nothing_is_read_it_says_so():
    """Otherwise the check is silent, and looks as if it had passed."""
    with running() as sandbox:
        assert [one[0] for one in look(sandbox, enabled=False)] == ["skipped"]
