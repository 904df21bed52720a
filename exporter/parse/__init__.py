"""From a CloudTrail record, of any source and in any dialect, to a typed event: pure, no I/O."""

from __future__ import annotations

from exporter.parse.record import Opened, RecordParser

__all__ = ["Opened", "RecordParser"]
