"""Properties: whatever order records, amendments, entries, readings and restarts come in, the store holds what the model says.

The model counts nothing step by step. It remembers what was told of each event (its first record, its first addendum, every
amendment) and says at the end: a series of a live event is each thing that any of these tell, once.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from exporter.families import EVENT_FAMILIES, UNEXPLAINED, Labels
from exporter.model import ChangeEvent, Outcome, Resource, RuleChange, Unit
from exporter.posture.chronicle import Amendment
from exporter.posture.ports import PORT_CLASSES
from exporter.store import SqliteStore
from exporter.store.base import DocumentKey, PostureChange, Query, StoredSample, digest_of
from tests.store_events import ACCOUNT, ADDITIVE, NOON, REGION, addendum, ingest, make_event, rule_change, values
from tests.test_store_posture import entry

UNITS = (Unit(ACCOUNT, REGION), Unit(ACCOUNT, "eu-west-1"), Unit("444455556666", REGION))
COUNTED = [family for family in EVENT_FAMILIES if family.name in ADDITIVE]
GROUPS = [f"sg-{number:017x}" for number in range(0, 40, 8)]
LIVE_LINE = {"files": NOON, "s3": NOON - timedelta(minutes=30), "cloudtrail": NOON + timedelta(minutes=30)}


EVENTS, VERSIONS = 6, 4
"""Few, so that all their meetings happen."""


def version(number: int, at: int) -> ChangeEvent:
    """Return an original (0), one of its addenda (1 and 2), or an addendum that tells the same rules as the original (3).

    Of every second event AWS left out what was changed; one failed; they are of two units, and of four times around the lines.
    """
    unit = UNITS[number % 2]
    made = make_event(
        number,
        account_id=unit.account_id,
        region=unit.region,
        event_time=NOON + timedelta(minutes=(-45, -15, 15, 45)[number % 4]),
        outcome=Outcome.DENIED if number == 5 else Outcome.SUCCESS,
        security_groups=(GROUPS[number % 3],),
        resources=(Resource("AWS::EC2::SecurityGroup", GROUPS[number % 3]),),
    )
    known = number % 2 == 0
    fuller = addendum(made)
    return (
        made if known else replace(made, content_known=False, security_groups=(), resources=(), rule_changes=(), opened_port_classes=()),
        replace(fuller, security_groups=(GROUPS[number % 3], GROUPS[3])),
        replace(fuller, security_groups=(GROUPS[4],), opened_port_classes=("web",), raw=b"second"),
        replace(fuller, rule_changes=made.rule_changes if known else (), raw=b"third"),
    )[at]


@dataclass
class Told:
    """All that was ever said of one event."""

    first: ChangeEvent
    record: ChangeEvent
    live: bool
    rule_changes: tuple[RuleChange, ...]
    pruned: bool = False
    addendum: ChangeEvent | None = None
    groups: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def counted(self) -> Iterator[tuple[str, Labels]]:
        """Return the series that it stands in, at 1 each."""
        more = self.addendum or self.first
        whole = replace(
            self.first,
            security_groups=tuple({*self.first.security_groups, *more.security_groups, *self.groups}),
            opened_port_classes=tuple({*self.first.opened_port_classes, *more.opened_port_classes, *self.opened}),
        )
        for family in COUNTED:
            for labels, _ in family.contribute(whole, NOON):
                yield family.name, labels

    def shown(self) -> tuple[set[str], set[str], set[str], tuple[RuleChange, ...], bytes]:
        """Return groups, ids of resources, opened classes, rule changes and record as the history shows them."""
        groups = {*self.record.security_groups, *self.groups}
        resources = {*(resource.id for resource in self.record.resources), *self.groups}
        return groups, resources, {*self.record.opened_port_classes, *self.opened}, self.rule_changes, self.record.raw


@dataclass
class Kept:
    """What is kept of one unit."""

    sequence: int = 0
    documents: dict[DocumentKey, bytes] = field(default_factory=dict)
    samples: list[StoredSample] = field(default_factory=list)
    forgotten: bool = False


class PostureMachine(RuleBasedStateMachine):
    """Two stores on one file, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "state.db"
        self.store, self.other = SqliteStore(self.path), SqliteStore(self.path)
        for source, line in LIVE_LINE.items():
            self.store.go_live(source, NOON, line)
        self.told: dict[str, Told] = {}
        self.journal: list[str] = []
        self.entries: dict[str, tuple[ChangeEvent, str | None]] = {}
        self.gone: set[str] = set()
        self.kept = {unit: Kept() for unit in UNITS}
        self.unexplained: Counter[Unit] = Counter()
        self.pages: dict[Unit, list[StoredSample]] = {}
        self.page_revision = 0
        self.looked = dict.fromkeys(UNITS, 0)
        self.looked_at = dict.fromkeys(UNITS, 0)

    def teardown(self) -> None:
        """Compare everything at the end, and clean up."""
        try:
            self.compare()
        finally:
            self.store.close()
            self.other.close()
            self.directory.cleanup()

    @rule(
        versions=st.lists(st.tuples(st.integers(0, EVENTS - 1), st.integers(0, VERSIONS - 1)), min_size=1, max_size=8),
        source=st.sampled_from(sorted(LIVE_LINE)),
    )
    def bring(self, versions: list[tuple[int, int]], source: str) -> None:
        """Bring some records by a road."""
        batch = [version(*at) for at in versions]
        self.store.append(ingest(*batch, source=source))
        new: dict[str, None] = {}
        revised: list[str] = []
        for event in batch:
            live = event.event_time >= LIVE_LINE[source]
            told = self.told.get(event.event_id)
            if told is None:
                self.told[event.event_id] = Told(event, event, live, event.rule_changes)
                new[event.event_id] = None
                continue
            if told.pruned:
                continue
            told.live = told.live or live
            if not event.supersedes or (told.record.supersedes and details(told.record) == details(event)):
                continue
            if not told.record.supersedes:
                told.addendum = event
            if event.rule_changes != told.record.rule_changes:
                told.rule_changes = event.rule_changes
            told.record = event
            if event.event_id not in new:
                revised.append(event.event_id)
        self.journal += [*revised, *new]

    @precondition(lambda self: self.told)
    @rule(
        pick=st.integers(0, EVENTS),
        unit=st.sampled_from(UNITS),
        groups=st.lists(st.sampled_from(GROUPS), max_size=2),
        opened=st.lists(st.sampled_from(PORT_CLASSES), max_size=2),
        port=st.integers(20, 23),
        twice=st.booleans(),
    )
    def amend(self, pick: int, unit: Unit, groups: list[str], opened: list[str], port: int, twice: bool) -> None:
        """Amend any event that was ever met, pruned ones too, once or twice."""
        identity = sorted(self.told)[pick % len(self.told)]
        changes = (rule_change(from_port=port), rule_change("sgr-00000000000000001"))
        amendment = Amendment(identity, changes, tuple(groups), tuple(opened))
        self.reading(unit, amendments=(amendment,) * (2 if twice else 1))
        told = self.told[identity]
        if not told.pruned:
            told.rule_changes = changes
            told.groups += groups
            told.opened += opened
        revision = self.store.revision()
        self.reading(unit, amendments=(amendment,))
        assert self.store.revision() == revision, "an equal amendment changes no series"

    @rule(unit=st.sampled_from(UNITS), number=st.integers(0, 2), minutes=st.integers(-60, 60))
    def nobody_did_it(self, unit: Unit, number: int, minutes: int) -> None:
        """Enter an unexplained change in the history, and count it; the entry may be known."""
        made = entry(number, account_id=unit.account_id, region=unit.region, event_time=NOON + timedelta(minutes=minutes))
        counts = ((UNEXPLAINED.name, (unit.account_id, unit.region), float(number)),)
        self.reading(unit, events=(made, made), counts=counts)
        self.unexplained[unit] += number
        if made.event_id not in self.gone:
            self.entries.setdefault(made.event_id, (made, None))

    @precondition(lambda self: self.told and self.entries)
    @rule(unit=st.sampled_from(UNITS), entry_at=st.integers(0, 9), event_at=st.integers(0, EVENTS))
    def somebody_did(self, unit: Unit, entry_at: int, event_at: int) -> None:
        """Explain an entry after all."""
        identity = sorted(self.entries)[entry_at % len(self.entries)]
        by = sorted(self.told)[event_at % len(self.told)]
        self.reading(unit, explained=((identity, by),))
        self.entries[identity] = (self.entries[identity][0], by)

    @rule(
        unit=st.sampled_from(UNITS),
        documents=st.dictionaries(
            st.tuples(st.sampled_from(["picture", "chronicle"]), st.sampled_from(["a", "b", "c"])),
            st.none() | st.binary(max_size=40) | st.just(b"{}" * 500),
            max_size=4,
        ),
        samples=st.none() | st.dictionaries(st.tuples(st.sampled_from(["one", "two"]), st.tuples(st.text(max_size=3))), st.integers(0, 3)),
        stale=st.integers(-2, 2),
    )
    def read_rules(
        self, unit: Unit, documents: dict[DocumentKey, bytes | None], samples: dict[tuple[str, Labels], int] | None, stale: int
    ) -> None:
        """Change what is kept of a unit, or try to from another state."""
        rows = None if samples is None else [(family, labels, float(value)) for (family, labels), value in samples.items()]
        if stale:
            assert not self.store.replace_posture(self.change(unit, stale, documents=documents, samples=rows))
            return
        self.reading(unit, documents=documents, samples=rows)
        for key, body in documents.items():
            self.kept[unit].documents.pop(key, None)
            if body is not None:
                self.kept[unit].documents[key] = body
        if rows is not None:
            self.kept[unit].samples = sorted(rows)

    @rule(units=st.sets(st.sampled_from(UNITS)))
    def forget(self, units: set[Unit]) -> None:
        """Watch units no more."""
        self.store.forget_posture(units)
        for unit in units:
            if self.kept[unit].sequence:
                self.kept[unit] = Kept()

    @rule(minutes=st.integers(-60, 0))
    def prune(self, minutes: int) -> None:
        """Forget old events."""
        before = NOON + timedelta(minutes=minutes)
        self.store.prune(before)
        for told in self.told.values():
            told.pruned = told.pruned or told.first.event_time < before
        old = {identity for identity, (made, _) in self.entries.items() if made.event_time < before}
        self.gone |= old
        self.entries = {identity: made for identity, made in self.entries.items() if identity not in old}

    @rule(unit=st.sampled_from(UNITS))
    def look(self, unit: Unit) -> None:
        """Ask what events touched since the last look, and go on from there."""
        news = self.store.news(unit.account_id, unit.region, self.looked[unit])
        expected: set[str] = set()
        for identity in self.journal[self.looked_at[unit] :]:
            told = self.told[identity]
            if told.pruned or told.first.outcome is not Outcome.SUCCESS or Unit(told.first.account_id, told.first.region) != unit:
                continue
            groups, resources, *_ = told.shown()
            expected |= groups | resources
        assert news.touched == expected
        assert news.last >= self.looked[unit]
        self.looked[unit], self.looked_at[unit] = news.last, len(self.journal)

    @rule(change=st.sampled_from(["reopen", "other process"]))
    def elsewhere(self, change: str) -> None:
        """Go on in another store of the same file."""
        if change == "reopen":
            self.store.close()
            self.store = SqliteStore(self.path)
        self.store, self.other = self.other, self.store

    @rule()
    def show(self) -> None:
        """Do what a metrics page does: take what changed since it last looked."""
        changes = self.store.samples(self.page_revision)
        self.page_revision = changes.revision
        for unit, samples in changes.units.items():
            self.pages[unit] = list(samples)
        assert {unit: rows for unit, rows in self.pages.items() if rows} == {
            unit: kept.samples for unit, kept in self.kept.items() if kept.samples
        }

    @invariant()
    def units_are_known(self) -> None:
        """Whoever stops watching must know what there is to forget."""
        assert self.store.posture_units() == {unit for unit, kept in self.kept.items() if kept.sequence}

    def change(self, unit: Unit, stale: int = 0, **parts: object) -> PostureChange:
        """Return a change of the state that the model knows."""
        sequence = self.kept[unit].sequence + stale
        return PostureChange(unit.account_id, unit.region, sequence, NOON, "posture", **parts)  # type: ignore[arg-type]

    def reading(self, unit: Unit, **parts: object) -> None:
        """Make a change, which must be taken."""
        assert self.store.replace_posture(self.change(unit, **parts))
        sequence = self.store.posture(unit.account_id, unit.region).sequence
        assert sequence == self.kept[unit].sequence + 1 or not self.kept[unit].sequence
        self.kept[unit].sequence = sequence

    def compare(self) -> None:
        """Compare the whole file with the model."""
        self.show()
        found = values(self.store.series().rows)
        expected: Counter[tuple[str, Labels]] = Counter()
        for told in self.told.values():
            if told.live:
                expected.update(told.counted())
        assert {key: value for key, value in found.items() if key[0] in ADDITIVE and value} == expected
        assert {key[1]: value for key, value in found.items() if key[0] == UNEXPLAINED.name and value} == {
            (unit.account_id, unit.region): count for unit, count in self.unexplained.items() if count
        }
        rows = {row.event.event_id: row for row in self.store.search(Query(limit=10_000, raw=True))}
        assert rows.keys() == {identity for identity, told in self.told.items() if not told.pruned} | self.entries.keys()
        for identity, told in self.told.items():
            if not told.pruned:
                event = rows[identity].event
                groups, resources = event.security_groups, {resource.id for resource in event.resources}
                assert (set(groups), resources, set(event.opened_port_classes), event.rule_changes, event.raw) == told.shown()
                assert len(groups) == len(set(groups))
                assert rows[identity].live == told.live
        for identity, (made, by) in self.entries.items():
            assert rows[identity].event == replace(made, shared_event_id=by)
            assert (rows[identity].live, rows[identity].sources) == (True, ("posture",))
        for group in GROUPS:
            under = {row.event.event_id for row in self.store.search(Query(security_groups=(group,), limit=10_000))}
            assert under == {
                identity for identity, row in rows.items() if group in {*row.event.security_groups, *(r.id for r in row.event.resources)}
            }
        for unit, kept in self.kept.items():
            state = self.store.posture(unit.account_id, unit.region)
            assert state.digests == {key: digest_of(body) for key, body in kept.documents.items()}
            for kind in ("picture", "chronicle"):
                bodies = {id_: body for (of, id_), body in kept.documents.items() if of == kind}
                assert self.store.documents(unit.account_id, unit.region, kind) == bodies


def details(event: ChangeEvent) -> tuple[object, ...]:
    """Return what tells one addendum from another."""
    return event.security_groups, event.resources, event.rule_changes, event.opened_port_classes, event.content_known


def test_any_interleaving_leaves_what_the_model_says(each_store: str) -> None:
    """An amendment that comes before or after an addendum, a restart or a second writer must neither lose nor double a count."""
    examples = 30 if each_store == "sqlite" else 8
    run_state_machine_as_test(PostureMachine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None))
