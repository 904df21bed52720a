"""Each difference between readings is joined to the call that made it; what no call made is counted once, when its time is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from exporter.model import Direction, Outcome, PeerType, Resource, Rule, RuleAction, RuleChange
from exporter.posture.calls import BORN_EGRESS, BORN_EGRESS_IPV6
from exporter.posture.chronicle import GROUP, PREFIX_LIST, Chronicle, Version
from exporter.posture.codec import decode, encode
from exporter.posture.join import join
from exporter.posture.memory import extend
from tests.posture_truth import ACCOUNT, GROUP_ID, REGION, event, moment, rule

ADDED, REMOVED, MODIFIED, DESCRIBED = RuleAction.ADDED, RuleAction.REMOVED, RuleAction.MODIFIED, RuleAction.DESCRIBED
SSH = rule("192.0.2.0/24", 22, "sgr-1", "office")
WORLD = replace(SSH, peer="0.0.0.0/0")
WEB = rule("198.51.100.0/24", 443, "sgr-2")
HALF, OTHER_HALF = rule("0.0.0.0/1", 22, "sgr-3"), rule("128.0.0.0/1", 22, "sgr-4")
OUT = replace(BORN_EGRESS, rule_id="sgr-5")
LIST_ID = "pl-0123456789abcdef0"
LAG = timedelta(hours=2)
LATE = 20_000


def chronicle(*readings, kind=GROUP, name="web", owned=True):
    """The chronicle of readings (second, rules); each takes no time. The first is what stood when the exporter was first started."""
    made = Chronicle(kind, GROUP_ID if kind == GROUP else LIST_ID, name, owned=owned)
    last = None
    for second, rules in readings:
        made = extend(made, rules, None if last is None else moment(last), moment(second), moment(second))
        last = second
    return made


def halves(before, after, _at=None):
    """The class `admin` where both halves of the internet, or all of it, are let in after and were not before."""

    def is_open(rules):
        peers = {r.peer for r in rules if r.direction is not Direction.EGRESS}
        return "0.0.0.0/0" in peers or {"0.0.0.0/1", "128.0.0.0/1"} <= peers

    return ("admin",) if is_open(after) and not is_open(before) else ()


def joined(made, *events, read_until=LATE, groups_opened=None, **more):
    return join(
        made,
        events,
        moment(LATE),
        None if read_until is None else moment(read_until),
        LAG,
        halves,
        groups_opened,
        account_id=ACCOUNT,
        region=REGION,
        **more,
    )


def authorize(second, *rules, **more):
    return event("AuthorizeSecurityGroupIngress", second, [RuleChange(ADDED, r) for r in rules], **more)


def revoke(second, *rules, **more):
    return event("RevokeSecurityGroupIngress", second, [RuleChange(REMOVED, r) for r in rules], **more)


def modify(second, *rules, **more):
    return event("ModifySecurityGroupRules", second, [RuleChange(MODIFIED, replace(r, direction=None)) for r in rules], **more)


def describe(second, *rules, **more):
    return event("UpdateSecurityGroupRuleDescriptionsIngress", second, [RuleChange(DESCRIBED, r) for r in rules], **more)


def create(second, **more):
    return event("CreateSecurityGroup", second, **more)


def delete(second, **more):
    return event("DeleteSecurityGroup", second, **more)


BY_ID = Rule(Direction.INGRESS, "sgr-1")
NAMELESS = replace(SSH, rule_id=None, description=None)

# Readings, events, what the event of each id becomes (only those that are amended), what is unexplained.
EXPLAINED = {
    "opened": ([(0, ()), (300, (WORLD,))], [authorize(100, WORLD)], {}),
    "opened, of a record from before 2021": ([(0, ()), (300, (WORLD,))], [authorize(100, replace(WORLD, rule_id=None))], {}),
    "opened and seen by AWS Config": ([(0, ()), (300, (replace(WORLD, rule_id=None),))], [authorize(100, WORLD)], {}),
    "closed": ([(0, (SSH,)), (300, ())], [revoke(100, SSH)], {}),
    "closed by place": ([(0, (SSH,)), (300, ())], [revoke(100, NAMELESS)], {}),
    "closed by id": ([(0, (SSH,)), (300, ())], [revoke(100, BY_ID)], {0: [RuleChange(REMOVED, BY_ID, SSH)]}),
    "modified": ([(0, (SSH,)), (300, (WORLD,))], [modify(100, WORLD)], {0: [RuleChange(MODIFIED, WORLD, SSH)]}),
    "modified twice": (
        [(0, (SSH,)), (300, (WORLD,))],
        [modify(100, replace(SSH, from_port=1)), modify(200, WORLD)],
        {0: [RuleChange(MODIFIED, replace(SSH, from_port=1), SSH)], 1: [RuleChange(MODIFIED, WORLD, replace(SSH, from_port=1))]},
    ),
    "modified twice in one second": (
        [(0, (SSH,)), (300, (WORLD,))],
        [modify(100, WORLD, event_id="a"), modify(100, replace(SSH, from_port=1), event_id="b")],
        {0: [RuleChange(MODIFIED, WORLD, replace(SSH, from_port=1))], 1: [RuleChange(MODIFIED, replace(SSH, from_port=1), SSH)]},
    ),
    "modified there and back between two readings": (
        [(0, (SSH,)), (900, (SSH,))],
        [modify(400, WORLD), modify(500, SSH)],
        {0: [RuleChange(MODIFIED, WORLD, SSH)], 1: [RuleChange(MODIFIED, SSH, WORLD)]},
    ),
    "opened, modified and closed between two readings": (
        [(0, ()), (900, ())],
        [authorize(400, SSH), modify(450, WORLD), revoke(500, BY_ID)],
        {1: [RuleChange(MODIFIED, WORLD, SSH)], 2: [RuleChange(REMOVED, BY_ID, WORLD)]},
    ),
    "modified without a description, which stays": (
        [(0, (SSH,)), (300, (WORLD,))],
        [modify(100, replace(WORLD, description=None))],
        {0: [RuleChange(MODIFIED, replace(WORLD, description=None), SSH)]},
    ),
    "modified without a description, which goes": (
        [(0, (SSH,)), (300, (replace(WORLD, description=None),))],
        [modify(100, replace(WORLD, description=None))],
        {0: [RuleChange(MODIFIED, replace(WORLD, description=None), SSH)]},
    ),
    "modified, where readings have no ids": (
        [(0, (replace(SSH, rule_id=None),)), (300, (replace(WORLD, rule_id=None),))],
        [modify(100, WORLD)],
        {0: [RuleChange(MODIFIED, WORLD, SSH)]},
    ),
    "two modified, where readings have no ids and none can be told from the other": (
        [
            (0, (replace(SSH, rule_id=None), replace(WEB, rule_id=None))),
            (300, (replace(SSH, rule_id=None, from_port=1), replace(WEB, rule_id=None, from_port=2))),
        ],
        [modify(100, replace(SSH, from_port=1)), modify(150, replace(WEB, from_port=2))],
        {0: [RuleChange(MODIFIED, replace(SSH, from_port=1))], 1: [RuleChange(MODIFIED, replace(WEB, from_port=2))]},
    ),
    "described by id": (
        [(0, (SSH,)), (300, (replace(SSH, description="vpn"),))],
        [describe(100, replace(BY_ID, description="vpn"))],
        {0: [RuleChange(DESCRIBED, replace(BY_ID, description="vpn"), SSH)]},
    ),
    "described by place": (
        [(0, (SSH,)), (300, (replace(SSH, description="vpn"),))],
        [describe(100, replace(NAMELESS, description="vpn"))],
        {0: [RuleChange(DESCRIBED, replace(NAMELESS, description="vpn"), SSH)]},
    ),
    "described by id, where readings have no ids": (
        [
            (0, (replace(SSH, rule_id=None), replace(WEB, rule_id=None))),
            (300, (replace(SSH, rule_id=None, description="vpn"), replace(WEB, rule_id=None))),
        ],
        [describe(100, replace(BY_ID, description="vpn"))],
        {0: [RuleChange(DESCRIBED, replace(BY_ID, description="vpn"), SSH)]},
    ),
    "deleted": ([(0, (SSH, WEB)), (300, None)], [delete(100)], {0: [RuleChange(REMOVED, SSH), RuleChange(REMOVED, WEB)]}),
    "deleted by name": (
        [(0, (SSH,)), (300, None)],
        [delete(100, security_groups=("name:web",), resources=())],
        {0: [RuleChange(REMOVED, SSH)]},
    ),
    "opened and deleted between two readings": (
        [(0, (SSH,)), (300, None)],
        [authorize(100, WEB), delete(200)],
        {1: [RuleChange(REMOVED, SSH), RuleChange(REMOVED, WEB)]},
    ),
    "opened, modified and deleted within one second": (
        [(0, (SSH,)), (300, None)],
        [delete(100, event_id="a"), modify(100, replace(WEB, from_port=1), event_id="b"), authorize(100, WEB, event_id="c")],
        {
            0: [RuleChange(REMOVED, SSH), RuleChange(REMOVED, replace(WEB, from_port=1))],
            1: [RuleChange(MODIFIED, replace(WEB, from_port=1), WEB)],
        },
    ),
    "a revoke waits for the authorize of its second": (
        [(0, ()), (300, ())],
        [revoke(100, BY_ID, event_id="a"), authorize(100, SSH, event_id="b")],
        {0: [RuleChange(REMOVED, BY_ID, SSH)]},
    ),
    "closed and opened anew within one second": (
        [(0, (SSH,)), (300, (replace(SSH, rule_id="sgr-9"),))],
        [authorize(100, replace(SSH, rule_id="sgr-9"), event_id="a"), revoke(100, BY_ID, event_id="b")],
        {1: [RuleChange(REMOVED, BY_ID, SSH)]},
    ),
    "seen before its time by the other clock": (
        [(0, ()), (300, (WORLD,)), (600, (WORLD, WEB))],
        [authorize(330, WORLD), authorize(500, WEB)],
        {},
    ),
    "not seen by a reading that was too early": (
        [(0, ()), (300, (WEB,)), (600, (WORLD, WEB))],
        [authorize(100, WEB), authorize(299, WORLD)],
        {},
    ),
    "modified when the exporter was first started, seen": (
        [(0, (WORLD,)), (300, (WORLD, WEB))],
        [modify(-20, WORLD), authorize(100, WEB)],
        {0: [RuleChange(MODIFIED, WORLD)]},
    ),
    "modified when the exporter was first started, not seen": (
        [(0, (SSH,)), (300, (WORLD,))],
        [modify(-20, WORLD)],
        {0: [RuleChange(MODIFIED, WORLD, SSH)]},
    ),
    "opened and modified long before the exporter was started": (
        [(0, (WORLD,))],
        [authorize(-9000, SSH), modify(-8000, WORLD)],
        {1: [RuleChange(MODIFIED, WORLD, SSH)]},
    ),
    "modified long before the exporter was started, never seen otherwise": (
        [(0, (WORLD,))],
        [modify(-8000, WORLD)],
        {0: [RuleChange(MODIFIED, WORLD)]},
    ),
    "AWS left out what was opened": (
        [(0, (WEB,)), (300, (WEB, SSH))],
        [authorize(100, content_known=False)],
        {0: [RuleChange(ADDED, SSH)]},
    ),
    "AWS left out what was modified": (
        [(0, (SSH, WEB)), (300, (WORLD, WEB))],
        [modify(100, content_known=False)],
        {0: [RuleChange(MODIFIED, WORLD, SSH)]},
    ),
    "a change of origin": ([(0, (SSH, WEB)), (300, (replace(WEB, rule_id=None), replace(SSH, rule_id=None))), (600, (SSH, WEB))], [], {}),
}


@pytest.mark.parametrize(("readings", "events", "amended"), EXPLAINED.values(), ids=EXPLAINED)
def test_calls_explain_readings_and_readings_complete_calls(readings, events, amended):
    for order in (events, events[::-1]):
        result = joined(chronicle(*readings), *order)
        assert (result.unexplained, result.pending, result.explained) == ((), 0, ())
        was = {e.event_id: e.rule_changes for e in events}
        became = {**was, **{a.event_id: a.rule_changes for a in result.amendments}}
        assert became == {e.event_id: tuple(amended[n]) if n in amended else e.rule_changes for n, e in enumerate(events)}


def test_the_rules_a_group_is_born_with_are_those_of_its_creation():
    own = Rule(Direction.INGRESS, None, "all", None, None, PeerType.SECURITY_GROUP, GROUP_ID)
    seen = replace(BORN_EGRESS, rule_id="sgr-5")
    seen_ipv6 = replace(BORN_EGRESS_IPV6, rule_id="sgr-6")
    empty = Chronicle(GROUP, GROUP_ID, "web")
    for rules, made, born in (
        ((seen,), create(200), [BORN_EGRESS]),
        ((seen, seen_ipv6), create(200), [BORN_EGRESS, BORN_EGRESS_IPV6]),
        ((replace(own, rule_id="sgr-7"), seen), event("CreateVpcResourceCreation", 200), [own, BORN_EGRESS]),
    ):
        (amendment,) = (result := joined(extend(empty, rules, moment(0), moment(300), moment(300)), made)).amendments
        assert amendment.rule_changes == tuple(RuleChange(ADDED, r) for r in born)
        assert (result.unexplained, result.pending) == ((), 0)
    # Terraform takes the rule away at once.
    egress = event("RevokeSecurityGroupEgress", 202, [RuleChange(REMOVED, BORN_EGRESS)])
    result = joined(extend(empty, (SSH,), moment(0), moment(300), moment(300)), create(200), egress, authorize(203, SSH))
    assert (result.unexplained, result.pending) == ((), 0)


OUT_IPV6 = replace(BORN_EGRESS_IPV6, rule_id="sgr-6")
HALF_BORN = {
    "no rule": ((), (OUT, OUT_IPV6)),
    "no rule, in a VPC without IPv6": ((), (OUT,)),
    "IPv4 alone": ((OUT,), (OUT, OUT_IPV6)),
    "IPv6 alone": ((OUT_IPV6,), (OUT, OUT_IPV6)),
}


@pytest.mark.parametrize("made_at", [-50, -5, 0, 5, 50])
@pytest.mark.parametrize("first", [True, False], ids=["the first reading of all", "a later reading"])
@pytest.mark.parametrize(("early", "late"), HALF_BORN.values(), ids=HALF_BORN)
def test_a_reading_may_show_a_new_group_before_the_rules_it_is_born_with(early, late, first, made_at):
    """A group that was made in the very moment of a reading would be counted as changed by somebody in the dark."""
    made = Chronicle(GROUP, GROUP_ID, "web")
    made = extend(made, early, None if first else moment(-300), moment(0), moment(1))
    made = extend(made, late, moment(0), moment(300), moment(301))
    result = joined(made, create(made_at))
    assert (result.unexplained, result.pending) == ((), 0)
    # In the dark as before: a rule that no group is born with, and one that comes long after the group.
    came = [r for r in late if r not in early]
    for rules, at, told in (((*late, SSH), made_at, [SSH]), (late, -200, came)):
        dark = extend(extend(Chronicle(GROUP, GROUP_ID, "web"), early, None, moment(0), moment(1)), rules, moment(0), moment(300))
        assert [c.rule for u in joined(dark, create(at)).unexplained for c in u.changes] == told


def test_a_rule_that_a_call_added_is_none_that_the_group_was_born_with():
    """The history would name the wrong call for it."""
    made = extend(extend(Chronicle(GROUP, GROUP_ID, "web"), (OUT,), moment(-300), moment(0)), (OUT, OUT_IPV6), moment(0), moment(300))
    added = event("AuthorizeSecurityGroupEgress", 100, [RuleChange(ADDED, OUT_IPV6)])
    result = joined(made, create(-5), added)
    assert [a.rule_changes for a in result.amendments] == [(RuleChange(ADDED, BORN_EGRESS),)]
    assert (result.unexplained, result.pending) == ((), 0)


MOVED = replace(OUT, protocol="tcp", from_port=443, to_port=443)
SAID = Rule(Direction.EGRESS, OUT.rule_id, description="all of it")


def describe_egress(second, *rules):
    return event("UpdateSecurityGroupRuleDescriptionsEgress", second, [RuleChange(DESCRIBED, r) for r in rules])


@pytest.mark.parametrize(
    ("shown", "calls", "earlier", "lost"),
    [
        ((MOVED,), [modify(210, MOVED)], [OUT], None),
        ((replace(OUT, description="all of it"),), [describe_egress(210, SAID)], [OUT], None),
        ((MOVED,), [describe_egress(210, SAID), modify(220, MOVED)], [OUT, replace(OUT, description="all of it")], None),
        (None, [modify(210, MOVED), delete(220)], [OUT], [MOVED]),
    ],
    ids=["modified", "described", "described, then modified", "modified and gone before anybody looked"],
)
def test_the_rule_that_a_group_is_born_with_is_known_before_any_reading_told_its_id(shown, calls, earlier, lost):
    """Nothing but that rule can be meant by an id that no call and no reading told."""
    made = Chronicle(GROUP, GROUP_ID, "web", (Version(None, None, moment(0), settled=True),))
    made = extend(made, shown, moment(0), moment(300), moment(300))
    result = joined(made, create(200), *calls)
    changes = {a.event_id: a.rule_changes for a in result.amendments}
    found = [changes[call.event_id][0].before for call in calls if call.event_name != "DeleteSecurityGroup"]
    assert [replace(before, rule_id=OUT.rule_id) for before in found] == earlier
    assert [c.rule for c in changes[calls[-1].event_id]] == lost or lost is None
    assert (result.unexplained, result.pending) == ((), 0)


def test_an_unknown_id_is_not_that_of_a_born_rule_which_a_reading_shows_with_another():
    """A rule that somebody added in the dark and then modified must not take the place of the one that the group was born with."""
    made = Chronicle(GROUP, GROUP_ID, "web", (Version(None, None, moment(0), settled=True),))
    stranger = replace(MOVED, rule_id="sgr-6")
    result = joined(extend(made, (OUT, stranger), moment(0), moment(300), moment(300)), create(200), modify(210, stranger))
    assert (result.unexplained, result.pending) == ((), 0)
    assert [c.before for a in result.amendments for c in a.rule_changes if c.action is MODIFIED] == [None]


def test_a_group_that_nobody_created_is_unexplained_rule_by_rule():
    result = joined(extend(Chronicle(GROUP, GROUP_ID, "web"), (SSH, OUT), moment(0), moment(300)))
    assert [c.rule for u in result.unexplained for c in u.changes] == [SSH, OUT]


DARK = {
    "added": ([(0, ()), (300, (WORLD,))], [], [RuleChange(ADDED, WORLD)]),
    "removed": ([(0, (SSH, WEB)), (300, (SSH,))], [], [RuleChange(REMOVED, WEB)]),
    "modified": ([(0, (SSH,)), (300, (WORLD,))], [], [RuleChange(MODIFIED, WORLD, SSH)]),
    "described": ([(0, (SSH,)), (300, (replace(SSH, description="x"),))], [], [RuleChange(DESCRIBED, replace(SSH, description="x"), SSH)]),
    "the group is gone": ([(0, (SSH, WEB)), (300, None)], [], [RuleChange(REMOVED, SSH), RuleChange(REMOVED, WEB)]),
    "beside a call": ([(0, ()), (300, (WORLD, WEB))], [authorize(100, WEB)], [RuleChange(ADDED, WORLD)]),
    "after a call on the same rule": (
        [(0, (SSH,)), (300, (WORLD,))],
        [modify(100, replace(SSH, from_port=1))],
        [RuleChange(MODIFIED, WORLD, replace(SSH, from_port=1))],
    ),
    "with another description than the call's": (
        [(0, ()), (300, (SSH,))],
        [authorize(100, replace(SSH, description="x"))],
        [RuleChange(DESCRIBED, SSH, replace(SSH, description="x"))],
    ),
    "by a call of too long ago": (
        [(0, ()), (300, ()), (600, (WORLD,))],
        [authorize(100, WORLD), revoke(150, WORLD)],
        [RuleChange(ADDED, WORLD)],
    ),
    "by a call of long after": ([(0, ()), (300, (WORLD,))], [authorize(400, WORLD)], [RuleChange(ADDED, WORLD)]),
    "by a call that was denied": ([(0, ()), (300, (WORLD,))], [authorize(100, WORLD, outcome=Outcome.DENIED)], [RuleChange(ADDED, WORLD)]),
    "by a call on another group": (
        [(0, ()), (300, (WORLD,))],
        [authorize(100, WORLD, group="sg-0fedcba9876543210")],
        [RuleChange(ADDED, WORLD)],
    ),
    "by another service's call of that name": (
        [(0, ()), (300, (WORLD,))],
        [authorize(100, WORLD, event_source="example.com")],
        [RuleChange(ADDED, WORLD)],
    ),
    "made anew with another id": (
        [(0, (SSH,)), (300, (replace(SSH, rule_id="sgr-9"),))],
        [],
        [RuleChange(REMOVED, SSH), RuleChange(ADDED, replace(SSH, rule_id="sgr-9"))],
    ),
    "taken away where only the making anew is told": (
        [(0, (SSH,)), (300, (replace(SSH, rule_id="sgr-9"),))],
        [authorize(100, replace(SSH, rule_id="sgr-9"))],
        [RuleChange(REMOVED, SSH)],
    ),
    "removed under the cover of an authorize that AWS left out": (
        [(0, (SSH,)), (300, ())],
        [authorize(100, content_known=False)],
        [RuleChange(REMOVED, SSH)],
    ),
    "there and back in two readings": ([(0, ()), (300, (WORLD,)), (600, ())], [], [RuleChange(ADDED, WORLD), RuleChange(REMOVED, WORLD)]),
    "there and back in quick readings": ([(0, ()), (10, (WORLD,)), (20, ())], [], [RuleChange(ADDED, WORLD), RuleChange(REMOVED, WORLD)]),
    "closed right after it was opened, in quick readings": (
        [(0, ()), (10, (WORLD,)), (20, ())],
        [authorize(5, WORLD)],
        [RuleChange(REMOVED, WORLD)],
    ),
    "before the group was deleted": ([(0, (SSH,)), (300, (SSH, WORLD)), (600, None)], [delete(310)], [RuleChange(ADDED, WORLD)]),
}


@pytest.mark.parametrize(("readings", "events", "changes"), DARK.values(), ids=DARK)
def test_what_no_call_made_waits_and_is_then_counted_once(readings, events, changes):
    made = chronicle(*readings)
    for early in (None, 300, readings[1][0] + 7200 - 1):
        waiting = joined(made, *events, read_until=early)
        assert waiting.unexplained == ()
        assert waiting.pending == len(changes)
    result = joined(made, *events)
    assert [c for u in result.unexplained for c in u.changes] == changes
    assert result.pending == 0
    again = joined(decode(encode(result.chronicle), Chronicle), *events)
    assert (again.unexplained, again.pending, again.explained) == ((), 0, ())


def test_unexplained_says_between_which_times_and_what_was_opened():
    (found,) = joined(chronicle((0, (HALF,)), (300, (HALF,)), (600, (HALF, OTHER_HALF)))).unexplained
    assert (found.kind, found.id, found.after, found.until) == (GROUP, GROUP_ID, moment(300), moment(600))
    assert (found.security_groups, found.opened_port_classes) == ((GROUP_ID,), ("admin",))
    assert found.entry.startswith("hash:")


def test_a_late_event_explains_what_was_counted_and_says_so_once():
    counted = joined(chronicle((0, (SSH,)), (300, (WORLD,))))
    (entry,) = [u.entry for u in counted.unexplained]
    late = modify(100, WORLD)
    result = joined(counted.chronicle, late)
    assert result.explained == ((entry, late.event_id),)
    assert [a.rule_changes for a in result.amendments] == [(RuleChange(MODIFIED, WORLD, SSH),)]
    assert (result.unexplained, result.pending) == ((), 0)
    assert joined(result.chronicle, replace(late, rule_changes=result.amendments[0].rule_changes)).explained == ()


def test_half_an_explanation_explains_nothing():
    counted = joined(chronicle((0, ()), (300, (WORLD, WEB))))
    result = joined(counted.chronicle, authorize(100, WEB))
    assert (result.explained, result.unexplained, result.pending) == ((), (), 0)


def test_a_default_group_goes_with_its_vpc():
    assert joined(chronicle((0, (SSH,)), (300, None), name="default")).unexplained == ()
    assert joined(chronicle((0, (SSH, WEB)), (300, (SSH,)), name="default")).unexplained != ()


def test_a_group_of_the_same_name_that_stands_was_not_deleted():
    result = joined(chronicle((0, (SSH,)), (300, (SSH, WEB))), authorize(100, WEB), delete(50, security_groups=("name:web",), resources=()))
    assert (result.amendments, result.unexplained) == ((), ())


def test_nothing_comes_of_a_first_version_without_events():
    made = chronicle((0, (SSH,)))
    result = joined(made)
    assert (result.chronicle, result.amendments, result.unexplained, result.pending, result.explained) == (made, (), (), 0, ())


OPENED = {
    "by the second half": ([(0, (HALF,)), (300, (HALF, OTHER_HALF))], authorize(100, OTHER_HALF), ("admin",)),
    "by the second half, seen before it is told": (
        [(0, (HALF,)), (90, (HALF, OTHER_HALF)), (300, (HALF, OTHER_HALF))],
        authorize(100, OTHER_HALF),
        ("admin",),
    ),
    "not by the first half": ([(0, ()), (300, (HALF,))], authorize(100, HALF), ()),
    "by a modification": ([(0, (SSH,)), (300, (WORLD,))], modify(100, WORLD), ("admin",)),
    "not by a modification of what was open": (
        [(0, (WORLD,)), (300, (replace(WORLD, description="x"),))],
        modify(100, replace(WORLD, description="x")),
        (),
    ),
    "beside what the event says": (
        [(0, (HALF,)), (300, (HALF, OTHER_HALF))],
        authorize(100, OTHER_HALF, opened_port_classes=("web",)),
        ("admin", "web"),
    ),
    "by a call of which AWS left out the content": (
        [(0, (HALF,)), (300, (HALF, OTHER_HALF))],
        authorize(100, content_known=False),
        ("admin",),
    ),
    "not by a call that matched nothing": ([(0, (HALF,)), (300, (HALF, OTHER_HALF))], authorize(100, OTHER_HALF, outcome=Outcome.NOOP), ()),
    "not by a description": (
        [(0, (WORLD,)), (300, (replace(WORLD, description="x"),))],
        describe(100, replace(WORLD, description="x")),
        (),
    ),
}


@pytest.mark.parametrize(("readings", "made", "classes"), OPENED.values(), ids=OPENED)
def test_an_event_opens_what_was_not_open_before(readings, made, classes):
    found = [a.opened_port_classes for a in joined(chronicle(*readings), made).amendments]
    assert (found or [()])[0] == classes


def test_what_is_opened_waits_until_all_that_was_before_is_known():
    made, call = chronicle((0, (HALF,)), (300, (HALF, OTHER_HALF))), authorize(100, OTHER_HALF)
    assert joined(made, call, read_until=50).amendments == ()
    assert [a.opened_port_classes for a in joined(made, call, read_until=100).amendments] == [("admin",)]
    assert [a.opened_port_classes for a in joined(made, call, read_until=None).amendments] == [("admin",)]


def entry(peer, description=None):
    return Rule(peer_type=PeerType.IPV4, peer=peer, description=description)


def edit(second, name="ModifyManagedPrefixList", added=(), removed=(), **more):
    changes = [RuleChange(ADDED, e) for e in added] + [RuleChange(REMOVED, e) for e in removed]
    resources = (Resource("AWS::EC2::PrefixList", LIST_ID),)
    return event(name, second, changes, group=None, **{"resources": resources, "watch_set": "prefix_lists", **more})


OFFICE, EVERYONE = entry("192.0.2.0/24", "office"), entry("0.0.0.0/0")


def opens_a_group(before, after, _at=None):
    return ((GROUP_ID,), ("admin",)) if halves(before, after) else ((), ())


LISTS = {
    "widened": ([(0, (OFFICE,)), (300, (OFFICE, EVERYONE))], edit(100, added=[EVERYONE]), [RuleChange(ADDED, EVERYONE)], (GROUP_ID,), []),
    "narrowed": ([(0, (OFFICE, EVERYONE)), (300, (OFFICE,))], edit(100, removed=[EVERYONE]), [RuleChange(REMOVED, EVERYONE)], (), []),
    "described": (
        [(0, (OFFICE,)), (300, (entry("192.0.2.0/24", "vpn"),))],
        edit(100, added=[entry("192.0.2.0/24", "vpn")]),
        [RuleChange(ADDED, entry("192.0.2.0/24", "vpn"), OFFICE)],
        (),
        [],
    ),
    "described where it is open": (
        [(0, (EVERYONE,)), (300, (entry("0.0.0.0/0", "all"),))],
        edit(100, added=[entry("0.0.0.0/0", "all")]),
        [RuleChange(ADDED, entry("0.0.0.0/0", "all"), EVERYONE)],
        (),
        [],
    ),
    "replaced": (
        [(0, (OFFICE,)), (300, (EVERYONE,))],
        edit(100, added=[EVERYONE], removed=[OFFICE]),
        [RuleChange(ADDED, EVERYONE), RuleChange(REMOVED, OFFICE)],
        (GROUP_ID,),
        [],
    ),
    "restored": (
        [(0, (OFFICE,)), (300, (EVERYONE,))],
        edit(100, "RestoreManagedPrefixListVersion"),
        [RuleChange(REMOVED, OFFICE), RuleChange(ADDED, EVERYONE)],
        (GROUP_ID,),
        [],
    ),
    "AWS left out the entries": (
        [(0, ()), (300, (EVERYONE,))],
        edit(100, content_known=False),
        [RuleChange(ADDED, EVERYONE)],
        (GROUP_ID,),
        [],
    ),
    "deleted": ([(0, (OFFICE,)), (300, None)], edit(100, "DeleteManagedPrefixList"), [RuleChange(REMOVED, OFFICE)], (), []),
    "widened in the dark": ([(0, (OFFICE,)), (300, (OFFICE, EVERYONE))], None, None, (), [RuleChange(ADDED, EVERYONE)]),
}


@pytest.mark.parametrize(("readings", "made", "changes", "groups", "dark"), LISTS.values(), ids=LISTS)
def test_prefix_lists(readings, made, changes, groups, dark):
    events = [made] if made is not None else []
    result = joined(chronicle(*readings, kind=PREFIX_LIST), *events, groups_opened=opens_a_group)
    assert [c for u in result.unexplained for c in u.changes] == dark
    for a in result.amendments:
        assert (list(a.rule_changes), a.security_groups, a.opened_port_classes) == (changes, groups, ("admin",) if groups else ())
    if made is not None and (list(made.rule_changes) != changes or groups):
        assert len(result.amendments) == 1
    for u in result.unexplained:
        assert (u.security_groups, u.opened_port_classes) == ((GROUP_ID,), ("admin",))


def test_a_list_that_is_created_is_explained():
    made = extend(Chronicle(PREFIX_LIST, LIST_ID, "offices"), (OFFICE,), moment(0), moment(300))
    result = joined(made, edit(100, "CreateManagedPrefixList", added=[OFFICE]), groups_opened=opens_a_group)
    assert (result.amendments, result.unexplained, result.pending) == ((), (), 0)


def test_a_list_of_somebody_else_is_never_unexplained():
    result = joined(chronicle((0, ()), (300, (EVERYONE,)), kind=PREFIX_LIST, owned=False), groups_opened=opens_a_group)
    assert (result.unexplained, result.pending) == ((), 0)


def test_what_an_earlier_join_knew_outlives_the_versions_it_knew_it_from():
    call = modify(100, WORLD)
    first = joined(chronicle((0, (SSH,)), (120, (WORLD,))), call)
    kept = replace(call, rule_changes=first.amendments[0].rule_changes, opened_port_classes=first.amendments[0].opened_port_classes)
    forgetful = joined(first.chronicle, kept, remember=timedelta(0))
    assert len(forgetful.chronicle.versions) == 1
    assert joined(forgetful.chronicle, kept).amendments == ()
