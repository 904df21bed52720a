"""The rules that people write, in the three ways in which EC2 spells them: request, response, wrapper dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule as a person means it. `opens` is the port class that it opens to the internet when it lets traffic in."""

    protocol: str
    from_port: int
    to_port: int
    peer: str
    opens: str = ""
    description: str = ""

    @property
    def kind(self) -> str:
        """Return which kind of peer it names: ipv4, ipv6, prefix_list or group."""
        if self.peer.startswith("pl-"):
            return "prefix_list"
        if self.peer.startswith("sg-"):
            return "group"
        return "ipv6" if ":" in self.peer else "ipv4"

    def permission(self, account: str) -> dict[str, Any]:
        """Return the rule as an item of `ipPermissions` in a request of the classic dialect."""
        about = {"description": self.description} if self.description else {}
        kind = self.kind
        # All protocols have no ports in a request.
        ports = {} if self.protocol == "-1" else {"fromPort": self.from_port, "toPort": self.to_port}
        return {
            "ipProtocol": self.protocol,
            **ports,
            "groups": {"items": [{"groupId": self.peer, "userId": account, **about}]} if kind == "group" else {},
            "ipRanges": {"items": [{"cidrIp": self.peer, **about}]} if kind == "ipv4" else {},
            "ipv6Ranges": {"items": [{"cidrIpv6": self.peer, **about}]} if kind == "ipv6" else {},
            "prefixListIds": {"items": [{"prefixListId": self.peer, **about}]} if kind == "prefix_list" else {},
        }

    def item(self, account: str, group: str, rule_id: str, egress: bool) -> dict[str, Any]:
        """Return the rule as an item of `securityGroupRuleSet` in a response."""
        key = {"ipv4": "cidrIpv4", "ipv6": "cidrIpv6", "prefix_list": "prefixListId", "group": "referencedGroupInfo"}[self.kind]
        peer = {"userId": account, "groupId": self.peer} if self.kind == "group" else self.peer
        return {
            "groupOwnerId": account,
            "groupId": group,
            "securityGroupRuleId": rule_id,
            **({"description": self.description} if self.description else {}),
            "isEgress": egress,
            "ipProtocol": self.protocol,
            "fromPort": self.from_port,
            "toPort": self.to_port,
            key: peer,
        }

    def revoked(self, group: str, rule_id: str, egress: bool) -> dict[str, Any]:
        """Return the rule as an item of `revokedSecurityGroupRuleSet` in a response."""
        item = self.item("", group, rule_id, egress)
        del item["groupOwnerId"]
        if "referencedGroupInfo" in item:
            item["referencedGroupId"] = item.pop("referencedGroupInfo")["groupId"]
        return item

    def wrapped(self) -> dict[str, Any]:
        """Return the rule as ModifySecurityGroupRules asks for it: the wrapper dialect turns texts that look like numbers into numbers."""
        peer = {"ipv4": "CidrIpv4", "ipv6": "CidrIpv6", "prefix_list": "PrefixListId", "group": "ReferencedGroupId"}[self.kind]
        protocol: str | int = int(self.protocol) if self.protocol.lstrip("-").isdigit() else self.protocol
        return {
            "IpProtocol": protocol,
            "FromPort": self.from_port,
            "ToPort": self.to_port,
            peer: self.peer,
            **({"Description": self.description} if self.description else {}),
        }


INGRESS: tuple[tuple[RuleText, int], ...] = (
    (RuleText("tcp", 443, 443, "198.51.100.0/24", "", "office"), 14),
    (RuleText("tcp", 5432, 5432, "10.0.0.0/16"), 12),
    (RuleText("tcp", 22, 22, "203.0.113.0/24", "", "bastion"), 10),
    (RuleText("tcp", 6379, 6379, "10.1.0.0/16"), 8),
    (RuleText("tcp", 30000, 32767, "192.0.2.0/24", "", "kubernetes node ports"), 8),
    (RuleText("tcp", 443, 443, ANYWHERE, "web"), 10),
    (RuleText("tcp", 80, 80, ANYWHERE, "web", "redirect to https"), 6),
    (RuleText("tcp", 443, 443, "::/0", "web"), 5),
    (RuleText("tcp", 443, 443, "pl-0123456789abcdef0"), 4),
    (RuleText("tcp", 8443, 8443, "2001:db8:1234::/48"), 4),
    (RuleText("-1", -1, -1, "10.0.0.0/8"), 4),
    (RuleText("icmp", 8, -1, "198.51.100.0/24"), 3),
    (RuleText("udp", 53, 53, "10.0.0.2/32"), 3),
    (RuleText("udp", 161, 161, "192.0.2.5/32", "", "überwacht"), 2),
    (RuleText("50", -1, -1, "203.0.113.44/32", "", "vpn"), 1),
    (RuleText("tcp", 22, 22, ANYWHERE, "admin", "temporary"), 2),
    (RuleText("tcp", 3389, 3389, ANYWHERE, "admin"), 1),
    (RuleText("tcp", 3306, 3306, ANYWHERE, "database"), 1),
    (RuleText("tcp", 2379, 2380, "::/0", "cluster"), 1),
    (RuleText("tcp", 389, 389, ANYWHERE, "directory"), 1),
    (RuleText("tcp", 2049, 2049, ANYWHERE, "file"), 1),
    (RuleText("icmp", 8, -1, ANYWHERE, "other"), 1),
    (RuleText("-1", -1, -1, ANYWHERE, "all"), 1),
)
"""Ingress rules with weights. No two of them that open ports touch, so a call opens exactly what its rules say."""

EGRESS: tuple[tuple[RuleText, int], ...] = (
    (RuleText("-1", -1, -1, ANYWHERE), 4),
    (RuleText("tcp", 443, 443, ANYWHERE), 4),
    (RuleText("tcp", 5432, 5432, "10.0.0.0/16"), 3),
    (RuleText("udp", 123, 123, "169.254.169.123/32", "", "time"), 1),
)
"""Egress rules with weights; they open nothing to the internet, whatever they name."""
