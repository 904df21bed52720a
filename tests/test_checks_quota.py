"""The quota: how rules count against it, from the Amazon VPC user guide."""

from __future__ import annotations

import pytest

from exporter.checks.quota import QUOTA
from exporter.model import Direction, PeerType
from exporter.posture.standing import Group, PrefixList
from tests.sights import given, ipv4, ipv6, naming, sg, sight, standing

LISTS = {
    listed.list_id: listed
    for listed in (
        PrefixList("pl-4", "offices", entries=(("192.0.2.0/24", ""),), max_entries=20, owner_id="111122223333"),
        PrefixList("pl-6", "offices-6", entries=(("2001:db8::/32", ""),), max_entries=20, owner_id="111122223333"),
        PrefixList("pl-empty", "none", entries=(), max_entries=20, owner_id="111122223333"),
        PrefixList("pl-untold", "shared", entries=(("192.0.2.0/25", ""), ("192.0.2.128/25", "")) * 10, owner_id="444455556666"),
        PrefixList("pl-cdn", "com.amazonaws.global.cloudfront.origin-facing", entries=(("198.51.100.0/24", ""),) * 45, owner_id="AWS"),
        PrefixList("pl-s3", "com.amazonaws.us-east-1.s3", entries=(("198.51.100.0/24", ""),) * 7, owner_id="AWS"),
        PrefixList("pl-new", "com.amazonaws.us-east-1.new", entries=(("198.51.100.0/24", ""),) * 7, owner_id="AWS"),
        PrefixList("pl-lie", "com.evil.s3", entries=(("198.51.100.0/24", ""),), max_entries=30, owner_id="444455556666"),
    )
}


def lists(*names: str, **fields) -> tuple:
    return tuple(naming(name, number, PeerType.PREFIX_LIST, **fields) for number, name in enumerate(names))


def many(make, count: int, **fields) -> tuple:
    return tuple(make(number, **fields) for number in range(count))


CASES = {
    "nothing": ((), None),
    "less than half": (many(ipv4, 29), None),
    "half": (many(ipv4, 30), 0.5),
    "full": (many(ipv4, 60), 1.0),
    "over, where the quota is higher than configured": (many(ipv4, 90), 1.5),
    "IPv4 and IPv6 count apart": (many(ipv4, 40) + many(ipv6, 50), 50 / 60),
    "directions count apart": (many(ipv4, 40) + many(ipv4, 45, direction=Direction.EGRESS), 45 / 60),
    "too few in each": (many(ipv4, 29) + many(ipv6, 29) + many(ipv4, 29, direction=Direction.EGRESS), None),
    "a group counts for both": (many(ipv4, 20) + many(ipv6, 25) + tuple(naming(sg(2), number) for number in range(10)), 35 / 60),
    "a rule whose peer is unknown counts for both": ((*many(ipv4, 29), ipv4(99, peer_type=None, peer=None)), 0.5),
    "a list counts as the most entries it may have": (many(ipv4, 10) + lists("pl-4"), 0.5),
    "twice where two rules name it": (lists("pl-4", "pl-4"), 40 / 60),
    "a list of IPv6 counts there": (many(ipv4, 29) + lists("pl-6"), None),
    "and adds up there": (many(ipv6, 10) + lists("pl-6"), 0.5),
    "an empty list may become either": (many(ipv6, 10) + lists("pl-empty"), 0.5),
    "entries where the most is not told": (many(ipv4, 10) + lists("pl-untold"), 0.5),
    "a list of AWS counts as its weight": (lists("pl-cdn"), 55 / 60),
    "not as its entries": (many(ipv4, 29) + lists("pl-s3"), 0.5),
    "as its entries where the weight is not known": (many(ipv4, 23) + lists("pl-new"), 0.5),
    "a name alone makes no list of AWS": (lists("pl-lie"), 0.5),
    "a list that could not be read counts as one": (many(ipv4, 29) + lists("pl-gone"), 0.5),
    "in its direction": (many(ipv4, 10) + lists("pl-4", direction=Direction.EGRESS), None),
}


@pytest.mark.parametrize(("rules", "ratio"), CASES.values(), ids=CASES)
def test_rules_count_as_aws_counts_them(rules, ratio):
    """Otherwise a group is full in the middle of an incident, and nobody was told."""
    found = given(QUOTA, sight(standing(groups=(Group(sg(1), rules=rules),), prefix_lists=LISTS)))
    assert found == ({} if ratio is None else {("security_group_rules_quota_ratio", sg(1)): pytest.approx(ratio)})


def test_the_quota_is_the_configured_one():
    """Otherwise whoever had it raised is warned for ever."""
    picture = standing(groups=(Group(sg(1), rules=many(ipv4, 60)),))
    assert given(QUOTA, sight(picture, rules_quota=100)) == {("security_group_rules_quota_ratio", sg(1)): 0.6}
    assert given(QUOTA, sight(picture, rules_quota=200)) == {}


def test_lists_that_were_never_read_count_as_one_each():
    """Otherwise a group of many rules is not shown as long as lists cannot be read."""
    picture = standing(groups=(Group(sg(1), rules=many(ipv4, 29) + lists("pl-4")),))
    assert given(QUOTA, sight(picture)) == {("security_group_rules_quota_ratio", sg(1)): 0.5}
