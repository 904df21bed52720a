"""Which trails record the writes of a service."""

from __future__ import annotations

import pytest

from exporter.posture.selectors import excluded


def advanced(*fields):
    return {"AdvancedEventSelectors": [{"FieldSelectors": list(fields)}]}


MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}
DATA = {"Field": "eventCategory", "Equals": ["Data"]}

RECORDING = [
    {},
    {"EventSelectors": []},
    {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]},
    {"EventSelectors": [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]},
    {"EventSelectors": [{"IncludeManagementEvents": False}, {"ReadWriteType": "All", "IncludeManagementEvents": True}]},
    {"EventSelectors": [{"ReadWriteType": "All", "ExcludeManagementEventSources": ["kms.amazonaws.com", "rdsdata.amazonaws.com"]}]},
    advanced(MANAGEMENT),
    advanced(MANAGEMENT, {"Field": "readOnly", "Equals": ["false"]}),
    advanced(MANAGEMENT, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}),
    advanced(MANAGEMENT, {"Field": "eventSource", "StartsWith": ["ec2."]}),
    {"AdvancedEventSelectors": [{"FieldSelectors": [DATA]}, {"FieldSelectors": [MANAGEMENT]}]},
]

LACKING = [
    ({"EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]}, "only reads"),
    ({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": False}]}, "exclude management events"),
    ({"EventSelectors": [{"IncludeManagementEvents": False}, {"ReadWriteType": "ReadOnly"}]}, "only reads"),
    ({"EventSelectors": [{"ReadWriteType": "All", "ExcludeManagementEventSources": ["ec2.amazonaws.com"]}]}, "excludes the events of ec2"),
    (advanced(DATA), "exclude management events"),
    (advanced({"Field": "eventCategory", "NotEquals": ["Management"]}), "exclude management events"),
    (advanced(MANAGEMENT, {"Field": "readOnly", "Equals": ["true"]}), "only reads"),
    (advanced(MANAGEMENT, {"Field": "readOnly", "NotEquals": ["false"]}), "only reads"),
    (advanced(MANAGEMENT, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com", "ec2.amazonaws.com"]}), "excludes the events of ec2"),
    (advanced(MANAGEMENT, {"Field": "eventSource", "NotEndsWith": [".amazonaws.com"]}), "excludes the events of ec2"),
    (advanced(MANAGEMENT, {"Field": "eventName", "NotEquals": ["CreateSecurityGroup"]}), "only some management events, by eventName"),
]


@pytest.mark.parametrize("selectors", RECORDING)
def test_a_trail_that_records_every_write_is_not_complained_of(selectors):
    """Otherwise people learn to pass over the warning."""
    assert excluded(selectors) == ""


@pytest.mark.parametrize(("selectors", "reason"), LACKING)
def test_a_trail_that_leaves_out_writes_says_which(selectors, reason):
    """Otherwise a trail that records nothing of interest passes for one that does."""
    assert reason in excluded(selectors)
