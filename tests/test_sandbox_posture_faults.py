"""What can go wrong for a reader of what stands: throttles, a page that fails, changes that leave no record; set at the start or while it runs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from sandbox.cli import main
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import REGION, client, records


@pytest.fixture
def serve():
    """Return a starter of sandboxes with faults; all end with the test."""
    running: list[Sandbox] = []

    def start(**faults: Any) -> Sandbox:
        sandbox = Sandbox(Settings(delay=timedelta(0), config_delay=timedelta(0), deliver=False, faults=Faults(**faults)))
        sandbox.start()
        running.append(sandbox)
        return sandbox

    yield start
    for sandbox in running:
        sandbox.stop()


def post(sandbox: Sandbox, path: str, body: Any) -> tuple[int, Any]:
    """Tell the sandbox something, and return status and answer."""
    request = urllib.request.Request(f"{sandbox.url}/-/{path}", data=json.dumps(body).encode(), method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def error(call: Any, **parameters: Any) -> tuple[str, int]:
    """Return code and status of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_reads_of_ec2_and_of_config_are_throttled_and_changes_are_not(serve):
    """Each in its service's own words."""
    sandbox = serve(ec2_throttle=1, config_throttle=1)
    ec2, config = client(sandbox, "ec2"), client(sandbox, "config")
    assert error(ec2.describe_security_group_rules) == ("RequestLimitExceeded", 503)
    assert error(ec2.get_managed_prefix_list_entries, PrefixListId="pl-0123456789abcdef0") == ("RequestLimitExceeded", 503)
    assert error(config.select_resource_config, Expression="SELECT resourceId") == ("ThrottlingException", 400)
    assert error(config.describe_configuration_recorder_status) == ("ThrottlingException", 400)
    ec2.create_vpc(CidrBlock="10.0.0.0/16")
    client(sandbox, "cloudtrail").describe_trails()


def test_a_share_of_reads_is_throttled(serve):
    """A reader that tries again gets through."""
    ec2 = client(serve(ec2_throttle=0.5), "ec2")
    outcomes = set()
    for _ in range(40):
        try:
            ec2.describe_security_groups()
            outcomes.add("done")
        except ClientError as refusal:
            outcomes.add(refusal.response["Error"]["Code"])
    assert outcomes == {"done", "RequestLimitExceeded"}


def test_a_page_fails_and_those_before_it_do_not(serve):
    """Half a picture must not be taken for a whole one."""
    sandbox = serve(fail_page={"ec2:DescribeSecurityGroups": 3})
    ec2 = client(sandbox, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for number in range(16):
        ec2.create_security_group(GroupName=f"g{number}", Description="d", VpcId=vpc)
    first = ec2.describe_security_groups(MaxResults=5)
    second = ec2.describe_security_groups(MaxResults=5, NextToken=first["NextToken"])
    for _ in range(2):
        assert error(ec2.describe_security_groups, MaxResults=5, NextToken=second["NextToken"]) == ("InternalError", 500)
    assert ec2.describe_security_groups(MaxResults=5)["SecurityGroups"] == first["SecurityGroups"]
    ec2.describe_security_group_rules(MaxResults=5)
    # It comes right while it runs.
    assert post(sandbox, "faults", {"fail_page": {}}) == (200, {"changed": True})
    assert ec2.describe_security_groups(MaxResults=5, NextToken=second["NextToken"])["SecurityGroups"]


def test_pages_of_config_and_of_load_balancers_fail_too(serve):
    """The first page has no token."""
    sandbox = serve(fail_page={"config:SelectResourceConfig": 1, "elasticloadbalancing:DescribeLoadBalancers": 1})
    asked = {"Expression": "SELECT resourceId WHERE resourceType = 'AWS::EC2::SecurityGroup'"}
    assert error(client(sandbox, "config").select_resource_config, **asked) == ("InternalFailure", 500)
    assert error(client(sandbox, "elbv2").describe_load_balancers) == ("InternalFailure", 500)
    assert error(client(sandbox, "elb").describe_load_balancers) == ("InternalFailure", 500)


def test_a_second_page_of_config_fails(serve):
    """Its token stands in JSON."""
    sandbox = serve(fail_page={"config:SelectResourceConfig": 2})
    config, ec2 = client(sandbox, "config"), client(sandbox, "ec2")
    client(sandbox, "s3").create_bucket(Bucket="example-config")
    config.put_configuration_recorder(ConfigurationRecorder={"name": "default", "roleARN": "arn:aws:iam::111122223333:role/config"})
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "example-config"})
    config.start_configuration_recorder(ConfigurationRecorderName="default")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for number in range(4):
        ec2.create_security_group(GroupName=f"g{number}", Description="d", VpcId=vpc)
    asked = {"Expression": "SELECT resourceId WHERE resourceType = 'AWS::EC2::SecurityGroup'", "Limit": 2}
    token = config.select_resource_config(**asked)["NextToken"]
    assert error(config.select_resource_config, **asked, NextToken=token) == ("InternalFailure", 500)


def test_faults_change_while_it_runs(serve):
    """A reader is to keep what it has when its access goes away."""
    sandbox = serve()
    ec2 = client(sandbox, "ec2")
    ec2.describe_security_groups()
    assert post(sandbox, "faults", {"ec2_throttle": 1, "deny": ["elasticloadbalancing:DescribeLoadBalancers"]})[0] == 200
    assert error(ec2.describe_security_groups) == ("RequestLimitExceeded", 503)
    assert error(client(sandbox, "elbv2").describe_load_balancers) == ("AccessDenied", 403)
    assert post(sandbox, "faults", {"ec2_throttle": 0, "deny": []})[0] == 200
    ec2.describe_security_groups()
    client(sandbox, "elbv2").describe_load_balancers()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"ec2_throttle": 2}),
        ("faults", {"ec2_throttle": "all"}),
        ("faults", {"fail_page": {"ec2:DescribeSecurityGroups": 0}}),
        ("faults", {"fail_page": 3}),
        ("faults", {"deny": "ec2:DescribeSecurityGroups"}),
        ("faults", {"late": 1}),
        ("faults", [1]),
        ("unrecorded", {"on": "yes"}),
        ("unrecorded", {}),
        ("config/recorder", {"account_id": "111122223333"}),
        ("config/sources", {"account_id": "111122223333", "region": "us-east-1"}),
    ],
)
def test_what_is_told_wrongly_is_refused_and_changes_nothing(serve, path, body):
    """A typo in a test would otherwise pass it."""
    sandbox = serve()
    status, answer = post(sandbox, path, body)
    assert (status, list(answer)) == (400, ["error"])
    client(sandbox, "ec2").describe_security_groups()
    assert records(sandbox, "DescribeSecurityGroups")


def test_what_is_done_behind_cloudtrails_back_is_done_and_leaves_no_record(serve):
    """A change that nobody told of must be found by looking."""
    sandbox = serve()
    ec2, config = client(sandbox, "ec2"), client(sandbox, "config")
    client(sandbox, "s3").create_bucket(Bucket="example-config")
    config.put_configuration_recorder(ConfigurationRecorder={"name": "default", "roleARN": "arn:aws:iam::111122223333:role/config"})
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "example-config"})
    config.start_configuration_recorder(ConfigurationRecorderName="default")
    assert post(sandbox, "unrecorded", {"on": True}) == (200, {"on": True})
    before = len(records(sandbox))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="dark", Description="d", VpcId=vpc)["GroupId"]
    assert len(records(sandbox)) == before
    assert "dark" not in str(client(sandbox, "cloudtrail").lookup_events()["Events"])
    assert len(ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]) == 1
    # AWS Config looks at resources, not at CloudTrail.
    expression = f"SELECT resourceId WHERE resourceType = 'AWS::EC2::SecurityGroup' AND resourceId = '{group}'"
    assert len(config.select_resource_config(Expression=expression)["Results"]) == 1
    assert "ec2:CreateSecurityGroup" in {row["action"] for row in sandbox.actions.rows() if row["region"] == REGION}
    assert post(sandbox, "unrecorded", {"on": False}) == (200, {"on": False})
    ec2.delete_security_group(GroupId=group)
    assert [record["eventName"] for record in records(sandbox)][-1] == "DeleteSecurityGroup"


def test_the_command_line_sets_the_same_faults():
    """A switch that is read and dropped makes nothing go wrong."""
    told = CliRunner().invoke(main, ["--fail-page", "ec2:DescribeSecurityGroups=0"])
    assert told.exit_code == 2
    assert "is no page of a call" in told.output
    shown = CliRunner().invoke(main, ["--help"]).output
    assert all(switch in shown for switch in ("--ec2-throttle", "--config-throttle", "--fail-page", "--config-delay"))
