"""Leases of units between the replicas that share a store, and when each unit was last read, whoever read it.

A lease saves work, and counts depend on none: two replicas that poll one unit bring the same events, and each counts once. So a lease is
only ever time: who died holds nothing once its time is over, by the clock of the database, which is one for all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from hashlib import blake2b
from typing import NamedTuple

from exporter.store.codec import from_microseconds, to_microseconds
from exporter.store.database import Connection, Database
from exporter.store.leased import LastRead

_MICROSECOND = timedelta(microseconds=1)
_LONGEST = timedelta(minutes=10) // _MICROSECOND
"""No lease lasts longer: what seems to was written while the clock was ahead, and is over."""
_FORGOTTEN = timedelta(days=1) // _MICROSECOND

_SEEN = "INSERT INTO replicas (name, seen) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seen = excluded.seen"
_BURY = "DELETE FROM replicas WHERE seen <= ? OR seen > ?"
_LEASE = """INSERT INTO leases (unit, replica, until, wanted) VALUES (?, ?, ?, ?)
    ON CONFLICT (unit) DO UPDATE SET replica = excluded.replica, until = excluded.until, wanted = excluded.wanted"""
_READ = """INSERT INTO reads (unit, began, ended) VALUES (?, ?, ?)
    ON CONFLICT (unit) DO UPDATE SET began = excluded.began, ended = excluded.ended"""


class _Lease(NamedTuple):
    """A row of leases, but for its unit."""

    replica: str
    until: int
    wanted: str


def owner(unit: str, replicas: Iterable[str]) -> str:
    """Return to which replica a unit belongs: where one comes or goes, only units of its own change hands (rendezvous hashing)."""
    return max(replicas, key=lambda name: (blake2b(f"{unit}\0{name}".encode(), digest_size=8).digest(), name))


def claim(connection: Connection, now: int, replica: str, units: Collection[str], ttl: timedelta, busy: Collection[str]) -> frozenset[str]:
    """Renew the leases of a replica, give up and take what is due; return the units that it holds until `now` and `ttl`.

    A free unit is its owner's at once, and anybody's where the owner has left it for as long as a lease: it may not know the unit.
    """
    span = ttl // _MICROSECOND
    connection.execute(_SEEN, (replica, now))
    connection.execute(_BURY, (now - span, now + _LONGEST))
    alive = replicas(connection)
    known = {unit: _Lease(*row) for unit, *row in connection.execute("SELECT unit, replica, until, wanted FROM leases").fetchall()}
    held, changed = set(), []
    for unit in sorted(units):
        lease, first = known.get(unit), owner(unit, alive)
        after = _after(lease, replica, first, now, span, unit in busy)
        if after.replica == replica:
            held.add(unit)
        if after != lease:
            changed.append((unit, *after))
    changed += [(unit, "", now, "") for unit, lease in known.items() if lease.replica == replica and unit not in units]
    connection.executemany(_LEASE, changed)
    connection.execute("DELETE FROM leases WHERE until < ?", (now - _FORGOTTEN,))
    return frozenset(held)


def _after(lease: _Lease | None, replica: str, first: str, now: int, span: int, busy: bool) -> _Lease:
    """Return what becomes of a unit's lease; `first` is the owner."""
    mine = _Lease(replica, now + span, "")
    if lease is None:
        return mine if first == replica else _Lease("", now, "")
    if lease.replica == replica:
        # Only who has asked is known to want it: an owner of another configuration would leave it to nobody.
        if lease.wanted == first != replica and not busy:
            return _Lease("", now, "")
        return mine._replace(wanted=lease.wanted)
    if not now < lease.until <= now + _LONGEST:
        return mine if first == replica or not now - span < lease.until <= now + _LONGEST else lease
    return lease._replace(wanted=replica) if first == replica else lease


def release(connection: Connection, now: int, replica: str) -> None:
    """Give up all that a replica holds, and forget it."""
    connection.execute("UPDATE leases SET replica = '', until = ?, wanted = '' WHERE replica = ?", (now, replica))
    connection.execute("DELETE FROM replicas WHERE name = ?", (replica,))


def replicas(connection: Connection) -> frozenset[str]:
    """Return the replicas that were alive when one last claimed."""
    return frozenset(name for (name,) in connection.execute("SELECT name FROM replicas").fetchall())


class Leasing:
    """What a store does about leases (see `Store`), over its database."""

    _database: Database

    def claim(self, replica: str, units: Collection[str], ttl: timedelta, busy: Collection[str] = ()) -> frozenset[str]:
        """Renew the leases of a replica, give up and take what is due; return the units that it holds. See `Store.claim`."""
        with self._database.writing("share units with other replicas") as writer:
            return claim(writer, self._database.now(writer), replica, units, ttl, busy)

    def release(self, replica: str) -> None:
        """Give up all that a replica holds, so that others take it at once."""
        with self._database.writing("give up units") as writer:
            release(writer, self._database.now(writer), replica)

    def replicas(self) -> frozenset[str]:
        """Return the replicas that were alive when one last claimed."""
        with self._database.reading("read which replicas there are") as reader:
            return replicas(reader)

    def mark_read(self, reads: Mapping[str, LastRead]) -> None:
        """Remember of units when they were last read."""
        rows = [(unit, to_microseconds(read.began), to_microseconds(read.ended)) for unit, read in sorted(reads.items())]
        if rows:
            with self._database.writing("remember what was read") as writer:
                # The last word stands, even an older one: a time that a wrong clock gave must not hide for ever that nobody reads.
                writer.executemany(_READ, rows)

    def last_reads(self) -> Mapping[str, LastRead]:
        """Return when each unit was last read, by whichever replica."""
        with self._database.reading("read what was read") as reader:
            rows: list[tuple[str, int, int]] = reader.execute("SELECT unit, began, ended FROM reads").fetchall()
        return {unit: LastRead(from_microseconds(began), from_microseconds(ended)) for unit, began, ended in rows}
