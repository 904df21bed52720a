"""What docs/open-ingress.md says that we say is what the judge says."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
import yaml

from exporter.posture.judge import Judge
from exporter.posture.ports import DEFAULT_PORT_CLASSES, parse_ports
from exporter.posture.settings import InternetSettings, PostureSettings
from exporter.posture.standing import Group, Standing
from tests.repository import ROOT
from tests.rule_sets import LISTS, row, rule

PAGE = (ROOT / "docs" / "open-ingress.md").read_text(encoding="utf-8")
TABLE = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]
CASES = [cells for cells in TABLE if cells[1].startswith("`")]
JUDGE = Judge({name: parse_ports(entries) for name, entries in DEFAULT_PORT_CLASSES.items()}, InternetSettings())


def test_the_table_is_read_whole():
    """Otherwise a case whose cells are spelt otherwise would be held to nothing."""
    heads = [cells[0] for cells in TABLE if cells not in CASES]
    assert heads == ["case", "---"]
    assert len(CASES) >= 25
    assert {len(cells) for cells in TABLE} == {6}


@pytest.mark.parametrize("cells", CASES, ids=lambda cells: cells[0])
def test_we_say_what_the_page_says(cells):
    """Otherwise a newcomer would be told of a verdict that the exporter does not give."""
    rules = tuple(rule(text) for text in cells[1].strip("`").split("; "))
    standing = Standing("111122223333", "eu-west-1", groups=(Group("sg-0123456789abcdef0", rules=rules),), prefix_lists=LISTS)
    found = [row(opened, rules) for opened in JUDGE.open_rules(standing, datetime(2026, 1, 31, tzinfo=UTC))]
    if found:
        assert cells[-1] == f"open: `{'; '.join(found)}`"
    else:
        assert re.fullmatch("not open(, and named as unknown)?", cells[-1])
    assert ("unknown" in cells[-1]) == bool(JUDGE.unknown_lists(standing))


def test_the_ranges_that_are_not_public_are_those_of_the_code():
    """Otherwise the page would call a range private that is judged as the internet, or the other way."""
    said = PAGE.split("Not public, and so never the internet, are:")[1].split("IPv4-mapped")[0]
    ranges = re.findall(r"`([\d.:a-f]+/\d+)`", said)
    assert len(ranges) == 10
    for text in set(ranges) - {"2000::/3"}:
        group = Group("sg-0123456789abcdef0", rules=(rule(f"tcp 22 {text}"),))
        judge = Judge({}, InternetSettings(ipv4_prefix=32, ipv6_prefix=128))
        assert judge.open_of(group, {}) == [], text


def test_the_settings_shown_are_accepted_and_do_what_the_page_says():
    """Otherwise a newcomer would copy a section that is refused, or that covers something else."""
    blocks = [yaml.safe_load(block)["posture"] for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    settings = PostureSettings.model_validate({key: value for block in blocks for key, value in block.items()})
    judge = Judge({}, settings.internet, settings.exceptions)
    rules = tuple(map(rule, ("udp 53 0.0.0.0/0", "tcp 53 198.0.0.0/10", "tcp 53 198.51.0.0/16", "tcp 80 3.0.0.0/15", "tcp 80 3.0.0.0/16")))
    group = Group("sg-0123456789abcdef0", rules=rules, tags=(("role", "resolver"),))
    found = judge.open_rules(Standing("111122223333", "eu-west-1", groups=(group,)), datetime(2026, 1, 31, tzinfo=UTC))
    assert [row(opened, rules) for opened in found] == [
        "0 v4 udp 53 other by public-dns",
        "1 v4 tcp 53 other by public-dns",
        "3 v4 tcp 80 other",
    ]
