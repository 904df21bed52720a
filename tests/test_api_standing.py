"""What stands by the API: groups, what is open and who opened it, principals, the overview; and how little is read for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from exporter.history.look import pictures, sightings
from exporter.history.standing import find_group, group_facts, overview_facts, principal_facts
from exporter.model import Channel, Outcome, PeerType, Principal, PrincipalType, RuleAction, RuleChange, Unit
from exporter.posture.judge import Judge
from exporter.posture.settings import ExceptionSettings
from exporter.posture.standing import Attachment, Group, PrefixList
from tests.api_app import Api
from tests.store_events import ACCOUNT, NOON, REGION, make_event
from tests.test_surveyor import DB, EVERYONE, LIST, RANGES, WEB, World, added, rule, web

OPEN = "/api/v1/open"
SSH = rule(22, EVERYONE)


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.world.store.close()


@pytest.fixture
def world(api: Api) -> World:
    return api.world


def group(api: Api, group_id: str = WEB) -> Any:
    return api.ask(f"/api/v1/groups/{ACCOUNT}/{REGION}/{group_id}").json


def test_a_group_is_shown_as_it_stands_with_who_opened_it(api: Api, world: World) -> None:
    """That is the first question after the page: is it still open, and who was that."""
    world.survey(web())
    event = world.event("AuthorizeSecurityGroupIngress", added(SSH))
    world.survey(replace(web(SSH), tags=(("team", "blue"),)), attachments={WEB: Attachment(3, public_ipv4=True)}, balanced=frozenset())
    found = group(api)
    assert (found["security_group_name"], found["vpc_id"], found["tags"]) == ("web", "vpc-1", [{"key": "team", "value": "blue"}])
    assert [rule["from_port"] for rule in found["rules"]] == [22]
    (row,) = found["open"]
    assert (row["by"], row["since"], row["exposure"]) == ("role/Deploy", "2026-01-31T12:03:00Z", "public")
    assert event.event_time.isoformat().startswith("2026-01-31T12:03")
    assert (found["interfaces"], found["exposure"]) == (3, {"ipv4": "public", "ipv6": "attached"})
    assert (found["read_at"], found["deleted"]) == ("2026-01-31T12:10:00Z", None)


def test_the_description_is_that_of_the_call_that_made_it(api: Api, world: World) -> None:
    """No reading keeps it, and it often says whom to ask."""
    raw = json.dumps({"requestParameters": {"groupName": "web", "groupDescription": "ask the blue team", "vpcId": "vpc-9"}}).encode()
    world.event("CreateSecurityGroup", raw=raw)
    world.survey(web())
    assert group(api)["description"] == "ask the blue team"


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"requestParameters": null}', b'{"requestParameters": {"groupDescription": 7}}', b"{", b"[" * 100_000]
)
def test_a_record_that_tells_no_description_is_none(api: Api, world: World, raw: bytes) -> None:
    """AWS leaves out long requests, and whoever writes trail files by hand writes anything."""
    world.event("CreateSecurityGroup", raw=raw)
    world.survey(web())
    assert group(api)["description"] is None


def test_a_group_that_was_deleted_is_shown_as_it_was(api: Api, world: World) -> None:
    """The port was open until it was gone; that it is gone must not read as never there."""
    world.survey(web(SSH), Group(DB, "db", "vpc-1", (rule(5432),)))
    deleted = world.event("DeleteSecurityGroup")
    at_once = group(api)
    assert (at_once["deleted"], at_once["open"]) == (deleted.event_time.isoformat().replace("+00:00", "Z"), [])
    world.survey(web())
    world.survey()
    found = group(api, DB)
    assert (found["security_group_name"], found["deleted"], [rule["from_port"] for rule in found["rules"]]) == (
        "db",
        "2026-01-31T12:10:00Z",
        [5432],
    )


def test_a_group_of_which_only_events_tell_has_no_rules_rather_than_none(api: Api, world: World) -> None:
    """Unknown is not empty: an exporter that reads events alone cannot say that nothing is open."""
    world.event("AuthorizeSecurityGroupIngress", added(SSH))
    assert (group(api)["rules"], group(api)["read_at"]) == (None, None)
    assert api.ask(f"/api/v1/groups/{ACCOUNT}/eu-west-1/{WEB}").status == 404


def test_what_a_list_opens_is_told_where_the_list_is_known(api: Api, world: World) -> None:
    """A rule that names a list is as open as the list, and a list that nobody could read is not closed."""
    named = replace(rule(22, LIST), peer_type=PeerType.PREFIX_LIST)
    world.survey(web(named), prefix_lists=(PrefixList(LIST, "all", 1, ((EVERYONE, ""),), ACCOUNT),))
    assert (len(group(api)["open"]), group(api)["unknown_prefix_lists"]) == (1, [])
    world.survey(web(named))
    assert (group(api)["open"], group(api)["unknown_prefix_lists"]) == ([], [LIST])


def test_a_group_is_found_by_its_id_alone(world: World) -> None:
    """Whoever pastes an id does not know its account."""
    event = world.event("AuthorizeSecurityGroupIngress", security_groups=(DB,), account_id="444455556666")
    world.survey(web())
    assert find_group(world.store, WEB) == [Unit(ACCOUNT, REGION)]
    assert find_group(world.store, DB) == [Unit(event.account_id, REGION)]
    assert find_group(world.store, "sg-0000000000000dead") == []


class Counting:
    """A store that counts the bodies of documents that it gives."""

    def __init__(self, store: Any) -> None:
        self._store, self.given = store, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def documents(self, *arguments: Any) -> Any:
        found = self._store.documents(*arguments)
        self.given += len(found)
        return found


def test_one_group_is_read_among_thousands(world: World) -> None:
    """To decode all groups of a large account for each look at one would take seconds."""
    world.survey(web(SSH), *(Group(f"sg-{number:017x}", f"g{number}", "vpc-1", (rule(number),)) for number in range(1, 300)))
    counting: Any = Counting(world.store)
    facts = group_facts(counting, world.judge, ACCOUNT, REGION, WEB)
    assert facts is not None
    assert [found.port_class for found in facts.open] == ["admin"]
    assert counting.given < 10


def test_what_is_open_comes_worst_first_and_by_filter(api: Api, world: World) -> None:
    """The list is read from the top, at night."""
    named = Group(DB, "db", "vpc-1", (rule(3306, EVERYONE, "sgr-0000000000000000b"),))
    world.survey(web(SSH), named, attachments={DB: Attachment(1, public_ipv4=True)}, balanced=frozenset())
    found = api.ask(OPEN).json
    assert [(row["security_group_id"], row["exposure"]) for row in found["open"]] == [(DB, "public"), (WEB, "unattached")]
    for query, expected in {
        "exposure=unattached": [WEB], "port_class=database": [DB], f"security_group_id={WEB}": [WEB], "region=eu-west-1": [],
        f"account_id={ACCOUNT}&account_id=x": [DB, WEB], "exposure=public&exposure=unattached&port_class=admin": [WEB],
        "excepted=true": [], "excepted=false&limit=1": [DB],
    }.items():  # fmt: skip
        assert [row["security_group_id"] for row in api.ask(f"{OPEN}?{query}").json["open"]] == expected, query
    assert (api.ask(f"{OPEN}?limit=1").json["total"], len(api.ask(f"{OPEN}?limit=1").json["open"])) == (2, 1)


def test_what_is_open_is_that_of_the_command_whatever_happens(api: Api, world: World) -> None:
    """What is remembered between requests must never be what was: the rows are those of `open`, which remembers nothing."""

    def command() -> list[tuple[Any, ...]]:
        return [
            (found.rule.group.group_id, found.rule.from_port, found.opener.event.event_id if found.opener.event else None)
            for standing in pictures(world.store)
            for found in sightings(world.store, standing, world.judge, world.now)
        ]

    def ask() -> list[tuple[Any, ...]]:
        rows = [(row["security_group_id"], row["from_port"], row["since"], row["by"]) for row in api.ask(OPEN).json["open"]]
        by_time = {found.event_time.isoformat().replace("+00:00", "Z"): found.event_id for found in made}
        return sorted((*row[:2], by_time.get(row[2]) if row[2] else None) for row in rows)

    made: list[Any] = []

    def agree() -> None:
        assert ask() == sorted(command(), key=str)

    other = rule(3389, EVERYONE, "sgr-0000000000000000c")
    world.survey(web(rule(443)))
    agree()
    world.survey(web(SSH))  # open, and no event says who: it comes late
    agree()
    made.append(world.event("AuthorizeSecurityGroupIngress", added(SSH), ago=timedelta(minutes=4)))
    agree()
    made.append(world.event("AuthorizeSecurityGroupIngress", content_known=False, ago=timedelta(minutes=1)))
    agree()
    world.survey(web(SSH, other))  # tells what that event was
    agree()
    made.append(world.event("ModifySecurityGroupRules", RuleChange(RuleAction.MODIFIED, other, rule(3389, "192.0.2.0/24", other.rule_id))))
    agree()
    world.survey(web(other))
    agree()
    world.survey(web())
    agree()
    world.survey(web(other), Group(DB, "db", "vpc-1", (rule(22, EVERYONE, "sgr-0000000000000000d"),)))
    agree()
    assert len(command()) == 2
    world.store.forget_posture([Unit(ACCOUNT, REGION)])
    agree()
    assert api.ask(OPEN).json == {"open": [], "total": 0, "units": []}


def test_an_exception_of_a_new_configuration_is_in_the_next_answer(api: Api, world: World) -> None:
    """After a reload the API must not go on with the judge of before."""
    world.survey(web(SSH))
    assert api.ask(f"{OPEN}?excepted=true").json["total"] == 0
    excepted = ExceptionSettings(name="jump-host", reason="agreed", security_groups=(WEB,), expires="2027-01-01")
    world.judge = Judge(RANGES, world.settings.internet, (excepted,))
    assert [row["exception"] for row in api.ask(f"{OPEN}?excepted=true").json["open"]] == ["jump-host"]


def test_nothing_is_read_again_while_nothing_changed(api: Api, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall of screens asks every few seconds."""
    world.survey(web(SSH))
    before = api.ask(OPEN).body
    for name in ("documents", "search", "samples", "series"):
        monkeypatch.setattr(type(world.store), name, None)
    assert api.ask(OPEN).body == before


def test_groups_that_could_never_be_read_are_not_told_as_closed(api: Api, world: World) -> None:
    """An empty list that comes of a missing permission would let everybody sleep."""
    world.survey(groups=None)
    assert api.ask(OPEN).json["units"][0]["groups"] is None
    assert "groups" not in api.ask(OPEN).json["units"][0]["read_at"]


def test_a_principal_is_told_by_name_and_never_by_pattern(api: Api, world: World) -> None:
    """A session that calls itself role/Deploy is not that role."""
    disguise = Principal(PrincipalType.IAM_USER, "user/mallory", None, "role/Deploy", "444455556666")
    api.store(
        make_event(1, event_time=NOON - timedelta(hours=9), channel=Channel.CLI),
        make_event(2, outcome=Outcome.DENIED, account_id="444455556666"),
        make_event(3, principal=disguise, event_time=NOON + timedelta(hours=1)),
    )
    found = api.ask("/api/v1/principals?principal=role/Deploy").json
    assert (found["first_seen"], found["last_seen"], found["looked_at"]) == ("2026-01-31T03:00:00Z", "2026-01-31T12:00:00Z", 2)
    assert (found["outcomes"], found["accounts"]) == ({"denied": 1, "success": 1}, {ACCOUNT: 1, "444455556666": 1})
    assert (found["changes"], found["sessions"], found["complete"]) == ({ACCOUNT: 1}, ["alice"], True)
    assert api.ask("/api/v1/principals?principal=role/*").status == 404
    assert api.ask("/api/v1/principals").json["errors"][0]["parameter"] == "principal"


def test_a_principal_is_remembered_longer_than_its_events(api: Api, world: World) -> None:
    """That somebody was first seen years ago is the difference between a newcomer and a colleague."""
    api.store(make_event(1))
    before = api.ask("/api/v1/principals?principal=role/Deploy").json
    world.store.prune(NOON + timedelta(days=1))
    after = api.ask("/api/v1/principals?principal=role/Deploy").json
    assert (after["first_seen"], after["type"], after["changes"], after["looked_at"]) == (before["first_seen"], "role", {ACCOUNT: 1}, 0)
    api.store(make_event(5, event_time=NOON - timedelta(days=400)))
    assert api.ask("/api/v1/principals?principal=role/Deploy").json["first_seen"] < before["first_seen"]


def test_a_busy_principal_takes_no_longer_than_another(api: Api) -> None:
    """A pipeline has a million events; its page looks at the newest, and says so."""
    api.store(*(make_event(number, event_time=NOON - timedelta(seconds=number)) for number in range(600)))
    found = api.ask("/api/v1/principals?principal=role/Deploy").json
    assert (found["looked_at"], found["complete"], sum(found["channels"].values())) == (500, False, 500)


def test_the_overview_counts_groups_once_and_leaves_out_the_excepted() -> None:
    """One rule for all ports is in six classes, and one group nonetheless; and what was agreed to is no alarm."""
    excepted = ExceptionSettings(name="jump-host", reason="agreed", security_groups=(DB,), expires="2027-01-01")
    api = Api(World(exceptions=(excepted,)))
    other = Group(DB, "db", "vpc-1", (rule(22, EVERYONE, "sgr-0000000000000000a"),))
    api.world.survey(web(rule(22, EVERYONE), rule(3306, EVERYONE, "sgr-0000000000000000b")), other)
    found = api.ask("/api/v1/overview").json
    assert (found["open_groups"], found["open_total"], found["open_groups_by_exposure"]["unattached"]) == (1, 3, 1)
    assert [(unit["groups"], unit["rules"], unit["open_groups"]) for unit in found["units"]] == [(2, 3, 1)]
    assert [count["excepted"] for count in found["open"]] == [False, False, True]
    assert found["sources"][0]["source"] == "posture"
    assert overview_facts(api.world.store, api.world.judge, api.world.surveyor.reports).open_groups == 1
    api.world.store.close()


def test_a_principal_that_never_did_anything_is_unknown(world: World) -> None:
    """A typing error must not read as somebody without changes."""
    assert principal_facts(world.store, "role/Nobody") is None
