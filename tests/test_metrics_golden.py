"""The whole page, byte for byte, and what Prometheus' own tools say of it."""

from __future__ import annotations

import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.golden.content import EVENT_ID, FILES, page


@pytest.mark.parametrize("openmetrics", FILES)
def test_the_page_is_the_golden_page(openmetrics):
    """Otherwise a name, a help text or an order changes and nobody notices; `python -m tests.golden` takes a wanted change over."""
    assert page(openmetrics) == FILES[openmetrics].read_bytes().decode()


def test_promtool_has_nothing_to_say(program):
    """Otherwise Prometheus' own linter finds a name, a type or a help text that breaks the conventions."""
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=page(openmetrics=False).encode(), capture_output=True, check=False, timeout=180
    )
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


def test_the_openmetrics_parser_reads_every_family():
    """Otherwise Prometheus, which asks for OpenMetrics first, drops the scrape."""
    families = {family.name: family for family in text_string_to_metric_families(page(openmetrics=True))}
    samples = {name: family.samples for name, family in families.items()}
    exemplars = {sample.exemplar.labels["event_id"] for family in samples.values() for sample in family if sample.exemplar}
    assert EVENT_ID in exemplars
    assert all(sample.timestamp is None for family in samples.values() for sample in family)
    assert all(sample.exemplar is None for name, family in samples.items() for sample in family if families[name].type != "counter")
    assert sum(sample.value for sample in samples["awschange_exporter_records"]) == samples["awschange_exporter_records_read"][0].value
