"""Changes through all roads at once, with every fault switched on and the exporter killed with -9 every few seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.plan import small
from tests.soak.soak import Soak


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_change_counts_exactly_once_on_whatever_roads_it_comes(tmp_path: Path, seed: int) -> None:
    """A count that a fault, a kill or a second road moves, or a change that all of them lose, is what nobody can trust."""
    plan = small(seed)
    outcome = Soak(plan, tmp_path).run()
    assert outcome.made >= plan.changes
    assert outcome.kills >= 4, "an exporter that lives proves little"
    assert outcome.wrong == {}
    assert outcome.twice == 0
    assert outcome.longest <= plan.bound
    assert {"cloudtrail", "eventbridge", "s3-direct", "s3-by-sns", "cloudtrail-by-sns", "s3-by-eventbridge"} <= outcome.brought_by.keys()
