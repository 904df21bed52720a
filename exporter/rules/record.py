"""A recording rule, as code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One recording rule; name and expression may hold `${threshold}` of the alert that it serves; `why` is a comment in the file."""

    name: str
    expr: str
    why: str = ""
