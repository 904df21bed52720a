"""Freshness: how old each part of the picture is, and how many changes wait for their event."""

from __future__ import annotations

from datetime import timedelta

from exporter.checks.freshness import FRESHNESS
from exporter.posture.standing import Part
from tests.sights import NOW, given, sight, standing


def test_each_part_that_was_read_tells_when():
    """Otherwise an old picture passes for one of now."""
    old = NOW - timedelta(hours=3)
    assert given(FRESHNESS, sight(standing(read_at={Part.GROUPS: NOW, Part.INTERFACES: old}), pending=2)) == {
        ("exporter_snapshot_timestamp_seconds", "groups"): NOW.timestamp(),
        ("exporter_snapshot_timestamp_seconds", "interfaces"): old.timestamp(),
        ("exporter_pending_rule_changes",): 2,
    }


def test_a_part_that_was_never_read_has_no_time():
    """Otherwise its age would be that of the epoch, or nothing at all."""
    assert given(FRESHNESS, sight()) == {("exporter_pending_rule_changes",): 0}
