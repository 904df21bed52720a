"""Default groups: any rule at all is one too many."""

from __future__ import annotations

from exporter.checks.default_group import DEFAULT_GROUP
from exporter.model import Direction
from exporter.posture.standing import Group
from tests.sights import VPC, given, ipv4, naming, sg, sight, standing


def test_the_rules_that_a_default_group_is_made_with_count():
    """Otherwise what EC2.2 finds is not found here."""
    born = (naming(sg(1)), ipv4(1, direction=Direction.EGRESS, protocol="all", peer="0.0.0.0/0"))
    groups = (
        Group(sg(1), "default", VPC, born),
        Group(sg(2), "default", "vpc-2", ()),
        Group(sg(3), "default-web", VPC, (ipv4(1),)),
    )
    assert given(DEFAULT_GROUP, sight(standing(groups=groups))) == {("default_security_group_rules", VPC, sg(1)): 2}


def test_groups_that_were_never_read_give_nothing():
    """Otherwise 'restricted' is said of what nobody looked at."""
    assert given(DEFAULT_GROUP, sight()) == {}
