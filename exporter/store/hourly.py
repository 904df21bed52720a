"""What the baseline learns from: counts by hour of event time, from when on units were watched, and what was counted late."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from exporter.model import ChangeEvent
from exporter.posture.chronicle import EVENT_SOURCE
from exporter.store.base import HourlyCounts, LateCount
from exporter.store.codec import from_microseconds, to_microseconds
from exporter.store.database import Connection
from exporter.store.dimensions import Dimensions, find

_HOUR, _MINUTE = 3_600_000_000, 60_000_000
NORMAL_LAG = timedelta(minutes=30)
"""What is counted no later than that after it happened is not late: CloudTrail takes some 5 minutes, trail files up to 15."""

_KEPT = 24 * 60
"""Minutes for which it is remembered that something was counted late."""

# Summed here and not by GROUP BY, whose sorting takes several times as long. The index holds all that is asked for.
_HOURLY = """SELECT unit, channel, event_time / ?1 FROM events INDEXED BY events_by_time
    WHERE event_time >= ?2 AND call NOT IN (SELECT id FROM calls WHERE event_source = ?3)"""
_UNITS = "SELECT u.id, a.text, r.text FROM units u JOIN strings a ON a.id = u.account_id JOIN strings r ON r.id = u.region"
_STRING = "SELECT text FROM strings WHERE id = ?"
_LINES = "SELECT account_id, region, live_since, watched_since FROM sources"
_NOTE = """INSERT INTO late (unit, channel, minute, events, event_time) VALUES (?, ?, ?, ?, ?) ON CONFLICT (unit, channel, minute)
    DO UPDATE SET events = late.events + excluded.events,
        event_time = CASE WHEN excluded.event_time < late.event_time THEN excluded.event_time ELSE late.event_time END"""
_FORGET = "DELETE FROM late WHERE minute < ?"
_LATE = """SELECT a.text, r.text, c.text, l.minute, l.events, l.event_time FROM late l JOIN units u ON u.id = l.unit
    JOIN strings a ON a.id = u.account_id JOIN strings r ON r.id = u.region JOIN strings c ON c.id = l.channel
    WHERE l.minute >= ? ORDER BY a.text, r.text, c.text, l.minute"""


def hourly_counts(connection: Connection, since: int) -> HourlyCounts:
    """Return how many events happened in each hour since a time; see `Store.hourly_counts`."""
    first = -(-since // _HOUR)
    own = find(connection, EVENT_SOURCE) or 0
    numbers: dict[tuple[int, int], dict[int, int]] = {}
    for unit_number, channel, hour in connection.execute(_HOURLY, (_HOUR, first * _HOUR, own)):
        known = numbers.setdefault((unit_number, channel), {})
        known[hour] = known.get(hour, 0) + 1
    units = {number: (account_id, region) for number, account_id, region in connection.execute(_UNITS)}
    channels = {channel: connection.execute(_STRING, (channel,)).fetchone()[0] for channel in {channel for _, channel in numbers}}
    counts = {(*units[number], channels[channel]): hours for (number, channel), hours in sorted(numbers.items())}
    began: dict[tuple[str, str], int] = {}
    for (account_id, region, _), hours in counts.items():
        earliest_hour = min(hours)
        began[account_id, region] = min(began.get((account_id, region), earliest_hour), earliest_hour)
    lines: dict[tuple[str, str], int] = {}
    for account_id, region, live_since, watched_since in connection.execute(_LINES):
        # A line at the beginning of time tells that everything counts, not that anybody watched.
        for moment in (live_since, watched_since):
            if moment is not None and moment > 0:
                unit, hour = (account_id, region), max(moment // _HOUR, first)
                lines[unit] = min(lines.get(unit, hour), hour)
    whole = lines.pop(("", ""), None)
    watched = {unit: min(line, began.get(unit, line)) for unit, line in lines.items()}
    # A source that spans many accounts reads them all from one time on, whenever it first meets each.
    others = frozenset(units.values()) - lines.keys()
    earliest = min([*(began[unit] for unit in others if unit in began), *([] if whole is None else [whole])], default=None)
    if earliest is not None:
        watched |= dict.fromkeys(others, earliest)
    return HourlyCounts(counts, watched)


def note_late(connection: Connection, dimensions: Dimensions, events: Iterable[ChangeEvent], recorded_at: int) -> None:
    """Remember which live events of a transaction are counted later than usual; their units must be registered."""
    latest = recorded_at - NORMAL_LAG // timedelta(microseconds=1)
    late: dict[tuple[int, int], list[int]] = {}
    for event in events:
        event_time = to_microseconds(event.event_time)
        if event_time < latest:
            unit = dimensions.units.number(connection, event.account_id, event.region)
            key = unit, dimensions.strings.number(connection, event.channel)
            late.setdefault(key, []).append(event_time)
    if late:
        minute = recorded_at // _MINUTE
        connection.execute(_FORGET, (minute - _KEPT,))
        connection.executemany(_NOTE, [(*key, minute, len(times), min(times)) for key, times in late.items()])


def late_counts(connection: Connection, since: int) -> tuple[LateCount, ...]:
    """Return what was counted late since a time; see `Store.late_counts`."""
    return tuple(
        LateCount(account_id, region, channel, from_microseconds((minute + 1) * _MINUTE), events, from_microseconds(event_time))
        for account_id, region, channel, minute, events, event_time in connection.execute(_LATE, (since // _MINUTE,))
    )
