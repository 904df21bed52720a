"""Many groups that change in one reading: what is asked for with every event of every group is worked out once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from exporter.model import PeerType, Resource, Rule, RuleAction, RuleChange
from exporter.posture.chronicle import Chronicle
from exporter.posture.codec import decode
from exporter.posture.reach import Peers
from exporter.posture.standing import Group, PrefixList
from tests.store_events import ACCOUNT, REGION
from tests.test_surveyor import EVERYONE, LAG, LIST, WEB, World, rule, web

GROUPS = 40


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.store.close()


def offices(*more: str) -> tuple[PrefixList, ...]:
    cidrs = (*(f"198.51.100.{host}/32" for host in range(100)), *more)
    return (PrefixList(LIST, "offices", 1 + len(more), tuple((cidr, "") for cidr in cidrs)),)


def groups(*more: Rule) -> list[Group]:
    named = Rule(replace(rule()).direction, None, "tcp", 443, 443, PeerType.PREFIX_LIST, LIST)
    return [
        Group(f"sg-{n:017x}", f"group-{n}", "vpc-1", (replace(named, rule_id=f"sgr-{n}"), *(replace(r, rule_id=f"sgr-{n}m") for r in more)))
        for n in range(GROUPS)
    ]


def test_a_list_that_many_changed_groups_name_is_read_a_few_times_and_not_with_every_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand entries in five thousand groups took more than a minute of each reading, for as long as events may come."""
    read: list[Any] = []
    reach = Peers._reach

    def counting(self: Peers, networks: Any) -> Any:
        read.append(networks)
        return reach(self, networks)

    monkeypatch.setattr(Peers, "_reach", counting)
    world.survey(*groups(), prefix_lists=offices())
    for group in groups(rule(peer=EVERYONE)):
        added = RuleChange(RuleAction.ADDED, group.rules[1])
        world.event("AuthorizeSecurityGroupIngress", added, ago=-timedelta(minutes=1), security_groups=(group.group_id,))
    entry = RuleChange(RuleAction.ADDED, Rule(peer_type=PeerType.IPV4, peer="0.0.0.0/1"))
    edit = world.event(
        "ModifyManagedPrefixList", entry, ago=-timedelta(minutes=2), security_groups=(), resources=(Resource("AWS::EC2::PrefixList", LIST),)
    )
    report = world.survey(*groups(rule(peer=EVERYONE)), prefix_lists=offices("0.0.0.0/1"))
    assert (report.complete, report.changed, report.pending) == (True, GROUPS, 0)
    stored = world.stored(edit)
    assert (len(stored.security_groups), stored.opened_port_classes) == (GROUPS, ("web",))
    assert len(read) <= 4


def chronicles(world: World) -> dict[str, Chronicle]:
    found = world.store.documents(ACCOUNT, REGION, "chronicle.group")
    return {name: decode(body, Chronicle) for name, body in found.items()}


def test_groups_that_come_and_go_leave_nothing_behind(world: World) -> None:
    """A thousand a day would be read with every reading, a year later too."""
    world.survey(web())
    for number in range(8):
        world.event("CreateSecurityGroup", ago=-timedelta(minutes=1), security_groups=(f"sg-{number:017x}",))
        world.survey(web(), groups()[number], prefix_lists=offices())
        world.event("DeleteSecurityGroup", ago=-timedelta(minutes=1), security_groups=(f"sg-{number:017x}",))
        world.survey(web(rule(443 + number)), after=timedelta(minutes=5), prefix_lists=offices())
    # One that no reading ever showed.
    world.event("DeleteSecurityGroup", security_groups=("sg-0fedcba9876543210",))
    world.survey(web(rule(450)), after=2 * LAG)
    assert len(chronicles(world)) == 10
    world.survey(web(rule(450)), after=timedelta(days=3))
    left = chronicles(world)
    assert set(left) == {WEB}
    assert len(left[WEB].versions) == 1
    counted = world.unexplained()
    world.survey(web(rule(450)))
    assert (set(chronicles(world)), world.unexplained()) == ({WEB}, counted)


def test_what_is_known_of_a_group_that_was_forgotten_stays_known(world: World) -> None:
    """A record of its deletion that comes again would otherwise lose the rules that went with it."""
    world.survey(web(rule()))
    event = world.event("DeleteSecurityGroup", ago=-timedelta(minutes=1))
    world.survey()
    assert [change.rule for change in world.stored(event).rule_changes] == [rule()]
    world.survey(after=2 * LAG)
    world.survey(after=timedelta(days=3))
    assert not chronicles(world)
    world.event("RevokeSecurityGroupIngress", RuleChange(RuleAction.REMOVED, rule(443)), ago=timedelta(days=3, minutes=7))
    world.survey()
    assert [change.rule for change in world.stored(event).rule_changes] == [rule()]
    assert world.unexplained() == 0
