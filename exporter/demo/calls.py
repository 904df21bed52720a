"""The values of the made-up trail: a call before it is a record, and what a reader must find in the record."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exporter.model import Channel, Outcome, PrincipalType, Unit


@dataclass(frozen=True, slots=True)
class Call:
    """What a call asks, what it is answered, and what it changed."""

    event_source: str
    event_name: str
    request: Any = None
    response: Any = None
    read_only: bool = False
    error_code: str | None = None
    error_message: str | None = None
    outcome: Outcome = Outcome.SUCCESS
    change: bool = False
    security_groups: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a record means. `change` tells the calls that change security groups (the core events of the catalog) from the rest.

    `security_groups`, `opened` and `outcome` are as model.ChangeEvent has them; `opened` is () unless the call succeeded.
    """

    event_id: str
    event_time: datetime
    unit: Unit
    event_source: str
    event_name: str
    outcome: Outcome
    change: bool
    principal: str
    principal_type: PrincipalType
    channel: Channel
    security_groups: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """One record in AWS's key order, with its truth."""

    record: dict[str, Any]
    truth: Truth


class Ids:
    """Gives ids in AWS's forms; the same seed gives the same ids."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._count = 0

    def resource(self, prefix: str) -> str:
        """Return the next id of 17 hex digits that begins as the documentation's ids do."""
        self._count += 1
        return f"{prefix}-0123456789{self._count:07x}"

    def uuid(self) -> str:
        """Return a random UUID (version 4)."""
        bits = f"{self._chance.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"

    def letters(self, count: int, alphabet: str) -> str:
        """Return random letters."""
        return "".join(self._chance.choices(alphabet, k=count))
