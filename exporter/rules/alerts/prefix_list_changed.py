"""A managed prefix list was changed, and with it what rules that name it let in."""

from __future__ import annotations

from exporter.catalog import WATCH_SETS
from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.said import CALLS
from exporter.rules.watched import FOLDED, NEW_UNIT, WINDOW, call_names, calls, chosen, watched_before

_CALLS = chosen(
    WATCH_SETS["prefix_lists"],
    "ec2.amazonaws.com",
    "ModifyManagedPrefixList RestoreManagedPrefixListVersion DeleteManagedPrefixList",
)
_CHANGES = calls("account_region_event_name:awschange_prefix_list_changes", _CALLS, by=("account_id", "region", "event_name"))

ALERT = Alert(
    name="AwsChangePrefixListChanged",
    group="exposure",
    severity="warning",
    records=_CHANGES.records,
    expr=f"{_CHANGES.highest('account_id', 'region', 'event_name')} > 0.5\n{watched_before()}",
    thresholds=(WINDOW, Threshold("calls", call_names(_CALLS), "Calls that count, as an anchored regular expression.")),
    summary="A managed prefix list was changed.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $labels.event_name }} succeeded "
        '{{ $value | printf "%.0f" }} time(s) in ${window}. Every rule that names the list lets in something else now.'
    ),
    history=True,
    said=CALLS,
    runbook=Runbook(
        means="""
            The entries of a managed prefix list were changed, an old version of it was restored, or it was deleted. A prefix list stands in rules of any number
            of security groups, also of other accounts that it is shared with, and none of them shows a change: the entry of the list is the rule.

            Open `history_url` for the list, the entries and who it was. Where the exporter has read list and rules, it tells which groups the entries opened,
            and [AwsChangeIngressOpened](AwsChangeIngressOpened.md) pages; in accounts that the list is shared with, only a reading shows it
            ([AwsChangeOpenIngress](AwsChangeOpenIngress.md)).
            """,
        queries=(
            Query(
                "Which calls, with what outcome, within a day",
                "max by (event_name, outcome) (increase(\n"
                '  awschange_events_total{account_id="111122223333", region="us-east-1", event_name=~".*ManagedPrefixList.*"}[1d]\n'
                ")) > 0",
            ),
            Query(
                "Whether anything was opened within an hour",
                'max by (account_id, region, port_class) (increase(awschange_ingress_opened_total{account_id="111122223333"}[1h])) > 0',
            ),
            Query(
                "What stands open now, by group",
                'max by (region, security_group_id, port_class, exposure) (awschange_open_ingress_rules{account_id="111122223333"})',
            ),
        ),
        silence="While lists are rolled out, one account:",
        silence_matchers="account_id=111122223333 --duration=2h --comment='office ranges are renewed'",
        false_positives=(
            "Lists that automation keeps up to date, such as the addresses of offices or nodes.",
            "Tags or the name of a list changed, and no entry: it is the same call.",
            FOLDED,
            NEW_UNIT,
        ),
    ),
)
