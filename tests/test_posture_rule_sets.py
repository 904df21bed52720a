"""Every rule set of tests/rule_sets.py is judged as it says, whatever the order of its rules; the rows of one rule are its own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exporter.posture.judge import Judge
from exporter.posture.ports import DEFAULT_PORT_CLASSES, parse_ports
from exporter.posture.standing import Group, Standing
from tests.rule_sets import CASES, LISTS, Case, row, rule

NOW = datetime(2026, 1, 31, tzinfo=UTC)
CLASSES = {name: parse_ports(entries) for name, entries in DEFAULT_PORT_CLASSES.items()}
JUDGES = {case.name: Judge(CLASSES, case.internet) for case in CASES}


def judged(case: Case, texts: tuple[str, ...]) -> list[str]:
    rules = tuple(map(rule, texts))
    standing = Standing("111122223333", "eu-west-1", groups=(Group("sg-0123456789abcdef0", rules=rules),), prefix_lists=LISTS)
    return [row(opened, rules) for opened in JUDGES[case.name].open_rules(standing, NOW)]


def test_the_table_is_large_and_gives_a_reason_for_each():
    """Otherwise a verdict would stand there that nobody can check."""
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.why for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_set_is_judged_as_the_table_says(case):
    """Otherwise something open would be missed, or something closed would page."""
    assert sorted(judged(case, case.rules)) == sorted(case.rows), case.why


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rows_follow_the_rules_and_one_group_alone_is_judged_the_same(case):
    """Otherwise `open` and the gauges would disagree, or a table would jump between rounds."""
    rules = tuple(map(rule, case.rules))
    alone = [row(opened, rules) for opened in JUDGES[case.name].open_of(Group("sg-0123456789abcdef0", rules=rules), LISTS)]
    assert alone == judged(case, case.rules)
    assert [int(text.split()[0]) for text in alone] == sorted(int(text.split()[0]) for text in alone)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_order_of_rules_and_other_groups_do_not_matter(case):
    """Otherwise the verdict would depend on how AWS lists its rules, or on what the judge remembers."""
    last = len(case.rules) - 1
    backwards = [f"{last - int(text.split()[0])} {text.split(maxsplit=1)[1]}" for text in judged(case, case.rules[::-1])]
    assert sorted(backwards) == sorted(case.rows)
    assert sorted(judged(case, case.rules)) == sorted(case.rows)
