"""The parser as a whole: the worked example, what is ignored or malformed, and that nothing gets it down."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.catalog import WATCH_SETS, Watch
from exporter.errors import MALFORMED_REASONS, MalformedRecord
from exporter.model import IGNORED_REASONS, ChangeEvent, Channel, Ignored, Outcome, Principal, PrincipalType, Resource
from exporter.parse import RecordParser
from tests.cloudtrail_fixtures import NAMES, event, fault, load, nothing_opened, parse


def test_the_worked_example_comes_out_to_the_letter() -> None:
    """The AWS how-to this project began from: a console user of an assumed role authorizes tcp 998."""
    record = load("how-to-console-authorize")
    raw = json.dumps(record).encode()
    parsed = RecordParser(Watch(), lambda _changes: ("other",)).parse(record, raw)
    assert isinstance(parsed, ChangeEvent)
    assert parsed.event_id == "6c604d53-d9c3-492e-a26a-a48ac3f711e0"
    assert parsed.event_time == datetime(2019, 8, 5, 7, 16, 31, tzinfo=UTC)
    assert (parsed.account_id, parsed.region) == ("123456789", "us-east-1")
    assert (parsed.event_source, parsed.event_name) == ("ec2.amazonaws.com", "AuthorizeSecurityGroupIngress")
    assert (parsed.outcome, parsed.channel) == (Outcome.SUCCESS, Channel.CONSOLE)
    assert (parsed.error_code, parsed.error_message) == (None, None)
    assert parsed.principal == Principal(
        type=PrincipalType.ROLE,
        name="role/Bob",
        arn="arn:aws:sts::123456789:assumed-role/Bob/Bob",
        session="Bob",
        account_id="123456789",
        source_ip="111.111.111.111",
        user_agent="console.ec2.amazonaws.com",
        invoked_by=None,
    )
    assert parsed.security_groups == ("sg-123456789",)
    assert parsed.resources == (Resource("AWS::EC2::SecurityGroup", "sg-123456789"),)
    (change,) = parsed.rule_changes
    assert (change.action, change.before) == ("added", None)
    assert dataclasses.astuple(change.rule) == ("ingress", None, "tcp", 998, 998, "ipv4", "192.168.0.0/32", None)
    assert (parsed.content_known, parsed.watch_set, parsed.supersedes) == (True, "security_groups", False)
    assert parsed.opened_port_classes == ("other",)
    assert (parsed.raw, len(parsed.fingerprint)) == (raw, 16)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (load("wickr-create-security-group"), "not_watched"),
        (load("authorize-flat-form", eventName="DescribeSecurityGroups"), "not_watched"),
        (load("insight"), "insight"),
        (load("authorize-flat-form", eventType="AwsVpceEvents", eventCategory="NetworkActivity"), "network_activity"),
        (load("authorize-flat-form", eventType="AwsVpceEvents", eventCategory=...), "network_activity"),
        (load("authorize-denied", eventCategory="NetworkActivity"), "network_activity"),
        (load("wickr-create-security-group", eventCategory="NetworkActivity"), "not_watched"),
        ({"eventType": "AwsCloudTrailInsight"}, "insight"),
        (load("attach-nothing-user-data"), "no_security_group"),
    ],
)
def test_what_is_not_wanted_is_ignored_with_a_reason(record: Any, reason: str) -> None:
    """Every record that was read must show up in some count."""
    parsed = parse(record)
    assert isinstance(parsed, Ignored)
    assert parsed.reason == reason
    assert reason in IGNORED_REASONS


def test_what_an_endpoints_policy_denied_is_no_copy_of_another_record() -> None:
    """The call never reached the service, so only the endpoint's owner has a record of the attempt."""
    denied = event("authorize-flat-form", eventCategory="NetworkActivity", eventType="AwsVpceEvents", errorCode="VpceAccessDenied")
    assert (denied.outcome, denied.rule_changes) == (Outcome.DENIED, ())


def test_an_ignored_record_still_tells_its_account_and_region() -> None:
    """A unit that only ever reads is still a unit that is covered."""
    assert parse(load("wickr-create-security-group")) == Ignored("not_watched", "111122223333", "eu-west-1")


@pytest.mark.parametrize("value", [..., None, "", 7, True, [], {}, "x" * 257])
@pytest.mark.parametrize("field", ["eventName", "eventSource"])
def test_a_record_without_a_usable_name_is_malformed(field: str, value: object) -> None:
    """Without both names nobody can tell whether it was a change."""
    assert fault(load("authorize-flat-form", **{field: value})) == "event_name"


def test_a_record_without_a_usable_time_or_version_is_malformed() -> None:
    """History cannot place it, or the parser cannot trust it."""
    assert fault(load("authorize-flat-form", eventTime=...)) == "event_time"
    assert fault(load("authorize-flat-form", eventVersion="2.0")) == "event_version"


@pytest.mark.parametrize("record", [None, [], "text", 7, True])
def test_what_is_no_object_is_no_record(record: object) -> None:
    """Files hold anything."""
    assert fault(record) == "record"


def test_a_newer_minor_version_is_read_past_its_new_fields() -> None:
    """AWS adds fields without asking."""
    assert event("unknown-minor-version").outcome is Outcome.SUCCESS


@pytest.mark.parametrize("version", ["1.00", "1.01", "1.02", "1.03", "1.05", "1.08", "1.1", "1.11", ...])
def test_every_version_is_read(version: object) -> None:
    """Trails hold ten years of them."""
    assert event("authorize-flat-form", eventVersion=version).rule_changes


@pytest.mark.parametrize(
    ("changes", "account", "region"),
    [
        ({}, "111122223333", "eu-west-1"),
        ({"recipientAccountId": ...}, "111122223333", "eu-west-1"),
        ({"recipientAccountId": "...", "awsRegion": ""}, "...", "unknown"),
        ({"recipientAccountId": [], "userIdentity": None, "awsRegion": {}}, "unknown", "unknown"),
        ({"recipientAccountId": "x" * 99, "awsRegion": "r" * 99}, "x" * 64, "r" * 64),
        ({"recipientAccountId": 123456789012}, "123456789012", "eu-west-1"),
    ],
)
def test_account_and_region_are_taken_as_they_are(changes: dict[str, Any], account: str, region: str) -> None:
    """They are labels: always there, always bounded, never judged."""
    parsed = event("authorize-flat-form", **changes)
    assert (parsed.account_id, parsed.region) == (account, region)


@pytest.mark.parametrize("request_parameters", [None, ..., {"omitted": True}, {"omitted": "true", "reason": "x"}, "text", [], {}])
def test_a_change_whose_content_aws_left_out_is_counted_as_such(request_parameters: object) -> None:
    """A request of over 100 kB is a known way to hide a change; it must not look like none."""
    parsed = event("authorize-flat-form", requestParameters=request_parameters, responseElements=None)
    assert (parsed.outcome, parsed.content_known, parsed.rule_changes) == (Outcome.SUCCESS, False, ())


def test_a_change_whose_answer_tells_is_known_though_the_request_is_left_out() -> None:
    """The answer is the better witness anyway."""
    parsed = event("authorize-request-omitted-but-answered")
    assert parsed.content_known
    assert parsed.security_groups == ("sg-0123456789abcdef0",)


@pytest.mark.parametrize(
    ("name", "changes", "known"),
    [
        ("create-security-group", {"requestParameters": None}, True),
        ("delete-security-group", {"requestParameters": None, "responseElements": {"requestId": "r", "_return": True}}, False),
        ("bucket-policy-put", {"requestParameters": None, "resources": None}, False),
        ("bucket-policy-put", {"requestParameters": None, "resources": None, "readOnly": True}, True),
        ("bucket-policy-put", {"requestParameters": None}, True),
        ("bucket-policy-put", {"requestParameters": {"omitted": True}}, False),
        ("route-created", {}, True),
        ("route-created", {"requestParameters": {"omitted": True}}, False),
        ("prefix-list-modify", {"requestParameters": None}, False),
        ("prefix-list-modify", {"requestParameters": {"omitted": True}}, False),
        ("vpc-resource-creation", {}, True),
        ("authorize-denied", {"requestParameters": None}, True),
    ],
)
def test_content_is_unknown_only_where_a_success_hides_it(name: str, changes: dict[str, Any], known: bool) -> None:
    """Failed calls changed nothing, and service events have no request by nature."""
    assert event(name, **changes).content_known is known


def test_a_services_own_event_without_identity_type_is_read() -> None:
    """This is how a VPC's default group is born: no CreateSecurityGroup is ever logged for it."""
    parsed = event("vpc-resource-creation")
    assert (parsed.principal.name, parsed.channel, parsed.outcome) == ("service/ec2.amazonaws.com", Channel.AWS_SERVICE, Outcome.SUCCESS)


def test_every_fixture_parses() -> None:
    """A shape that we wrote down must be understood."""
    for name in NAMES:
        assert isinstance(parse(load(name)), ChangeEvent | Ignored)


def test_a_failure_of_our_own_is_named_internal_and_harms_one_record() -> None:
    """Whatever is wrong with us must not stop the batch."""

    def broken(_changes: object) -> tuple[str, ...]:
        raise ZeroDivisionError("our fault")

    with pytest.raises(MalformedRecord, match="ZeroDivisionError") as raised:
        RecordParser(Watch(), broken).parse(load("authorize-flat-form"), b"")
    assert raised.value.reason == "internal"


class Everything:
    """A pattern that wants all."""

    event_source = "*"
    event_name = "*"


PARSERS = (RecordParser(Watch(WATCH_SETS), nothing_opened), RecordParser(Watch([], [Everything()]), nothing_opened))
WEIRD_TEXT = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["\ud800", "\x00", '"\n\\', "sg-0123456789abcdef0", "0.0.0.0/0", "x" * 5000, "2026-02-03T00:00:00Z", "{}", "-1", "arn:a:b:c:d:e/f"]
    ),
)
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from([2**70, 10**400, -1]), st.floats(), WEIRD_TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(st.text(max_size=8), st.sampled_from(["items", "content", "groupId", "securityGroupIds", "XRequest"])),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every field of a record, however deep."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found: list[tuple[Any, ...]] = []
    for key, value in inner:
        found += [(*path, key), *places(value, (*path, key))]
    return found


def holds(node: Any, key: Any) -> bool:
    return (isinstance(node, dict) and key in node) or (isinstance(node, list) and isinstance(key, int) and key < len(node))


def put(record: Any, path: tuple[Any, ...], value: Any) -> None:
    """Replace one field, unless an earlier replacement took it away."""
    for key in path[:-1]:
        if not holds(record, key):
            return
        record = record[key]
    if holds(record, path[-1]):
        record[path[-1]] = value


PLACES = {name: places(load(name)) for name in NAMES}


def attempt(parser: RecordParser, record: Any) -> ChangeEvent | Ignored | MalformedRecord:
    try:
        return parser.parse(record, b"raw")
    except MalformedRecord as error:
        return error


def check(record: Any) -> None:
    """Hold that a record is understood, ignored or malformed with a reason, and that what comes out is bounded."""
    for parser in PARSERS:
        parsed = attempt(parser, record)
        if isinstance(parsed, MalformedRecord):
            assert parsed.reason in MALFORMED_REASONS
            assert parsed.reason != "internal", parsed.__cause__
            str(parsed).encode()
            continue
        if isinstance(parsed, Ignored):
            assert parsed.reason in IGNORED_REASONS
            f"{parsed.account_id}{parsed.region}".encode()
            continue
        assert isinstance(parsed, ChangeEvent)
        assert 0 < len(parsed.principal.name) <= 128
        assert 0 < len(parsed.account_id) <= 64
        assert 0 < len(parsed.region) <= 64
        assert len(parsed.fingerprint) == 16
        assert parsed.event_time.tzinfo is UTC
        assert parsed.outcome is Outcome.SUCCESS or parsed.rule_changes == ()
        assert_bounded(dataclasses.asdict(parsed))


def assert_bounded(value: Any) -> None:
    if isinstance(value, str):
        assert 0 < len(value) <= 1024
        value.encode()
    elif isinstance(value, dict):
        for inner in value.values():
            assert_bounded(inner)
    elif isinstance(value, list | tuple):
        assert len(value) <= 5000
        for inner in value:
            assert_bounded(inner)
    else:
        assert value is None or isinstance(value, bool | int | bytes | datetime)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_at_any_known_field_is_survived(data: st.DataObject) -> None:
    """Every field comes from outside; one of a wrong type must not stop a poll."""
    name = data.draw(st.sampled_from(NAMES))
    record = load(name)
    for path in data.draw(st.lists(st.sampled_from(PLACES[name]), min_size=1, max_size=4)):
        put(record, path, data.draw(JSON_VALUES))
    check(record)


@settings(max_examples=100, deadline=None)
@given(JSON_VALUES)
def test_any_json_at_all_is_survived(record: Any) -> None:
    """Files hold anything that is JSON."""
    check(record)


@pytest.mark.parametrize("value", [None, True, 2**70, 1.5, "\ud800", "x" * 100_000, [], [[]], {}, {"items": [{"items": 7}]}])
@pytest.mark.parametrize("name", NAMES)
def test_each_known_field_survives_each_wrong_type(name: str, value: Any) -> None:
    """The same without chance: one field at a time, all fields of all fixtures."""
    for path in PLACES[name]:
        record = load(name)
        put(record, path, value)
        check(record)


def test_a_ten_megabyte_text_is_cut() -> None:
    """Size is bounded where the text is read, not where it is shown."""
    big = "y" * 10_000_000
    check(load("authorize-flat-form", userAgent=big, errorMessage=big, sourceIPAddress=big, awsRegion=big))
