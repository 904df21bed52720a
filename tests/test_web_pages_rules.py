"""How rules and tools are said on the pages: what was and what is, and which program it was, in a few words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.model import Direction, PeerType, Rule, RuleAction, RuleChange
from exporter.web.pages.agents import CHANNELS, short_agent
from exporter.web.pages.lines import LISTED_RULES, diff_of
from tests.store_events import make_event

SSH = Rule(Direction.INGRESS, "sgr-0123456789abcdef0", "tcp", 22, 22, PeerType.IPV4, "192.0.2.0/24", "office")
WIDE = replace(SSH, peer="0.0.0.0/0")


def lines(*changes: RuleChange) -> list[tuple[str, str]]:
    """Return kind and text of each line."""
    return [(line.kind, line.text) for line in diff_of(make_event(rule_changes=changes)).lines]


def test_a_rule_that_was_modified_is_what_it_was_in_red_and_what_it_is_in_green() -> None:
    """ "Modified" with the new rule alone hides what the change was: that the office's rule is everyone's now."""
    change = RuleChange(RuleAction.MODIFIED, WIDE, SSH)
    assert lines(change) == [
        ("removed", "- ingress tcp 22 from 192.0.2.0/24 “office”"),
        ("added", "+ ingress tcp 22 from 0.0.0.0/0 (sgr-0123456789abcdef0) “office”"),
    ]


def test_within_the_two_lines_only_what_differs_is_marked() -> None:
    """In a rule of a hundred characters the eye does not find one digit."""
    for line, marked in zip(
        diff_of(make_event(rule_changes=(RuleChange(RuleAction.MODIFIED, WIDE, SSH),))).lines, ("192.0.2.0/24", "0.0.0.0/0"), strict=True
    ):
        assert [text for text, differs in line.parts if differs] == [f"from {marked}"]


def test_a_word_that_came_is_marked_and_spaces_are_not() -> None:
    """A mark that runs over the space looks like a change that is none."""
    bare = replace(SSH, description=None)
    before, after = diff_of(make_event(rule_changes=(RuleChange(RuleAction.DESCRIBED, SSH, bare),))).lines
    assert not any(differs for _, differs in before.parts)
    assert after.parts == (("+ ingress tcp 22 from 192.0.2.0/24 (sgr-0123456789abcdef0) ", False), ("“office”", True))


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (RuleAction.ADDED, ("added", "+ ingress tcp 22 from 192.0.2.0/24 (sgr-0123456789abcdef0) “office”")),
        (RuleAction.REMOVED, ("removed", "- ingress tcp 22 from 192.0.2.0/24 (sgr-0123456789abcdef0) “office”")),
        (RuleAction.MODIFIED, ("modified", "~ ingress tcp 22 from 192.0.2.0/24 (sgr-0123456789abcdef0) “office”")),
        (RuleAction.DESCRIBED, ("described", "~ ingress tcp 22 from 192.0.2.0/24 (sgr-0123456789abcdef0) “office”")),
    ],
)
def test_a_change_without_its_past_is_one_line(action: RuleAction, line: tuple[str, str]) -> None:
    """Where nobody knows what was before, a red line would be made up."""
    assert lines(RuleChange(action, SSH)) == [line]


def test_a_rule_that_the_record_does_not_tell_is_said_to_be_one() -> None:
    """An empty line would look like a fault of the page."""
    assert lines(RuleChange(RuleAction.REMOVED, Rule())) == [("removed", "- a rule that the record does not tell")]


def test_a_list_shows_a_hundred_rules_of_a_change_and_says_how_many_more() -> None:
    """Fifty calls of a thousand rules each would be a page that no browser opens at night."""
    changes = tuple(RuleChange(RuleAction.ADDED, replace(SSH, from_port=port)) for port in range(LISTED_RULES + 7))
    diff = diff_of(make_event(rule_changes=changes))
    assert (len(diff.lines), len(diff.more), diff.left_out) == (20, LISTED_RULES - 20, 7)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128 on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge 140 on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15", "Safari 17 on macOS"),
        ("[aws-cli/2.17.32 md/command#ec2.x]", "AWS CLI 2.17.32"),
        ("APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.80.0 aws-sdk-go-v2/1.32.5", "Terraform 1.9.8"),
        ("Boto3/1.35.71 md/Botocore#1.35.71", "Boto3 1.35.71"),
        ("console.ec2.amazonaws.com", "console.ec2.amazonaws.com"),
        ("x" * 5000, "x" * 39 + "…"),
        (None, ""),
    ],
)  # fmt: skip
def test_a_user_agent_is_said_in_a_few_words(agent: str | None, said: str) -> None:
    """It is up to a kilobyte long, and the question is which tool it was."""
    assert short_agent(agent) == said


def test_every_channel_has_a_name_for_people() -> None:
    """A new channel without one would be a page that fails."""
    assert set(CHANNELS) == {type(next(iter(CHANNELS)))(name) for name in type(next(iter(CHANNELS)))}
