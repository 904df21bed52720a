"""A trail does not record while another one does."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import REPLICA_BEHIND, standing, such

_TRAIL = standing('awschange_trail_logging{trail!~"${ignored}"}', each=("account_id", "region", "trail"), least=True)
_NONE = standing("awschange_trails_logging", each=("account_id", "region"), least=True)

ALERT = Alert(
    name="AwsChangeTrailOff",
    group="audit",
    severity="warning",
    expr=f"{such(_TRAIL, '== 0')}\nunless on (account_id, region) {such(_NONE, '== 0')}",
    hold="${hold}",
    why="Where no trail records, that is the alert.",
    thresholds=(
        Threshold("ignored", "", "Trails that need not record every write of EC2, as an anchored regular expression."),
        Threshold("hold", "15m", "How long it must not record.", duration=True),
    ),
    summary="A trail is off, or leaves out changes of EC2.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: trail {{ $labels.trail }} is off, or does not record every write of "
        "EC2's management events. Another trail does."
    ),
    history=True,
    runbook=Runbook(
        means="""
            The trail in `trail` is seen in this account and region and does not record every write of EC2's management events: logging is off, or event selectors
            leave writes out. Another trail records, so evidence is kept; but what this one feeds (a bucket, a log group, EventBridge, a source of this exporter)
            has holes. A trail of all regions is told in each region.
            """,
        queries=(
            Query(
                "Which trails of the account record where (1) and where not (0)",
                'min by (trail, region) (awschange_trail_logging{account_id="111122223333"})',
            ),
            Query(
                "Whether it delivered lately: hours since, by trail",
                '(time() - max by (trail, region) (awschange_trail_last_delivery_timestamp_seconds{account_id="111122223333"})) / 3600',
            ),
            Query(
                "Whether somebody changed trails within a day (needs the watch set `logging`)",
                "max by (account_id, region, event_name, outcome) (increase(\n"
                '  awschange_events_total{event_source="cloudtrail.amazonaws.com"}[1d]\n'
                ")) > 0",
            ),
        ),
        silence="One trail that is going away; one that is meant to be so belongs into the threshold `ignored`:",
        silence_matchers="account_id=111122223333 trail=old-audit --duration=30d --comment='deleted with OPS-1234'",
        false_positives=(
            "A trail only for data events or insights, or one of reads: name it in the threshold `ignored`.",
            "A trail that somebody stopped long ago and never deleted.",
            REPLICA_BEHIND,
        ),
    ),
)
