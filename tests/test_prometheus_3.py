"""The rules on a Prometheus 3.x, where one could be had: PROMETHEUS_3 names the directory with prometheus and promtool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests.alert_cases import RULE_TESTS as CASES
from tests.alert_cases import passes, rules_of, with_rules
from tests.repository import ROOT

RULES = sorted((ROOT / "deploy/prometheus").glob("*.yml"))
RULE_FILES = [path for path in RULES if path.read_text().lstrip().startswith(("groups:", "#")) and "\ngroups:" in f"\n{path.read_text()}"]

# The variant counts hours at coarse scrapes, and a 3.x reads such counts so much higher that a usual deploy pages: docs/alerts.md.
NOT_ON_3 = {"AwsChangeRateAnomalousByPromql.test.yml"}


@pytest.fixture(scope="module")
def promtool() -> Path:
    """Return the promtool of a 3.x; without one the test is skipped, in CI too, because the suite that it comes from moves."""
    directory = os.environ.get("PROMETHEUS_3", "")
    if not directory:
        pytest.skip("PROMETHEUS_3 names no directory with a Prometheus 3.x; .ci/prometheus-3 fetches one")
    return Path(directory) / "promtool"


def test_there_are_rule_files_and_cases():
    """An empty list would pass below without a look at anything."""
    assert {path.name for path in RULE_FILES} >= {"alerts.yml"}
    assert CASES


@pytest.mark.e2e
@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_a_3_x_accepts_the_rule_files(promtool, path):
    """PromQL changed with 3.0; a rule that it refuses stops the whole file, and all paging with it."""
    passes(promtool, "check", "rules", path)


@pytest.mark.e2e
@pytest.mark.parametrize("path", [path for path in CASES if path.name not in NOT_ON_3], ids=lambda path: path.stem)
def test_the_cases_of_the_alerts_pass_on_a_3_x(promtool, path, tmp_path):
    """A 3.x leaves the left end of a window out, and a rule that needs the sample there would miss what it caught before."""
    passes(promtool, "test", "rules", with_rules(yaml.safe_load(path.read_text()), rules_of(path), tmp_path))
