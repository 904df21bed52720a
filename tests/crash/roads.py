"""A process that brings the same made-up events by several roads, in turns of chance, and may be killed at any instant.

`python -m tests.crash.roads PATH SEED COUNT` goes on from the saved cursors until every road has brought all of its events.
"""

from __future__ import annotations

import random
import sys
from datetime import timedelta
from pathlib import Path

from exporter.families import GAPS
from exporter.model import ChangeEvent
from exporter.store import SqliteStore
from tests.store_events import NOON, ingest, made_up

CURSOR = "position"
WIDE, NARROW = "s3", "cloudtrail"
WIDE_LINE, NARROW_LINE = NOON + timedelta(minutes=20), NOON - timedelta(minutes=30)
UNITS = (("111122223333", "us-east-1"), ("111122223333", "eu-west-1"), ("444455556666", "us-east-1"))

Road = tuple[str, str, str]
ROADS: tuple[Road, ...] = ((WIDE, "", ""), *((NARROW, *unit) for unit in UNITS))


def events(seed: int, count: int) -> list[ChangeEvent]:
    """Return events with duplicates and first addenda, but neither conflicts nor second addenda: of those the first one stands."""
    made = made_up(seed, count)
    return [event for event in made if event.event_name != "DeleteSecurityGroup" and "sg-0000000000000000f" not in event.security_groups]


def brought(road: Road, made: list[ChangeEvent], seed: int) -> list[ChangeEvent]:
    """Return what a road brings, in an order of its own."""
    own = [event for event in made if road[0] == WIDE or (event.account_id, event.region) == road[1:]]
    random.Random(f"{seed} {road}").shuffle(own)
    return own


def main(path: Path, seed: int, count: int) -> None:
    """Bring batches cut at random, one transaction each, by a road of chance each time."""
    made = events(seed, count)
    print("started", flush=True)
    store = SqliteStore(path)
    for road in ROADS:
        store.go_live(road[0], WIDE_LINE if road[0] == WIDE else NARROW_LINE, None, *road[1:])
    left = {road: brought(road, made, seed) for road in ROADS}
    positions = {road: int(store.cursor(road[0], f"{road[1]}/{road[2]}/{CURSOR}") or 0) for road in ROADS}
    while open_roads := [road for road in ROADS if positions[road] < len(left[road])]:
        road = random.choice(open_roads)
        at = positions[road]
        batch = left[road][at : at + random.randrange(1, 40)]
        positions[road] = at + len(batch)
        cursors = {
            f"{road[1]}/{road[2]}/{CURSOR}": str(positions[road]),
            f"{road[1]}/{road[2]}/open": None if positions[road] == len(left[road]) else "yes",
        }
        counts = ((GAPS.name, road, float(len(batch))),)
        store.append(ingest(*batch, source=road[0], account_id=road[1], region=road[2], cursors=cursors, counts=counts))
    store.close()
    print("done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
