"""From readings of what stands to pictures, rule changes and who made them: the other half of the poller."""

from __future__ import annotations

from exporter.surveyor.joining import watched_kinds
from exporter.surveyor.survey import Surveyor

__all__ = ["Surveyor", "watched_kinds"]
