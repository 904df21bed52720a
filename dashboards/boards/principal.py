"""One principal: what it changed, where, and since when it is known."""

from __future__ import annotations

from dashboards import marks, variables
from dashboards.links import cell, chosen, dashboard, history, label
from dashboards.parts import GROUP_CHANGE, OPEN_RULE, REACHES
from dashboards.promql import CHOSEN, CHOSEN_ACCOUNT, busiest, grown, known, last_rise, most, total
from dashboards.record import Column, Dashboard, Panel, Query, Row, Step

_IT = 'principal="$principal"'
_FIRST = f"awschange_principal_first_seen_timestamp_seconds{{{CHOSEN_ACCOUNT}, {_IT}}}"
_ALL = f"awschange_principal_changes_total{{{CHOSEN_ACCOUNT}, {_IT}}}"
_BY = ("account_id", "principal_type", "principal")
_CHANGES = f'awschange_security_group_changes_total{{{CHOSEN}, {_IT}, security_group_id=~"$group"}}'
_BY_ACCOUNT = busiest(_ALL, _BY, ("account_id",), 10)
_IN_RANGE = grown(_ALL, _BY, "$__range")
_GROUPS_IN_RANGE = grown(_CHANGES, GROUP_CHANGE, "$__range")
_GROUP_LINKS = (
    history(account_id=cell("Account"), region=cell("Region"), security_group_id=cell("Group"), principal=chosen("principal")),
    dashboard("security-group", "This group", group=cell("Group")),
)

THIS = Row(
    "This principal",
    (
        Panel(
            "First seen",
            "When the first event by it happened that was ever stored, in any chosen account, the past included. "
            "Unknown: there is no such principal there, or it is folded into __other__.",
            "stat",
            (Query(f"1000 * min({_FIRST})"),),
            unit="dateTimeFromNow",
            otherwise="unknown",
            links=(history(principal=chosen("principal")),),
            width=6,
            height=3,
        ),
        Panel(
            "Changes in all",
            "Its successful changes within the range in the chosen accounts, of all watch sets and regions. Unknown: it never changed anything.",
            "stat",
            (Query(f"sum({_IN_RANGE})"),),
            otherwise="unknown",
            width=6,
            height=3,
        ),
        Panel(
            "Accounts touched",
            "Accounts in which it changed something within the range.",
            "stat",
            (Query(known(f"count({_IN_RANGE} > 0)", _FIRST)),),
            steps=(Step(0, "green"), Step(2, "yellow")),
            otherwise="unknown",
            width=6,
            height=3,
        ),
        Panel(
            "Groups touched",
            "Security groups that it changed within the range; more than 20 is much for a person.",
            "stat",
            (Query(known(f"count(sum by (account_id, region, security_group_id) ({_GROUPS_IN_RANGE}) > 0)", _FIRST)),),
            steps=(Step(0, "green"), Step(20, "yellow")),
            otherwise="unknown",
            width=6,
            height=3,
        ),
    ),
)
CHANGED = Row(
    "What it changed",
    (
        Panel(
            "Changes by account",
            "Its successful changes of all watch sets, not narrowed to a region, in the ten accounts with the most and all others together; each dot is one of them and leads to its event. "
            "Empty: it changed nothing.",
            "bars",
            (Query(_BY_ACCOUNT[0], "{{account_id}}", exemplars=True), Query(_BY_ACCOUNT[1], "others")),
            links=(history(principal=chosen("principal"), account_id=label("account_id")),),
            interval="1m",
        ),
        Panel(
            "Changes of security groups by event",
            "Its successful changes of security groups, by call. Empty: it changed none.",
            "bars",
            (Query(f"{total(grown(_CHANGES, GROUP_CHANGE, '$__interval'), ('event_name',))} > 0", "{{event_name}}"),),
            links=(history(principal=chosen("principal"), event_name=label("event_name")),),
            interval="1m",
        ),
        Panel(
            "Groups it changed last",
            "Which groups it changed how within the range: when last (to one step of time, 5 minutes in a day), and how often. "
            "Links lead to the exact rules.",
            "table",
            (Query(last_rise(_CHANGES, GROUP_CHANGE)), Query(f"{_GROUPS_IN_RANGE} > 0")),
            columns=(
                Column("A", "Last", unit="dateTimeFromNow", width=150),
                Column("security_group_id", "Group", links=_GROUP_LINKS),
                Column("event_name", "Event"),
                Column("B", "Changes", width=90),
                Column("account_id", "Account", width=140),
                Column("region", "Region", width=130),
            ),
            sort="Last",
            interval="5m",
            width=24,
            height=10,
        ),
        Panel(
            "Accounts",
            "Each account that knows it: as what, since when, and how much it changed there within the range.",
            "table",
            (Query(f"1000 * {most(_FIRST, _BY)}"), Query(_IN_RANGE)),
            columns=(
                Column("account_id", "Account", links=(history(principal=chosen("principal"), account_id=cell("Account")),)),
                Column("principal_type", "Type"),
                Column("A", "First", unit="dateTimeFromNow"),
                Column("B", "Changes", width=90),
            ),
            sort="Changes",
        ),
        Panel(
            "Open groups that it changed",
            "Groups that it changed within the range and that stand open to the internet now. It need not be who opened them: the history tells.",
            "table",
            (
                Query(
                    f"sum by (account_id, region, security_group_id, port_class, exposure) ({most(f'awschange_open_ingress_rules{{{CHOSEN}}}', OPEN_RULE)})"
                    f"\nand on (account_id, region, security_group_id) ({_GROUPS_IN_RANGE} > 0)"
                ),
            ),
            columns=(
                Column("security_group_id", "Group", links=_GROUP_LINKS),
                Column("port_class", "Ports", width=90),
                Column(
                    "exposure",
                    "Reaches",
                    width=110,
                    texts=REACHES,
                ),
                Column("A", "Rules", width=70),
                Column("account_id", "Account", width=140),
                Column("region", "Region", width=120),
            ),
            sort="Rules",
        ),
    ),
)

DASHBOARD = Dashboard(
    "principal",
    "AWS changes / Principal",
    "One principal: what it changed, in which accounts and groups, and since when it is known.",
    (THIS, CHANGED),
    (*variables.EVERYWHERE, variables.PRINCIPAL, variables.GROUPS, variables.EXPORTER_URL),
    (marks.changes(f"{most(f'changes({_CHANGES}[$__rate_interval])', GROUP_CHANGE)} > 0"), *marks.EVERYWHERE),
    since="now-7d",
    links=(history("History", principal=chosen("principal")),),
)
