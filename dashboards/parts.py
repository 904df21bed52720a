"""Panels and queries that more than one dashboard has: the state of the exporter, and what counts of what stands have in common."""

from __future__ import annotations

from collections.abc import Callable

from dashboards.links import cell, history
from dashboards.promql import ANY_UNIT, CHOSEN, CHOSEN_EXPORTERS, CHOSEN_UNITS, beside, grown, in_steps, known, most, total, with_dots
from dashboards.record import Color, Panel, Query, Step, Texts

BAD = (Step(0, "green"), Step(1, "red"))
"""Of counts that should be 0."""
DOUBTFUL = (Step(0, "green"), Step(1, "orange"))
"""Of counts that a person should look at."""

REACHES: Texts = (
    ("public", "public", "red"),
    ("attached", "attached", "orange"),
    ("unknown", "unknown", "orange"),
    ("unattached", "unattached", "blue"),
)
YES: Texts = (("1", "yes", "green"), ("0", "no", "red"))
NO: Texts = (("1", "yes", "red"), ("0", "no", "green"))
SEVERITIES: Texts = (("3", "critical", "red"), ("2", "warning", "orange"), ("1", "info", "blue"))
"""By number, so that a table can begin with what is critical."""
PORT_COLORS: tuple[tuple[str, Color], ...] = (("all", "red"), ("admin", "orange"), ("database", "purple"), ("web", "blue"))

UNIT = ("account_id", "region")
SOURCE_UNIT = ("source", *UNIT)
GROUP_CHANGE = (*UNIT, "security_group_id", "event_name", "principal")
"""What is one count of changes of security groups."""

UNIT_HISTORY = history(account_id=cell("Account"), region=cell("Region"))
"""The history of the account and region of a row."""

ALERT_NAMES = 'alertname=~"AwsChange.+", alertname!="AwsChangeWatchdog"'
FIRING = f'ALERTS{{{ALERT_NAMES}, alertstate="firing", {ANY_UNIT}}}'
"""Alerts of the exporter's rules that fire."""
FIRING_RANKED = "\nor ".join(
    f'{rank} * ALERTS{{severity="{severity}", {ALERT_NAMES}, alertstate="firing", {ANY_UNIT}}}' for rank, severity, _ in SEVERITIES
)
"""The same, each with the number of its severity."""

RULES_LOADED = 'ALERTS{alertname="AwsChangeWatchdog"}'
"""An alert that always fires: without it nothing is known of the others."""

OPEN_RULE = ("account_id", "region", "vpc_id", "security_group_id", "protocol", "port_class", "ip_version", "exposure")
REACHABLE = ', exposure="public", port_class!="web"'
"""What pages: open, not by plan of a web server, and with a public address."""

REACH_UNKNOWN = ', exposure="unknown"'

ANY_SOURCE = 'source=~".+"'
CHANGES = 'source!="posture"'
"""Sources of changes; `posture` reads what stands."""
POSTURE = 'source="posture"'

READ = f'awschange_exporter_snapshot_timestamp_seconds{{part="groups", {CHOSEN}}}'
"""There for every account and region whose rules were ever read."""


def open_rules(more: str = "") -> str:
    """Return the open ingress rules of the chosen accounts, those of replicas once; `more` is added to the selector."""
    return most(f"awschange_open_ingress_rules{{{CHOSEN}{more}}}", OPEN_RULE)


def named(groups: str, by: tuple[str, ...]) -> str:
    """Return counts of groups with the label security_group_name, where the name is known; those whose name is not stay."""
    name = most(f"awschange_security_group_info{{{CHOSEN}}}", (*UNIT, "security_group_id", "security_group_name"))
    return (
        f"{groups}\n* on (account_id, region, security_group_id) group_left (security_group_name) {name}\nor on ({', '.join(by)}) {groups}"
    )


def age_of_success(kind: str) -> str:
    """Return for how long each unit of the sources has not been read whole, in seconds; `kind` is a matcher of `source`."""
    return f"time() - {most(f'awschange_exporter_last_success_timestamp_seconds{{{kind}, {CHOSEN_UNITS}}}', SOURCE_UNIT)}"


def oldest(limit: int) -> tuple[str, Callable[[str], str]]:
    """Return the query of the units of sources that were not read for longest, and what makes a gauge of them a further column."""
    rows = f"topk({limit}, {age_of_success(ANY_SOURCE)})"
    return rows, lambda metric: beside(most(f"{metric}{{{CHOSEN_UNITS}}}", SOURCE_UNIT), SOURCE_UNIT, rows)


def stale(kind: str) -> str:
    """Return the units that were not read whole for three intervals, as the alerts say it."""
    interval = most(f"awschange_exporter_poll_interval_seconds{{{kind}, {CHOSEN_UNITS}}}", SOURCE_UNIT)
    return f"count(\n{age_of_success(kind)}\n> clamp_min(3 * {interval}, 180)\n)"


def events(outcomes: str) -> str:
    """Return the selector of recorded counts of events by outcome."""
    return f'account_region_outcome:awschange_events:sum{{outcome=~"{outcomes}", {CHOSEN}}}'


_OPENED = f"account_region_port:awschange_ingress_opened:max{{{CHOSEN}}}"
_OPENED_IN_STEPS = with_dots(
    total(in_steps(_OPENED, (*UNIT, "port_class")), ("port_class",)) + " > 0",
    f"awschange_ingress_opened_total{{{CHOSEN}}}",
    ("port_class",),
)


def opened_over_time(title: str, what: str) -> Panel:
    """Return the panel of the changes that opened ingress to the internet, in steps of time."""
    return Panel(
        title,
        f"{what}, by class of ports; each dot is one of them and leads to its event. "
        "Empty: nothing was opened, or the recording rules are not loaded.",
        "bars",
        (Query(_OPENED_IN_STEPS, "{{port_class}}", exemplars=True),),
        links=(history(),),
        interval="1m",
        colors=PORT_COLORS,
    )


def in_range(counter: str, by: tuple[str, ...]) -> str:
    """Return the sum of what was counted within the range that is shown."""
    return total(grown(counter, by, "$__range"))


_TARGETS = f"up{{{CHOSEN_EXPORTERS}}}"
# Where all jobs are chosen, those of other programs are, too.
_ARE_EXPORTERS = f"and on (job) last_over_time(awschange_exporter_build_info{{{CHOSEN_EXPORTERS}}}[7d])"
EXPORTERS_DOWN = Panel(
    "Exporters down",
    "Targets that Prometheus cannot scrape now, of jobs that had an exporter within seven days. While one is down, nothing that it alone "
    "watches is seen. Unknown: Prometheus has no such target at all.",
    "stat",
    (Query(known(f"count({_TARGETS} == 0 {_ARE_EXPORTERS})", f"{_TARGETS} {_ARE_EXPORTERS}")),),
    steps=BAD,
    otherwise="unknown",
    width=4,
    height=3,
)
SOURCES_STALE = Panel(
    "Sources stale",
    "Units of sources of changes (accounts and regions) that were not read whole for three of their intervals, and at least 3 minutes. "
    "What changed there since then is not on this page; it is counted once they can be read. Unknown: no exporter tells.",
    "stat",
    (
        Query(
            known(stale(CHANGES), f'awschange_exporter_last_success_timestamp_seconds{{source!="posture", {CHOSEN_UNITS}}}'),
        ),
    ),
    steps=BAD,
    otherwise="unknown",
    width=4,
    height=3,
)
READINGS_STALE = Panel(
    "Readings stale",
    "Accounts and regions whose rules were not read whole for three intervals: what is said to stand open there is old. "
    "Changes are counted all the same. Unknown: what stands is not read at all (section posture of the configuration).",
    "stat",
    (Query(known(stale(POSTURE), f'awschange_exporter_last_success_timestamp_seconds{{source="posture", {CHOSEN_UNITS}}}')),),
    steps=DOUBTFUL,
    otherwise="unknown",
    width=4,
    height=3,
)
TRAILS_OFF = Panel(
    "Trails off",
    "Accounts and regions in which no trail records every write of EC2: changes there leave no file. "
    "Unknown: no trail could be judged. Those that cannot be judged are on the dashboard Exposure.",
    "stat",
    (
        Query(
            known(
                f"count(min by (account_id, region) (awschange_trails_logging{{{CHOSEN}}}) == 0)",
                f"awschange_trails_logging{{{CHOSEN}}}",
            )
        ),
    ),
    steps=BAD,
    otherwise="unknown",
    width=4,
    height=3,
)
ALERTS_FIRING = Panel(
    "Alerts firing",
    "Alerts of the exporter's rules that fire now, all severities; the table below names them. "
    "Unknown: the rules are not loaded, for their watchdog does not fire.",
    "stat",
    (Query(known(f"count(max by (alertname, account_id, region) ({FIRING}))", RULES_LOADED)),),
    steps=DOUBTFUL,
    otherwise="unknown",
    width=4,
    height=3,
)
UNEXPLAINED = Panel(
    "Unexplained changes",
    "Rules that changed within the range although no event says who did it: somebody works in the dark. "
    "The history names each as UnexplainedRuleChange. Unknown: what stands is not read.",
    "stat",
    (Query(in_range(f"awschange_unexplained_rule_changes_total{{{CHOSEN}}}", UNIT)),),
    steps=BAD,
    otherwise="unknown",
    width=4,
    height=3,
)
