"""`open` without a file: what stands by the store, with who opened it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from exporter.cli.open_offline import Verdict
from exporter.cli.options import existing_store
from exporter.config import Config
from exporter.errors import ConfigError
from exporter.history import format_time
from exporter.history.look import pictures, sightings
from exporter.history.open_rows import open_row
from exporter.posture.judge import Judge
from exporter.posture.standing import Part, Standing
from exporter.store import Store, shown

_LATE = 3
"""How many intervals old a picture may be before that is said."""


def judge_store(config: Config, groups: Sequence[str], accounts: Sequence[str], regions: Sequence[str], now: datetime) -> Verdict:
    """Return what stands open in the pictures of the store, newest knowledge of who opened it with it. Raises ConfigError without any.

    A group of `groups` that is in none of them is a problem: nothing is known of it, which is not that it is closed.
    """
    store = existing_store(config)
    try:
        verdict = Verdict()
        judge = config.judge()
        found = False
        missing = dict.fromkeys(groups)
        for standing in pictures(store, accounts, regions):
            found = True
            for group in standing.groups or ():
                missing.pop(group.group_id, None)
            _judge(config, store, judge, standing, now, verdict)
        if not found:
            raise ConfigError(
                f"{config.store.key}: {shown(config.store.where)} holds no picture of what stands{_there(accounts, regions)}; "
                "run `poll` or `serve` with a configuration that reads from AWS, or judge a saved answer with --file"
            )
        verdict.problems += (f"{group_id}: no such group stands in what was read{_there(accounts, regions)}" for group_id in missing)
        return verdict
    finally:
        store.close()


def _there(accounts: Sequence[str], regions: Sequence[str]) -> str:
    return " there" if accounts or regions else ""


def _judge(config: Config, store: Store, judge: Judge, standing: Standing, now: datetime, verdict: Verdict) -> None:
    unit = standing.account_id, standing.region
    where = " ".join(unit)
    if standing.groups is None:
        verdict.problems.append(f"{where}: its groups could never be read whole; the log and `doctor` say why")
    read_at = standing.read_at.get(Part.GROUPS)
    if read_at is not None and now - read_at > _LATE * config.posture.poll_interval:
        verdict.notes.append(f"{where}: as it stood at {format_time(read_at.replace(microsecond=0))}, when it was last read whole")
    for sighting in sightings(store, standing, judge, now):
        event = sighting.opener.event
        since = event.event_time if event is not None else None
        verdict.rows.append(open_row(sighting.rule, *unit, since, event.principal.name if event is not None else None))
    for list_id in judge.unknown_lists(standing):
        verdict.problems.append(f"{where}: the entries of the prefix list {list_id} are not known, so what its rules open is not told")
    verdict.problems += (
        f"{where}: {group_id}: a rule from {peer} is not judged: that is no range of addresses, or a list with one that is none"
        for group_id, peer in judge.unreadable_peers(standing)
    )
