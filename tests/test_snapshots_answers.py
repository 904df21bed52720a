"""Groups and prefix lists are found in whatever was saved, and what cannot be judged is told with its place."""

from __future__ import annotations

import gzip
import io
import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import SourceError
from exporter.model import Direction, PeerType, Rule
from exporter.posture.judge import Judge
from exporter.posture.settings import InternetSettings
from exporter.posture.standing import Group, PrefixList
from exporter.snapshots.answer_text import read_text, values_in
from exporter.snapshots.answer_walk import CONTAINERS
from exporter.snapshots.answers import Answers, Sighting, merged_lists, read_answers
from exporter.snapshots.shapes import ordered
from tests.standing_shapes import (
    ACCOUNT,
    CAPTURED,
    GROUPS,
    REGION,
    VPC,
    config_item,
    configuration,
    described_group,
    described_rule,
    without_ids,
)

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
PL = "pl-0123456789abcdef0"
IN = Direction.INGRESS


def group(number: int, *rules: Rule) -> Group:
    return Group(f"sg-{number:017d}", f"group {number}", VPC, ordered(rules), (("team", "blue"),), ACCOUNT)


def rule(number: int, port: int = 22, cidr: str = "0.0.0.0/0") -> Rule:
    return Rule(IN, f"sgr-{number:017d}", "tcp", port, port, PeerType.IPV4, cidr)


ONE, TWO = group(1, rule(1), rule(2, 443)), group(2, rule(3, 80, "192.0.2.0/24"))


def answers(body: Any, name: str = "saved.json") -> Answers:
    """Return what a file with this content holds; anything but bytes is written as JSON."""
    return read_answers(io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode()), name)


def found(body: Any) -> list[Group]:
    """Return the groups of a file that must have no problem, without the time that only items of AWS Config bear."""
    read = answers(body)
    assert not read.problems, read.problems
    return [replace(sighting.group, captured_at=None) for sighting in read.sightings]


def notification(item: Any) -> dict[str, Any]:
    return {
        "messageType": "ConfigurationItemChangeNotification",
        "configurationItemDiff": {"changedProperties": {"Configuration.IpPermissions.0": {"previousValue": {"ipProtocol": "-1"}}}},
        "configurationItem": item,
        "notificationCreationTime": "2026-03-01T10:20:31Z",
        "recordVersion": "1.3",
    }


def sns(message: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "1",
        "TopicArn": "arn:aws:sns:eu-west-1:111122223333:config",
        "Message": json.dumps(message),
    }


def _rules_page(shown: Group) -> dict[str, Any]:
    return {"SecurityGroupRules": [described_rule(shown.group_id, each) for each in shown.rules]}


SHAPES: dict[str, Any] = {
    "describe-security-groups": lambda one, two: {"SecurityGroups": [described_group(one), described_group(two)]},
    "recorded by placebo": lambda one, two: {"status_code": 200, "data": {"SecurityGroups": [described_group(one), described_group(two)]}},
    "an array of groups": lambda one, two: [described_group(one), described_group(two)],
    "pages in an array": lambda one, two: [{"SecurityGroups": [described_group(one)]}, {"SecurityGroups": [described_group(two)]}],
    "an advanced query": lambda one, two: {
        "Results": [json.dumps(config_item(one)), json.dumps(config_item(two))],
        "QueryInfo": {"SelectFields": [{"Name": "configuration"}]},
    },
    "an aggregate query with objects": lambda one, two: {"Results": [config_item(one, "aggregate"), config_item(two, "aggregate")]},
    "a query of the configuration alone": lambda one, two: {
        "Results": [
            json.dumps({"configuration": configuration(one), "tags": dict(one.tags)}),
            json.dumps({"configuration": configuration(two)}),
        ]
    },
    "resource history": lambda one, two: {"configurationItems": [config_item(one, "history"), config_item(two, "history")]},
    "batch-get-resource-config": lambda one, two: {
        "baseConfigurationItems": [config_item(one, "batch"), config_item(two, "batch")],
        "unprocessedResourceKeys": [],
    },
    "batch-get-aggregate-resource-config": lambda one, two: {
        "BaseConfigurationItems": [config_item(one, "batch"), config_item(two, "batch")],
        "UnprocessedResourceIdentifiers": [],
    },
    "a file of the Config bucket": lambda one, two: {
        "fileVersion": "1.0",
        "configSnapshotId": "1",
        "configurationItems": [
            config_item(one, "notification"),
            {"resourceType": "AWS::S3::Bucket", "resourceId": "b"},
            config_item(two, "notification"),
        ],
    },
    "SNS notifications": lambda one, two: [sns(notification(config_item(shown, "notification"))) for shown in (one, two)],
    "an SQS answer with SNS messages": lambda one, two: {
        "Messages": [{"MessageId": "1", "Body": json.dumps(sns(notification(config_item(shown, "notification"))))} for shown in (one, two)]
    },
    "raw notifications": lambda one, two: [notification(config_item(shown, "notification")) for shown in (one, two)],
    "EventBridge events": lambda one, two: [
        {
            "detail-type": "Config Configuration Item Change",
            "source": "aws.config",
            "detail": notification(config_item(shown, "notification")),
        }
        for shown in (one, two)
    ],
    "rule events": lambda one, two: [
        {"invokingEvent": json.dumps(notification(config_item(shown, "notification"))), "ruleParameters": "{}", "eventLeftScope": False}
        for shown in (one, two)
    ],
    "bare items": lambda one, two: [config_item(one, "history"), config_item(two, "notification")],
    "bare configurations": lambda one, two: [configuration(one), configuration(two)],
}


@pytest.mark.parametrize("name", SHAPES)
def test_groups_are_found_in_every_shape(name: str) -> None:
    """The same two groups, whatever brought them."""
    assert found(SHAPES[name](ONE, TWO)) == [without_ids(ONE), without_ids(TWO)]


def _utf16(text: str) -> bytes:
    return text.encode("utf-16")


def _lines(*values: Any) -> str:
    return "\n".join(json.dumps(value) for value in values)


_DESCRIBED = [{"SecurityGroups": [described_group(shown)]} for shown in (ONE, TWO)]
TEXTS: dict[str, bytes] = {
    "lines": _lines(*_DESCRIBED).encode(),
    "lines with returns and a blank end": _lines(*_DESCRIBED).replace("\n", "\r\n").encode() + b"\r\n\r\n",
    "documents after one another": "\n".join(json.dumps(value, indent=4) for value in _DESCRIBED).encode(),
    "documents without a gap": "".join(json.dumps(value) for value in _DESCRIBED).encode(),
    "gzip": gzip.compress(_lines(*_DESCRIBED).encode()),
    "gzip in members": b"".join(gzip.compress(_lines(value).encode() + b"\n") for value in _DESCRIBED),
    "a byte order mark": b"\xef\xbb\xbf" + _lines(*_DESCRIBED).encode(),
    "UTF-16, as PowerShell redirects": _utf16(_lines(*_DESCRIBED)),
    "a number no machine word holds": _lines(*_DESCRIBED, [])
    .encode()
    .replace(b'"FromPort": 22,', b'"x": 1e999, "y": ' + b"9" * 40 + b', "FromPort": 22,'),
}


@pytest.mark.parametrize("name", TEXTS)
def test_groups_are_found_in_every_form_of_text(name: str) -> None:
    """The command line, redirections and buckets write differently."""
    assert found(TEXTS[name]) == [without_ids(ONE), without_ids(TWO)]


@given(GROUPS)
@settings(max_examples=30)
def test_a_random_group_is_the_same_in_every_shape(shown: Group) -> None:
    """What one shape loses, another would show as a change."""
    for name, shape in SHAPES.items():
        assert without_ids(shown) in found(shape(shown, TWO)), name


# Rules with ids.


def test_pages_of_rules_make_up_groups() -> None:
    """DescribeSecurityGroupRules is paged across groups, and tells neither name nor VPC."""
    rules = [described_rule(shown.group_id, each) for shown in (ONE, TWO) for each in shown.rules]
    pages = [{"SecurityGroupRules": rules[:1], "NextToken": ""}, {"SecurityGroupRules": rules[1:]}, {"SecurityGroupRules": rules[:2]}]
    expected = [Group(shown.group_id, rules=shown.rules, owner_id=ACCOUNT) for shown in (ONE, TWO)]
    assert found(pages) == found(_lines(*pages).encode()) == found(rules) == expected


def test_rules_lend_their_ids_to_the_groups_that_have_them() -> None:
    """Both answers in one file are one state of each group."""
    assert found([SHAPES["describe-security-groups"](ONE, TWO), _rules_page(ONE), _rules_page(TWO)]) == [ONE, TWO]


def test_rules_that_differ_from_the_group_are_a_state_of_their_own() -> None:
    """Neither of two answers is known to be the newer one."""
    changed = replace(ONE, rules=(rule(9, 3389),))
    read = found([{"SecurityGroups": [described_group(ONE)]}, _rules_page(changed)])
    assert sorted(read, key=lambda each: len(each.rules)) == [Group(ONE.group_id, rules=changed.rules, owner_id=ACCOUNT), without_ids(ONE)]


# Several states.

OLD, NEW = replace(ONE, rules=(rule(5, 23),)), ONE
DELETED = config_item(ONE, "history", captured="2026-03-03T00:00:00Z") | {
    "configuration": None,
    "configurationItemStatus": "ResourceDeleted",
}


def _at(shown: Group, day: int, **changes: Any) -> dict[str, Any]:
    return config_item(shown, "history", captured=f"2026-03-{day:02d}T00:00:00Z") | changes


STATES: dict[str, tuple[list[Any], list[Group]]] = {
    "newest first": ([_at(NEW, 2), _at(OLD, 1)], [NEW]),
    "newest last": ([_at(OLD, 1), _at(NEW, 2)], [NEW]),
    "deleted last of all": ([DELETED, _at(NEW, 2), _at(OLD, 1)], []),
    "made again after it was deleted": ([_at(NEW, 4), DELETED, _at(OLD, 1)], [NEW]),
    "one time, later state": ([_at(OLD, 1, configurationStateId="5"), _at(NEW, 1, configurationStateId="6")], [NEW]),
    "one time, no state": ([_at(NEW, 1), _at(OLD, 1)], [NEW]),
    "an old item that cannot be read": (
        [_at(NEW, 2), _at(OLD, 1, configuration=None, configurationItemStatus="ResourceNotRecorded")],
        [NEW],
    ),
    "in two regions": ([_at(NEW, 2), _at(OLD, 1, awsRegion="us-east-1")], [NEW, OLD]),
    "in two accounts": ([_at(NEW, 2), _at(OLD, 1, accountId="444455556666")], [NEW, OLD]),
    "times in another zone": ([_at(OLD, 1, configurationItemCaptureTime="2026-03-02T01:00:00+02:00"), _at(NEW, 2)], [NEW]),
    "EC2 twice the same": ([described_group(NEW), described_group(NEW)], [NEW]),
    "EC2 twice, changed between": ([described_group(NEW), described_group(OLD)], [NEW, OLD]),
    "EC2 and an old item": ([described_group(NEW), _at(OLD, 1)], [OLD, NEW]),
}


@pytest.mark.parametrize("name", STATES)
def test_the_state_that_counts_is_chosen(name: str) -> None:
    """A rule of a year ago is not open now, and one that was answered twice is not two."""
    items, expected = STATES[name]
    assert found(items) == [without_ids(each) for each in expected]


def test_the_place_of_a_group_is_told() -> None:
    """Exceptions may be limited to accounts and regions."""
    arn = {"SecurityGroupArn": f"arn:aws:ec2:us-east-1:{ACCOUNT}:security-group/{TWO.group_id}"}
    read = answers([config_item(ONE), described_group(TWO) | arn])
    assert [(each.account_id, each.region, each.group.group_id) for each in read.sightings] == [
        (ACCOUNT, REGION, ONE.group_id),
        (ACCOUNT, "us-east-1", TWO.group_id),
    ]
    assert read.sightings[0] == Sighting(replace(without_ids(ONE), captured_at=CAPTURED), ACCOUNT, REGION)


# Prefix lists.

_ENTRIES = [{"Cidr": "192.0.2.0/24", "Description": "a"}, {"Cidr": "198.51.100.0/24"}]
_EXPECTED = PrefixList(PL, entries=(("192.0.2.0/24", "a"), ("198.51.100.0/24", "")))
_NO_WORDS = replace(_EXPECTED, entries=(("192.0.2.0/24", ""), ("198.51.100.0/24", "")))
LISTS: dict[str, tuple[Any, PrefixList]] = {
    "a map of CIDRs": ({PL: ["198.51.100.0/24", "192.0.2.0/24"]}, _NO_WORDS),
    "a map of answers": ({PL: {"Entries": _ENTRIES}}, _EXPECTED),
    "a map of entries": ({PL: _ENTRIES}, _EXPECTED),
    "an answer with its id": ({"PrefixListId": PL, "Entries": _ENTRIES}, _EXPECTED),
    "pages of an answer": ([{"PrefixListId": PL, "Entries": [entry]} for entry in _ENTRIES], _EXPECTED),
    "describe-prefix-lists": (
        {
            "PrefixLists": [
                {"PrefixListId": PL, "PrefixListName": "com.amazonaws.eu-west-1.s3", "Cidrs": ["192.0.2.0/24", "198.51.100.0/24"]}
            ]
        },
        replace(_NO_WORDS, name="com.amazonaws.eu-west-1.s3"),
    ),
    "an item of AWS Config": (
        {"resourceType": "AWS::EC2::PrefixList", "resourceId": PL, "configuration": json.dumps({"PrefixListId": PL, "Entries": _ENTRIES})},
        _EXPECTED,
    ),
    "a row of a query": ({"Results": [json.dumps({"configuration": {"PrefixListId": PL, "Entries": _ENTRIES}})]}, _EXPECTED),
}


@pytest.mark.parametrize("name", LISTS)
def test_prefix_lists_are_found_in_every_shape(name: str) -> None:
    """The entries decide what a rule that names the list opens."""
    body, expected = LISTS[name]
    read = answers(body)
    assert (read.prefix_lists, read.problems, read.sightings) == ({PL: expected}, (), ())


def test_the_newest_version_of_a_list_counts() -> None:
    """Pages of one version are one list; an older version adds nothing."""
    first = PrefixList(PL, "", 2, (("192.0.2.0/24", ""),))
    lists = [first, PrefixList(PL, "", 1, (("0.0.0.0/0", ""),)), PrefixList(PL, "x", 2, (("198.51.100.0/24", ""),))]
    assert merged_lists(lists) == {PL: PrefixList(PL, "x", 2, (("192.0.2.0/24", ""), ("198.51.100.0/24", "")))}
    later = replace(first, captured_at=datetime(2026, 3, 2, tzinfo=UTC), entries=())
    assert merged_lists([replace(first, captured_at=CAPTURED), later]) == {PL: later}


# What is not known or not whole.

_GROUP = described_group(ONE)
PROBLEMS: dict[str, tuple[Any, str]] = {
    "one group of many without permissions": (
        {"SecurityGroups": [_GROUP, {"GroupId": "sg-1", "VpcId": "vpc-1"}]},
        "$.SecurityGroups[1]: sg-1: has no IpPermissions",
    ),
    "one thing that is no group": (
        {"SecurityGroups": [_GROUP, {"GroupName": "x"}]},
        "$.SecurityGroups[1]: an object with the keys GroupName",
    ),
    "a null among groups": ({"SecurityGroups": [_GROUP, None]}, "$.SecurityGroups[1]: is no object"),
    "a broken permission": (
        {"SecurityGroups": [_GROUP | {"IpPermissions": [1]}]},
        f"$.SecurityGroups[0]: DescribeSecurityGroups, {ONE.group_id}, ingress",
    ),
    "a row that is no JSON": ({"Results": [json.dumps(config_item(ONE)), "{"]}, "$.Results[1]: is text that is no JSON"),
    "a group that is not recorded": (
        {"configurationItems": [_at(ONE, 1, configuration=None, configurationItemStatus="ResourceNotRecorded")]},
        "$.configurationItems[0]: AWS Config, 111122223333, eu-west-1, sg-00000000000000001: has no configuration (its status is ResourceNotRecorded)",
    ),
    "resources left unprocessed": (
        {"baseConfigurationItems": [config_item(ONE, "batch")], "unprocessedResourceKeys": [{"resourceId": "sg-9"}]},
        "$: AWS Config left 1 resources unprocessed",
    ),
    "an oversized item": (
        {
            "messageType": "OversizedConfigurationItemChangeNotification",
            "configurationItemSummary": {"resourceType": "AWS::EC2::SecurityGroup", "resourceId": "sg-9"},
        },
        "$: sg-9: the item is too large for a notification; get it with get-resource-config-history",
    ),
    "a line that is no JSON": (_lines(_GROUP).encode() + b"\n{broken\n" + _lines(described_group(TWO)).encode(), "line 2: not JSON"),
    "entries of nobody": ({"Entries": _ENTRIES}, "$: Entries: do not say of which prefix list; put PrefixListId beside Entries"),
    "a list that is a number": ({PL: 5}, f"$: {PL}: is neither a list of CIDRs nor an object"),
    "an entry that is no CIDR": ({PL: ["192.0.2.0/24", "anywhere"]}, f"$: {PL}, entry 1: anywhere is no range of addresses"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_cannot_be_judged_is_told_with_its_path(name: str) -> None:
    """Left out in silence it would pass for closed."""
    body, message = PROBLEMS[name]
    read = answers(body)
    assert any(message in problem for problem in read.problems), read.problems
    assert len(read.problems) == 1


def test_a_broken_line_loses_no_other() -> None:
    """Evidence after a broken line is still evidence."""
    read = answers(PROBLEMS["a line that is no JSON"][0])
    assert [each.group.group_id for each in read.sightings] == [ONE.group_id, TWO.group_id]


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "saved.json: is empty"),
    "white space": (b" \n\n", "saved.json: is empty"),
    "words": (b"An error occurred (AccessDenied)", "saved.json: line 1: not JSON"),
    "a cut-off document": (json.dumps({"SecurityGroups": [_GROUP]}, indent=1).encode()[:-20], "saved.json: line 1: not JSON"),
    "neither UTF-8 nor UTF-16": (b"{\xff}", "saved.json: neither UTF-8 nor UTF-16"),
    "brackets without end": (b"[" * 100_000, "saved.json: line 1: not JSON"),
    "a broken gzip": (gzip.compress(b"[]" * 5000)[:30], "saved.json: the gzip stream ends in the middle"),
    "another answer": (
        b'{"Reservations": [{"Instances": [{"SecurityGroups": [{"GroupId": "sg-1"}]}]}]}',
        "$: an object with the keys Reservations",
    ),
    "a created group": (b'{"GroupId": "sg-1"}', "$: an object with the keys GroupId, which is nothing known"),
    "an error that AWS answered": (
        b'{"__type": "AccessDeniedException", "message": "not authorized"}',
        "$: an object with the keys __type, message",
    ),
    "a number": (b"5", "$: is no object"),
    "an empty object": (b"{}", "$: an empty object"),
    "a change record": (
        b'{"eventName": "AuthorizeSecurityGroupIngress", "requestParameters": {"groupId": "sg-1", "ipPermissions": {}}}',
        "$: an object with the keys eventName, requestParameters",
    ),
    "containers without end": (b'{"data":' * 40 + b"1" + b"}" * 40, "is nested over 16 deep"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_of_nothing_known_is_an_error_that_says_what_is_accepted(name: str) -> None:
    """An answer that holds no group at all must not look like one in which nothing is open."""
    body, message = UNREADABLE[name]
    with pytest.raises(SourceError) as caught:
        answers(body)
    assert message in str(caught.value)
    assert ("; give the whole answer as AWS wrote it, in JSON" in str(caught.value)) == ("$" not in message and "nested" not in message)
    assert ("accepted are answers of describe-security-groups" in str(caught.value)) == ("$" in message or "nested" in message)


@pytest.mark.parametrize(
    "body",
    [
        {"SecurityGroups": []},
        {"Results": []},
        {
            "configurationItems": [
                {"resourceType": "AWS::EC2::Instance", "resourceId": "i-1", "configuration": {"securityGroups": [_GROUP]}}
            ]
        },
        {"invokingEvent": json.dumps({"messageType": "ScheduledNotification", "awsAccountId": ACCOUNT})},
        {"configurationItems": [DELETED]},
        {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:config", "Message": "Successfully validated SNS topic"},
        [],
    ],
    ids=["no group", "no row", "an instance", "a scheduled event", "a deleted group", "a greeting", "an empty array"],
)
def test_known_answers_without_groups_are_no_error(body: Any) -> None:
    """Nothing stands, which is an answer; what an instance names is no group that stands."""
    assert answers(body) == Answers(prefix_lists={})


def test_pages_that_are_missing_are_noted() -> None:
    """An answer that goes on elsewhere is not the whole."""
    read = answers({"SecurityGroups": [_GROUP], "NextToken": "abc"})
    assert read.notes == ("$: has a NextToken: this is one page, and what is on the others is not in it",)


def test_size_is_bounded() -> None:
    """A bomb must end in a message."""
    for body in (b" " * 5000, gzip.compress(b" " * 5000)):
        with pytest.raises(SourceError, match="x: has over 0 MiB; split it"):
            read_text(io.BytesIO(body), "x", limit=1000)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), _nested := lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
    st.sampled_from(("SecurityGroups", "GroupId", "IpPermissions", "configuration", "configurationItem", "Results", "data", "Entries", "PrefixListId",
                     "resourceType", "SecurityGroupRuleId", "IsEgress", "IpRanges", "tags", "unprocessedResourceKeys", "pl-1", "IpProtocol",
                     "NextToken", "configurationItemSummary", "configurationItemCaptureTime", "__class__")), inner, max_size=5), max_leaves=30))  # fmt: skip
def test_no_content_ends_in_anything_but_an_answer_or_our_error(value: Any) -> None:
    """Files come from anybody."""
    with suppress(SourceError):
        answers(value)


# Recorded answers of public repositories.


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    path = DATA / "config-items.truth.json"
    if not path.exists():
        pytest.skip("../shared/data is not here")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def recorded(truth: dict[str, Any]) -> Mapping[str, Answers]:
    base = DATA / "config-items"
    out = {}
    for path in sorted(base.rglob("*.json")):
        try:
            with path.open("rb") as file:
                out[path.relative_to(base).as_posix()] = read_answers(file, path.name)
        except SourceError as error:
            out[path.relative_to(base).as_posix()] = Answers(notes=(str(error),))
    return out


def test_every_recorded_group_is_parsed(truth: dict[str, Any], recorded: Mapping[str, Answers]) -> None:
    """In every file in which another program saw it, with all its permissions."""
    files: dict[str, set[str]] = defaultdict(set)
    most: dict[tuple[str, Direction | None], int] = defaultdict(int)
    for name, read in recorded.items():
        for sighting in read.sightings:
            files[sighting.group.group_id].add(name)
            for direction in Direction:
                traffic = {(each.protocol, each.from_port, each.to_port) for each in sighting.group.rules if each.direction is direction}
                key = sighting.group.group_id, direction
                most[key] = max(most[key], len(traffic))
    assert {key: len(names) for key, names in files.items()} == {key: told["seen_in_files"] for key, told in truth["groups"].items()}
    for key, told in truth["groups"].items():
        assert most[key, IN] == told["max_ingress_permissions"], key
        assert most[key, Direction.EGRESS] == told["max_egress_permissions"], key


def test_what_recorded_items_do_not_tell_is_named(recorded: Mapping[str, Answers]) -> None:
    """Two hand-made items have a configuration without permissions: nobody can say what they open."""
    odd = {name: read.problems for name, read in recorded.items() if read.problems}
    assert set(odd) == {f"config/configrules__EC2_SECURITY_GROUP_NOT_USED_test_L{line}.json" for line in (40, 48)}
    assert all("configuration has no ipPermissions" in problem for problems in odd.values() for problem in problems)


def test_recorded_answers_of_other_calls_are_told_apart(recorded: Mapping[str, Answers]) -> None:
    """No file that names a group is passed over: what is not known is another call's answer, or a change record."""
    others = {name: read.notes[0] for name, read in recorded.items() if read.notes}
    broken = others.pop("config/asecurityteam__ec2.deleted-malformed.json")
    assert "$.Message: is text that is no JSON" in broken
    assert all("which is nothing known" in note for note in others.values())
    known = (
        "DescribeNetworkInterfaces",
        "DescribeSecurityGroupReferences",
        "describe-instances",
        "describe-network-interfaces",
        "api-responses/",
    )
    assert {name for name in others if not any(mark in name for mark in known)} == {"config/c7n__event-cloudsearch.json"}


def _authorized(line: int) -> str:
    return f"config/configrules__VPC_SG_OPEN_ONLY_TO_AUTHORIZED_PORTS_test_L{line}.json"


BEYOND_THE_TEXT = {
    # 10.0.0.0/0, 11.0.0.0/0, 15.0.0.0/0 and 25.25.0.0/0: a prefix length of 0 leaves nothing of the address
    # (docs/decisions/0006), so each is all of IPv4; the other program compared with the text 0.0.0.0/0.
    (_authorized(47), "sg-01", "tcp", 15000, 15000, "0.0.0.0/0"),
    *((_authorized(line), "sg-01", "tcp", 80, 80, "0.0.0.0/0") for line in (47, 56, 65)),
    *((_authorized(line), "sg-01", "tcp", 0, 65535, "0.0.0.0/0") for line in (47, 56, 65)),
    *((_authorized(line), "sg-01", "udp", 10000, 10000, "0.0.0.0/0") for line in (47, 56, 65)),
}


def test_recorded_groups_are_judged_as_by_hand(truth: dict[str, Any], recorded: Mapping[str, Answers]) -> None:
    """Every row of the other program, and beyond it nothing but what the calculus justifies."""
    judge = Judge({}, InternetSettings())
    rows = {
        (name, sighting.group.group_id, found.protocol, found.from_port, found.to_port, found.rule.peer)
        for name, read in recorded.items()
        for sighting in read.sightings
        for found in judge.open_of(sighting.group, {})
    }
    told = {
        (row["file"], row["group"], "all" if row["protocol"] == "-1" else row["protocol"], row["from_port"], row["to_port"], row["cidr"])
        for row in truth["world_open_ingress"]
    }
    assert told <= rows
    assert rows - told == BEYOND_THE_TEXT


# Large files.


def _in_pieces(body: bytes) -> list[tuple[str, Any]]:
    return list(values_in(body, "x", [], CONTAINERS, large=0))


LARGE_TEXTS: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    "an object": (
        '{"NextToken": "t", "SecurityGroups" : [ {"a": [1, "]"]} , 2 ] , "Other": [3], "x": null}\n',
        [
            ("$.SecurityGroups[0]", {"a": [1, "]"]}),
            ("$.SecurityGroups[1]", 2),
            ("$", {"NextToken": "t", "SecurityGroups": [], "Other": [3], "x": None}),
        ],
    ),
    "an object without lists": ('{"SecurityGroups": {"items": []}}', [("$", {"SecurityGroups": {"items": []}})]),
    "empty lists": ('{"Results": [ ], "securitygroups":[]}', [("$", {"Results": [], "securitygroups": []})]),
    "an empty object": (" { } ", [("$", {})]),
    "a list": ('[{"a": 1},[2]]', [("$[0]", {"a": 1}), ("$[1]", [2])]),
    "an empty list": ("[ ]", [("$", [])]),
    "a word": ('"x"', [("$", "x")]),
    "lines": ('{"Results": ["{}"]}\n{"b": 1}\n', [("$.Results[0]", "{}"), ("$", {"Results": []}), ("line 2, $", {"b": 1})]),
}


@pytest.mark.parametrize("name", LARGE_TEXTS)
def test_a_large_document_comes_in_pieces(name: str) -> None:
    """Its values would take several times the room of its text, were they all held at once."""
    body, expected = LARGE_TEXTS[name]
    assert _in_pieces(body.encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        "{",
        '{"a"',
        '{"a" 1}',
        '{"a": 1',
        '{"a": 1,',
        '{"a": 1,}',
        "{1: 2}",
        '{"a": 1 "b": 2}',
        '{"Results": [1',
        '{"Results": [1,',
        '{"Results": [1,]}',
        '{"Results": [1 2]}',
        '{"Results": [',
        "[",
        "[1,",
        "[" * 100_000,
        "words",
    ],
)
def test_a_large_document_that_breaks_is_an_error(body: str) -> None:
    """As a small one is: half an answer is none."""
    with pytest.raises(SourceError, match="x: line 1: not JSON"):
        _in_pieces(body.encode())
    with pytest.raises(SourceError, match="x: line 1: not JSON"):
        list(values_in(body.encode(), "x", []))


@pytest.mark.parametrize("name", [*SHAPES, *TEXTS])
def test_pieces_hold_what_the_whole_holds(name: str) -> None:
    """Whatever the size of a file, the same stands."""
    body = json.dumps(SHAPES[name](ONE, TWO)).encode() if name in SHAPES else TEXTS[name]
    assert found(body)
    assert read_answers(io.BytesIO(body), "saved.json", large=0) == answers(body)
