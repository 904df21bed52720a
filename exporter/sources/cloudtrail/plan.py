"""Which lookups cover what is watched, and which of them are cheapest.

A lookup by EventName finds the events of one name, of whatever service; the sweep (ReadOnly=false) finds all that changed anything.
Never by EventSource or resource: the first drowns in reads, the second misses the calls whose `Resources` AWS leaves empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from exporter.catalog import WATCH_SETS
from exporter.sources.cloudtrail.walk import EVERYTHING, SWEEP, Walk, by_name

PAGE = 50
"""Events on one page, the most that AWS gives."""

REASSESS = 6 * 3600
"""Seconds after which a sweep is tried again where it was dearer than the names."""

_TOLERANCE = 1.5
_LEAST_PAGES = 4
"""How much dearer than the names a sweep may become before it is given up: the choice must not flap."""

_WRITES = re.compile(
    r"(Accept|Activate|Add|Allocate|Apply|Assign|Associate|Attach|Authorize|Cancel|Change|Close|Copy|Create|Deactivate|Delete|Deregister"
    r"|Detach|Disable|Disassociate|Enable|Import|Invite|Leave|Modify|Move|Put|Reboot|Register|Reject|Release|Remove|Replace|Reset|Restore"
    r"|Revoke|Run|Schedule|Set|Start|Stop|Tag|Terminate|Unassign|Untag|Update|Upload)[A-Z]"
)
_CATALOG = frozenset(spec.event_name for specs in WATCH_SETS.values() for spec in specs)

SERVICE_EVENTS = (("ec2.amazonaws.com", "CreateVpcResourceCreation"),)
"""Events that no call makes. No sample in AWS's documentation tells whether they say `readOnly: false`, so sweeps may miss them."""

_SOME_READS = (
    ("ec2.amazonaws.com", "DescribeInstances"),
    ("iam.amazonaws.com", "GetUser"),
    ("kms.amazonaws.com", "Decrypt"),
    ("s3.amazonaws.com", "GetBucketPolicy"),
    ("secretsmanager.amazonaws.com", "GetSecretValue"),
    ("ssm.amazonaws.com", "GetParameter"),
    ("sts.amazonaws.com", "AssumeRole"),
)
"""Calls that CloudTrail takes for reads: patterns that match one of them want what no sweep shows."""

Wanted = Callable[[str, str], bool]

Mode = Literal["sweep", "names"]


class Cost(msgspec.Struct):
    """What is known of the costs in one account and region; saved, so that a restart does not measure anew.

    `rate` is pages of changes of any kind a second, as the last sweep saw them at `swept`.
    """

    mode: Mode = "sweep"
    rate: float | None = None
    swept: int = 0


class Plan:
    """Lookups for what is watched now: `names` is None where there is no end to them, and `wanted` tells of any.

    `blind` says that something is watched which these lookups do not show: patterns of calls that only read.
    """

    def __init__(self, strategy: str, names: Iterable[tuple[str, str]] | None, wanted: Wanted, *, rescans: bool) -> None:
        self._strategy = strategy
        self.names = None if names is None else tuple(sorted({name for _, name in names}))
        self.blind = self.names is None and strategy != "all" and any(wanted(*call) for call in _SOME_READS)
        events = [name for source, name in SERVICE_EVENTS if wanted(source, name)]
        unsure = [*events, *(name for name in self.names or () if not (name in events or name in _CATALOG or _WRITES.match(name)))]
        # A service event is at most an hour late that way, and a quiet poll stays one call.
        beside = unsure[len(events) :] if rescans else unsure
        self._sweep = (SWEEP, *map(by_name, beside))
        self._whole_sweep = (SWEEP, *map(by_name, unsure))

    @property
    def by_names(self) -> tuple[str, ...] | None:
        """The lookups of all names, None where they are endless."""
        return None if self.names is None else tuple(map(by_name, self.names))

    @property
    def thorough(self) -> tuple[str, ...]:
        """The lookups that read the past once: by name where that is possible, because it is cheap over any time."""
        if self._strategy == "all":
            return (EVERYTHING,)
        return self.by_names if self.by_names is not None else self._whole_sweep

    def accepts(self, queries: Sequence[str], *, rescan: bool = False) -> bool:
        """Tell whether lookups chosen earlier still cover what is watched now."""
        known = {(EVERYTHING,), self._whole_sweep if rescan else self._sweep, self.by_names}
        return tuple(queries) in ({(EVERYTHING,)} if self._strategy == "all" else known)

    def choose(self, cost: Cost, seconds: int, now: int, *, rescan: bool = False) -> tuple[str, ...]:
        """Return the lookups for a stretch of time."""
        names, sweep = self.by_names, self._whole_sweep if rescan else self._sweep
        if self._strategy == "all":
            return (EVERYTHING,)
        if names is None or self._strategy == "sweep":
            return sweep
        if self._strategy == "names":
            return names
        known = cost.rate is not None and (cost.mode == "sweep" or now - cost.swept < REASSESS)
        expected = len(sweep) + ((cost.rate or 0) * seconds if known else 0)
        bearable = len(names) * (_TOLERANCE if cost.mode == "sweep" else 1)
        return sweep if expected <= bearable else names

    def too_dear(self, walk: Walk) -> bool:
        """Tell whether a walk has become so long that the names would have cost less; false where there is no choice."""
        return self._swept_by_choice(walk) and not walk.complete and walk.pages >= max(len(self.names or ()) * _TOLERANCE, _LEAST_PAGES)

    def learn(self, cost: Cost, walk: Walk, now: int) -> None:
        """Take in what a walk cost, at its end or where it was given up."""
        if not self._swept_by_choice(walk):
            return
        walked = walk.end - (walk.start if walk.complete else min(walk.reached or walk.end, walk.end)) + 1
        # Pages may be less than full, and each costs a call.
        cost.rate, cost.swept = max(walk.events / PAGE, walk.pages - 1) / walked, now
        cost.mode = "sweep" if walk.complete and walk.pages <= len(self.names or ()) * _TOLERANCE else "names"

    def _swept_by_choice(self, walk: Walk) -> bool:
        return self._strategy == "auto" and self.names is not None and walk.queries[:1] == (SWEEP,)
