"""Three replicas on one PostgreSQL and one queue, killed with -9 one after the other, PostgreSQL restarted under them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.fleet.fleet import Fleet
from tests.fleet.plan import small
from tests.fleet.shared import SharedDatabase
from tests.postgres_server import Server, directory_of_programs


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_replicas_that_die_count_each_change_once_poll_every_unit_and_show_the_same(tmp_path: Path, program) -> None:
    """Replicas are there to outlive one of them: a change that two count, a unit that died with its replica or pages that differ defeat them."""
    if directory_of_programs() is None:
        program("initdb")
    plan = small(1)
    with closing(Server()) as server:
        outcome = Fleet(plan, tmp_path, SharedDatabase(server)).run()
    assert outcome.faults() == []
    assert outcome.made >= plan.changes
    assert outcome.kills >= 3, "replicas that live prove little"
    assert outcome.restarts == 1
    assert {"cloudtrail", "s3"} <= outcome.brought_by.keys()
