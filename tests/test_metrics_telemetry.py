"""How the exporter itself is doing."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.aws.operations import GET_OBJECT, LIST_OBJECTS, LOOKUP_EVENTS
from exporter.errors import SOURCE_REASONS
from exporter.metrics.table import SERIES_GAUGES, STORE_OPERATIONS, TELEMETRY
from exporter.metrics.telemetry import Telemetry
from exporter.store.base import Store, StoreStats

PREFIX = "awschange_exporter_"


@pytest.fixture
def telemetry():
    return Telemetry(version="1.2.3", python_version="3.11.0")


def samples(telemetry: Telemetry) -> dict[str, str]:
    """Return what the page shows, by name and labels without the common prefix."""
    lines = telemetry.text(openmetrics=False).decode().splitlines()
    return dict(line.removeprefix(PREFIX).rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_every_row_of_the_table_can_be_recorded(telemetry):
    """Otherwise the documentation promises a metric that never comes."""
    telemetry.register_source("files", "", "", 10.0)
    telemetry.register_job("poll files")
    telemetry.poll_finished("files", "", "", 0.5, 100.0, None)
    telemetry.event_stored("files", 3.0)
    telemetry.event_repeated("files", 3.0)
    telemetry.count_units(100.0)
    telemetry.shared(3, {"files": 1})
    telemetry.aws_request(GET_OBJECT, "111122223333", "us-east-1", 0.1, "SlowDown")
    telemetry.config_loaded(50.0)
    telemetry.web_info("https://changes.example.com/")
    telemetry.web_config_read(True)
    telemetry.http_request("/", 200)
    telemetry.exceptions({"bastion": 1.0})
    telemetry.expectation(1.0)
    telemetry.store_stats(StoreStats(10, 1, datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC), 1))
    telemetry.page_refreshed(0.01)
    shown = re.findall(r"^# TYPE (\w+) (\w+)$", telemetry.text(openmetrics=False).decode(), re.MULTILINE)
    assert shown == [(row.name, row.type) for row in TELEMETRY]


def test_the_rows_keep_the_naming_rules():
    """Otherwise a name has to change once people have it in their alerts."""
    for row in (*TELEMETRY, *SERIES_GAUGES):
        assert row.name.startswith(PREFIX)
        assert (row.type == "counter") == row.name.endswith("_total"), row.name
        assert bool(row.buckets) == (row.type == "histogram"), row.name
        assert row.help.endswith(".")
        assert not set(row.labels) & {"type", "service", "name", "env", "owner", "cluster", "instance"}


def test_operations_are_methods_of_the_store():
    """Otherwise the label names something that a reader of the code cannot find."""
    assert all(callable(getattr(Store, operation)) for operation in STORE_OPERATIONS)


def test_failure_counters_stand_at_zero_before_the_first_failure(telemetry):
    """Otherwise increase() misses the first failure of each kind."""
    telemetry.register_source("files", "", "")
    shown = samples(telemetry)
    assert shown['polls_total{source="files",account_id="",region=""}'] == "0"
    for reason in SOURCE_REASONS:
        assert shown[f'poll_failures_total{{source="files",reason="{reason}"}}'] == "0"
    for operation in STORE_OPERATIONS:
        assert shown[f'store_errors_total{{operation="{operation}"}}'] == "0"


def test_a_poll_that_failed_keeps_the_time_of_the_last_success(telemetry):
    """Otherwise the alert on stale sources is put off by polls that bring nothing."""
    unit = 'source="s3",account_id="111122223333",region="us-east-1"'
    telemetry.poll_finished("s3", "111122223333", "us-east-1", 1.5, 1700000000.0, None)
    telemetry.poll_finished("s3", "111122223333", "us-east-1", 0.25, 1700000060.5, "throttled")
    shown = samples(telemetry)
    assert shown[f"poll_success{{{unit}}}"] == "0"
    assert shown[f"poll_duration_seconds{{{unit}}}"] == "0.25"
    assert shown[f"last_poll_timestamp_seconds{{{unit}}}"] == "1700000060.5"
    assert shown[f"last_success_timestamp_seconds{{{unit}}}"] == "1700000000"
    assert shown[f"polls_total{{{unit}}}"] == "2"
    assert shown['poll_failures_total{source="s3",reason="throttled"}'] == "1"


def test_a_source_that_never_succeeded_is_as_old_as_can_be(telemetry):
    """Otherwise its age does not exist, and the alert on stale sources stays quiet."""
    telemetry.poll_finished("files", "", "", 1.0, 1700000000.0, "not_found")
    assert samples(telemetry)['last_success_timestamp_seconds{source="files",account_id="",region=""}'] == "0"


def test_a_reason_outside_the_closed_set_counts_as_internal(telemetry):
    """Otherwise an error's text becomes a label value."""
    telemetry.poll_finished("files", "", "", 1.0, 1.0, "no such thing")
    assert samples(telemetry)['poll_failures_total{source="files",reason="internal"}'] == "1"


def test_a_forgotten_source_leaves_the_page(telemetry):
    """Otherwise a source taken out of the configuration alerts for ever."""
    for source in ("old", "kept"):
        telemetry.register_source(source, "", "")
        telemetry.poll_finished(source, "", "", 1.0, 1.0, None)
        telemetry.event_stored(source, 1.0)
        telemetry.event_repeated(source, 1.0)
        telemetry.count_units(1.0)
    telemetry.forget_source("old", "", "")
    text = telemetry.text(openmetrics=False)
    assert b'"old"' not in text
    assert b'poll_success{source="kept"' in text
    telemetry.forget_source("never there", "", "")


def test_lag_is_never_less_than_nothing(telemetry):
    """Otherwise two clocks that disagree make a sum that falls."""
    telemetry.event_stored("files", -5.0)
    telemetry.event_stored("files", 400.0)
    shown = samples(telemetry)
    assert shown['event_lag_seconds_bucket{source="files",le="1.0"}'] == "1"
    assert shown['event_lag_seconds_bucket{source="files",le="300.0"}'] == "1"
    assert shown['event_lag_seconds_bucket{source="files",le="600.0"}'] == "2"
    assert shown['event_lag_seconds_bucket{source="files",le="+Inf"}'] == "2"
    assert shown['event_lag_seconds_sum{source="files"}'] == "400"


def test_an_empty_store_has_no_oldest_event(telemetry):
    """Otherwise an empty history begins in 1970."""
    telemetry.store_stats(StoreStats(4096, 0, None, None, 1))
    assert "store_oldest_event_timestamp_seconds" not in samples(telemetry)
    telemetry.store_stats(StoreStats(4096, 1, datetime(2019, 8, 5, tzinfo=UTC), datetime(2019, 8, 5, tzinfo=UTC), 1))
    assert samples(telemetry)["store_oldest_event_timestamp_seconds"] == "1564963200"
    telemetry.store_stats(StoreStats(4096, 0, None, None, 1))
    assert "store_oldest_event_timestamp_seconds" not in samples(telemetry)


def test_a_failed_reload_is_told_and_a_good_one_takes_it_back(telemetry):
    """Otherwise nobody learns that the old configuration is still in force."""
    telemetry.config_loaded(1700000000.0)
    telemetry.config_failed()
    shown = samples(telemetry)
    assert (shown["config_last_reload_successful"], shown["config_reloads_total"], shown["config_reload_failures_total"]) == ("0", "2", "1")
    assert shown["config_last_reload_success_timestamp_seconds"] == "1700000000"
    telemetry.config_loaded(1700000100.0)
    assert samples(telemetry)["config_last_reload_successful"] == "1"


def test_the_external_url_is_told_once(telemetry):
    """Otherwise a link in an alert may lead to the address of before the reload."""
    telemetry.web_info("https://old.example.com/")
    telemetry.web_info("https://new.example.com/")
    assert [name for name in samples(telemetry) if name.startswith("web_info")] == ['web_info{external_url="https://new.example.com/"}']


def test_only_the_exceptions_in_force_are_shown(telemetry):
    """Otherwise an exception that was taken out of the configuration still warns that it ends."""
    assert not any(name.startswith("exception_expiry") for name in samples(telemetry))
    telemetry.exceptions({"bastion": 1_800_000_000.0, "vpn": 1_900_000_000.0})
    version = telemetry.version
    telemetry.exceptions({"vpn": 1_950_000_000.0})
    assert telemetry.version > version
    assert {name: value for name, value in samples(telemetry).items() if name.startswith("exception_expiry")} == {
        'exception_expiry_timestamp_seconds{exception="vpn"}': "1950000000"
    }
    telemetry.exceptions({})
    assert b"exception_expiry" not in telemetry.text(openmetrics=False)


def test_runs_are_counted_by_job(telemetry):
    """Otherwise a scheduler that falls behind, or a job that always raises, is seen only in the log."""
    telemetry.register_job("poll files")
    assert samples(telemetry)['scheduler_failed_runs_total{job="poll files"}'] == "0"
    telemetry.run_missed("poll files")
    telemetry.run_failed("poll files")
    shown = samples(telemetry)
    assert shown['scheduler_missed_runs_total{job="poll files"}'] == shown['scheduler_failed_runs_total{job="poll files"}'] == "1"


@pytest.mark.parametrize("openmetrics", [False, True])
def test_nothing_has_a_creation_time(telemetry, openmetrics):
    """Otherwise prometheus_client's _created series double the page."""
    telemetry.register_source("files", "", "")
    telemetry.event_stored("files", 1.0)
    telemetry.page_refreshed(1.0)
    assert b"_created" not in telemetry.text(openmetrics) + telemetry.process_text(openmetrics)


def test_openmetrics_is_understood(telemetry):
    """Otherwise Prometheus drops the whole page for one of our own metrics."""
    telemetry.register_source("files", "", "")
    telemetry.poll_finished("files", "", "", 0.5, 100.0, None)
    telemetry.event_stored("files", 3.0)
    telemetry.page_refreshed(0.01)
    text = (telemetry.text(openmetrics=True) + telemetry.process_text(openmetrics=True)).decode() + "# EOF\n"
    families = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert families["awschange_exporter_polls"] == "counter"
    assert families["awschange_exporter_event_lag_seconds"] == "histogram"
    assert {"process_cpu_seconds", "python_info"} <= set(families)


def test_the_version_grows_with_what_a_scrape_would_see_and_only_then(telemetry):
    """Otherwise the page is stale, or each refresh is the reason for the next."""
    before = telemetry.version
    telemetry.page_refreshed(0.1)
    assert telemetry.version == before
    telemetry.store_error("series")
    assert telemetry.version > before
    stats = StoreStats(10, 1, None, None, 1)
    telemetry.store_stats(stats)
    before = telemetry.version
    telemetry.store_stats(stats)
    assert telemetry.version == before


def test_what_a_refresh_took_is_shown_by_the_next(telemetry):
    """Otherwise the line of a family is kept although it changed."""
    telemetry.page_refreshed(0.5)
    assert samples(telemetry)["refresh_duration_seconds_sum"] == "0.5"
    telemetry.page_refreshed(0.25)
    assert samples(telemetry)["refresh_duration_seconds_sum"] == "0.75"


A, B = ("s3", "111122223333", "us-east-1"), ("s3", "444455556666", "us-east-1")


def test_a_unit_that_is_forgotten_leaves_the_others_of_its_source(telemetry):
    """Otherwise an account that leaves the organization takes the failures and lags of all others off the page."""
    for unit in (A, B):
        telemetry.register_source(*unit, 60.0)
        telemetry.poll_finished(*unit, 1.0, 1.0, "throttled")
    telemetry.event_stored("s3", 1.0)
    telemetry.forget_source(*A)
    telemetry.count_units(1.0)
    text = telemetry.text(openmetrics=False).decode()
    assert A[1] not in text
    shown = samples(telemetry)
    assert shown['poll_failures_total{source="s3",reason="throttled"}'] == "2"
    assert shown['event_lag_seconds_count{source="s3"}'] == "1"
    assert shown['units{source="s3"}'] == "1"


def test_a_unit_is_healthy_while_its_last_good_poll_is_young(telemetry):
    """One failing account among two hundred must be seen as one number, and so must one that hangs."""
    for unit in (A, B):
        telemetry.register_source(*unit, 60.0)
    telemetry.register_source("files", "", "", 0.2)

    def units(now: float) -> list[str]:
        telemetry.count_units(now)
        shown = samples(telemetry)
        return [shown[f'{name}{{source="{source}"}}'] for source in ("s3", "files") for name in ("units", "units_healthy")]

    assert units(1000.0) == ["2", "0", "1", "0"]
    telemetry.poll_finished(*A, 1.0, 1000.0, None)
    telemetry.poll_finished(*B, 1.0, 1000.0, None)
    telemetry.poll_finished("files", "", "", 0.1, 1000.0, None)
    assert units(1010.0) == ["2", "2", "1", "1"]
    assert units(1011.0) == ["2", "2", "1", "0"], "ten seconds at least, however short the interval"
    telemetry.poll_finished(*B, 1.0, 1060.0, "access_denied")
    assert units(1120.0) == ["2", "1", "1", "0"]
    assert units(1121.0) == ["2", "0", "1", "0"]


def test_counting_units_anew_is_no_reason_for_a_new_page(telemetry):
    """Otherwise every poll of every unit makes the next scrape spell the page again."""
    telemetry.register_source(*A, 60.0)
    telemetry.count_units(1.0)
    version = telemetry.version
    telemetry.count_units(2.0)
    assert telemetry.version == version


def test_a_unit_that_cannot_be_told_looks_like_one_whose_polls_fail(telemetry):
    """Otherwise an account whose role is missing is simply not there, and nobody misses it."""
    telemetry.register_source(*A, 600.0)
    telemetry.unit_failed(*A, 2000.0, "access_denied", 1500.0)
    shown = samples(telemetry)
    unit = 'source="s3",account_id="111122223333",region="us-east-1"'
    assert shown[f"poll_success{{{unit}}}"] == "0"
    assert shown[f"last_success_timestamp_seconds{{{unit}}}"] == "1500"
    assert shown[f"poll_interval_seconds{{{unit}}}"] == "600"
    assert shown['poll_failures_total{source="s3",reason="access_denied"}'] == "1"
    telemetry.unit_failed(*A, 2600.0, "access_denied", 0.0)
    assert samples(telemetry)[f"last_success_timestamp_seconds{{{unit}}}"] == "1500"


def test_a_job_that_is_forgotten_leaves_the_page(telemetry):
    """Otherwise the jobs of units long gone stay for ever."""
    telemetry.register_job("poll s3 a")
    telemetry.run_missed("poll s3 b")
    telemetry.forget_job("poll s3 a")
    telemetry.forget_job("never there")
    assert b"poll s3 a" not in telemetry.text(openmetrics=False)
    assert b"poll s3 b" in telemetry.text(openmetrics=False)


UNIT = 'account_id="111122223333",region="us-east-1"'


def test_requests_are_counted_by_what_came_of_them(telemetry):
    """Otherwise a throttle or a refusal shows only as a poll that takes longer."""
    for code in (None, None, "ThrottlingException", "timeout"):
        telemetry.aws_request(LOOKUP_EVENTS, "111122223333", "us-east-1", 0.2, code)
    call = f'aws_service="cloudtrail",operation="LookupEvents",{UNIT}'
    shown = samples(telemetry)
    assert shown[f"aws_requests_total{{{call}}}"] == "4"
    assert shown[f"aws_throttles_total{{{call}}}"] == "1"
    assert shown[f'aws_request_errors_total{{{call},error_code="ThrottlingException"}}'] == "1"
    assert shown[f'aws_request_errors_total{{{call},error_code="timeout"}}'] == "1"
    assert shown['aws_request_duration_seconds_count{aws_service="cloudtrail",operation="LookupEvents"}'] == "4"


def test_throttles_stand_at_zero_from_the_first_request(telemetry):
    """Otherwise increase() misses the first throttle."""
    telemetry.aws_request(LOOKUP_EVENTS, "111122223333", "us-east-1", 0.2, None)
    assert samples(telemetry)[f'aws_throttles_total{{aws_service="cloudtrail",operation="LookupEvents",{UNIT}}}'] == "0"


def test_a_code_that_is_not_known_is_other(telemetry):
    """Otherwise whoever answers writes our labels."""
    telemetry.aws_request(GET_OBJECT, "111122223333", "us-east-1", 0.2, "Whatever\nIt says")
    assert samples(telemetry)[f'aws_request_errors_total{{aws_service="s3",operation="GetObject",{UNIT},error_code="other"}}'] == "1"


def test_accounts_past_the_limit_are_counted_together(telemetry):
    """Otherwise an organization of thousands of accounts makes more series of our own than of changes."""
    for number in range(4_100):
        telemetry.aws_request(LOOKUP_EVENTS, f"{number:012d}", "us-east-1", 0.2, "AccessDeniedException")
    shown = samples(telemetry)
    call = 'aws_service="cloudtrail",operation="LookupEvents",account_id="__other__",region="__other__"'
    assert shown[f"aws_requests_total{{{call}}}"] == "100"
    assert shown[f'aws_request_errors_total{{{call},error_code="AccessDeniedException"}}'] == "2100"
    assert sum(name.startswith(("aws_requests_total", "aws_request_errors_total")) for name in shown) <= 6_002


def test_costs_are_added_up_and_told_for_a_day():
    """Otherwise a backlog of millions of objects is first seen on the bill."""
    now = [0.0]
    telemetry = Telemetry(now=lambda: now[0])
    for _ in range(1000):
        telemetry.aws_request(GET_OBJECT, "111122223333", "us-east-1", 0.01, None)
        telemetry.aws_request(LIST_OBJECTS, "111122223333", "us-east-1", 0.01, None)
        telemetry.aws_request(LIST_OBJECTS, "111122223333", "us-east-1", 0.01, "timeout")
    payer = '{account_id="111122223333",aws_service="s3"}'
    shown = samples(telemetry)
    assert float(shown[f"aws_estimated_cost_dollars_total{payer}"]) == pytest.approx(0.0054)
    assert float(shown[f"aws_estimated_cost_dollars_per_day{payer}"]) == pytest.approx(0.0054 * 24)
    now[0] = 3600.0
    shown = samples(telemetry)
    assert float(shown[f"aws_estimated_cost_dollars_total{payer}"]) == pytest.approx(0.0054)
    assert float(shown[f"aws_estimated_cost_dollars_per_day{payer}"]) == 0
