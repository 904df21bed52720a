"""Every permission and every setting tried once, each with what to do about it. One check is one function and one row of CHECKS."""

from __future__ import annotations

from exporter.doctor.base import Examination, Finding, Status
from exporter.doctor.checks import CHECKS, examine
from exporter.doctor.permissions import PERMISSIONS
from exporter.doctor.report import folded, summary, to_json, worst
from exporter.doctor.run import run

__all__ = ["CHECKS", "PERMISSIONS", "Examination", "Finding", "Status", "examine", "folded", "run", "summary", "to_json", "worst"]
