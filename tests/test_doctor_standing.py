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
    assert found == [("ok", f"{ACCOUNT} {REGION}", "groups, rules, prefix lists and interfaces can be read", "")]
    counted = heard.counts()
    assert counted.keys() - {"sts:GetCallerIdentity"} == EVERYTHING
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


@pytest.mark.parametrize("posture", [{"source": "aws_config"}, {"load_balancers": False}], ids=["aws_config", "no load balancers"])
def test_what_is_not_read_is_not_tried(posture):
    """Otherwise whoever turned it off is told to allow it."""
    heard = Heard()
    with running("elasticloadbalancing:DescribeLoadBalancers") as sandbox:
        found = look(sandbox, heard, **posture)
    services = {action.partition(":")[0] for action in heard.counts()} - {"sts"}
    assert services == (set() if "source" in posture else {"ec2"})
    assert [one[0] for one in found] == (["skipped"] if "source" in posture else ["ok"])


def test_where_nothing_is_read_it_says_so():
    """Otherwise the check is silent, and looks as if it had passed."""
    with running() as sandbox:
        assert [one[0] for one in look(sandbox, enabled=False)] == ["skipped"]
