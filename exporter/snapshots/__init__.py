"""Reads what stands in AWS: rules and what decides what they mean, from EC2 or AWS Config, in one shape either way."""

from __future__ import annotations

from exporter.snapshots.base import ReadContext, Reader
from exporter.snapshots.lights import LightsReader
from exporter.snapshots.units import Choice, Readers

__all__ = ["Choice", "LightsReader", "ReadContext", "Reader", "Readers"]
