"""More changes in an hour than this hour of the week ever brings."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.classes import LABELS, WINDOW, changes_by_class
from exporter.rules.counting import counted
from exporter.rules.record import Record

_LABELS = ", ".join(LABELS)
_COUNTED = changes_by_class(
    "account_region_class:awschange_changes",
    "What the tools of a class made (people: console and command line; scripts: SDKs and what cannot be told; automation: the rest) "
    "is one number, as it is in awschange_expected_changes.",
)
_OBSERVED = Record("account_region_class:awschange_changes:observed1h", _COUNTED.highest(*LABELS))
_SUCCEEDED = counted(
    "account_region:awschange_changes_succeeded",
    'awschange_events_total{outcome="success"}',
    each=("account_id", "region", "event_source", "event_name"),
    by=("account_id", "region"),
    window=WINDOW,
)
_USUAL = Record(
    "account_region_class:awschange_expected_changes_upper:known",
    f"""
    max by ({_LABELS}) (awschange_expected_changes_upper)
    or max by ({_LABELS}) (last_over_time(awschange_expected_changes_upper[${{memory}}]))
    or {_OBSERVED.name} * 0 + ${{unknown}}
    """,
    "An exporter that has just started does not know yet what is usual: what it said before holds for a while. Where nobody ever "
    "said anything, a fixed number stands in, so that no account goes unwatched.",
)

ALERT = Alert(
    name="AwsChangeRateAnomalous",
    group="rate",
    severity="critical",
    records=(*_COUNTED.records, *_SUCCEEDED.records, _OBSERVED, _USUAL),
    expr=(
        f"{_OBSERVED.name} > clamp_min({_USUAL.name}, ${{floor}})\n"
        f"unless on (account_id, region) {_SUCCEEDED.highest('account_id', 'region')} <= ${{floor}}"
    ),
    why=(
        "The exporter works out, from its own history of 90 days, what an hour like this one brings at most. The floor keeps a handful "
        "of changes in an account that never has any from paging. Calls "
        "that are refused change nothing: where no more than the floor succeeded, they alone page nobody, but they cannot hide others either."
    ),
    thresholds=(
        Threshold("floor", 10, "Changes of one hour that never page, however unusual they are."),
        Threshold("unknown", 30, "Changes of one hour that are too many where the exporter does not tell what is usual."),
        Threshold("memory", "2h", "How long what was usual is remembered while the exporter does not tell.", duration=True),
    ),
    summary="Many more changes than usual at this hour.",
    description=(
        'Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $value | printf "%.0f" }} calls by '
        "{{ $labels.channel_class }} in 1 hour"
        '{{ with printf "max(awschange_expected_changes{account_id=%q,region=%q,channel_class=%q})" $labels.account_id $labels.region '
        '$labels.channel_class | query }}; at this hour {{ . | first | value | printf "%.1f" }} are usual'
        '{{ with printf "max(awschange_expected_changes_upper{account_id=%q,region=%q,channel_class=%q})" $labels.account_id '
        '$labels.region $labels.channel_class | query }} and {{ . | first | value | printf "%.0f" }} the most{{ end }}{{ end }}.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            Within one hour more calls that change security groups were made, successful or not, by one class of tools in one account and
            region than any usual hour like this one brings, and more than ${floor} calls succeeded there. The classes are in the label `channel_class`:
            `people` (console, command line), `scripts` (SDKs, and what cannot be told) and `automation` (Terraform, CloudFormation,
            Kubernetes and the like). Each is compared with its own past, so that a roll-out by Terraform does not hide a hand.

            What is usual comes from the exporter's own history: the hour of the week, shrunk towards the account and all accounts where
            there is little to go by. Where it is not known, more than ${unknown} calls page.

            Open `history_url`: who made them, with which calls, to which groups? Ask that person or the owners of that pipeline. If nobody
            knows of it, take it for an attack: disable the principal first, then look at what was opened.
            """,
        queries=(
            Query(
                "What is observed and what is usual, by class",
                'max by (channel_class) (account_region_class:awschange_changes:observed1h{account_id="111122223333", region="us-east-1"})\n'
                "- max by (channel_class) "
                '(awschange_expected_changes_upper{account_id="111122223333", region="us-east-1"})',
            ),
            Query(
                "Which calls, and with what outcome",
                "max by (event_name, outcome) (\n"
                '  increase(awschange_events_total{account_id="111122223333", region="us-east-1"}[1h])\n) > 0',
            ),
            Query(
                "Which principals",
                "sort_desc(sum by (principal) (max by (security_group_id, event_name, principal) (increase(\n"
                '  awschange_security_group_changes_total{account_id="111122223333", region="us-east-1"}[1h]\n))) > 0)',
            ),
        ),
        silence="For the length of the work, with the class, so that the others still page:",
        silence_matchers="account_id=111122223333 region=us-east-1 channel_class=automation --duration=2h --comment='migration'",
        false_positives=(
            "A roll-out or a migration that is larger than any of the last 90 days.",
            "The first week of a new pipeline, or of an account that the exporter has no past of.",
            "Changes that arrive late in one go after a source could not be read: compare event times in the history.",
            "A second exporter with higher counts joins: see [AwsChangeIngressOpened](AwsChangeIngressOpened.md).",
        ),
    ),
)
