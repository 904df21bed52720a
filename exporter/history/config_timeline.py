"""The timeline of AWS Config: what it recorded of security groups and prefix lists, in every account and region that is asked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from exporter.aws import Caller
from exporter.errors import SourceError
from exporter.history.config_actors import Actors
from exporter.history.config_items import KINDS
from exporter.history.config_refusals import NO_RECORDER, NOTHING_KNOWN, code_of
from exporter.history.config_rows import NAMED
from exporter.history.config_walk import SOURCE, Walk
from exporter.history.matching import Matcher
from exporter.history.places import Answer, Progress
from exporter.parse.record import Opened
from exporter.snapshots.asking import Asker, Stopping, Wait, wait
from exporter.snapshots.base import ReadContext
from exporter.snapshots.config_shapes import SECURITY_GROUP
from exporter.store.base import HistoryEvent, Query
from exporter.text import visible

_AT_ONCE = 8
_MOST_NAMED = 5


@dataclass(slots=True)
class _Told:
    """What one account and region told, one walk after the other."""

    where: str
    events: list[HistoryEvent] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    daily: bool = False
    unrecorded: str = ""

    def add(self, walk: Walk) -> None:
        """Take what a walk found, whole or not."""
        self.events += walk.found.values()
        self.daily |= walk.daily
        self.problems += walk.broken[:_MOST_NAMED]
        if len(walk.broken) > _MOST_NAMED:
            self.problems.append(f"{self.where}: {len(walk.broken) - _MOST_NAMED} more items could not be understood")


class ConfigTimeline:
    """A Place that shows the groups and prefix lists which a query names; AWS Config is asked by nothing but an id.

    `actors` finds who did it; `failed` is what could not even be asked.
    """

    name = SOURCE

    def __init__(
        self, callers: Sequence[Caller], actors: Actors, opened: Opened, *, waiting: Wait = wait, failed: Sequence[str] = ()
    ) -> None:
        self._callers, self._actors, self._opened, self._wait, self._failed = callers, actors, opened, waiting, tuple(failed)
        self._stop = threading.Event()

    def search(self, query: Query, now: datetime, progress: Progress = lambda _done, _all, _events: None) -> Answer:
        """Return the items that match as rows; what AWS refuses is a problem of the answer."""
        answer = Answer(problems=list(self._failed))
        resources = {name: KINDS[name[:3]] for name in query.security_groups if name[:3] in KINDS}
        others = [visible(name, 60) for name in query.security_groups if name not in resources]
        if not resources:
            answer.problems.append("AWS Config is asked for groups and prefix lists by their ids alone: name them (sg-…, pl-…)")
            return answer
        if others:
            answer.notes.append(f"AWS Config was not asked for {', '.join(others[:_MOST_NAMED])}: it is asked for sg-… and pl-… alone.")
        if not any(map(Matcher(Query(event_names=query.event_names)).matches, NAMED)):
            return answer
        steps = _Steps(len(self._callers), progress)
        with ThreadPoolExecutor(_AT_ONCE, "aws-config") as pool:
            try:
                told = list(pool.map(lambda caller: self._unit(caller, resources, query, now, steps), self._callers))
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        _summed(told, tuple(resources), answer)
        self._say_actors(query, answer)
        unique = {item.event.event_id: item for unit in told for item in unit.events}
        newest = sorted(unique.values(), key=lambda item: (item.event.event_time, item.event.event_id), reverse=True)
        answer.events = newest[query.offset : query.offset + query.limit]
        return answer

    def close(self) -> None:
        """End a search that is under way."""
        self._stop.set()

    def _unit(self, caller: Caller, resources: dict[str, str], query: Query, now: datetime, steps: _Steps) -> _Told:
        asker = Asker(caller, ReadContext(lambda: now, self._stop.is_set), self._wait)
        told = _Told(asker.where)
        for resource_id, kind in resources.items():
            walk = Walk(asker, kind, resource_id, query, now, self._actors, self._opened, steps.read)
            try:
                walk.run()
                told.known.add(resource_id)
            except Stopping:
                break
            except SourceError as error:
                code = code_of(error)
                if code == NO_RECORDER:
                    told.unrecorded = str(error)
                elif code != NOTHING_KNOWN:
                    told.problems.append(str(error))
            told.add(walk)
        steps.done()
        return told

    def _say_actors(self, query: Query, answer: Answer) -> None:
        """Say where who it was is not told because it could not be asked; rows are missing for it where a filter wants to know."""
        lacking = answer.problems if query.principals or query.text or query.rule_ids else answer.notes
        lacking += [f"Who did what AWS Config recorded could not be asked: {problem}" for problem in self._actors.problems]
        if self._actors.left_out:
            lacking.append(
                f"Who it was is not looked up for the last {self._actors.left_out} events that AWS Config names, which takes half a second "
                "each; --since and --limit choose fewer."
            )


def _summed(told: Sequence[_Told], resources: Sequence[str], answer: Answer) -> None:
    """Say what all accounts and regions together come to."""
    known = {name for unit in told for name in unit.known}
    unknown = [name for name in resources if name not in known]
    answer.problems += [problem for unit in told for problem in unit.problems]
    unrecorded = [unit for unit in told if unit.unrecorded]
    if unknown:
        # There it may be, and nobody recorded it.
        answer.problems += [unit.unrecorded for unit in unrecorded]
    elif unrecorded:
        answer.notes.append(f"AWS Config has no recorder in {_listed([unit.where for unit in unrecorded])}, and was not asked there.")
    if unknown and len(unrecorded) < len(told):
        asked = len(told) - len(unrecorded)
        answer.notes.append(
            f"AWS Config knows nothing of {_listed([visible(name, 60) for name in unknown])} where it records ({asked} "
            f"{'account and region' if asked == 1 else 'accounts and regions'} asked): it was never there, is older than AWS Config keeps "
            f"(7 years by default), or {SECURITY_GROUP} is not recorded."
        )
    for unit in told:
        if unit.daily:
            answer.notes.append(
                f"{unit.where}: AWS Config looks once a day there, so one row may stand for several changes of the 24 hours before it, and "
                "what was undone within them is in no row."
            )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


class _Steps:
    """How far all accounts and regions are, told to who watches."""

    def __init__(self, all_: int, progress: Progress) -> None:
        self._all, self._progress, self._lock = all_, progress, threading.Lock()
        self._done = self._items = 0

    def read(self, items: int) -> None:
        with self._lock:
            self._items += items
            self._progress(self._done, self._all, self._items)

    def done(self) -> None:
        with self._lock:
            self._done += 1
            self._progress(self._done, self._all, self._items)
