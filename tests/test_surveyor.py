"""The survey of what stands: what it stores of a reading, what it never does while something is unknown, and what it says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from exporter.catalog import Watch
from exporter.errors import SourceError, StoreError
from exporter.history.look import pictures, sightings
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.model import ChangeEvent, Direction, PeerType, Resource, Rule, RuleAction, RuleChange, Unit
from exporter.posture.judge import Judge
from exporter.posture.ports import DEFAULT_PORT_CLASSES, parse_ports
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Attachment, Group, Origin, Part, PartFailure, PrefixList, Reading
from exporter.snapshots import ReadContext
from exporter.store import SqliteStore
from exporter.store.base import PostureChange, Query
from exporter.surveyor import Surveyor, watched_kinds
from tests.store_events import ACCOUNT, NOON, REGION, ingest, make_event

WEB, DB = "sg-0123456789abcdef0", "sg-0fedcba9876543210"
LIST = "pl-0123456789abcdef0"
STEP = timedelta(minutes=5)
LAG = timedelta(hours=1)
EVERYONE = "0.0.0.0/0"
RANGES = {name: parse_ports(entries) for name, entries in DEFAULT_PORT_CLASSES.items()}


def rule(port: int = 22, peer: str = "192.0.2.0/24", rule_id: str | None = "sgr-0123456789abcdef0", **more: Any) -> Rule:
    return Rule(Direction.INGRESS, rule_id, "tcp", port, port, PeerType.IPV4, peer, **more)


@dataclass
class FakeReader:
    """Yields what a test lays out, or fails."""

    world: World
    account_id: str = ACCOUNT
    region: str = REGION
    name: str = "posture"
    readings: list[Reading] = field(default_factory=list)
    error: Exception | None = None

    def read(self, context: ReadContext) -> Iterator[Reading]:
        if self.error is not None:
            raise self.error
        yield from self.readings


class World:
    """A store, a clock and a surveyor of one account and region."""

    def __init__(self, watched: Sequence[str] = ("group", "prefix_list"), **settings: Any) -> None:
        self.now = NOON
        self.store = SqliteStore(":memory:")
        self.store.go_live("cloudtrail", NOON - timedelta(days=1))
        self.log = io.StringIO()
        self.events_read: Callable[[], datetime | None] = lambda: self.now
        self.settings = PostureSettings(lag_budget=LAG, **settings)
        judge = Judge(RANGES, self.settings.internet, self.settings.exceptions)
        self.judge = judge
        self.surveyor = Surveyor(
            self.store,
            judge,
            self.settings,
            Telemetry(),
            make_logger("debug", "json", self.log),
            lambda *_: self.events_read(),
            lambda: self.now,
            watched=watched,
        )
        self.reader = FakeReader(self)
        self.number = 100

    def survey(self, *groups: Group, after: timedelta = STEP, **more: Any) -> Any:
        """Read what is given some time later, and return the report."""
        self.now += after
        whole = {"groups": groups, "prefix_lists": (), "attachments": {}, "balanced": frozenset(), "trails": (), "recorder": ()}
        self.reader.readings = [Reading(ACCOUNT, REGION, Origin.EC2, self.now, self.now, **(whole | more))]
        return self.surveyor.survey(self.reader)

    def event(self, name: str, *changes: RuleChange, ago: timedelta = timedelta(minutes=2), **more: Any) -> ChangeEvent:
        """Store an event of a group."""
        self.number += 1
        made = make_event(
            self.number, event_name=name, rule_changes=changes, event_time=(self.now - ago).replace(microsecond=0),
            **({"security_groups": (WEB,), "opened_port_classes": ()} | more),
        )  # fmt: skip
        self.store.append(ingest(made, source="cloudtrail", at=self.now))
        return made

    def stored(self, event: ChangeEvent) -> ChangeEvent:
        """Return an event as it is stored now."""
        return next(found.event for found in self.store.search(Query()) if found.event.event_id == event.event_id)

    def gauges(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the series of a gauge, by the labels after account and region."""
        samples = self.store.samples().units.get(Unit(ACCOUNT, REGION), ())
        return {labels[2:]: value for family, labels, value in samples if family == name}

    def counter(self, name: str, *labels: str) -> float:
        """Return a counter of the account and region."""
        return next(row.value for row in self.store.series().rows if row.family == name and row.labels == (ACCOUNT, REGION, *labels))

    def unexplained(self) -> float:
        return self.counter("awschange_unexplained_rule_changes_total")

    def entries(self) -> list[ChangeEvent]:
        """Return the entries of the history that no record brought, newest first."""
        return [found.event for found in self.store.search(Query(event_names=("UnexplainedRuleChange",)))]

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.log.getvalue().splitlines()) if line["event"].startswith(event)]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.store.close()


def web(*rules: Rule) -> Group:
    return Group(WEB, "web", "vpc-1", rules)


def added(found: Rule) -> RuleChange:
    return RuleChange(RuleAction.ADDED, found)


OPEN = ("vpc-1", WEB, "tcp", "admin", "4", "unattached")


def test_what_stood_at_first_is_shown_and_nothing_counts(world: World) -> None:
    """The counter exists at 0 from the first reading on."""
    report = world.survey(web(rule(peer=EVERYONE)))
    assert (report.complete, report.groups, report.rules, report.open, report.changed) == (True, 1, 1, 1, 0)
    assert world.gauges("awschange_open_ingress_rules") == {OPEN: 1}
    assert world.unexplained() == 0


def test_a_change_whose_event_is_there_is_explained(world: World) -> None:
    """The event had said that it opened something already: it is not counted again."""
    world.survey(web())
    event = world.event("AuthorizeSecurityGroupIngress", added(rule(peer=EVERYONE)), ago=-STEP / 2, opened_port_classes=("admin",))
    report = world.survey(web(rule(peer=EVERYONE)))
    assert (report.changed, report.pending, report.unexplained) == (1, 0, 0)
    assert world.stored(event).rule_changes == event.rule_changes
    assert world.counter("awschange_ingress_opened_total", "admin") == 1
    world.survey(web(rule(peer=EVERYONE)), after=10 * LAG)
    assert world.unexplained() == 0


def test_a_late_event_in_time_explains_and_gets_its_before(world: World) -> None:
    """It came an hour after its reading."""
    world.survey(web(rule()))
    report = world.survey(web(rule(443)))
    assert (report.pending, report.unexplained) == (1, 0)
    changed = RuleChange(RuleAction.MODIFIED, replace(rule(443), direction=None))
    event = world.event("ModifySecurityGroupRules", changed)
    assert world.survey(web(rule(443))).pending == 0
    (change,) = world.stored(event).rule_changes
    assert (change.before, change.rule.direction) == (rule(), Direction.INGRESS)
    assert world.lines("more is known of a change")[0]["event_id"] == event.event_id
    world.survey(web(rule(443)), after=10 * LAG)
    assert world.unexplained() == 0


def test_what_no_event_explains_is_counted_once_when_the_time_is_over(world: World) -> None:
    """With a line in the log and an entry in the history that name the rule."""
    world.survey(web())
    world.survey(web(rule(3389, EVERYONE), rule(443, rule_id="sgr-2")))
    assert world.survey(web(rule(3389, EVERYONE), rule(443, rule_id="sgr-2")), after=LAG - timedelta(seconds=1)).pending == 2
    assert world.unexplained() == 0
    for _ in range(3):
        world.survey(web(rule(3389, EVERYONE), rule(443, rule_id="sgr-2")), after=LAG)
        assert world.unexplained() == 2
    (entry,) = world.entries()
    assert {change.rule.from_port for change in entry.rule_changes} == {3389, 443}
    assert entry.opened_port_classes == ("admin",)
    (line,) = world.lines("rules changed and no event says who did it")
    assert (line["id"], line["changes"]) == (WEB, 2)


def test_while_events_are_not_read_their_absence_blames_nobody(world: World) -> None:
    """CloudTrail cannot be read for a day: that is another alert, and no hundred unexplained changes."""
    world.survey(web())
    began = world.now
    world.events_read = lambda: None
    world.survey(web(rule()))
    world.events_read = lambda: began
    assert world.survey(web(rule()), after=timedelta(days=1)).pending == 1
    assert world.unexplained() == 0
    world.events_read = lambda: world.now
    assert world.survey(web(rule())).pending == 0
    assert world.unexplained() == 1


def test_an_event_that_comes_after_all_is_told_with_the_entry(world: World) -> None:
    """The count stands, and the entry says which event explains it."""
    world.survey(web())
    world.survey(web(rule()))
    world.survey(web(rule()), after=2 * LAG)
    assert world.unexplained() == 1
    event = world.event("AuthorizeSecurityGroupIngress", added(rule()), ago=2 * LAG + timedelta(minutes=1))
    world.survey(web(rule()))
    (entry,) = world.entries()
    assert entry.shared_event_id == event.event_id
    assert world.unexplained() == 1


@pytest.mark.parametrize("watched", [(), ("prefix_list",), ("group",)])
def test_what_is_not_watched_is_not_called_unexplained(watched: tuple[str, ...]) -> None:
    """Whoever leaves the events of groups or lists out of `watch.sets` has no event that could explain anything."""
    world = World(watched=watched)
    named = replace(rule(5432), peer_type=PeerType.PREFIX_LIST, peer=LIST)
    world.survey(web(named), prefix_lists=offices("192.0.2.0/24"))
    world.survey(web(named, rule(rule_id="sgr-2")), prefix_lists=offices("192.0.2.0/24", "198.51.100.0/24", version=2))
    report = world.survey(
        web(named, rule(rule_id="sgr-2")), prefix_lists=offices("192.0.2.0/24", "198.51.100.0/24", version=2), after=2 * LAG
    )
    assert (report.pending, world.unexplained()) == (0, len(watched))
    world.store.close()


def test_which_kinds_are_watched_follows_from_the_sets() -> None:
    """One name that is left out is enough to say nothing."""
    assert watched_kinds(Watch().wanted) == ("group", "prefix_list")
    assert watched_kinds(Watch(("security_groups",)).wanted) == ("group",)
    assert watched_kinds(lambda _source, name: name != "RevokeSecurityGroupEgress") == ("prefix_list",)


def test_a_part_that_fails_keeps_its_answer_and_is_a_failure(world: World) -> None:
    """Neither closes a hole that stands open, nor reports a thousand deletions."""
    world.survey(web(rule(peer=EVERYONE)), attachments={WEB: Attachment(1, public_ipv4=True)})
    public = (*OPEN[:-1], "public")
    error = SourceError("throttled", "ec2:DescribeSecurityGroupRules: Rate exceeded")
    report = world.survey(groups=None, attachments=None, failures=(PartFailure(Part.GROUPS, error),))
    assert (report.complete, report.reason, report.changed) == (False, "throttled", 0)
    assert world.gauges("awschange_open_ingress_rules") == {public: 1}
    ages = world.gauges("awschange_exporter_snapshot_timestamp_seconds")
    assert ages["groups",] == (NOON + STEP).timestamp()
    assert ages["trails",] == (NOON + 2 * STEP).timestamp()
    assert world.lines("part could not be read")[0]["part"] == "groups"


def test_an_exception_ends_although_aws_does_not_answer() -> None:
    """What it covered counts as open from its day on."""
    expires = NOON + timedelta(days=2)
    world = World(exceptions=[{"name": "bastion", "reason": "test", "expires": expires, "security_groups": [WEB]}])
    world.survey(web(rule(peer=EVERYONE)))
    assert (world.gauges("awschange_open_ingress_rules"), world.gauges("awschange_open_ingress_excepted_rules")) == ({}, {OPEN: 1})
    world.now += timedelta(days=3)
    world.reader.error = SourceError("unavailable", "no answer")
    assert not world.surveyor.survey(world.reader).complete
    assert (world.gauges("awschange_open_ingress_rules"), world.gauges("awschange_open_ingress_excepted_rules")) == ({OPEN: 1}, {})
    world.store.close()


def test_a_fault_of_ours_fails_the_unit_and_not_the_process(world: World) -> None:
    """And is logged with its traceback."""
    world.reader.error = ZeroDivisionError("oops")
    report = world.surveyor.survey(world.reader)
    assert (report.complete, report.reason) == (False, "internal")
    assert "ZeroDivisionError" in world.log.getvalue()


def test_another_process_that_is_faster_is_compared_with(world: World) -> None:
    """Two exporters on one file count a change once."""
    world.survey(web())
    world.survey(web(rule()))
    other = Surveyor(
        world.store,
        world.judge,
        world.settings,
        Telemetry(),
        make_logger("error", "json", io.StringIO()),
        lambda *_: world.now,
        lambda: world.now,
    )
    world.now += 2 * LAG
    replace_posture = world.store.replace_posture
    calls: list[Any] = []

    def slowly(change: Any) -> bool:
        calls.append(change)
        if len(calls) == 1:
            assert other.survey(world.reader).unexplained == 1
        return replace_posture(change)

    world.store.replace_posture = slowly  # type: ignore[method-assign]
    world.reader.readings = [Reading(ACCOUNT, REGION, Origin.EC2, world.now, world.now, groups=(web(rule()),))]
    report = world.surveyor.survey(world.reader)
    assert report.complete
    assert report.unexplained == 0
    assert world.unexplained() == 1
    assert len(world.entries()) == 1


def test_units_of_an_aggregator_that_is_gone_leave_the_page(world: World) -> None:
    """What nobody reads any more must not stand there as it once was; nor may an outage take anything away."""
    world.survey(web(rule(peer=EVERYONE)))
    spanning = FakeReader(world, "", "")
    world.surveyor.forget_unknown(lambda: [spanning])
    assert world.gauges("awschange_open_ingress_rules"), "it has not answered yet"
    other = "444455556666"
    spanning.readings = [Reading(other, REGION, Origin.AWS_CONFIG, world.now, world.now, groups=(Group(DB, captured_at=world.now),))]
    assert world.surveyor.survey(spanning).complete
    spanning.error = SourceError("unavailable", "no answer")
    world.surveyor.survey(spanning)
    world.surveyor.forget_unknown(lambda: [spanning, world.reader])
    assert world.store.posture_units() == {Unit(ACCOUNT, REGION), Unit(other, REGION)}
    world.surveyor.forget_unknown(lambda: [spanning])
    assert world.store.posture_units() == {Unit(other, REGION)}
    assert not world.gauges("awschange_open_ingress_rules")


def test_a_new_unit_of_an_aggregator_is_not_forgotten_while_the_rest_is_taken(world: World) -> None:
    """Readers of other units look for what nobody reads as soon as they are done, and the round of an aggregator may last minutes."""
    spanning, others = FakeReader(world, "", ""), ["111111111111", "222222222222", "333333333333"]
    made = [Reading(name, REGION, Origin.AWS_CONFIG, NOON, NOON, groups=(Group(DB, captured_at=NOON),)) for name in others]
    spanning.readings = made[:1]
    assert world.surveyor.survey(spanning).complete

    def taken(_context: ReadContext) -> Iterator[Reading]:
        for reading in made:
            yield reading
            world.surveyor.forget_unknown(lambda: [spanning])
            assert Unit(reading.account_id, REGION) in world.store.posture_units()

    spanning.read = taken  # type: ignore[method-assign]
    assert world.surveyor.survey(spanning).complete
    spanning.readings, spanning.read = made[1:], lambda _: iter(made[1:])  # type: ignore[method-assign]
    assert world.surveyor.survey(spanning).complete
    world.surveyor.forget_unknown(lambda: [spanning])
    assert world.store.posture_units() == {Unit(name, REGION) for name in others[1:]}


@pytest.mark.parametrize("fault", [StoreError("damaged"), ZeroDivisionError("oops")])
def test_a_unit_of_an_aggregator_that_cannot_be_stored_hides_no_other(world: World, fault: Exception) -> None:
    """One damaged document among two hundred accounts would let all those after it grow old, for ever."""
    names = ["111111111111", "222222222222", "333333333333"]
    spanning = FakeReader(world, "", "")
    spanning.readings = [Reading(name, REGION, Origin.AWS_CONFIG, NOON, NOON, groups=(Group(DB, captured_at=NOON),)) for name in names]
    replace_posture = world.store.replace_posture

    def failing(change: PostureChange) -> bool:
        if change.account_id == names[1]:
            raise fault
        return replace_posture(change)

    world.store.replace_posture = failing  # type: ignore[method-assign]
    report = world.surveyor.survey(spanning)
    assert (report.complete, report.reason, report.units) == (False, "internal", 3)
    assert str(fault) in (report.error or "")
    assert world.store.posture_units() == {Unit(names[0], REGION), Unit(names[2], REGION)}


def test_a_store_that_cannot_be_written_is_not_tried_for_each_of_many_units(world: World) -> None:
    """Each try may wait ten seconds for a file that is locked."""
    tried: list[str] = []

    def failing(change: PostureChange) -> bool:
        tried.append(change.account_id)
        raise StoreError("the disk is full")

    world.store.replace_posture = failing  # type: ignore[method-assign]
    spanning = FakeReader(world, "", "")
    spanning.readings = [Reading(f"{n:012}", REGION, Origin.AWS_CONFIG, NOON, NOON, groups=()) for n in range(20)]
    report = world.surveyor.survey(spanning)
    assert (report.complete, report.error, len(tried)) == (False, "the disk is full", 2)


def test_a_survey_that_is_stopped_takes_no_further_unit_and_is_no_failure_of_the_store(world: World) -> None:
    """Hundreds of units take longer than a stop may, and then the store is closed under them."""
    stopping: list[bool] = []
    surveyor = Surveyor(
        world.store, world.judge, world.settings, Telemetry(), make_logger("info", "json", world.log), lambda *_: None, lambda: NOON,
        lambda: bool(stopping),
    )  # fmt: skip
    spanning = FakeReader(world, "", "")
    made = [Reading(f"{n:012}", REGION, Origin.AWS_CONFIG, NOON, NOON, groups=()) for n in range(3)]

    def read(_context: ReadContext) -> Iterator[Reading]:
        yield made[0]
        stopping.append(True)
        yield from made[1:]

    spanning.read = read  # type: ignore[method-assign]
    report = surveyor.survey(spanning)
    assert (report.stopped, report.units, report.reason) == (True, 1, "unavailable")

    def closed(_context: ReadContext) -> Iterator[Reading]:
        raise StoreError("the store is closed")
        yield

    spanning.read = closed  # type: ignore[method-assign]
    assert surveyor.survey(spanning).stopped
    assert not world.lines("survey incomplete")


def test_a_reading_that_was_begun_before_the_last_one_does_not_undo_it(world: World) -> None:
    """Two exporters on one file: the slower one still has what stood before, and its removal and return would be two dark changes."""
    world.survey(web())
    before = world.now + timedelta(seconds=1)
    event = world.event(
        "AuthorizeSecurityGroupIngress", added(rule(peer=EVERYONE)), ago=-timedelta(minutes=2), opened_port_classes=("admin",)
    )
    world.survey(web(rule(peer=EVERYONE)))
    world.now += timedelta(seconds=50)
    world.reader.readings = [
        Reading(
            ACCOUNT, REGION, Origin.EC2, before, world.now, groups=(web(),), prefix_lists=(), trails=(), untold=frozenset({Part.RECORDER})
        )
    ]
    report = world.surveyor.survey(world.reader)
    assert (report.complete, report.changed) == (True, 0)
    assert world.gauges("awschange_open_ingress_rules") == {OPEN: 1}
    for _ in range(2):
        world.survey(web(rule(peer=EVERYONE)), after=2 * LAG)
    assert world.unexplained() == 0
    assert world.stored(event).rule_changes == event.rule_changes


def test_after_the_clock_was_set_back_readings_count_again_at_once(world: World) -> None:
    """What is kept seems to be of the future, and would stand there until then."""
    world.survey(web())
    world.now -= timedelta(days=300)
    assert world.survey(web(rule(peer=EVERYONE))).changed == 1
    assert world.gauges("awschange_open_ingress_rules") == {OPEN: 1}
    assert world.survey(web()).changed == 1
    assert world.gauges("awschange_open_ingress_rules") == {}


def test_an_event_that_is_stored_while_an_aggregator_is_first_read_is_looked_at_later(world: World) -> None:
    """It may be of a change that the reading shows or misses: passed over, it would never get its before."""
    spanning = FakeReader(world, "", "")
    found = Reading(ACCOUNT, REGION, Origin.AWS_CONFIG, world.now, world.now, groups=(web(rule()),))
    changed = RuleChange(RuleAction.MODIFIED, replace(rule(443), direction=None))
    events: list[ChangeEvent] = []

    def read(_context: ReadContext) -> Iterator[Reading]:
        events.append(world.event("ModifySecurityGroupRules", changed, ago=-timedelta(minutes=2)))
        yield found

    spanning.read = read  # type: ignore[method-assign]
    assert world.surveyor.survey(spanning).complete
    world.now += STEP
    spanning.read = lambda _: iter([replace(found, started_at=world.now, ended_at=world.now)])  # type: ignore[method-assign]
    assert world.surveyor.survey(spanning).complete
    assert world.stored(events[0]).rule_changes[0].before == rule()


def test_a_first_reading_does_not_go_through_all_events_that_there_ever_were(world: World) -> None:
    """There may be millions, for each of hundreds of accounts and regions."""
    world.store.news = None  # type: ignore[assignment, method-assign]
    assert world.survey(web(rule())).complete


def test_what_another_process_forgets_meanwhile_is_no_fault(world: World) -> None:
    """Digests and bodies are read one after the other."""
    world.survey(web(rule()), Group(DB, "db"))
    documents = world.store.documents
    other = list[bool]()

    def late(account: str, region: str, kind: str, ids: Any = None) -> Any:
        if kind == "group" and not other:
            other.append(True)
            world.store.forget_posture([Unit(ACCOUNT, REGION)])
        return documents(account, region, kind, ids)

    world.store.documents = late  # type: ignore[method-assign]
    assert world.survey(web(rule())).complete
    assert other


def offices(*cidrs: str, version: int = 1) -> tuple[PrefixList, ...]:
    return (PrefixList(LIST, "offices", version, tuple((cidr, "") for cidr in cidrs), ACCOUNT),)


def test_a_list_that_is_named_and_edited_later_tells_which_group_it_opened(world: World) -> None:
    """What happened to the list before a rule named it is no business of the group."""
    named = replace(rule(5432), peer_type=PeerType.PREFIX_LIST, peer=LIST)
    entry = Rule(peer_type=PeerType.IPV4, peer=EVERYONE)
    world.survey(web())
    resources = (Resource("AWS::EC2::PrefixList", LIST),)
    world.event(
        "CreateManagedPrefixList", added(Rule(peer_type=PeerType.IPV4, peer="192.0.2.0/24")), security_groups=(), resources=resources
    )
    world.event("AuthorizeSecurityGroupIngress", added(named), ago=-STEP / 2)
    report = world.survey(web(named), prefix_lists=offices("192.0.2.0/24"))
    assert (report.open, report.pending) == (0, 0)
    edit = world.event("ModifyManagedPrefixList", added(entry), ago=-STEP / 2, security_groups=(), resources=resources)
    assert world.survey(web(named), prefix_lists=offices("192.0.2.0/24", EVERYONE, version=2)).open == 1
    stored = world.stored(edit)
    assert (stored.security_groups, stored.opened_port_classes) == ((WEB,), ("database",))
    assert world.counter("awschange_ingress_opened_total", "database") == 1
    assert world.unexplained() == 0
    (sighting,) = sightings(world.store, next(iter(pictures(world.store))), world.judge, world.now)
    assert sighting.opener.event is not None
    assert sighting.opener.event.event_id == edit.event_id


@pytest.mark.parametrize("peers", [("0.0.0.0/1", "128.0.0.0/1")])
def test_the_half_that_opens_the_rest_is_blamed(world: World, peers: Sequence[str]) -> None:
    """With a definition by which neither half is the internet, the second of two opened it; its own record cannot tell."""
    world = World(internet={"ipv4_prefix": 0})
    first, second = (rule(peer=peer, rule_id=f"sgr-{place}") for place, peer in enumerate(peers))
    world.survey(web())
    one = world.event("AuthorizeSecurityGroupIngress", added(first), ago=-STEP / 2)
    world.survey(web(first))
    two = world.event("AuthorizeSecurityGroupIngress", added(second), ago=-STEP / 2)
    assert world.survey(web(first, second)).open == 2
    assert world.stored(one).opened_port_classes == ()
    assert world.stored(two).opened_port_classes == ("admin",)
    world.store.close()


def test_a_rule_that_stood_open_at_first_has_nobody_to_name(world: World) -> None:
    """It is open at least since it was first read."""
    world.survey(web(rule(peer=EVERYONE)))
    (sighting,) = sightings(world.store, next(iter(pictures(world.store))), world.judge, world.now)
    assert (sighting.opener.event, sighting.opener.since, sighting.opener.not_after) == (None, None, NOON + STEP)


@pytest.mark.parametrize(
    ("stands", "said"),
    [
        (rule(peer=EVERYONE), rule(peer=EVERYONE, description="for a day")),
        # EC2 says -1 for the ports that a protocol has not, a modification need not say any.
        (
            replace(rule(-1, EVERYONE), protocol="47"),
            replace(rule(peer=EVERYONE, description="gre"), protocol="47", from_port=None, to_port=None),
        ),
    ],
    ids=["tcp", "a protocol without ports"],
)
def test_who_describes_a_rule_by_modifying_it_did_not_open_it(world: World, stands: Rule, said: Rule) -> None:
    """The console sends a modification where somebody only writes a description: he is not who opened the door."""
    world.survey(web())
    opened = world.event("AuthorizeSecurityGroupIngress", added(stands), ago=-STEP / 2)
    world.survey(web(stands))
    world.event("ModifySecurityGroupRules", RuleChange(RuleAction.MODIFIED, replace(said, direction=None)), ago=-STEP / 2)
    world.survey(web(replace(stands, description=said.description)))
    (sighting,) = sightings(world.store, next(iter(pictures(world.store))), world.judge, world.now)
    assert sighting.opener.event is not None
    assert sighting.opener.event.event_id == opened.event_id


def test_a_default_group_of_which_an_event_told_first_goes_with_its_vpc(world: World) -> None:
    """Its reading failed when the event came; nameless it would count as emptied in the dark when its VPC is deleted."""
    world.survey()
    world.event("AuthorizeSecurityGroupIngress", added(rule()), ago=-STEP / 2)
    world.survey(groups=None, failures=(PartFailure(Part.GROUPS, SourceError("throttled", "Rate exceeded")),))
    world.survey(Group(WEB, "default", "vpc-1", (rule(),)))
    world.survey()
    world.survey(after=2 * LAG)
    assert world.unexplained() == 0


def _in_turn(world: World, *made: tuple[str, tuple[RuleChange, ...]]) -> list[ChangeEvent]:
    """Store events of a list, and of the group, each a minute after the other."""
    out = []
    for minute, (name, changes) in enumerate(made, 1):
        more = {"security_groups": (), "resources": (Resource("AWS::EC2::PrefixList", LIST),)} if "PrefixList" in name else {}
        out.append(world.event(name, *changes, ago=timedelta(minutes=-minute), **more))
    return out


NAMED = replace(rule(5432), peer_type=PeerType.PREFIX_LIST, peer=LIST)
WIDE, NARROW = (Rule(peer_type=PeerType.IPV4, peer=peer) for peer in (EVERYONE, "192.0.2.0/24"))
NAMING = ("AuthorizeSecurityGroupIngress", (added(NAMED),))
WIDENING = ("ModifyManagedPrefixList", (added(WIDE),))
NARROWING = ("ModifyManagedPrefixList", (RuleChange(RuleAction.REMOVED, WIDE),))


@pytest.mark.parametrize(
    ("before", "calls", "entries", "opener"),
    [
        (None, [("CreateManagedPrefixList", (added(WIDE),)), NAMING], [EVERYONE], 1),
        (None, [("CreateManagedPrefixList", (added(NARROW),)), NAMING, WIDENING], ["192.0.2.0/24", EVERYONE], 2),
        (["192.0.2.0/24"], [WIDENING, NAMING], ["192.0.2.0/24", EVERYONE], 1),
        (["192.0.2.0/24"], [NAMING, WIDENING], ["192.0.2.0/24", EVERYONE], 1),
        (["192.0.2.0/24"], [WIDENING, NARROWING, NAMING], ["192.0.2.0/24"], None),
        (["192.0.2.0/24"], [("RestoreManagedPrefixListVersion", ()), NAMING], [EVERYONE], 1),
        ([EVERYONE], [("RestoreManagedPrefixListVersion", ()), NAMING], ["192.0.2.0/24"], None),
    ],
)
def test_what_changes_between_two_readings_opens_by_how_all_else_stood_then(
    world: World,
    before: Sequence[str] | None,
    calls: Sequence[tuple[str, tuple[RuleChange, ...]]],
    entries: Sequence[str],
    opener: int | None,
) -> None:
    """One apply of Terraform makes a list and the rule that names it: opened once, by the last of the two."""
    world.survey(web(), prefix_lists=offices(*before) if before else ())
    made = _in_turn(world, *calls)
    world.survey(web(NAMED), prefix_lists=offices(*entries, version=2))
    assert [world.stored(event).opened_port_classes for event in made] == [
        ("database",) if number == opener else () for number in range(len(made))
    ]
    assert world.unexplained() == 0
