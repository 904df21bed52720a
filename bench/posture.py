"""Standing rules judged: 1,000 to 20,000 groups of 60 rules, beside a text comparison with 0.0.0.0/0 and ::/0 in the same run.

The mix: a third of the groups has something open (by one text, by a union, by a prefix list), the rest names private ranges, offices and
other groups. Half of all CIDRs are words that many groups share, the other half is unique. The baseline is what most tools do: the text
of each ingress rule is compared, nothing is added up.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from bench.rounds import Figures, in_child, interleaved, median, peak_rss_mb, ratio, show
from exporter.model import Direction, PeerType, Rule
from exporter.posture.judge import Judge, OpenRule
from exporter.posture.ports import DEFAULT_PORT_CLASSES, parse_ports
from exporter.posture.settings import InternetSettings
from exporter.posture.standing import Group, PrefixList, Standing

SIZES = (1000, 5000, 10000, 20000)
RULES, ROUNDS = 60, 3
_SHARED = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "10.20.0.0/16", "198.51.100.0/24", "203.0.113.7/32", "2001:db8:1::/48")
_PORTS = (22, 80, 443, 3306, 3389, 5432, 6379, 8080, 9090, 9200)
_LIST = PrefixList("pl-0123456789abcdef0", entries=(("0.0.0.0/1", ""), ("128.0.0.0/1", ""), ("2001:db8::/32", "")))


def _rule(chance: random.Random, kind: PeerType, peer: str, protocol: str = "tcp") -> Rule:
    port = chance.choice(_PORTS)
    return Rule(Direction.INGRESS, f"sgr-{chance.getrandbits(68):017x}", protocol, port, port, kind, peer)


def _peers(chance: random.Random) -> Iterator[tuple[PeerType, str]]:
    while True:
        pick = chance.random()
        if pick < 0.4:
            peer = chance.choice(_SHARED)
            yield (PeerType.IPV6 if ":" in peer else PeerType.IPV4), peer
        elif pick < 0.8:
            low = chance.getrandbits(24)
            yield PeerType.IPV4, f"{chance.randrange(1, 224)}.{low >> 16}.{low >> 8 & 255}.{low & 255}/32"
        else:
            yield PeerType.SECURITY_GROUP, f"sg-{chance.getrandbits(68):017x}"


def picture(groups: int, seed: int = 4) -> Standing:
    """Return a picture of that many groups; the same seed gives the same."""
    chance = random.Random(seed)
    peers = _peers(chance)
    made = []
    for number in range(groups):
        rules = [_rule(chance, *next(peers)) for _ in range(RULES - 6)]
        rules += [Rule(Direction.EGRESS, None, "all", None, None, PeerType.IPV4, "0.0.0.0/0") for _ in range(2)]
        opening = number % 12
        if opening == 0:
            rules += [_rule(chance, PeerType.IPV4, "0.0.0.0/0") for _ in range(3)] + [_rule(chance, PeerType.IPV6, "::/0")]
        elif opening == 3:
            rules += [_rule(chance, PeerType.IPV4, half, "all") for half in ("2.0.0.0/8", "3.0.0.0/8", "4.0.0.0/8", "5.0.0.0/8")]
        elif opening == 6:
            rules += [_rule(chance, PeerType.PREFIX_LIST, _LIST.list_id) for _ in range(4)]
        elif opening == 9:
            rules += [_rule(chance, PeerType.IPV4, half) for half in ("0.0.0.0/1", "128.0.0.0/1")] * 2
        else:
            rules += [_rule(chance, *next(peers)) for _ in range(4)]
        chance.shuffle(rules)
        made.append(Group(f"sg-{number:017x}", f"group-{number}", "vpc-0123456789abcdef0", tuple(rules)))
    return Standing("111122223333", "eu-west-1", groups=tuple(made), prefix_lists={_LIST.list_id: _LIST})


def by_text(standing: Standing) -> list[tuple[Group, Rule]]:
    """Return the rules whose text is that of the internet."""
    return [
        (group, rule)
        for group in standing.groups or ()
        for rule in group.rules
        if rule.direction is Direction.INGRESS and rule.peer in {"0.0.0.0/0", "::/0"}
    ]


def measure(groups: int) -> Figures:
    """Judge one picture; return seconds of CPU and memory, each by 1,000 groups, and the same of the baseline."""
    standing = picture(groups)
    held = peak_rss_mb()
    now = datetime(2026, 1, 31, tzinfo=UTC)
    judge = Judge({name: parse_ports(entries) for name, entries in DEFAULT_PORT_CLASSES.items()}, InternetSettings())
    begin = time.process_time()
    found: list[OpenRule] = judge.open_rules(standing, now)
    first = time.process_time() - begin
    rss = peak_rss_mb() - held
    begin = time.process_time()
    judge.open_rules(standing, now)
    again = time.process_time() - begin
    begin = time.process_time()
    named = by_text(standing)
    text = time.process_time() - begin
    opened = {row.group.group_id for row in found}
    expected = sum(number % 3 == 0 for number in range(groups))
    if len(opened) != expected:
        raise RuntimeError(f"{len(opened)} of {groups} groups are open instead of {expected}")
    thousands = groups / 1000
    return {
        "first": first,
        "again": again,
        "each": first / thousands * 1000,
        "text": text / thousands * 1000,
        "rss": rss / thousands,
        "held": held / thousands,
        "rows": float(len(found)),
        "open": float(len(opened)),
        "named": float(len({group.group_id for group, _ in named})),
    }


def run() -> None:
    """Measure every size in children of their own, and print the table."""
    measured = interleaved({str(size): partial(in_child, "bench.posture", str(size)) for size in SIZES}, ROUNDS)
    rows = [
        [
            f"{int(name):,} groups",
            f"{median(figures, 'first'):.2f} s",
            f"{median(figures, 'again'):.2f} s",
            f"{median(figures, 'each'):.0f} ms",
            f"{median(figures, 'text'):.0f} ms",
            f"{ratio(figures, [{'each': figure['text']} for figure in figures], 'each'):.1f} x",
            f"{median(figures, 'rss'):.2f} MB",
            f"{median(figures, 'open'):,.0f}",
            f"{median(figures, 'named'):,.0f}",
        ]
        for name, figures in measured.items()
    ]
    show(
        f"Posture: groups of {RULES} rules judged on one core",
        ["", "first time", "again", "per 1,000", "by text", "of by text", "RSS per 1,000", "open groups", "found by text"],
        rows,
        [
            f"Medians of {ROUNDS} interleaved rounds, each case a process of its own. RSS is what judging adds to the picture itself.",
            "by text: each ingress rule compared with 0.0.0.0/0 and ::/0. Goals: 10,000 groups in < 2 s, linear.",
        ],
    )


def main() -> None:
    """Measure one size and print its figures as JSON; what `run` starts."""
    print(json.dumps(measure(int(sys.argv[1]))))


if __name__ == "__main__":
    main()
