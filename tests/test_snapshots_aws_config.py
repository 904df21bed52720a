"""The reader of one account and region over AWS Config: whatever is missing on the way, no picture is smaller than what stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from exporter.errors import AwsError, SourceError
from exporter.model import PeerType
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Attachment, Origin, Part, Reading, RecorderLight
from exporter.snapshots.aws_config import ConfigReader
from exporter.snapshots.ec2 import no_lights
from tests.config_answers import (
    ACCOUNT,
    BALANCER,
    CLASSIC,
    GROUP,
    INTERFACE,
    LIST,
    RECORDERS,
    REGION,
    Config,
    Time,
    balancer,
    denied,
    group,
    interface,
    item,
    prefix_list,
    throttled,
)  # fmt: skip

SELECTED = {Part.GROUPS: GROUP, Part.PREFIX_LISTS: LIST, Part.INTERFACES: INTERFACE, Part.LOAD_BALANCERS: BALANCER}
ROWS = [
    *(group(number, lists=("pl-00000000000000001",)) for number in range(1, 6)),
    *(prefix_list(number) for number in range(1, 4)),
    *(interface(number, "sg-00000000000000001", public="203.0.113.7" if number == 2 else "") for number in range(1, 6)),
    *(item(BALANCER, f"lb-{number}", {"scheme": "internal"}) for number in range(3)),
]


def read(config: Config, time: Time | None = None, **settings: Any) -> list[Reading]:
    """Return what one reading yields."""
    time = time or Time()
    reader = ConfigReader(config, PostureSettings(**settings), lights=no_lights, asker=time.asker)
    return list(reader.read(time.context()))


def failures(reading: Reading) -> dict[Part, str]:
    """Return what failed, as people read it."""
    return {failure.part: str(failure.error) for failure in reading.failures}


def test_everything_is_read_over_all_pages():
    """Every part comes from AWS Config, whole, with the time at which it looked."""
    [reading] = read(Config(ROWS))

    assert (reading.account_id, reading.region, reading.origin) == (ACCOUNT, REGION, Origin.AWS_CONFIG)
    assert reading.failures == ()
    assert [one.group_id[-1] for one in reading.groups or ()] == ["1", "2", "3", "4", "5"]
    assert {one.captured_at for one in reading.groups or ()} == {datetime(2026, 1, 31, 11, 58, tzinfo=UTC)}
    assert {rule.peer_type for one in reading.groups or () for rule in one.rules} == {PeerType.IPV4, PeerType.PREFIX_LIST}
    assert [(one.list_id[-1], one.entries, one.max_entries) for one in reading.prefix_lists or ()] == [
        (str(number), (("198.51.100.0/24", ""),), 10) for number in (1, 2, 3)
    ]
    assert reading.attachments == {"sg-00000000000000001": Attachment(5, public_ipv4=True)}
    assert reading.balanced == frozenset()
    assert not reading.untold


@pytest.mark.parametrize("part", list(SELECTED))
@pytest.mark.parametrize("page", range(3))
def test_a_missing_page_leaves_its_part_out_and_no_other(part, page):
    """A page that fails, the last one too, makes its whole part unknown; the others are as whole as ever."""
    whole = read(Config(ROWS))[0]
    seen = 0

    def fault(operation, asked, _before):
        nonlocal seen
        if operation.name == "SelectResourceConfig" and asked["Expression"].endswith(f"'{SELECTED[part]}'"):
            seen += 1
            if seen == page + 1:
                raise AwsError("unavailable", f"{operation.action} in account {ACCOUNT} {REGION} failed: cut", operation.action)

    last = {Part.GROUPS: 2, Part.PREFIX_LISTS: 1, Part.INTERFACES: 2, Part.LOAD_BALANCERS: 1}[part]
    [reading] = read(Config(ROWS, fault=fault))

    fields = {Part.GROUPS: "groups", Part.PREFIX_LISTS: "prefix_lists", Part.INTERFACES: "attachments", Part.LOAD_BALANCERS: "balanced"}
    for other, name in fields.items():
        expected = None if other is part and page <= last else getattr(whole, name)
        assert getattr(reading, name) == expected
    assert set(failures(reading)) == ({part} if page <= last else set())
    assert all(ACCOUNT in text and REGION in text and "config:SelectResourceConfig" in text for text in failures(reading).values())


@pytest.mark.parametrize("page", range(3))
def test_a_throttled_page_is_asked_for_again(page):
    """Throttles cost time, not rules."""
    left = 3

    def fault(operation, asked, _before):
        nonlocal left
        if (
            operation.name == "SelectResourceConfig"
            and asked.get("NextToken", "0") == str(2 * page)
            and f"'{GROUP}'" in asked["Expression"]
            and left
        ):
            left -= 1
            raise throttled(operation.action)

    time = Time()
    [reading] = read(Config(ROWS, fault=fault), time)

    assert len(reading.groups or ()) == 5
    assert not reading.failures
    assert time.waited > 1


def test_a_storm_of_throttles_ends_and_is_a_failure():
    """Not even endless throttles keep a reading for hours."""

    def fault(operation, _asked, _before):
        if operation.name == "SelectResourceConfig":
            raise throttled(operation.action)

    time = Time()
    [reading] = read(Config(ROWS, fault=fault), time)

    assert (reading.groups, reading.prefix_lists, reading.attachments, reading.balanced) == (None, None, None, None)
    assert {failure.error.reason for failure in reading.failures} == {"throttled"}
    assert time.waited < 600


def test_who_is_stopping_reads_nothing_and_fails_nothing():
    """A process that ends must not leave a failure behind."""

    def fault(operation, _asked, _before):
        if operation.name == "SelectResourceConfig":
            raise throttled(operation.action)

    assert read(Config(ROWS, fault=fault), Time(stop_after=1.0)) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        pytest.param("not json", "not JSON", id="no JSON"),
        pytest.param("[" * 100_000, "not JSON", id="too deep"),
        pytest.param("[]", "no object", id="a list"),
        pytest.param(7, "no text", id="a number"),
        pytest.param({"configuration": {}}, "whose it is", id="no id"),
        pytest.param(group(9)[1] | {"configuration": None}, "configuration", id="no configuration"),
        pytest.param(group(9)[1] | {"configuration": {"groupId": "sg-9"}}, "ipPermissions", id="no permissions"),
        pytest.param(group(9)[1] | {"configurationItemCaptureTime": "yesterday"}, "CaptureTime", id="no time"),
    ],
)
def test_a_group_that_cannot_be_understood_is_not_left_out(row, words):
    """One strange row makes the groups unknown: leaving it out would close its rules."""
    text = json.dumps(row) if isinstance(row, dict) else row
    [reading] = read(Config([*ROWS, (GROUP, text)]))

    assert reading.groups is None
    assert words in failures(reading)[Part.GROUPS]
    assert reading.attachments is not None


def test_an_item_on_two_pages_is_taken_once_and_as_it_was_last():
    """What changes while pages are read may come twice."""
    rows = [
        group(1, "192.0.2.0/24", captured="2026-01-31T11:59:00Z"),
        group(2),
        group(1, "198.51.100.0/24", captured="2026-01-31T11:00:00Z"),
    ]
    [reading] = read(Config(rows))

    assert [one.rules[0].peer for one in reading.groups or ()] == ["192.0.2.0/24", "0.0.0.0/0"]


def test_an_answer_that_leads_in_a_circle_is_a_failure():
    """A token that comes again would never end, and what was read so far may not be all."""
    config = Config(ROWS)
    real = config._paged
    config._paged = lambda name, rows, asked: {**real(name, rows, asked), "NextToken": "2"}  # type: ignore[method-assign]
    [reading] = read(config)

    assert reading.groups is None
    assert "never ends" in failures(reading)[Part.GROUPS]


@pytest.mark.parametrize(
    ("recorder", "state", "words"),
    [
        pytest.param(None, None, "no recorder", id="none"),
        pytest.param(RECORDERS, {"name": "default", "recording": False}, "is off", id="off"),
        pytest.param(
            RECORDERS | {"recordingGroup": {"allSupported": False, "resourceTypes": ["AWS::S3::Bucket"]}},
            {"name": "default", "recording": True},
            "leaves out",
            id="without groups",
        ),
        pytest.param(
            RECORDERS, {"name": "default", "recording": True, "lastStatus": "FAILURE", "lastErrorCode": "X"}, "fails (X)", id="failing"
        ),
    ],
)
def test_what_is_not_recorded_any_more_is_no_answer(recorder, state, words):
    """AWS Config shows what a stopped recorder left for as long as anybody asks; that is no picture of now."""
    [reading] = read(Config(ROWS, recorders=[recorder] if recorder else [], states=[state] if state else []))

    assert (reading.groups, reading.prefix_lists, reading.attachments, reading.balanced) == (None, None, None, None)
    told = failures(reading)
    assert set(told) == {Part.GROUPS, Part.PREFIX_LISTS, Part.INTERFACES}
    assert words in told[Part.GROUPS]
    assert ACCOUNT in told[Part.GROUPS]
    assert reading.untold == {Part.LOAD_BALANCERS}


def test_types_are_trusted_one_by_one():
    """A recorder of groups and interfaces alone says nothing of prefix lists and load balancers."""
    recorder = RECORDERS | {"recordingGroup": {"allSupported": False, "resourceTypes": [GROUP, INTERFACE]}}
    [reading] = read(Config(ROWS, recorders=[recorder]))

    assert len(reading.groups or ()) == 5
    assert reading.attachments is not None
    assert reading.prefix_lists is None
    assert set(failures(reading)) == {Part.PREFIX_LISTS}
    assert LIST in failures(reading)[Part.PREFIX_LISTS]
    assert (reading.balanced, reading.untold) == (None, {Part.LOAD_BALANCERS})


def test_daily_recording_is_read_and_its_age_told():
    """Once a day is enough for who chose AWS Config; each group says when it was looked at."""
    daily = RECORDERS | {"recordingMode": {"recordingFrequency": "DAILY"}}
    rows = [group(1, captured="2026-01-30T23:00:00Z")]
    [reading] = read(Config(rows, recorders=[daily]))

    assert reading.groups is not None
    assert reading.groups[0].captured_at == datetime(2026, 1, 30, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "balanced", "untold"),
    [
        pytest.param([], frozenset(), set(), id="none"),
        pytest.param([balancer("internal")], frozenset(), set(), id="internal"),
        pytest.param([balancer("internal"), balancer("internet-facing")], None, {Part.LOAD_BALANCERS}, id="one faces the internet"),
        pytest.param([balancer("internet-facing", CLASSIC)], None, {Part.LOAD_BALANCERS}, id="a Classic one faces the internet"),
    ],
)
def test_targets_are_known_only_where_there_are_none(rows, balanced, untold):
    """AWS Config records no targets: where a load balancer faces the internet, nobody can say who stands behind it."""
    [reading] = read(Config([*ROWS, *rows]))

    assert (reading.balanced, reading.untold) == (balanced, untold)
    assert reading.failures == ()


def test_load_balancers_are_not_asked_for_where_nobody_wants_them():
    """The setting saves the calls, and what would be behind one is attached."""
    config = Config([*ROWS, balancer("internet-facing")])
    [reading] = read(config, load_balancers=False)

    assert reading.balanced == frozenset()
    assert not any("LoadBalancer" in asked.get("Expression", "") for _, asked in config.calls)


@pytest.mark.parametrize("name", ["DescribeConfigurationRecorders", "DescribeConfigurationRecorderStatus"])
def test_nothing_is_read_where_the_recorder_may_not_be_asked(name):
    """A picture of which nobody can tell whether it is old is none, and the error says what to allow."""

    def fault(operation, _asked, _before):
        if operation.name == name:
            raise denied(operation.action)

    with pytest.raises(SourceError, match=f"allow config:{name}"):
        read(Config(ROWS, fault=fault))


def test_lists_that_aws_config_does_not_have_are_said_once(capfd):
    """What a list of AWS's own lets in is not judged, and a person must know."""
    config, time = Config([group(1, lists=("pl-0000000000000000a",))]), Time()
    told: list[dict[str, Any]] = []
    log = type("Log", (), {"warning": lambda _self, event, **fields: told.append({"event": event, **fields})})()
    context = type(time.context())(lambda: time.now, log=log)
    reader = ConfigReader(config, PostureSettings(), asker=time.asker)
    for _ in range(2):
        [reading] = reader.read(context)

    assert reading.prefix_lists == ()
    assert [(one["prefix_list_id"], one["account_id"], one["region"]) for one in told] == [("pl-0000000000000000a", ACCOUNT, REGION)]


def test_lights_are_read_beside():
    """The lights are not AWS Config's to tell, and come with the reading."""
    light = (RecorderLight("default"),)
    time = Time()
    reader = ConfigReader(Config(ROWS), PostureSettings(), lights=lambda _caller, _context: ((), light, ()), asker=time.asker)
    [reading] = reader.read(time.context())

    assert (reading.trails, reading.recorder) == ((), light)
    assert len(reading.groups or ()) == 5
