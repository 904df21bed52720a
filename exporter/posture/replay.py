"""Replays calls over the rules of a group or the entries of a prefix list, each rule with all that it said and since when. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from exporter.model import Direction, Rule, RuleAction, RuleChange
from exporter.posture.calls import BORN_EGRESS_IPV6, Call, Effect, born_rules
from exporter.posture.chronicle import Chronicle
from exporter.posture.diff import Place, alike, compatible, is_placed, place

BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """What a rule said from a time on (None: it was not there), and the event that made it so; empty where a reading showed it.

    `inferred` is what must have happened, although nobody told: it explains nothing. `ends` says that all went at once, with the group.
    """

    since: datetime
    rule: Rule | None
    event_id: str = ""
    inferred: bool = False
    ends: bool = False


@dataclass(slots=True, eq=False)
class Track:
    """One rule through time. `floor` is the span that the latest reading showed: no later reading shows an earlier one.

    `original` is the track that this one was copied from, `position` its place among the tracks of its world.
    """

    rule_id: str | None
    spans: list[Span]
    floor: tuple[datetime, str] | None = None
    original: Track | None = None
    position: int = 0

    @property
    def value(self) -> Rule | None:
        """What the rule says now, None where it is not there."""
        return self.spans[-1].rule

    @property
    def last(self) -> Rule | None:
        """What it said last while it was there."""
        return next((span.rule for span in reversed(self.spans) if span.rule is not None), None)

    def seen_since(self, moment: datetime, *, existing: bool) -> list[Span]:
        """Return what a reading that was made after a moment may have shown, earliest first; `existing` where it showed the group."""
        first = 0
        for index, span in enumerate(self.spans):
            if span.since < moment or (span.since, span.event_id) == self.floor:
                first = index
        return [span for span in self.spans[first:] if not span.inferred and not (existing and span.ends)] or self.spans[:1]


@dataclass(frozen=True, slots=True)
class Told:
    """What a call did, and the rules around it; those are None where it cannot be told which rules there were."""

    call: Call
    changes: tuple[RuleChange, ...]
    before: tuple[Rule, ...] | None = None
    after: tuple[Rule, ...] | None = None


Guess = Callable[["World", Call, RuleChange], "Track | None"]
"""Tells which rule without an id a call means that names an id; None where that cannot be told."""


def _no_guess(_world: World, _call: Call, _change: RuleChange) -> Track | None:
    return None


@dataclass(slots=True)
class World:
    """The rules as they stand at one moment of a replay.

    `known` says that all rules are known, not only those that calls told of; `exact` that no call left out what it did since then, and
    `blurred` when the last call did.
    `expected` are the rules that the next reading shows, after a moment: what decides where a record leaves a choice. `births` are those
    that a group may have been born with at a moment.
    """

    chronicle: Chronicle
    directions: dict[str, Direction]
    expected: Callable[[datetime], Sequence[Rule]] = lambda _: ()
    guess: Guess = _no_guess
    births: Callable[[datetime], Sequence[Rule]] = lambda _: ()
    known: bool = False
    exact: bool = False
    blurred: datetime = BEGINNING
    tracks: list[Track] = field(default_factory=list)
    open_questions: list[tuple[Call, RuleChange]] = field(default_factory=list)
    _ids: dict[str, Track] = field(default_factory=dict)
    _places: dict[Place, list[Track]] = field(default_factory=dict)
    _standing: dict[int, Track] = field(default_factory=dict)
    _added: int = 0

    def copy(self) -> World:
        """Return a world that can be played on without touching this one; its tracks name theirs."""
        other = replace(self, tracks=[], open_questions=list(self.open_questions), _ids={}, _places={}, _standing={})
        for track in self.tracks:
            other.add(Track(track.rule_id, list(track.spans), track.floor, track))
        return other

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules that stand."""
        return tuple(rule for track in self.alive() if (rule := track.value) is not None)

    def alive(self) -> Iterator[Track]:
        """Yield the tracks of the rules that stand: a handful, where thousands may have come and gone."""
        return (self._standing[position] for position in sorted(self._standing))

    def add(self, track: Track) -> Track:
        """Take in a track."""
        self.tracks.append(track)
        track.position = self._added = self._added + 1
        if track.rule_id is not None:
            self._ids[track.rule_id] = track
        if track.value is not None:
            self._places.setdefault(place(track.value), []).append(track)
            self._standing[track.position] = track
        return track

    def begin(self, span: Span) -> Track:
        """Begin a rule that was not there before, or that nobody knew of."""
        rule_id = span.rule.rule_id if span.rule is not None else None
        return self.add(Track(rule_id, [Span(BEGINNING, None), span]))

    def put(self, track: Track, span: Span, *, anew: bool = False) -> None:
        """Let a rule say something else, or go; `anew` forgets what it said before."""
        if track.value is not None:
            self._places[place(track.value)].remove(track)
            del self._standing[track.position]
        track.spans = [span] if anew else [*track.spans, span]
        if track.value is not None:
            self._places.setdefault(place(track.value), []).append(track)
            self._standing[track.position] = track

    def name(self, track: Track, rule_id: str | None) -> None:
        """Learn the id of a rule."""
        if rule_id is not None and track.rule_id is None:
            track.rule_id = rule_id
            self._ids[rule_id] = track
            track.spans = [replace(s, rule=replace(s.rule, rule_id=rule_id)) if s.rule is not None else s for s in track.spans]

    def forget(self, before: datetime) -> None:
        """Forget rules that were gone before a moment."""
        gone = [track for track in self.tracks if track.value is None and track.spans[-1].since < before]
        if gone:
            self.tracks = [track for track in self.tracks if track.value is not None or track.spans[-1].since >= before]
        for track in gone:
            if track.rule_id is not None and self._ids.get(track.rule_id) is track:
                del self._ids[track.rule_id]

    def by_id(self, rule_id: str | None) -> Track | None:
        """Return the rule of an id, whether it stands or is gone."""
        return None if rule_id is None else self._ids.get(rule_id)

    def at(self, rule: Rule) -> Track | None:
        """Return the rule that stands at the same place and may be the same."""
        return next((t for t in self._places.get(place(rule), ()) if t.value is not None and compatible(t.value, rule)), None)

    def stranger(self, rule: Rule) -> Track | None:
        """Return the rule that stands at the same place and is another."""
        return next((t for t in self._places.get(place(rule), ()) if t.value is not None and not compatible(t.value, rule)), None)

    def find(self, rule: Rule) -> Track | None:
        """Return the rule that a call names, by id or by place; one that is gone only by id."""
        track = self.by_id(rule.rule_id)
        return self.at(rule) if track is None and is_placed(rule) else track

    # What calls do.

    def apply(self, call: Call) -> Told:
        """Let a call happen, and return what it did."""
        before = self.rules() if self.known and self.exact else None
        # An entry that is added again was there before: only its description is new.
        again = {place(t.value) for t in self.alive() if t.value and t.spans[-1].event_id != call.id} if call.effect is Effect.EDIT else ()
        told = _EFFECTS[call.effect](self, call)
        if call.is_blind:
            self.exact, self.blurred = False, call.event.event_time
        after = self.rules() if before is not None else None
        if before is not None and call.effect in (Effect.AUTHORIZE, Effect.EDIT):
            # The rules that a call added were not there before it, even where a reading showed them already.
            added = {place(change.rule) for change in call.changes if change.action is RuleAction.ADDED}
            before = tuple(rule for rule in before if place(rule) not in added or place(rule) in again)
        return Told(call, tuple(told), before, after)

    def _span(self, call: Call, rule: Rule | None) -> Span:
        return Span(call.event.event_time, rule, call.id)

    def _create(self, call: Call) -> list[RuleChange]:
        self.known = self.exact = True
        born = born_rules(self.chronicle, call.effect)
        if any(alike(BORN_EGRESS_IPV6, replace(rule, rule_id=None)) for rule in self.births(call.event.event_time)):
            born = (*born, BORN_EGRESS_IPV6)
        for rule in born:
            if self.at(rule) is None:
                self.begin(self._span(call, rule))
        return [RuleChange(RuleAction.ADDED, rule) for rule in born]

    def _authorize(self, call: Call) -> list[RuleChange]:
        for change in call.changes:
            self._add(call, change.rule)
        return list(call.changes)

    def _add(self, call: Call, rule: Rule) -> None:
        named, there = self.by_id(rule.rule_id), self.at(rule)
        if named is not None and named.value is not None:
            return
        if there is not None:
            self.name(there, rule.rule_id)
            if not self.exact:
                # It may be another one: a call that named it by an id that nobody knew may have taken it away.
                self.put(there, self._span(call, rule))
            return
        other = self.stranger(rule)
        if other is not None:
            # EC2 allows no two rules in one place: the other one must be gone, whoever took it away.
            self.put(other, Span(call.event.event_time, None, inferred=True))
        if named is not None:
            self.put(named, self._span(call, rule))
        else:
            self.begin(self._span(call, rule))

    def _revoke(self, call: Call) -> list[RuleChange]:
        return [self._remove(call, change) for change in call.changes]

    def _remove(self, call: Call, change: RuleChange) -> RuleChange:
        sure = self._is_sure(change)
        track = self._meant(call, change)
        if track is None:
            return change
        old = track.last if sure else None
        if track.value is not None:
            self.put(track, self._span(call, None))
        return change if is_placed(change.rule) else replace(change, before=old)

    def _meant(self, call: Call, change: RuleChange) -> Track | None:
        """Return the rule that a change is about; one without an id may have to be guessed."""
        track = self.find(change.rule)
        if track is None and change.rule.rule_id is not None and any(t.rule_id is None for t in self.alive()):
            track = self.guess(self, call, change)
            if track is None:
                direction = self.directions.get(change.rule.rule_id, change.rule.direction)
                self.open_questions.append((call, replace(change, rule=replace(change.rule, direction=direction))))
                self.exact, self.blurred = False, call.event.event_time
            else:
                self.name(track, change.rule.rule_id)
        return track

    def _is_sure(self, change: RuleChange) -> bool:
        """Tell whether what a rule said last is certain: not where it may have to be guessed after other guesses failed."""
        return self.exact or self.by_id(change.rule.rule_id) is not None

    def _modify(self, call: Call) -> list[RuleChange]:
        return [self._replace(call, change) for change in call.changes]

    def _replace(self, call: Call, change: RuleChange) -> RuleChange:
        rule_id = change.rule.rule_id
        track, told_before = self.by_id(rule_id), True
        directions = [self.directions[rule_id]] if rule_id in self.directions else [Direction.INGRESS, Direction.EGRESS]
        if track is None:
            # It may be there already without its id: AWS Config has none.
            track = self.at(replace(change.rule, direction=directions[0])) if len(directions) == 1 else None
            if track is not None:
                self.name(track, rule_id)
            told_before = self.exact
            track = track or self._meant(call, change)
        old = track.last if track is not None else None
        expected = next((r for r in self.expected(call.event.event_time) if _same(r, change.rule, directions)), None)
        if old is not None:
            direction = old.direction
        elif len(directions) == 1:
            direction = directions[0]
        else:
            direction = expected.direction if expected is not None else None
        told = replace(change.rule, direction=direction)
        new = told
        if told.description is None and old is not None and not (expected is not None and not expected.description):
            new = replace(told, description=old.description)
        for other in [other for other in self._places.get(place(new), ()) if other is not track]:
            # EC2 allows no two rules in one place: it is gone, or it is this very one, of which a reading did not tell the id.
            self.put(other, Span(call.event.event_time, None, inferred=True))
        if track is None:
            self.begin(self._span(call, new))
        else:
            self.put(track, self._span(call, new))
        return replace(change, rule=told, before=old if told_before else None)

    def _describe(self, call: Call) -> list[RuleChange]:
        return [self._say(call, change) for change in call.changes]

    def _say(self, call: Call, change: RuleChange) -> RuleChange:
        sure = self._is_sure(change)
        track = self._meant(call, change)
        if track is None or track.last is None:
            return change
        old = track.last
        if track.value is not None:
            self.put(track, self._span(call, replace(old, description=change.rule.description)))
        return replace(change, before=old) if sure else change

    def _edit(self, call: Call) -> list[RuleChange]:
        """Edit a prefix list: an entry that is added again gets the new description (EC2 API reference, ModifyManagedPrefixList)."""
        if call.event.event_name == "CreateManagedPrefixList":
            self.known = self.exact = True
        removed = {id(change): self._remove(call, change) for change in call.changes if change.action is RuleAction.REMOVED}
        out: list[RuleChange] = []
        for change in call.changes:
            there = self.at(change.rule)
            if change.action is not RuleAction.ADDED:
                out.append(removed.get(id(change), change))
            elif there is None or there.value is None:
                self.begin(self._span(call, change.rule))
                out.append(change)
            else:
                old = there.value
                self.put(there, self._span(call, change.rule))
                out.append(change if alike(old, change.rule) else replace(change, before=old))
        return out

    def _restore(self, _call: Call) -> list[RuleChange]:
        return []

    def _delete(self, call: Call) -> list[RuleChange]:
        lost = self.rules() if self.known else ()
        for track in list(self.alive()):
            self.put(track, Span(call.event.event_time, None, call.id, ends=True))
        return [RuleChange(RuleAction.REMOVED, rule) for rule in lost]


def _same(rule: Rule, told: Rule, directions: Sequence[Direction]) -> bool:
    """Tell whether a rule of a reading is the one that a modification told of."""
    if rule.rule_id is not None and rule.rule_id == told.rule_id:
        return True
    return (
        rule.direction is not None
        and rule.direction in directions
        and place(rule) == place(replace(told, direction=rule.direction))
        and compatible(rule, told)
    )


_EFFECTS: dict[Effect, Callable[[World, Call], list[RuleChange]]] = {
    Effect.CREATE: World._create,  # noqa: SLF001 - a table of its own methods
    Effect.CREATE_DEFAULT: World._create,  # noqa: SLF001
    Effect.AUTHORIZE: World._authorize,  # noqa: SLF001
    Effect.REVOKE: World._revoke,  # noqa: SLF001
    Effect.MODIFY: World._modify,  # noqa: SLF001
    Effect.DESCRIBE: World._describe,  # noqa: SLF001
    Effect.EDIT: World._edit,  # noqa: SLF001
    Effect.RESTORE: World._restore,  # noqa: SLF001
    Effect.DELETE: World._delete,  # noqa: SLF001
}
