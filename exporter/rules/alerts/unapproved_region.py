"""A change in a region where nobody should be at work."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_CHANGES = counted(
    "account_region:awschange_unapproved_region_changes",
    'awschange_events_total{region!~"${regions}", outcome="success"}',
    each=("account_id", "region", "event_source", "event_name"),
    by=("account_id", "region"),
    window="${window}",
)

ALERT = Alert(
    name="AwsChangeUnapprovedRegion",
    group="actors",
    severity="warning",
    records=_CHANGES.records,
    expr=f"{_CHANGES.highest('account_id', 'region')} > 0.5",
    why="By default every region is approved, so it never fires: set the threshold `regions` to those that are in use.",
    thresholds=(
        Threshold("regions", ".+", "Regions that are in use, as `us-east-1|eu-.*`. All by default, so that it never fires."),
        Threshold(
            "window", "15m", "How far back changes are counted together, and how long the alert lasts after the last one.", duration=True
        ),
    ),
    summary="A change in a region that is not in use.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}, which is not among those in use: "
        '{{ $value | printf "%.0f" }} successful change(s) in ${window}.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            A successful change was made within ${window} in a region that the threshold `regions` does not name; by default that names every
            region, and the alert never fires. A region that nobody uses is where nobody looks: miners and intruders like it.

            Open `history_url`: who, and what? Look for instances, users and roles that came with it. If the region is in use now, add it to
            `regions`; if it never shall be, deny it by a service control policy (`aws:RequestedRegion`).
            """,
        queries=(
            Query(
                "In which regions changes are made at all",
                "sum by (account_id, region) (max by (account_id, region, event_source, event_name) (increase(\n"
                '  awschange_events_total{outcome="success"}[1d]\n'
                "))) > 0",
            ),
            Query(
                "Which groups there, and by whom",
                "max by (security_group_id, event_name, principal) (\n"
                '  increase(awschange_security_group_changes_total{account_id="111122223333", region="us-east-1"}[1h])\n'
                ") > 0",
            ),
            Query(
                "Whether something was opened to the internet there",
                "max by (port_class) (\n"
                '  increase(awschange_ingress_opened_total{account_id="111122223333", region="us-east-1"}[1h])\n'
                ") > 0",
            ),
        ),
        silence="One region, until the configuration names it:",
        silence_matchers="region=us-east-1 --duration=1d --comment='region opens this week'",
        false_positives=(
            "Global services, whose calls CloudTrail records in us-east-1: name that region.",
            'Past the series budget of events, changes are in `region="__other__"`: raise `metrics.budgets`, or name `__other__`.',
        ),
    ),
)
