"""Changes of every kind by chance, readings that fail, events that come late, an exporter that is killed: all counts and histories true."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.posture_soak.plan import Plan
from tests.posture_soak.soak import Soak

PLANS = {
    "nothing fails": Plan(seed=3, rounds=3, changes=14, dark=0.2, faults=False),
    "readings fail and events are late": Plan(seed=6, rounds=4, changes=10),
    "lists and groups change together": Plan(seed=11, rounds=3, changes=14, dark=0.2, faults=False, tangled=True),
    "killed at any instant": Plan(seed=2, rounds=1, changes=12, dark=0.3, faults=False, serve=True, deadliness=0.4),
}


@pytest.mark.soak
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_what_is_shown_and_stored_is_what_happened(tmp_path: Path, plan: Plan) -> None:
    """A gauge that is not what stood at the reading, a dark change that counts never or twice, a false before or a false name mislead."""
    outcome = Soak(plan, tmp_path).run()
    assert outcome.wrong == []
    assert outcome.rounds == plan.rounds
    assert outcome.events, "nothing was recorded"
    assert outcome.dark, "nothing was done in the dark"
    assert not plan.serve or outcome.kills
