"""Many rules or groups removed at once: connections break, or someone clears away what protects."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted
from exporter.rules.said import changes

_REMOVALS = counted(
    "account_region:awschange_security_group_removals",
    'awschange_events_total{event_source="ec2.amazonaws.com", event_name=~"${calls}", outcome="success"}',
    each=("account_id", "region", "event_name"),
    by=("account_id", "region"),
    window="${window}",
)
# Not the record of AwsChangeBurst, whose calls a site may change: two rules of one name would overwrite each other.
_CHANGES = counted(
    "account_region:awschange_security_group_calls",
    'awschange_events_total{event_source="ec2.amazonaws.com", event_name=~".*SecurityGroup.*", outcome="success"}',
    each=("account_id", "region", "event_name"),
    by=("account_id", "region"),
    window="${window}",
)

ALERT = Alert(
    name="AwsChangeMassRemoval",
    group="rate",
    severity="critical",
    records=(*_REMOVALS.records, *_CHANGES.records),
    expr=(
        f"{_REMOVALS.highest('account_id', 'region')} > ${{limit}}\n"
        f"and {_REMOVALS.highest('account_id', 'region')} > ${{share}} * {_CHANGES.highest('account_id', 'region')}"
    ),
    why=(
        "Lower than the limit of AwsChangeBurst: what is removed breaks connections at once. A deploy removes too, but puts other rules in "
        "their place; where nearly nothing is made, something is cleared away."
    ),
    thresholds=(
        Threshold("limit", 14, "Successful removals in one account and region within the window."),
        Threshold("share", 0.8, "The part of all changes of the window, from 0 to 1, that removals are more than."),
        Threshold("window", "10m", "How far back removals are counted together.", duration=True),
        Threshold("calls", "(Revoke|Delete)SecurityGroup.*", "EC2 calls that remove, as an anchored regular expression."),
    ),
    summary="Many security groups or rules were removed.",
    description=(
        'Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $value | printf "%.0f" }} successful calls removed '
        "security groups or their rules in ${window}."
    ),
    history=True,
    said=changes('event_name=~"${calls}"'),
    runbook=Runbook(
        means="""
            More than ${limit} successful calls removed security groups or rules of them (`RevokeSecurityGroupIngress`,
            `RevokeSecurityGroupEgress`, `DeleteSecurityGroup`) in one account and region within ${window}, and hardly any made some. One call may remove many rules,
            and what they let through is cut off at once: a clean-up, an environment that is taken down, or sabotage.

            Open `history_url`: the entries name each rule that was removed, so that it can be put back. Ask whether something is down. If
            nobody knows of it, stop the principal before anything is put back.
            """,
        queries=(
            Query(
                "Which calls",
                "max by (event_name) (increase(\n"
                '  awschange_events_total{account_id="111122223333", region="us-east-1", event_name=~"${calls}", outcome="success"}[${window}]\n'
                ")) > 0",
            ),
            Query(
                "Which groups, and by whom",
                "max by (security_group_id, event_name, principal) (increase(\n"
                '  awschange_security_group_changes_total{account_id="111122223333", region="us-east-1", event_name=~"${calls}"}[1h]\n'
                ")) > 0",
            ),
            Query(
                "Whether other regions or accounts lose theirs at the same time",
                "sum by (account_id, region) (max by (account_id, region, event_name) (increase(\n"
                '  awschange_events_total{event_name=~"${calls}", outcome="success"}[1h]\n'
                "))) > 0",
            ),
        ),
        then=(
            "To put rules back: `aws-change-exporter history sg-0123456789abcdef0 --since 1h` lists what each call removed, and "
            "`aws ec2 authorize-security-group-ingress` takes it."
        ),
        silence="While an environment is taken down:",
        silence_matchers="account_id=111122223333 region=us-east-1 --duration=1h --comment='test environment removed'",
        false_positives=(
            "`terraform destroy`, the removal of a stack or of a cluster.",
            "Tools that replace rules by revoking and authorizing them anew.",
            "Changes that arrive late in one go after a source could not be read: compare event times in the history.",
        ),
    ),
)
