"""What AWS Config would find in an account and region: resources as configuration items, from what EC2 and load balancers answer.

A security group has `ipRanges` (strings) beside `ipv4Ranges` (objects), no rule ids, and no ports where all are meant; types that
CloudFormation describes (prefix lists, VPC associations, target groups) have its PascalCase.
Sources: AWS Config resource schema (aws-config-resource-schema), configuration items in AWS's and others' samples. What relates
to what is that of direct relationships; the items of target groups and VPC associations are inferred from CloudFormation's schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import quote

from botocore.parsers import create_parser

from sandbox.backend import EC2_VERSION, Backend
from sandbox.ec2_reads import Associations
from sandbox.ec2_state import Ec2State
from sandbox.identities import partition_of
from sandbox.models import Models

GROUP = "AWS::EC2::SecurityGroup"
INTERFACE = "AWS::EC2::NetworkInterface"
INSTANCE = "AWS::EC2::Instance"
PREFIX_LIST = "AWS::EC2::PrefixList"
ASSOCIATION = "AWS::EC2::SecurityGroupVpcAssociation"
BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
CLASSIC_BALANCER = "AWS::ElasticLoadBalancing::LoadBalancer"
TARGETS = "AWS::ElasticLoadBalancingV2::TargetGroup"
KINDS = (GROUP, INTERFACE, INSTANCE, PREFIX_LIST, ASSOCIATION, BALANCER, CLASSIC_BALANCER, TARGETS)
"""Every type of resource that is recorded."""
Key: TypeAlias = tuple[str, str]
"""Type and id of a resource."""
_ELB = "2012-06-01"
_ELBV2 = "2015-12-01"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it is now. `relationships` are (type, id, name of the relationship)."""

    kind: str
    resource_id: str
    name: str
    arn: str
    configuration: Mapping[str, Any]
    tags: Mapping[str, str]
    relationships: tuple[tuple[str, str, str], ...] = ()
    zone: str = "Not Applicable"

    @property
    def key(self) -> Key:
        """Its type and id."""
        return self.kind, self.resource_id


class Inventory:
    """Looks at accounts and regions."""

    def __init__(self, backend: Backend, models: Models, associations: Associations) -> None:
        self._backend, self._models, self._associations = backend, models, associations
        self._parts: Mapping[str, Callable[[str, str], Iterator[Resource]]] = {
            GROUP: self.groups,
            INTERFACE: self._interfaces,
            INSTANCE: self._instances,
            PREFIX_LIST: self._prefix_lists,
            ASSOCIATION: self._vpc_associations,
            BALANCER: self._load_balancers,
            CLASSIC_BALANCER: self._classic_load_balancers,
            TARGETS: self._target_groups,
        }

    def groups(self, account_id: str, region: str, ids: frozenset[str] | None = None) -> Iterator[Resource]:
        """Yield the security groups, or those of some ids that there are."""
        named = {} if ids is None else {f"Filter.1.Value.{place}": one for place, one in enumerate(sorted(ids), 1)}
        asked = {"Filter.1.Name": "group-id", **named} if named else {}
        for group in self._ec2(account_id, region, "DescribeSecurityGroups", asked).get("SecurityGroups", []):
            tags = _tags(group)
            configuration = {
                "description": group["Description"],
                "groupName": group["GroupName"],
                "ipPermissions": [_permission(item) for item in group.get("IpPermissions", [])],
                "ownerId": group["OwnerId"],
                "groupId": group["GroupId"],
                "ipPermissionsEgress": [_permission(item) for item in group.get("IpPermissionsEgress", [])],
                "tags": _tag_list(tags),
                "vpcId": group["VpcId"],
            }
            arn = f"{_ec2_arn(account_id, region)}:security-group/{group['GroupId']}"
            within = _related("AWS::EC2::VPC", [group["VpcId"]], "Is contained in Vpc")
            yield Resource(GROUP, group["GroupId"], group["GroupName"], arn, configuration, tags, within)

    def some(self, account_id: str, region: str, kinds: Iterable[str] = KINDS) -> Iterator[Resource]:
        """Yield all resources of some types."""
        for kind in kinds:
            yield from self._parts[kind](account_id, region)

    def balancers(self, account_id: str, region: str) -> Iterator[Resource]:
        """Yield the load balancers, classic ones too."""
        yield from self._load_balancers(account_id, region)
        yield from self._classic_load_balancers(account_id, region)

    def _interfaces(self, account_id: str, region: str) -> Iterator[Resource]:
        for interface in self._ec2(account_id, region, "DescribeNetworkInterfaces").get("NetworkInterfaces", []):
            interface_id, groups = interface["NetworkInterfaceId"], [group["GroupId"] for group in interface.get("Groups", [])]
            instance_id = interface.get("Attachment", {}).get("InstanceId")
            relationships = (
                *_related(INSTANCE, [instance_id] if instance_id else [], "Is attached to Instance"),
                *_related(GROUP, groups, "Is associated with SecurityGroup"),
                *_related("AWS::EC2::Subnet", [interface["SubnetId"]], "Is contained in Subnet"),
                *_related("AWS::EC2::VPC", [interface["VpcId"]], "Is contained in Vpc"),
            )
            arn, tags = f"{_ec2_arn(account_id, region)}:network-interface/{interface_id}", _tags(interface, "TagSet")
            zone = interface.get("AvailabilityZone", "")
            yield Resource(INTERFACE, interface_id, "", arn, _camel(interface), tags, relationships, zone)

    def _instances(self, account_id: str, region: str) -> Iterator[Resource]:
        for reservation in self._ec2(account_id, region, "DescribeInstances").get("Reservations", []):
            for instance in reservation.get("Instances", []):
                if instance["State"]["Name"] == "terminated":
                    continue
                interfaces = [interface["NetworkInterfaceId"] for interface in instance.get("NetworkInterfaces", [])]
                groups = [group["GroupId"] for group in instance.get("SecurityGroups", [])]
                relationships = (
                    *_related(INTERFACE, interfaces, "Contains NetworkInterface"),
                    *_related(GROUP, groups, "Is associated with SecurityGroup"),
                    *_related("AWS::EC2::Subnet", [instance["SubnetId"]] if instance.get("SubnetId") else [], "Is contained in Subnet"),
                    *_related("AWS::EC2::VPC", [instance["VpcId"]] if instance.get("VpcId") else [], "Is contained in Vpc"),
                )
                arn, zone = f"{_ec2_arn(account_id, region)}:instance/{instance['InstanceId']}", instance["Placement"]["AvailabilityZone"]
                configuration, tags = _camel(instance), _tags(instance)
                yield Resource(INSTANCE, instance["InstanceId"], "", arn, configuration, tags, relationships, zone)

    def _prefix_lists(self, account_id: str, region: str) -> Iterator[Resource]:
        for found in self._ec2(account_id, region, "DescribeManagedPrefixLists").get("PrefixLists", []):
            if found["OwnerId"] != account_id or found["State"].startswith("delete"):
                continue
            list_id, tags = found["PrefixListId"], _tags(found)
            entries = self._ec2(account_id, region, "GetManagedPrefixListEntries", {"PrefixListId": list_id}).get("Entries", [])
            configuration = {
                "PrefixListId": list_id,
                "PrefixListName": found["PrefixListName"],
                "AddressFamily": found["AddressFamily"],
                "MaxEntries": found.get("MaxEntries"),
                "Version": found.get("Version"),
                "OwnerId": found["OwnerId"],
                "Arn": found["PrefixListArn"],
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                "Entries": [{name: entry[name] for name in ("Cidr", "Description") if entry.get(name)} for entry in entries],
            }
            yield Resource(PREFIX_LIST, list_id, found["PrefixListName"], found["PrefixListArn"], configuration, tags)

    def _vpc_associations(self, account_id: str, region: str) -> Iterator[Resource]:
        for group_id, vpc_id in self._associations.of(Ec2State(self._backend, account_id, region)):
            configuration = {"GroupId": group_id, "VpcId": vpc_id, "VpcOwnerId": account_id, "State": "associated"}
            arn = f"{_ec2_arn(account_id, region)}:security-group/{group_id}/{vpc_id}"
            yield Resource(ASSOCIATION, f"{group_id}|{vpc_id}", "", arn, configuration, {})

    def _load_balancers(self, account_id: str, region: str) -> Iterator[Resource]:
        for balancer in self._elb(account_id, region, _ELBV2, "DescribeLoadBalancers").get("LoadBalancers", []):
            arn, subnets = balancer["LoadBalancerArn"], [zone["SubnetId"] for zone in balancer.get("AvailabilityZones", [])]
            relationships = _balancer_relations(balancer.get("SecurityGroups", []), subnets, balancer.get("VpcId", ""))
            name = balancer["LoadBalancerName"]
            yield Resource(BALANCER, arn, name, arn, _camel(balancer), {}, relationships, "Multiple Availability Zones")

    def _classic_load_balancers(self, account_id: str, region: str) -> Iterator[Resource]:
        for balancer in self._elb(account_id, region, _ELB, "DescribeLoadBalancers").get("LoadBalancerDescriptions", []):
            name, renamed = balancer["LoadBalancerName"], {"dNSName": "dnsname", "vPCId": "vpcid"}
            configuration = {renamed.get(key, key): value for key, value in _camel(balancer).items()}
            arn = f"arn:{partition_of(region)}:elasticloadbalancing:{region}:{account_id}:loadbalancer/{quote(name)}"
            relationships = _balancer_relations(balancer.get("SecurityGroups", []), balancer.get("Subnets", []), balancer.get("VPCId", ""))
            yield Resource(CLASSIC_BALANCER, name, name, arn, configuration, {}, relationships, "Multiple Availability Zones")

    def _target_groups(self, account_id: str, region: str) -> Iterator[Resource]:
        kept = ("TargetGroupArn", "TargetGroupName", "LoadBalancerArns", "Port", "Protocol", "TargetType", "VpcId")
        for group in self._elb(account_id, region, _ELBV2, "DescribeTargetGroups").get("TargetGroups", []):
            arn = group["TargetGroupArn"]
            health = self._elb(account_id, region, _ELBV2, "DescribeTargetHealth", {"TargetGroupArn": arn})
            targets = [item["Target"] for item in health.get("TargetHealthDescriptions", [])]
            configuration = {name: group[name] for name in kept if name in group} | {"Targets": targets}
            yield Resource(TARGETS, arn, group["TargetGroupName"], arn, configuration, {})

    def _ec2(self, account_id: str, region: str, action: str, asked: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        return self._answered("ec2", "ec2", EC2_VERSION, account_id, region, action, asked or {})

    def _elb(self, account_id: str, region: str, version: str, action: str, asked: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        return self._answered("elasticloadbalancing", "query", version, account_id, region, action, asked or {})

    def _answered(
        self, service: str, protocol: str, version: str, account_id: str, region: str, action: str, asked: Mapping[str, str]
    ) -> Mapping[str, Any]:
        model = self._models.operation(service, action, version)
        assert model is not None, f"{service} has no {action}"
        answer = self._backend.call(service, region, account_id, {"Action": action, "Version": version, **asked})
        told = {"status_code": answer.status, "headers": {}, "body": answer.body}
        parsed: Mapping[str, Any] = create_parser(protocol).parse(told, model.output_shape) if answer.ok else {}
        return parsed


def _ec2_arn(account_id: str, region: str) -> str:
    return f"arn:{partition_of(region)}:ec2:{region}:{account_id}"


def _tags(described: Mapping[str, Any], name: str = "Tags") -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in described.get(name, [])}


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _related(kind: str, ids: list[str], name: str) -> tuple[tuple[str, str, str], ...]:
    return tuple((kind, resource_id, name) for resource_id in sorted(ids))


def _balancer_relations(groups: list[str], subnets: list[str], vpc_id: str) -> tuple[tuple[str, str, str], ...]:
    return (
        *_related(GROUP, groups, "Is associated with SecurityGroup"),
        *_related("AWS::EC2::Subnet", subnets, "Is attached to Subnet"),
        *_related("AWS::EC2::VPC", [vpc_id] if vpc_id else [], "Is contained in Vpc"),
    )


def _permission(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return one permission as Config has it: IPv4 ranges twice, other names for the lists, the keys of the API otherwise."""
    ranges = _camel(told.get("IpRanges", []))
    return {
        **{name: told[key] for name, key in (("fromPort", "FromPort"), ("toPort", "ToPort")) if key in told},
        "ipProtocol": told["IpProtocol"],
        "ipv6Ranges": _camel(told.get("Ipv6Ranges", [])),
        "prefixListIds": _camel(told.get("PrefixListIds", [])),
        "userIdGroupPairs": _camel(told.get("UserIdGroupPairs", [])),
        "ipv4Ranges": ranges,
        "ipRanges": [item["cidrIp"] for item in ranges],
    }


def _camel(value: Any) -> Any:
    """Return an answer with lowerCamel keys, and times as text."""
    if isinstance(value, Mapping):
        return {f"{key[:1].lower()}{key[1:]}": _camel(below) for key, below in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if isinstance(value, datetime):
        return written(value)
    return value


def written(at: datetime) -> str:
    """Return a time as configuration items have it: `2026-01-31T12:00:00.000Z`."""
    return f"{at.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
