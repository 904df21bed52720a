"""What stands behind internet-facing load balancers, and whether a network interface is one of those targets.

A load balancer sends to an instance by its primary interface, eth0 (Elastic Load Balancing user guides, target groups, "Target type";
Classic: "Register instances"), to an address by the interface that has it in the VPC of the target group, be it within a prefix that was
delegated to the interface, and to another load balancer (`alb`) by that one's interfaces, and on to its own targets. Every registered
target counts, healthy or not: a stopped one may start. Not seen are addresses outside the VPC, and what CloudFront (VPC origins) and Global
Accelerator bring to internal load balancers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from exporter.aws import operations as op
from exporter.errors import AwsError
from exporter.posture.networks import parse_network
from exporter.snapshots.asking import BALANCERS, CLASSIC_BALANCERS, TARGET_GROUPS, Asker, Item
from exporter.snapshots.told import Told

_FACING = "internet-facing"


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets of internet-facing load balancers: instances by id, addresses by VPC and IP version (as sorted numbers), and groups.

    The groups are those of load balancers that stand behind others.
    """

    instances: frozenset[str] = frozenset()
    addresses: Mapping[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()

    def reach(self, interface: Item) -> bool:
        """Tell whether a network interface, as EC2 describes it, is one that a target's packets come to."""
        attachment = interface.get("Attachment") or {}
        primary = not attachment.get("DeviceIndex") and not attachment.get("NetworkCardIndex")
        if primary and attachment.get("InstanceId") in self.instances:
            return True
        vpc_id = str(interface.get("VpcId", ""))
        return any(self._holds(vpc_id, text) for text in _addresses(interface)) if self.addresses else False

    def _holds(self, vpc_id: str, text: str) -> bool:
        network = parse_network(text)
        numbers = self.addresses.get((vpc_id, network.version), ()) if network is not None else ()
        if not numbers or network is None:
            return False
        place = bisect_left(numbers, network.start)
        return place < len(numbers) and numbers[place] < network.end


def read_targets(asker: Asker, told: Told) -> Targets:
    """Ask for the load balancers and what stands behind those that face the internet. Raises SourceError."""
    balancers = {str(item.get("LoadBalancerArn", "")): item for item in asker.all(BALANCERS)}
    behind: dict[str, dict[str, Item]] = {}
    for item in asker.all(TARGET_GROUPS):
        for arn in item.get("LoadBalancerArns") or ():
            behind.setdefault(arn, {})[str(item.get("TargetGroupArn", ""))] = item
    found = _Found(asker, balancers, behind)
    reached = [arn for arn, item in balancers.items() if item.get("Scheme") == _FACING]
    found.follow(reached)
    for item in told.known(asker, CLASSIC_BALANCERS.operation, asker.all(CLASSIC_BALANCERS)):
        if item.get("Scheme") == _FACING:
            found.instances.update(str(instance.get("InstanceId", "")) for instance in item.get("Instances") or ())
    addresses = {key: tuple(sorted(numbers)) for key, numbers in found.addresses.items()}
    return Targets(frozenset(found.instances - {""}), addresses, frozenset(found.groups))


@dataclass(slots=True)
class _Found:
    """What is found on the way from the load balancers that face the internet to the targets behind them."""

    asker: Asker
    balancers: Mapping[str, Item]
    behind: Mapping[str, Mapping[str, Item]]
    instances: set[str] = field(default_factory=set)
    addresses: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)

    def follow(self, reached: list[str]) -> None:
        """Take what stands behind load balancers, and behind those that stand behind them."""
        pending, seen, asked = list(reached), set(reached), set[str]()
        while pending:
            for arn, group in self.behind.get(pending.pop(), {}).items():
                if arn in asked:
                    continue
                asked.add(arn)
                for balancer in self._take(arn, group):
                    if balancer not in seen:
                        seen.add(balancer)
                        pending.append(balancer)

    def _take(self, arn: str, group: Item) -> Iterator[str]:
        """Take the targets of a target group; yield the ARNs of load balancers among them."""
        kind = group.get("TargetType")
        # The targets of `lambda` have no interface that packets come to.
        if kind not in ("instance", "ip", "alb"):
            return
        for target_id in self._targets(arn):
            if kind == "instance":
                self.instances.add(target_id)
            elif kind == "ip":
                network = parse_network(target_id)
                if network is not None:
                    self.addresses.setdefault((str(group.get("VpcId", "")), network.version), set()).add(network.start)
            else:
                self.groups.update((self.balancers.get(target_id) or {}).get("SecurityGroups") or ())
                yield target_id

    def _targets(self, arn: str) -> Iterator[str]:
        operation, name = op.DESCRIBE_TARGET_HEALTH, "TargetHealthDescriptions"
        try:
            answer = self.asker.call(operation, TargetGroupArn=arn)
        except AwsError as error:
            if error.code == "TargetGroupNotFound":  # deleted since it was listed
                return
            raise
        for item in self.asker.items(operation, name, answer):
            yield str((item.get("Target") or {}).get("Id", ""))


def _addresses(interface: Item) -> Iterator[str]:
    """Yield the private addresses of an interface, and the prefixes that are delegated to it."""
    for name, key in (
        ("PrivateIpAddresses", "PrivateIpAddress"),
        ("Ipv6Addresses", "Ipv6Address"),
        ("Ipv4Prefixes", "Ipv4Prefix"),
        ("Ipv6Prefixes", "Ipv6Prefix"),
    ):
        for item in interface.get(name) or ():
            yield str(item.get(key) or "")
    yield str(interface.get("PrivateIpAddress") or "")
