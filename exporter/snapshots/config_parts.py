"""What AWS Config has, by part and by account and region: all items of each type, and a reading made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from exporter.errors import SourceError
from exporter.model import PeerType
from exporter.posture.standing import Attachment, Group, Origin, Part, PartFailure, PrefixList, Reading
from exporter.snapshots.config_shapes import (
    NETWORK_INTERFACE,
    PREFIX_LIST,
    SECURITY_GROUP,
    captured_at,
    configuration_of,
    group_of,
    interface_of,
    prefix_list_of,
)
from exporter.snapshots.queries import BALANCERS, RECORDER, Item, Query, Unit
from exporter.snapshots.recording import Recording, recording_of_item
from exporter.snapshots.shapes import Interface, attachments_of, fields_of, text_of

T = TypeVar("T")
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_FACING = "internet-facing"


@dataclass(slots=True)
class Found(Generic[T]):
    """All items of one type: by account and region, by id. `failed` says of which units an item could not be understood."""

    units: dict[Unit, dict[str, T]] = field(default_factory=dict)
    failed: dict[Unit, SourceError] = field(default_factory=dict)
    error: SourceError | None = None

    def of(self, unit: Unit) -> Mapping[str, T]:
        """Return the items of a unit, by id; raise SourceError where they are not all there."""
        error = self.error or self.failed.get(unit)
        if error is not None:
            raise error
        return self.units.get(unit, {})


def find(query: Query, resource_type: str, read: Callable[[Mapping[str, Any]], T]) -> Found[T]:
    """Return all items of a type. What fails for one account and region fails there alone; a page that is missing, everywhere."""
    found: Found[T] = Found()
    newest: dict[tuple[Unit, str], datetime] = {}
    try:
        for item in query.items(resource_type):
            # What changes while pages are read may be on two of them: the later look at it stands.
            key, moment = (item.unit, item.resource_id), captured_at(item.row) or _BEGINNING
            if moment >= newest.get(key, _BEGINNING):
                newest[key] = moment
                _take(found, item, read)
    except SourceError as error:
        return Found(error=error)
    return found


def _take(found: Found[T], item: Item, read: Callable[[Mapping[str, Any]], T]) -> None:
    try:
        found.units.setdefault(item.unit, {})[item.resource_id] = read(item.row)
    except SourceError as error:
        found.failed.setdefault(item.unit, error)


@dataclass(frozen=True, slots=True)
class Answers:
    """All that was asked of AWS Config in one round; `balancers` is None where load balancers were not asked for.

    `recorders` are those that AWS Config has as items, which only an aggregator is asked for.
    """

    groups: Found[Group]
    prefix_lists: Found[PrefixList]
    interfaces: Found[Interface]
    balancers: tuple[Found[bool], ...] | None
    recorders: Found[Recording]

    @property
    def units(self) -> set[Unit]:
        """All accounts and regions that anything was found of."""
        parts: Iterable[Found[Any]] = (self.groups, self.prefix_lists, self.interfaces, *(self.balancers or ()), self.recorders)
        return {unit for part in parts for unit in (*part.units, *part.failed)}


def nothing() -> Answers:
    """Return no answers: for where nothing that AWS Config has would be trusted."""
    return Answers(Found(), Found(), Found(), (), Found())


def ask(query: Query, *, balancers: bool) -> Answers:
    """Ask for everything, one type after the other; what fails for one type is in its part."""
    return Answers(
        find(query, SECURITY_GROUP, group_of),
        find(query, PREFIX_LIST, prefix_list_of),
        find(query, NETWORK_INTERFACE, interface_of),
        tuple(find(query, kind, _is_facing) for kind in BALANCERS) if balancers else None,
        find(query, RECORDER, _recorder) if query.aggregator else Found(),
    )


def _is_facing(item: Mapping[str, Any]) -> bool:
    configuration = configuration_of(fields_of(item, "an item of AWS Config for a load balancer"), "AWS Config, a load balancer")
    return text_of(configuration, "scheme").lower() == _FACING


def _recorder(item: Mapping[str, Any]) -> Recording:
    where = "AWS Config, a configuration recorder"
    return recording_of_item(configuration_of(fields_of(item, where), where))


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


def named_lists(groups: Iterable[Group]) -> set[str]:
    """Return the prefix lists that rules name."""
    return {rule.peer for group in groups for rule in group.rules if rule.peer_type is PeerType.PREFIX_LIST and rule.peer}


def _ordered(items: Mapping[str, T]) -> tuple[T, ...]:
    return tuple(items[key] for key in sorted(items))
