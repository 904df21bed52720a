"""Rules changed and no event says who did it."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_FOUND = counted(
    "account_region:awschange_unexplained_rule_changes",
    "awschange_unexplained_rule_changes_total",
    each=("account_id", "region"),
    window="${window}",
)

ALERT = Alert(
    name="AwsChangeUnexplained",
    group="audit",
    severity="critical",
    records=_FOUND.records,
    expr=f"{_FOUND.highest('account_id', 'region')} > 0.5",
    thresholds=(Threshold("window", "1h", "How far back is counted, and how long the alert lasts after the last one.", duration=True),),
    summary="Security-group rules changed, and no event says who changed them.",
    description=(
        'Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $value | printf "%.0f" }} rule(s) differ from the reading before, '
        "and CloudTrail has no event for it. Somebody works in the dark, or the record is incomplete."
    ),
    history=True,
    runbook=Runbook(
        means="""
            Two readings of what stands differ, the events of that time were read whole and `posture.lag_budget` (2 hours) is over, and no event explains the
            difference. AWS records every change of a rule, so either the record was kept from us (a trail or a selector was changed, files were taken away), or
            the exporter misses events (a source for that account and region that leaves some out, an event that is later than any before).

            Open `history_url` with the event name `UnexplainedRuleChange`: which rules, between which two readings. It counted at least two hours after it was
            done. If an event comes within two days after all, the history names it there; the count stays. Ask Event history yourself:
            `aws-change-exporter history --from cloudtrail`. Look whether the rules are still there (`aws-change-exporter open`).
            """,
        queries=(
            Query(
                "Where, within a day",
                "max by (account_id, region) (increase(awschange_unexplained_rule_changes_total[1d])) > 0",
            ),
            Query(
                "Whether trails record there, and whether files were taken away",
                'min by (region) (awschange_trails_logging{account_id="111122223333"})\n'
                'or max by (region, state) (increase(awschange_exporter_trail_files_total{account_id="111122223333", state!="verified"}[1d]))',
            ),
            Query(
                "Whether events of the account come late",
                'max by (source, region) (increase(awschange_exporter_late_events_total{account_id="111122223333"}[1d]))',
            ),
        ),
        silence="Once each rule is accounted for, one account and region:",
        silence_matchers="account_id=111122223333 region=us-east-1 --duration=1h --comment='known: OPS-1234'",
        false_positives=(
            "An event that CloudTrail shows more than `posture.lag_budget` late: the history names it afterwards. If that happens more than once, raise the budget.",
            "Rules read from AWS Config, whose recording was off or daily in between.",
            "Groups of another account that are shared: their events are in the owner's record.",
        ),
    ),
)
