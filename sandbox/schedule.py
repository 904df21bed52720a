"""When a record becomes visible, how often, and with what addendum.

Source: CloudTrail user guide, "CloudTrail record contents", addendum: a late record tells that it is (DELIVERY_DELAY); a
fuller version of a record (UPDATED_DATA) has an id of its own and names the original.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from sandbox.faults import NONE, Chance, Faults
from sandbox.journal import Journal, moment_of
from sandbox.moments import Clock


class Schedule:
    """Puts records into the journal."""

    def __init__(self, journal: Journal, clock: Clock, delay: timedelta, faults: Faults) -> None:
        self._journal, self._clock, self._delay, self._faults = journal, clock, delay, faults
        self._chance = Chance(faults.seed)

    def __call__(self, record: dict[str, Any]) -> None:
        """Keep a record: once and after the delay, if nothing is made to go wrong."""
        faults, chance = self._faults, self._chance
        visible_at = self._clock() + self._delay + (chance.up_to(faults.jitter) if faults.jitter > NONE else NONE)
        if chance.strikes(faults.late):
            visible_at += faults.late_by
            record = {**record, "addendum": {"reason": "DELIVERY_DELAY"}}
        self._journal.add(record, visible_at)
        if chance.strikes(faults.duplicate):
            self._journal.add(record, visible_at + self._delay)
        if chance.strikes(faults.updated):
            self._journal.add(_updated(record), visible_at + self._delay)

    def past(self, record: dict[str, Any]) -> None:
        """Keep a record of which every other road has told long ago: Event history shows it at once."""
        self._journal.add(record, self._clock(), tell=False)

    def recorded(self, record: dict[str, Any]) -> None:
        """Keep a record from elsewhere: every other road has told of it, and Event history shows it from its own time on."""
        self._journal.add(record, moment_of(record), tell=False)


def _updated(record: dict[str, Any]) -> dict[str, Any]:
    addendum = {
        "reason": "UPDATED_DATA",
        "updatedFields": "responseElements",
        "originalEventID": record["eventID"],
        **({"originalRequestID": record["requestID"]} if "requestID" in record else {}),
    }
    return {**record, "eventID": str(uuid4()), "addendum": addendum}
