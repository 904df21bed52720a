"""Activity in a running sandbox: its accounts, its past, and the thread that acts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from exporter.demo.trail import TrailGenerator
from sandbox.activity import Activity
from sandbox.hands import Hands, introduce
from sandbox.server import Sandbox
from sandbox.world import World, build

MEMBERS = ("444455556666", "777788889999")
REGIONS = ("us-east-1", "eu-west-1")
_PAST_A_DAY = 400
_JOIN_SECONDS = 3.0


def world_of(account_id: str) -> World:
    """Return the accounts and regions of the activity: the sandbox's own account first."""
    return World((account_id, *(member for member in MEMBERS if member != account_id)), REGIONS)


@contextmanager
def acting(sandbox: Sandbox, seed: int, pause: timedelta, past: timedelta, told: Callable[[str], None]) -> Iterator[Activity]:
    """Build the world, then act in a thread until the block ends; what stands in `past` is in Event history only."""
    world, stop = world_of(sandbox.settings.account_id), threading.Event()
    introduce(sandbox.identities, sandbox.policies, world.accounts, sandbox.clock)
    _remember(sandbox, world, seed, past)
    hands = Hands(sandbox.url)
    build(hands, world)
    activity = Activity(hands, world, seed, told)
    sandbox.control.world = world.described(sandbox.url)
    told(f"activity in {', '.join(world.accounts)}, {' and '.join(world.regions)}")
    thread = threading.Thread(target=activity.run, args=(stop, pause.total_seconds()), name="activity", daemon=True)
    thread.start()
    try:
        yield activity
    finally:
        stop.set()
        thread.join(_JOIN_SECONDS)
        hands.close()


def _remember(sandbox: Sandbox, world: World, seed: int, past: timedelta) -> None:
    now = sandbox.clock()
    count = int(_PAST_A_DAY * past / timedelta(days=1))
    for made in TrailGenerator(seed, world.accounts, world.regions).records(count, now - past, now, change_share=0.3):
        # Event history has management events only.
        if made.record.get("eventCategory") == "Management":
            sandbox.keep.past(dict(made.record))
