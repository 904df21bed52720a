"""A store as the pages find it in life: a month of changes by many, an incident, hostile names, and what stands, read once."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exporter.catalog import DEFAULT_WATCH_SETS, Watch
from exporter.config import Config
from exporter.demo.trail import TrailGenerator
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
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
from exporter.parse import RecordParser
from exporter.posture.entries import unexplained_event
from exporter.posture.open_ingress import OpenedIngress
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Attachment, Group, Origin, Reading
from exporter.report import PollReport
from exporter.snapshots import ReadContext
from exporter.store.base import Ingest, PostureChange, Store
from exporter.surveyor import Surveyor
from tests.store_events import make_event

ACCOUNT, REGION = "111122223333", "us-east-1"
BASTION, BATCH = "sg-0a1b2c3d4e5f67890", "sg-0fedcba9876543210"
VPC = "vpc-0123456789abcdef0"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "\u202egnp.exe\u2066",
    "\x1b[31mred\x1b[0m\x00nul",
    "{{7*7}}{% raw %}",
    "sg-'/../\"&<b>",
    "x" * 10_000,
)
"""What callers of AWS may write into names, user agents and descriptions."""


def rule(port: int, peer: str, number: int, description: str | None = None, direction: Direction = Direction.INGRESS) -> Rule:
    """Return a TCP rule for an IPv4 range."""
    return Rule(direction, f"sgr-{number:017x}", "tcp", port, port, PeerType.IPV4, peer, description)


OFFICE = rule(22, "198.51.100.0/24", 1, "office")
EVERYONE = rule(22, "0.0.0.0/0", 1, "office")
WEB = rule(443, "0.0.0.0/0", 2, "web")
OUT = Rule(Direction.EGRESS, f"sgr-{3:017x}", "all", None, None, PeerType.IPV4, "0.0.0.0/0")


def alice(number: int, when: datetime, name: str, *changes: RuleChange, **more: Any) -> ChangeEvent:
    """Return a change of the bastion by alice, at a browser."""
    who = Principal(
        PrincipalType.SSO, "sso/AdministratorAccess", f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_AdministratorAccess_0/alice",
        "alice@example.com", ACCOUNT, "198.51.100.7", FIREFOX,
    )  # fmt: skip
    base: dict[str, Any] = {
        "event_time": when.replace(microsecond=0), "event_name": name, "channel": Channel.CONSOLE, "principal": who,
        "security_groups": (BASTION,), "resources": (Resource("AWS::EC2::SecurityGroup", BASTION),), "rule_changes": changes,
        "opened_port_classes": (), "account_id": ACCOUNT, "region": REGION,
    }  # fmt: skip
    return make_event(900_000 + number, **(base | more))


@dataclass
class Incident:
    """The events that the tests look for."""

    created: ChangeEvent
    widened: ChangeEvent
    denied: ChangeEvent
    many: ChangeEvent
    entry: ChangeEvent
    hostile: tuple[ChangeEvent, ...]


def fill(store: Store, now: datetime, ordinary: int = 1500) -> Incident:
    """Fill a store; the last thing that happened to the bastion is that a rule for the office was widened to everyone."""
    store.go_live("cloudtrail", now - timedelta(days=40))
    generator = TrailGenerator(11)
    parser = RecordParser(Watch(DEFAULT_WATCH_SETS, ()), OpenedIngress(Config().port_classes.ranges()))
    made = generator.records(ordinary, now - timedelta(days=30), now - timedelta(hours=1), change_share=1.0)
    events = [parsed for one in made if isinstance(parsed := parser.parse(one.record, json.dumps(one.record).encode()), ChangeEvent)]
    incident = Incident(
        alice(1, now - timedelta(hours=20), "CreateSecurityGroup"),
        alice(
            2, now - timedelta(minutes=4), "ModifySecurityGroupRules", RuleChange(RuleAction.MODIFIED, EVERYONE, OFFICE),
            opened_port_classes=("admin",),
        ),
        alice(
            3, now - timedelta(minutes=9), "AuthorizeSecurityGroupIngress", outcome=Outcome.DENIED, error_code="Client.UnauthorizedOperation",
            error_message="You are not authorized to perform this operation.", raw=_asked(3389),
        ),
        alice(
            4, now - timedelta(hours=3), "AuthorizeSecurityGroupIngress",
            *(RuleChange(RuleAction.ADDED, rule(port, "192.0.2.0/24", 1000 + port)) for port in range(1, 1201)),
        ),
        _entry(now),
        tuple(_hostile(store, now)),
    )  # fmt: skip
    own = [incident.created, incident.widened, incident.denied, incident.many, *incident.hostile]
    for at in range(0, len(events), 500):
        part = events[at : at + 500]
        store.append(Ingest("cloudtrail", now, part, read=len(part)))
    store.append(Ingest("cloudtrail", now, own, read=len(own)))
    survey(store, now)
    sequence = store.posture(ACCOUNT, REGION).sequence
    store.replace_posture(PostureChange(ACCOUNT, REGION, sequence, now, "posture", events=(incident.entry,)))
    return incident


def _asked(port: int) -> bytes:
    items = [{"ipProtocol": "tcp", "fromPort": port, "toPort": port, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]
    asked = {"groupId": BASTION, "ipPermissions": {"items": items}}
    return json.dumps({"eventName": "AuthorizeSecurityGroupIngress", "requestParameters": asked}).encode()


def _entry(now: datetime) -> ChangeEvent:
    from exporter.posture.chronicle import GROUP, Unexplained

    change = RuleChange(RuleAction.ADDED, rule(8080, "203.0.113.0/24", 9))
    until = (now - timedelta(hours=2)).replace(microsecond=0)
    return unexplained_event(ACCOUNT, REGION, Unexplained(GROUP, BATCH, (change,), until - timedelta(minutes=5), until, "", (BATCH,)))


def _hostile(store: Store, now: datetime) -> Iterator[ChangeEvent]:
    del store
    for number, text in enumerate(HOSTILE):
        who = Principal(PrincipalType.ROLE, f"role/{text}", f"arn:aws:sts::{ACCOUNT}:assumed-role/{text}", text, ACCOUNT, text, text)
        yield alice(
            100 + number, now - timedelta(minutes=30 + number), "AuthorizeSecurityGroupIngress",
            RuleChange(RuleAction.ADDED, Rule(Direction.INGRESS, text, "tcp", 8443, 8443, PeerType.IPV4, text, text)),
            principal=who, channel=Channel.OTHER, security_groups=(text,), resources=(Resource("AWS::EC2::SecurityGroup", text),),
            error_message=text, raw=json.dumps({"userAgent": text, "requestParameters": {"groupName": text}}).encode(),
        )  # fmt: skip


@dataclass
class OneReading:
    """A reader with one reading."""

    reading: Reading
    account_id: str = ACCOUNT
    region: str = REGION
    name: str = "posture"

    def read(self, context: ReadContext) -> Iterator[Reading]:
        """Yield it."""
        del context
        yield self.reading


def survey(store: Store, now: datetime, groups: Sequence[Group] = ()) -> None:
    """Store what stands: the bastion, open to everyone and public; a batch group, closed; one with a hostile name."""
    stands = groups or (
        Group(BASTION, "bastion", VPC, (EVERYONE, WEB, OUT), (("team", "platform"), ("note", HOSTILE[0]))),
        Group(BATCH, "batch", VPC, (rule(22, "10.0.0.0/8", 5, "inside"),)),
        Group("sg-00000000000000bad", HOSTILE[1], VPC, (rule(3306, "0.0.0.0/0", 6, HOSTILE[0]),)),
    )
    reading = Reading(
        ACCOUNT, REGION, Origin.EC2, now, now, groups=tuple(stands), prefix_lists=(),
        attachments={BASTION: Attachment(2, public_ipv4=True)}, balanced=frozenset(), trails=(), recorder=(),
    )  # fmt: skip
    log = make_logger("error", "json", io.StringIO())
    surveyor = Surveyor(store, Config().judge(), PostureSettings(), Telemetry(), log, lambda *_: now, lambda: now)
    surveyor.survey(OneReading(reading))


def reports(now: datetime) -> dict[Any, PollReport]:
    """Return reports of three units: one well, one late, one that failed."""
    made = [
        PollReport("cloudtrail", ACCOUNT, REGION, now - timedelta(seconds=30), 1.0, read=12, stored=3, live=3, duplicates=9),
        PollReport("cloudtrail", ACCOUNT, "eu-west-1", now - timedelta(hours=5), 1.0),
        PollReport("s3", "", "", now - timedelta(seconds=20), 1.0, complete=False, reason="access_denied", error="s3: AccessDenied"),
    ]
    return {(report.source, report.account_id, report.region): report for report in made}
