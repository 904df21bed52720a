"""The edge of the network was moved: gateways, routes, network ACLs, VPCs, peerings, public addresses."""

from __future__ import annotations

from exporter.catalog import WATCH_SETS
from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.said import CALLS
from exporter.rules.watched import FOLDED, NEW_UNIT, WINDOW, call_names, calls, watched_before

# Flow logs that are taken away are told by AwsChangeTrailTampered.
_CALLS = tuple(spec for spec in WATCH_SETS["network_boundary"] if spec.event_name != "DeleteFlowLogs")
_CHANGES = calls("account_region:awschange_network_boundary_changes", _CALLS, by=("account_id", "region"))

ALERT = Alert(
    name="AwsChangeNetworkBoundaryChanged",
    group="exposure",
    severity="warning",
    records=_CHANGES.records,
    expr=f"{_CHANGES.highest('account_id', 'region')} > 0.5\n{watched_before()}",
    thresholds=(WINDOW, Threshold("calls", call_names(_CALLS), "Calls that count, as an anchored regular expression.")),
    needs=("network_boundary",),
    summary="The boundary of a network was changed.",
    description=(
        'Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $value | printf "%.0f" }} call(s) in ${window} changed gateways, '
        "routes, network ACLs, VPCs, peerings, public addresses or web ACLs."
    ),
    history=True,
    said=CALLS,
    runbook=Runbook(
        means="""
            One or more calls of the watch set `network_boundary` succeeded: CIS AWS Foundations 4.11 to 4.14 (network ACLs, gateways, route tables, VPCs), and
            beyond those peerings, transit gateways, NAT gateways, public addresses, VPC Block Public Access, web ACLs. A route or an address decides whether a
            rule of a security group is reached at all.

            Open `history_url` for the calls and who made them. A new internet gateway with a route to it makes a network public; a web ACL that is deleted
            takes the filter off.
            """,
        queries=(
            Query(
                "Which calls",
                "max by (event_source, event_name) (increase(\n"
                '  awschange_events_total{account_id="111122223333", region="us-east-1", outcome="success"}[1h]\n'
                ")) > 0",
            ),
            Query(
                "Which principals of the account are busy",
                'sort_desc(max by (principal) (increase(awschange_principal_changes_total{account_id="111122223333"}[1h])) > 0)',
            ),
            Query(
                "What of the account the internet reaches now",
                'max by (region, security_group_id, port_class) (awschange_open_ingress_rules{account_id="111122223333", exposure="public"})',
            ),
        ),
        silence="While a network is rolled out, one account and region:",
        silence_matchers="account_id=111122223333 region=us-east-1 --duration=2h --comment='network roll-out'",
        false_positives=(
            "Roll-outs by Terraform or CloudFormation, which make a VPC by dozens of calls: one alert for all of them.",
            "Automation that gives and takes public addresses (`AssociateAddress`) or routes all day: leave those calls out of the threshold `calls`.",
            FOLDED,
            NEW_UNIT,
        ),
    ),
)
