"""What stands in moto's EC2: groups, their rules and who uses them, asked through the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from sandbox.backend import Backend
from sandbox.identities import partition_of

_PORTS = ("fromPort", "toPort")
_PEERS = ("cidrIpv4", "cidrIpv6", "prefixListId")


@dataclass(frozen=True, slots=True)
class Ec2State:
    """The EC2 of one account and region."""

    backend: Backend
    account_id: str
    region: str

    @property
    def arn(self) -> str:
        """The beginning of ARNs of EC2 here."""
        return f"arn:{partition_of(self.region)}:ec2:{self.region}:{self.account_id}"

    def rules(self, group_id: str) -> dict[str, dict[str, Any]]:
        """Return the rules of a group by id, as EC2 answers them; none for a group that does not exist."""
        found = self._filtered("DescribeSecurityGroupRules", "group-id", group_id).iterfind("securityGroupRuleSet/item")
        rules = [self._rule(item) for item in found]
        return {rule["securityGroupRuleId"]: rule for rule in rules}

    def _rule(self, item: Element) -> dict[str, Any]:
        rule_id = item.findtext("securityGroupRuleId", "")
        rule: dict[str, Any] = {
            "groupOwnerId": self.account_id,
            "groupId": item.findtext("groupId", ""),
            "securityGroupRuleId": rule_id,
        }
        if item.findtext("description"):
            rule["description"] = item.findtext("description")
        rule |= {"isEgress": item.findtext("isEgress") == "true", "ipProtocol": item.findtext("ipProtocol", "-1")}
        # EC2 answers -1 where a rule is for all ports.
        rule |= {name: int(item.findtext(name) or -1) for name in _PORTS}
        rule |= {name: item.findtext(name) for name in _PEERS if item.findtext(name)}
        other = item.find("referencedGroupInfo")
        if other is not None:
            rule["referencedGroupInfo"] = {
                "userId": other.findtext("userId") or self.account_id,
                "groupId": other.findtext("groupId", ""),
            }
        return rule | {"securityGroupRuleArn": f"{self.arn}:security-group-rule/{rule_id}"}

    def has_prefix_list(self, list_id: str) -> bool:
        """Tell whether a prefix list exists."""
        found = self._filtered("DescribeManagedPrefixLists", "owner-id", self.account_id).iterfind("prefixListSet/item")
        return list_id in {item.findtext("prefixListId") for item in found}

    def prefix_list_version(self, list_id: str) -> int | None:
        """Return the version of a prefix list, also of AWS's own, which have but one; None where there is no such list."""
        found = self._filtered("DescribeManagedPrefixLists", "prefix-list-id", list_id).find("prefixListSet/item")
        return None if found is None else int(found.findtext("version") or 1)

    def entries(self, list_id: str, version: str) -> dict[str, str]:
        """Return the entries of a version of a prefix list, with their descriptions."""
        fields = {"PrefixListId": list_id, "TargetVersion": version}
        found = self.backend.ec2(self.region, self.account_id, "GetManagedPrefixListEntries", fields).iterfind("entrySet/item")
        return {item.findtext("cidr", ""): item.findtext("description", "") for item in found}

    def group_named(self, name: str) -> str:
        """Return the id of a group by its name; "" where there is none."""
        return self._filtered("DescribeSecurityGroups", "group-name", name).findtext("securityGroupInfo/item/groupId", "") if name else ""

    def has_group(self, group_id: str) -> bool:
        """Tell whether a group exists."""
        return self._filtered("DescribeSecurityGroups", "group-id", group_id).find("securityGroupInfo/item") is not None

    def has_vpc(self, vpc_id: str) -> bool:
        """Tell whether a VPC exists."""
        return self._filtered("DescribeVpcs", "vpc-id", vpc_id).find("vpcSet/item") is not None

    def is_used(self, group_id: str) -> bool:
        """Tell whether a network interface has a group, or a rule of another group names it."""
        if self._filtered("DescribeNetworkInterfaces", "group-id", group_id).find("networkInterfaceSet/item") is not None:
            return True
        rules = self.backend.ec2(self.region, self.account_id, "DescribeSecurityGroupRules", {}).iterfind("securityGroupRuleSet/item")
        return any(rule.findtext("referencedGroupInfo/groupId") == group_id != rule.findtext("groupId") for rule in rules)

    def born_with(self, vpc_id: str) -> list[dict[str, str]]:
        """Return the resources that EC2 makes by itself with a VPC, as records list them."""
        kinds = (
            ("AWS::EC2::SecurityGroup", "security-group", "DescribeSecurityGroups", "securityGroupInfo/item/groupId"),
            ("AWS::EC2::RouteTable", "route-table", "DescribeRouteTables", "routeTableSet/item/routeTableId"),
            ("AWS::EC2::NetworkAcl", "network-acl", "DescribeNetworkAcls", "networkAclSet/item/networkAclId"),
        )
        found = [(kind, name, self._filtered(action, "vpc-id", vpc_id).findtext(path)) for kind, name, action, path in kinds]
        return [{"accountId": self.account_id, "type": kind, "ARN": f"{self.arn}:{name}/{it}"} for kind, name, it in found if it]

    def _filtered(self, action: str, name: str, value: str) -> Element:
        fields = {"Filter.1.Name": name, "Filter.1.Value.1": value}
        return self.backend.ec2(self.region, self.account_id, action, fields)
