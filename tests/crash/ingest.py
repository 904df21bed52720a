"""A process that ingests a made-up trail into a store and may be killed at any instant.

`python -m tests.crash.ingest PATH SEED COUNT SOURCE` goes on from the saved cursor until all is stored, then forgets
the events of before `FORGET`.
"""

from __future__ import annotations

import random
import sys
from datetime import timedelta
from pathlib import Path

from exporter.model import Unit
from exporter.store import SqliteStore
from exporter.store.base import BEGINNING
from tests.store_events import NOON, ingest, made_up

CURSOR = "position"
FORGET = NOON - timedelta(minutes=30)
IGNORED_EACH = 2
"""Every event comes with this many ignored records, so that their counts do not depend on how batches are cut."""


def main(path: Path, seed: int, count: int, source: str) -> None:
    """Ingest from the cursor on in batches cut at random, one transaction each."""
    events = made_up(seed, count)
    print("started", flush=True)
    store = SqliteStore(path)
    store.go_live(source, NOON, BEGINNING if seed % 2 else None)
    store.register([Unit("111122223333", "us-west-2")])
    at = int(store.cursor(source, CURSOR) or 0)
    while at < len(events):
        size = random.randrange(1, 40)
        batch = events[at : at + size]
        at += len(batch)
        ignored = {"not_watched": IGNORED_EACH * len(batch)}
        store.append(ingest(*batch, source=source, ignored=ignored, cursors={CURSOR: str(at)}))
    store.prune(FORGET)
    store.close()
    print("done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
