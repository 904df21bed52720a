"""Whether a recorder records a type of resources: where that is judged wrong, an old picture passes for the present."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.posture.recording import Recording, recording_of, recording_of_item, records

GROUP = "AWS::EC2::SecurityGroup"
ON = [{"name": "default", "recording": True, "lastStatus": "SUCCESS"}]


@pytest.mark.parametrize(
    ("recording_group", "expected"),
    [
        pytest.param(None, True, id="no group: everything that is supported"),
        pytest.param({}, True, id="an empty group: everything that is supported"),
        pytest.param({"allSupported": True, "resourceTypes": []}, True, id="all supported"),
        pytest.param({"allSupported": False, "resourceTypes": [GROUP]}, True, id="named"),
        pytest.param({"allSupported": False, "resourceTypes": ["AWS::S3::Bucket"]}, False, id="others are named"),
        pytest.param({"allSupported": False, "resourceTypes": []}, False, id="none is named"),
        pytest.param(
            {"allSupported": False, "exclusionByResourceTypes": {"resourceTypes": [GROUP]}, "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"}},
            False,
            id="excluded",
        ),
        pytest.param(
            {"allSupported": False, "exclusionByResourceTypes": {"resourceTypes": ["AWS::S3::Bucket"]}, "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"}},
            True,
            id="another is excluded",
        ),
        pytest.param({"recordingStrategy": {"useOnly": "ALL_SUPPORTED_RESOURCE_TYPES"}}, True, id="by strategy"),
        pytest.param({"recordingStrategy": {"useOnly": "INCLUSION_BY_RESOURCE_TYPES"}, "resourceTypes": [GROUP]}, True, id="included"),
        pytest.param({"recordingStrategy": {"useOnly": "INCLUSION_BY_RESOURCE_TYPES"}, "resourceTypes": []}, False, id="not included"),
        pytest.param({"AllSupported": False, "ResourceTypes": ["AWS::S3::Bucket"]}, False, id="an item: others are named"),
        pytest.param({"AllSupported": True}, True, id="an item: all supported"),
    ],
)  # fmt: skip
def test_a_group_of_types_is_read_as_aws_means_it(recording_group, expected):
    """All three ways to choose types are told apart, as the API and as an item spells them."""
    assert records(recording_group, GROUP) is expected


@pytest.mark.parametrize(
    ("recorders", "states", "words"),
    [
        ([], [], "has no recorder"),
        ([{"name": "default"}], [], "is off"),
        ([{"name": "default"}], [{"name": "default", "recording": False}], "is off"),
        ([{"name": "default"}], [{"name": "another", "recording": True}], "is off"),
        ([{"name": "default", "recordingGroup": {"allSupported": False, "resourceTypes": ["AWS::S3::Bucket"]}}], ON, "leaves out"),
        ([{"name": "default"}], [{"name": "default", "recording": True, "lastStatus": "Failure", "lastErrorCode": "NoSuchBucket"}], "NoSuchBucket"),
        ([{"name": "default"}], [{"name": "default", "recording": True, "lastStatus": "FAILURE"}], "fails"),
        ([{"name": "of a service", "recordingScope": "INTERNAL", "servicePrincipal": "x.amazonaws.com"}], ON, "has no recorder"),
        ([{"name": "default"}], ON, ""),
        ([{"name": "default"}], [{"name": "default", "recording": True, "lastStatus": "PENDING"}], ""),
        ([{"name": "of a service", "recordingScope": "INTERNAL"}, {"name": "default"}], ON, ""),
    ],
)  # fmt: skip
def test_what_keeps_a_recorder_from_recording_is_said_with_a_remedy(recorders, states, words):
    """A recorder that is off, fails or leaves the type out is a gap; the recorder of a service is nobody's."""
    gap, remedy = recording_of(recorders, states).gap(GROUP)

    assert words in gap
    assert bool(gap) is bool(words) is bool(remedy)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (None, True),
        ({"recordingFrequency": "CONTINUOUS"}, True),
        ({"recordingFrequency": "DAILY"}, False),
        ({"recordingFrequency": "CONTINUOUS", "recordingModeOverrides": [{"resourceTypes": [GROUP], "recordingFrequency": "DAILY"}]}, False),
        ({"recordingFrequency": "DAILY", "recordingModeOverrides": [{"resourceTypes": [GROUP], "recordingFrequency": "CONTINUOUS"}]}, True),
        ({"recordingFrequency": "DAILY", "recordingModeOverrides": [{"resourceTypes": ["AWS::S3::Bucket"], "recordingFrequency": "CONTINUOUS"}]}, False),
    ],
)  # fmt: skip
def test_an_override_decides_how_often_a_type_is_recorded(mode, expected):
    """The override of the type stands before the recorder's own frequency."""
    assert Recording("default", on=True, mode=mode).continuous(GROUP) is expected


@pytest.mark.parametrize(
    ("said", "on"), [({"Recording": False}, False), ({"Recording": True}, True), ({"recording": False}, False), ({}, True)]
)
def test_an_item_says_off_only_where_it_says_so(said: dict[str, Any], on):
    """An item that leaves the field out proves nothing."""
    assert recording_of_item({"Name": "default", **said}).on is on
