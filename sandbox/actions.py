"""Which actions were asked for, by whom and how often: what a policy of least privilege must allow, and what costs."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LOG = "SANDBOX_ACTION_LOG"
"""Environment variable that names a file to which every sandbox appends its log when it stops, a JSON line for each action."""

MOST = 100_000
"""So many different lines are kept; further ones are counted under the user agent and key `other`."""


@dataclass(frozen=True, slots=True, order=True)
class Action:
    """One line of the log: an action as IAM spells it, in an account and region, by an access key with its principal and user agent."""

    action: str
    account_id: str
    region: str
    access_key: str
    identity: str
    user_agent: str
    allowed: bool


class ActionLog:
    """Counts actions, from many threads."""

    def __init__(self) -> None:
        self._counts: Counter[Action] = Counter()
        self._lock = threading.Lock()

    def add(self, action: Action) -> None:
        """Count an action once more."""
        with self._lock:
            if action not in self._counts and len(self._counts) >= MOST:
                action = Action(action.action, action.account_id, action.region, "other", "other", "other", action.allowed)
            self._counts[action] += 1

    def counts(self) -> dict[Action, int]:
        """Return every action with how often it was asked for."""
        with self._lock:
            return dict(self._counts)

    def rows(self) -> list[dict[str, Any]]:
        """Return the same as plain rows, in order."""
        return [{**asdict(action), "count": count} for action, count in sorted(self.counts().items())]

    def save(self) -> None:
        """Append every action to the file that the environment names, if it names one; several sandboxes may share it."""
        name = os.environ.get(LOG)
        if name and (lines := "".join(f"{json.dumps(row)}\n" for row in self.rows())):
            with Path(name).open("ab", buffering=0) as file:
                file.write(lines.encode())

    def reset(self) -> None:
        """Begin anew."""
        with self._lock:
            self._counts.clear()
