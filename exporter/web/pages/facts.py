"""What stands, for pages: facts of groups as the store has them, those of the overview remembered for some seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from exporter.history.overview import OpenCount
from exporter.history.standing import GroupFacts, group_facts
from exporter.model import Direction, Rule
from exporter.posture.judge import Judge, OpenRule
from exporter.store.base import Store
from exporter.web.pages.lines import rule_cells
from exporter.web.pages.render import address

_KEPT_SECONDS = 15.0
_MOST_KEPT = 256
_EXPOSURES = {
    "public": "reachable from the internet",
    "attached": "attached, nothing public",
    "unattached": "attached to nothing",
    "unknown": "exposure unknown",
}


@dataclass(frozen=True, slots=True)
class OpenLine:
    """One rule that lets the internet in, as a page shows it; `since` is at latest where `exactly` is False."""

    rule: str
    port_class: str
    exposure: str
    exposure_text: str
    exception: str
    since: datetime | None
    exactly: bool
    by: str
    by_link: str
    event_link: str


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """One group that stands open: what of it, how exposed, and since when by whom where that is known."""

    account_id: str
    region: str
    group_id: str
    name: str
    ports: str
    exposure: str
    exposure_text: str
    excepted: bool
    opening: OpenLine | None
    link: str


class Facts:
    """Asks the store about groups. Safe to use from several threads."""

    def __init__(self, store: Store, judge: Callable[[], Judge], now: Callable[[], datetime]) -> None:
        self._store, self._judge, self._now = store, judge, now
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, str], tuple[float, GroupFacts | None]] = {}

    def of_group(self, account_id: str, region: str, group_id: str) -> GroupFacts | None:
        """Return what is known of a group now."""
        return group_facts(self._store, self._judge(), account_id, region, group_id, self._now())

    def open_groups(self, counts: Sequence[OpenCount], most: int) -> list[OpenGroup]:
        """Return the groups of these counts in their order, at most so many, each once."""
        by_group: dict[tuple[str, str, str], list[OpenCount]] = {}
        for count in counts:
            by_group.setdefault((count.account_id, count.region, count.security_group_id), []).append(count)
        return [self._open_group(key, by_group[key]) for key in list(by_group)[:most]]

    def _open_group(self, key: tuple[str, str, str], counts: Sequence[OpenCount]) -> OpenGroup:
        account_id, region, group_id = key
        facts = self._remembered(key)
        lines = open_lines(facts) if facts else []
        worst = counts[0]
        known = [line for line in lines if line.since is not None and line.exactly and not line.exception]
        return OpenGroup(
            account_id,
            region,
            group_id,
            (facts.name if facts else None) or "",
            ", ".join(dict.fromkeys(f"{count.port_class} ({count.protocol})" for count in counts)),
            worst.exposure,
            _EXPOSURES.get(worst.exposure, worst.exposure),
            all(count.excepted for count in counts),
            max(known, key=_since) if known else lines[0] if lines else None,
            address("history", account_id=account_id, region=region, security_group_id=group_id),
        )

    def _remembered(self, key: tuple[str, str, str]) -> GroupFacts | None:
        clock = time.monotonic()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and clock < kept[0]:
            return kept[1]
        facts = self.of_group(*key)
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = clock + _KEPT_SECONDS, facts
        return facts


def _since(line: OpenLine) -> datetime:
    assert line.since is not None
    return line.since


def open_lines(facts: GroupFacts) -> list[OpenLine]:
    """Return what of a group is open: each rule once for a class of ports, whatever the IP version."""
    lines: dict[tuple[Rule, str, str], OpenLine] = {}
    for found, opener in zip(facts.open, facts.openers, strict=True):
        event = opener.event
        lines.setdefault(
            (found.rule, found.port_class, found.exception),
            OpenLine(
                _traffic(found),
                found.port_class,
                found.exposure.value,
                _EXPOSURES[found.exposure.value],
                found.exception,
                event.event_time if event else opener.not_after,
                event is not None,
                event.principal.name if event else "",
                address("principal", principal=event.principal.name) if event else "",
                address("event", event_id=event.event_id) if event else "",
            ),
        )
    return list(lines.values())


def _traffic(found: OpenRule) -> str:
    cells = rule_cells(found.rule)
    return f"{cells['traffic']} from {cells['peer']}"


def rule_tables(facts: GroupFacts) -> list[Mapping[str, object]]:
    """Return the rules of a group as two tables, what comes in and what goes out, each row with how it is exposed if it is open."""
    opened = {found.rule: found for found in reversed(facts.open)}
    tables: list[Mapping[str, object]] = []
    for title, direction, peer in (("Ingress", Direction.INGRESS, "From"), ("Egress", Direction.EGRESS, "To")):
        rules = [rule for rule in facts.rules or () if rule.direction is direction]
        # What the internet may use comes first, the rest as the reading has it.
        rules.sort(key=lambda rule: rule not in opened)
        rows = [{**rule_cells(rule), "open": rule in opened, **_exposed(opened.get(rule))} for rule in rules]
        tables.append({"title": title, "peer": peer, "rows": rows})
    return tables


def _exposed(found: OpenRule | None) -> dict[str, str]:
    if found is None:
        return {"exposure": "", "exposure_text": "", "exception": ""}
    return {"exposure": found.exposure.value, "exposure_text": _EXPOSURES[found.exposure.value], "exception": found.exception}
