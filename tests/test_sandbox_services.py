"""Calls of other services, and EC2's rarer ones, that attach security groups or change what a rule opens: shapes as AWS logs them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from exporter.catalog import WATCH_SETS, Watch
from exporter.model import ChangeEvent
from exporter.parse.record import RecordParser
from tests.sandbox_client import ACCOUNT, REGION, client, last, records

FUNCTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/function"


@pytest.fixture(scope="module")
def subnets(ec2):
    """Return two subnets of one VPC, in two zones."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}") for n, zone in ((1, "a"), (2, "b"))
    ]
    return [answer["Subnet"]["SubnetId"] for answer in made]


@pytest.fixture(scope="module")
def group(ec2, subnets):
    """Return the id of a group in that VPC."""
    vpc = ec2.describe_subnets(SubnetIds=subnets)["Subnets"][0]["VpcId"]
    return ec2.create_security_group(GroupName="attached", Description="d", VpcId=vpc)["GroupId"]


def groups_of(record: dict[str, Any]) -> tuple[str, ...]:
    """Return the groups that the exporter finds in a record."""
    parsed = RecordParser(Watch(WATCH_SETS), lambda _changes: ()).parse(record, b"{}")
    assert isinstance(parsed, ChangeEvent), parsed
    return parsed.security_groups


def done(record: dict[str, Any]) -> bool:
    """Tell whether a classic answer says nothing but that it is done."""
    return record["responseElements"] == {"requestId": record["requestID"], "_return": True}


def test_run_instances_names_its_groups_asked_and_answered(sandbox, ec2, subnets, group):
    """Otherwise the commonest attachment has its groups in another place than at AWS."""
    asked = {"ImageId": "ami-0123456789abcdef0", "MinCount": 1, "MaxCount": 1, "SecurityGroupIds": [group], "SubnetId": subnets[0]}
    instance = ec2.run_instances(**asked)["Instances"][0]["InstanceId"]
    record = last(sandbox)
    assert record["requestParameters"]["groupSet"] == {"items": [{"groupId": group}]}
    assert record["requestParameters"]["instancesSet"] == {"items": [{"imageId": "ami-0123456789abcdef0", "minCount": 1, "maxCount": 1}]}
    (made,) = record["responseElements"]["instancesSet"]["items"]
    assert made["groupSet"] == {"items": [{"groupId": group, "groupName": "attached"}]}
    assert groups_of(record) == (group,)

    ec2.modify_instance_attribute(InstanceId=instance, Groups=[group])
    record = last(sandbox)
    assert record["requestParameters"] == {"instanceId": instance, "groupSet": {"items": [{"groupId": group}]}}
    assert done(record)
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    assert last(sandbox)["requestParameters"] == {"instanceId": instance, "disableApiTermination": {"value": False}}
    ec2.modify_instance_attribute(InstanceId=instance, UserData={"Value": b"c2VjcmV0"})
    assert last(sandbox)["requestParameters"] == {"instanceId": instance, "userData": "<sensitiveDataRemoved>"}


def test_tags_come_and_go_in_the_classic_dialect(sandbox, ec2, group):
    """Otherwise tags of groups and rules are found here and not at AWS."""
    ec2.create_tags(Resources=[group, "sgr-0123456789abcdef0"], Tags=[{"Key": "team", "Value": "web"}])
    record = last(sandbox)
    assert record["requestParameters"] == {
        "resourcesSet": {"items": [{"resourceId": group}, {"resourceId": "sgr-0123456789abcdef0"}]},
        "tagSet": {"items": [{"key": "team", "value": "web"}]},
    }
    assert done(record)
    ec2.delete_tags(Resources=[group], Tags=[{"Key": "team"}])
    record = last(sandbox)
    assert record["requestParameters"] == {"resourcesSet": {"items": [{"resourceId": group}]}, "tagSet": {"items": [{"key": "team"}]}}
    assert done(record)


def test_load_balancers_of_both_kinds_name_their_groups_in_plain_arrays(sandbox, subnets, group):
    """Otherwise whoever puts a group before a load balancer is seen here and not at AWS."""
    new, old = client(sandbox, "elbv2"), client(sandbox, "elb")
    arn = new.create_load_balancer(Name="web", Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0]["LoadBalancerArn"]
    record = last(sandbox)
    assert record["requestParameters"] == {"name": "web", "subnets": subnets, "securityGroups": [group]}
    assert record["responseElements"]["loadBalancers"][0]["securityGroups"] == [group]
    new.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[group])
    record = last(sandbox)
    assert (record["eventSource"], record["eventName"]) == ("elasticloadbalancing.amazonaws.com", "SetSecurityGroups")
    assert record["requestParameters"] == {"loadBalancerArn": arn, "securityGroups": [group]}
    assert record["responseElements"] == {"securityGroupIds": [group]}
    assert groups_of(record) == (group,)
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
    old.create_load_balancer(LoadBalancerName="old", Subnets=subnets[:1], SecurityGroups=[group], Listeners=[listener])
    assert last(sandbox)["requestParameters"]["listeners"] == [{"protocol": "HTTP", "loadBalancerPort": 80, "instancePort": 80}]
    old.apply_security_groups_to_load_balancer(LoadBalancerName="old", SecurityGroups=[group])
    record = last(sandbox)
    assert record["requestParameters"] == {"loadBalancerName": "old", "securityGroups": [group]}
    assert groups_of(record) == (group,)


def test_databases_name_groups_by_vpc_and_look_alikes_are_their_own(sandbox, group):
    """Otherwise DB security groups, which are no groups of a VPC, are taken for them."""
    rds = client(sandbox, "rds")
    made = {
        "DBInstanceClass": "db.t3.micro",
        "Engine": "postgres",
        "AllocatedStorage": 20,
        "MasterUsername": "u",
        "MasterUserPassword": "example-pass",
    }
    rds.create_db_instance(DBInstanceIdentifier="db1", VpcSecurityGroupIds=[group], **made)
    record = last(sandbox)
    assert record["requestParameters"]["vpcSecurityGroupIds"] == [group]
    assert record["requestParameters"]["masterUserPassword"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert "example-pass" not in json.dumps(record)
    assert record["responseElements"]["dBInstance"]["vpcSecurityGroups"] == [{"vpcSecurityGroupId": group, "status": "active"}]
    rds.modify_db_instance(DBInstanceIdentifier="db1", VpcSecurityGroupIds=[group])
    record = last(sandbox)
    assert record["requestParameters"] == {"dBInstanceIdentifier": "db1", "vpcSecurityGroupIds": [group]}
    assert groups_of(record) == (group,)
    rds.create_db_security_group(DBSecurityGroupName="classic", DBSecurityGroupDescription="d")
    rds.authorize_db_security_group_ingress(DBSecurityGroupName="classic", CIDRIP="192.0.2.0/24")
    record = last(sandbox)
    assert (record["eventSource"], record["eventName"]) == ("rds.amazonaws.com", "AuthorizeDBSecurityGroupIngress")
    assert record["requestParameters"] == {"dBSecurityGroupName": "classic", "cIDRIP": "192.0.2.0/24"}
    assert groups_of(record) == ()


def test_file_systems_are_told_by_method_and_path(sandbox, subnets, group):
    """Otherwise services of the REST protocol do not come out of the sandbox at all."""
    efs = client(sandbox, "efs")
    system = efs.create_file_system(CreationToken="one")["FileSystemId"]
    target = efs.create_mount_target(FileSystemId=system, SubnetId=subnets[0], SecurityGroups=[group])["MountTargetId"]
    record = last(sandbox)
    assert record["requestParameters"] == {"fileSystemId": system, "subnetId": subnets[0], "securityGroups": [group]}
    efs.modify_mount_target_security_groups(MountTargetId=target, SecurityGroups=[group])
    record = last(sandbox)
    assert (record["eventSource"], record["eventName"]) == ("elasticfilesystem.amazonaws.com", "ModifyMountTargetSecurityGroups")
    assert record["requestParameters"] == {"mountTargetId": target, "securityGroups": [group]}
    assert record["responseElements"] is None
    assert groups_of(record) == (group,)
    efs.describe_mount_target_security_groups(MountTargetId=target)
    assert (last(sandbox)["readOnly"], last(sandbox)["requestParameters"]) == (True, {"mountTargetId": target})


def test_functions_have_the_version_of_the_api_in_the_names_of_their_events(sandbox, subnets, group):
    """Otherwise a watch of UpdateFunctionConfiguration by its plain name seems to be enough."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    client(sandbox, "iam").create_role(RoleName="function", AssumeRolePolicyDocument=json.dumps(trust))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("a.py", "def handle(event, context): ...")
    functions, network = client(sandbox, "lambda"), {"SecurityGroupIds": [group], "SubnetIds": subnets[:1]}
    made = {"FunctionName": "f", "Runtime": "python3.12", "Role": FUNCTION_ROLE, "Handler": "a.handle"}
    functions.create_function(**made, Code={"ZipFile": code.getvalue()}, VpcConfig=network)
    record = last(sandbox)
    assert record["eventName"] == "CreateFunction20150331"
    assert record["requestParameters"]["code"] == {}
    functions.update_function_configuration(FunctionName="f", VpcConfig=network)
    record = last(sandbox)
    assert (record["eventSource"], record["eventName"]) == ("lambda.amazonaws.com", "UpdateFunctionConfiguration20150331v2")
    assert record["requestParameters"] == {"functionName": "f", "vpcConfig": {"securityGroupIds": [group], "subnetIds": subnets[:1]}}
    assert {row["action"] for row in sandbox.actions.rows()} >= {"lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"}


def test_a_prefix_list_goes_back_to_an_earlier_version(sandbox, ec2):
    """Otherwise the one change of a prefix list that names no address at all cannot be made here."""
    first = [{"Cidr": "192.0.2.0/24", "Description": "one"}, {"Cidr": "198.51.100.0/24", "Description": "two"}]
    made = ec2.create_managed_prefix_list(PrefixListName="offices", MaxEntries=5, AddressFamily="IPv4", Entries=first)["PrefixList"]
    name = made["PrefixListId"]
    changed = {"AddEntries": [{"Cidr": "203.0.113.0/24"}], "RemoveEntries": [{"Cidr": "192.0.2.0/24"}]}
    ec2.modify_managed_prefix_list(PrefixListId=name, CurrentVersion=1, **changed)
    record = last(sandbox)["requestParameters"]["ModifyManagedPrefixListRequest"]
    assert record["AddEntry"] == {"Cidr": "203.0.113.0/24", "tag": 1}
    assert record["RemoveEntry"] == {"Cidr": "192.0.2.0/24", "tag": 1}
    answer = ec2.restore_managed_prefix_list_version(PrefixListId=name, PreviousVersion=1, CurrentVersion=2)
    assert answer["PrefixList"]["Version"] == 3
    record = last(sandbox)
    asked = {"PrefixListId": name, "PreviousVersion": 1, "CurrentVersion": 2}
    assert record["requestParameters"] == {"RestoreManagedPrefixListVersionRequest": asked}
    assert record["responseElements"]["RestoreManagedPrefixListVersionResponse"]["prefixList"]["prefixListId"] == name
    entries = ec2.get_managed_prefix_list_entries(PrefixListId=name)["Entries"]
    assert sorted((entry["Cidr"], entry["Description"]) for entry in entries) == [("192.0.2.0/24", "one"), ("198.51.100.0/24", "two")]


def test_a_default_vpc_comes_with_its_group_and_goes_without_a_word_of_it(sandbox):
    """Otherwise groups that no CreateSecurityGroup makes and no DeleteSecurityGroup ends are never met."""
    ec2 = client(sandbox, "ec2", "eu-west-1")
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    (vpc,) = [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["IsDefault"]]
    ec2.delete_vpc(VpcId=vpc)
    record = last(sandbox)
    assert (record["eventName"], record["requestParameters"]) == ("DeleteVpc", {"vpcId": vpc})
    assert done(record)
    made = ec2.create_default_vpc()["Vpc"]["VpcId"]
    call, event = records(sandbox)[-2:]
    assert (call["eventName"], call["requestParameters"], call["responseElements"]["vpc"]["vpcId"]) == ("CreateDefaultVpc", {}, made)
    assert (event["eventName"], event["eventType"]) == ("CreateVpcResourceCreation", "AwsServiceEvent")
    assert event["serviceEventDetails"] == {"vpcId": made}
    assert [item["type"] for item in event["resources"]] == ["AWS::EC2::SecurityGroup", "AWS::EC2::RouteTable", "AWS::EC2::NetworkAcl"]
