"""A reading of what AWS Config has of one account and region: each part whole, and as things are, or a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from exporter.errors import SourceError
from exporter.posture.recording import Recording
from exporter.posture.standing import Attachment, Group, Origin, Part, PartFailure, PrefixList, Reading
from exporter.snapshots.config_shapes import NETWORK_INTERFACE, PREFIX_LIST, SECURITY_GROUP
from exporter.snapshots.ec2_groups import named_lists
from exporter.snapshots.found import Answers
from exporter.snapshots.queries import BALANCERS, Unit
from exporter.snapshots.shapes import attachments_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether what AWS Config has of an account and region is how things are: `error` says why none of it is.

    `recording` is its recorder, None where nobody tells what it does. `collected` are the types that an aggregator collects, None for all.
    """

    unit: Unit
    operation: str
    error: SourceError | None = None
    recording: Recording | None = None
    collected: frozenset[str] | None = None

    def check(self, resource_type: str) -> None:
        """Raise SourceError where what is there of a type may be old."""
        if self.error is not None:
            raise self.error
        gap, remedy = self._gap(resource_type)
        if gap:
            account_id, region = self.unit
            raise SourceError(
                "unavailable",
                f"{self.operation} of {resource_type} in account {account_id} {region} would show an old or empty picture: {gap}; {remedy}",
            )

    def records(self, resource_type: str) -> bool:
        """Tell whether a type is recorded at all, as far as anybody tells."""
        return not self._gap(resource_type)[0]

    def _gap(self, resource_type: str) -> tuple[str, str]:
        if self.collected is not None and resource_type not in self.collected:
            return f"the aggregator's filter leaves out {resource_type}", "add it there: `aws configservice put-configuration-aggregator`"
        return self.recording.gap(resource_type) if self.recording is not None else ("", "")


def reading_of(
    trust: Trust,
    answers: Answers,
    started_at: datetime,
    ended_at: datetime,
    shared: Callable[[str], PrefixList | None] = lambda _list_id: None,
) -> Reading:
    """Return the reading of one account and region; a part that is not whole, or may be old, is a failure.

    `shared` finds a list that a rule names and another account owns; it raises SourceError where what is there may be old.

    Which groups stand behind load balancers AWS Config cannot tell, for it records no targets: none do where no load balancer faces
    the internet, else it is `untold`, and so it is where load balancers are not recorded.
    """
    unit = trust.unit
    failures: list[PartFailure] = []

    def part(which: Part, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except SourceError as error:
            failures.append(PartFailure(which, error))
            return None

    def groups() -> tuple[Group, ...]:
        trust.check(SECURITY_GROUP)
        return _ordered(answers.groups.of(unit))

    def prefix_lists() -> tuple[PrefixList, ...]:
        trust.check(PREFIX_LIST)
        lists = dict(answers.prefix_lists.of(unit))
        for list_id in sorted(named_lists(standing or ()) - lists.keys()):
            found = shared(list_id)
            if found is not None:
                lists[list_id] = found
        return _ordered(lists)

    def attachments() -> Mapping[str, Attachment]:
        trust.check(NETWORK_INTERFACE)
        return attachments_of(answers.interfaces.of(unit).values())

    def behind_none() -> bool:
        """Tell whether it is certain that nothing stands behind a load balancer that faces the internet."""
        if answers.balancers is None:
            # Nobody wants to know: what would be behind one is `attached`.
            return True
        if trust.error is not None:
            raise trust.error
        facing = any(facing for found in answers.balancers for facing in found.of(unit).values())
        return not facing and all(map(trust.records, BALANCERS))

    standing = part(Part.GROUPS, groups)
    lists, attached = part(Part.PREFIX_LISTS, prefix_lists), part(Part.INTERFACES, attachments)
    certain = part(Part.LOAD_BALANCERS, behind_none)
    return Reading(
        *unit,
        Origin.AWS_CONFIG,
        started_at,
        ended_at,
        standing,
        lists,
        attached,
        balanced=frozenset() if certain else None,
        failures=tuple(failures),
        untold=frozenset({Part.LOAD_BALANCERS}) if certain is False else frozenset(),
    )


def _ordered(items: Mapping[str, T]) -> tuple[T, ...]:
    return tuple(items[key] for key in sorted(items))
