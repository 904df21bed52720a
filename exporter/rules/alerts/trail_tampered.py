"""Somebody switched off or narrowed what records."""

from __future__ import annotations

from exporter.catalog import WATCH_SETS
from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.said import CALLS
from exporter.rules.watched import FOLDED, NEW_UNIT, WINDOW, call_names, calls, chosen, watched_before

_LOGGING = WATCH_SETS["logging"]
_CALLS = (
    *chosen(
        _LOGGING,
        "cloudtrail.amazonaws.com",
        "StopLogging DeleteTrail UpdateTrail PutEventSelectors DeleteEventDataStore StopEventDataStoreIngestion",
    ),
    *chosen(_LOGGING, "ec2.amazonaws.com", "DeleteFlowLogs"),
    # The trail of the organization leaves with it.
    *chosen(_LOGGING, "organizations.amazonaws.com", "LeaveOrganization"),
)
_CHANGES = calls("account_region_event_name:awschange_trail_tampering", _CALLS, by=("account_id", "region", "event_name"))

ALERT = Alert(
    name="AwsChangeTrailTampered",
    group="audit",
    severity="critical",
    records=_CHANGES.records,
    expr=f"{_CHANGES.highest('account_id', 'region', 'event_name')} > 0.5\n{watched_before()}",
    thresholds=(WINDOW, Threshold("calls", call_names(_CALLS), "Calls that count, as an anchored regular expression.")),
    needs=("logging",),
    summary="A trail, its selectors, an event data store or flow logs were switched off or changed.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $labels.event_name }} succeeded "
        '{{ $value | printf "%.0f" }} time(s) in ${window}. Somebody may be switching the lights off.'
    ),
    history=True,
    said=CALLS,
    runbook=Runbook(
        means="""
            A call succeeded that stops or narrows what records: `StopLogging` and `DeleteTrail` end a trail; `UpdateTrail` may point it elsewhere, take away
            other regions, global events or validation; `PutEventSelectors` may leave events out; `DeleteEventDataStore` and `StopEventDataStoreIngestion` end
            CloudTrail Lake; `DeleteFlowLogs` ends the record of traffic; `LeaveOrganization` leaves the organization's trail behind. Whoever wants to go unseen
            begins with these. It needs the watch set `logging`; calls that start or make a trail do not count.

            Open `history_url`: who it was, from where, and what the same principal did before and after. If nobody in your team knows of it, treat the
            credentials as stolen: revoke them, then switch logging on again (`aws cloudtrail start-logging`). Event history (LookupEvents) cannot be switched
            off; a source of type `cloudtrail` goes on seeing changes, sources of type `s3` and `eventbridge` fed by that trail fall silent.
            """,
        queries=(
            Query(
                "Whether any trail still records in the account, by region",
                'min by (region) (awschange_trails_logging{account_id="111122223333"})',
            ),
            Query(
                "Everything that the account did within six hours, by call",
                "sort_desc(sum by (event_source, event_name, outcome) (max by (region, event_source, event_name, outcome) (increase(\n"
                '  awschange_events_total{account_id="111122223333"}[6h]\n'
                "))) > 0)",
            ),
            Query(
                "Whether the same is tried in other accounts, refused or not",
                "sum by (account_id, region, event_name, outcome) (max by (account_id, region, event_name, outcome) (increase(\n"
                '  awschange_events_total{event_source="cloudtrail.amazonaws.com"}[6h]\n'
                "))) > 0",
            ),
        ),
        silence="While a trail is moved, one account:",
        silence_matchers="account_id=111122223333 --duration=1h --comment='trail moves to the log archive, OPS-1234'",
        caution="Never silence it for all accounts.",
        false_positives=(
            "A roll-out that changes trails or selectors (`UpdateTrail`, `PutEventSelectors`), also where it changes nothing.",
            "A VPC that automation takes down with its flow logs (`DeleteFlowLogs`): leave the call out of the threshold `calls`.",
            FOLDED,
            NEW_UNIT,
        ),
    ),
)
