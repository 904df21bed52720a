"""How the rules of one group (or the entries of one prefix list) changed between readings, and what the join made of it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exporter.model import Rule, RuleChange


@dataclass(frozen=True, slots=True)
class Version:
    """The rules that stood from some time on; None where the group did not exist.

    They came to be after `after` (when the last reading that still showed the version before was begun) and not later than
    `until` (when the first reading that showed this one had ended); `after` is None for the first version ever read, which nothing
    must explain. `begun` is when the reading that ended at `until` was begun. `settled` says that no event is awaited any more;
    `unexplained` is what was counted as such, under the event id `entry` in the history, until an event explained it after all.
    """

    rules: tuple[Rule, ...] | None
    after: datetime | None = None
    until: datetime | None = None
    settled: bool = False
    unexplained: tuple[RuleChange, ...] = ()
    entry: str = ""
    begun: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chronicle:
    """All versions of one group or prefix list that are remembered, oldest first; the last one stands now.

    Entries of a prefix list are rules that have a peer, a peer type and a description, and nothing else, as in its events.
    `owned` says that its changes are recorded in this very account: not so for a prefix list that AWS or another account shares.
    """

    kind: str
    id: str
    name: str = ""
    versions: tuple[Version, ...] = ()
    owned: bool = True


EVENT_SOURCE = "aws-change-exporter"
"""The event source of entries of the history that no record brought; AWS's own are names of hosts."""

GROUP, PREFIX_LIST = "group", "prefix_list"
"""The kinds of chronicles."""


@dataclass(frozen=True, slots=True)
class Amendment:
    """What the rules that stood before and after say about an event that is stored already.

    `rule_changes` replace those of the event (with `before`, direction, lost rules filled in); `security_groups` are groups that
    it touched beside those that its record names (a prefix list's edit), `opened_port_classes` all classes that it opened.
    """

    event_id: str
    rule_changes: tuple[RuleChange, ...]
    security_groups: tuple[str, ...] = ()
    opened_port_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unexplained:
    """Rule changes of one group or list that no event explains, and between which times they were made.

    `entry` is the event id under which the history names them; `opened_port_classes` are the classes that they opened, in
    `security_groups`: the group itself, or the groups that an edit of a prefix list opened.
    """

    kind: str
    id: str
    changes: tuple[RuleChange, ...]
    after: datetime
    until: datetime
    entry: str = ""
    security_groups: tuple[str, ...] = ()
    opened_port_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """What the join of one chronicle with its events comes to: the chronicle as it is to be kept, and what is to be told.

    `pending` counts rule changes that still wait for an event; `explained` are entries of the history (see Version.entry) that a
    late event explains after all, each with the id of that event.
    """

    chronicle: Chronicle
    amendments: tuple[Amendment, ...] = ()
    unexplained: tuple[Unexplained, ...] = ()
    pending: int = 0
    explained: tuple[tuple[str, str], ...] = ()
