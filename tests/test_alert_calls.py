"""The alerts on calls by name: their names come from the catalog, and mean no other call."""

from __future__ import annotations

import re

import pytest

from exporter.catalog import WATCH_SETS, EventSpec
from exporter.rules import ALERTS, Alert, AlertSettings
from exporter.rules.render import filled
from exporter.rules.watched import call_names, chosen

# Rows of the watch set `logging` that switch nothing off, or nothing that records, each with the reason.
NOT_TAMPERING = {
    "CreateTrail": "makes a trail",
    "StartLogging": "switches on",
    "PutInsightSelectors": "insights are drawn from events that are recorded in any case",
    "DeleteConfigRule": "judges what is recorded",
    "DeleteRemediationConfiguration": "judges what is recorded",
    "DeleteOrganizationConfigRule": "judges what is recorded",
    "DeleteConfigurationAggregator": "shows what is recorded elsewhere",
    "DeleteConformancePack": "judges what is recorded",
    "DeleteOrganizationConformancePack": "judges what is recorded",
    "DeleteRetentionConfiguration": "goes back to the longest retention",
}
MEANT = {
    "AwsChangeTrailTampered": {
        "cloudtrail.amazonaws.com": "DeleteEventDataStore DeleteTrail PutEventSelectors StopEventDataStoreIngestion StopLogging UpdateTrail",
        "ec2.amazonaws.com": "DeleteFlowLogs",
        "organizations.amazonaws.com": "LeaveOrganization",
    },
    "AwsChangeRecorderTampered": {
        "config.amazonaws.com": "DeleteConfigurationRecorder DeleteDeliveryChannel PutConfigurationRecorder PutDeliveryChannel "
        "StopConfigurationRecorder",
    },
    "AwsChangePrefixListChanged": {
        "ec2.amazonaws.com": "DeleteManagedPrefixList ModifyManagedPrefixList RestoreManagedPrefixListVersion",
    },
}
EVERY_ROW = tuple(spec for specs in WATCH_SETS.values() for spec in specs)


def alert(name: str) -> Alert:
    (found,) = [each for each in ALERTS if each.name == name]
    return found


def matched(name: str) -> set[tuple[str, str]]:
    """Return the calls of the whole catalog that the selector of an alert matches."""
    expr = filled(alert(name).records[0].expr, AlertSettings().values(alert(name)))
    source, call = (re.search(rf'{label}=~"([^"]+)"', expr) for label in ("event_source", "event_name"))
    assert source
    assert call
    return {
        (spec.event_source, spec.event_name)
        for spec in EVERY_ROW
        if re.fullmatch(source[1], spec.event_source) and re.fullmatch(call[1], spec.event_name)
    }


@pytest.mark.parametrize("name", sorted(MEANT))
def test_an_alert_matches_the_calls_that_are_meant_and_no_other_of_the_catalog(name: str) -> None:
    """Names and services are two matchers, so a call of one service could be matched by the name of another."""
    assert matched(name) == {(source, call) for source, calls in MEANT[name].items() for call in calls.split()}


def test_the_alert_on_the_boundary_matches_its_watch_set_without_what_another_tells() -> None:
    """One call is one alert: flow logs that are deleted are tampering."""
    rows = {(spec.event_source, spec.event_name) for spec in WATCH_SETS["network_boundary"]}
    assert matched("AwsChangeNetworkBoundaryChanged") == rows - {("ec2.amazonaws.com", "DeleteFlowLogs")}


def test_every_call_of_cloudtrail_and_config_that_is_watched_as_logging_is_told_or_explained() -> None:
    """A new row of the catalog that switches recording off, and that no alert tells of, would be watched in vain."""
    told = {name for alert_name in ("AwsChangeTrailTampered", "AwsChangeRecorderTampered") for _, name in matched(alert_name)}
    services = ("cloudtrail.amazonaws.com", "config.amazonaws.com")
    watched = {spec.event_name for spec in WATCH_SETS["logging"] if spec.event_source in services}
    assert watched - told == set(NOT_TAMPERING)


def test_a_name_that_the_catalog_does_not_have_is_an_error() -> None:
    """A call that is renamed in the catalog would drop out of its alert in silence."""
    with pytest.raises(ValueError, match=r"the catalog has no StopTrail of cloudtrail\.amazonaws\.com"):
        chosen(WATCH_SETS["logging"], "cloudtrail.amazonaws.com", "StopLogging StopTrail")


@pytest.mark.parametrize("logged", ["CreateFunction", "CreateFunction20150331", "UpdateFunctionConfiguration20150331v2"])
def test_the_version_in_a_name_as_lambda_logs_it_is_no_hiding_place(logged: str) -> None:
    """Lambda logs names with a version, which no row of the catalog has."""
    names = call_names(WATCH_SETS["attachments"])
    assert re.fullmatch(names, logged)
    assert not re.fullmatch(names, f"{logged}s")


def test_names_of_other_services_are_taken_as_they_stand() -> None:
    """`RunInstances20` is no call, and a pattern too wide matches what somebody makes up."""
    assert call_names([EventSpec("ec2.amazonaws.com", "RunInstances", "attachments")]) == "RunInstances"
