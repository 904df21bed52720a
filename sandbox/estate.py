"""What stands in the world of the activity and is left alone by it: one of each kind of exposure, beside what comes and goes.

A load balancer that faces the internet with a target behind it, a bastion with a public address, a database reached by nobody from
outside, a group that nothing has, and a prefix list that lets more in than it seems.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exporter.demo.callers import TERRAFORM
from sandbox.hands import Hands
from sandbox.world import HOME_REGION, World

IMAGE = "ami-0123456789abcdef0"
_ANYWHERE = {"IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "everybody"}]}
_EVERYWHERE = {"Ipv6Ranges": [{"CidrIpv6": "::/0", "Description": "everybody"}]}


def furnish(hands: Hands, world: World, stopped: Callable[[], bool]) -> None:
    """Put it up, as Terraform of each account would: the load balancer in every account, the rest in one each."""
    for place, account_id in enumerate(world.accounts):
        if stopped():
            return
        ec2 = hands.lend(TERRAFORM, account_id, "ec2", HOME_REGION)
        vpc_id = ec2.create_vpc(CidrBlock="10.1.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.1.{number}.0/24", AvailabilityZone=f"{HOME_REGION}{zone}")["Subnet"]["SubnetId"]
            for number, zone in enumerate("ab")
        ]
        front = _group(ec2, vpc_id, "front", 443, _ANYWHERE | _EVERYWHERE)
        behind = _group(ec2, vpc_id, "servers", 8080, {"UserIdGroupPairs": [{"GroupId": front, "UserId": account_id}]})
        target = _instance(ec2, subnets[0], behind, public=False)
        kinds = (_bastion, _database, _forgotten, _partners)
        for kind in kinds if len(world.accounts) == 1 else kinds[place :: len(world.accounts)]:
            kind(ec2, vpc_id, subnets[1])
        elb = hands.lend(TERRAFORM, account_id, "elbv2", HOME_REGION)
        _balance(elb, vpc_id, subnets, front, target)


def _group(ec2: Any, vpc_id: str, name: str, port: int, peers: dict[str, Any]) -> str:
    group_id = str(ec2.create_security_group(GroupName=name, Description=f"{name} of the estate", VpcId=vpc_id)["GroupId"])
    permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peers}
    ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[permission])
    return group_id


def _instance(ec2: Any, subnet_id: str, group_id: str, *, public: bool) -> str:
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": public, "SubnetId": subnet_id, "Groups": [group_id]}
    return str(ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, NetworkInterfaces=[interface])["Instances"][0]["InstanceId"])


def _bastion(ec2: Any, vpc_id: str, subnet_id: str) -> None:
    _instance(ec2, subnet_id, _group(ec2, vpc_id, "bastion", 22, _ANYWHERE), public=True)


def _database(ec2: Any, vpc_id: str, subnet_id: str) -> None:
    _instance(ec2, subnet_id, _group(ec2, vpc_id, "database", 5432, _ANYWHERE), public=False)


def _forgotten(ec2: Any, vpc_id: str, _subnet_id: str) -> None:
    _group(ec2, vpc_id, "forgotten", 3389, _ANYWHERE)


def _partners(ec2: Any, vpc_id: str, subnet_id: str) -> None:
    """Let partners in, of whom two together are the internet; their server has an elastic address."""
    halves = [{"Cidr": cidr, "Description": "partner"} for cidr in ("0.0.0.0/1", "128.0.0.0/1")]
    made = ec2.create_managed_prefix_list(PrefixListName="partners", MaxEntries=5, AddressFamily="IPv4", Entries=halves)["PrefixList"]
    group_id = _group(ec2, vpc_id, "partners", 8443, {"PrefixListIds": [{"PrefixListId": made["PrefixListId"], "Description": "partners"}]})
    interface = ec2.create_network_interface(SubnetId=subnet_id, Groups=[group_id])["NetworkInterface"]["NetworkInterfaceId"]
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=interface)


def _balance(elb: Any, vpc_id: str, subnets: list[str], group_id: str, target: str) -> None:
    balancer = elb.create_load_balancer(Name="front", Subnets=subnets, SecurityGroups=[group_id])["LoadBalancers"][0]["LoadBalancerArn"]
    targets = elb.create_target_group(Name="servers", Protocol="HTTP", Port=8080, VpcId=vpc_id)["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=targets, Targets=[{"Id": target}])
    forward = [{"Type": "forward", "TargetGroupArn": targets}]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward)
