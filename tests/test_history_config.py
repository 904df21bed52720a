"""The timeline of AWS Config: exact differences between items, what else changed, who it was, and what cannot be read said aloud."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import AwsError, SourceError, StoreError
from exporter.history import describe_change, describe_event, row, to_csv
from exporter.history.config_actors import Actors, Beside
from exporter.history.config_items import read_item
from exporter.history.config_rows import is_item
from exporter.history.places import Answer
from exporter.model import Direction, Outcome, PeerType, Rule, RuleAction, RuleChange
from exporter.posture.diff import applied
from exporter.snapshots.shapes import ordered
from exporter.store.base import HistoryEvent, Position, Query
from tests.config_history import (
    ACCOUNT,
    GROUP,
    GROUP_TYPE,
    LIST,
    LIST_TYPE,
    NOW,
    REGION,
    UNRECORDED,
    Recorded,
    ask,
    at,
    call,
    group_item,
    item,
    known,
    tcp,
    timeline,
)
from tests.records import event_id

SSH = Rule(Direction.INGRESS, None, "tcp", 22, 22, PeerType.IPV4, "0.0.0.0/0")
OFFICE = Rule(Direction.INGRESS, None, "tcp", 443, 443, PeerType.IPV4, "192.0.2.0/24")


def changes(answer: Answer) -> list[list[str]]:
    """Return what each row changed, newest first."""
    return [[describe_change(change) for change in found.event.rule_changes] for found in answer.events]


def names(answer: Answer) -> list[str]:
    """Return the names of the rows, newest first."""
    return [found.event.event_name for found in answer.events]


def remarks(answer: Answer) -> list[str]:
    """Return all remarks, newest row first."""
    return [remark for found in answer.events for remark in found.event.remarks]


# What the rows say.


def test_rows_are_the_exact_differences_between_one_item_and_the_next():
    """Ranges stand twice in an item, and once only in those from before 2018: read twice, each rule would be two."""
    answer = ask(
        Recorded(
            [
                group_item(1, tcp(22, "0.0.0.0/0", old=True), status="ResourceDiscovered"),
                group_item(2, tcp(22, "0.0.0.0/0"), tcp(443, "192.0.2.0/24")),
                group_item(3, tcp(22, "0.0.0.0/0"), tcp(443, ("192.0.2.0/24", "office"))),
                group_item(4, tcp(443, ("192.0.2.0/24", "office"))),
                group_item(5, status="ResourceDeleted"),
            ]
        )
    )
    assert (answer.problems, answer.notes) == ([], [])
    assert names(answer) == ["ResourceDeleted", "ConfigurationItem", "ConfigurationItem", "ConfigurationItem", "ResourceDiscovered"]
    assert changes(answer) == [
        ["- ingress tcp 443 from 192.0.2.0/24 “office”"],
        ["- ingress tcp 22 from 0.0.0.0/0"],
        ['" ingress tcp 443 from 192.0.2.0/24 “office”, was ingress tcp 443 from 192.0.2.0/24'],
        ["+ ingress tcp 443 from 192.0.2.0/24"],
        [],
    ]
    assert [change.action for found in answer.events for change in found.event.rule_changes] == [
        RuleAction.REMOVED, RuleAction.REMOVED, RuleAction.DESCRIBED, RuleAction.ADDED,
    ]  # fmt: skip


def test_a_row_has_the_shape_of_all_rows_to_the_letter():
    """Scripts read rows of every place by the same keys; what AWS Config alone tells stands beside them."""
    told = group_item(2, tcp(22, "0.0.0.0/0"), relatedEvents=[event_id(1)])
    (found, _first) = ask(Recorded([group_item(1), told]), beside=known(call(1, 2, rule_changes=()))).events
    event_row = row(found)
    assert event_row.pop("event_id").startswith("hash:")
    principal = event_row.pop("principal")
    assert principal["name"] == call(1, 2).principal.name
    assert event_row == {
        "event_time": "2026-01-31T11:02:00Z",
        "recorded_at": "2026-01-31T12:00:00Z",
        "account_id": ACCOUNT,
        "region": REGION,
        "event_source": "config.amazonaws.com",
        "event_name": "ConfigurationItem",
        "outcome": "success",
        "error_code": None,
        "channel": "cli",
        "security_groups": [GROUP],
        "resources": [{"type": GROUP_TYPE, "id": GROUP}],
        "rule_changes": [
            {
                "action": "added", "direction": "ingress", "rule_id": None, "protocol": "tcp", "from_port": 22, "to_port": 22,
                "peer_type": "ipv4", "peer": "0.0.0.0/0", "description": None, "before": None,
            }
        ],
        "content_known": True,
        "live": False,
        "sources": ["aws-config"],
        "shared_event_id": event_id(1),
        "remarks": ["AWS Config recorded what changed since the item before", f"event AuthorizeSecurityGroupIngress {event_id(1)}"],
    }  # fmt: skip
    assert describe_event(found.event) == [*event_row["remarks"], "! opened to the internet: admin", "+ ingress tcp 22 from 0.0.0.0/0"]
    assert "AWS Config recorded what changed since the item before; event" in "".join(to_csv([found]))


def test_an_item_has_the_same_id_whoever_asks_and_its_json_only_where_it_is_wanted():
    """Rows of two questions are compared by their ids; and raw items are large."""
    recorded = Recorded([group_item(1), group_item(2, tcp(22, "0.0.0.0/0"))])
    first, again = ask(recorded, limit=1), ask(recorded, raw=True)
    assert first.events[0].event.event_id == again.events[0].event.event_id
    assert len({found.event.event_id for found in again.events}) == 2
    assert first.events[0].event.raw == b""
    raw = json.loads(again.events[0].event.raw)
    assert (raw["configurationItemCaptureTime"], raw["resourceId"]) == ("2026-01-31T11:02:00Z", GROUP)
    assert is_item(first.events[0].event)
    assert not is_item(replace(first.events[0].event, event_name="PutConfigurationRecorder"))


def test_an_item_that_changes_no_rule_says_so_and_what_else_changed():
    """A group gets an item whenever something is attached to it: that must not look like a change of rules, nor like nothing."""
    interface = {
        "resourceType": "AWS::EC2::NetworkInterface",
        "resourceId": "eni-0123456789abcdef0",
        "relationshipName": "Is associated with ",
    }
    old = group_item(1, tcp(22, "0.0.0.0/0"), tags={"team": "web", "gone": "1"})
    new = group_item(2, tcp(22, "0.0.0.0/0"), tags={"team": "db", "new": "2\u202e\x1b[31m"}, relationships=[interface])
    (found, _) = ask(Recorded([old, new])).events
    assert found.event.rule_changes == ()
    assert found.event.remarks == (
        "AWS Config recorded an item that changes no rule",
        "- tag gone = 1",
        "+ tag new = 2\\u202e\\x1b[31m",
        "~ tag team = db, was web",
        "+ relationship Is associated with eni-0123456789abcdef0",
    )
    assert [resource.id for resource in found.event.resources] == [GROUP, "eni-0123456789abcdef0"]
    (same, _) = ask(Recorded([old, old | {"configurationStateId": "7", "configurationItemCaptureTime": at(3)}])).events
    assert same.event.remarks == ("AWS Config recorded an item that changes no rule",)


def test_many_other_changes_are_bounded():
    """Tags are anybody's to write, fifty of them, 256 characters each."""
    (found, _) = ask(Recorded([group_item(1), group_item(2, tags={f"tag{number}": "x" * 10_000 for number in range(50)})])).events
    assert len(found.event.remarks) == 22
    assert "30 more changes" in found.event.remarks[-1]
    assert max(map(len, found.event.remarks)) <= 200


def test_rules_that_were_found_are_not_taken_for_rules_that_were_made():
    """A recorder that starts finds rules that stood for years; only a group that was born then got all it has."""
    found = [group_item(1, tcp(22, "0.0.0.0/0"), status="ResourceDiscovered", relatedEvents=[event_id(1)])]
    answer = ask(Recorded(found), beside=known(call(1, 1)))
    assert changes(answer) == [[]]
    assert "AWS Config has nothing older: 1 rule stood here already, for how long is not known" in remarks(answer)
    born = ask(Recorded(found), beside=known(call(1, 1, "CreateSecurityGroup", rule_changes=())))
    assert changes(born)[0] == ["+ ingress tcp 22 from 0.0.0.0/0"]
    assert born.events[0].event.remarks[0] == "AWS Config recorded what it began with"
    failed = ask(Recorded(found), beside=known(call(1, 1, "CreateSecurityGroup", outcome=Outcome.FAILED)))
    assert changes(failed) == [[]]


def test_a_group_that_was_gone_and_is_found_again_had_no_rules_in_between():
    """A deletion is an item to compare with, too."""
    answer = ask(
        Recorded([group_item(1), group_item(2, status="ResourceDeleted"), group_item(3, tcp(22, "0.0.0.0/0"), status="ResourceDiscovered")])
    )
    assert changes(answer) == [["+ ingress tcp 22 from 0.0.0.0/0"], [], []]


def test_what_was_not_recorded_in_between_is_bridged():
    """An item without a configuration tells of no rules, which is not that there were none."""
    answer = ask(
        Recorded(
            [
                group_item(1, tcp(22, "0.0.0.0/0")),
                group_item(2, status="ResourceNotRecorded"),
                group_item(3, tcp(22, "0.0.0.0/0"), tcp(443, "192.0.2.0/24")),
                group_item(4, status="ResourceDeletedNotRecorded"),
            ]
        )
    )
    assert names(answer) == ["ResourceDeletedNotRecorded", "ConfigurationItem", "ResourceNotRecorded", "ConfigurationItem"]
    assert changes(answer)[:3] == [
        ["- ingress tcp 22 from 0.0.0.0/0", "- ingress tcp 443 from 192.0.2.0/24"],
        ["+ ingress tcp 443 from 192.0.2.0/24"],
        [],
    ]
    assert "its type is not recorded" in answer.events[2].event.remarks[0]


def test_entries_of_a_prefix_list_are_its_rules():
    """Who edits a list opens every group that names it."""

    def entries(minutes: float, version: int, *cidrs: str) -> dict[str, Any]:
        told = {"PrefixListId": LIST, "PrefixListName": "offices", "Version": version, "MaxEntries": 5, "OwnerId": ACCOUNT}
        return item(LIST_TYPE, LIST, minutes, {**told, "Entries": [{"Cidr": cidr} for cidr in cidrs]})

    recorded = Recorded([entries(1, 1, "192.0.2.0/24"), entries(2, 2, "192.0.2.0/24", "2001:db8::/32")])
    answer = ask(recorded, security_groups=(LIST,))
    assert changes(answer) == [["+ peer 2001:db8::/32"], []]
    (new, old) = answer.events
    assert (new.event.security_groups, new.event.resources[0].id, new.event.watch_set) == ((), LIST, "prefix_lists")
    assert new.event.remarks == ("AWS Config recorded what changed since the item before",)
    assert "1 entry stood here already" in old.event.remarks[0]


# What is asked for, and how far.


def test_the_oldest_row_of_a_window_is_compared_with_the_item_before_it():
    """Else all its rules would seem to be new, or none of its changes would be told."""
    recorded = Recorded([group_item(minute, *(tcp(port, "192.0.2.0/24") for port in range(1, minute + 1))) for minute in range(1, 9)])
    answer = ask(recorded, since=at(4), until=at(7))
    assert [found.event.event_time for found in answer.events] == [at(6), at(5), at(4)]
    assert changes(answer)[-1] == ["+ ingress tcp 4 from 192.0.2.0/24"]
    assert recorded.asked[0]["laterTime"] == at(7)
    assert ask(recorded, since=at(20)).events == []
    behind = ask(recorded, after=Position(answer.events[0].event.event_time, answer.events[0].event.event_id))
    assert [found.event.event_time for found in behind.events] == [at(5), at(4), at(3), at(2), at(1)]


def test_all_pages_are_read_and_none_that_nobody_asked_for():
    """A busy group has thousands of items; a page has a hundred."""
    recorded = Recorded([group_item(number / 10, tcp(number + 1, "192.0.2.0/24")) for number in range(350)])
    assert len(ask(recorded).events) == 350
    assert len(recorded.asked) == 4
    recorded.asked.clear()
    newest = ask(recorded, limit=10)
    assert len(newest.events) == 10
    assert changes(newest)[-1] != []
    assert len(recorded.asked) == 1
    assert [found.event.event_id for found in ask(recorded, limit=5, offset=5).events] == [
        found.event.event_id for found in newest.events[5:]
    ]


def test_filters_are_those_of_every_place():
    """A question asked of two places must be one question."""
    recorded = Recorded([group_item(1), group_item(2, tcp(22, "0.0.0.0/0")), group_item(3, status="ResourceDeleted")])
    assert names(ask(recorded, event_names=("Resource*",))) == ["ResourceDeleted"]
    assert len(ask(recorded, outcomes=(Outcome.SUCCESS,)).events) == 3
    assert ask(recorded, outcomes=(Outcome.DENIED,)).events == []
    assert ask(recorded, accounts=("444455556666",)).events == []
    assert names(ask(recorded, text="0.0.0.0/0 CONFIGURATIONITEM")) == ["ConfigurationItem"]
    recorded.asked.clear()
    assert ask(recorded, event_names=("AuthorizeSecurityGroupIngress",)).events == []
    assert recorded.asked == []


def test_only_groups_and_prefix_lists_can_be_asked_for():
    """AWS Config has no question "of all groups"; an empty answer would read as "nothing was recorded"."""
    assert "name them" in ask(Recorded(), security_groups=()).problems[0]
    answer = ask(Recorded([group_item(1)]), security_groups=(GROUP, "vpc-0123456789abcdef0"))
    assert len(answer.events) == 1
    assert "vpc-0123456789abcdef0" in answer.notes[0]


# What cannot be read.


def test_a_group_that_nobody_knows_is_a_note():
    """Nothing failed: it is not there, or it is not recorded, and the difference matters to who asks."""
    answer = ask(Recorded(), Recorded(region="eu-west-1"))
    assert (answer.events, answer.problems) == ([], [])
    assert f"knows nothing of {GROUP}" in answer.notes[0]
    assert "2 accounts and regions asked" in answer.notes[0]


def test_where_no_recorder_is_the_answer_may_lack_the_group():
    """Unless it is found elsewhere, for the id of a group is in one region alone."""
    answer = ask(Recorded(error=UNRECORDED), Recorded(region="eu-west-1"))
    assert answer.problems == [f"config:GetResourceConfigHistory of {GROUP} in us-east-1 failed: {UNRECORDED}"]
    found = ask(Recorded(error=UNRECORDED), Recorded([group_item(1)], region="eu-west-1"))
    assert (len(found.events), found.problems) == (1, [])
    assert "no recorder in account 111122223333 us-east-1" in found.notes[0]


def test_a_region_that_is_denied_hides_no_other():
    """Half an answer that says so is better than none."""
    answer = ask(Recorded(error="AccessDeniedException"), Recorded([group_item(1)], region="eu-west-1"))
    assert len(answer.events) == 1
    assert len(answer.problems) == 1


def test_what_was_read_before_it_failed_is_shown():
    """The newest changes are on the first page."""

    def broken(before: int) -> None:
        if before == 1:
            raise AwsError("unavailable", "it broke", "config:GetResourceConfigHistory")

    recorded = Recorded([group_item(number / 10, tcp(number + 1, "192.0.2.0/24")) for number in range(150)], fault=broken)
    answer = ask(recorded)
    assert answer.problems == ["it broke"]
    assert len(answer.events) == 50


def test_throttles_are_waited_out():
    """AWS Config publishes no rate."""

    def busy(before: int) -> None:
        if before < 3:
            raise AwsError("throttled", "ThrottlingException", "config:GetResourceConfigHistory", "ThrottlingException")

    answer = ask(Recorded([group_item(1)], fault=busy))
    assert (answer.problems, len(answer.events)) == ([], 1)


@pytest.mark.parametrize(
    "broken",
    [
        {"configuration": "{"},
        {"configuration": json.dumps({"groupId": GROUP})},
        {"configuration": None},
        {"configurationItemCaptureTime": None},
        {"resourceId": "sg-00000000000000000", "resourceType": GROUP_TYPE},
        {"tags": [{"value": "no key"}]},
    ],
    ids=["no json", "no permissions", "no configuration", "no time", "another group", "tags"],
)
def test_an_item_that_cannot_be_understood_is_said_and_no_reason_to_stop(broken):
    """The change that it hides is told with the next item, and that something is missing is told, too."""
    odd = group_item(2, tcp(22, "0.0.0.0/0")) | broken
    good = [group_item(1), group_item(3, tcp(22, "0.0.0.0/0"))]

    class Odd(Recorded):
        def call(self, operation, /, **asked):
            newest = [good[1], odd, good[0]]
            return {"configurationItems": newest}

    answer = ask(Odd())
    assert len(answer.problems) == 1
    assert changes(answer) == [["+ ingress tcp 22 from 0.0.0.0/0"], []]


def test_daily_recording_is_said():
    """One row then stands for all that happened in a day, and for nothing that was undone in it."""
    answer = ask(Recorded([group_item(1, recordingFrequency="DAILY"), group_item(2, tcp(22, "0.0.0.0/0"), recordingFrequency="DAILY")]))
    assert ["once a day" in note for note in answer.notes] == [True]
    assert answer.events[0].event.remarks[0] == "AWS Config recorded once a day what changed since the item before"


def test_a_search_that_is_closed_ends():
    """Whoever interrupts must not wait for two hundred regions."""
    place = timeline(*(Recorded([group_item(1)]) for _ in range(20)))
    place.close()
    assert place.search(Query(security_groups=(GROUP,)), NOW).events == []


def test_progress_counts_regions_and_items():
    """A terminal shows how far it is."""
    told: list[tuple[int, int, int]] = []
    recorded = [Recorded([group_item(1), group_item(2)]), Recorded(region="eu-west-1")]
    timeline(*recorded).search(Query(security_groups=(GROUP,)), NOW, lambda *step: told.append(step))
    assert told[-1] == (2, 2, 2)


# Who it was.


def related(*numbers: int) -> list[dict[str, Any]]:
    """Return a group that got a rule, by events that AWS Config names."""
    return [group_item(1), group_item(2, tcp(22, "0.0.0.0/0"), relatedEvents=[event_id(number) for number in numbers])]


def added(rule: Rule) -> tuple[RuleChange, ...]:
    """Return that a rule was added."""
    return (RuleChange(RuleAction.ADDED, rule),)


def test_who_it_was_is_found_in_the_store_and_in_event_history_and_asked_once():
    """A lookup takes half a second; and nobody wants to hear `unknown` of what is known."""
    stored, looked_up = call(1, 2), call(2, 2, "ModifySecurityGroupRules")
    asked: list[tuple[str, ...]] = []

    def look_up(caller, query, now, progress):
        asked.append(query.event_ids)
        return Answer([HistoryEvent(looked_up, now, live=False, sources=("cloudtrail",))])

    def store(query):
        return [HistoryEvent(stored, NOW, live=True, sources=("trail",))] if stored.event_id in query.event_ids else []

    actors = Actors(Beside(), store, look_up)
    items = [*related(1), group_item(3, relatedEvents=[event_id(2)]), group_item(4, tcp(22, "0.0.0.0/0"), relatedEvents=[event_id(2)])]
    answer = ask(Recorded(items), actors=actors)
    assert [found.event.shared_event_id for found in answer.events] == [event_id(2), event_id(2), event_id(1), None]
    assert [found.event.principal.name for found in answer.events[:3]] == [looked_up.principal.name] * 2 + [stored.principal.name]
    assert answer.events[3].event.principal.name == "AWS Config (actor unknown)"
    assert asked == [(event_id(2),)]
    ask(Recorded(items), actors=actors)
    assert len(asked) == 1


def test_what_event_history_keeps_no_more_is_not_asked():
    """A lookup of what is older than 90 days finds nothing, each half a second."""
    old = [one | {"configurationItemCaptureTime": one["configurationItemCaptureTime"] - timedelta(days=100)} for one in related(1)]
    answer = ask(Recorded(old), actors=Actors(Beside(), None, lambda *_asked: pytest.fail("it was asked")))
    assert f"AWS Config names event {event_id(1)}, which was not found" in remarks(answer)
    assert answer.events[0].event.shared_event_id == event_id(1)


def test_an_actor_that_cannot_be_asked_for_is_a_note_and_where_a_filter_wants_to_know_a_problem():
    """Rows without a name are whole; rows that are missing for want of a name are not."""

    def denied(caller, query, now, progress):
        return Answer(problems=["cloudtrail:LookupEvents failed: denied"])

    answer = ask(Recorded(related(1)), actors=Actors(Beside(), None, denied))
    assert (len(answer.events), answer.problems) == (2, [])
    assert "cloudtrail:LookupEvents failed" in answer.notes[0]
    asked = ask(Recorded(related(1)), actors=Actors(Beside(), None, denied), principals=("user/alice",))
    assert asked.events == []
    assert "cloudtrail:LookupEvents failed" in asked.problems[0]

    def broken(query):
        raise StoreError("the store is broken")

    assert "the store is broken" in ask(Recorded(related(1)), actors=Actors(Beside(), broken)).notes[0]


def test_too_many_lookups_are_left_out_aloud():
    """Two a second: a thousand items would take eight minutes."""
    items = [group_item(n / 10, tcp(n + 1, "192.0.2.0/24"), relatedEvents=[event_id(n)]) for n in range(300)]
    asked: list[str] = []

    def look_up(caller, query, now, progress):
        asked.extend(query.event_ids)
        return Answer()

    answer = ask(Recorded(items), actors=Actors(Beside(), None, look_up))
    assert (len(asked), len(answer.events)) == (200, 300)
    assert "last 100 events" in answer.notes[0]


def test_of_several_events_the_one_about_the_group_says_who_it_was_and_the_others_are_named():
    """A day's item may name ten; that of another group's owner must not stand as the actor."""
    other = call(2, 2.5, "RunInstances", security_groups=("sg-00000000000000000",), resources=(), rule_changes=())
    mine = call(1, 2, rule_changes=())
    answer = ask(Recorded(related(1, 2, 3)), beside=known(mine, other))
    assert answer.events[0].event.shared_event_id == event_id(1)
    assert f"also event RunInstances {event_id(2)} by {other.principal.name}" in remarks(answer)
    assert f"AWS Config names event {event_id(3)}, which was not found" in remarks(answer)


def test_ids_of_rules_come_from_the_event_and_find_the_row():
    """AWS Config has none; who asks for a rule's timeline wants the old text of its description, too."""
    named = replace(SSH, rule_id="sgr-0123456789abcdef0")
    beside = known(call(1, 2, rule_changes=(RuleChange(RuleAction.DESCRIBED, named),)))
    items = [group_item(1, tcp(22, "0.0.0.0/0")), group_item(2, tcp(22, ("0.0.0.0/0", "x")), relatedEvents=[event_id(1)])]
    answer = ask(Recorded(items), beside=beside, rule_ids=("sgr-0123456789abcdef0",))
    (change,) = answer.events[0].event.rule_changes
    assert change.before is not None
    assert (change.rule.rule_id, change.before.rule_id) == ("sgr-0123456789abcdef0", "sgr-0123456789abcdef0")


# Beside the events of other places.


@pytest.mark.parametrize(
    ("told", "stands"),
    [
        ({"rule_changes": added(replace(SSH, rule_id="sgr-0123456789abcdef0"))}, False),
        ({"rule_changes": (RuleChange(RuleAction.MODIFIED, SSH, OFFICE),)}, False),
        ({"rule_changes": ()}, True),
        ({"rule_changes": added(OFFICE)}, True),
        ({"rule_changes": added(SSH), "outcome": Outcome.DENIED}, True),
        ({"rule_changes": added(replace(SSH, description="x"))}, True),
    ],
    ids=["the same", "an edit that ends so", "nothing", "another rule", "a failed call", "another description"],
)
def test_an_item_stands_beside_its_event_only_where_it_tells_more(told, stands):
    """Each change twice is unreadable; a change that only AWS Config knows must not be lost."""
    event = call(1, 2, **told)
    answer = ask(Recorded(related(1)), beside=known(event, source="store"))
    newest = answer.events[0]
    assert is_item(newest.event) is stands
    if not stands:
        assert (newest.event, newest.sources, newest.live) == (event, ("aws-config",), True)


def test_what_else_changed_is_never_lost_beside_an_event():
    """The record of a tagging shows no tags: the item does."""
    tagged = [group_item(1), group_item(2, tags={"team": "web"}, relatedEvents=[event_id(1)])]
    tagging = known(call(1, 2, "CreateTags", rule_changes=()))
    assert names(ask(Recorded(tagged), beside=tagging))[0] == "ConfigurationItem"
    nothing = [group_item(1), group_item(2, relatedEvents=[event_id(1)])]
    assert names(ask(Recorded(nothing), beside=tagging))[0] == "CreateTags"
    more = [group_item(1), group_item(2, relatedEvents=[event_id(1), event_id(2)])]
    assert names(ask(Recorded(more), beside=tagging))[0] == "ConfigurationItem"


def test_where_aws_config_names_no_event_the_changes_themselves_say_whose_they_are():
    """It mostly names none; then each change would stand twice, once without a name."""
    items = [group_item(1), group_item(3, tcp(22, "0.0.0.0/0"), tcp(443, "192.0.2.0/24"))]
    ssh, office = call(1, 2, rule_changes=added(SSH)), call(2, 2.5, rule_changes=added(OFFICE))
    assert [found.event.event_id for found in ask(Recorded(items), beside=known(ssh, office)).events[:1]] == [office.event_id]
    half = ask(Recorded(items), beside=known(ssh))
    assert half.events[0].event.principal.name == "AWS Config (actor unknown)"
    early = ask(Recorded(items), beside=known(ssh, replace(office, event_time=at(0.5))))
    assert early.events[0].event.principal.name == "AWS Config (actor unknown)"

    def store(query):
        return [HistoryEvent(event, NOW, live=True, sources=("trail",)) for event in (ssh, office) if query.security_groups]

    alone = ask(Recorded(items), actors=Actors(Beside(), store))
    assert is_item(alone.events[0].event)
    assert alone.events[0].event.shared_event_id == office.event_id
    assert f"event {office.event_name} {office.event_id} made these changes; AWS Config names none" in remarks(alone)


# Recorded items of public repositories.


def test_recorded_items_agree_with_the_truth_and_with_each_other(shared_data: Path):
    """Items that people recorded hold what no documentation tells; what they open was worked out by another program."""
    truth = json.loads((shared_data / "config-items.truth.json").read_text(encoding="utf-8"))
    wanted: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for entry in truth["world_open_ingress"]:
        wanted[entry["file"]].add((entry["protocol"], entry["from_port"], entry["to_port"], entry["cidr"]))
    items = []
    for path in sorted((shared_data / "config-items" / "config").glob("configrules__VPC_SG*.json")):
        (told,) = _items(json.loads(path.read_text(encoding="utf-8")))
        told |= {"configuration": json.dumps(told["configuration"]), "configurationItemCaptureTime": at(len(items))}
        read = read_item(told, GROUP_TYPE, told["resourceId"], ACCOUNT, REGION)
        found = {
            (rule.protocol, rule.from_port, rule.to_port, rule.peer) for rule in read.rules or () if rule.direction is Direction.INGRESS
        }
        opened = {rule for rule in found if rule[3] in ("0.0.0.0/0", "::/0")}
        # The other program compares texts; these items also spell the whole internet as 10.0.0.0/0 and the like (docs/decisions/0006).
        assert wanted[f"config/{path.name}"] <= opened, path.name
        permissions = json.loads(told["configuration"])["ipPermissions"]
        assert len(opened) == sum(any(text.endswith("/0") for text in permission["ipRanges"]) for permission in permissions), path.name
        items.append(told)
    assert len(items) == 7
    answer = ask(Recorded(items), security_groups=("sg-01",))
    rules = read_item(items[0], GROUP_TYPE, "sg-01", ACCOUNT, REGION).rules or ()
    for number, found_row in enumerate(reversed(answer.events)):
        rules = applied(rules, found_row.event.rule_changes)
        assert ordered(rules) == read_item(items[number], GROUP_TYPE, "sg-01", ACCOUNT, REGION).rules


def _items(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [one for inner in value for one in _items(inner)]
    if isinstance(value, str) and value.startswith("{"):
        return _items(json.loads(value))
    if not isinstance(value, dict):
        return []
    own = [value] if value.get("resourceType") == GROUP_TYPE and "configurationItemStatus" in value else []
    return own or [one for inner in value.values() for one in _items(inner)]


def test_recorded_items_without_permissions_are_refused(shared_data: Path):
    """Two hand-made items have none: nobody can say what they open, and nothing is not it."""
    for line in (40, 48):
        path = shared_data / "config-items" / "config" / f"configrules__EC2_SECURITY_GROUP_NOT_USED_test_L{line}.json"
        (told,) = _items(json.loads(path.read_text(encoding="utf-8")))
        with pytest.raises(SourceError, match="no ipPermissions"):
            read_item(told, GROUP_TYPE, told["resourceId"], ACCOUNT, REGION)
