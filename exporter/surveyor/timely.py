"""Leaves out of a reading what is older than what is kept: two that read one unit at once must not take the picture back in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from exporter.posture.standing import Part, Reading
from exporter.snapshots.documents import Picture

_FIELDS = {
    Part.GROUPS: "groups",
    Part.PREFIX_LISTS: "prefix_lists",
    Part.INTERFACES: "attachments",
    Part.LOAD_BALANCERS: "balanced",
    Part.TRAILS: "trails",
    Part.RECORDER: "recorder",
}


def timely(reading: Reading, picture: Picture | None, now: datetime) -> Reading:
    """Return a reading without the parts of which a later one is kept already.

    Where that is later than now, the clock was set back, and the reading stands.
    """
    kept = picture.read_at if picture is not None else {}
    late = {part for part, at in kept.items() if reading.started_at < at <= now}
    if not late:
        return reading
    left_out: dict[str, Any] = {_FIELDS[part]: None for part in late}
    return replace(reading, untold=reading.untold - late, **left_out)
