"""What decides whether the internet reaches a group: public addresses of interfaces, load balancers and their targets, as EC2 tells them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox_client import ACCOUNT, REGION, client

IMAGE = "ami-0123456789abcdef0"


@pytest.fixture
def vpc(ec2):
    """Return the id of a new VPC with IPv6."""
    return ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]


@pytest.fixture
def subnets(ec2, vpc):
    """Return two subnets in two zones."""
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}") for n, zone in ((1, "a"), (2, "b"))
    ]
    return [answer["Subnet"]["SubnetId"] for answer in made]


@pytest.fixture
def groups(ec2, vpc):
    """Return two groups."""
    return [ec2.create_security_group(GroupName=name, Description="d", VpcId=vpc)["GroupId"] for name in ("web", "admin")]


def with_group(ec2: Any, group: str) -> list[dict[str, Any]]:
    """Return the interfaces that have a group."""
    found: list[dict[str, Any]] = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])["NetworkInterfaces"]
    assert all(group in {one["GroupId"] for one in interface["Groups"]} for interface in found)
    return found


def test_an_instance_with_a_public_address_shows_it_on_its_interface_until_it_ends(ec2, subnets, groups):
    """An interface that outlives its instance would count as attached for ever."""
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "SubnetId": subnets[0], "Groups": [groups[0]]}
    made = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, NetworkInterfaces=[interface])["Instances"][0]
    (told,) = with_group(ec2, groups[0])
    assert told["Association"]["PublicIp"].startswith("54.214.")
    assert told["Attachment"]["InstanceId"] == made["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=made["InstanceId"], Groups=[groups[1]])
    assert with_group(ec2, groups[0]) == []
    (told,) = with_group(ec2, groups[1])
    assert [group["GroupId"] for group in told["Groups"]] == [groups[1]]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=told["NetworkInterfaceId"], Groups=[groups[0]])
    described = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"][0]
    assert [group["GroupId"] for group in described["SecurityGroups"]] == [groups[0]]
    (told,) = with_group(ec2, groups[0])
    assert [group["GroupId"] for group in told["Groups"]] == [groups[0]]
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    assert with_group(ec2, groups[0]) == with_group(ec2, groups[1]) == []


def test_an_elastic_address_comes_and_goes(ec2, subnets, groups):
    """A group is public as long as the address is there."""
    interface = ec2.create_network_interface(SubnetId=subnets[0], Groups=[groups[0]])["NetworkInterface"]["NetworkInterfaceId"]
    address = ec2.allocate_address(Domain="vpc")
    linked = ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=interface)
    (told,) = with_group(ec2, groups[0])
    assert told["Association"]["PublicIp"] == address["PublicIp"]
    assert told["Association"]["AllocationId"] == address["AllocationId"]
    assert address["PublicIp"].startswith("54.214.")
    ec2.disassociate_address(AssociationId=linked["AssociationId"])
    (told,) = with_group(ec2, groups[0])
    assert "Association" not in told


def test_a_second_interface_has_its_own_groups_alone(ec2, subnets, groups):
    """moto adds those of the instance."""
    asked = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1, "SecurityGroupIds": [groups[0]], "SubnetId": subnets[0]}
    instance = ec2.run_instances(**asked)["Instances"][0]["InstanceId"]
    second = ec2.create_network_interface(SubnetId=subnets[0], Groups=[groups[1]])["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=instance, DeviceIndex=1)
    assert [interface["NetworkInterfaceId"] for interface in with_group(ec2, groups[1])] == [second]
    (told,) = with_group(ec2, groups[1])
    assert [group["GroupId"] for group in told["Groups"]] == [groups[1]]


def test_ipv6_addresses_of_an_interface_are_told(ec2, subnets, groups):
    """They are global without any association."""
    asked = {"SubnetId": subnets[0], "Groups": [groups[0]], "Ipv6Addresses": [{"Ipv6Address": "2001:db8::1"}]}
    ec2.create_network_interface(**asked)
    (told,) = with_group(ec2, groups[0])
    assert told["Ipv6Addresses"] == [{"Ipv6Address": "2001:db8::1"}]
    assert "Association" not in told


@pytest.mark.parametrize(("scheme", "public"), [(None, True), ("internet-facing", True), ("internal", False)])
def test_a_load_balancer_has_an_interface_in_each_subnet(sandbox, ec2, subnets, groups, scheme, public):
    """What it opens to the internet is its own group's, and its targets' behind it."""
    elb = client(sandbox, "elbv2")
    asked = {} if scheme is None else {"Scheme": scheme}
    made = elb.create_load_balancer(Name="web", Subnets=subnets, SecurityGroups=[groups[0]], **asked)["LoadBalancers"][0]
    (told,) = elb.describe_load_balancers(LoadBalancerArns=[made["LoadBalancerArn"]])["LoadBalancers"]
    assert told["Scheme"] == (scheme or "internet-facing")
    interfaces = with_group(ec2, groups[0])
    assert {interface["SubnetId"] for interface in interfaces} == set(subnets)
    path = made["LoadBalancerArn"].partition(":loadbalancer/")[2]
    for interface in interfaces:
        assert (interface["RequesterId"], interface["RequesterManaged"], interface["Status"]) == ("amazon-elb", True, "in-use")
        assert interface["Description"] == f"ELB {path}"
        assert interface["Attachment"]["InstanceOwnerId"] == "amazon-elb"
        assert ("Association" in interface) is public
    elb.set_security_groups(LoadBalancerArn=made["LoadBalancerArn"], SecurityGroups=[groups[1]])
    assert with_group(ec2, groups[0]) == []
    assert {one["NetworkInterfaceId"] for one in with_group(ec2, groups[1])} == {one["NetworkInterfaceId"] for one in interfaces}
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=groups[1])
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])
    assert with_group(ec2, groups[1]) == []


def test_targets_of_a_load_balancer_are_found_through_their_groups(sandbox, ec2, vpc, subnets, groups):
    """An instance without a public address is reached all the same."""
    elb = client(sandbox, "elbv2")
    asked = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1, "SecurityGroupIds": [groups[1]], "SubnetId": subnets[0]}
    instance = ec2.run_instances(**asked)["Instances"][0]["InstanceId"]
    balancer = elb.create_load_balancer(Name="behind", Subnets=subnets, SecurityGroups=[groups[0]])["LoadBalancers"][0]["LoadBalancerArn"]
    target_group = elb.create_target_group(Name="behind", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=target_group, Targets=[{"Id": instance}])
    forward = [{"Type": "forward", "TargetGroupArn": target_group}]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward)
    (told,) = elb.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    assert told["LoadBalancerArns"] == [balancer]
    (health,) = elb.describe_target_health(TargetGroupArn=target_group)["TargetHealthDescriptions"]
    assert health["Target"]["Id"] == instance
    actions = {row["action"] for row in sandbox.actions.rows()}
    assert {"elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"} <= actions


def test_a_classic_load_balancer_has_interfaces_too(sandbox, ec2, subnets, groups):
    """It has no ARN, and other calls."""
    elb = client(sandbox, "elb")
    listeners = [{"Protocol": "tcp", "LoadBalancerPort": 80, "InstancePort": 80}]
    elb.create_load_balancer(LoadBalancerName="old", Listeners=listeners, Subnets=subnets, SecurityGroups=[groups[0]])
    found = with_group(ec2, groups[0])
    assert [interface["Description"] for interface in found] == ["ELB old", "ELB old"]
    assert all(interface["Association"]["IpOwnerId"] == ACCOUNT for interface in found)
    elb.apply_security_groups_to_load_balancer(LoadBalancerName="old", SecurityGroups=groups)
    assert len(with_group(ec2, groups[1])) == 2
    elb.detach_load_balancer_from_subnets(LoadBalancerName="old", Subnets=subnets[:1])
    assert [interface["SubnetId"] for interface in with_group(ec2, groups[0])] == subnets[1:]
    elb.delete_load_balancer(LoadBalancerName="old")
    assert with_group(ec2, groups[0]) == []
