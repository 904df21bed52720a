"""What a check looks at, made by hand: pictures of one account and region."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from exporter.checks import Check, Sight
from exporter.model import Direction, PeerType, Rule
from exporter.posture.judge import OpenRule
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Exposure, Group, Standing

ACCOUNT, REGION = "111122223333", "us-east-1"
UNIT = (ACCOUNT, REGION)
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
VPC = "vpc-0123456789abcdef0"


def sg(number: int) -> str:
    """Return the id of a group."""
    return f"sg-{number:017x}"


def ipv4(number: int = 0, **fields: Any) -> Rule:
    """Return a rule for one of our IPv4 ranges, each number another."""
    return Rule(
        **{
            "direction": Direction.INGRESS,
            "rule_id": f"sgr-{number:017x}",
            "protocol": "tcp",
            "from_port": number % 65536,
            "to_port": number % 65536,
            "peer_type": PeerType.IPV4,
            "peer": "192.0.2.0/24",
        }
        | fields
    )


def ipv6(number: int = 0, **fields: Any) -> Rule:
    """Return a rule for one of our IPv6 ranges."""
    return ipv4(number, **{"peer_type": PeerType.IPV6, "peer": "2001:db8::/32"} | fields)


def naming(peer: str, number: int = 0, kind: PeerType = PeerType.SECURITY_GROUP, **fields: Any) -> Rule:
    """Return a rule that names a group or a prefix list."""
    return ipv4(number, **{"peer_type": kind, "peer": peer} | fields)


def opened(
    rule: Rule, group: Group | None = None, *, ip_version: int = 4, port_class: str = "admin", exception: str = "", **fields: Any
) -> OpenRule:
    """Return a rule that was judged open."""
    group = group or Group(sg(1), vpc_id=VPC, rules=(rule,))
    exposure = fields.pop("exposure", Exposure.PUBLIC)
    protocol = fields.pop("protocol", rule.protocol)
    return OpenRule(group, rule, protocol, rule.from_port, rule.to_port, ip_version, port_class, exposure, exception)


def sight(standing: Standing | None = None, open_rules: Iterable[OpenRule] = (), pending: int = 0, **settings: Any) -> Sight:
    """Return what a check is given."""
    return Sight(standing or Standing(*UNIT), tuple(open_rules), pending, PostureSettings(**settings), NOW)


def standing(**parts: Any) -> Standing:
    """Return a picture of which only these parts were ever read."""
    return Standing(*UNIT, **parts)


def given(check: Check, looked_at: Sight) -> dict[tuple[str, ...], float]:
    """Return what a check gives, by family name (without its prefix) and labels after account and region; no series may come twice."""
    found: dict[tuple[str, ...], float] = {}
    families = {family.name: family for family in check.families}
    for sample in check.run(looked_at):
        assert len(sample.labels) == len(families[sample.family].labels)
        assert sample.labels[:2] == UNIT
        key = (sample.family.removeprefix("awschange_"), *sample.labels[2:])
        assert key not in found
        found[key] = sample.value
    return found
