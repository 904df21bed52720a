"""Lifelike activity: people, pipelines and controllers that change security groups, and now and then something bad.

All of it is done through boto3 against the sandbox's own endpoint, so that records, refusals and answers are what such calls
leave behind. The same seed makes the same calls in the same order; ids are EC2's.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from exporter.demo.callers import (
    ALICE,
    BOB,
    CAROL,
    CLOUDFORMATION,
    DAVE,
    DEPLOY,
    INTERN,
    KUBERNETES,
    TERRAFORM,
    WORKER,
    Caller,
)
from sandbox.estate import furnish
from sandbox.hands import CONTRACTOR, MIGRATION, SCALER, Hands
from sandbox.world import HOME_REGION, TRAIL, World

MOST_GROUPS = 8
MOST_RULES = 12
_BURST = 24
_TROUBLE_EVERY = 25
_NAMES = ("web", "api", "db", "cache", "bastion", "batch", "etl", "vpn")
_OFFICE = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/25", "10.0.0.0/8", "10.20.0.0/16")
_PORTS = (22, 443, 3306, 5432, 6379, 8080, 8443, 9092)


@dataclass(slots=True)
class Group:
    """One group and the ids of the ingress rules in it."""

    group_id: str
    rules: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Place:
    """What stands in one account and region."""

    account_id: str
    region: str
    vpc_id: str = ""
    subnet_id: str = ""
    prefix_list_id: str = ""
    entries: list[str] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    made: int = 0


class Activity:
    """Acts step by step. `told` hears of what is out of the ordinary, in a line for people."""

    def __init__(self, hands: Hands, world: World, seed: int, told: Callable[[str], None]) -> None:
        self._hands, self._world, self._told = hands, world, told
        self._chance = random.Random(seed)  # noqa: S311 - the same story for everybody who gives the same seed
        self._places = [Place(*unit) for unit in world.units]
        self._acts: tuple[tuple[Callable[[Place], None], int], ...] = (
            (self._look, 30),
            (self._open, 16),
            (self._close, 10),
            (self._reconcile, 12),
            (self._create, 6),
            (self._delete, 4),
            (self._describe, 5),
            (self._modify, 4),
            (self._tag, 3),
            (self._prefix_list, 4),
            (self._scale, 4),
            (self._try_out, 3),
            (self._duplicate, 2),
            (self._denied, 2),
        )
        self._trouble = self._troubles()

    def run(self, stop: threading.Event, pause: float) -> None:
        """Act until stopped, with `pause` seconds between two steps on average."""
        try:
            self.settle(stop.is_set)
            for number, wait in enumerate(self._waits(pause), 1):
                if stop.wait(wait):
                    return
                self.step(number)
        except (BotoCoreError, ClientError) as error:
            # The sandbox ends, and its connections with it.
            if not stop.is_set():
                self._told(f"the activity ends: {error}")

    def _waits(self, pause: float) -> Iterator[float]:
        while True:
            yield self._chance.uniform(0.2, 1.8) * pause

    def settle(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Give every account and region a VPC, a prefix list and some groups, and every account its estate."""
        for place in self._places:
            if stopped():
                return
            ec2 = self._as(TERRAFORM, place)
            place.vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            place.subnet_id = ec2.create_subnet(VpcId=place.vpc_id, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
            made = ec2.create_managed_prefix_list(PrefixListName="offices", MaxEntries=20, AddressFamily="IPv4")
            place.prefix_list_id = made["PrefixList"]["PrefixListId"]
            for _ in range(3):
                self._create(place)
        furnish(self._hands, self._world, stopped)

    def step(self, number: int) -> None:
        """Do one thing, and each so often something bad."""
        if number % _TROUBLE_EVERY == 0:
            next(self._trouble)
            return
        acts, weights = zip(*self._acts, strict=True)
        self._chance.choices(acts, weights)[0](self._chance.choice(self._places))

    def _as(self, caller: Caller, place: Place) -> Any:
        return self._hands.lend(caller, place.account_id, "ec2", place.region)

    def _group(self, place: Place) -> Group:
        if not place.groups:
            self._create(place)
        return self._chance.choice(place.groups)

    def _permit(self, caller: Caller, place: Place, group: Group, permission: dict[str, Any]) -> None:
        """Allow something to come in; a group that is full is thinned out first, and what is there already stays."""
        while len(group.rules) >= MOST_RULES:
            self._revoke(TERRAFORM, place, group, group.rules[:4])
        answer = _done(self._as(caller, place).authorize_security_group_ingress, GroupId=group.group_id, IpPermissions=[permission])
        group.rules += [rule["SecurityGroupRuleId"] for rule in answer.get("SecurityGroupRules", [])]

    def _revoke(self, caller: Caller, place: Place, group: Group, rules: list[str]) -> None:
        gone = list(rules)
        if gone:
            _done(self._as(caller, place).revoke_security_group_ingress, GroupId=group.group_id, SecurityGroupRuleIds=gone)
        group.rules = [rule for rule in group.rules if rule not in gone]

    def _look(self, place: Place) -> None:
        caller = self._chance.choice((WORKER, DEPLOY, KUBERNETES, TERRAFORM, BOB, INTERN))
        ec2 = self._as(caller, place)
        look = self._chance.choice((ec2.describe_security_groups, ec2.describe_vpcs, ec2.describe_network_interfaces, ec2.describe_subnets))
        _done(look)

    def _open(self, place: Place) -> None:
        group, port = self._group(place), self._chance.choice(_PORTS)
        caller = self._chance.choice((TERRAFORM, TERRAFORM, CLOUDFORMATION, ALICE, CAROL, DEPLOY))
        peers: tuple[dict[str, Any], ...] = (
            {"IpRanges": [{"CidrIp": self._chance.choice(_OFFICE), "Description": "office"}]},
            {"Ipv6Ranges": [{"CidrIpv6": f"2001:db8:{self._chance.randrange(1, 99)}::/64"}]},
            {"UserIdGroupPairs": [{"GroupId": self._group(place).group_id, "UserId": place.account_id}]},
            {"PrefixListIds": [{"PrefixListId": place.prefix_list_id}]},
        )
        self._permit(caller, place, group, {"IpProtocol": "tcp", "FromPort": port, "ToPort": port} | self._chance.choice(peers))

    def _close(self, place: Place) -> None:
        group = self._group(place)
        if group.rules:
            self._revoke(self._chance.choice((TERRAFORM, ALICE, DEPLOY)), place, group, [self._chance.choice(group.rules)])

    def _reconcile(self, place: Place) -> None:
        """What a load balancer controller does all day: node ports come and go."""
        group, port = self._group(place), self._chance.randrange(30000, 32767)
        node = f"10.0.{self._chance.randrange(1, 250)}.0/24"
        self._permit(KUBERNETES, place, group, {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": node}]})
        if len(group.rules) > 4:
            self._revoke(KUBERNETES, place, group, group.rules[:1])

    def _create(self, place: Place) -> None:
        if len(place.groups) >= MOST_GROUPS:
            self._delete(place)
            return
        place.made += 1
        name = f"{self._chance.choice(_NAMES)}-{place.made}"
        caller = self._chance.choice((TERRAFORM, CLOUDFORMATION, CAROL))
        tags = [{"ResourceType": "security-group", "Tags": [{"Key": "Name", "Value": name}]}]
        asked = {"GroupName": name, "Description": f"{name} servers", "VpcId": place.vpc_id, "TagSpecifications": tags}
        answer = _done(self._as(caller, place).create_security_group, **asked)
        if "GroupId" in answer:
            place.groups.append(Group(answer["GroupId"]))

    def _delete(self, place: Place) -> None:
        """Delete a group, or find that another still names it."""
        if len(place.groups) > 2:
            group = place.groups[self._chance.randrange(len(place.groups))]
            if "ResponseMetadata" in _done(self._as(TERRAFORM, place).delete_security_group, GroupId=group.group_id):
                place.groups.remove(group)
            else:
                for other in place.groups:
                    self._revoke(TERRAFORM, place, other, other.rules)

    def _describe(self, place: Place) -> None:
        group = self._group(place)
        if group.rules:
            about = [{"SecurityGroupRuleId": self._chance.choice(group.rules), "Description": f"ticket {self._chance.randrange(1000)}"}]
            call = self._as(BOB, place).update_security_group_rule_descriptions_ingress
            _done(call, GroupId=group.group_id, SecurityGroupRuleDescriptions=about)

    def _modify(self, place: Place) -> None:
        group, port = self._group(place), self._chance.choice(_PORTS)
        if group.rules:
            rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIpv4": self._chance.choice(_OFFICE), "Description": "moved"}
            change = {"SecurityGroupRuleId": self._chance.choice(group.rules), "SecurityGroupRule": rule}
            _done(self._as(ALICE, place).modify_security_group_rules, GroupId=group.group_id, SecurityGroupRules=[change])

    def _tag(self, place: Place) -> None:
        team = self._chance.choice(("payments", "platform", "search"))
        _done(self._as(DEPLOY, place).create_tags, Resources=[self._group(place).group_id], Tags=[{"Key": "team", "Value": team}])

    def _prefix_list(self, place: Place) -> None:
        """Add an office to the prefix list, or take the oldest one out."""
        ec2 = self._as(TERRAFORM, place)
        lists = _done(ec2.describe_managed_prefix_lists, PrefixListIds=[place.prefix_list_id]).get("PrefixLists", [])
        if not lists:
            return
        asked: dict[str, Any] = {"PrefixListId": place.prefix_list_id, "CurrentVersion": lists[0]["Version"]}
        if len(place.entries) > 4:
            _done(ec2.modify_managed_prefix_list, **asked, RemoveEntries=[{"Cidr": place.entries.pop(0)}])
            return
        cidr = f"198.51.100.{self._chance.randrange(256)}/32"
        if cidr not in place.entries:
            place.entries.append(cidr)
            _done(ec2.modify_managed_prefix_list, **asked, AddEntries=[{"Cidr": cidr, "Description": "office"}])

    def _scale(self, place: Place) -> None:
        """An instance comes and goes, here by its network interface, which has the group."""
        ec2 = self._as(SCALER, place)
        made = _done(ec2.create_network_interface, SubnetId=place.subnet_id, Groups=[self._group(place).group_id])
        if made:
            _done(ec2.delete_network_interface, NetworkInterfaceId=made["NetworkInterface"]["NetworkInterfaceId"])

    def _try_out(self, place: Place) -> None:
        call = self._as(BOB, place).authorize_security_group_ingress
        _done(call, GroupId=self._group(place).group_id, IpPermissions=[_anywhere(8080)], DryRun=True)

    def _duplicate(self, place: Place) -> None:
        group, permission = self._group(place), {"IpProtocol": "tcp", "FromPort": 25, "ToPort": 25, "IpRanges": [{"CidrIp": "10.9.0.0/16"}]}
        for _ in range(2):
            self._permit(DAVE, place, group, permission)

    def _denied(self, place: Place) -> None:
        call = self._as(INTERN, place).authorize_security_group_ingress
        _done(call, GroupId=self._group(place).group_id, IpPermissions=[_anywhere(22)])

    def _troubles(self) -> Iterator[None]:
        """Do something bad at each step, one kind after the other, and mend it at the next."""
        while True:
            holes: tuple[tuple[Caller, str, dict[str, Any]], ...] = (
                (ALICE, "tcp 22 to 0.0.0.0/0", _anywhere(22)),
                (DAVE, "tcp 3389 to ::/0", {**_anywhere(3389), "IpRanges": [], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}),
                (CAROL, "everything to 0.0.0.0/0", {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}),
            )
            for caller, what, permission in holes:
                place = self._chance.choice(self._places)
                group = self._group(place)
                before = list(group.rules)
                self._permit(caller, place, group, permission)
                self._told(f"{caller.principal} opens {what} in {group.group_id} ({place.account_id} {place.region})")
                yield
                self._revoke(ALICE, place, group, [rule for rule in group.rules if rule not in before])
                self._told(f"{ALICE.principal} closes it again")
                yield
            place = self._chance.choice(self._places)
            self._told(f"{MIGRATION.principal}, never seen before, changes {_BURST} things at once ({place.account_id} {place.region})")
            for index in range(_BURST):
                group = place.groups[index % len(place.groups)] if place.groups else self._group(place)
                self._permit(MIGRATION, place, group, {**_anywhere(7000 + index), "IpRanges": [{"CidrIp": "10.30.0.0/16"}]})
            yield
            self._told(f"{CONTRACTOR.principal} revokes all rules of all groups ({place.account_id} {place.region})")
            for group in place.groups:
                self._revoke(CONTRACTOR, place, group, group.rules)
            yield
            hub = Place(self._world.accounts[0], HOME_REGION)
            self._told(f"{CONTRACTOR.principal} stops the trail {TRAIL}")
            _done(self._hands.lend(CONTRACTOR, hub.account_id, "cloudtrail", hub.region).stop_logging, Name=TRAIL)
            yield
            self._told(f"{ALICE.principal} starts it again")
            _done(self._hands.lend(ALICE, hub.account_id, "cloudtrail", hub.region).start_logging, Name=TRAIL)
            yield


def _anywhere(port: int) -> dict[str, Any]:
    return {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "just for a minute"}],
    }


def _done(call: Callable[..., Any], **asked: Any) -> dict[str, Any]:
    """Make a call and return its answer; nothing where it is refused, as some are meant to be."""
    try:
        answer: dict[str, Any] = call(**asked)
    except ClientError:
        return {}
    return answer
