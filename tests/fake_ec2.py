"""A caller that answers what EC2 and Elastic Load Balancing tell of a small world, page by page, and fails where a test wants it to.

Pages go on after the last id of the page before, as a list does that changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from exporter.aws import Operation
from exporter.aws import operations as op
from exporter.errors import AwsError

ACCOUNT, OTHER, REGION = "111122223333", "444455556666", "us-east-1"
VPC, SECOND_VPC = "vpc-0123456789abcdef0", "vpc-0123456789abcdef1"
FACING, INTERNAL = "internet-facing", "internal"

Item = dict[str, Any]


def group_id(number: int) -> str:
    """Return the id of a group."""
    return f"sg-0123456789abcdef{number}"


def arn(kind: str, name: str) -> str:
    """Return an ARN of Elastic Load Balancing."""
    return f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:{kind}/{name}/0123456789abcdef"


def rule(number: int, group: int, egress: bool = False, **peer: Any) -> Item:
    """Return a rule for one port, as DescribeSecurityGroupRules has it."""
    where = peer or {"CidrIpv4": f"192.0.2.{number}/32"}
    return {
        "SecurityGroupRuleId": f"sgr-0123456789abcd{number:03d}",
        "GroupId": group_id(group),
        "GroupOwnerId": ACCOUNT,
        "IsEgress": egress,
        "IpProtocol": "tcp",
        "FromPort": 22,
        "ToPort": 22,
        "Tags": [],
        **where,
    }


def group(number: int, **more: Any) -> Item:
    """Return a group, without its permissions, which follow from the rules."""
    told = {"GroupId": group_id(number), "GroupName": f"group-{number}", "OwnerId": ACCOUNT, "VpcId": VPC, "Description": "d", "Tags": []}
    return told | more


def interface(number: int, groups: list[int], address: str, **more: Any) -> Item:
    """Return an interface with one private address."""
    return {
        "NetworkInterfaceId": f"eni-0123456789abcdef{number}",
        "VpcId": VPC,
        "Groups": [{"GroupId": group_id(one), "GroupName": f"group-{one}"} for one in groups],
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [{"PrivateIpAddress": address, "Primary": True}],
        "Ipv6Addresses": [],
        **more,
    }


def attached(instance: str, device: int = 0, card: int = 0) -> Item:
    """Return the attachment of an interface to an instance."""
    return {"Attachment": {"InstanceId": instance, "DeviceIndex": device, "NetworkCardIndex": card, "Status": "attached"}}


class World:
    """What there is. `entries` are by list and version, `targets` by the name of a target group."""

    def __init__(self) -> None:
        self.groups: list[Item] = []
        self.rules: list[Item] = []
        self.associations: list[Item] = []
        self.prefix_lists: list[Item] = []
        self.entries: dict[tuple[str, int | None], list[Item]] = {}
        self.interfaces: list[Item] = []
        self.balancers: list[Item] = []
        self.target_groups: list[Item] = []
        self.targets: dict[str, list[str]] = {}
        self.classic: list[Item] = []

    def balancer(self, name: str, scheme: str | None, groups: tuple[int, ...] = (), kind: str = "application") -> str:
        """Add a load balancer; return its ARN."""
        told = {"LoadBalancerArn": arn("loadbalancer/app", name), "Type": kind, "VpcId": VPC}
        told |= {"Scheme": scheme} if scheme else {}
        self.balancers.append(told | {"SecurityGroups": [group_id(one) for one in groups]})
        return str(told["LoadBalancerArn"])

    def target_group(self, name: str, kind: str, targets: list[str], *balancers: str, vpc: str = VPC) -> None:
        """Add a target group behind load balancers."""
        told = {"TargetGroupArn": arn("targetgroup", name), "TargetType": kind, "VpcId": vpc, "LoadBalancerArns": list(balancers)}
        self.target_groups.append(told)
        self.targets[str(told["TargetGroupArn"])] = targets

    def lists(self, operation: Operation, parameters: Mapping[str, Any]) -> tuple[str, str, list[Item]]:
        """Return the name of the list in an answer, what its items are ordered by, and all items."""
        if operation is op.GET_PREFIX_LIST_ENTRIES:
            return "Entries", "Cidr", self.entries[parameters["PrefixListId"], parameters.get("TargetVersion")]
        known = {
            op.DESCRIBE_GROUPS: ("SecurityGroups", "GroupId", [self._with_permissions(one) for one in self.groups]),
            op.DESCRIBE_RULES: ("SecurityGroupRules", "SecurityGroupRuleId", self.rules),
            op.DESCRIBE_ASSOCIATIONS: ("SecurityGroupVpcAssociations", "VpcId", self.associations),
            op.DESCRIBE_PREFIX_LISTS: ("PrefixLists", "PrefixListId", self.prefix_lists),
            op.DESCRIBE_INTERFACES: ("NetworkInterfaces", "NetworkInterfaceId", self.interfaces),
            op.DESCRIBE_BALANCERS: ("LoadBalancers", "LoadBalancerArn", self.balancers),
            op.DESCRIBE_TARGET_GROUPS: ("TargetGroups", "TargetGroupArn", self.target_groups),
            op.DESCRIBE_CLASSIC_BALANCERS: ("LoadBalancerDescriptions", "LoadBalancerName", self.classic),
        }
        return known[operation]

    def _with_permissions(self, told: Item) -> Item:
        sides: dict[bool, list[Item]] = {True: [], False: []}
        for one in self.rules:
            if one["GroupId"] != told["GroupId"]:
                continue
            permission = {key: one[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in one}
            permission["IpRanges"] = [{"CidrIp": one["CidrIpv4"]}] if "CidrIpv4" in one else []
            permission["Ipv6Ranges"] = [{"CidrIpv6": one["CidrIpv6"]}] if "CidrIpv6" in one else []
            permission["PrefixListIds"] = [{"PrefixListId": one["PrefixListId"]}] if "PrefixListId" in one else []
            permission["UserIdGroupPairs"] = [one["ReferencedGroupInfo"]] if "ReferencedGroupInfo" in one else []
            sides[one["IsEgress"]].append(permission)
        return told | {"IpPermissions": sides[False], "IpPermissionsEgress": sides[True]}


def world() -> World:
    """Return a world with more than one page of everything, in pages of two."""
    made = World()
    made.groups = [group(number) for number in range(5)]
    made.groups[0] = group(0, GroupName="default", Tags=[{"Key": "team", "Value": "web"}])
    made.rules = [rule(number, number % 5) for number in range(9)]
    made.rules += [
        rule(9, 1, PrefixListId="pl-0123456789abcdef0"),
        rule(10, 2, PrefixListId="pl-0123456789abcdef2"),
        rule(11, 3, egress=True, CidrIpv6="2001:db8::/32"),
        rule(12, 4, ReferencedGroupInfo={"GroupId": group_id(1), "UserId": ACCOUNT}),
    ]
    states = ["associated", "associating", "disassociating"]
    made.associations = [
        {"GroupId": group_id(1), "VpcId": f"vpc-0123456789abcdef{number}", "State": state} for number, state in enumerate(states, 1)
    ]
    made.prefix_lists = [
        {"PrefixListId": "pl-0123456789abcdef0", "PrefixListName": "own", "Version": 3, "OwnerId": ACCOUNT, "MaxEntries": 10},
        {"PrefixListId": "pl-0123456789abcdef1", "PrefixListName": "shared", "Version": 1, "OwnerId": OTHER, "MaxEntries": 5},
        {"PrefixListId": "pl-0123456789abcdef2", "PrefixListName": "com.amazonaws.us-east-1.s3", "OwnerId": "AWS"},
        {"PrefixListId": "pl-0123456789abcdef3", "PrefixListName": "com.amazonaws.us-east-1.dynamodb", "OwnerId": "AWS"},
    ]
    made.entries = {
        ("pl-0123456789abcdef0", 3): [{"Cidr": f"198.51.100.{number}/32", "Description": "office"} for number in range(5)],
        ("pl-0123456789abcdef1", 1): [{"Cidr": "203.0.113.0/24"}],
        ("pl-0123456789abcdef2", None): [{"Cidr": f"203.0.113.{number}/32"} for number in range(3)],
    }
    public = {"Association": {"PublicIp": "198.51.100.7", "IpOwnerId": "amazon"}}
    made.interfaces = [
        interface(0, [0, 1], "10.0.0.10", **attached("i-0123456789abcdef0"), **public),
        interface(1, [1], "10.0.0.11", **attached("i-0123456789abcdef1")),
        interface(2, [2], "10.0.0.12", **attached("i-0123456789abcdef1", 1)),
        interface(3, [3], "10.0.0.13"),
        interface(4, [4], "10.0.0.14"),
    ]
    front, inner = made.balancer("front", FACING, (0,)), made.balancer("inner", INTERNAL, (2,))
    made.balancer("other", INTERNAL)
    made.target_group("instances", "instance", ["i-0123456789abcdef1"], front)
    made.target_group("addresses", "ip", ["10.0.0.13", "10.0.9.9"], front)
    made.target_group("hidden", "instance", ["i-0123456789abcdef0"], inner)
    made.classic = [
        {
            "LoadBalancerName": f"classic-{number}",
            "Scheme": scheme,
            "VPCId": VPC,
            "Instances": [{"InstanceId": f"i-0123456789abcdef{number}"}],
        }
        for number, scheme in enumerate((INTERNAL, FACING, INTERNAL))
    ]
    return made


class FakeCaller:
    """Answers from a world. `before` is called with the number of each call and what is asked, and may change the world, or raise."""

    account_id, region, partition = ACCOUNT, REGION, "aws"

    def __init__(self, told: World, page: int = 2) -> None:
        self.world, self.page = told, page
        self.calls: list[tuple[Operation, Item]] = []
        self.before: Callable[[int, Operation, Item], Mapping[str, Any] | None] = lambda _number, _operation, _asked: None

    def call(self, operation: Operation, /, **parameters: Any) -> Mapping[str, Any]:
        """Answer one call."""
        self.calls.append((operation, parameters))
        answer = self.before(len(self.calls) - 1, operation, parameters)
        if answer is not None:
            return answer
        if operation is op.DESCRIBE_TARGET_HEALTH:
            targets = self.world.targets[parameters["TargetGroupArn"]]
            return {"TargetHealthDescriptions": [{"Target": {"Id": one}, "TargetHealth": {"State": "healthy"}} for one in targets]}
        name, key, items = self.world.lists(operation, parameters)
        for wanted in parameters.get("Filters", ()):
            assert wanted["Name"] == "group-id"
            items = [item for item in items if item["GroupId"] in wanted["Values"]]
        after = parameters.get("NextToken") or parameters.get("Marker") or ""
        rest = sorted((item for item in items if item[key] > after), key=lambda item: item[key])
        answer = {name: deepcopy(rest[: self.page])}
        if len(rest) > self.page:
            answer["NextMarker" if operation.service.startswith("elb") else "NextToken"] = rest[self.page - 1][key]
        return answer

    def counted(self) -> dict[str, int]:
        """Return how often each operation was called."""
        found: dict[str, int] = {}
        for operation, _ in self.calls:
            name = f"{operation.service}:{operation.name}"
            found[name] = found.get(name, 0) + 1
        return found


def failure(operation: Operation, reason: str = "access_denied", code: str = "UnauthorizedOperation") -> AwsError:
    """Return the error of a call that fails."""
    return AwsError(
        reason, f"{operation.action} in account {ACCOUNT} {REGION} failed: {code}; do something about it", operation.action, code
    )
