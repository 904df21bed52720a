"""One security group: what it is, who changed it how, and what stands open in it."""

from __future__ import annotations

from dashboards import marks, variables
from dashboards.links import cell, chosen, dashboard, history, label
from dashboards.parts import BAD, DOUBTFUL, GROUP_CHANGE, OPEN_RULE, REACHES, READ, UNIT
from dashboards.promql import CHOSEN, grown, known, last_rise, most, total
from dashboards.record import Column, Dashboard, Panel, Query, Row, Step

_GROUP = 'security_group_id="$group"'
_IN_GROUP = f"{CHOSEN}, {_GROUP}"
_CHANGES = f'awschange_security_group_changes_total{{{_IN_GROUP}, principal=~"$principal"}}'
_INFO = f"awschange_security_group_info{{{_IN_GROUP}}}"
_ITS_UNIT = f"and on (account_id, region) (max by (account_id, region) ({_INFO}))"
_OPEN = most(f"awschange_open_ingress_rules{{{_IN_GROUP}}}", OPEN_RULE)
_EXCEPTED = most(f"awschange_open_ingress_excepted_rules{{{_IN_GROUP}}}", OPEN_RULE)
_HISTORY = history("History", security_group_id=chosen("group"))
_PRINCIPAL_LINKS = (
    dashboard("principal", "This principal", principal=cell("Principal")),
    history(security_group_id=chosen("group"), principal=cell("Principal")),
)
_RULE = ("protocol", "port_class", "ip_version", "exposure")

THIS = Row(
    "This group",
    (
        Panel(
            "Name and place",
            "The group's name, VPC, account and region, as last read. Empty: it is gone, or what stands is not read. "
            "The link leads to every change of it, with the exact rules.",
            "table",
            (Query(most(_INFO, ("security_group_name", "vpc_id", *UNIT))),),
            columns=(
                Column("security_group_name", "Name", links=(_HISTORY,)),
                Column("vpc_id", "VPC", width=190),
                Column("account_id", "Account", width=130, links=(history(account_id=cell("Account"), region=cell("Region")),)),
                Column("region", "Region", width=120),
            ),
            width=9,
            height=4,
        ),
        Panel(
            "Open now",
            "Its rules that let in the internet now and that no exception covers. Unknown: it is gone, or what stands is not read.",
            "stat",
            (Query(known(f"sum({_OPEN})", _INFO)),),
            steps=BAD,
            otherwise="unknown",
            width=3,
            height=4,
        ),
        Panel(
            "Of its quota",
            "Share of the rules a group may have that it has, in the fullest direction; told from half of it on. At 100 % AWS refuses the next. "
            "Unknown: it is gone, or what stands is not read.",
            "stat",
            (Query(known(f"max(awschange_security_group_rules_quota_ratio{{{_IN_GROUP}}})", _INFO)),),
            unit="percentunit",
            decimals=0,
            steps=(Step(0, "green"), Step(0.8, "orange"), Step(1, "red")),
            texts=(("0", "under half", "green"),),
            otherwise="unknown",
            width=3,
            height=4,
        ),
        Panel(
            "Default's rules",
            "Rules that it has although it is its VPC's default group, which should have none; 0 for all other groups. "
            "Unknown: it is gone, or what stands is not read.",
            "stat",
            (Query(known(f"max(awschange_default_security_group_rules{{{_IN_GROUP}}})", _INFO)),),
            steps=DOUBTFUL,
            otherwise="unknown",
            width=3,
            height=4,
        ),
        Panel(
            "Unexplained there",
            "Rules of its account and region, of whatever group, that changed within the range although no event says who did it. "
            "Unknown: what stands is not read.",
            "stat",
            (Query(f"sum({grown(f'awschange_unexplained_rule_changes_total{{{CHOSEN}}}', UNIT, '$__range')} {_ITS_UNIT})"),),
            steps=BAD,
            otherwise="unknown",
            width=3,
            height=4,
        ),
        Panel(
            "Read",
            "When the rules of its account and region were last read whole; what is said to stand is as old as that. "
            "Unknown: it is gone, or what stands is not read.",
            "stat",
            (Query(f"1000 * max({most(READ, UNIT)} {_ITS_UNIT})"),),
            unit="dateTimeFromNow",
            otherwise="unknown",
            width=3,
            height=4,
        ),
    ),
)
CHANGED = Row(
    "What changed",
    (
        Panel(
            "Timeline by event",
            "Successful changes of this group, by call; each dot is one of them and leads to its event. "
            "Empty: it did not change, or the sources are stale (Overview).",
            "bars",
            (Query(f"{total(grown(_CHANGES, GROUP_CHANGE, '$__interval'), ('event_name',))} > 0", "{{event_name}}", exemplars=True),),
            links=(history(security_group_id=chosen("group"), event_name=label("event_name")),),
            interval="1m",
        ),
        Panel(
            "Timeline by principal",
            "The same changes, by who made them. Empty: it did not change, or the sources are stale (Overview).",
            "bars",
            (Query(f"{total(grown(_CHANGES, GROUP_CHANGE, '$__interval'), ('principal',))} > 0", "{{principal}}"),),
            links=(history(security_group_id=chosen("group"), principal=label("principal")),),
            interval="1m",
        ),
        Panel(
            "Last changes of the group",
            "Who changed it how within the range: when last (to one step of time, 5 minutes in a day), and how often. "
            "Links lead to the exact rules.",
            "table",
            (Query(last_rise(_CHANGES, GROUP_CHANGE)), Query(f"{grown(_CHANGES, GROUP_CHANGE, '$__range')} > 0")),
            columns=(
                Column("A", "Last", unit="dateTimeFromNow", width=150),
                Column("event_name", "Event"),
                Column("principal", "Principal", links=_PRINCIPAL_LINKS),
                Column("B", "Changes", width=90),
                Column("account_id", "Account", width=140),
                Column("region", "Region", width=130),
            ),
            sort="Last",
            interval="5m",
            width=24,
            height=9,
        ),
    ),
)
STANDS = Row(
    "What stands open",
    (
        Panel(
            "Open rules",
            "Its rules that let in the internet now: class of ports, protocol, IP version, and what they reach. "
            "Empty: none, or what stands is not read (above).",
            "table",
            (Query(f"sum by ({', '.join(_RULE)}) ({_OPEN})"),),
            columns=(
                Column("port_class", "Ports", width=90),
                Column("protocol", "Protocol", width=90),
                Column("ip_version", "IP", width=60),
                Column(
                    "exposure",
                    "Reaches",
                    texts=REACHES,
                ),
                Column("A", "Rules", width=70),
            ),
            sort="Rules",
            width=8,
        ),
        Panel(
            "Open rules over time",
            "How many of its rules stood open, by class of ports and what they reach. A line ends where the last rule was closed.",
            "lines",
            (Query(f"sum by (port_class, exposure) ({_OPEN})", "{{port_class}} {{exposure}}"),),
            decimals=0,
            width=8,
        ),
        Panel(
            "Open by exception",
            "Its rules that let in the internet and that an exception of the configuration covers, as long as it lasts. Empty: none.",
            "table",
            (Query(f"sum by ({', '.join(_RULE)}) ({_EXCEPTED})"),),
            columns=(
                Column("port_class", "Ports", width=90),
                Column("protocol", "Protocol", width=90),
                Column("ip_version", "IP", width=60),
                Column("exposure", "Reaches", texts=REACHES),
                Column("A", "Rules", width=70),
            ),
            sort="Rules",
            width=8,
            filled=False,
        ),
    ),
)

DASHBOARD = Dashboard(
    "security-group",
    "AWS changes / Security group",
    "One security group: who changed it how, what stands open in it, and its history.",
    (THIS, CHANGED, STANDS),
    (*variables.EVERYWHERE, variables.GROUP, variables.PRINCIPALS, variables.EXPORTER_URL),
    (marks.changes(f"{most(f'changes({_CHANGES}[$__rate_interval])', GROUP_CHANGE)} > 0"), *marks.EVERYWHERE),
    since="now-7d",
    links=(_HISTORY,),
)
