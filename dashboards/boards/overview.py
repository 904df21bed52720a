"""The first page at night: what changed, by whom, what stands open, and whether all that is fresh."""

from __future__ import annotations

from dashboards import marks, variables
from dashboards.links import cell, dashboard, history, label
from dashboards.parts import (
    ALERT_NAMES,
    ALERTS_FIRING,
    BAD,
    DOUBTFUL,
    EXPORTERS_DOWN,
    FIRING,
    FIRING_RANKED,
    GROUP_CHANGE,
    REACHABLE,
    REACHES,
    READ,
    READINGS_STALE,
    SEVERITIES,
    SOURCES_STALE,
    TRAILS_OFF,
    UNEXPLAINED,
    UNIT,
    UNIT_HISTORY,
    events,
    in_range,
    named,
    oldest,
    open_rules,
    opened_over_time,
)
from dashboards.promql import ANY_UNIT, CHOSEN, CHOSEN_ACCOUNT, beside, busiest, grown, in_steps, known, last_rise, most, total
from dashboards.record import Column, Dashboard, Panel, Query, Row, Step

_GROUP_CHANGES = f"awschange_security_group_changes_total{{{CHOSEN}}}"
_LAST_CHANGES = f"topk(200, {last_rise(_GROUP_CHANGES, GROUP_CHANGE)})"
_OPENED = f"awschange_ingress_opened_total{{{CHOSEN}}}"
_OPENED_BY = (*UNIT, "port_class")
_EVENTS = f"account_region_event:awschange_changes:sum{{{CHOSEN}}}"
_PRINCIPAL_CHANGES = f"awschange_principal_changes_total{{{CHOSEN_ACCOUNT}}}"
_PRINCIPAL = ("account_id", "principal_type", "principal")
_FIRST_SEEN = f"awschange_principal_first_seen_timestamp_seconds{{{CHOSEN_ACCOUNT}}}"

_CLASS = (*UNIT, "channel_class")
_OBSERVED = most('account_region_class:awschange_changes:observed1h{account_id=~"$account", region=~"$region"}', _CLASS)
_MOST_USUAL = most('account_region_class:awschange_expected_changes_upper:known{account_id=~"$account", region=~"$region"}', _CLASS)

_OLDEST, _of_oldest = oldest(50)
_BY_UNIT = busiest(events("success"), (*UNIT, "outcome"), UNIT, 10)


_ALERT = ("alertname", *UNIT, "security_group_id", "principal", "source")
_OPEN_GROUP = (*UNIT, "security_group_id", "port_class", "exposure")

_GROUP_LINKS = (
    history(account_id=cell("Account"), region=cell("Region"), security_group_id=cell("Group")),
    dashboard("security-group", "This group", group=cell("Group")),
)
_PRINCIPAL_LINKS = (dashboard("principal", "This principal", principal=cell("Principal")), history(principal=cell("Principal")))

NOW = Row(
    "Now",
    (
        EXPORTERS_DOWN,
        SOURCES_STALE,
        READINGS_STALE,
        TRAILS_OFF,
        ALERTS_FIRING,
        UNEXPLAINED,
        Panel(
            "Opened",
            "Successful changes within the range that opened ingress to the internet, web ports included; a change counts once in each "
            "class of ports it opens. Unknown: no exporter tells.",
            "stat",
            (Query(in_range(_OPENED, _OPENED_BY)),),
            steps=DOUBTFUL,
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Open and reachable",
            "Rules that let in the internet now and reach something with a public address, without those of web ports and those that an "
            "exception covers. Unknown: the rules were never read.",
            "stat",
            (Query(known(f"sum({open_rules(REACHABLE)})", READ)),),
            steps=BAD,
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Open in all",
            "All rules that let in the internet now and that no exception covers, whatever they reach. Unknown: the rules were never read.",
            "stat",
            (Query(known(f"sum({open_rules()})", READ)),),
            steps=DOUBTFUL,
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Changes",
            "Successful changes within the range, of all watch sets. Unknown: the recording rules are not loaded, or no exporter tells.",
            "stat",
            (Query(in_range(events("success"), (*UNIT, "outcome"))),),
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "Refused or failed",
            "Calls within the range that AWS denied or that failed otherwise: somebody tries what may not be. "
            "Unknown: the recording rules are not loaded, or no exporter tells.",
            "stat",
            (Query(in_range(events("denied|failed"), (*UNIT, "outcome"))),),
            steps=(Step(0, "green"), Step(1, "yellow")),
            otherwise="unknown",
            width=4,
            height=3,
        ),
        Panel(
            "New principals",
            "Principals whose first event that was ever stored lies within the range. A principal of an account that was just added is new, too.",
            "stat",
            (Query(known(f"count({most(_FIRST_SEEN, _PRINCIPAL)} > time() - $__range_s)", _FIRST_SEEN)),),
            steps=(Step(0, "green"), Step(1, "yellow")),
            otherwise="unknown",
            width=4,
            height=3,
        ),
    ),
)

ALERTS = Row(
    "Alerts",
    (
        Panel(
            "Firing alerts",
            "Alerts of the exporter's rules that fire now, and since when; the critical ones first. Empty: none fires, or the rules are not loaded.",
            "table",
            (
                Query(f"max by ({', '.join(_ALERT)}) (\n{FIRING_RANKED}\n)"),
                Query(
                    f"1000 * min by ({', '.join(_ALERT)}) (ALERTS_FOR_STATE{{{ALERT_NAMES}, {ANY_UNIT}}} and ignoring (alertstate) {FIRING})"
                ),
            ),
            columns=(
                Column("A", "Severity", width=90, texts=SEVERITIES),
                Column("alertname", "Alert"),
                Column("B", "Since", unit="dateTimeFromNow", width=150),
                Column("account_id", "Account", width=130, links=(UNIT_HISTORY,)),
                Column("region", "Region", width=110),
                Column("security_group_id", "Group", links=_GROUP_LINKS),
                Column("principal", "Principal", links=_PRINCIPAL_LINKS),
                Column("source", "Source", width=100),
            ),
            sort="Severity",
            width=24,
            height=7,
        ),
    ),
)

CHANGED = Row(
    "What changed",
    (
        Panel(
            "Last changes of security groups, 200 newest",
            "Who changed which group how, within the range, the 200 that changed last: when last (to one step of the graph, 5 minutes in a day), and how often. "
            "Links lead to the exact rules. Empty: no group changed, or the sources are stale (above).",
            "table",
            (
                Query(_LAST_CHANGES),
                Query(beside(f"{grown(_GROUP_CHANGES, GROUP_CHANGE, '$__range')} > 0", GROUP_CHANGE, _LAST_CHANGES)),
            ),
            columns=(
                Column("A", "Last", unit="dateTimeFromNow", width=150),
                Column("security_group_id", "Group", links=_GROUP_LINKS),
                Column("event_name", "Event"),
                Column("principal", "Principal", links=_PRINCIPAL_LINKS),
                Column("B", "Changes", width=90),
                Column("account_id", "Account", width=130, links=(UNIT_HISTORY,)),
                Column("region", "Region", width=120),
            ),
            sort="Last",
            interval="5m",
            width=24,
            height=10,
        ),
        opened_over_time("Opened to the internet over time", "Changes that opened ingress"),
        Panel(
            "Changes by event",
            "Successful changes, by call. Empty: nothing changed, or the recording rules are not loaded.",
            "bars",
            (Query(total(in_steps(_EVENTS, (*UNIT, "event_name")), ("event_name",)) + " > 0", "{{event_name}}"),),
            links=(history(event_name=label("event_name")),),
            interval="1m",
        ),
        Panel(
            "Changes by account and region",
            "Successful changes; the ten busiest accounts and regions of the range, and all others together. "
            "Empty: nothing changed, or the recording rules are not loaded.",
            "bars",
            (Query(_BY_UNIT[0], "{{account_id}} {{region}}"), Query(_BY_UNIT[1], "others")),
            links=(history(account_id=label("account_id"), region=label("region")),),
            interval="1m",
        ),
        Panel(
            "Who changed most",
            "Successful changes within the range by principal, of all watch sets; the 20 busiest. Not narrowed to a region.",
            "table",
            (Query(f"topk(20, {grown(_PRINCIPAL_CHANGES, _PRINCIPAL, '$__range')} > 0)"),),
            columns=(
                Column("principal", "Principal", links=_PRINCIPAL_LINKS),
                Column("principal_type", "Type", width=140),
                Column("account_id", "Account", width=130),
                Column("A", "Changes", width=90),
            ),
            sort="Changes",
        ),
        Panel(
            "Near or above what is usual",
            "Changes of the last hour, whatever their outcome, against the most that this hour of the week usually brings, and what it brings on average, by account, region and "
            "class of tools; the 20 nearest. From 100 % on AwsChangeRateAnomalous may fire. Empty: the alert rules are not loaded.",
            "table",
            (
                Query(f"topk(20, {_OBSERVED} / {_MOST_USUAL} > 0)"),
                Query(_OBSERVED),
                Query(_MOST_USUAL),
                Query(most(f"awschange_expected_changes{{{CHOSEN}}}", _CLASS)),
            ),
            columns=(
                Column("account_id", "Account", width=130, links=(UNIT_HISTORY,)),
                Column("region", "Region"),
                Column("channel_class", "Class", width=100),
                Column(
                    "A", "Share", unit="percentunit", decimals=0, width=70, steps=(Step(0, "green"), Step(0.8, "orange"), Step(1, "red"))
                ),
                Column("B", "Changes", decimals=0, width=85),
                Column("D", "Usual", decimals=1, width=75),
                Column("C", "Most", decimals=1, width=75),
            ),
            sort="Share",
        ),
        Panel(
            "Changes of an hour by class of tools",
            "Changes of the hour before each point: by people (console, command line), by scripts (SDKs, and what cannot be told), by automation "
            "(Terraform and the like). Empty: the alert rules are not loaded.",
            "lines",
            (Query(f"sum by (channel_class) ({_OBSERVED})", "{{channel_class}}"),),
            decimals=0,
            colors=(("people", "red"), ("scripts", "orange"), ("automation", "blue")),
        ),
    ),
)

STANDS = Row(
    "What stands open",
    (
        Panel(
            "Open rules by what they reach",
            "Rules open to the internet now, without those of exceptions: public (has a public address), attached (to interfaces without), "
            "unattached (reaches nothing), unknown (not all could be read). Empty: nothing is open, or the rules were never read.",
            "bar_gauge",
            (Query(f"sort_desc(sum by (exposure) ({open_rules()}))", "{{exposure}}"),),
            steps=(Step(0, "blue"),),
            width=5,
        ),
        Panel(
            "Open rules by class of ports",
            "The same by the ports they open: all stands for every port. A rule counts once in each class.",
            "bar_gauge",
            (Query(f"sort_desc(sum by (port_class) ({open_rules()}))", "{{port_class}}"),),
            steps=(Step(0, "blue"),),
            width=5,
        ),
        Panel(
            "Groups that stand open",
            "Groups with rules open to the internet now, the 50 with the most. Empty: none, or the rules were never read.",
            "table",
            (Query(named(f"topk(50, sum by ({', '.join(_OPEN_GROUP)}) ({open_rules()}))", _OPEN_GROUP)),),
            columns=(
                Column("security_group_id", "Group", width=190, links=_GROUP_LINKS),
                Column("security_group_name", "Name"),
                Column("port_class", "Ports", width=90),
                Column(
                    "exposure",
                    "Reaches",
                    width=110,
                    texts=REACHES,
                ),
                Column("A", "Rules", width=70),
                Column("account_id", "Account", width=130),
                Column("region", "Region", width=120),
            ),
            sort="Rules",
            width=14,
        ),
    ),
)

FRESH = Row(
    "How fresh",
    (
        Panel(
            "Sources, 50 oldest",
            "Each source by account and region: when it was last read whole, how often it is, and whether the last poll succeeded; the 50 oldest. "
            "What came after the last success is not on this page yet.",
            "table",
            (
                Query(_OLDEST),
                Query(_of_oldest("awschange_exporter_poll_interval_seconds")),
                Query(_of_oldest("awschange_exporter_poll_success")),
            ),
            columns=(
                Column("source", "Source", width=140),
                Column("account_id", "Account", width=140),
                Column("region", "Region"),
                Column("A", "Age", unit="s", decimals=0, width=110, steps=(Step(0, "green"), Step(900, "orange"), Step(3600, "red"))),
                Column("B", "Interval", unit="s", width=90),
                Column("C", "Last", width=90, texts=(("1", "whole", "green"), ("0", "failed", "red"))),
            ),
            sort="Age",
            width=24,
        ),
    ),
)

DASHBOARD = Dashboard(
    "overview",
    "AWS changes / Overview",
    "What changed, by whom, what stands open, and how fresh that is.",
    (NOW, ALERTS, CHANGED, STANDS, FRESH),
    (*variables.EVERYWHERE, variables.EXPORTER_URL),
    marks.EVERYWHERE,
    links=(history("History"),),
)
