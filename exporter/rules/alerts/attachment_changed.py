"""A group that lets in the internet was given to something."""

from __future__ import annotations

from exporter.catalog import WATCH_SETS
from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted
from exporter.rules.standing import OPEN_RULES
from exporter.rules.watched import NEW_UNIT, WINDOW, call_names, watched_before

_GROUP = ("account_id", "region", "security_group_id")
_ATTACHED = counted(
    "account_region_security_group_id:awschange_attachments",
    'awschange_security_group_changes_total{event_name=~"${calls}", security_group_id!="__other__"}',
    each=(*_GROUP, "event_name", "principal"),
    by=_GROUP,
    window="${window}",
    born=True,
)

ALERT = Alert(
    name="AwsChangeAttachmentChanged",
    group="exposure",
    severity="info",
    records=(OPEN_RULES, *_ATTACHED.records),
    expr=(
        f"{_ATTACHED.highest(*_GROUP)} > 0.5\n"
        f'and on ({", ".join(_GROUP)}) {OPEN_RULES.name}{{port_class!~"${{ignored}}"}} > 0\n'
        f"{watched_before()}"
    ),
    why="Groups by the thousand are given to something every day; only those that let in the internet are told.",
    thresholds=(
        WINDOW,
        Threshold("ignored", "web", "Port classes that may be open to the internet, as an anchored regular expression."),
        Threshold("calls", call_names(WATCH_SETS["attachments"]), "Calls that count, as an anchored regular expression."),
    ),
    needs=("attachments",),
    summary="A security group that lets in the internet was given to something.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: security group {{ $labels.security_group_id }}, which lets in the "
        'internet, was named by {{ $value | printf "%.0f" }} call(s) in ${window} that give groups to instances, interfaces, load '
        "balancers or databases."
    ),
    history=True,
    runbook=Runbook(
        means="""
            A call started something with this group, or gave it to something that runs, and the group stands open to the internet for ports other than web. If
            what has it now gets a public address, [AwsChangeOpenIngress](AwsChangeOpenIngress.md) pages with the next reading. It needs the watch set
            `attachments`. Open `history_url` for the call and who made it.
            """,
        queries=(
            Query(
                "Which calls by whom",
                "sum by (event_name, principal) (max by (event_name, principal, job) (increase(\n"
                '  awschange_security_group_changes_total{account_id="111122223333", region="us-east-1", security_group_id="sg-0123456789abcdef0"}[1h]\n'
                "))) > 0",
            ),
            Query(
                "What the group lets in, and how far that reaches",
                "max by (port_class, protocol, ip_version, exposure) (\n"
                '  awschange_open_ingress_rules{account_id="111122223333", region="us-east-1", security_group_id="sg-0123456789abcdef0"}\n'
                ")",
            ),
            Query(
                "When interfaces were last read, in seconds ago: the exposure is as old as that",
                'time() - awschange_exporter_snapshot_timestamp_seconds{account_id="111122223333", region="us-east-1", part="interfaces"}',
            ),
        ),
        silence="One group that autoscaling uses:",
        silence_matchers="account_id=111122223333 security_group_id=sg-0123456789abcdef0 --duration=7d --comment='autoscaling'",
        false_positives=(
            "Autoscaling and deployments that start instances with such a group again and again: close the group.",
            "A modification of an instance or a function that names its groups without changing them.",
            "Groups past the series budget (`__other__`) are not told.",
            NEW_UNIT,
        ),
    ),
)
