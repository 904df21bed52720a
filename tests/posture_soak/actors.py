"""Who changes groups, rules and prefix lists in the sandbox: plain boto3, chosen by chance, each call told to the truth."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.identities import Identity, parse_identity
from sandbox.server import Sandbox
from tests.posture_soak.clock import Clock
from tests.posture_soak.judge import Rule
from tests.posture_soak.plan import Plan
from tests.posture_soak.truth import NOBODY, Group, Interface, Truth
from tests.sandbox_client import ACCOUNT, REGION

PEOPLE = {
    "AKIAI44QH8DHBEXAMPLE": ("user/alice", "user/alice"),
    "AKIAI44QH8DHCEXAMPLE": ("role/Deploy/ci-run-42", "role/Deploy"),
    "AKIAI44QH8DHDEXAMPLE": ("sso/Admin/carol@example.com", "sso/Admin"),
}
"""Access keys, whose they are, and how the exporter calls them."""

_CIDRS = (
    *("0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "2.0.0.0/8", "3.0.0.0/8", "192.0.2.0/24", "198.51.100.77/24", "10.0.0.0/8"),
    *("203.0.113.7/32", "::/0", "2000::/3", "2400::/12", "2001:db8::/32", "fd00::/8"),
)
_PORTS = ((22, 22), (22, 22), (443, 443), (3306, 3306), (20, 25), (0, 65535), (1, 65535), (5432, 5433), (8000, 9000), (9, 9))
_TEXTS = ("", "office", "for a day", "vpn <a&b>")
_ENTRIES = ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2.0.0.0/8", "3.0.0.0/8")

Ask = tuple[str, str, bool]
"""The id of a request, who sent it, and whether it is recorded."""


def identities() -> dict[str, Identity]:
    """Return whose the access keys are."""
    return {key: parse_identity(text, ACCOUNT) for key, (text, _) in PEOPLE.items()}


def rule_of(item: Mapping[str, Any]) -> Rule:
    """Return a rule as EC2 answers it."""
    other = item.get("ReferencedGroupInfo", {}).get("GroupId", "")
    kinds = (("v4", item.get("CidrIpv4")), ("v6", item.get("CidrIpv6")), ("list", item.get("PrefixListId")), ("group", other))
    kind, peer = next((kind, str(peer)) for kind, peer in kinds if peer)
    ports = int(item.get("FromPort", -1)), int(item.get("ToPort", -1))
    return Rule(item["SecurityGroupRuleId"], item["IsEgress"], item["IpProtocol"], *ports, kind, peer, item.get("Description", ""))


class Actors:
    """Makes changes, one after the other."""

    def __init__(self, plan: Plan, sandbox: Sandbox, clock: Clock, truth: Truth) -> None:
        self.plan, self.sandbox, self.clock, self.truth = plan, sandbox, clock, truth
        self.chance = random.Random(plan.seed)
        self.clients = {key: self._client(key) for key in PEOPLE}
        self.tried: dict[str, list[int]] = {}
        self.names = 0
        self._dark = False
        self._key = next(iter(PEOPLE))
        self.subnet = self.clients[self._key].describe_subnets()["Subnets"][0]["SubnetId"]
        self.vpcs = [self.clients[self._key].describe_vpcs()["Vpcs"][0]["VpcId"]]

    def _client(self, key: str) -> Any:
        keys = {"aws_access_key_id": key, "aws_secret_access_key": "example"}
        config = Config(retries={"total_max_attempts": 1})
        return boto3.client("ec2", endpoint_url=self.sandbox.url, region_name=REGION, config=config, **keys)

    def stand(self) -> None:
        """Tell the truth what there is before anything happens."""
        ec2 = self.clients[self._key]
        for found in ec2.describe_security_groups()["SecurityGroups"]:
            self.truth.actual.groups[found["GroupId"]] = Group(found["GroupName"], found["VpcId"], self._rules(found["GroupId"]))

    def check(self) -> None:
        """See that the truth is what the sandbox has: else this soak is wrong, and not the exporter."""
        ec2 = self.clients[self._key]
        there: dict[str, dict[str, Rule]] = {
            found["GroupId"]: {} for page in ec2.get_paginator("describe_security_groups").paginate() for found in page["SecurityGroups"]
        }
        for page in ec2.get_paginator("describe_security_group_rules").paginate():
            for item in page["SecurityGroupRules"]:
                there[item["GroupId"]][item["SecurityGroupRuleId"]] = rule_of(item)
        known = {name: group.rules for name, group in self.truth.actual.groups.items()}
        different = {name: (there.get(name), known.get(name)) for name in there.keys() | known.keys() if there.get(name) != known.get(name)}
        assert different == {}
        for list_id, known in self.truth.actual.lists.items():
            entries = ec2.get_managed_prefix_list_entries(PrefixListId=list_id)["Entries"]
            assert {entry["Cidr"]: entry.get("Description", "") for entry in entries} == known.entries

    def _rules(self, group_id: str) -> dict[str, Rule]:
        found = self.clients[self._key].describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
        return {rule.rule_id: rule for rule in map(rule_of, found["SecurityGroupRules"])}

    def act(self) -> None:
        """Let somebody change something, in the dark now and then."""
        if not self.plan.ties or self.chance.random() < 0.5:
            self.clock.jump(self.chance.uniform(1.1, 8))
        self._key = self.chance.choice(list(PEOPLE))
        actions, weights = zip(*self._actions().items(), strict=True)
        action = self.chance.choices(actions, weights)[0]
        self.sandbox.control.unrecorded = self._dark = self.chance.random() < self.plan.dark
        try:
            done = action()
        except ClientError as error:
            done = False
            # A call that EC2 refuses changes nothing; one that this soak gets wrong would test nothing.
            if error.response["Error"]["Code"] not in _REFUSALS:
                raise
        finally:
            self.sandbox.control.unrecorded = self._dark = False
        counts = self.tried.setdefault(action.__name__.lstrip("_"), [0, 0])
        counts[0] += 1
        counts[1] += done is not False

    def _actions(self) -> dict[Callable[[], bool | None], int]:
        return {
            self._create_group: 4, self._delete_group: 2, self._authorize: 26, self._revoke_by_id: 7, self._revoke_by_permission: 6,
            self._modify: 14, self._describe: 8, self._create_list: 2, self._edit_list: 9, self._restore_list: 2, self._delete_list: 1,
            self._create_vpc: 1, self._delete_vpc: 1, self._attach: 3, self._detach: 1, self._dry_run: 1, self._expose: 2,
        }  # fmt: skip

    def _call(self, operation: str, **parameters: Any) -> tuple[Any, Ask]:
        answer = getattr(self.clients[self._key], operation)(**parameters)
        who = NOBODY if self._dark else PEOPLE[self._key][1]
        return answer, (answer["ResponseMetadata"]["RequestId"], who, not self._dark)

    # Groups.

    def _create_group(self) -> bool | None:
        self.names += 1
        name, vpc_id = f"group-{self.names}", self.chance.choice(self.vpcs)
        made, ask = self._call("create_security_group", GroupName=name, Description="soak", VpcId=vpc_id)
        self.truth.create(ask, "CreateSecurityGroup", made["GroupId"], Group(name, vpc_id, self._rules(made["GroupId"])))
        return None

    def _delete_group(self) -> bool | None:
        group_id = self._group(lambda group: group.name != "default")
        if group_id is None or not self._may_change(group_id):
            return False
        _, ask = self._call("delete_security_group", GroupId=group_id)
        self.truth.delete(ask, "DeleteSecurityGroup", group_id)
        return None

    def _create_vpc(self) -> bool | None:
        if len(self.vpcs) > 3:
            return False
        made, ask = self._call("create_vpc", CidrBlock="10.1.0.0/16")
        vpc_id = made["Vpc"]["VpcId"]
        self.vpcs.append(vpc_id)
        found = self.clients[self._key].describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["SecurityGroups"][0]
        self.truth.create(ask, "CreateVpc", found["GroupId"], Group("default", vpc_id, self._rules(found["GroupId"])))
        return None

    def _delete_vpc(self) -> bool | None:
        empty = [v for v in self.vpcs[1:] if sum(group.vpc_id == v for group in self.truth.actual.groups.values()) == 1]
        if not empty:
            return False
        vpc_id = self.chance.choice(empty)
        group_id = next(name for name, group in self.truth.actual.groups.items() if group.vpc_id == vpc_id)
        if not self._may_change(group_id):
            return False
        _, ask = self._call("delete_vpc", VpcId=vpc_id)
        self.vpcs.remove(vpc_id)
        self.truth.delete(ask, "DeleteVpc", group_id)
        return None

    # Rules.

    def _authorize(self) -> bool | None:
        group_id = self._group()
        if group_id is None:
            return False
        egress = self.chance.random() < 0.2
        permissions = [self._permission() for _ in range(self.chance.choice((1, 1, 1, 2, 3)))]
        lists = {found["PrefixListId"] for permission in permissions for found in permission.get("PrefixListIds", ())}
        if not self._may_change(group_id, lists):
            return False
        way = "egress" if egress else "ingress"
        made, ask = self._call(f"authorize_security_group_{way}", GroupId=group_id, IpPermissions=permissions)
        rules = [rule_of(item) for item in made["SecurityGroupRules"]]
        self.truth.write(ask, f"AuthorizeSecurityGroup{way.title()}", group_id, rules)
        return None

    def _revoke_by_id(self) -> bool | None:
        found = self._some_rules(self.chance.choice((1, 1, 2)))
        if found is None:
            return False
        group_id, rules = found
        way = "egress" if rules[0].egress else "ingress"
        ids = [rule.rule_id for rule in rules]
        made, ask = self._call(f"revoke_security_group_{way}", GroupId=group_id, SecurityGroupRuleIds=ids)
        self._revoked(made, ask, way, group_id)
        return None

    def _revoke_by_permission(self) -> bool | None:
        found = self._some_rules(1)
        if found is None:
            return False
        group_id, rules = found
        way = "egress" if rules[0].egress else "ingress"
        permissions = [_permission_of(rule) for rule in rules]
        made, ask = self._call(f"revoke_security_group_{way}", GroupId=group_id, IpPermissions=permissions)
        self._revoked(made, ask, way, group_id)
        return None

    def _revoked(self, made: Any, ask: Ask, way: str, group_id: str) -> None:
        gone = [item["SecurityGroupRuleId"] for item in made["RevokedSecurityGroupRules"]]
        self.truth.remove(ask, f"RevokeSecurityGroup{way.title()}", group_id, gone)

    def _modify(self) -> bool | None:
        found = self._some_rules(self.chance.choice((1, 1, 2)))
        if found is None:
            return False
        group_id, rules = found
        fresh = [self._other(rule) for rule in rules]
        if not self._may_change(group_id, {rule.peer for rule in fresh if rule.kind == "list"}):
            return False
        told = [{"SecurityGroupRuleId": rule.rule_id, "SecurityGroupRule": _request_of(rule)} for rule in fresh]
        _, ask = self._call("modify_security_group_rules", GroupId=group_id, SecurityGroupRules=told)
        now = self._rules(group_id)
        self.truth.write(ask, "ModifySecurityGroupRules", group_id, [now[rule.rule_id] for rule in fresh])
        return None

    def _other(self, rule: Rule) -> Rule:
        text = self.chance.choice(_TEXTS)
        if self.chance.random() < 0.25:
            return Rule(rule.rule_id, rule.egress, rule.protocol, rule.low, rule.high, rule.kind, rule.peer, text)
        protocol, low, high = self._traffic()
        peers = {
            "v4": [cidr for cidr in _CIDRS if ":" not in cidr],
            "v6": [cidr for cidr in _CIDRS if ":" in cidr],
            "list": list(self.truth.actual.lists),
            "group": list(self.truth.actual.groups),
        }
        return Rule(rule.rule_id, rule.egress, protocol, low, high, rule.kind, self.chance.choice(peers[rule.kind]), text)

    def _describe(self) -> bool | None:
        found = self._some_rules(1)
        if found is None:
            return False
        group_id, (rule,) = found
        text = self.chance.choice(_TEXTS)
        way = "egress" if rule.egress else "ingress"
        if self.chance.random() < 0.5 and text:
            told: dict[str, Any] = {"IpPermissions": [_permission_of(rule, text)]}
        else:
            told = {"SecurityGroupRuleDescriptions": [{"SecurityGroupRuleId": rule.rule_id, "Description": text}]}
        _, ask = self._call(f"update_security_group_rule_descriptions_{way}", GroupId=group_id, **told)
        self.truth.describe(
            ask, f"UpdateSecurityGroupRuleDescriptions{way.title()}", group_id, {rule.rule_id: text}, by_id="IpPermissions" not in told
        )
        return None

    def _dry_run(self) -> bool | None:
        group_id = self._group()
        self._call("authorize_security_group_ingress", GroupId=group_id, IpPermissions=[self._permission()], DryRun=True)
        return None

    def _traffic(self) -> tuple[str, int, int]:
        protocol = self.chance.choice(("tcp", "tcp", "tcp", "tcp", "udp", "icmp", "icmpv6", "-1", "50", "47"))
        if protocol in ("tcp", "udp"):
            return protocol, *self.chance.choice(_PORTS)
        if protocol in ("icmp", "icmpv6"):
            return protocol, *self.chance.choice(((-1, -1), (8, -1), (3, 4), (128, 0)))
        return protocol, -1, -1

    def _permission(self) -> dict[str, Any]:
        protocol, low, high = self._traffic()
        kind = self.chance.choice(("cidr", "cidr", "cidr", "cidr", "list", "group"))
        peer = self.chance.choice(_CIDRS)
        if kind == "list" and self.truth.actual.lists:
            peer, kind = self.chance.choice(list(self.truth.actual.lists)), "list"
        elif kind == "group":
            peer = self.chance.choice(list(self.truth.actual.groups))
        else:
            kind = "v6" if ":" in peer else "v4"
        return _permission_of(Rule("", False, protocol, low, high, kind, peer), self.chance.choice(_TEXTS))

    # Prefix lists.

    def _create_list(self) -> bool | None:
        if len(self.truth.actual.lists) > 4:
            return False
        self.names += 1
        entries = self._entries(self.chance.sample(_ENTRIES, self.chance.randrange(3)))
        told = {"PrefixListName": f"list-{self.names}", "MaxEntries": 20, "AddressFamily": "IPv4", "Entries": entries}
        made, ask = self._call("create_managed_prefix_list", **told)
        self.truth.edit(ask, "CreateManagedPrefixList", made["PrefixList"]["PrefixListId"], _by_cidr(entries))
        return None

    def _edit_list(self) -> bool | None:
        list_id = self._list()
        if list_id is None:
            return False
        known = self.truth.actual.lists[list_id]
        gone = self.chance.sample(sorted(known.entries), min(len(known.entries), self.chance.randrange(2)))
        free = [cidr for cidr in _ENTRIES if cidr not in gone]
        fresh = self._entries(self.chance.sample(free, self.chance.randrange(0 if gone else 1, 3)))
        told = {"RemoveEntries": [{"Cidr": cidr} for cidr in gone], "AddEntries": fresh}
        told = {name: entries for name, entries in told.items() if entries}
        _, ask = self._call("modify_managed_prefix_list", PrefixListId=list_id, CurrentVersion=known.version, **told)
        self.truth.edit(ask, "ModifyManagedPrefixList", list_id, _by_cidr(fresh), gone)
        return None

    def _restore_list(self) -> bool | None:
        list_id = self._list()
        # What a record does not tell can be known only where nothing else happened to the list.
        if list_id is None or list_id in self.truth.edited or self._dark or list_id not in self.truth.shown.lists:
            return False
        known = self.truth.actual.lists[list_id]
        version = self.chance.randrange(1, known.version + 1)
        told = {"PrefixListId": list_id, "PreviousVersion": version, "CurrentVersion": known.version}
        if known.versions[version] == known.entries:
            return False
        _, ask = self._call("restore_managed_prefix_list_version", **told)
        self.truth.restore(ask, "RestoreManagedPrefixListVersion", list_id, version)
        return None

    def _delete_list(self) -> bool | None:
        list_id = self._list()
        worlds = (self.truth.actual, self.truth.told, self.truth.shown)
        # EC2 refuses to delete one that rules name; moto does not.
        if list_id is None or any(rule.peer == list_id for w in worlds for g in w.groups.values() for rule in g.rules.values()):
            return False
        _, ask = self._call("delete_managed_prefix_list", PrefixListId=list_id)
        self.truth.forget(ask, "DeleteManagedPrefixList", list_id)
        return None

    def _entries(self, cidrs: Iterable[str]) -> list[dict[str, str]]:
        return [{"Cidr": cidr, "Description": self.chance.choice(_TEXTS[1:])} for cidr in cidrs]

    # Interfaces.

    def _attach(self) -> bool | None:
        groups = [name for name, group in self.truth.actual.groups.items() if group.vpc_id == self.vpcs[0]]
        chosen = self.chance.sample(groups, min(len(groups), self.chance.choice((1, 2))))
        made, _ = self._call("create_network_interface", SubnetId=self.subnet, Groups=chosen)
        self.truth.actual.interfaces[made["NetworkInterface"]["NetworkInterfaceId"]] = Interface(frozenset(chosen))
        return None

    def _expose(self) -> bool | None:
        hidden = [name for name, interface in self.truth.actual.interfaces.items() if not interface.public]
        if not hidden:
            return False
        name = self.chance.choice(hidden)
        made, _ = self._call("allocate_address", Domain="vpc")
        self._call("associate_address", AllocationId=made["AllocationId"], NetworkInterfaceId=name)
        self.truth.actual.interfaces[name].public = True
        return None

    def _detach(self) -> bool | None:
        plain = [name for name, interface in self.truth.actual.interfaces.items() if not interface.public]
        if not plain:
            return False
        name = self.chance.choice(plain)
        self._call("delete_network_interface", NetworkInterfaceId=name)
        del self.truth.actual.interfaces[name]
        return None

    # Whom it meets.

    def _group(self, fits: Callable[[Group], bool] = lambda _: True) -> str | None:
        found = [name for name, group in self.truth.actual.groups.items() if fits(group)]
        return self.chance.choice(found) if found else None

    def _list(self) -> str | None:
        found = [name for name in self.truth.actual.lists if self._may_edit(name)]
        return self.chance.choice(found) if found else None

    def _some_rules(self, most: int) -> tuple[str, list[Rule]] | None:
        """Return a group and rules of one direction of it, one of them at least; None where there is none that may be touched."""
        group_id = self._group(lambda group: bool(group.rules))
        if group_id is None or not self._may_change(group_id):
            return None
        rules = list(self.truth.actual.groups[group_id].rules.values())
        first = self.chance.choice(rules)
        others = [rule for rule in rules if rule.egress is first.egress and rule is not first]
        return group_id, [first, *self.chance.sample(others, min(len(others), most - 1))]

    def _may_change(self, group_id: str, lists: Iterable[str] = ()) -> bool:
        """Tell whether it can be known who opens what, where the rules of a group are changed now."""
        named = {rule.peer for rule in self._everywhere(group_id) if rule.kind == "list"} | set(lists)
        return self.plan.tangled or not named & self.truth.edited

    def _may_edit(self, list_id: str) -> bool:
        if list_id in self.truth.restored:
            return False
        groups = {name for world in self._worlds() for name in world.groups if list_id in self._lists_of(name)}
        others = {name for group in groups for name in self._lists_of(group)} - {list_id}
        return self.plan.tangled or not (groups & self.truth.changed or others & self.truth.edited)

    def _worlds(self) -> tuple[Any, ...]:
        return self.truth.actual, self.truth.told, self.truth.shown

    def _everywhere(self, group_id: str) -> list[Rule]:
        return [rule for w in self._worlds() if group_id in w.groups for rule in w.groups[group_id].rules.values()]

    def _lists_of(self, group_id: str) -> set[str]:
        return {rule.peer for rule in self._everywhere(group_id) if rule.kind == "list"}


_REFUSALS = {
    "DependencyViolation", "DryRunOperation", "InvalidPermission.Duplicate", "InvalidPermission.NotFound", "RulesPerSecurityGroupLimitExceeded",
    "VpcLimitExceeded",
}  # fmt: skip


def _by_cidr(entries: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {entry["Cidr"]: entry.get("Description", "") for entry in entries}


def _permission_of(rule: Rule, text: str = "") -> dict[str, Any]:
    """Return a rule as calls name it by what it lets in."""
    lists = {"v4": ("IpRanges", "CidrIp"), "v6": ("Ipv6Ranges", "CidrIpv6"), "list": ("PrefixListIds", "PrefixListId")}
    name, key = lists.get(rule.kind, ("UserIdGroupPairs", "GroupId"))
    described = {"Description": text} if text else {}
    ports = {"FromPort": rule.low, "ToPort": rule.high} if rule.protocol in ("tcp", "udp", "icmp", "icmpv6") else {}
    return {"IpProtocol": rule.protocol, **ports, name: [{key: rule.peer, **described}]}


def _request_of(rule: Rule) -> dict[str, Any]:
    key = {"v4": "CidrIpv4", "v6": "CidrIpv6", "list": "PrefixListId", "group": "ReferencedGroupId"}[rule.kind]
    ports = {"FromPort": rule.low, "ToPort": rule.high} if rule.protocol in ("tcp", "udp", "icmp", "icmpv6") else {}
    return {"IpProtocol": rule.protocol, **ports, key: rule.peer, "Description": rule.description}
