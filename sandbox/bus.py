"""CloudTrail's events on EventBridge, where rules send them on.

Source: EventBridge user guide, "AWS service events delivered via CloudTrail": writes only, and only while a trail logs.
"""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from typing import Any

from sandbox.backend import Backend
from sandbox.faults import Chance, Faults
from sandbox.journal import Entry, Journal, Unit
from sandbox.moments import Clock
from sandbox.trails import Trails

LARGEST = 256 * 1024
"""EventBridge drops what is larger, in bytes."""
_DETAIL_TYPES = {"AwsServiceEvent": "AWS Service Event via CloudTrail"}
_MOST_ENTRIES = 10


class Bus:
    """Sends each write to the default event bus of its account and region, `delay` after it was recorded."""

    def __init__(self, backend: Backend, journal: Journal, trails: Trails, clock: Clock, delay: timedelta, faults: Faults) -> None:
        self._backend, self._trails, self._clock, self._delay = backend, trails, clock, delay
        self._loss, self._chance = faults.bus_loss, Chance(faults.seed)
        self._waiting: list[tuple[datetime, Unit, Entry, bool]] = []
        self._lock = threading.Lock()
        journal.listen(self._collect)

    def _collect(self, unit: Unit, entry: Entry) -> None:
        # Delivery is best effort: what is lost here is nowhere to be asked for again.
        if not entry.record["readOnly"] and not self._chance.strikes(self._loss):
            logging = any(trail.covers(unit) for trail in self._trails.logging())
            with self._lock:
                self._waiting.append((self._clock() + self._delay, unit, entry, logging))

    def deliver(self) -> int:
        """Send what is due and return how many events that were."""
        now = self._clock()
        with self._lock:
            due = [waiting for waiting in self._waiting if waiting[0] <= now]
            self._waiting = [waiting for waiting in self._waiting if waiting[0] > now]
        trails = self._trails.logging() if due else []
        by_unit: dict[Unit, list[dict[str, Any]]] = {}
        for _, unit, entry, logging in due:
            body = json.dumps(entry.record, separators=(",", ":"))
            if (logging or any(trail.covers(unit) for trail in trails)) and len(body.encode()) <= LARGEST:
                by_unit.setdefault(unit, []).append(_entry(entry, body))
        for (account_id, region), entries in by_unit.items():
            for first in range(0, len(entries), _MOST_ENTRIES):
                document = {"Entries": entries[first : first + _MOST_ENTRIES]}
                self._backend.json_call("events", "AWSEvents.PutEvents", account_id, region, document)
        return sum(map(len, by_unit.values()))


def _entry(entry: Entry, body: str) -> dict[str, Any]:
    record = entry.record
    return {
        "Time": int(entry.event_time.timestamp()),
        "Source": f"aws.{record['eventSource'].partition('.')[0]}",
        "DetailType": _DETAIL_TYPES.get(record["eventType"], "AWS API Call via CloudTrail"),
        "Detail": body,
        "Resources": [],
    }
