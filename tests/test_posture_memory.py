"""A chronicle remembers what readings showed that differs, and no more than it must."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.posture.chronicle import GROUP, Chronicle, Version
from exporter.posture.diff import diff
from exporter.posture.memory import extend, pruned
from tests.posture_truth import GROUP_ID, moment, rule

SSH, WEB = rule(rule_id="sgr-1"), rule(port=443, rule_id="sgr-2")
EMPTY = Chronicle(GROUP, GROUP_ID, "web")


def test_the_first_reading_of_a_unit_needs_no_explanation():
    assert extend(EMPTY, [SSH], None, moment(5), moment(0)).versions == (Version((SSH,), None, moment(5), begun=moment(0)),)


def test_a_group_first_seen_later_did_not_exist_before():
    assert extend(EMPTY, [SSH], moment(0), moment(300)).versions == (Version(None), Version((SSH,), moment(0), moment(300)))


@pytest.mark.parametrize(
    ("rules", "grows"),
    [([SSH, WEB], False), ([WEB, SSH], False), ([SSH], True), ([], True), (None, True)],
    ids=["the same", "another order", "one gone", "all gone", "the group gone"],
)
def test_a_version_is_added_where_a_reading_differs(rules, grows):
    first = extend(EMPTY, [SSH, WEB], None, moment(0))
    assert len(extend(first, rules, moment(0), moment(300)).versions) == 1 + grows


def test_a_group_without_rules_that_vanishes_is_remembered_as_gone():
    gone = extend(extend(EMPTY, [], None, moment(0)), None, moment(0), moment(300))
    assert [version.rules for version in gone.versions] == [(), None]


def test_ids_that_only_a_later_reading_has_are_learned():
    nameless = extend(EMPTY, [replace(SSH, rule_id=None), replace(WEB, rule_id=None)], None, moment(0))
    assert extend(nameless, [WEB, SSH], moment(0), moment(300)).versions == (Version((SSH, WEB), None, moment(0)),)


def versions(*settled):
    return Chronicle(
        GROUP,
        GROUP_ID,
        versions=(
            Version((), None, moment(0)),
            *(
                Version((replace(SSH, from_port=n, to_port=n),), moment(n * 100), moment(n * 100 + 100), done)
                for n, done in enumerate(settled)
            ),
        ),
    )


def test_settled_versions_are_forgotten_but_never_those_that_wait():
    assert len(pruned(versions(True, True, True), moment(10_000)).versions) == 1
    assert len(pruned(versions(True, True, False), moment(10_000)).versions) == 2
    assert len(pruned(versions(False, True, True), moment(10_000)).versions) == 4
    assert len(pruned(versions(True, True, True), moment(150)).versions) == 3


def test_changes_without_end_fill_no_store():
    made = versions(*[True] * 50, *[False] * 50)
    kept = pruned(made, moment(0), most_versions=10).versions
    assert len(kept) == 10
    assert kept[-1] == made.versions[-1]
    # What waits for an event still waits, from the first time to the last.
    assert diff(kept[0].rules, kept[-1].rules) == diff(made.versions[50].rules, made.versions[-1].rules)
    assert (kept[1].after, kept[1].settled) == (made.versions[51].after, False)
    assert len(pruned(made, moment(0), most_rules=5).versions) <= 5
