from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.posture.ports import DEFAULT_PORT_CLASSES, PORT_CLASSES, PortRanges, parse_ports


def _ports(ranges: PortRanges) -> set[tuple[str, int]]:
    return {(protocol, port) for protocol in ("tcp", "udp") for low, high in getattr(ranges, protocol) for port in range(low, high + 1)}


def test_a_port_is_in_one_class_only() -> None:
    """One opened port would count in two classes, and the dashboard would add up to more than happened."""
    owner: dict[tuple[str, int], str] = {}
    for name, entries in DEFAULT_PORT_CLASSES.items():
        for port in _ports(parse_ports(entries)):
            assert port not in owner, f"{port} is in {owner[port]} and in {name}"
            owner[port] = name


def test_no_entry_of_a_class_repeats_another() -> None:
    """A port listed twice within a class hides a slip of the pen."""
    for name, entries in DEFAULT_PORT_CLASSES.items():
        alone = sum(len(_ports(parse_ports([entry]))) for entry in entries)
        assert alone == len(_ports(parse_ports(entries))), name


def test_the_default_classes_are_all_but_the_two_computed_ones() -> None:
    """A class without a list would never be counted; a list for `all` or `other` would never be read."""
    assert set(PORT_CLASSES) - set(DEFAULT_PORT_CLASSES) == {"all", "other"}
    assert [name for name in PORT_CLASSES if name in DEFAULT_PORT_CLASSES] == list(DEFAULT_PORT_CLASSES)


def test_every_port_that_the_standards_name_has_a_class_except_mail() -> None:
    """A port of Security Hub, CIS or Trusted Advisor would be filed under `other`, where nobody looks."""
    named = (
        "20-23 53 88 115 135 137-139 161/udp 389 445 464 636 749-750 1433-1434 1521-1522 2049 2375-2376 2483-2484 3000 3306 3389 4333 "
        "4505-4506 5000 5432 5500 5601 5900 5985-5986 6379 7000-7001 7199 8020 8080 8088 8888 9042 9092 9160 9200 9300 11211 27017-27019 "
        "50070 50470 53/udp 137-138/udp 389/udp 445/udp 1434/udp 11211/udp 3389/udp "
        "2379-2380 6443 10250 8500 8200 9090 9093 9100 15672 5672 2181 5984 873 111 512-514 6000-6063 3128"
    )
    classed = set().union(*(_ports(parse_ports(entries)) for entries in DEFAULT_PORT_CLASSES.values()))
    assert _ports(parse_ports(named.split())) <= classed
    assert not _ports(parse_ports(["25", "110", "143"])) & classed


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["22"], PortRanges(tcp=((22, 22),))),
        (["8000-8100"], PortRanges(tcp=((8000, 8100),))),
        (["161/udp", "162/udp"], PortRanges(udp=((161, 162),))),
        (["22/tcp", " 22 "], PortRanges(tcp=((22, 22),))),
        (["80-90", "85-100", "102", "53-60/udp"], PortRanges(tcp=((80, 100), (102, 102)), udp=((53, 60),))),
        (["1-65535"], PortRanges(tcp=((1, 65535),))),
        ([], PortRanges()),
    ],
)
def test_entries_are_read_as_documented(entries: list[str], expected: PortRanges) -> None:
    """A configured class would hold other ports than its text says."""
    assert parse_ports(entries) == expected


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ("", "write 22"),
        ("ssh", "write 22"),
        ("22/sctp", "write 22"),
        ("22-", "write 22"),
        ("-1", "write 22"),
        ("22,23", "write 22"),
        ("٢٢", "write 22"),
        (22, "write 22"),
        (None, "write 22"),
        ("0", "go from 1 to 65535"),
        ("65536", "go from 1 to 65535"),
        ("99999-99999", "go from 1 to 65535"),
        ("100-90", "write 90-100"),
        ("100-90/udp", "write 90-100/udp"),
    ],
)
def test_a_bad_entry_says_what_to_write_instead(entry: object, remedy: str) -> None:
    """The user would be left to guess the notation, or a typing error would silently empty a class."""
    with pytest.raises(ValueError, match=remedy):
        parse_ports([entry])  # type: ignore[list-item]


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 20), st.sampled_from(["", "/tcp", "/udp"])), max_size=30))
def test_parsing_keeps_exactly_the_ports_that_were_written(items: list[tuple[int, int, str]]) -> None:
    """Merging would gain or lose ports, or leave intervals that overlap."""
    ranges = parse_ports(f"{low}-{low + extra}{suffix}" for low, extra, suffix in items)
    wanted = {(suffix[1:] or "tcp", port) for low, extra, suffix in items for port in range(low, low + extra + 1)}
    assert _ports(ranges) == wanted
    for intervals in (ranges.tcp, ranges.udp):
        assert all(before[1] + 1 < after[0] for before, after in pairwise(intervals))


def test_overlap_looks_at_the_protocol_and_at_both_ends() -> None:
    """An open udp port would be named after a tcp service, or a range ending on a port would miss it."""
    ranges = parse_ports(["22", "100-200", "161/udp"])
    assert ranges.overlaps("tcp", 22, 22)
    assert ranges.overlaps("tcp", 1, 22)
    assert ranges.overlaps("tcp", 200, 300)
    assert ranges.overlaps("tcp", 120, 130)
    assert ranges.overlaps("udp", 1, 65535)
    assert not ranges.overlaps("tcp", 23, 99)
    assert not ranges.overlaps("udp", 22, 22)
    assert not ranges.overlaps("icmp", 0, 65535)
