"""Rule changes of every shape, against the fixtures."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalog import Watch
from exporter.model import ChangeEvent, Direction, Outcome, PeerType, Rule, RuleAction, RuleChange
from exporter.parse import RecordParser
from exporter.parse.rule_shapes import MOST_CHANGES, network_of
from tests.cloudtrail_fixtures import NAMES, event, load, parse

IN, OUT = Direction.INGRESS, Direction.EGRESS
V4, V6, LIST, GROUP = PeerType.IPV4, PeerType.IPV6, PeerType.PREFIX_LIST, PeerType.SECURITY_GROUP
ADDED, REMOVED, MODIFIED, DESCRIBED = RuleAction.ADDED, RuleAction.REMOVED, RuleAction.MODIFIED, RuleAction.DESCRIBED


def sgr(number: int) -> str:
    return f"sgr-{number:017d}"


def every_peer(first_id: int | None) -> list[Rule]:
    ids = [None] * 5 if first_id is None else [sgr(first_id + offset) for offset in range(5)]
    peers = [
        (V4, "198.51.100.0/24", "office"),
        (V4, "203.0.113.9/32", None),
        (V6, "2001:db8::/32", "vpn"),
        (LIST, "pl-0123456789abcdef0", None),
        (GROUP, "sg-0fedcba9876543210", "app"),
    ]
    return [
        Rule(IN, rule_id, "tcp", 5432, 5433, kind, peer, description) for rule_id, (kind, peer, description) in zip(ids, peers, strict=True)
    ]


GOLDEN: dict[str, tuple[RuleAction, list[Rule]]] = {
    "how-to-console-authorize": (ADDED, [Rule(IN, None, "tcp", 998, 998, V4, "192.168.0.0/32")]),
    "authorize-flat-form": (ADDED, [Rule(IN, sgr(1), "tcp", 22, 22, V4, "192.0.2.0/24")]),
    "authorize-flat-form-before-rule-sets": (ADDED, [Rule(IN, None, "tcp", 443, 443, V4, "192.0.2.0/24")]),
    "authorize-long-form-every-peer": (ADDED, every_peer(11)),
    "authorize-long-form-before-rule-sets": (ADDED, every_peer(None)),
    "authorize-icmp": (
        ADDED,
        [
            Rule(IN, None, "icmp", 8, -1, V4, "192.0.2.0/24"),
            Rule(IN, None, "icmpv6", -1, -1, V6, "2001:db8::/64"),
            Rule(IN, None, "50", None, None, V4, "192.0.2.0/24"),
        ],
    ),
    "authorize-egress-all-protocols": (
        ADDED,
        [Rule(OUT, sgr(21), "all", None, None, V4, "0.0.0.0/0"), Rule(OUT, sgr(22), "all", None, None, V6, "::/0")],
    ),
    "authorize-by-group-name": (ADDED, [Rule(IN, sgr(31), "tcp", 80, 80, V4, "192.0.2.0/24")]),
    "authorize-by-group-name-only": (
        ADDED,
        [Rule(IN, None, "tcp", 80, 80, GROUP, "444455556666/lb"), Rule(IN, None, "tcp", 80, 80, GROUP, "self")],
    ),
    "authorize-request-omitted-but-answered": (ADDED, [Rule(IN, sgr(41), "udp", 53, 53, V4, "192.0.2.53/32")]),
    "authorize-keys-in-lower-case": (ADDED, [Rule(IN, None, "tcp", 443, 443, V4, "192.0.2.0/24")]),
    "unknown-minor-version": (ADDED, [Rule(IN, None, "udp", 53, 53, V4, "192.0.2.53/32")]),
    "addendum-updated-data": (ADDED, [Rule(IN, sgr(1), "tcp", 22, 22, V4, "192.0.2.0/24")]),
    "revoke-ingress-answered": (REMOVED, [Rule(IN, sgr(51), "tcp", 22, 22, V4, "192.0.2.0/24", "old")]),
    "revoke-by-rule-id": (REMOVED, [Rule(IN, sgr(51)), Rule(IN, sgr(52))]),
    "revoke-by-rule-id-answered": (REMOVED, [Rule(OUT, sgr(53), "all", None, None, GROUP, "sg-0fedcba9876543210")]),
    "revoke-egress-long-form": (REMOVED, [Rule(OUT, None, "all", None, None, V4, "0.0.0.0/0")]),
    "revoke-partly-unmatched": (REMOVED, [Rule(IN, sgr(54), "tcp", 443, 443, V4, "192.0.2.0/24")]),
    "revoke-partly-unmatched-before-2025": (REMOVED, [Rule(IN, None, "tcp", 443, 443, V4, "192.0.2.0/24")]),
    "modify-one-rule": (MODIFIED, [Rule(None, sgr(61), "tcp", 22, 22, V4, "0.0.0.0/0", "12345")]),
    "modify-two-rules": (
        MODIFIED,
        [Rule(None, sgr(61), "tcp", 8000, 8010, V6, "2001:db8::/32"), Rule(None, sgr(62), "udp", 53, 53, GROUP, "sg-0fedcba9876543210")],
    ),
    "modify-numeric-protocol": (MODIFIED, [Rule(None, sgr(63), "all", None, None, LIST, "pl-0123456789abcdef0", "true")]),
    "describe-by-rule-id": (DESCRIBED, [Rule(IN, sgr(71), description="office, new")]),
    "describe-by-permission": (
        DESCRIBED,
        [
            Rule(OUT, None, "tcp", 443, 443, V4, "192.0.2.0/24", "a"),
            Rule(OUT, None, "tcp", 443, 443, V4, "198.51.100.0/24"),
            Rule(OUT, None, "tcp", 443, 443, V6, "2001:db8::/32", "b"),
        ],
    ),
    "legacy-db-authorize": (ADDED, [Rule(IN, None, None, None, None, V4, "192.0.2.0/24")]),
    "legacy-cache-revoke": (REMOVED, [Rule(IN, None, None, None, None, GROUP, "444455556666/app")]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_rule_changes_of_a_shape_come_out_exactly(name: str) -> None:
    """What history shows of a change is this, to the letter."""
    action, rules = GOLDEN[name]
    parsed = event(name)
    assert parsed.rule_changes == tuple(RuleChange(action, rule) for rule in rules)
    assert parsed.outcome is Outcome.SUCCESS
    assert parsed.content_known


@pytest.mark.parametrize(("fields", "description"), [({"Description": ""}, ""), ({}, None), ({"Description": None}, None)])
def test_a_modification_that_takes_the_description_away_is_not_one_that_leaves_it(fields: dict[str, Any], description: str | None) -> None:
    """What the rule said between this call and the next one would be told wrong."""
    record = load("modify-one-rule")
    rule = record["requestParameters"]["ModifySecurityGroupRulesRequest"]["SecurityGroupRule"]["SecurityGroupRule"]
    del rule["Description"]
    rule |= fields
    parsed = parse(record)
    assert isinstance(parsed, ChangeEvent)
    (change,) = parsed.rule_changes
    assert change.rule.description == description


@pytest.mark.parametrize("name", [name for name in NAMES if load(name).get("errorCode")])
def test_a_call_that_failed_changed_no_rule(name: str) -> None:
    """A denied authorize of 0.0.0.0/0 must not look like an opened door."""
    parsed = event(name)
    assert parsed.rule_changes == ()
    assert parsed.opened_port_classes == ()
    assert parsed.outcome in (Outcome.DENIED, Outcome.FAILED, Outcome.DRY_RUN)


@pytest.mark.parametrize("name", ["revoke-no-match", "revoke-no-match-before-2025"])
def test_a_revoke_that_matched_nothing_is_a_noop(name: str) -> None:
    """EC2 answers true to it; counted as a success it would hide that the rule still stands."""
    parsed = event(name)
    assert (parsed.outcome, parsed.rule_changes, parsed.content_known) == (Outcome.NOOP, (), True)
    assert parsed.security_groups == ("sg-0123456789abcdef0",)


@pytest.mark.parametrize("name", ["create-security-group", "delete-security-group", "associate-vpc", "vpc-resource-creation"])
def test_calls_about_whole_groups_name_no_rules(name: str) -> None:
    """The rules that come and go with a group have no event; inventing them would be a guess."""
    assert event(name).rule_changes == ()


def test_entries_of_a_prefix_list_are_peers_and_open_nothing_by_themselves() -> None:
    """They change what rules mean, but which rules the record does not tell."""
    parser = RecordParser(Watch(["prefix_lists"]), lambda _changes: ("all",))
    parsed = parser.parse(load("prefix-list-modify"), b"")
    assert isinstance(parsed, ChangeEvent)
    assert parsed.rule_changes == (
        RuleChange(ADDED, Rule(peer_type=V4, peer="192.0.2.0/24", description="partner")),
        RuleChange(ADDED, Rule(peer_type=V6, peer="2001:db8::/32")),
        RuleChange(REMOVED, Rule(peer_type=V4, peer="198.51.100.0/24")),
    )
    assert parsed.opened_port_classes == ()


def authorize(permission: dict[str, Any], **request: Any) -> tuple[Rule, ...]:
    parameters = {"groupId": "sg-0123456789abcdef0", "ipPermissions": {"items": [permission]}, **request}
    parsed = event("authorize-icmp", requestParameters=parameters)
    return tuple(change.rule for change in parsed.rule_changes)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("-1", "all"),
        (-1, "all"),
        (-1.0, "all"),
        ("all", "all"),
        ("TCP", "tcp"),
        (6, "tcp"),
        ("6", "tcp"),
        (17, "udp"),
        (1, "icmp"),
        ("58", "icmpv6"),
        ("icmpv6", "icmpv6"),
        (50, "50"),
        ("47", "47"),
        ({}, None),
        (None, None),
        (" ", None),
    ],
)
def test_a_protocol_has_one_name(given: object, name: str | None) -> None:
    """6, "6" and tcp are one rule, not three."""
    (rule,) = authorize({"ipProtocol": given, "fromPort": 1, "toPort": 2, "ipRanges": {"items": [{"cidrIp": "192.0.2.0/24"}]}})
    assert rule.protocol == name
    assert (rule.from_port, rule.to_port) == ((None, None) if name == "all" else (1, 2))


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (22, 22),
        ("22", 22),
        (22.0, 22),
        (-1, -1),
        (65535, 65535),
        (65536, None),
        (-2, None),
        ("x", None),
        (True, None),
        (1.5, None),
        ([], None),
        (None, None),
        (10**400, None),
        ("9" * 9, None),
        ({"tag": 1, "content": "80"}, 80),
    ],
)
def test_a_port_is_a_number_or_unknown(given: object, number: int | None) -> None:
    """A port that is none must not become 0, which is a port."""
    (rule,) = authorize({"ipProtocol": "tcp", "fromPort": given, "toPort": 1, "ipRanges": {"items": [{"cidrIp": "192.0.2.0/24"}]}})
    assert (rule.from_port, rule.to_port) == (number, 1)


@pytest.mark.parametrize(
    ("given", "kind", "peer"),
    [
        ("192.0.2.17/24", V4, "192.0.2.0/24"),
        ("192.0.2.17", V4, "192.0.2.17/32"),
        ("1.2.3.4/0", V4, "0.0.0.0/0"),
        ("2001:DB8:0::0/32", V6, "2001:db8::/32"),
        ("...", V4, "..."),
        ("300.0.0.1/8", V4, "300.0.0.1/8"),
        (" 192.0.2.17/24\t", V4, "192.0.2.0/24"),
        (" 0.0.0.0/0 ", V4, "0.0.0.0/0"),
        ("000.000.000.000/0", V4, "0.0.0.0/0"),
        ("0/0", V4, "0.0.0.0/0"),
        ("0.0.0.0/00", V4, "0.0.0.0/0"),
        ("*.*.*.*/0", V4, "0.0.0.0/0"),
        ("2001:db8:::/0", V6, "::/0"),
        ("x/10", V4, "x/10"),
        ("9" * 5000, V4, "9" * 255),
    ],
)
def test_a_cidr_is_canonical_and_text_that_is_none_stays(given: str, kind: PeerType, peer: str) -> None:
    """One network must have one spelling, and masked data must not vanish."""
    (rule,) = authorize({"ipProtocol": "tcp", "fromPort": 1, "toPort": 1, "ipRanges": {"items": [{"cidrIp": given}]}})
    assert (rule.peer_type, rule.peer) == (kind, peer)


@given(
    st.tuples(*[st.sampled_from(["0", "10", "128", "255", "256", "010", "", "192"])] * 4).map(".".join),
    st.sampled_from(["", "/0", "/1", "/8", "/9", "/24", "/25", "/32", "/33", "/08", "/-1", "/", "/ 8", "/255.0.0.0", "/24/24"]),
)
def test_ipv4_networks_are_spelled_as_the_standard_library_spells_them(address: str, length: str) -> None:
    """What looks canonical is taken as it is; were it not, one network would have two names."""
    spelled = address + length
    try:
        expected = str(ipaddress.ip_network(spelled, strict=False))
    except ValueError:
        return
    assert network_of(spelled, V4) == (V4, expected)


@given(
    st.one_of(
        st.lists(st.sampled_from(["0", "", "2001", "DB8", "db8", "0db8", "1", "ffff", "192.0.2.1"]), min_size=2, max_size=9).map(":".join),
        st.integers(0, 2**128 - 1).map(lambda number: str(ipaddress.IPv6Address(number))),
        st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF]), min_size=8, max_size=8).map(
            lambda words: str(ipaddress.IPv6Address(sum(word << 16 * place for place, word in enumerate(words))))
        ),
    ),
    st.sampled_from(["", "/0", "/3", "/32", "/48", "/64", "/128", "/129", "/032", "/"]),
)
def test_ipv6_networks_are_spelled_as_the_standard_library_spells_them(address: str, length: str) -> None:
    """The system's own spelling is taken only where both agree."""
    spelled = address + length
    try:
        expected = str(ipaddress.ip_network(spelled, strict=False))
    except ValueError:
        return
    assert network_of(spelled, V6) == (V6 if ":" in expected else V4, expected)


@pytest.mark.parametrize("given", [{"items": []}, {}, "", None, [], {"items": ""}, {"item": None}])
def test_empty_lists_have_many_forms(given: object) -> None:
    """Each dialect spells nothing in its own way."""
    (rule,) = authorize(
        {"ipProtocol": "tcp", "fromPort": 1, "toPort": 1, "ipRanges": given, "ipv6Ranges": {"items": [{"cidrIpv6": "::/0"}]}}
    )
    assert (rule.peer_type, rule.peer) == (V6, "::/0")


@pytest.mark.parametrize(
    "given",
    [{"cidrIp": "192.0.2.0/24"}, [{"CidrIp": "192.0.2.0/24"}], ["192.0.2.0/24"], {"item": {"cidrIp": "192.0.2.0/24"}}, "192.0.2.0/24"],
)
def test_a_list_of_one_has_many_forms(given: object) -> None:
    """The wrapper dialect writes a list of one as the bare object."""
    (rule,) = authorize({"ipProtocol": "tcp", "fromPort": 1, "toPort": 1, "ipRanges": given})
    assert rule.peer == "192.0.2.0/24"


@pytest.mark.parametrize(("given", "shown"), [(None, None), ("", None), (7, "7"), (True, "true"), ("x" * 300, "x" * 255), ([], None)])
def test_a_description_is_text_or_absent(given: object, shown: str | None) -> None:
    """AWS coerces values in one dialect: the description "7" arrives as a number."""
    (rule,) = authorize({"ipProtocol": "tcp", "ipRanges": {"items": [{"cidrIp": "192.0.2.0/24", "description": given}]}})
    assert rule.description == shown


def test_a_permission_without_peers_still_shows_its_traffic() -> None:
    """What the record does say of a rule is kept."""
    assert authorize({"ipProtocol": "tcp", "fromPort": 1, "toPort": 2}) == (Rule(IN, None, "tcp", 1, 2),)
    assert authorize({}) == ()


def test_rule_changes_are_bounded() -> None:
    """A monstrous record must not become a monstrous row."""
    ranges = {"items": [{"cidrIp": f"10.{number >> 8 & 255}.{number & 255}.0/32"} for number in range(MOST_CHANGES + 10)]}
    assert len(authorize({"ipProtocol": "tcp", "ipRanges": ranges})) == MOST_CHANGES


def test_an_empty_rule_set_in_the_answer_does_not_hide_the_request() -> None:
    """Preferring the answer must not mean losing what was asked."""
    parsed = event("authorize-icmp", responseElements={"_return": True, "securityGroupRuleSet": {}})
    assert len(parsed.rule_changes) == 3


def test_the_direction_that_the_answer_tells_counts() -> None:
    """Pipelines turn booleans into text."""
    record = load("authorize-flat-form")
    record["responseElements"]["securityGroupRuleSet"]["items"][0]["isEgress"] = "true"
    parsed = event("authorize-flat-form", responseElements=record["responseElements"])
    assert parsed.rule_changes[0].rule.direction is OUT


def test_what_a_change_opened_is_asked_once_and_for_successes_only() -> None:
    """The paging counter hangs on this."""
    asked: list[tuple[RuleChange, ...]] = []

    def opened(changes: tuple[RuleChange, ...]) -> tuple[str, ...]:
        asked.append(changes)
        return ("admin",)

    parser = RecordParser(Watch(["security_groups"]), opened)
    good = parser.parse(load("authorize-flat-form"), b"")
    assert isinstance(good, ChangeEvent)
    assert good.opened_port_classes == ("admin",)
    assert asked == [good.rule_changes]
    for name in ("authorize-denied", "authorize-dry-run", "authorize-duplicate", "revoke-no-match", "create-security-group"):
        parsed = parser.parse(load(name), b"")
        assert isinstance(parsed, ChangeEvent)
        assert parsed.opened_port_classes == ()
    assert len(asked) == 1


def test_an_answer_that_lists_nothing_revoked_is_a_noop() -> None:
    """Since 2025 EC2 lists what it revoked; an empty list beside `return: true` changed nothing and must not count as a change."""
    response = {"requestId": "59dbff89-35bd-4eac-99ed-be587EXAMPLE", "_return": True, "revokedSecurityGroupRuleSet": {}}
    revoked = event("revoke-ingress-answered", responseElements=response)
    assert (revoked.outcome, revoked.rule_changes, revoked.content_known) == (Outcome.NOOP, (), True)


def test_a_revoke_whose_request_is_left_out_is_no_noop_for_one_rule_it_did_not_match() -> None:
    """Which rules were revoked beside the unmatched one AWS did not write down; called a noop it would be no change at all."""
    response = {"_return": True, "unknownIpPermissionSet": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22}]}}
    revoked = event("revoke-egress-long-form", requestParameters={"omitted": True}, responseElements=response)
    assert (revoked.outcome, revoked.rule_changes, revoked.content_known) == (Outcome.SUCCESS, (), False)


def test_rules_revoked_by_id_are_not_unmatched_because_a_permission_was() -> None:
    """Unmatched are permissions; a rule that is named by its id has no place among them."""
    request = load("revoke-by-rule-id")["requestParameters"]
    response = {"_return": True, "unknownIpPermissionSet": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22}]}}
    revoked = event("revoke-by-rule-id", requestParameters=request, responseElements=response)
    assert (revoked.outcome, [change.rule.rule_id for change in revoked.rule_changes]) == (Outcome.SUCCESS, [sgr(51), sgr(52)])
