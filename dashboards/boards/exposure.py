"""What stands: open ingress and exceptions, hygiene of groups, and whether the audit trail sees."""

from __future__ import annotations

from dashboards import marks, variables
from dashboards.links import cell, dashboard, history
from dashboards.parts import (
    BAD,
    DOUBTFUL,
    NO,
    OPEN_RULE,
    PORT_COLORS,
    REACH_UNKNOWN,
    REACHABLE,
    REACHES,
    READ,
    READINGS_STALE,
    TRAILS_OFF,
    UNEXPLAINED,
    UNIT,
    UNIT_HISTORY,
    YES,
    named,
    open_rules,
    opened_over_time,
)
from dashboards.promql import CHOSEN, CHOSEN_EXPORTERS, beside, grown, known, most
from dashboards.record import Column, Dashboard, Panel, Query, Row, Step

_BY_UNIT = f"account_region:awschange_open_ingress_rules:sum{{{CHOSEN}}}"
_BY_REACH = most(f"account_region_exposure:awschange_open_ingress_rules:sum{{{CHOSEN}}}", (*UNIT, "exposure"))
_BY_PORT = most(f"account_region_port:awschange_open_ingress_rules:sum{{{CHOSEN}}}", (*UNIT, "port_class"))
_EXCEPTED = most(f"awschange_open_ingress_excepted_rules{{{CHOSEN}}}", OPEN_RULE)
_DEFAULT = most(f"awschange_default_security_group_rules{{{CHOSEN}}}", (*UNIT, "vpc_id", "security_group_id"))
_QUOTA = most(f"awschange_security_group_rules_quota_ratio{{{CHOSEN}}}", (*UNIT, "security_group_id"))
_OPEN_GROUP = (*UNIT, "vpc_id", "security_group_id", "port_class", "exposure")
_TRAIL = (*UNIT, "trail")
_LIGHT = f"min by (account_id, region) (awschange_trails_logging{{{CHOSEN}}})"
_LARGEST = f"topk(100, {most(f'awschange_security_groups{{{CHOSEN}}}', UNIT)})"
_TRAILS = f"bottomk(200, min by ({', '.join(_TRAIL)}) (awschange_trail_logging{{{CHOSEN}}}))"
_RECORDERS = f"bottomk(200, min by (account_id, region) (awschange_aws_config_recording{{{CHOSEN}}}))"
_EXPIRY = f"awschange_exporter_exception_expiry_timestamp_seconds{{{CHOSEN_EXPORTERS}}}"

_GROUP_LINKS = (
    dashboard("security-group", "This group", group=cell("Group")),
    history(account_id=cell("Account"), region=cell("Region"), security_group_id=cell("Group")),
)


def _count(title: str, description: str, expr: str, *, bad: bool = False, otherwise: str = "unknown", filled: bool = True) -> Panel:
    return Panel(
        title,
        description,
        "stat",
        (Query(expr),),
        steps=BAD if bad else DOUBTFUL,
        otherwise=otherwise,
        width=4,
        height=3,
        filled=filled,
    )


NOW = Row(
    "Now",
    (
        _count(
            "Open and reachable",
            "Rules that let in the internet now and reach something with a public address, without those of web ports and those that an "
            "exception covers. Unknown: the rules were never read.",
            known(f"sum({open_rules(REACHABLE)})", READ),
            bad=True,
        ),
        _count(
            "Open, reach unknown",
            "Rules that let in the internet now of which it is not known what they reach, as interfaces or load balancers could not all be read. "
            "Unknown: the rules were never read.",
            known(f"sum({open_rules(REACH_UNKNOWN)})", READ),
        ),
        _count(
            "Open in all",
            "All rules that let in the internet now and that no exception covers. Unknown: the rules were never read.",
            known(f"sum({open_rules()})", READ),
        ),
        TRAILS_OFF,
        UNEXPLAINED,
        READINGS_STALE,
    ),
)
OPEN = Row(
    "Open ingress",
    (
        Panel(
            "Open rules over time, by what they reach",
            "Rules open to the internet: public (has a public address), attached (to interfaces without), unattached (reaches nothing), "
            "unknown (not all could be read). Empty: nothing was open, nothing was read, or the recording rules are not loaded.",
            "lines",
            (Query(f"sum by (exposure) ({_BY_REACH})", "{{exposure}}"),),
            decimals=0,
            colors=(("public", "red"), ("attached", "orange"), ("unknown", "purple"), ("unattached", "blue")),
        ),
        Panel(
            "Open rules over time, by class of ports",
            "The same rules by the ports they open; all stands for every port. A rule counts once in each class. "
            "Empty: nothing was open, nothing was read, or the recording rules are not loaded.",
            "lines",
            (Query(f"sum by (port_class) ({_BY_PORT})", "{{port_class}}"),),
            decimals=0,
            colors=PORT_COLORS,
        ),
        Panel(
            "Open rules over time, by account and region",
            "The ten accounts and regions that have the most at the end of the range. "
            "Empty: nothing is open, nothing was read, or the recording rules are not loaded.",
            "lines",
            (
                Query(
                    f"{most(_BY_UNIT, UNIT)}\nand on (account_id, region) topk(10, {most(_BY_UNIT, UNIT, ' @ end()')})",
                    "{{account_id}} {{region}}",
                ),
            ),
            decimals=0,
        ),
        opened_over_time("Opened", "Successful changes that opened ingress to the internet"),
        Panel(
            "Open groups",
            "Groups with rules open to the internet now, the 100 with the most, by class of ports and what they reach. "
            "Empty: none, or the rules were never read.",
            "table",
            (Query(named(f"topk(100, sum by ({', '.join(_OPEN_GROUP)}) ({open_rules()}))", _OPEN_GROUP)),),
            columns=(
                Column("security_group_id", "Group", width=190, links=_GROUP_LINKS),
                Column("security_group_name", "Name"),
                Column("vpc_id", "VPC", width=190),
                Column("port_class", "Ports", width=100),
                Column("exposure", "Reaches", width=110, texts=REACHES),
                Column("A", "Rules", width=80),
                Column("account_id", "Account", width=140, links=(UNIT_HISTORY,)),
                Column("region", "Region", width=130),
            ),
            sort="Rules",
            width=24,
            height=10,
        ),
    ),
)
EXCEPTIONS = Row(
    "Exceptions",
    (
        Panel(
            "When exceptions end",
            "Each exception of the configuration with an end: from then on what it covered counts as open. Empty: there is none.",
            "table",
            (Query(f"1000 * min by (exception) ({_EXPIRY})"), Query(f"(min by (exception) ({_EXPIRY}) - time()) / 86400")),
            columns=(
                Column("exception", "Exception"),
                Column("A", "Ends", unit="dateTimeFromNow"),
                Column("B", "Days", decimals=1, width=100, steps=(Step(-100_000, "red"), Step(3, "orange"), Step(14, "green"))),
            ),
        ),
        Panel(
            "Open by exception",
            "Rules that let in the internet now and that an exception covers, by group; the 100 with the most. Empty: none.",
            "table",
            (Query(f"topk(100, sum by (account_id, region, security_group_id, port_class, exposure) ({_EXCEPTED}))"),),
            columns=(
                Column("security_group_id", "Group", links=_GROUP_LINKS),
                Column("port_class", "Ports", width=100),
                Column("exposure", "Reaches", width=110, texts=REACHES),
                Column("A", "Rules", width=80),
                Column("account_id", "Account", width=140),
                Column("region", "Region", width=130),
            ),
            sort="Rules",
        ),
    ),
)
GROUPS = Row(
    "Groups",
    (
        Panel(
            "Default groups with rules",
            "Default groups of VPCs, which should have no rules at all; the 100 with the most. Empty: none has any, or nothing was read.",
            "table",
            (Query(f"topk(100, {_DEFAULT})"),),
            columns=(
                Column("security_group_id", "Group", width=190, links=_GROUP_LINKS),
                Column("vpc_id", "VPC"),
                Column("A", "Rules", width=80),
                Column("account_id", "Account", width=140),
                Column("region", "Region", width=130),
            ),
            sort="Rules",
        ),
        Panel(
            "Groups near their quota",
            "Share of the rules a group may have that it has, from half of it on; the 50 fullest. At 100 % AWS refuses the next rule. "
            "Empty: none has half of it, or nothing was read.",
            "table",
            (Query(f"topk(50, {_QUOTA})"),),
            columns=(
                Column("security_group_id", "Group", links=_GROUP_LINKS),
                Column(
                    "A", "Full", unit="percentunit", decimals=0, width=90, steps=(Step(0, "green"), Step(0.8, "orange"), Step(1, "red"))
                ),
                Column("account_id", "Account", width=140),
                Column("region", "Region", width=130),
            ),
            sort="Full",
            filled=False,
        ),
        Panel(
            "Groups by account and region",
            "How many groups and rules there are, how many groups nobody uses, and how many rules differ from the reading before and still wait "
            "for their event; the 100 with the most groups. Unused is empty where interfaces were not read.",
            "table",
            (
                Query(_LARGEST),
                *(
                    Query(beside(expr, UNIT, _LARGEST))
                    for expr in (
                        most(f"awschange_security_group_rules{{{CHOSEN}}}", UNIT),
                        most(f"awschange_unused_security_groups{{{CHOSEN}}}", UNIT),
                        most(f"awschange_exporter_pending_rule_changes{{{CHOSEN}}}", UNIT),
                        f"1000 * {most(READ, UNIT)}",
                    )
                ),
            ),
            columns=(
                Column("account_id", "Account", links=(UNIT_HISTORY,)),
                Column("region", "Region"),
                Column("A", "Groups", width=100),
                Column("B", "Rules", width=100),
                Column("C", "Unused", width=100),
                Column("D", "Pending", width=100),
                Column("E", "Read", unit="dateTimeFromNow", width=170),
            ),
            sort="Groups",
            width=24,
        ),
    ),
)
AUDIT = Row(
    "Whether the lights are on",
    (
        Panel(
            "Trails",
            "Each trail in each account and region: whether it records every write of EC2, signs its files and fails to deliver, and when it "
            "last delivered; 200 of them, those that do not record first. Empty: no trail, or nothing was read.",
            "table",
            (
                Query(_TRAILS),
                *(
                    Query(beside(expr, _TRAIL, _TRAILS))
                    for expr in (
                        f"min by ({', '.join(_TRAIL)}) (awschange_trail_validation_enabled{{{CHOSEN}}})",
                        most(f"awschange_trail_delivery_failing{{{CHOSEN}}}", _TRAIL),
                        f"1000 * {most(f'awschange_trail_last_delivery_timestamp_seconds{{{CHOSEN}}}', _TRAIL)}",
                    )
                ),
            ),
            columns=(
                Column("A", "Records", width=90, texts=YES),
                Column("trail", "Trail"),
                Column("B", "Signs", width=80, texts=YES),
                Column("C", "Failing", width=80, texts=NO),
                Column("D", "Delivered", unit="dateTimeFromNow", width=150),
                Column("account_id", "Account", width=140, links=(UNIT_HISTORY,)),
                Column("region", "Region", width=130),
            ),
            width=24,
        ),
        Panel(
            "Where trails were off",
            "Accounts and regions in which at some time of the range no trail recorded every write of EC2: red while it was so. "
            "Empty: nowhere, or no trail could be judged.",
            "state_timeline",
            (
                Query(
                    f"{_LIGHT}\nand on (account_id, region) (min by (account_id, region) "
                    f"(min_over_time(awschange_trails_logging{{{CHOSEN}}}[$__range] @ end())) == 0)",
                    "{{account_id}} {{region}}",
                ),
            ),
            steps=(Step(0, "red"), Step(1, "green")),
            interval="1m",
            filled=False,
        ),
        Panel(
            "Trails that cannot be judged",
            "Trails of an organization whose selectors only the account that owns them may see. Watch that account as well. Empty: none.",
            "table",
            (Query(f"topk(100, {most(f'awschange_trails_unknown{{{CHOSEN}}}', UNIT)} > 0)"),),
            columns=(Column("account_id", "Account"), Column("region", "Region"), Column("A", "Trails", width=90)),
            sort="Trails",
            filled=False,
        ),
        Panel(
            "AWS Config's recorders",
            "Whether AWS Config records security groups, and whether it fails to deliver; 200 accounts and regions, those that do not record first. "
            "Empty: nothing was read.",
            "table",
            (
                Query(_RECORDERS),
                Query(beside(most(f"awschange_aws_config_recorder_failing{{{CHOSEN}}}", UNIT), UNIT, _RECORDERS)),
            ),
            columns=(
                Column("A", "Records", width=90, texts=YES),
                Column("B", "Failing", width=80, texts=NO),
                Column("account_id", "Account", links=(UNIT_HISTORY,)),
                Column("region", "Region"),
            ),
        ),
        Panel(
            "Calls denied or failed",
            "Calls within the range that AWS denied or that failed otherwise, by account, region and outcome; the 50 with the most. "
            "Empty: none, or the recording rules are not loaded.",
            "table",
            (
                Query(
                    "topk(50, "
                    + grown(
                        f'account_region_outcome:awschange_events:sum{{outcome=~"denied|failed", {CHOSEN}}}',
                        (*UNIT, "outcome"),
                        "$__range",
                    )
                    + " > 0)"
                ),
            ),
            columns=(
                Column("account_id", "Account", links=(UNIT_HISTORY,)),
                Column("region", "Region"),
                Column("outcome", "Outcome", width=110),
                Column("A", "Calls", width=90),
            ),
            sort="Calls",
        ),
    ),
)

DASHBOARD = Dashboard(
    "exposure",
    "AWS changes / Exposure",
    "What stands open to the internet, by exception or not, and whether the audit trail sees.",
    (NOW, OPEN, EXCEPTIONS, GROUPS, AUDIT),
    (*variables.EVERYWHERE, variables.EXPORTER_URL),
    marks.EVERYWHERE,
    since="now-7d",
    links=(history("History"),),
)
