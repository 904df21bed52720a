"""Made-up change events and a plain-Python model of what a store must make of them; imports nothing heavy."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.errors import MALFORMED_REASONS
from exporter.families import EVENT_FAMILIES, RECORDS, RECORDS_READ, Family, Labels
from exporter.model import (
    IGNORED_REASONS,
    ChangeEvent,
    Channel,
    Direction,
    Outcome,
    PeerType,
    Principal,
    PrincipalType,
    Resource,
    Rule,
    RuleAction,
    RuleChange,
    Unit,
)
from exporter.store.base import Ingest, SeriesRow

ACCOUNT = "111122223333"
REGION = "us-east-1"
GROUP = "sg-0123456789abcdef0"
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

ADDITIVE = frozenset(family.name for family in EVENT_FAMILIES if family.update == "add" and "_exporter_" not in family.name)
"""The counters of what AWS says. What the exporter says of itself there (contents that did not come) depends on which record came first."""

_CALLS = ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "CreateSecurityGroup")


def event_id(number: int) -> str:
    """Return the UUID of a made-up event; every seventh has a hash in its place."""
    digits = hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()
    return f"hash:{digits}" if number % 7 == 3 else str(uuid.UUID(digits))


def make_event(number: int = 1, **changes: Any) -> ChangeEvent:
    """Return a successful authorize of tcp 22 from anywhere, different in id and fingerprint for each number."""
    base: dict[str, Any] = {
        "event_id": event_id(number),
        "event_time": NOON,
        "account_id": ACCOUNT,
        "region": REGION,
        "event_source": "ec2.amazonaws.com",
        "event_name": "AuthorizeSecurityGroupIngress",
        "outcome": Outcome.SUCCESS,
        "channel": Channel.CLI,
        "principal": Principal(
            PrincipalType.ROLE,
            "role/Deploy",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/alice",
            "alice",
            ACCOUNT,
            "198.51.100.7",
            "aws-cli/2.15.30",
        ),
        "security_groups": (GROUP,),
        "resources": (Resource("AWS::EC2::SecurityGroup", GROUP),),
        "rule_changes": (rule_change(),),
        "opened_port_classes": ("admin",),
        "fingerprint": hashlib.blake2b(b"body %d" % number, digest_size=16).digest(),
        "raw": b'{"eventVersion":"1.11","eventID":"%s","eventName":"AuthorizeSecurityGroupIngress"}' % event_id(number).encode(),
    }
    return ChangeEvent(**(base | changes))


def rule_change(rule_id: str | None = "sgr-0123456789abcdef0", **changes: Any) -> RuleChange:
    """Return an added rule of tcp 22 from anywhere."""
    base: dict[str, Any] = {
        "direction": Direction.INGRESS,
        "rule_id": rule_id,
        "protocol": "tcp",
        "from_port": 22,
        "to_port": 22,
        "peer_type": PeerType.IPV4,
        "peer": "0.0.0.0/0",
    }
    return RuleChange(RuleAction.ADDED, Rule(**(base | changes)))


def other_body(event: ChangeEvent) -> ChangeEvent:
    """Return a record of the same id that is another call: a conflict."""
    return replace(event, event_name="DeleteSecurityGroup", fingerprint=hashlib.blake2b(event.fingerprint, digest_size=16).digest())


def addendum(event: ChangeEvent) -> ChangeEvent:
    """Return the fuller version of an event that CloudTrail delivers afterwards."""
    return replace(
        event,
        supersedes=True,
        content_known=True,
        rule_changes=(rule_change("sgr-0fedcba9876543210", from_port=443, to_port=443),),
        fingerprint=hashlib.blake2b(b"addendum" + event.fingerprint, digest_size=16).digest(),
        raw=event.raw + b" ",
    )


def ingest(*events: ChangeEvent, source: str = "files", at: datetime = NOON, **changes: Any) -> Ingest:
    """Return an Ingest of these events whose `read` adds up."""
    parts = sum(changes.get("ignored", {}).values()) + sum(changes.get("malformed", {}).values())
    return Ingest(source, at, events, **({"read": len(events) + parts} | changes))


def made_up(seed: int, count: int) -> list[ChangeEvent]:
    """Return a list of events as a trail may bring it: many of everything, duplicates, conflicts and addenda among them."""
    rng = random.Random(seed)
    events: list[ChangeEvent] = []
    whole: dict[str, ChangeEvent] = {}
    for number in range(count):
        if events and rng.random() < 0.3:
            earlier = rng.choice(events[-200:])
            fuller = addendum(whole.get(earlier.event_id, earlier))
            if rng.random() < 0.2:  # a second version, which changes the history only
                fuller = replace(fuller, security_groups=(*fuller.security_groups, "sg-0000000000000000f"))
            events.append(rng.choice((earlier, earlier, other_body(earlier), fuller)))
            continue
        account, region = rng.choice(((ACCOUNT, REGION), (ACCOUNT, "eu-west-1"), ("444455556666", REGION)))
        group = f"sg-{rng.randrange(40):017x}"
        name = f"role/{rng.choice(('Deploy', 'Admin', 'Terraform'))}"
        events.append(
            make_event(
                seed * 1_000_000 + number,
                event_time=NOON + timedelta(seconds=rng.randrange(-3600, 3600)),
                account_id=account,
                region=region,
                event_name=rng.choice(_CALLS),
                outcome=rng.choice((Outcome.SUCCESS, Outcome.SUCCESS, Outcome.DENIED, Outcome.NOOP)),
                channel=rng.choice(tuple(Channel)),
                principal=Principal(
                    PrincipalType.ROLE, name, f"arn:aws:sts::{account}:assumed-{name}/s{rng.randrange(9)}", f"s{rng.randrange(9)}"
                ),
                security_groups=(group,),
                resources=(Resource("AWS::EC2::SecurityGroup", group),),
                opened_port_classes=rng.choice(((), ("admin",), ("database", "web"))),
            )
        )
        if rng.random() < 0.15:  # AWS left out what was changed, and tells it in an addendum
            whole[events[-1].event_id] = events[-1]
            events[-1] = replace(events[-1], content_known=False, security_groups=(), resources=(), rule_changes=(), opened_port_classes=())
    return events


@dataclass
class Model:
    """What a store must hold after some ingests, told in the simplest words; lines between past and live by source and its unit."""

    lines: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    events: dict[str, ChangeEvent] = field(default_factory=dict)
    fingerprints: dict[str, bytes | None] = field(default_factory=dict)
    details: dict[str, ChangeEvent] = field(default_factory=dict)
    revealed: dict[str, ChangeEvent] = field(default_factory=dict)
    live: dict[str, bool] = field(default_factory=dict)
    pruned: set[str] = field(default_factory=set)
    sources: dict[str, list[str]] = field(default_factory=dict)
    values: dict[tuple[str, Labels], float] = field(default_factory=dict)
    cursors: dict[tuple[str, str], str] = field(default_factory=dict)
    late: dict[tuple[str, str, str, datetime], list[datetime]] = field(default_factory=dict)

    def hours(self) -> dict[tuple[str, str, str], dict[int, int]]:
        """Return how many events happened in each hour."""
        found: dict[tuple[str, str, str], dict[int, int]] = {}
        for event in self.events.values():
            hours = found.setdefault((event.account_id, event.region, event.channel.value), {})
            hour = int(event.event_time.timestamp()) // 3600
            hours[hour] = hours.get(hour, 0) + 1
        return found

    def _counted(self, event: ChangeEvent, batch: Ingest) -> None:
        """Take note of a live event that is counted more than half an hour late."""
        if batch.recorded_at - event.event_time > timedelta(minutes=30):
            end = batch.recorded_at.replace(second=0, microsecond=0) + timedelta(minutes=1)
            self.late.setdefault((event.account_id, event.region, event.channel.value, end), []).append(event.event_time)

    def prune(self, before: datetime) -> None:
        """Do to the model what `Store.prune` does to a store: a forgotten event stays what it was."""
        self.pruned |= {identity for identity, event in self.events.items() if event.event_time < before}

    def append(self, batch: Ingest) -> list[str]:
        """Do to the model what `Store.append` does to a store; return the ids of what came alive."""
        promoted: list[str] = []
        line = self.lines.setdefault((batch.source, batch.account_id, batch.region), batch.recorded_at).replace(microsecond=0)
        for unit in batch.units | {Unit(event.account_id, event.region) for event in batch.events}:
            for family in EVENT_FAMILIES:
                for labels in family.zeros(unit):
                    self.values.setdefault((family.name, labels), 0.0)
        for fate, reasons in (
            ("stored", ("",)),
            ("duplicate", ("", "conflict", "superseded")),
            ("ignored", IGNORED_REASONS),
            ("malformed", MALFORMED_REASONS),
        ):
            for reason in reasons:
                self._add(RECORDS.name, (batch.source, fate, reason), 0)
        self._add(RECORDS_READ.name, (batch.source,), batch.read)
        for event in batch.events:
            fate, reason = self._meet(event, batch, line, promoted)
            self._add(RECORDS.name, (batch.source, fate, reason), 1)
        for fate, counts in (("ignored", batch.ignored), ("malformed", batch.malformed)):
            for reason, count in counts.items():
                self._add(RECORDS.name, (batch.source, fate, reason), count)
        for name, labels, amount in batch.counts:
            self._add(name, labels, amount)
        for key, value in batch.cursors.items():
            if value is None:
                self.cursors.pop((batch.source, key), None)
            else:
                self.cursors[batch.source, key] = value
        return promoted

    def _meet(self, event: ChangeEvent, batch: Ingest, line: datetime, promoted: list[str]) -> tuple[str, str]:
        identity = event.event_id
        if identity not in self.events:
            self.events[identity] = self.details[identity] = event
            self.fingerprints[identity] = None if event.supersedes else event.fingerprint
            self.live[identity] = event.event_time >= line
            self.sources[identity] = [batch.source]
            if self.live[identity]:
                self._counted(event, batch)
            for family in EVENT_FAMILIES:
                if self.live[identity] or not family.live_only:
                    for labels, amount in family.contribute(event, batch.recorded_at):
                        self._meet_value(family.name, family.update, labels, amount)
            return "stored", ""
        conflict = not event.supersedes and self.fingerprints[identity] not in (None, event.fingerprint)
        if not conflict and not self.live[identity] and identity not in self.pruned and self.events[identity].event_time >= line:
            self._promote(identity, batch)
            promoted.append(identity)
        reason = ""
        if event.supersedes:
            held = self.details[identity]
            same = (held.rule_changes, held.security_groups) == (event.rule_changes, event.security_groups)
            if not (held.supersedes and same):
                self.details[identity] = event
                reason = "superseded"
                if not held.supersedes:
                    self.revealed[identity] = event
                    self._supplement(event, held, lambda family: self.live[identity] or not family.live_only)
        elif self.fingerprints[identity] is None:
            self.fingerprints[identity] = event.fingerprint
        elif conflict:
            return "duplicate", "conflict"
        if batch.source not in self.sources[identity]:
            self.sources[identity].append(batch.source)
        return "duplicate", reason

    def _promote(self, identity: str, batch: Ingest) -> None:
        """Count in the families of live events what would have counted had it been live when it came."""
        event, self.live[identity] = self.events[identity], True
        self._counted(event, batch)
        for family in EVENT_FAMILIES:
            if family.live_only:
                for labels, amount in family.contribute(event, batch.recorded_at):
                    self._meet_value(family.name, family.update, labels, amount)
        if identity in self.revealed:
            fuller = self.revealed[identity]
            fuller = replace(event, security_groups=fuller.security_groups, opened_port_classes=fuller.opened_port_classes)
            self._supplement(fuller, event, lambda family: family.live_only)

    def _supplement(self, event: ChangeEvent, held: ChangeEvent, meets: Callable[[Family], bool]) -> None:
        before = replace(event, security_groups=held.security_groups, opened_port_classes=held.opened_port_classes)
        for family in EVENT_FAMILIES:
            if family.update == "add" and meets(family):
                counted = {labels for labels, _ in family.contribute(before, NOON)}
                for labels, amount in family.contribute(event, NOON):
                    if labels not in counted:
                        self._add(family.name, labels, amount)

    def _add(self, family: str, labels: Labels, amount: float) -> None:
        self.values[family, labels] = self.values.get((family, labels), 0.0) + amount

    def _meet_value(self, family: str, update: str, labels: Labels, amount: float) -> None:
        if update == "add":
            self._add(family, labels, amount)
        else:
            known = self.values.get((family, labels), amount)
            self.values[family, labels] = min(known, amount) if update == "min" else max(known, amount)


def values(rows: Iterable[SeriesRow]) -> dict[tuple[str, Labels], float]:
    """Return series by family and labels."""
    return {(row.family, row.labels): row.value for row in rows}


def batches(events: Sequence[ChangeEvent], size: int) -> list[Sequence[ChangeEvent]]:
    """Return the events cut into runs of a size."""
    return [events[at : at + size] for at in range(0, len(events), size)]
