"""Rule sets with the verdict that is expected of each, and why: the table of tests/test_posture_rule_sets.py.

A rule is written `tcp 22 0.0.0.0/0`, `tcp 20-30 …`, `icmp 8 …` (type), `icmp 3/4 …` (type and code), `all …`, `50 …` (a protocol by number),
with a CIDR, a prefix list of LISTS or a group as its peer; `out` before it makes it egress. A row is written
`0 v4 tcp 22 admin`: the rule's place in the set, IP version, protocol, ports (ICMP: type, or type/code), port class.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.model import Direction, PeerType, Rule
from exporter.posture.judge import OpenRule
from exporter.posture.settings import InternetSettings
from exporter.posture.standing import PrefixList

LISTS = {
    name: PrefixList(name, name=name, entries=tuple((cidr, "") for cidr in cidrs))
    for name, cidrs in {
        "pl-world": ("0.0.0.0/0",),
        "pl-halves": ("0.0.0.0/1", "128.0.0.0/1"),
        "pl-both": ("0.0.0.0/0", "::/0"),
        "pl-mixed": ("198.51.100.0/24", "::/0"),
        "pl-office": ("198.51.100.0/24", "203.0.113.7/32", "2001:db8::/48"),
        "pl-two": ("2.0.0.0/8",),
        "pl-quarters": ("2.0.0.0/9", "2.128.0.0/9", "3.0.0.0/9", "3.128.0.0/9"),
        "pl-empty": (),
        "pl-private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
        "pl-unreadable": ("not a network", "198.51.100.0/24"),
        "pl-unreadable-world": ("not a network", "0.0.0.0/0"),
    }.items()
}
"""The prefix lists that rule sets name; `pl-unknown` is none of them."""

ALL_CLASSES = ("admin", "database", "directory", "file", "cluster", "web")
"""What a range hits that leaves out nearly no port."""


def rule(text: str) -> Rule:
    """Return the rule that a line of the table spells."""
    words = text.split()
    direction = Direction.EGRESS if words[0] == "out" else Direction.INGRESS
    words = words[words[0] == "out" :]
    protocol, ports, peer = words[0], words[1] if len(words) == 3 else "", words[-1]
    low = high = None
    if protocol in ("icmp", "icmpv6"):
        kind, _, code = ports.partition("/")
        low, high = int(kind or -1), int(code or -1)
    elif ports:
        first, _, last = ports.partition("-")
        low, high = int(first), int(last or first)
    kind = (
        PeerType.PREFIX_LIST
        if peer.startswith("pl-")
        else PeerType.SECURITY_GROUP
        if peer.startswith("sg-")
        else PeerType.IPV6
        if ":" in peer
        else PeerType.IPV4
    )
    return Rule(direction, None, protocol, low, high, kind, peer)


def row(opened: OpenRule, rules: tuple[Rule, ...]) -> str:
    """Return a row as the table spells it."""
    place = next(index for index, own in enumerate(rules) if own is opened.rule)
    ports = ""
    if opened.protocol in ("icmp", "icmpv6"):
        ports = f" {opened.from_port}" if opened.to_port == -1 else f" {opened.from_port}/{opened.to_port}"
    elif opened.from_port is not None:
        ports = f" {opened.from_port}" if opened.from_port == opened.to_port else f" {opened.from_port}-{opened.to_port}"
    excepted = f" by {opened.exception}" if opened.exception else ""
    return f"{place} v{opened.ip_version} {opened.protocol}{ports} {opened.port_class}{excepted}"


@dataclass(frozen=True)
class Case:
    """One rule set, what stands open of it, and the reason in words."""

    name: str
    rules: tuple[str, ...]
    rows: tuple[str, ...]
    why: str
    internet: InternetSettings = field(default_factory=InternetSettings)


def _case(name: str, rules: str, rows: str, why: str, internet: InternetSettings | None = None) -> Case:
    split = [tuple(part.strip() for part in text.split(";") if part.strip()) for text in (rules, rows)]
    return Case(name, split[0], split[1], why, internet or InternetSettings())


def _every(prefix: str, *names: str) -> str:
    return ";".join(f"{prefix} {name}" for name in names or ALL_CLASSES)


_16 = InternetSettings(ipv4_prefix=16, ipv6_prefix=48)
_OURS = InternetSettings(not_internet=("3.0.0.0/8", "2001:db8::/32"))

CASES = (
    # Single networks.
    _case("no-rules", "", "", "a group without rules lets nobody in"),
    _case("world", "tcp 22 0.0.0.0/0", "0 v4 tcp 22 admin", "every IPv4 address"),
    _case("world-v6", "tcp 22 ::/0", "0 v6 tcp 22 admin", "every IPv6 address"),
    _case("world-both", "tcp 22 0.0.0.0/0; tcp 22 ::/0", "0 v4 tcp 22 admin; 1 v6 tcp 22 admin", "IP versions are judged apart, each rule once"),
    _case("host-bits", "tcp 22 203.0.113.9/0", "0 v4 tcp 22 admin", "a prefix length of 0 leaves nothing of the address"),
    _case("host-bits-v6", "tcp 22 2001:db8::1/0", "0 v6 tcp 22 admin", "a prefix length of 0 leaves nothing of the address"),
    _case("unreadable-zero", "tcp 22 x.y.z/0", "0 v4 tcp 22 admin", "whatever the address is, a prefix length of 0 is everybody"),
    _case("unreadable-zero-v6", "tcp 22 fe80::1%eth0/0", "0 v6 tcp 22 admin", "whatever the address is, a prefix length of 0 is everybody"),
    _case("unreadable", "tcp 22 256.0.0.0/4", "", "no network can be read from it; Judge.unreadable_peers tells of it"),
    _case("long-zeros", "tcp 22 0000:0000:0000:0000:0000:0000:0000:0000/0", "0 v6 tcp 22 admin", "::/0 spelt in full"),
    _case("dotted-v6", "tcp 22 ::0.0.0.0/0", "0 v6 tcp 22 admin", "::/0 spelt with a dotted end"),
    _case("one-host", "tcp 22 203.0.113.7/32", "", "one address"),
    _case("bare-host", "tcp 22 203.0.113.7", "", "an address without a length is one address"),
    _case("zero-host", "tcp 22 0.0.0.0/32", "", "the text begins like the world, but is one address that nobody has"),
    _case("zero-8", "tcp 22 0.0.0.0/8", "", "0.0.0.0/8 is not public (RFC 791)"),
    _case("zero-7", "tcp 22 0.0.0.0/7", "", "half of it is not public; what is left, 1.0.0.0/8, is no more than a /8"),
    _case("zero-6", "tcp 22 0.0.0.0/6", "0 v4 tcp 22 admin", "1.0.0.0 to 3.255.255.255 are three /8"),
    _case("half", "tcp 22 0.0.0.0/1", "0 v4 tcp 22 admin", "half of the internet is no list of one's own"),
    _case("upper-half", "tcp 22 128.0.0.0/1", "0 v4 tcp 22 admin", "half of the internet is no list of one's own"),
    _case("public-8", "tcp 22 3.0.0.0/8", "", "a /8 can be somebody's own; wider than that is open"),
    _case("public-7", "tcp 22 2.0.0.0/7", "0 v4 tcp 22 admin", "two /8 are more than anybody's own"),
    _case("loopback-7", "tcp 22 126.0.0.0/7", "", "127.0.0.0/8 is not public; what is left is a /8"),
    _case("ten-7", "tcp 22 10.0.0.0/7", "", "10.0.0.0/8 is private; what is left is a /8"),
    _case("ten-6", "tcp 22 8.0.0.0/6", "0 v4 tcp 22 admin", "8.0.0.0 to 9.255.255.255 are two /8 before the private one"),
    _case("ten-8", "tcp 22 10.0.0.0/8", "", "private (RFC 1918)"),
    _case("private-12", "tcp 22 172.16.0.0/12", "", "private (RFC 1918)"),
    _case("private-16", "tcp 22 192.168.0.0/16", "", "private (RFC 1918)"),
    _case("shared", "tcp 22 100.64.0.0/10", "", "shared between providers and their customers (RFC 6598)"),
    _case("link-local", "tcp 22 169.254.0.0/16", "", "never leaves a link"),
    _case("multicast", "tcp 22 224.0.0.0/4", "", "nothing comes from a multicast address"),
    _case("reserved", "tcp 22 240.0.0.0/4", "", "reserved"),
    _case("top-quarter", "tcp 22 192.0.0.0/2", "0 v4 tcp 22 admin", "192.169.0.0 to 223.255.255.255 are thirty /8"),
    # IPv6.
    _case("global-unicast", "tcp 22 2000::/3", "0 v6 tcp 22 admin", "all of IPv6 that is public: as open as ::/0"),
    _case("half-v6", "tcp 22 ::/1", "0 v6 tcp 22 admin", "2000::/3 lies in it"),
    _case("quarter-v6", "tcp 22 2000::/4", "0 v6 tcp 22 admin", "half of what is public"),
    _case("registry-v6", "tcp 22 2400::/12", "0 v6 tcp 22 admin", "the block of a regional registry"),
    _case("provider-v6", "tcp 22 2001:db8::/32", "", "a /32 is what one provider gets"),
    _case("provider-31", "tcp 22 2001:db8::/31", "0 v6 tcp 22 admin", "wider than a /32"),
    _case("site-v6", "tcp 22 2001:db8:1::/48", "", "one site"),
    _case("below-global", "tcp 22 ::/3", "", "nothing public begins with 000"),
    _case("mapped", "tcp 22 ::ffff:0.0.0.0/96", "", "IPv4-mapped addresses never are on the wire, so no packet of IPv6 comes from one"),
    _case("mapped-wide", "tcp 22 ::ffff:0:0/90", "", "IPv4-mapped addresses never are on the wire"),
    _case("nat64", "tcp 22 64:ff9b::/96", "", "the prefix of NAT64 is not in 2000::/3"),
    _case("six-to-four", "tcp 22 2002::/16", "0 v6 tcp 22 admin", "6to4 addresses are public, and stand for all of IPv4"),
    _case("unique-local", "tcp 22 fc00::/7", "", "private (RFC 4193)"),
    _case("link-local-v6", "tcp 22 fe80::/10", "", "never leaves a link"),
    _case("upper-half-v6", "tcp 22 8000::/1", "", "nothing public is up there"),
    _case("documentation-v6", "tcp 22 3fff::/20", "", "the documentation block of RFC 9637"),
    # Unions.
    _case("halves", "tcp 22 0.0.0.0/1; tcp 22 128.0.0.0/1", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin", "each half is open by itself"),
    _case("two-8", "tcp 22 2.0.0.0/8; tcp 22 3.0.0.0/8", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin", "side by side they are wider than a /8"),
    _case("two-8-apart", "tcp 22 2.0.0.0/8; tcp 22 4.0.0.0/8", "", "not side by side: two lists of one's own"),
    _case("two-8-around-private", "tcp 22 9.0.0.0/8; tcp 22 11.0.0.0/8", "", "the private /8 between them breaks the stretch"),
    _case("over-private", "tcp 22 9.0.0.0/8; tcp 22 10.0.0.0/8; tcp 22 11.0.0.0/8", "", "a rule for the private /8 does not join them: nobody public is in it"),
    _case("8-and-host", "tcp 22 3.0.0.0/8; tcp 22 4.0.0.0/32", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin", "one address more than a /8, side by side"),
    _case("8-and-host-apart", "tcp 22 3.0.0.0/8; tcp 22 4.0.0.1/32", "", "4.0.0.0 is missing between them"),
    _case("redundant-host", "tcp 22 0.0.0.0/0; tcp 22 203.0.113.7/32", "0 v4 tcp 22 admin", "a host beside the world opens nothing"),
    _case("redundant-in-union", "tcp 22 2.0.0.0/8; tcp 22 3.0.0.0/8; tcp 22 2.1.1.1/32", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin", "the host lies in a wider rule for the same port"),
    _case("narrow-rule-other-port", "tcp 22 2.0.0.0/8; tcp 22 3.0.0.0/8; tcp 80 2.1.1.1/32", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin", "80 is let in from one host only"),
    _case("union-beside-world", "tcp 22 0.0.0.0/0; tcp 22 2.0.0.0/8; tcp 22 3.0.0.0/8", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin; 2 v4 tcp 22 admin", "without the world the two are open still"),
    _case("neighbour-of-open", "tcp 22 2.0.0.0/7; tcp 22 4.0.0.0/8", "0 v4 tcp 22 admin", "a /8 that no union needs is somebody's own"),
    _case("four-quarters", "tcp 22 2.0.0.0/9; tcp 22 2.128.0.0/9; tcp 22 3.0.0.0/9", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin; 2 v4 tcp 22 admin", "a /8 and a half, in three pieces"),
    _case("overlap-of-ports", "tcp 20-30 2.0.0.0/8; tcp 22-40 3.0.0.0/8", "0 v4 tcp 22-30 admin; 1 v4 tcp 22-30 admin", "both halves reach 22 to 30 only"),
    _case("no-common-port", "tcp 22 2.0.0.0/8; tcp 23 3.0.0.0/8", "", "no port is reached from both"),
    _case("same-port-other-protocol", "tcp 53 2.0.0.0/8; udp 53 3.0.0.0/8", "", "tcp 53 and udp 53 are two doors"),
    _case("halves-of-versions", "tcp 22 2.0.0.0/8; tcp 22 2001:db8::/32", "", "IPv4 and IPv6 do not add up"),
    _case("two-32-v6", "tcp 22 2001:db8::/32; tcp 22 2001:db9::/32", "0 v6 tcp 22 admin; 1 v6 tcp 22 admin", "side by side they are wider than a /32"),
    _case("two-32-v6-apart", "tcp 22 2001:db8::/32; tcp 22 2001:dba::/32", "", "not side by side"),
    _case("nested-ports", "tcp 0-65535 2.0.0.0/8; tcp 443 3.0.0.0/8; tcp 22 3.0.0.0/8", "0 v4 tcp 22 admin; 0 v4 tcp 443 web; 1 v4 tcp 443 web; 2 v4 tcp 22 admin", "of the wide rule two ports are open, each told apart"),
    _case("all-completes-tcp", "all 2.0.0.0/8; tcp 443 3.0.0.0/8", "0 v4 tcp 443 web; 1 v4 tcp 443 web", "protocol -1 holds tcp 443 too"),
    _case("all-completes-icmp", "all 2.0.0.0/8; icmp 8 3.0.0.0/8", "0 v4 icmp 8 other; 1 v4 icmp 8 other", "protocol -1 holds echo requests too"),
    _case("all-completes-esp", "all 2.0.0.0/8; 50 3.0.0.0/8", "0 v4 50 other; 1 v4 50 other", "protocol -1 holds ESP too"),
    _case("all-and-all", "all 2.0.0.0/8; all 3.0.0.0/8", "0 v4 all all; 1 v4 all all", "together they are wider than a /8, for everything"),
    _case("all-beside-tcp", "all 2.0.0.0/8; all 3.0.0.0/8; tcp 22 4.0.0.0/8", "0 v4 all all; 1 v4 all all; 2 v4 tcp 22 admin", "the third lies in the open stretch of port 22"),
    _case("same-network-two-ports", "tcp 22 2.0.0.0/8; tcp 20-30 2.0.0.0/8; tcp 22 3.0.0.0/8", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin; 2 v4 tcp 22 admin", "two rules hold the same half: both must go to close it"),
    _case("twice-the-same-8", "tcp 22 3.0.0.0/8; tcp 22 3.0.0.0/8", "", "the same /8 twice is still one"),
    _case("everything-but-private", "tcp 22 0.0.0.0/5; tcp 22 8.0.0.0/7; tcp 22 11.0.0.0/8; tcp 22 12.0.0.0/6", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin; 3 v4 tcp 22 admin", "a list that spares 10.0.0.0/8; 11.0.0.0/8 by itself is no more than a /8"),
    _case("udp-union", "udp 161 2.0.0.0/8; udp 161-162 3.0.0.0/8", "0 v4 udp 161 admin; 1 v4 udp 161 admin", "unions of udp are judged as those of tcp"),
    # Ports and protocols.
    _case("web", "tcp 443 0.0.0.0/0", "0 v4 tcp 443 web", "open, and meant to be"),
    _case("mail", "tcp 25 0.0.0.0/0", "0 v4 tcp 25 other", "no class lists mail"),
    _case("etcd", "tcp 2379-2380 0.0.0.0/0", "0 v4 tcp 2379-2380 cluster", "no standard lists etcd, we do"),
    _case("postgres", "tcp 5432 0.0.0.0/0", "0 v4 tcp 5432 database", "a database"),
    _case("ldap", "udp 389 0.0.0.0/0", "0 v4 udp 389 directory", "a directory"),
    _case("nfs", "tcp 2049 0.0.0.0/0", "0 v4 tcp 2049 file", "a file service"),
    _case("udp-22", "udp 22 0.0.0.0/0", "0 v4 udp 22 other", "SSH is tcp"),
    _case("range-over-22", "tcp 20-25 0.0.0.0/0", "0 v4 tcp 20-25 admin; 0 v4 tcp 20-25 file", "a range that merely covers 22, FTP and telnet"),
    _case("range-over-3389", "tcp 3300-3400 0.0.0.0/0", "0 v4 tcp 3300-3400 admin; 0 v4 tcp 3300-3400 database", "a range that merely covers 3389 and 3306"),
    _case("range-beside", "tcp 23-24 0.0.0.0/0", "0 v4 tcp 23-24 admin", "telnet, not SSH, is in it"),
    _case("range-of-none", "tcp 40000-40010 0.0.0.0/0", "0 v4 tcp 40000-40010 other", "open, though no class lists these ports"),
    _case("tcp-all", "tcp 0-65535 0.0.0.0/0", "0 v4 tcp 0-65535 all", "every port of tcp"),
    _case("tcp-from-1", "tcp 1-65535 0.0.0.0/0", "0 v4 tcp 1-65535 all", "port 0 is reserved, so these are all"),
    _case("tcp-from-2", "tcp 2-65535 0.0.0.0/0", _every("0 v4 tcp 2-65535"), "one short of all: every class is hit"),
    _case("udp-all", "udp 0-65535 0.0.0.0/0", "0 v4 udp 0-65535 all", "every port of udp"),
    _case("tcp-without-ports", "tcp 0.0.0.0/0", "0 v4 tcp 0-65535 all", "ports that are not told are taken for all"),
    _case("tcp-backwards", "tcp 30-20 0.0.0.0/0", "0 v4 tcp 0-65535 all", "ports that make no sense are taken for all"),
    _case("tcp-port-0", "tcp 0 0.0.0.0/0", "0 v4 tcp 0 other", "port 0 alone"),
    _case("tcp-too-high", "tcp 22-70000 0.0.0.0/0", "0 v4 tcp 0-65535 all", "ports that do not exist are taken for all"),
    _case("all-protocols", "all 0.0.0.0/0", "0 v4 all all", "protocol -1"),
    _case("minus-one", "-1 0.0.0.0/0", "0 v4 all all", "protocol -1 as AWS writes it"),
    _case("all-with-ports", "all 22 0.0.0.0/0", "0 v4 all all", "AWS ignores ports with protocol -1"),
    _case("number-6", "6 22 0.0.0.0/0", "0 v4 tcp 22 admin", "6 is tcp"),
    _case("number-17", "17 161 0.0.0.0/0", "0 v4 udp 161 admin", "17 is udp"),
    _case("number-06", "06 22 0.0.0.0/0", "0 v4 tcp 22 admin", "a leading zero changes nothing"),
    _case("upper-case", "TCP 22 0.0.0.0/0", "0 v4 tcp 22 admin", "names of protocols have no case"),
    _case("esp", "50 0.0.0.0/0", "0 v4 50 other", "ESP has no ports, and is let in"),
    _case("gre", "47 0.0.0.0/0", "0 v4 47 other", "GRE has no ports, and is let in"),
    _case("sctp-with-ports", "132 22 0.0.0.0/0", "0 v4 132 other", "AWS has ports for tcp and udp only"),
    _case("unknown-protocol", "quux 5 0.0.0.0/0", "0 v4 quux other", "a protocol that nobody knows is let in all the same"),
    _case("esp-halves", "50 2.0.0.0/8; 50 3.0.0.0/8", "0 v4 50 other; 1 v4 50 other", "unions count for protocols without ports"),
    _case("esp-and-ah", "50 2.0.0.0/8; 51 3.0.0.0/8", "", "two protocols do not add up"),
    _case("icmp-all", "icmp 0.0.0.0/0", "0 v4 icmp -1 other", "every type"),
    _case("icmp-echo", "icmp 8 0.0.0.0/0", "0 v4 icmp 8 other", "one type, any code"),
    _case("icmp-fragmentation", "icmp 3/4 0.0.0.0/0", "0 v4 icmp 3/4 other", "one type and code"),
    _case("icmp-types-differ", "icmp 8 2.0.0.0/8; icmp 0 3.0.0.0/8", "", "echo request and reply are two things"),
    _case("icmp-codes-differ", "icmp 3/4 2.0.0.0/8; icmp 3/3 3.0.0.0/8", "", "two codes of one type"),
    _case("icmp-code-in-type", "icmp 3/4 2.0.0.0/8; icmp 3 3.0.0.0/8", "0 v4 icmp 3/4 other; 1 v4 icmp 3/4 other", "any code holds code 4: that is reached from both"),
    _case("icmp-type-in-all", "icmp 2.0.0.0/8; icmp 8 3.0.0.0/8", "0 v4 icmp 8 other; 1 v4 icmp 8 other", "any type holds type 8"),
    _case("icmp-two-types", "icmp 2.0.0.0/8; icmp 8 3.0.0.0/8; icmp 9 3.0.0.0/8", "0 v4 icmp 8 other; 0 v4 icmp 9 other; 1 v4 icmp 8 other; 2 v4 icmp 9 other", "types side by side are told one by one"),
    _case("icmp-bad-type", "icmp 300 0.0.0.0/0", "0 v4 icmp -1 other", "a type that does not exist is taken for any"),
    _case("icmpv6", "icmpv6 ::/0", "0 v6 icmpv6 -1 other", "ICMPv6, every type"),
    _case("icmpv6-number", "58 ::/0", "0 v6 icmpv6 -1 other", "58 is ICMPv6"),
    _case("icmpv6-echo", "icmpv6 128 2000::/3", "0 v6 icmpv6 128 other", "echo requests from all of IPv6 that is public"),
    _case("icmp-is-not-icmpv6", "icmp 2.0.0.0/8; icmpv6 3.0.0.0/8", "", "two protocols"),
    _case("icmp-not-tcp", "icmp 8 2.0.0.0/8; tcp 2048 3.0.0.0/8", "", "a type is no port"),
    # Prefix lists, groups, directions.
    _case("list-world", "tcp 22 pl-world", "0 v4 tcp 22 admin", "the list holds the world"),
    _case("list-halves", "tcp 22 pl-halves", "0 v4 tcp 22 admin", "one rule, one row, however many entries"),
    _case("list-both", "tcp 22 pl-both", "0 v4 tcp 22 admin; 0 v6 tcp 22 admin", "a row for each IP version"),
    _case("list-mixed", "tcp 22 pl-mixed", "0 v6 tcp 22 admin", "open over IPv6 only"),
    _case("list-office", "tcp 22 pl-office", "", "a list of one's own"),
    _case("list-private", "all pl-private", "", "private ranges"),
    _case("list-empty", "all pl-empty", "", "an empty list lets nobody in"),
    _case("list-unknown", "all pl-unknown", "", "what a list holds that nobody can read cannot be judged; Judge.unknown_lists names it"),
    _case("list-unknown-beside", "all pl-unknown; tcp 22 0.0.0.0/0", "1 v4 tcp 22 admin", "what can be judged is"),
    _case("list-quarters", "tcp 22 pl-quarters", "0 v4 tcp 22 admin", "the union of the entries counts"),
    _case("list-completes-cidr", "tcp 22 pl-two; tcp 22 3.0.0.0/8", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin", "a list and a CIDR together"),
    _case("list-beside-world", "tcp 22 0.0.0.0/0; tcp 22 pl-office", "0 v4 tcp 22 admin", "the office opens nothing"),
    _case("list-in-wider-rule", "tcp 22 2.0.0.0/8; tcp 22 3.0.0.0/8; tcp 22 pl-two", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin; 2 v4 tcp 22 admin", "the list holds the same /8 as the first rule"),
    _case("list-unreadable", "tcp 22 pl-unreadable", "", "what can be read of it is an office"),
    _case("list-unreadable-world", "tcp 22 pl-unreadable-world", "0 v4 tcp 22 admin", "what can be read of it is the world"),
    _case("list-icmp", "icmp 8 pl-both", "0 v4 icmp 8 other; 0 v6 icmp 8 other", "ICMP by a list"),
    _case("group-reference", "all sg-0123456789abcdef0", "", "members of a group are no internet"),
    _case("group-reference-beside", "all sg-0123456789abcdef0; tcp 80 0.0.0.0/0", "1 v4 tcp 80 web", "only the CIDR is"),
    _case("egress", "out all 0.0.0.0/0", "", "leaving is not entering"),
    _case("egress-half", "out tcp 22 2.0.0.0/8; tcp 22 3.0.0.0/8", "", "directions do not add up"),
    _case("egress-list", "out all pl-world", "", "leaving is not entering"),
    _case("default-group", "all sg-0123456789abcdef0; out all 0.0.0.0/0; out all ::/0", "", "what every default group has"),
    # Another idea of the internet.
    _case("narrower", "tcp 22 3.0.0.0/15", "0 v4 tcp 22 admin", "configured: wider than a /16 is open", _16),
    _case("narrower-exact", "tcp 22 3.0.0.0/16", "", "configured: a /16 is not wider than a /16", _16),
    _case("narrower-v6", "tcp 22 2001:db8::/47", "0 v6 tcp 22 admin", "configured: wider than a /48 is open", _16),
    _case("narrower-private", "tcp 22 10.0.0.0/8", "", "private ranges never are, whatever is configured", _16),
    _case("narrower-shared", "tcp 22 100.64.0.0/10", "", "shared ranges never are, whatever is configured", _16),
    _case("narrower-around-private", "tcp 22 172.0.0.0/12; tcp 22 172.16.0.0/12", "0 v4 tcp 22 admin", "the private one takes no part", _16),
    _case("narrower-link-local", "tcp 22 169.254.0.0/15", "", "169.255.0.0/16 is left: no more than a /16", _16),
    _case("two-hosts", "tcp 22 203.0.113.6/31", "0 v4 tcp 22 admin", "configured: more than one address is open", InternetSettings(ipv4_prefix=32)),
    _case("one-host-32", "tcp 22 203.0.113.6/32", "", "configured: one address is not more than one", InternetSettings(ipv4_prefix=32)),
    _case("only-all-world", "tcp 22 0.0.0.0/0", "0 v4 tcp 22 admin", "all that is public is open even where no stretch is long enough", InternetSettings(ipv4_prefix=0)),
    _case("only-all-halves", "tcp 22 0.0.0.0/1; tcp 22 128.0.0.0/1", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin", "only together they are all that is public", InternetSettings(ipv4_prefix=0)),
    _case("only-all-one-half", "tcp 22 0.0.0.0/1", "", "configured: less than everything is not open", InternetSettings(ipv4_prefix=0)),
    _case("only-all-ports", "tcp 20-30 0.0.0.0/1; tcp 22-40 128.0.0.0/1", "0 v4 tcp 22-30 admin; 1 v4 tcp 22-30 admin", "only there they are all that is public", InternetSettings(ipv4_prefix=0)),
    _case("only-all-v6", "tcp 22 2000::/3", "0 v6 tcp 22 admin", "all of IPv6 that is public", InternetSettings(ipv6_prefix=3)),
    _case("only-all-v6-half", "tcp 22 2000::/4", "", "configured: half of it is not open", InternetSettings(ipv6_prefix=3)),
    _case("ours-breaks", "tcp 22 2.0.0.0/8; tcp 22 3.0.0.0/8", "", "3.0.0.0/8 is configured as one's own", _OURS),
    _case("ours-between", "tcp 22 2.0.0.0/8; tcp 22 3.0.0.0/8; tcp 22 4.0.0.0/8", "", "one's own range breaks the stretch", _OURS),
    _case("ours-inside", "tcp 22 2.0.0.0/7", "", "what is left of it is a /8", _OURS),
    _case("ours-world", "tcp 22 0.0.0.0/0", "0 v4 tcp 22 admin", "the world is more than one's own range", _OURS),
    _case("ours-v6", "tcp 22 2001:db8::/31", "", "what is left of it is a /32", _OURS),
    _case("ours-is-everything", "all 0.0.0.0/0", "", "where all is one's own, there is no internet", InternetSettings(not_internet=("0.0.0.0/0",))),
    _case("ours-and-all-the-rest", "tcp 22 0.0.0.0/2; tcp 22 64.0.0.0/2", "0 v4 tcp 22 admin; 1 v4 tcp 22 admin", "they cover all that is left to be the internet", InternetSettings(ipv4_prefix=0, not_internet=("128.0.0.0/1",))),
)  # fmt: skip
