"""A store as it is after a year: many accounts, people, pipelines and groups. `python -m bench.history_store PATH [EVENTS]` makes one.

The changes are those of the made-up trail, parsed once. The store gets them again and again, each time with other ids, accounts, groups,
sessions, addresses, descriptions and times: parsing a million would take longer than storing them.
"""

from __future__ import annotations

import random
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address
from pathlib import Path

from bench.store import NOW, make_events
from exporter.model import ChangeEvent, Principal, Resource, RuleChange, Unit
from exporter.store import Store, open_store
from exporter.store.base import BEGINNING, Ingest

EVENTS = 1_000_000
ROUND = 25_000
"""Changes parsed, and told anew in each round."""
BATCH = 5_000
DAYS = 400
SOURCE = "bench"
ACCOUNTS = tuple(f"{111122223333 + 1_000_003 * number:012d}" for number in range(20))
REGIONS = ("us-east-1", "eu-west-1", "eu-central-1", "ap-southeast-2")

RARE_SESSION, RARE_ADDRESS, RARE_PEER, RARE_DESCRIPTION = "mallory@example.com", "203.0.113.254", "203.0.113.251/32", "CHG-4711 break-glass"
"""What a handful of events in a million has, spread over all of the time: see `rare`."""
RARE_EVERY = 100_000


@dataclass(frozen=True, slots=True)
class _Round:
    """What is other in one round than in the others."""

    number: int
    start: datetime
    step: timedelta
    dice: random.Random


def events_of_years(count: int, seed: int = 23, until: datetime = NOW, days: float = DAYS) -> Iterator[ChangeEvent]:
    """Yield changes over many days, oldest first; the same arguments give the same events."""
    changes = make_events(min(ROUND, count))
    step = timedelta(days=days) / max(count, 1)
    dice = random.Random(seed)
    for number, first in enumerate(range(0, count, len(changes))):
        story = _Round(number, until - timedelta(days=days) + first * step, step, dice)
        for at, change in enumerate(changes[: count - first]):
            yield _anew(change, at, first + at, story)


def _anew(change: ChangeEvent, at: int, number: int, story: _Round) -> ChangeEvent:
    """Return a change of the trail as another one."""
    dice = story.dice
    event_id = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    account = ACCOUNTS[(story.number * 2 + int(change.account_id) % 2) % len(ACCOUNTS)] if dice.random() < 0.9 else dice.choice(ACCOUNTS)
    region = change.region if dice.random() < 0.7 else dice.choice(REGIONS)
    mark = f"{story.number:03x}"

    def other(name: str) -> str:
        return f"{name[:4]}{mark}{name[7:]}" if name.startswith("sg-0") else name

    rare = number % RARE_EVERY == RARE_EVERY // 2
    return replace(
        change,
        event_id=event_id,
        event_time=(story.start + at * story.step).replace(microsecond=0),
        account_id=account,
        region=region,
        principal=_caller(change.principal, change.account_id, account, at, rare, story),
        security_groups=tuple(map(other, change.security_groups)),
        resources=tuple(Resource(found.type, other(found.id)) for found in change.resources),
        rule_changes=tuple(_rule(found, number, rare, dice) for found in change.rule_changes),
        fingerprint=dice.randbytes(16),
        raw=change.raw.replace(change.event_id.encode(), event_id.encode()).replace(b'"sg-0123', f'"sg-0{mark}'.encode()),
    )


def _caller(who: Principal, old: str, account: str, at: int, rare: bool, story: _Round) -> Principal:
    """Return who called, from where: one of many people, or one of many runs of a pipeline on a machine of its own."""
    session, source_ip = who.session, who.source_ip
    if rare:
        session, source_ip = RARE_SESSION, RARE_ADDRESS
    elif session is not None and "@" in session:
        person = min(int(story.dice.expovariate(1 / 200)), 1999)
        session, source_ip = f"person{person:04d}@example.com", f"198.51.100.{person % 250}"
    elif session is not None and session.startswith("aws-go-sdk"):
        run = story.number * ROUND + at // 20
        session, source_ip = f"aws-go-sdk-{1_700_000_000_000_000_000 + run * 7919}", str(IPv6Address((0x20010DB8 << 96) + run * 104729))
    arn = who.arn
    if arn is not None:
        arn = arn.replace(old, account)
        arn = arn if who.session is None or session is None else arn.replace(who.session, session)
    return replace(who, session=session, arn=arn, source_ip=source_ip, account_id=account if who.account_id == old else who.account_id)


def _rule(change: RuleChange, number: int, rare: bool, dice: random.Random) -> RuleChange:
    """Return a rule change with a rule id of its own; some with a peer or a description that no other has."""
    rule = change.rule
    rule_id = None if rule.rule_id is None else f"sgr-0{dice.getrandbits(64):016x}"
    peer, description, chance = rule.peer, rule.description, dice.random()
    if peer is not None and rare:
        peer, description = RARE_PEER, RARE_DESCRIPTION
    elif peer is not None and chance < 0.05:
        peer, description = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::/64", f"CHG-{number:07d}"
    before = change.before if change.before is None else replace(change.before, rule_id=rule_id)
    return RuleChange(change.action, replace(rule, rule_id=rule_id, peer=peer, description=description), before)


def fill(store: Store, events: Iterator[ChangeEvent], batch: int = BATCH) -> int:
    """Store events as live ones, in batches; return how many."""
    part: list[ChangeEvent] = []
    total = 0
    for event in events:
        part.append(event)
        if len(part) == batch:
            total += _store(store, part)
            part = []
    return total + (_store(store, part) if part else 0)


def _store(store: Store, part: Sequence[ChangeEvent]) -> int:
    units = frozenset(Unit(event.account_id, event.region) for event in part)
    result = store.append(Ingest(SOURCE, part[-1].event_time + timedelta(minutes=5), part, len(part), units=units))
    return len(result.stored)


def build(path: Path, count: int = EVENTS) -> Path:
    """Make a store of so many events at a path, unless there is one already; return the path. Takes some 2 minutes for a million."""
    with closing(open_store(path)) as store:
        held = store.stats().events
        if held == 0:
            store.go_live(SOURCE, NOW, BEGINNING)
            held = fill(store, events_of_years(count))
        if held != count:
            raise RuntimeError(f"{path} holds {held:,} events, not {count:,}; delete it to make it anew")
    return path


def main(arguments: Sequence[str]) -> int:
    """Build the store named by the arguments; return the exit code."""
    if not 1 <= len(arguments) <= 2:
        print("python -m bench.history_store PATH [EVENTS]", file=sys.stderr)
        return 2
    begin = time.monotonic()
    path = build(Path(arguments[0]), int(arguments[1]) if len(arguments) == 2 else EVENTS)
    print(f"{path}: {path.stat().st_size / 1e6:,.0f} MB, {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
