"""Unused groups: no interface has them, and no other group's rule names them."""

from __future__ import annotations

import pytest

from exporter.checks.unused import UNUSED_GROUPS
from exporter.model import PeerType
from exporter.posture.standing import Attachment, Group
from tests.sights import ACCOUNT, given, ipv4, naming, sg, sight, standing

PLAIN = Group(sg(1), "web", rules=(ipv4(1),))
ONE = Attachment(1)

CASES = {
    "no groups": ((), {}, 0),
    "attached": ((PLAIN,), {sg(1): ONE}, 0),
    "not attached": ((PLAIN,), {}, 1),
    "attached to nothing": ((PLAIN,), {sg(1): Attachment(0)}, 1),
    "an attachment of another group": ((PLAIN,), {sg(9): ONE}, 1),
    "the default group cannot be deleted": ((Group(sg(1), "default"),), {}, 0),
    "named by another group": ((PLAIN, Group(sg(2), "db", rules=(naming(sg(1)),))), {sg(2): ONE}, 0),
    "named by an unused group": ((PLAIN, Group(sg(2), "db", rules=(naming(sg(1)),))), {}, 1),
    "named by itself alone": ((Group(sg(1), "web", rules=(naming(sg(1)),)),), {}, 1),
    "two that name each other": (
        (Group(sg(1), "a", rules=(naming(sg(2)),)), Group(sg(2), "b", rules=(naming(sg(1)),))),
        {},
        0,
    ),
    "named as a prefix list": ((PLAIN, Group(sg(2), "db", rules=(naming(sg(1), kind=PeerType.PREFIX_LIST),))), {sg(2): ONE}, 1),
    "shared by another account": ((Group(sg(1), "web", owner_id="444455556666"),), {}, 0),
    "of this account": ((Group(sg(1), "web", owner_id=ACCOUNT),), {}, 1),
}


@pytest.mark.parametrize(("groups", "attachments", "unused"), CASES.values(), ids=CASES)
def test_unused_groups_are_counted(groups, attachments, unused):
    """Otherwise somebody deletes a group that is needed, or keeps thousands that are not."""
    assert given(UNUSED_GROUPS, sight(standing(groups=groups, attachments=attachments))) == {("unused_security_groups",): unused}


@pytest.mark.parametrize("parts", [{}, {"groups": (PLAIN,)}, {"attachments": {}}], ids=["nothing", "groups alone", "interfaces alone"])
def test_without_groups_or_interfaces_nothing_is_said(parts):
    """Otherwise every group counts as unused while interfaces cannot be read."""
    assert given(UNUSED_GROUPS, sight(standing(**parts))) == {}
