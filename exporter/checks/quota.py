"""How near the rules of a group are to what AWS allows: a full group refuses the next rule, often in the middle of an incident.

Amazon VPC user guide, "Amazon VPC quotas" and "Security group size": inbound and outbound rules count apart, and so do IPv4 and IPv6.
A rule for a CIDR block counts as one; one that names a group as one for IPv4 and one for IPv6; one that names a customer's prefix list
as the most entries that the list may have; one that names a list of AWS as the list's weight ("AWS-managed prefix lists").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from operator import attrgetter

from exporter.checks.base import Check, Sample, Sight
from exporter.families import Family
from exporter.model import Direction, PeerType
from exporter.posture.standing import Group, PrefixList

_FROM = 0.5
"""The share of the quota from which on a group is shown."""
_WEIGHTS: Mapping[str, int] = {
    "dynamodb": 1,
    "ec2-instance-connect": 2,
    "groundstation": 5,
    "origin-facing": 55,
    "route53-healthchecks": 25,
    "s3": 1,
    "s3express": 6,
    "vpc-lattice": 10,
}
"""By the last part of the name, such as com.amazonaws.global.cloudfront.origin-facing; no call tells a weight."""
_BOTH = (4, 6)

_Weight = tuple[tuple[int, ...], int]
"""The IP versions that a rule counts in, and as how many rules."""
_CIDR: Mapping[PeerType, _Weight] = {PeerType.IPV4: ((4,), 1), PeerType.IPV6: ((6,), 1)}
_ONE: _Weight = (_BOTH, 1)
_KIND = attrgetter("direction", "peer_type")

RATIO = Family(
    "awschange_security_group_rules_quota_ratio",
    "gauge",
    "Share of the rules that a group may have (posture.rules_quota) which it has, in the fullest direction and IP version; shown from half "
    "of it on. A prefix list counts as the most entries it may have; one that could not be read as one. At 1 AWS refuses the next rule.",
    ("account_id", "region", "security_group_id"),
    5_000,
    ("security_group_id",),
    update="max",
    held=False,
)


def _weight(listed: PrefixList) -> _Weight:
    entries = max(len(listed.entries), 1)
    if listed.owner_id == "AWS":
        weight = _WEIGHTS.get(listed.name.rpartition(".")[2], listed.max_entries or entries)
    else:
        weight = listed.max_entries or entries
    return tuple(sorted({6 if ":" in cidr else 4 for cidr, _ in listed.entries})) or _BOTH, weight


def _used(group: Group, lists: Mapping[str, _Weight]) -> int:
    """Return how much of the quota a group uses in its fullest direction and IP version."""
    used: Counter[tuple[Direction | None, int]] = Counter()
    # Rules by kind first: it is what a group of many rules has few of.
    for (direction, kind), count in Counter(map(_KIND, group.rules)).items():
        if kind is PeerType.PREFIX_LIST:
            named = Counter(rule.peer for rule in group.rules if rule.peer_type is kind and rule.direction is direction)
            weights = [(lists.get(peer or "", _ONE), times) for peer, times in named.items()]
        else:
            weights = [(_ONE if kind is None else _CIDR.get(kind, _ONE), count)]
        for (versions, weight), times in weights:
            for version in versions:
                used[direction, version] += weight * times
    return max(used.values(), default=0)


def _run(sight: Sight) -> Iterator[Sample]:
    standing, quota = sight.standing, sight.settings.rules_quota
    lists = {list_id: _weight(listed) for list_id, listed in (standing.prefix_lists or {}).items()}
    heaviest = max((weight for _, weight in lists.values()), default=1)
    for group in standing.groups or ():
        # No rule counts for more than the heaviest list: most groups need no count.
        if len(group.rules) * max(heaviest, 1) < quota * _FROM:
            continue
        ratio = _used(group, lists) / quota
        if ratio >= _FROM:
            yield Sample(RATIO.name, (standing.account_id, standing.region, group.group_id), ratio)


QUOTA = Check("quota", (RATIO,), _run)
