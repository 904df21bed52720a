"""What becomes of a trail's deliveries, in each region: when the last ones were and what was wrong with them."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

_KINDS = ("Delivery", "DigestDelivery", "Notification")


class Deliveries:
    """Remembers the last delivery of each kind (Delivery, DigestDelivery, Notification) for each trail and region."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, str], tuple[datetime | None, str | None]] = {}
        self._lock = threading.Lock()

    def note(self, kind: str, trail_arn: str, region: str, at: datetime, error: str | None) -> None:
        """Remember a delivery at a time; one that failed leaves the time of the last that did not."""
        assert kind in _KINDS
        with self._lock:
            before, _ = self._last.get((kind, trail_arn, region), (None, None))
            self._last[kind, trail_arn, region] = (before if error else at, error)

    def told(self, trail_arn: str, region: str) -> dict[str, Any]:
        """Return what GetTrailStatus tells of a trail in a region: `LatestDeliveryTime` in seconds, `LatestDeliveryError`, and so on."""
        told: dict[str, Any] = {}
        with self._lock:
            for kind in _KINDS:
                at, error = self._last.get((kind, trail_arn, region), (None, None))
                if at is not None:
                    told[f"Latest{kind}Time"] = at.timestamp()
                if error is not None:
                    told[f"Latest{kind}Error"] = error
        return told
