"""Findings as one answer: a summary with equal findings folded, and JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from exporter.doctor.base import STATUSES, Finding, Status

_SHOWN_SUBJECTS = 5


def worst(findings: Sequence[Finding]) -> Status:
    """Return failure, else warning, else ok."""
    statuses = {finding.status for finding in findings}
    return "failure" if "failure" in statuses else "warning" if "warning" in statuses else "ok"


def folded(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with those that say the same of many subjects in one, whose subject names some and counts the rest."""
    alike: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((finding.check, finding.status, finding.detail, finding.remedy), []).append(finding)
    return [replace(group[0], subject=_subjects([finding.subject for finding in group])) for group in alike.values()]


def _subjects(subjects: Sequence[str]) -> str:
    if len(subjects) <= _SHOWN_SUBJECTS:
        return ", ".join(subjects)
    return f"{', '.join(subjects[:_SHOWN_SUBJECTS])} and {len(subjects) - _SHOWN_SUBJECTS} more"


def summary(findings: Sequence[Finding]) -> str:
    """Return how many findings of each status there are, in words."""
    counts = {status: sum(finding.status == status for finding in findings) for status in STATUSES}
    plural = {"failure": "failures", "warning": "warnings"}
    return ", ".join(f"{count} {plural.get(status, status) if count != 1 else status}" for status, count in counts.items() if count)


def to_json(findings: Sequence[Finding]) -> str:
    """Return one JSON object: `status` of the whole, and every finding unfolded."""
    return json.dumps({"status": worst(findings), "findings": [asdict(finding) for finding in findings]}, indent=2) + "\n"
