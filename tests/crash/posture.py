"""A process that reads what stands in a unit, round after round, while events come, and may be killed at any instant.

`python -m tests.crash.posture PATH SEED ROUNDS` goes on from the round that the store remembers until all are done. Each round
is one transaction; what it does depends on its number alone.
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from exporter.families import UNEXPLAINED
from exporter.model import ChangeEvent
from exporter.posture.chronicle import EVENT_SOURCE, Amendment
from exporter.store import SqliteStore
from exporter.store.base import PostureChange
from tests.store_events import ACCOUNT, NOON, REGION, ingest, make_event, rule_change

HERE = (ACCOUNT, REGION)
KIND, ROUND = "picture", ("round", "done")
EVENTS_OF_A_ROUND = 3
DOCUMENTS = 80
"""So many that writing them takes as long as all else that a round does: a kill is as likely there."""


def events_of(seed: int, number: int) -> list[ChangeEvent]:
    """Return the events that come before a round; the last one is past."""
    made = [make_event(seed * 1_000_000 + number * 10 + at) for at in range(EVENTS_OF_A_ROUND)]
    return [*made[:-1], replace(made[-1], event_time=NOON - timedelta(hours=2))]


def group_of(number: int) -> str:
    """Return the group that a round reveals of its events."""
    return f"sg-{number % 5:017x}"


def entry_of(seed: int, number: int) -> ChangeEvent:
    """Return the entry that a round writes into the history."""
    made = make_event(seed * 1_000_000 + number * 10 + 9)
    return replace(made, event_id=f"hash:{seed:016x}{number:016x}", event_source=EVENT_SOURCE, event_name="UnexplainedRuleChange")


def document_of(seed: int, number: int, at: int) -> bytes | None:
    """Return the body that a document has after a round, None where it is forgotten."""
    dice = random.Random(f"{seed} {number} {at}")
    return None if dice.random() < 0.2 else dice.randbytes(300) * 3


def change_of(seed: int, number: int, sequence: int) -> PostureChange:
    """Return all that a round changes: it amends its own events and those of the round before, again."""
    amended = [event for at in (number - 1, number) if at >= 0 for event in events_of(seed, at)]
    changes = (rule_change(from_port=23),)
    return PostureChange(
        *HERE,
        sequence=sequence,
        recorded_at=NOON,
        source="posture",
        documents={(KIND, str(at)): document_of(seed, number, at) for at in range(DOCUMENTS)} | {ROUND: str(number).encode()},
        samples=[("awschange_open_rules", (str(at),), float(number)) for at in range(number % 4)],
        amendments=[Amendment(event.event_id, changes, (group_of(number),), ("web",)) for event in amended],
        events=(entry_of(seed, number),),
        explained=((entry_of(seed, number - 1).event_id, amended[0].event_id),) if number else (),
        counts=((UNEXPLAINED.name, HERE, float(number + 1)),),
    )


def main(path: Path, seed: int, rounds: int) -> None:
    """Do the rounds that are left."""
    print("started", flush=True)
    store = SqliteStore(path)
    store.go_live("files", NOON)
    while True:
        done = store.documents(*HERE, ROUND[0], [ROUND[1]]).get(ROUND[1])
        number = 0 if done is None else int(done) + 1
        if number == rounds:
            break
        store.append(ingest(*events_of(seed, number)))
        store.replace_posture(change_of(seed, number, store.posture(*HERE).sequence))
    store.close()
    print("done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
