"""The inventory: names to join with, and totals."""

from __future__ import annotations

from exporter.checks.inventory import INVENTORY
from exporter.model import Direction
from exporter.posture.standing import Group
from tests.sights import VPC, given, ipv4, sg, sight, standing


def test_groups_and_rules_are_counted_and_named():
    """Otherwise a dashboard shows ids alone, or leaves out groups without rules."""
    groups = (Group(sg(1), "web", VPC, (ipv4(1), ipv4(2, direction=Direction.EGRESS))), Group(sg(2), 'odd"\nname', ""))
    assert given(INVENTORY, sight(standing(groups=groups))) == {
        ("security_group_info", sg(1), "web", VPC): 1,
        ("security_group_info", sg(2), 'odd"\nname', ""): 1,
        ("security_groups",): 2,
        ("security_group_rules",): 2,
    }


def test_an_account_without_groups_has_none():
    """Otherwise 'none' and 'never read' look the same."""
    assert given(INVENTORY, sight(standing(groups=()))) == {("security_groups",): 0, ("security_group_rules",): 0}
    assert given(INVENTORY, sight()) == {}


def test_a_name_is_bounded():
    """Otherwise an answer that is not AWS's fills the page."""
    [info, *_] = given(INVENTORY, sight(standing(groups=(Group(sg(1), "x" * 100_000, VPC),))))
    assert len(info[2]) == 255
