"""The judge agrees with trying every address and port, holds exceptions exactly, and says what it cannot judge."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model import Direction, PeerType, Rule
from exporter.posture.judge import Judge, OpenRule
from exporter.posture.ports import DEFAULT_PORT_CLASSES, parse_ports
from exporter.posture.settings import ExceptionSettings, InternetSettings
from exporter.posture.standing import Attachment, Exposure, Group, PrefixList, Standing
from exporter.posture.traffic import Row
from exporter.posture.union import opened_ports
from tests.rule_sets import LISTS, row, rule

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CLASSES = {name: parse_ports(entries) for name, entries in DEFAULT_PORT_CLASSES.items()}
GROUP = "sg-0123456789abcdef0"
ALL = ("admin", "database", "directory", "file", "cluster", "web")


def excepting(**given: object) -> ExceptionSettings:
    return ExceptionSettings.model_validate({"name": "agreed", "reason": "agreed in a ticket", "expires": "2027-01-31", **given})


def group_of(*texts: str, **given: object) -> Group:
    return Group(**{"group_id": GROUP, "rules": tuple(map(rule, texts)), **given})


def standing_of(*groups: Group, **given: object) -> Standing:
    return Standing(**{"account_id": "111122223333", "region": "eu-west-1", "groups": groups, "prefix_lists": LISTS, **given})


def rows(judge: Judge, *texts: str, now: datetime = NOW, **given: object) -> list[str]:
    group = group_of(*texts, **given)
    return [row(opened, group.rules) for opened in judge.open_rules(standing_of(group), now)]


# Exceptions: (id, exceptions, rules, what is told of them).
EXCEPTED = [
    ("group", [{"security_groups": [GROUP]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin by agreed"]),
    ("other-group", [{"security_groups": ["sg-00000000000000000"]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("tag", [{"tags": {"role": "proxy"}}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin by agreed"]),
    ("tag-any", [{"tags": {"role": "*"}}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin by agreed"]),
    ("tag-empty-value", [{"tags": {"note": "*"}}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin by agreed"]),
    ("tag-other-value", [{"tags": {"role": "Proxy"}}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("tag-missing", [{"tags": {"team": "*"}}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("two-tags-one-missing", [{"tags": {"role": "proxy", "team": "*"}}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("account", [{"ports": ["22"], "accounts": ["111122223333"]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin by agreed"]),
    ("other-account", [{"ports": ["22"], "accounts": ["444455556666"]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("region", [{"ports": ["22"], "regions": ["us-east-1", "eu-west-1"]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin by agreed"]),
    ("other-region", [{"ports": ["22"], "regions": ["us-east-1"]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("all-must-match", [{"security_groups": [GROUP], "ports": ["443"]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("cidr-equal", [{"cidrs": ["0.0.0.0/0"]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin by agreed"]),
    ("cidr-wider", [{"cidrs": ["0.0.0.0/0"]}], ["tcp 22 2.0.0.0/7"], ["0 v4 tcp 22 admin by agreed"]),
    ("cidr-narrower", [{"cidrs": ["0.0.0.0/1"]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("cidr-halves-are-not-the-whole", [{"cidrs": ["0.0.0.0/1", "128.0.0.0/1"]}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("cidr-other-version", [{"cidrs": ["0.0.0.0/0"]}], ["tcp 22 ::/0"], ["0 v6 tcp 22 admin"]),
    ("cidr-v6", [{"cidrs": ["::/0"]}], ["tcp 22 2000::/3"], ["0 v6 tcp 22 admin by agreed"]),
    ("list-inside", [{"cidrs": ["0.0.0.0/1", "128.0.0.0/1"]}], ["tcp 22 pl-halves"], ["0 v4 tcp 22 admin by agreed"]),
    ("list-one-entry-outside", [{"cidrs": ["0.0.0.0/1"]}], ["tcp 22 pl-halves"], ["0 v4 tcp 22 admin"]),
    ("list-v6-entry-outside", [{"cidrs": ["0.0.0.0/0"]}], ["tcp 22 pl-both"], ["0 v4 tcp 22 admin", "0 v6 tcp 22 admin"]),
    ("list-unreadable-entry", [{"cidrs": ["0.0.0.0/0"]}], ["tcp 22 pl-unreadable-world"], ["0 v4 tcp 22 admin"]),
    ("port", [{"ports": ["443"]}], ["tcp 443 0.0.0.0/0"], ["0 v4 tcp 443 web by agreed"]),
    ("port-is-tcp", [{"ports": ["53"]}], ["udp 53 0.0.0.0/0"], ["0 v4 udp 53 directory"]),
    ("port-udp", [{"ports": ["53/udp"]}], ["udp 53 0.0.0.0/0"], ["0 v4 udp 53 directory by agreed"]),
    ("port-in-range", [{"ports": ["22"]}], ["tcp 21-23 0.0.0.0/0"],
     ["0 v4 tcp 21 file", "0 v4 tcp 23 admin", "0 v4 tcp 22 admin by agreed"]),
    ("port-at-the-edge", [{"ports": ["20-21"]}], ["tcp 21-23 0.0.0.0/0"], ["0 v4 tcp 22-23 admin", "0 v4 tcp 21 file by agreed"]),
    ("port-of-all-tcp", [{"ports": ["443"]}], ["tcp 0-65535 0.0.0.0/0"],
     [*(f"0 v4 tcp 0-442 {name}" for name in ("admin", "directory", "file", "web")), *(f"0 v4 tcp 444-65535 {name}" for name in ALL),
      "0 v4 tcp 443 web by agreed"]),
    ("every-port", [{"ports": ["1-65535"]}], ["tcp 0-65535 0.0.0.0/0"], ["0 v4 tcp 0-65535 all by agreed"]),
    ("every-port-but-udp", [{"ports": ["1-65535"]}], ["udp 0-65535 0.0.0.0/0"], ["0 v4 udp 0-65535 all"]),
    ("low-ports-leave-0", [{"ports": ["1-65534"]}], ["tcp 0-65535 0.0.0.0/0"],
     ["0 v4 tcp 0 other", "0 v4 tcp 65535 other", *(f"0 v4 tcp 1-65534 {name} by agreed" for name in ALL)]),
    ("port-of-all-protocols", [{"ports": ["443"]}], ["all 0.0.0.0/0"], ["0 v4 all all", "0 v4 tcp 443 web by agreed"]),
    ("all-protocols-by-group", [{"security_groups": [GROUP]}], ["all 0.0.0.0/0"], ["0 v4 all all by agreed"]),
    ("port-is-no-icmp-type", [{"ports": ["8"]}], ["icmp 8 0.0.0.0/0"], ["0 v4 icmp 8 other"]),
    ("port-is-no-protocol", [{"ports": ["50"]}], ["50 0.0.0.0/0"], ["0 v4 50 other"]),
    ("icmp-by-group", [{"security_groups": [GROUP]}], ["icmp 8 0.0.0.0/0"], ["0 v4 icmp 8 other by agreed"]),
    ("cidr-and-port", [{"cidrs": ["0.0.0.0/0"], "ports": ["22"]}], ["tcp 22 0.0.0.0/0", "tcp 22 ::/0", "tcp 443 0.0.0.0/0"],
     ["0 v4 tcp 22 admin by agreed", "1 v6 tcp 22 admin", "2 v4 tcp 443 web"]),
    ("expired", [{"security_groups": [GROUP], "expires": "2026-01-31T12:00:00Z"}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin"]),
    ("expires-in-a-second", [{"security_groups": [GROUP], "expires": "2026-01-31T12:00:01Z"}], ["tcp 22 0.0.0.0/0"],
     ["0 v4 tcp 22 admin by agreed"]),
    ("last-day", [{"security_groups": [GROUP], "expires": "2026-01-31"}], ["tcp 22 0.0.0.0/0"], ["0 v4 tcp 22 admin by agreed"]),
    ("first-of-two", [{"ports": ["22"]}, {"name": "second", "security_groups": [GROUP]}], ["tcp 22-23 0.0.0.0/0"],
     ["0 v4 tcp 22 admin by agreed", "0 v4 tcp 23 admin by second"]),
    ("first-of-two-on-all", [{"ports": ["443"]}, {"name": "second", "ports": ["443", "80"]}], ["all 0.0.0.0/0"],
     ["0 v4 all all", "0 v4 tcp 443 web by agreed", "0 v4 tcp 80 web by second"]),
    ("all-then-the-rest", [{"ports": ["443"]}, {"name": "second", "security_groups": [GROUP]}], ["all 0.0.0.0/0"],
     ["0 v4 tcp 443 web by agreed", "0 v4 all all by second"]),
    # Unions: what is excepted takes no part in what is open without it.
    ("half-excepted", [{"cidrs": ["2.0.0.0/8"]}], ["tcp 22 2.0.0.0/8", "tcp 22 3.0.0.0/8"], ["0 v4 tcp 22 admin by agreed"]),
    ("half-excepted-third-open", [{"cidrs": ["2.0.0.0/8"]}], ["tcp 22 2.0.0.0/8", "tcp 22 3.0.0.0/8", "tcp 22 4.0.0.0/8"],
     ["0 v4 tcp 22 admin by agreed", "1 v4 tcp 22 admin", "2 v4 tcp 22 admin"]),
    ("excepted-hides-nothing", [{"cidrs": ["2.0.0.0/8"]}], ["tcp 22 2.0.0.0/8", "tcp 22 2.0.0.0/9", "tcp 22 2.128.0.0/9", "tcp 22 3.0.0.0/8"],
     ["0 v4 tcp 22 admin by agreed"]),
    ("excepted-covers-what-lies-in-it", [{"cidrs": ["2.0.0.0/8"], "ports": ["22"]}],
     ["tcp 22 2.0.0.0/8", "tcp 23 2.0.0.0/9", "tcp 23 2.128.0.0/9", "tcp 22-23 3.0.0.0/8"],
     ["0 v4 tcp 22 admin by agreed", "1 v4 tcp 23 admin", "2 v4 tcp 23 admin", "3 v4 tcp 23 admin"]),
    ("world-excepted-beside-union", [{"cidrs": ["0.0.0.0/0"], "ports": ["443"]}, {"name": "second", "cidrs": ["0.0.0.0/0"], "security_groups": ["sg-00000000000000000"]}],
     ["tcp 443 0.0.0.0/0", "tcp 22 2.0.0.0/8", "tcp 22 3.0.0.0/8"],
     ["0 v4 tcp 443 web by agreed", "1 v4 tcp 22 admin", "2 v4 tcp 22 admin"]),
    ("half-excepted-for-one-port", [{"cidrs": ["2.0.0.0/8"], "ports": ["443"]}], ["tcp 0-65535 2.0.0.0/8", "tcp 443 3.0.0.0/8", "tcp 22 3.0.0.0/8"],
     ["0 v4 tcp 22 admin", "0 v4 tcp 443 web by agreed", "2 v4 tcp 22 admin"]),
    ("all-half-excepted-for-one-port", [{"cidrs": ["2.0.0.0/8"], "ports": ["443"]}], ["all 2.0.0.0/8", "all 3.0.0.0/8"],
     ["0 v4 all all", "0 v4 tcp 443 web by agreed", "1 v4 all all"]),
    ("union-excepted-by-group", [{"security_groups": [GROUP]}], ["tcp 22 2.0.0.0/8", "tcp 22 3.0.0.0/8"],
     ["0 v4 tcp 22 admin by agreed", "1 v4 tcp 22 admin by agreed"]),
    ("union-excepted-by-port", [{"ports": ["22"]}], ["tcp 22-23 2.0.0.0/8", "tcp 22-23 3.0.0.0/8"],
     ["0 v4 tcp 23 admin", "0 v4 tcp 22 admin by agreed", "1 v4 tcp 23 admin", "1 v4 tcp 22 admin by agreed"]),
]  # fmt: skip


@pytest.mark.parametrize(("exceptions", "rules", "expected"), [case[1:] for case in EXCEPTED], ids=[case[0] for case in EXCEPTED])
def test_an_exception_covers_exactly_what_it_names(exceptions, rules, expected):
    """Otherwise something open would be silent by nobody's word, or somebody would be paged for what was agreed."""
    judge = Judge(CLASSES, InternetSettings(), [excepting(**given) for given in exceptions])
    assert rows(judge, *rules, tags=(("role", "proxy"), ("note", ""))) == expected


def test_an_exception_ends_when_it_says():
    """Otherwise an exception would hold for ever, because the judge was built while it did."""
    judge = Judge(CLASSES, InternetSettings(), [excepting(security_groups=[GROUP], expires="2026-02-01T00:00:00Z")])
    assert rows(judge, "tcp 22 0.0.0.0/0", now=NOW) == ["0 v4 tcp 22 admin by agreed"]
    assert rows(judge, "tcp 22 0.0.0.0/0", now=NOW + timedelta(hours=12)) == ["0 v4 tcp 22 admin"]


def test_one_group_alone_is_judged_without_exceptions():
    """Otherwise what an exception covers would not be seen where the rules themselves are asked for."""
    judge = Judge(CLASSES, InternetSettings(), [excepting(security_groups=[GROUP])])
    (opened,) = judge.open_of(group_of("tcp 22 0.0.0.0/0"), {})
    assert (opened.exception, opened.exposure, opened.port_class) == ("", Exposure.UNKNOWN, "admin")


def test_rows_carry_group_rule_and_the_exposure_of_their_ip_version():
    """Otherwise a rule that nothing public stands behind would page as one that has."""
    groups = (group_of("tcp 22 0.0.0.0/0", "tcp 22 ::/0"), group_of("tcp 80 0.0.0.0/0", group_id="sg-11111111111111111"))
    standing = standing_of(*groups, attachments={GROUP: Attachment(1, public_ipv6=True)}, balanced=frozenset())
    found = Judge(CLASSES, InternetSettings()).open_rules(standing, NOW)
    assert [(own.group, own.rule, own.exposure) for own in found] == [
        (groups[0], groups[0].rules[0], Exposure.ATTACHED),
        (groups[0], groups[0].rules[1], Exposure.PUBLIC),
        (groups[1], groups[1].rules[0], Exposure.UNATTACHED),
    ]


def test_a_picture_without_groups_or_lists_is_judged_as_far_as_it_goes():
    """Otherwise a first reading that failed in part would stop the whole round."""
    judge = Judge(CLASSES, InternetSettings())
    assert judge.open_rules(standing_of(groups=None), NOW) == []
    standing = standing_of(group_of("tcp 22 pl-world", "tcp 22 0.0.0.0/0"), prefix_lists=None)
    assert [row(own, standing.groups[0].rules) for own in judge.open_rules(standing, NOW)] == ["1 v4 tcp 22 admin"]
    assert judge.unknown_lists(standing) == ("pl-world",)


def test_what_cannot_be_judged_is_named():
    """Otherwise a rule that nobody can judge would look closed."""
    judge = Judge(CLASSES, InternetSettings())
    standing = standing_of(
        group_of("tcp 22 pl-b", "tcp 80 pl-a", "tcp 22 pl-b", "out all pl-c", "tcp 22 pl-world", "tcp 22 x/8"),
        group_of("tcp 22 pl-unreadable", "out tcp 22 x/8", "tcp 22 x/0", group_id="sg-11111111111111111"),
    )
    assert judge.unknown_lists(standing) == ("pl-a", "pl-b")
    assert judge.unreadable_peers(standing) == ((GROUP, "x/8"), ("sg-11111111111111111", "pl-unreadable"))


def test_a_list_that_changes_is_judged_anew():
    """Otherwise a widened list would be judged by what was remembered of it."""
    judge = Judge(CLASSES, InternetSettings())
    group = group_of("tcp 22 pl-two")
    assert judge.open_of(group, LISTS) == []
    assert len(judge.open_of(group, {"pl-two": PrefixList("pl-two", entries=(("2.0.0.0/7", ""),))})) == 1
    assert judge.open_of(group, LISTS) == []


def test_a_rule_of_unknown_direction_is_judged_as_ingress():
    """Otherwise what is open would vanish behind a field that was left out."""
    group = Group(GROUP, rules=(replace(rule("tcp 22 0.0.0.0/0"), direction=None),))
    assert [own.port_class for own in Judge(CLASSES, InternetSettings()).open_of(group, {})] == ["admin"]


NEWLY = [
    ("nothing", [], [], ()),
    ("opened", [], ["tcp 22 0.0.0.0/0"], ("admin",)),
    ("closed", ["tcp 22 0.0.0.0/0"], [], ()),
    ("unchanged", ["tcp 22 0.0.0.0/0"], ["tcp 22 0.0.0.0/0"], ()),
    ("another-spelling", ["tcp 22 0.0.0.0/0"], ["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"], ()),
    ("a-second-rule-for-the-same", ["tcp 22 0.0.0.0/0"], ["tcp 22 0.0.0.0/0", "6 22 2.0.0.0/7"], ()),
    ("another-ip-version", ["tcp 22 0.0.0.0/0"], ["tcp 22 0.0.0.0/0", "tcp 22 ::/0"], ("admin",)),
    ("one-port-more", ["tcp 22 0.0.0.0/0"], ["tcp 22-23 0.0.0.0/0"], ("admin",)),
    ("web-then-range", ["tcp 443 0.0.0.0/0"], ["tcp 440-445 0.0.0.0/0"], ("file", "other")),
    ("all-tcp-after-ssh", ["tcp 22 0.0.0.0/0"], ["tcp 0-65535 0.0.0.0/0"], ALL),
    ("all-after-tcp", ["tcp 0-65535 0.0.0.0/0"], ["all 0.0.0.0/0"], ("all",)),
    ("tcp-after-all", ["all 0.0.0.0/0"], ["tcp 22 0.0.0.0/0", "icmp 8 0.0.0.0/0"], ()),
    ("all-stays", ["all 0.0.0.0/0"], ["all 0.0.0.0/1", "all 128.0.0.0/1", "tcp 22 ::/0"], ("admin",)),
    ("icmp-type-more", ["icmp 8 0.0.0.0/0"], ["icmp 8 0.0.0.0/0", "icmp 0 0.0.0.0/0"], ("other",)),
    ("icmp-type-after-all", ["icmp 0.0.0.0/0"], ["icmp 8 0.0.0.0/0"], ()),
    ("icmp-code-after-type", ["icmp 3 0.0.0.0/0"], ["icmp 3/4 0.0.0.0/0"], ()),
    ("icmp-type-after-code", ["icmp 3/4 0.0.0.0/0"], ["icmp 3 0.0.0.0/0"], ("other",)),
    ("esp", [], ["50 0.0.0.0/0"], ("other",)),
    ("esp-stays", ["50 0.0.0.0/0"], ["50 ::/0", "50 0.0.0.0/0"], ("other",)),
    ("half-completed", ["tcp 22 2.0.0.0/8"], ["tcp 22 2.0.0.0/8", "tcp 22 3.0.0.0/8"], ("admin",)),
    ("list-named", [], ["tcp 22 pl-world"], ("admin",)),
    ("list-unknown", [], ["tcp 22 pl-unknown"], ()),
    ("egress", [], ["out all 0.0.0.0/0"], ()),
    ("order-of-classes", [], ["icmp 8 0.0.0.0/0", "tcp 443 0.0.0.0/0", "tcp 5432 0.0.0.0/0", "tcp 22 0.0.0.0/0"],
     ("admin", "database", "web", "other")),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), [case[1:] for case in NEWLY], ids=[case[0] for case in NEWLY])
def test_newly_open_is_a_difference_of_sets(before, after, expected):
    """Otherwise an edit that opens nothing would count as an opening, or one that does would not."""
    judge = Judge(CLASSES, InternetSettings())
    assert judge.newly_open([*map(rule, before)], [*map(rule, after)], LISTS, LISTS) == expected


def test_a_widened_prefix_list_is_newly_open():
    """Otherwise an edit of a list would open every group that names it, and nobody would be told."""
    judge, rules = Judge(CLASSES, InternetSettings()), [rule("tcp 22 pl-two"), rule("tcp 443 0.0.0.0/0")]
    wider = {"pl-two": PrefixList("pl-two", entries=(("2.0.0.0/8", ""), ("3.0.0.0/8", "")))}
    assert judge.newly_open(rules, rules, LISTS, wider) == ("admin",)
    assert judge.newly_open(rules, rules, wider, LISTS) == ()


# Brute force: a world of 32 addresses by IP version, tried one by one, by means of the standard library alone.
WORLDS = {4: ipaddress.ip_network("198.51.100.0/27"), 6: ipaddress.ip_network("2001:db8::/123")}
BEYOND = tuple(
    str(network)
    for version, zero in ((4, "0.0.0.0/0"), (6, "::/0"))
    for network in ipaddress.ip_network(zero).address_exclude(WORLDS[version])
)
"""All addresses outside: where they are no internet, one that covers the world is open whatever the prefixes say."""
PORTS = (*range(9), 443, 65535)
TRAFFIC = frozenset(
    [(protocol, port) for protocol in ("tcp", "udp") for port in PORTS]
    + [("icmp", kind, code) for kind in range(4) for code in range(3)]
    + [("50",), ("any other",)]
)


def let_in(protocol, low, high) -> frozenset:
    if protocol == "all":
        return TRAFFIC
    own = [item for item in TRAFFIC if item[0] == protocol]
    if protocol in ("tcp", "udp"):
        return frozenset(item for item in own if low <= item[1] <= high)
    if protocol == "icmp":
        return frozenset(item for item in own if low in (-1, item[1]) and high in (-1, item[2]))
    return frozenset(own)


def is_open(addresses, version, internet) -> set:
    """Return the addresses of those that lie in an open stretch, or all where they are all that is public."""
    strange = [ipaddress.ip_network(text) for text in internet.not_internet]
    world = list(WORLDS[version])
    public = [own for own in world if not any(own in network for network in strange if network.version == version)]
    wide = 2 ** (32 - internet.ipv4_prefix if version == 4 else 128 - internet.ipv6_prefix)
    if len(internet.not_internet) >= len(BEYOND) and public and set(public) <= addresses:
        return set(public)
    found, run = set(), []
    for own in [*world, None]:
        if own in addresses and own in public:
            run.append(own)
            continue
        if len(run) > wide:
            found.update(run)
        run = []
    return found


@st.composite
def networks(draw, version=None):
    version = version or draw(st.sampled_from([4, 4, 6]))
    bits = WORLDS[version].max_prefixlen
    length = draw(st.integers(bits - 5, bits))
    offset = draw(st.integers(0, 2 ** (length - bits + 5) - 1)) << (bits - length)
    return ipaddress.ip_network((int(WORLDS[version].network_address) + offset, length))


@st.composite
def rules_of(draw):
    protocol = draw(st.sampled_from(["all", "tcp", "tcp", "udp", "icmp", "50"]))
    low = high = None
    if protocol in ("tcp", "udp"):
        low = draw(st.integers(0, 6))
        high = draw(st.sampled_from([low, low + 1, low + 2, 65535]))
    elif protocol == "icmp":
        low = draw(st.integers(-1, 3))
        high = -1 if low == -1 else draw(st.integers(-1, 2))
    peer = draw(st.one_of(networks(), networks(), st.sampled_from(["pl-one", "pl-other"])))
    kind = PeerType.PREFIX_LIST if isinstance(peer, str) else PeerType.IPV6 if peer.version == 6 else PeerType.IPV4
    return Rule(draw(st.sampled_from([Direction.INGRESS] * 5 + [Direction.EGRESS])), None, protocol, low, high, kind, str(peer))


groups = st.lists(rules_of(), max_size=8)
lists_of = st.fixed_dictionaries({name: st.lists(networks(), max_size=3) for name in ("pl-one", "pl-other")})
internets = st.builds(
    InternetSettings,
    ipv4_prefix=st.integers(28, 31),
    ipv6_prefix=st.integers(124, 127),
    not_internet=st.one_of(
        st.just(()),
        st.tuples(networks().map(str)),
        st.just(BEYOND),
        networks().map(lambda network: (*BEYOND, str(network))),
    ),
)
exceptions_of = st.lists(
    st.tuples(
        st.lists(networks().map(str), max_size=2), st.lists(st.sampled_from(["1-2", "3", "5/udp", "443", "1-65535"]), max_size=2)
    ).filter(any),
    max_size=2,
)


def as_lists(drawn) -> dict:
    return {name: PrefixList(name, entries=tuple((str(network), "") for network in own)) for name, own in drawn.items()}


def networks_of(own, lists) -> list:
    return list(lists[own.peer]) if own.peer in lists else [ipaddress.ip_network(own.peer)]


def addresses_of(members, version) -> set:
    return {address for network in members if network.version == version for address in network}


def brute_force(rules, lists, internet, excepted) -> dict:
    """Return {(place, IP version): {traffic}} of what is open by each rule; `excepted` is what each lets in no longer."""
    found = {}
    ingress = {place: own for place, own in enumerate(rules) if own.direction is Direction.INGRESS}
    for version in (4, 6):
        reach = {place: addresses_of(networks_of(own, lists), version) for place, own in ingress.items()}
        traffic = {place: let_in(own.protocol, own.from_port, own.to_port) - excepted[place] for place, own in ingress.items()}
        alone = {place for place in ingress if is_open(reach[place], version, internet)}
        for place in alone:
            found[place, version] = set(traffic[place])
        by_rest: dict[tuple, list] = {}
        for item in TRAFFIC:
            by_rest.setdefault(tuple(place for place in ingress if place not in alone and item in traffic[place]), []).append(item)
        for rest, items in by_rest.items():
            stretch = is_open(set().union(*(reach[place] for place in rest)), version, internet)
            members = [(place, network) for place in rest for network in networks_of(ingress[place], lists) if network.version == version]
            for place, network in members:
                inside = any(network != other and network.subnet_of(other) for _, other in members)
                if not inside and stretch & set(network):
                    found.setdefault((place, version), set()).update(items)
    return {key: items for key, items in found.items() if items}


def told(found: list[OpenRule], rules) -> dict:
    """Return {(place, IP version, exception): {traffic}} of the rows."""
    out = {}
    for own in found:
        place = next(place for place, one in enumerate(rules) if one is own.rule)
        out.setdefault((place, own.ip_version, own.exception), set()).update(let_in(own.protocol, own.from_port, own.to_port))
    return out


@settings(max_examples=100, deadline=None)
@given(groups, lists_of, internets)
def test_every_rule_is_judged_as_by_trying_every_address(rules, lists, internet):
    """Otherwise some nesting of blocks, ranges and lists would hide what is open, or blame a rule that opens nothing."""
    found = Judge(CLASSES, internet).open_of(Group(GROUP, rules=tuple(rules)), as_lists(lists))
    expected = brute_force(rules, lists, internet, [frozenset()] * len(rules))
    assert told(found, rules) == {(place, version, ""): items for (place, version), items in expected.items()}


@settings(max_examples=100, deadline=None)
@given(groups, lists_of, internets, exceptions_of)
def test_exceptions_are_held_as_by_trying_every_address(rules, lists, internet, exceptions):
    """Otherwise an exception would cover more than it says, or hide what others open."""
    made = [
        excepting(name=f"e{number}", **{key: value for key, value in (("cidrs", cidrs), ("ports", ports)) if value})
        for number, (cidrs, ports) in enumerate(exceptions)
    ]
    covered = []
    for own in rules:
        by_name, left = {}, TRAFFIC
        for exception in made:
            ranges = [ipaddress.ip_network(text) for text in exception.cidrs]
            members = networks_of(own, lists)
            if ranges and not all(any(member.version == wide.version and member.subnet_of(wide) for wide in ranges) for member in members):
                continue
            ports = exception.port_ranges()
            named = (
                TRAFFIC
                if ports is None
                else frozenset(
                    item
                    for item in TRAFFIC
                    if item[0] in ("tcp", "udp") and any(low <= item[1] <= high for low, high in getattr(ports, item[0]))
                )
            )
            if ports is not None:
                named |= {(name, 0) for name in ("tcp", "udp") if getattr(ports, name) == ((1, 65535),)}
            by_name[exception.name], left = named & left, left - named
        covered.append((by_name, TRAFFIC - left))
    expected = {}
    for (place, version), items in brute_force(rules, lists, internet, [every for _, every in covered]).items():
        expected[place, version, ""] = items
    for (place, version), items in brute_force(rules, lists, internet, [frozenset()] * len(rules)).items():
        for name, own in covered[place][0].items():
            if items & own:
                expected[place, version, name] = items & own
    standing = standing_of(Group(GROUP, rules=tuple(rules)), prefix_lists=as_lists(lists))
    found = told(Judge(CLASSES, internet, made).open_rules(standing, NOW), rules)
    # A row for all protocols stands for all that no exception before it covers.
    for (place, version, name), items in found.items():
        if ("any other",) in items:
            earlier = [own for other, own in covered[place][0].items() if not name or other < name]
            found[place, version, name] = items - set().union(*earlier)
    assert found == expected


def open_traffic(judge, rules, lists) -> set:
    found = told(judge.open_of(Group(GROUP, rules=tuple(rules)), as_lists(lists)), rules)
    return {(version, item) for (_, version, _), items in found.items() for item in items}


@settings(max_examples=80, deadline=None)
@given(groups, rules_of(), lists_of, internets)
def test_one_more_rule_never_closes_anything(rules, more, lists, internet):
    """Otherwise somebody could hide an open port by adding a rule."""
    judge = Judge(CLASSES, internet)
    assert open_traffic(judge, rules, lists) <= open_traffic(judge, [*rules, more], lists)
    assert judge.newly_open([*rules, more], rules, as_lists(lists), as_lists(lists)) == ()


@settings(max_examples=80, deadline=None)
@given(groups, lists_of, internets, st.data())
def test_a_network_in_two_halves_is_as_open_as_whole(rules, lists, internet, data):
    """Otherwise the internet in small enough pieces would be no internet."""
    judge = Judge(CLASSES, internet)
    split = []
    for own in rules:
        network = None if own.peer in lists else ipaddress.ip_network(own.peer)
        whole = network is None or network.prefixlen == network.max_prefixlen or data.draw(st.booleans())
        split += [own] if whole else [replace(own, peer=str(half)) for half in network.subnets()]
    assert open_traffic(judge, split, lists) == open_traffic(judge, rules, lists)
    assert judge.newly_open(rules, split, as_lists(lists), as_lists(lists)) == ()


@settings(max_examples=80, deadline=None)
@given(groups, lists_of, internets, st.data())
def test_the_order_of_rules_never_matters(rules, lists, internet, data):
    """Otherwise the same group would be judged otherwise when AWS lists its rules in another order."""
    shuffled = data.draw(st.permutations(rules))

    def seen(order):
        found = told(Judge(CLASSES, internet).open_of(Group(GROUP, rules=tuple(order)), as_lists(lists)), order)
        return sorted((repr(order[place]), version, sorted(map(str, items))) for (place, version, _), items in found.items())

    assert seen(shuffled) == seen(rules)


@settings(max_examples=80, deadline=None)
@given(groups, groups, lists_of, lists_of, internets)
def test_newly_open_is_empty_exactly_where_nothing_more_is_open(before, after, lists_before, lists_after, internet):
    """Otherwise the counter of openings and the gauge of what is open would disagree."""
    judge = Judge(CLASSES, internet)
    opened = open_traffic(judge, after, lists_after) - open_traffic(judge, before, lists_before)
    assert bool(judge.newly_open(before, after, as_lists(lists_before), as_lists(lists_after))) == bool(opened)


@settings(max_examples=100, deadline=None)
@given(groups, lists_of, internets)
def test_what_rules_open_together_is_the_same_without_the_networks_that_decide_nothing(rules, lists, internet):
    """A peer that is the internet by itself stands for everybody, and where no union can be wide enough the others are left out."""
    judge, lists = Judge(CLASSES, internet), as_lists(lists)
    peers, internets_now = judge._peers, judge._internets
    made = [(one, peers.of(one, lists)) for one in rules if one.direction is not Direction.EGRESS]
    rows = [Row(one.protocol, one.from_port, one.to_port, net) for one, reach in made if reach is not None for net in reach.networks]
    assert judge._apportioning.opened(rules, lists) == opened_ports(rows, internets_now)


def test_small_networks_are_not_left_out_where_they_close_a_gap():
    """Otherwise the fast way for most rules would miss a union whose pieces are joined by small ones."""
    pieces = ["tcp 22 3.0.0.0/9", "tcp 22 3.128.0.0/10", "tcp 22 3.192.0.0/10", "tcp 22 4.0.0.0/32"]
    assert len(rows(Judge(CLASSES, InternetSettings()), *pieces)) == 4
    hosts = [f"tcp 22 4.0.{number // 256}.{number % 256}/32" for number in range(300)]
    assert len(rows(Judge(CLASSES, InternetSettings()), *pieces[:3], *hosts)) == 303


@pytest.mark.parametrize("length", range(17))
def test_a_world_of_equal_blocks_is_the_world(length):
    """Otherwise many small rules would stay below what is looked at closely."""
    blocks = [f"{start >> 24}.{start >> 16 & 255}.0.0/{length}" for start in range(0, 1 << 32, 1 << (32 - length))]
    if length > 8:
        blocks = [text for text in blocks if text.startswith(("3.", "4."))]
    found = rows(Judge(CLASSES, InternetSettings()), *(f"tcp 22 {text}" for text in blocks))
    assert found
    assert all(text.endswith("v4 tcp 22 admin") for text in found)


def test_the_product_of_spellings_is_judged_alike():
    """Otherwise one spelling of the same rule would escape."""
    judge = Judge(CLASSES, InternetSettings())
    for protocol, peer in product(("tcp", "TCP", " tcp ", "6"), ("0.0.0.0/0", "203.0.113.9/0", " 0.0.0.0/0 ", "0.0.0.0/00")):
        own = Rule(Direction.INGRESS, None, protocol, 22, 22, PeerType.IPV4, peer)
        assert [opened.port_class for opened in judge.open_of(Group(GROUP, rules=(own,)), {})] == ["admin"], (protocol, peer)
