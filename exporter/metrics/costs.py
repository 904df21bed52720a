"""What was spent within the last hour, minute by minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

_MINUTES = 60
_HOURS_A_DAY = 24

Payer = tuple[str, str]
"""An account and a service."""


class LastHour:
    """Amounts by payer and minute, for as long as an hour."""

    def __init__(self) -> None:
        self._spent: dict[Payer, deque[tuple[int, float]]] = {}
        self._minute = -1

    def add(self, payer: Payer, amount: float, seconds: float) -> None:
        """Add an amount at a time in seconds, which never goes back."""
        minute = int(seconds // 60)
        spent = self._spent.setdefault(payer, deque())
        if spent and spent[-1][0] == minute:
            amount += spent.pop()[1]
        spent.append((minute, amount))

    def passed(self, seconds: float) -> Iterator[tuple[Payer, float]]:
        """Yield what a day costs at the pace of the last hour, for each payer, if a minute has begun since the last time."""
        minute = int(seconds // 60)
        if minute == self._minute:
            return
        self._minute = minute
        for payer, spent in self._spent.items():
            while spent and spent[0][0] <= minute - _MINUTES:
                spent.popleft()
            yield payer, sum(amount for _minute, amount in spent) * _HOURS_A_DAY
