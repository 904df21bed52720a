"""The recorder of AWS Config: on, off, missing, and how often it looks."""

from __future__ import annotations

import pytest

from exporter.checks.recorder import RECORDER
from exporter.posture.standing import RecorderLight
from tests.sights import given, sight, standing

RECORDING, INFO, FAILING = "aws_config_recording", "aws_config_recorder_info", "aws_config_recorder_failing"

CASES = {
    "never read": (None, {}),
    "none": ((), {(RECORDING,): 0}),
    "on": ((RecorderLight("default", frequency="continuous"),), {(RECORDING,): 1, (INFO, "continuous"): 1, (FAILING,): 0}),
    "daily": ((RecorderLight("default", frequency="daily"),), {(RECORDING,): 1, (INFO, "daily"): 1, (FAILING,): 0}),
    "off": ((RecorderLight("default", "it is off", "continuous"),), {(RECORDING,): 0, (INFO, "continuous"): 1, (FAILING,): 0}),
    "failing": (
        (RecorderLight("default", "", "continuous", "AccessDenied"),),
        {(RECORDING,): 1, (INFO, "continuous"): 1, (FAILING,): 1},
    ),
}


@pytest.mark.parametrize(("recorder", "expected"), CASES.values(), ids=CASES)
def test_the_recorder_is_shown(recorder, expected):
    """Otherwise what is read from AWS Config is a picture that nobody renews."""
    assert given(RECORDER, sight(standing(recorder=recorder))) == expected
