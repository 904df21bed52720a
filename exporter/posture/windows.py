"""When the readings behind the versions of a chronicle were made, and which changes fell between which of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from exporter.model import Direction, Rule, RuleAction, RuleChange
from exporter.posture.calls import Call
from exporter.posture.chronicle import Version
from exporter.posture.diff import Place, diff, place
from exporter.posture.replay import BEGINNING

_END = datetime.max.replace(tzinfo=UTC)

Times = tuple[datetime, datetime, datetime]
"""Earliest, nominal and latest time at which a reading may have looked."""


class Windows:
    """The times between which each version came to be, widened by the slack."""

    def __init__(self, versions: Sequence[Version], slack: timedelta) -> None:
        self.versions, self._slack = tuple(versions), slack
        self._changes: dict[int, tuple[RuleChange, ...]] = {}

    def _earlier(self, moment: datetime | None) -> datetime:
        return BEGINNING if moment is None or moment - BEGINNING <= self._slack else moment - self._slack

    def _later(self, moment: datetime | None) -> datetime:
        return moment + self._slack if moment is not None and moment - BEGINNING > self._slack else BEGINNING

    def first_reading(self, number: int) -> Times:
        """Return when the first reading that showed a version may have looked; where that is unknown, it stood for ever."""
        version = self.versions[number]
        begun = version.begun or version.until
        return self._earlier(begun), begun or BEGINNING, self._later(version.until)

    def last_reading(self, number: int) -> Times:
        """Return when the last reading that showed a version may have looked; it is taken to have lasted as long as the next one."""
        following = self.versions[number + 1]
        begun = following.after
        lasted = following.until - following.begun if following.until and following.begun else timedelta(0)
        return self._earlier(begun), begun or BEGINNING, self._later(begun) + lasted

    def around(self, moment: datetime) -> list[int]:
        """Return the versions that may have come to be by what happened at a moment."""
        return [
            number
            for number, version in enumerate(self.versions)
            if number and self._earlier(version.after) <= moment <= (self._later(version.until) if version.until else _END)
        ]

    def is_within(self, number: int, moment: datetime) -> bool:
        """Tell whether a version came to be about a moment by the clocks as they are, without the slack."""
        version = self.versions[number]
        return (version.after or BEGINNING) <= moment <= (version.until or _END)

    def expected(self, moment: datetime) -> tuple[Rule, ...]:
        """Return the rules that the next reading of another version after a moment shows, none where there is none to come."""
        return next((version.rules or () for version in self.versions if version.until is not None and version.until >= moment), ())

    def births(self, moment: datetime, calls: Sequence[Call]) -> tuple[Rule, ...]:
        """Return the rules that a group made at a moment may have been born with: what the readings about that moment show.

        The first of them may have been too early for some; what calls added themselves is no part of it.
        """
        added = {place(change.rule) for call in calls for change in call.changes if change.action is RuleAction.ADDED}
        shown = (rule for number in self.around(moment) for rule in self.versions[number].rules or () if place(rule) not in added)
        return (*self.expected(moment), *shown)

    def changes(self, number: int) -> tuple[RuleChange, ...]:
        """Return how a version differs from the one before."""
        if number not in self._changes:
            self._changes[number] = diff(self.versions[number - 1].rules, self.versions[number].rules)
        return self._changes[number]

    def directions(self, calls: Sequence[Call]) -> dict[str, Direction]:
        """Return the direction of each rule whose id any version or any call tells with it: it never changes.

        The record of a modification does not tell it; where readings have no ids, it is that of the rule which the next ones show there.
        """
        rules = [rule for version in self.versions for rule in version.rules or ()]
        rules += [change.rule for call in calls for change in call.changes]
        found = {rule.rule_id: rule.direction for rule in rules if rule.rule_id is not None and rule.direction is not None}
        added = {place(change.rule) for call in calls for change in call.changes if change.action is RuleAction.ADDED}
        # The last modification first: it is what a reading shows.
        for call in reversed(calls):
            for change in call.changes:
                rule_id = change.rule.rule_id
                if change.action is RuleAction.MODIFIED and rule_id is not None and rule_id not in found:
                    shown = self._came(call.event.event_time) - added
                    fitting = [d for d in Direction if place(replace(change.rule, direction=d)) in shown]
                    if len(fitting) == 1:
                        found[rule_id] = fitting[0]
        return found

    def _came(self, moment: datetime) -> set[Place]:
        """Return where rules stand that came, or were said anew, when something happened at a moment."""
        changes = (change for number in self.around(moment) for change in self.changes(number))
        return {place(change.rule) for change in changes if change.action is not RuleAction.REMOVED}

    def forgot(self, moment: datetime) -> bool:
        """Tell whether the versions around a moment may be forgotten: then an earlier join knew more."""
        return bool(self.versions) and self.versions[0].after is not None and moment <= self.first_reading(0)[2]


__all__ = ["Times", "Windows"]
