"""History rows: the shape that design, command, page and API share, and output that hostile text cannot break."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporter.history import describe_change, describe_event, describe_rule, row, to_csv, to_json
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
from exporter.store.base import HistoryEvent
from tests.records import authorize

RULE = Rule(Direction.INGRESS, None, "tcp", 998, 998, PeerType.IPV4, "192.168.0.0/32")
EVENT = ChangeEvent(
    event_id="6c604d53-d9c3-492e-a26a-a48ac3f711e0",
    event_time=datetime(2019, 8, 5, 7, 16, 31, tzinfo=UTC),
    account_id="123456789",
    region="us-east-1",
    event_source="ec2.amazonaws.com",
    event_name="AuthorizeSecurityGroupIngress",
    outcome=Outcome.SUCCESS,
    channel=Channel.CONSOLE,
    principal=Principal(
        PrincipalType.ROLE,
        "role/Bob",
        "arn:aws:sts::123456789:assumed-role/Bob/Bob",
        "Bob",
        "123456789",
        "111.111.111.111",
        "console.ec2.amazonaws.com",
    ),
    security_groups=("sg-123456789",),
    resources=(Resource("AWS::EC2::SecurityGroup", "sg-123456789"),),
    rule_changes=(RuleChange(RuleAction.ADDED, RULE),),
)
STORED = HistoryEvent(EVENT, datetime(2026, 3, 1, 12, 0, 0, 500000, tzinfo=UTC), True, ("files",))


def test_a_row_has_the_promised_shape_to_the_letter() -> None:
    """Scripts are written against this shape; a renamed key breaks them in silence."""
    assert row(STORED) == {
        "event_id": "6c604d53-d9c3-492e-a26a-a48ac3f711e0",
        "event_time": "2019-08-05T07:16:31Z",
        "recorded_at": "2026-03-01T12:00:00.500000Z",
        "account_id": "123456789",
        "region": "us-east-1",
        "event_source": "ec2.amazonaws.com",
        "event_name": "AuthorizeSecurityGroupIngress",
        "outcome": "success",
        "error_code": None,
        "channel": "console",
        "principal": {
            "type": "role",
            "name": "role/Bob",
            "arn": "arn:aws:sts::123456789:assumed-role/Bob/Bob",
            "session": "Bob",
            "source_ip": "111.111.111.111",
            "user_agent": "console.ec2.amazonaws.com",
        },
        "security_groups": ["sg-123456789"],
        "resources": [{"type": "AWS::EC2::SecurityGroup", "id": "sg-123456789"}],
        "rule_changes": [
            {
                "action": "added",
                "direction": "ingress",
                "rule_id": None,
                "protocol": "tcp",
                "from_port": 998,
                "to_port": 998,
                "peer_type": "ipv4",
                "peer": "192.168.0.0/32",
                "description": None,
                "before": None,
            }
        ],
        "content_known": True,
        "live": True,
        "sources": ["files"],
    }


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (RULE, "ingress tcp 998 from 192.168.0.0/32"),
        (
            Rule(Direction.EGRESS, "sgr-0123456789abcdef0", "all", None, None, PeerType.IPV4, "0.0.0.0/0"),
            "egress all traffic to 0.0.0.0/0 (sgr-0123456789abcdef0)",
        ),
        (Rule(Direction.INGRESS, None, "udp", 1, 65535, PeerType.IPV6, "::/0"), "ingress udp 1-65535 from ::/0"),
        (Rule(Direction.INGRESS, None, "icmp", 8, -1, PeerType.IPV4, "192.0.2.0/24"), "ingress icmp type 8 from 192.0.2.0/24"),
        (Rule(Direction.INGRESS, None, "icmp", -1, -1, PeerType.IPV4, "192.0.2.0/24"), "ingress icmp any type from 192.0.2.0/24"),
        (Rule(Direction.INGRESS, "sgr-0123456789abcdef0"), "ingress (sgr-0123456789abcdef0)"),
        (Rule(None, None, "50", None, None, PeerType.PREFIX_LIST, "pl-0123456789abcdef0", "vpn"), "50 peer pl-0123456789abcdef0 “vpn”"),
        (Rule(), "a rule that the record does not tell"),
    ],
)
def test_rules_read_as_a_person_would_say_them(rule: Rule, text: str) -> None:
    """At three in the morning nobody decodes -1/-1."""
    assert describe_rule(rule) == text


def test_a_modified_rule_tells_what_it_was_where_that_is_known() -> None:
    """Before and after in one line."""
    before = replace(RULE, peer="192.0.2.0/24")
    assert (
        describe_change(RuleChange(RuleAction.MODIFIED, RULE, before))
        == "~ ingress tcp 998 from 192.168.0.0/32, was ingress tcp 998 from 192.0.2.0/24"
    )
    named, other = "sgr-0123456789abcdef0", "sgr-0fedcba9876543210"
    changed = RuleChange(RuleAction.MODIFIED, replace(RULE, rule_id=named), replace(before, rule_id=named))
    assert describe_change(changed) == f"~ ingress tcp 998 from 192.168.0.0/32 ({named}), was ingress tcp 998 from 192.0.2.0/24"
    assert describe_change(replace(changed, before=replace(before, rule_id=other))).endswith(f"from 192.0.2.0/24 ({other})")


def test_many_rules_and_unknown_content_are_said() -> None:
    """A list that ends in silence reads as complete."""
    event = replace(EVENT, rule_changes=EVENT.rule_changes * 30, content_known=False)
    assert describe_event(event)[-2:] == ["… and 10 more rules", "AWS left out what was changed (request over 100 KB)"]


def test_json_is_an_array_with_a_row_a_line() -> None:
    """jq reads it, and so does grep."""
    text = "".join(to_json([STORED, STORED]))
    assert json.loads(text) == [row(STORED)] * 2
    assert len(text.splitlines()) == 4
    assert json.loads("".join(to_json([]))) == []


HOSTILE = ['=HYPERLINK("http://example.com")', "+1", "-1", "@SUM(A1)", 'a",b\r\n"c', "\t=1", "\x1b[31m\u202e"]


@pytest.mark.parametrize("agent", HOSTILE)
def test_no_cell_starts_a_formula_or_a_row(agent: str) -> None:
    """A user agent is the attacker's to choose, and someone opens the file in a spreadsheet."""
    event = replace(EVENT, principal=replace(EVENT.principal, user_agent=agent))
    parsed = list(csv.DictReader(io.StringIO("".join(to_csv([replace(STORED, event=event)])), newline="")))
    assert len(parsed) == 1
    cell = parsed[0]["user_agent"]
    assert cell[0] not in "=+-@\t\r"
    assert "\n" not in cell
    assert parsed[0]["rule_changes"] == "added ingress tcp 998 from 192.168.0.0/32"
    assert parsed[0]["live"] == "true"


def test_csv_tells_what_a_modified_rule_was() -> None:
    """The row of the table does; a spreadsheet without it cannot tell what was widened."""
    change = RuleChange(RuleAction.MODIFIED, RULE, replace(RULE, peer="192.0.2.0/24"))
    text = "".join(to_csv([replace(STORED, event=replace(EVENT, rule_changes=(change,)))]))
    (parsed,) = csv.DictReader(io.StringIO(text, newline=""))
    assert parsed["rule_changes"] == "modified ingress tcp 998 from 192.168.0.0/32, was ingress tcp 998 from 192.0.2.0/24"


def test_an_attempt_that_changed_nothing_is_shown_as_such() -> None:
    """Who tried to open the world and was denied is worth a line, but not a plus sign."""
    denied = authorize(1, errorCode="Client.UnauthorizedOperation", responseElements=None)
    event = replace(EVENT, outcome=Outcome.DENIED, rule_changes=(), raw=json.dumps(denied).encode())
    assert describe_event(event) == ["not done: + ingress tcp 22 from 0.0.0.0/0"]
    assert row(replace(STORED, event=event))["rule_changes"] == []
    for raw in (b"", b"[]", b"{", b'{"requestParameters": 7}'):
        assert describe_event(replace(event, raw=raw)) == []


def test_ports_of_a_protocol_without_ports_are_not_shown() -> None:
    """EC2 answers -1 for the ports of ESP; "50 -1" helps nobody."""
    assert describe_rule(Rule(Direction.INGRESS, None, "50", -1, -1, PeerType.IPV4, "192.0.2.0/24")) == "ingress 50 from 192.0.2.0/24"


def test_what_stands_open_now_is_said_first() -> None:
    """It is what the page at night is about; a thousand rules may follow."""
    event = replace(EVENT, opened_port_classes=("admin", "database"), rule_changes=EVENT.rule_changes * 30)
    assert describe_event(event)[0] == "! opened to the internet: admin, database"
    assert row(replace(STORED, event=event))["rule_changes"][0]["peer"] == "192.168.0.0/32"
