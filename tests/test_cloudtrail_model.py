"""The walk against a model: whatever happens, whenever AWS shows it, and wherever the reading is cut, each event is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exporter.errors import AwsError
from tests.cloudtrail_history import EC2, WATCHED, History, Keeper, refused, throttled

OVERLAP = 600
SETTINGS: dict[str, Any] = {
    "overlap": "10m",
    "rescans": [{"every": "1h", "over": "6h"}, {"every": "12h", "over": "40d"}],
    "backfill": "3d",
}
NAMES = st.sampled_from([*[name for _, name in WATCHED], "DeleteTags"])
DELAYS = st.one_of(st.just(0), st.integers(0, OVERLAP - 5), st.integers(OVERLAP, 20 * 3600))
FAULTS = st.sampled_from([None, None, None, None, "unavailable", "throttled", "token", "denied"])


class Walked(RuleBasedStateMachine):
    """An account and region, an exporter, and all that may come between them."""

    @initialize(
        strategy=st.sampled_from(["auto", "names", "sweep"]),
        budget=st.sampled_from([None, timedelta(seconds=3)]),
        past=st.lists(st.tuples(st.integers(1, 80 * 3600), NAMES, DELAYS), max_size=12),
    )
    def begin(self, strategy: str, budget: timedelta | None, past: list[tuple[int, str, int]]) -> None:
        """Begin with some past."""
        self.history = History(page=3)
        self.keeper = Keeper(self.history, settings={**SETTINGS, "strategy": strategy}, budget=budget)
        for age, name, delay in past:
            self._happens(self.history.now - age, name, delay)

    def _happens(self, time: float, name: str, delay: float) -> None:
        # Service events may not say that they change anything.
        self.history.add(time, time + delay, name=name, source=EC2, read_only=None if name == "CreateVpcResourceCreation" else "false")

    @rule(names=st.lists(NAMES, min_size=1, max_size=9), delay=DELAYS, spread=st.sampled_from([0, 1, 30]))
    def happens(self, names: list[str], delay: int, spread: int) -> None:
        """Let calls be made, perhaps all in one second."""
        for number, name in enumerate(names):
            self._happens(self.history.now - spread * number, name, delay + spread * number if delay else spread * number)

    @rule(seconds=st.one_of(st.integers(1, 120), st.integers(120, 7200), st.integers(7200, 30 * 3600)))
    def passes(self, seconds: int) -> None:
        """Let time pass without the exporter."""
        self.history.now += seconds

    @rule(ahead=st.one_of(st.floats(-3, 3), st.integers(-200 * 86_400, 200 * 86_400)))
    def our_clock_is_set(self, ahead: float) -> None:
        """Set our clock wrong, or right."""
        self.history.ahead = ahead

    @rule(life=st.sampled_from([0, 1, 5, 3600]))
    def tokens_live(self, life: float) -> None:
        """Change how long tokens are good."""
        self.history.token_life = life

    @rule()
    def restarts(self) -> None:
        """Begin a new process."""
        self.keeper.restart()

    @rule(strategy=st.sampled_from(["auto", "names", "sweep"]))
    def is_configured(self, strategy: str) -> None:
        """Change the strategy, perhaps in the middle of a walk."""
        self.keeper.settings["strategy"] = strategy
        self.keeper.restart()

    @rule(every=st.integers(20, 400), rounds=st.integers(1, 12), meanwhile=st.lists(st.tuples(NAMES, DELAYS), max_size=6))
    def runs(self, every: int, rounds: int, meanwhile: list[tuple[str, int]]) -> None:
        """Poll for a while as in every quiet hour."""
        for number in range(rounds):
            if number < len(meanwhile):
                self._happens(self.history.now, *meanwhile[number])
            self.history.now += every
            error = self.keeper.poll()
            assert error is None or self.history.token_life < 60

    @rule(calls=st.integers(1, 8))
    def is_stopped(self, calls: int) -> None:
        """End in an orderly way after some calls."""
        asked = len(self.history.asked)
        self.keeper.stop = lambda: len(self.history.asked) >= asked + calls
        self.keeper.poll()
        self.keeper.stop = lambda: False
        self.keeper.restart()

    @rule(
        faults=st.lists(FAULTS, max_size=12), kill=st.none() | st.integers(0, 12), meanwhile=st.lists(st.tuples(NAMES, DELAYS), max_size=5)
    )
    def polls(self, faults: list[str | None], kill: int | None, meanwhile: list[tuple[str, int]]) -> None:
        """Poll, while calls fail, the process may die at any commit, and more happens between the calls."""
        coming, more, left = list(faults), list(meanwhile), [kill]

        def fault(request: Mapping[str, Any]) -> None:
            if more:
                self._happens(self.history.now, *more.pop())
            kind = coming.pop(0) if coming else None
            if kind == "throttled":
                raise throttled()
            if kind == "token" and "NextToken" in request:
                raise refused("InvalidNextTokenException")
            if kind in {"unavailable", "denied"}:
                raise AwsError("access_denied" if kind == "denied" else "unavailable", "it failed")

        def dies() -> bool:
            if left[0] is None:
                return False
            left[0] -= 1
            return left[0] < 0

        self.history.fault = fault
        error = self.keeper.poll(dies)
        assert error is None or faults or self.history.token_life < 60
        self.history.fault = lambda _request: None

    @invariant()
    def the_watermark_passes_nothing_unread(self) -> None:
        """All that was shown at once and lies before the watermark is stored, and the watermark is never ahead of AWS's clock."""
        if not (hasattr(self, "keeper") and any(key.startswith("live/") for key in self.keeper.cursors)):
            return
        live = self.keeper.live()
        assert live["watermark"] <= self.history.now
        for event in self.history.events:
            watched = (event.source, event.name) in WATCHED and event.read_only == "false"
            if watched and event.shown <= event.time + 1 and live["began"] <= event.time < live["watermark"]:
                assert event.event_id in self.keeper.stored, (event, live)

    @invariant()
    def nothing_is_late_that_came_within_the_overlap(self) -> None:
        """A count of late events that counts others says nothing."""
        if not (hasattr(self, "keeper") and self.keeper.late):
            return
        # What lies before the live line a re-scan may bring before the fill does; the store takes that for the past.
        began = self.keeper.live()["began"]
        for event in self.history.events:
            if event.event_id in self.keeper.late and event.read_only == "false" and event.time >= began:
                assert event.shown - event.time >= OVERLAP - 1, event

    def teardown(self) -> None:
        """In the end, when AWS has shown everything and answers, all of it is stored."""
        if not hasattr(self, "keeper"):
            return
        self.history.token_life, self.history.ahead = 3600, 0
        last = max((event.shown for event in self.history.events), default=0)
        end = max(self.history.now, last) + 13 * 3600
        while self.history.now < end:
            assert self.keeper.poll() is None
            self.history.now += 1800
        for _ in range(100):
            if not self.keeper.missing():
                break
            assert self.keeper.poll() is None
            self.history.now += 60
        assert self.keeper.missing() == set()
        assert not self.keeper.counts, "a gap was told, though none was there"


Walked.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
TestWalked = Walked.TestCase
