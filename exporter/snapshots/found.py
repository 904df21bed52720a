"""What AWS Config has: all items of each type, by account and region and by id, or why they are not all there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from exporter.errors import AwsError, SourceError
from exporter.posture.recording import Recording, recording_of_item
from exporter.posture.standing import Group, PrefixList
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
from exporter.snapshots.shapes import Interface, fields_of, text_of
from exporter.text import visible

T = TypeVar("T")
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_FACING = "internet-facing"
_EXPIRED = "InvalidNextTokenException"


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
    try:
        return _walk(query, resource_type, read)
    except AwsError as error:
        if error.code != _EXPIRED:
            return Found(error=error)
    except SourceError as error:
        return Found(error=error)
    # Throttled for longer than a token lasts: what was read so far may be gone since, so the walk begins anew, once.
    try:
        return _walk(query, resource_type, read)
    except SourceError as error:
        return Found(error=error)


def _walk(query: Query, resource_type: str, read: Callable[[Mapping[str, Any]], T]) -> Found[T]:
    found: Found[T] = Found()
    newest: dict[tuple[Unit, str], datetime] = {}
    for item in query.items(resource_type):
        try:
            # What changes while pages are read may be on two of them: the later look at it stands.
            key, moment = (item.unit, item.resource_id), captured_at(item.row) or _BEGINNING
            if moment < newest.get(key, _BEGINNING):
                continue
            newest[key] = moment
            found.units.setdefault(item.unit, {})[item.resource_id] = read(item.row)
        except (SourceError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # An item that nobody foresaw must not hide the other accounts.
            found.failed.setdefault(item.unit, _unreadable(query, resource_type, item, error))
    return found


def _unreadable(query: Query, resource_type: str, item: Item, error: Exception) -> SourceError:
    reason, text = (error.reason, str(error)) if isinstance(error, SourceError) else ("internal", f"{type(error).__name__}: {error}")
    where = f"{query.operation.action} of {resource_type} in account {item.account_id} {item.region}, {visible(item.resource_id, 200)}"
    return SourceError(reason, f"{where}, failed: {visible(text, 800)}; please report it if it stays")


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
        ask_recorders(query) if query.aggregator else Found(),
    )


def ask_recorders(query: Query) -> Found[Recording]:
    """Return the recorders that an aggregator has as items."""
    return find(query, RECORDER, _recorder)


def _is_facing(item: Mapping[str, Any]) -> bool:
    configuration = configuration_of(fields_of(item, "an item of AWS Config for a load balancer"), "AWS Config, a load balancer")
    return text_of(configuration, "scheme").lower() == _FACING


def _recorder(item: Mapping[str, Any]) -> Recording:
    where = "AWS Config, a configuration recorder"
    return recording_of_item(configuration_of(fields_of(item, where), where))
