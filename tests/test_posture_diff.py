"""Two readings of rules become rule changes: by id where both have one, else by place, whatever order and origin they come in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Direction, PeerType, Rule, RuleAction, RuleChange
from exporter.posture.diff import alike, applied, diff, place, undone
from tests.posture_truth import rule

SSH = rule("192.0.2.0/24", 22, "sgr-1", "office")
WEB = rule("0.0.0.0/0", 443, "sgr-2")
WIDER = replace(SSH, peer="0.0.0.0/0")
NAMELESS = replace(SSH, rule_id=None)
ADDED, REMOVED, MODIFIED, DESCRIBED = RuleAction.ADDED, RuleAction.REMOVED, RuleAction.MODIFIED, RuleAction.DESCRIBED
ALL = Rule(Direction.EGRESS, None, "all", None, None, PeerType.IPV4, "0.0.0.0/0")

CASES = {
    "nothing": ((), (), ()),
    "the group comes without rules": (None, (), ()),
    "the group comes": (None, (SSH,), (RuleChange(ADDED, SSH),)),
    "the group goes": ((SSH, WEB), None, (RuleChange(REMOVED, SSH), RuleChange(REMOVED, WEB))),
    "another order": ((SSH, WEB), (WEB, SSH), ()),
    "added": ((SSH,), (SSH, WEB), (RuleChange(ADDED, WEB),)),
    "removed": ((SSH, WEB), (WEB,), (RuleChange(REMOVED, SSH),)),
    "modified": ((SSH,), (WIDER,), (RuleChange(MODIFIED, WIDER, SSH),)),
    "modified and described": ((SSH,), (replace(WIDER, description="x"),), (RuleChange(MODIFIED, replace(WIDER, description="x"), SSH),)),
    "described": ((SSH,), (replace(SSH, description="vpn"),), (RuleChange(DESCRIBED, replace(SSH, description="vpn"), SSH),)),
    "description taken away": ((SSH,), (replace(SSH, description=None),), (RuleChange(DESCRIBED, replace(SSH, description=None), SSH),)),
    "no description is an empty one": ((WEB,), (replace(WEB, description=""),), ()),
    "made anew in the same place": (
        (SSH,),
        (replace(SSH, rule_id="sgr-9"),),
        (RuleChange(REMOVED, SSH), RuleChange(ADDED, replace(SSH, rule_id="sgr-9"))),
    ),
    "two rules change places": (
        (SSH, WEB),
        (replace(WEB, rule_id="sgr-1"), replace(SSH, rule_id="sgr-2")),
        (RuleChange(MODIFIED, replace(WEB, rule_id="sgr-1"), SSH), RuleChange(MODIFIED, replace(SSH, rule_id="sgr-2"), WEB)),
    ),
    "ids appear": ((NAMELESS,), (SSH,), ()),
    "ids vanish": ((SSH,), (NAMELESS,), ()),
    "ids vanish and the rule is described": (
        (SSH,),
        (replace(NAMELESS, description="vpn"),),
        (RuleChange(DESCRIBED, replace(NAMELESS, description="vpn"), SSH),),
    ),
    "moved without an id": (
        (NAMELESS,),
        (replace(WIDER, rule_id=None),),
        (RuleChange(REMOVED, NAMELESS), RuleChange(ADDED, replace(WIDER, rule_id=None))),
    ),
    "twice, then once": ((NAMELESS, NAMELESS), (NAMELESS,), (RuleChange(REMOVED, NAMELESS),)),
    "once, then twice": ((NAMELESS,), (NAMELESS, NAMELESS), (RuleChange(ADDED, NAMELESS),)),
    "twice, one described": (
        (NAMELESS, NAMELESS),
        (replace(NAMELESS, description="x"), NAMELESS),
        (RuleChange(DESCRIBED, replace(NAMELESS, description="x"), NAMELESS),),
    ),
    "all protocols have no ports": ((ALL,), (replace(ALL, from_port=-1, to_port=-1),), ()),
    "ESP has no ports": ((replace(ALL, protocol="50"),), (replace(ALL, protocol="50", from_port=-1, to_port=-1),), ()),
    "any ICMP": ((replace(ALL, protocol="icmp"),), (replace(ALL, protocol="icmp", from_port=-1, to_port=-1),), ()),
    "another ICMP type": (
        (replace(ALL, protocol="icmp", from_port=8),),
        (replace(ALL, protocol="icmp", from_port=0),),
        (RuleChange(REMOVED, replace(ALL, protocol="icmp", from_port=8)), RuleChange(ADDED, replace(ALL, protocol="icmp", from_port=0))),
    ),
    "the other direction": (
        (NAMELESS,),
        (replace(NAMELESS, direction=Direction.EGRESS),),
        (RuleChange(REMOVED, NAMELESS), RuleChange(ADDED, replace(NAMELESS, direction=Direction.EGRESS))),
    ),
    "an entry of a prefix list described": (
        (Rule(peer_type=PeerType.IPV4, peer="192.0.2.0/24"),),
        (Rule(peer_type=PeerType.IPV4, peer="192.0.2.0/24", description="vpn"),),
        (
            RuleChange(
                DESCRIBED,
                Rule(peer_type=PeerType.IPV4, peer="192.0.2.0/24", description="vpn"),
                Rule(peer_type=PeerType.IPV4, peer="192.0.2.0/24"),
            ),
        ),
    ),
}


@pytest.mark.parametrize(("before", "after", "changes"), CASES.values(), ids=CASES)
def test_readings_differ(before, after, changes):
    assert diff(before, after) == changes


@st.composite
def rule_sets(draw):
    """Rules with and without ids; an id never stands twice."""
    ids = draw(st.lists(st.one_of(st.none(), st.integers(0, 5).map(str)), max_size=8))
    seen = set()
    out = []
    for rule_id in ids:
        if rule_id is None or rule_id not in seen:
            seen.add(rule_id)
            peer = draw(st.sampled_from(["192.0.2.0/24", "198.51.100.0/24"]))
            out.append(rule(peer, draw(st.sampled_from([22, 443])), rule_id, draw(st.sampled_from([None, "", "a"]))))
    return tuple(out)


def spelled(rules):
    return sorted((str(place(r)), r.description or "") for r in rules)


@given(rule_sets(), rule_sets())
def test_changes_lead_from_one_reading_to_the_other_and_back(before, after):
    changes = diff(before, after)
    assert spelled(applied(before, changes)) == spelled(after)
    assert spelled(undone(after, changes)) == spelled(before)


@given(rule_sets(), st.randoms(use_true_random=False))
def test_order_is_no_change(rules, chance):
    assert diff(rules, chance.sample(rules, len(rules))) == ()


@given(rule_sets())
def test_a_change_of_origin_is_no_change(rules):
    nameless = [replace(r, rule_id=None) for r in rules]
    assert diff(rules, nameless) == diff(nameless, rules) == ()
    assert all(alike(r, n) for r, n in zip(rules, nameless, strict=True))
