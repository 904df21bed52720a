"""Searching Event history with a fake of it: what fails is said, what is interrupted ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from exporter.catalog import Watch
from exporter.errors import AwsError
from exporter.history.event_history import EventHistory
from exporter.logs import make_logger
from exporter.store.base import Query
from tests.cloudtrail_history import History, at, raising, throttled

QUERY = Query(event_names=("AuthorizeSecurityGroupIngress",), limit=1000)


def history(*sides: History) -> EventHistory:
    """Return a search over fakes."""
    return EventHistory(sides, Watch(), lambda _changes: (), make_logger("error", "console"), sleep=lambda _seconds: None)


def full(count: int, **more: Any) -> History:
    """Return a fake in which something happened every ten seconds."""
    side = History(**more)
    for number in range(count):
        side.add(side.now - 100 - number * 10)
    return side


def test_many_pages_are_read_and_no_more_than_are_asked_for() -> None:
    """Two calls a second: the newest ten of ninety days must not take an hour."""
    side = full(230)
    assert len(history(side).search(QUERY, at(side.now)).events) == 230
    side.asked.clear()
    (newest, *_others) = history(side).search(Query(event_names=QUERY.event_names, limit=10), at(side.now)).events
    assert newest.event.event_id == side.events[0].event_id
    assert len(side.asked) == 1


def test_a_search_may_be_made_again() -> None:
    """What one search leaves behind must not cut the next."""
    side = full(120)
    search = history(side)
    for _ in range(2):
        assert len(search.search(QUERY, at(side.now)).events) == 120


def test_what_was_read_before_it_failed_is_shown_and_the_failure_is_said() -> None:
    """Half an answer that says so is better than none, and than one that does not."""
    broken, whole = full(120, region="us-east-1", fault=raising(None, AwsError("unavailable", "it broke"))), full(3)
    answer = history(broken, whole).search(QUERY, at(whole.now))
    assert answer.problems == ["it broke"]
    assert len({found.event.event_id for found in answer.events}) == 50


def test_throttles_are_waited_out() -> None:
    """An investigation shares the limit with the exporter itself."""
    side = full(60, fault=raising(throttled(), None, throttled(), throttled()))
    answer = history(side).search(QUERY, at(side.now))
    assert (answer.problems, len(answer.events)) == ([], 60)


def test_bounds_are_those_of_the_store() -> None:
    """`--since` is inclusive and `--until` is not, wherever one looks."""
    side = full(10)
    times = sorted(event.time for event in side.events)
    query = Query(event_names=QUERY.event_names, since=at(times[2]), until=at(times[7]))
    now = at(side.now)
    found = history(side).search(query, now).events
    assert sorted(item.event.event_time for item in found) == [at(time) for time in times[2:7]]
    assert all(item.recorded_at == now for item in found)


def test_records_that_cannot_be_understood_are_counted_aloud() -> None:
    """Nothing is dropped in silence."""
    side = full(3)
    side.add(side.now - 50, text="{")
    answer = history(side).search(QUERY, at(side.now))
    assert len(answer.events) == 3
    assert answer.notes == ["account 111122223333, region eu-west-1: 1 records could not be understood."]


def test_an_interrupt_ends_the_search_instead_of_reading_on() -> None:
    """Ctrl-C with two hundred regions to go."""
    sides = [full(5, region=f"r-{number}") for number in range(60)]

    def interrupted(_done: int, _all: int, _events: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        history(*sides).search(QUERY, at(sides[0].now), interrupted)
    assert sum(bool(side.asked) for side in sides) < 60


def test_a_clock_of_ours_that_is_behind_is_said() -> None:
    """The newest events would be missing without a word."""
    side = full(3)
    answer = history(side).search(QUERY, at(side.now) - timedelta(minutes=10))
    assert any("behind AWS's" in note for note in answer.notes)
