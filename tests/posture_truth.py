"""A security group with a true history: calls with their events, changes without any, and readings of what stood when."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from exporter.model import (
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
)

ACCOUNT, REGION, GROUP_ID = "111122223333", "eu-west-1", "sg-0123456789abcdef0"
START = datetime(2026, 11, 1, 12, tzinfo=UTC)

KNOWN_PEERS = ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "192.0.2.0/24", "198.51.100.0/24")
DARK_PEERS = tuple(f"203.0.113.{n}/32" for n in range(4))
SAYINGS = (None, "", "office", "vpn")


def moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(name, seconds, changes=(), event_id=None, group=GROUP_ID, **more):
    """An event as the parser makes it, of a call that succeeded unless told otherwise."""
    fields = {
        "event_id": event_id or f"{name}-{seconds}",
        "event_time": moment(int(seconds)),
        "account_id": ACCOUNT,
        "region": REGION,
        "event_source": "ec2.amazonaws.com",
        "event_name": name,
        "outcome": Outcome.SUCCESS,
        "channel": Channel.CLI,
        "principal": Principal(PrincipalType.IAM_USER, "user/alice"),
        "security_groups": (group,) if group else (),
        "resources": (Resource("AWS::EC2::SecurityGroup", group),) if group else (),
        "rule_changes": tuple(changes),
    }
    return ChangeEvent(**{**fields, **more})


def rule(peer="192.0.2.0/24", port=22, rule_id=None, description=None, direction=Direction.INGRESS, to_port=None):
    kind = (
        PeerType.IPV6
        if ":" in peer
        else PeerType.PREFIX_LIST
        if peer.startswith("pl-")
        else PeerType.SECURITY_GROUP
        if peer.startswith("sg-")
        else PeerType.IPV4
    )
    return Rule(direction, rule_id, "tcp", port, port if to_port is None else to_port, kind, peer, description)


@dataclass
class Truth:
    """Plays a random history; what it did stands in `events`, `readings`, and the true truly_before by event id."""

    chance: random.Random
    records_tell_ids: bool = True
    answers: bool = True
    dark: bool = True
    rules: dict[str, Rule] = field(default_factory=dict)
    exists: bool = True
    now: float = 0.0
    events: list[ChangeEvent] = field(default_factory=list)
    truly_before: dict[str, Rule] = field(default_factory=dict)
    lost: dict[str, set[Rule]] = field(default_factory=dict)
    readings: list[tuple[float, float, tuple[Rule, ...] | None]] = field(default_factory=list)
    past: list[tuple[float, tuple[Rule, ...] | None]] = field(default_factory=list)
    said_at: set[tuple[str, int]] = field(default_factory=set)
    count: int = 0

    def new_id(self, what: str) -> str:
        self.count += 1
        return f"{what}-{self.count:04d}{self.chance.randrange(16**8):08x}"

    def new_event(self, name, changes=(), **more) -> ChangeEvent:
        made = event(name, self.now, changes, f"{self.chance.randrange(16**12):012x}", **more)
        self.events.append(made)
        return made

    def standing(self) -> tuple[Rule, ...] | None:
        return tuple(self.rules.values()) if self.exists else None

    def remember(self) -> None:
        self.past.append((self.now, self.standing()))

    def of(self, peers) -> list[Rule]:
        return [r for r in self.rules.values() if r.peer in peers]

    def free(self, peers) -> Rule | None:
        taken = {(r.direction, r.from_port, r.peer) for r in self.rules.values()}
        places = [(d, port, peer) for d in Direction for port in (22, 443) for peer in peers if (d, port, peer) not in taken]
        if not places:
            return None
        direction, port, peer = self.chance.choice(places)
        return rule(peer, port, self.new_id("sgr"), self.chance.choice(SAYINGS), direction)

    def recorded(self, one: Rule) -> Rule:
        return one if self.records_tell_ids else replace(one, rule_id=None)

    # Calls.

    def authorize(self) -> None:
        new = self.free(KNOWN_PEERS)
        if new is not None:
            self.rules[new.rule_id] = new
            self.new_event(f"AuthorizeSecurityGroup{new.direction.value.title()}", [RuleChange(RuleAction.ADDED, self.recorded(new))])

    def revoke(self) -> None:
        if old := self.of(KNOWN_PEERS):
            gone = self.chance.choice(old)
            del self.rules[gone.rule_id]
            told = gone
            if not self.answers:
                by_id = self.records_tell_ids and self.chance.random() < 0.5
                told = Rule(direction=gone.direction, rule_id=gone.rule_id) if by_id else replace(gone, rule_id=None, description=None)
            made = self.new_event(f"RevokeSecurityGroup{gone.direction.value.title()}", [RuleChange(RuleAction.REMOVED, told)])
            if told.protocol is None:
                self.truly_before[made.event_id] = gone

    def modify(self) -> None:
        if not self.records_tell_ids:
            return  # EC2 has had this call as long as its answers have ids (July 2021)
        old = [r for r in self.of(KNOWN_PEERS) if (r.rule_id, int(self.now)) not in self.said_at]
        new = self.free(KNOWN_PEERS)
        if old and new is not None:
            was = self.chance.choice(old)
            if self.chance.random() < 0.2:
                new = was
            now = replace(was, peer=new.peer, from_port=new.from_port, to_port=new.to_port, description=self.chance.choice(SAYINGS[1:]))
            if any(
                o.peer == now.peer and o.from_port == now.from_port and o.direction is now.direction and o is not was
                for o in self.rules.values()
            ):
                return
            self.said_at.add((was.rule_id, int(self.now)))
            self.rules[was.rule_id] = now
            told = replace(now, direction=None)
            self.truly_before[self.new_event("ModifySecurityGroupRules", [RuleChange(RuleAction.MODIFIED, told)]).event_id] = was

    def describe(self) -> None:
        old = [r for r in self.of(KNOWN_PEERS) if (r.rule_id, int(self.now)) not in self.said_at]
        if old:
            was = self.chance.choice(old)
            self.said_at.add((was.rule_id, int(self.now)))
            now = self.rules[was.rule_id] = replace(was, description=self.chance.choice(SAYINGS))
            by_id = self.records_tell_ids and self.chance.random() < 0.5
            told = Rule(was.direction, was.rule_id, description=now.description) if by_id else replace(now, rule_id=None)
            name = f"UpdateSecurityGroupRuleDescriptions{was.direction.value.title()}"
            self.truly_before[self.new_event(name, [RuleChange(RuleAction.DESCRIBED, told)]).event_id] = was

    def darkly(self) -> None:
        """Change a rule of those that no call ever touches, and leave no event."""
        what, old = self.chance.randrange(3), self.of(DARK_PEERS)
        if what == 0 and (new := self.free(DARK_PEERS)) is not None:
            self.rules[new.rule_id] = new
        elif what == 1 and old:
            del self.rules[self.chance.choice(old).rule_id]
        elif what == 2 and old:
            was = self.chance.choice(old)
            self.rules[was.rule_id] = replace(was, description=self.chance.choice(SAYINGS))

    def delete(self) -> None:
        self.lost[self.new_event("DeleteSecurityGroup").event_id] = set(self.rules.values())
        self.rules, self.exists = {}, False

    def read(self, ids: bool) -> None:
        begun = self.now
        self.now += self.chance.choice((0, 0, 3, 20))
        self.remember()
        # What EC2 answers may be some seconds old, but it does not go back behind what it said before.
        oldest = max(begun - self.chance.choice((0, 0, 5, 40)), self.looked)
        looked = self.looked = self.chance.uniform(oldest, self.now)
        shown = [standing for at, standing in self.past if at <= looked][-1]
        if shown is not None and not ids:
            shown = tuple(replace(r, rule_id=None) for r in shown)
        self.readings.append((begun, self.now, shown))

    looked: float = 0.0

    def play(self, steps: int, ids: bool) -> None:
        for _ in range(self.chance.randrange(6)):
            new = self.free(KNOWN_PEERS + DARK_PEERS if self.dark else KNOWN_PEERS)
            if new is not None:
                self.rules[new.rule_id] = new
        self.remember()
        self.read(ids)
        calls = [self.authorize, self.authorize, self.revoke, self.modify, self.modify, self.describe]
        for _ in range(steps):
            self.now += self.chance.choice((0, 0, 1, 2, 30, 100, 300))
            if self.exists and self.chance.random() < 0.7:
                (self.darkly if self.dark and self.chance.random() < 0.3 else self.chance.choice(calls))()
                self.remember()
            else:
                self.read(ids)
        if self.exists and self.chance.random() < 0.3:
            self.delete()
            self.remember()
        self.now += 300
        self.read(ids)
