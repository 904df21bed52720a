"""What the answers about trails and recorders come to, shape by shape."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from exporter.posture.lights import (
    LEAVES_OUT,
    OFF,
    STOPPED,
    covers,
    has_default_selectors,
    moment,
    own_recorder,
    owner_of,
    recorder_light,
    trail_gap,
    trail_name,
)
from exporter.posture.recording import GROUP, records
from exporter.posture.standing import RecorderLight

ARN = "arn:aws:cloudtrail:us-east-1:444455556666:trail/audit"


def test_a_trail_is_known_by_name_and_owner():
    """Otherwise a person is sent to the wrong account."""
    assert (trail_name({"Name": "audit", "TrailARN": ARN}), trail_name({"TrailARN": ARN}), trail_name({})) == ("audit", ARN, "")
    assert (owner_of({"TrailARN": ARN}), owner_of({"TrailARN": "audit"}), owner_of({})) == ("444455556666", "", "")


@pytest.mark.parametrize(
    ("trail", "expected"),
    [
        ({"HomeRegion": "us-east-1", "IsMultiRegionTrail": False}, True),
        ({"HomeRegion": "eu-west-1", "IsMultiRegionTrail": False}, False),
        ({"HomeRegion": "eu-west-1", "IsMultiRegionTrail": True}, True),
        ({"HomeRegion": "eu-west-1"}, False),
        ({"HomeRegion": "eu-west-1", "IsOrganizationTrail": True}, False),
        ({}, True),
    ],
)
def test_a_trail_of_another_region_covers_this_one_only_if_it_has_many(trail, expected):
    """Otherwise a region without a trail counts as recorded."""
    assert covers(trail, "us-east-1") is expected


def test_a_stopped_trail_records_nothing_whatever_its_selectors():
    """Otherwise a trail that somebody stopped counts as one."""
    assert trail_gap({"IsLogging": False}, "") == STOPPED
    assert trail_gap({}, "it records only reads (ReadOnly)") == STOPPED
    assert trail_gap({"IsLogging": True}, "") == ""
    assert trail_gap({"IsLogging": True}, "it records only reads (ReadOnly)") == "it records only reads (ReadOnly)"


def test_only_what_is_said_counts_as_default_selectors():
    """Otherwise a trail of which nothing is known counts as one that records."""
    assert [has_default_selectors(trail) for trail in ({}, {"HasCustomEventSelectors": True}, {"HasCustomEventSelectors": False})] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({}, True),
        ({"allSupported": True}, True),
        ({"allSupported": False, "resourceTypes": [GROUP]}, True),
        ({"allSupported": False, "resourceTypes": ["AWS::S3::Bucket"]}, False),
        ({"allSupported": False, "resourceTypes": []}, False),
        ({"allSupported": False, "recordingStrategy": {"useOnly": "ALL_SUPPORTED_RESOURCE_TYPES"}}, True),
        ({"allSupported": False, "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"}}, True),
        (
            {
                "allSupported": False,
                "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"},
                "exclusionByResourceTypes": {"resourceTypes": [GROUP]},
            },
            False,
        ),
        ({"allSupported": False, "recordingStrategy": {"useOnly": "INCLUSION_BY_RESOURCE_TYPES"}, "resourceTypes": [GROUP]}, True),
        ({"allSupported": True, "exclusionByResourceTypes": None, "resourceTypes": None}, True),
    ],
)
def test_recording_groups_have_security_groups_or_not(group, expected):
    """Otherwise AWS Config is on and has none of the rules."""
    assert records(group, GROUP) is expected


def daily(*types):
    return {"recordingFrequency": "CONTINUOUS", "recordingModeOverrides": [{"resourceTypes": list(types), "recordingFrequency": "DAILY"}]}


ON = {"name": "default", "recording": True, "lastStatus": "SUCCESS"}
RECORDERS = {
    "on": ({"name": "default"}, ON, RecorderLight("default", "", "continuous")),
    "off": ({"name": "default"}, {"recording": False}, RecorderLight("default", OFF, "continuous")),
    "without a status": ({"name": "default"}, {}, RecorderLight("default", OFF, "continuous")),
    "without a name": ({}, ON, RecorderLight("default", "", "continuous")),
    "leaves out": ({"recordingGroup": {"allSupported": False}}, ON, RecorderLight("default", LEAVES_OUT, "continuous")),
    "daily": ({"recordingMode": {"recordingFrequency": "DAILY"}}, ON, RecorderLight("default", "", "daily")),
    "continuous": ({"recordingMode": {"recordingFrequency": "CONTINUOUS"}}, ON, RecorderLight("default", "", "continuous")),
    "daily for groups": ({"recordingMode": daily("AWS::S3::Bucket", GROUP)}, ON, RecorderLight("default", "", "daily")),
    "daily for others": ({"recordingMode": daily("AWS::S3::Bucket")}, ON, RecorderLight("default", "", "continuous")),
    "a frequency of the future": ({"recordingMode": {"recordingFrequency": "HOURLY"}}, ON, RecorderLight("default", "", "continuous")),
    "failing": (
        {},
        {"recording": True, "lastStatus": "Failure", "lastErrorCode": "AccessDenied"},
        RecorderLight("default", "", "continuous", "AccessDenied"),
    ),
    "failing without a code": ({}, {"recording": True, "lastStatus": "FAILURE"}, RecorderLight("default", "", "continuous", "unknown")),
    "pending": ({}, {"recording": True, "lastStatus": "Pending", "lastErrorCode": "Old"}, RecorderLight("default", "", "continuous")),
}


@pytest.mark.parametrize(("recorder", "state", "expected"), RECORDERS.values(), ids=RECORDERS)
def test_recorders_are_judged(recorder, state, expected):
    """Otherwise what is read from AWS Config is taken for newer than it is."""
    assert recorder_light(recorder, state) == expected


def test_what_strangers_named_is_bounded_and_visible():
    """Otherwise the name of a recorder moves the cursor of whoever reads it."""
    light = recorder_light({"name": "\x1b[31m" + "x" * 10_000}, {"recording": True, "lastStatus": "Failure", "lastErrorCode": "y" * 10_000})
    assert light.name.startswith("\\x1b[31m")
    assert len(light.name) < 300
    assert len(light.failing) <= 256


def test_the_recorder_of_a_service_is_not_the_accounts_own():
    """Otherwise what Security Hub records for itself passes for a recorder that has all groups."""
    linked = {"name": "AWSConfigurationRecorderForObservability", "servicePrincipal": "observabilityadmin.amazonaws.com"}
    assert own_recorder([linked]) is None
    assert own_recorder([linked, {"name": "default"}]) == {"name": "default"}
    assert own_recorder([]) is None


def test_times_are_in_utc():
    """Otherwise two replicas in two zones write two pictures of the same."""
    assert moment(datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert moment(datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))).tzinfo is UTC
    assert moment(None) is None
    assert moment("2026") is None
