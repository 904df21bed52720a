"""Trails: which record here, and when the lights are out."""

from __future__ import annotations

import pytest

from exporter.checks.trails import TRAILS
from exporter.posture.standing import TrailLight
from tests.sights import NOW, given, sight, standing

LOGGING, RECORDING, UNKNOWN = "trail_logging", "trails_logging", "trails_unknown"

CASES = {
    "no trail": ((), {(RECORDING,): 0, (UNKNOWN,): 0}),
    "one that records": ((TrailLight("audit"),), {(LOGGING, "audit"): 1, (RECORDING,): 1, (UNKNOWN,): 0}),
    "one that is stopped": ((TrailLight("audit", gap="it is stopped"),), {(LOGGING, "audit"): 0, (RECORDING,): 0, (UNKNOWN,): 0}),
    "one of two": (
        (TrailLight("audit"), TrailLight("data", gap="its event selectors exclude management events")),
        {(LOGGING, "audit"): 1, (LOGGING, "data"): 0, (RECORDING,): 1, (UNKNOWN,): 0},
    ),
    "one that cannot be judged is not dark": ((TrailLight("org", unknown="refused"),), {(UNKNOWN,): 1}),
    "beside one that is stopped": (
        (TrailLight("audit", gap="it is stopped"), TrailLight("org", unknown="refused")),
        {(LOGGING, "audit"): 0, (UNKNOWN,): 1},
    ),
    "beside one that records": (
        (TrailLight("audit"), TrailLight("org", unknown="refused")),
        {(LOGGING, "audit"): 1, (RECORDING,): 1, (UNKNOWN,): 1},
    ),
}


@pytest.mark.parametrize(("trails", "expected"), CASES.values(), ids=CASES)
def test_the_lights_are_on_where_a_trail_records(trails, expected):
    """Otherwise somebody switches them off unseen, or a member of an organization is paged for ever."""
    found = given(TRAILS, sight(standing(trails=trails)))
    assert {key: value for key, value in found.items() if key[0] in {LOGGING, RECORDING, UNKNOWN}} == expected


def test_deliveries_and_validation_are_shown():
    """Otherwise a trail that logs into nothing passes for one that does."""
    trails = (
        TrailLight("audit", last_delivery=NOW, validates=True),
        TrailLight("broken", last_delivery=NOW, delivery_error="AccessDenied"),
        TrailLight("new"),
        TrailLight("org", unknown="the status is refused"),
        TrailLight("org2", unknown="the selectors are refused", last_delivery=NOW),
    )
    found = given(TRAILS, sight(standing(trails=trails)))
    assert {key[1:]: value for key, value in found.items() if key[0] == "trail_last_delivery_timestamp_seconds"} == {
        ("audit",): NOW.timestamp(),
        ("broken",): NOW.timestamp(),
        ("org2",): NOW.timestamp(),
    }
    assert {key[1]: value for key, value in found.items() if key[0] == "trail_delivery_failing"} == {
        "audit": 0,
        "broken": 1,
        "new": 0,
        "org2": 0,
    }
    assert {key[1]: value for key, value in found.items() if key[0] == "trail_validation_enabled"} == {
        "audit": 1,
        "broken": 0,
        "new": 0,
        "org": 0,
        "org2": 0,
    }


def test_trails_that_were_never_read_are_not_dark():
    """Otherwise a missing permission pages people at night."""
    assert given(TRAILS, sight()) == {}
