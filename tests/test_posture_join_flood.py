"""A flood of calls on one group: what a join costs grows with the calls, and not with their square."""

from __future__ import annotations

import pytest

from exporter.posture.replay import Track
from tests.posture_truth import rule
from tests.test_posture_join import authorize, chronicle, joined, revoke


@pytest.mark.parametrize("pairs", [100, 400])
def test_rules_that_came_and_went_are_not_gone_through_with_every_call(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand calls, as of an allow list that somebody's script keeps, took minutes of every reading for two days."""
    looked: list[Track] = []
    value = Track.value.fget

    def counting(self: Track) -> object:
        looked.append(self)
        return value(self)

    monkeypatch.setattr(Track, "value", property(counting))
    events = []
    for number in range(pairs):
        made = rule(f"198.51.{number // 250}.{number % 250}/32", 22, f"sgr-{number}")
        events += [authorize(100 + 4 * number, made, event_id=f"a{number}"), revoke(102 + 4 * number, made, event_id=f"r{number}")]
    end = 300 + 4 * pairs
    found = joined(chronicle((0, ()), (end, (rule("192.0.2.0/24", 443, "sgr-x"),))), *events, read_until=None)
    assert found.pending == 1
    assert len(looked) < 100 * pairs
