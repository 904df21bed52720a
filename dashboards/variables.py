"""The choices at the head of the dashboards; links between them keep all."""

from __future__ import annotations

from dashboards.promql import CHOSEN, CHOSEN_ACCOUNT, CHOSEN_EXPORTERS
from dashboards.record import Variable

JOB = Variable("job", "Job", "label_values(awschange_exporter_build_info, job)", description="The scrape job of the exporter.")

# Channels are few, and all of each account and region are there from its first sight on.
ACCOUNT = Variable(
    "account", "Account", f'label_values(awschange_channel_events_total{{channel="console", {CHOSEN_EXPORTERS}}}, account_id)'
)
REGION = Variable("region", "Region", f'label_values(awschange_channel_events_total{{channel="console", {CHOSEN_ACCOUNT}}}, region)')

# Groups that stand, by name and id, so that both can be searched for; and groups that changed but are gone or were never read.
_INFO = f"awschange_security_group_info{{{CHOSEN}}}"
_GROUPS = (
    "query_result("
    f'label_join(max by (security_group_id, security_group_name) ({_INFO}), "shown", " ", "security_group_name", "security_group_id")'
    f" or label_join(max by (security_group_id) (awschange_security_group_changes_total{{{CHOSEN}}})"
    f' unless on (security_group_id) {_INFO}, "shown", "", "security_group_id")'
    ")"
)
_GROUP_PATTERN = '/security_group_id="(?<value>[^"]+)".*shown="(?<text>[^"]+)"/'
GROUP = Variable(
    "group",
    "Security group",
    _GROUPS,
    several=False,
    pattern=_GROUP_PATTERN,
    description="By name and id; groups that are gone by id alone.",
)
GROUPS = Variable("group", "Security group", _GROUPS, pattern=_GROUP_PATTERN)

_PRINCIPALS = f"label_values(awschange_principal_first_seen_timestamp_seconds{{{CHOSEN_ACCOUNT}}}, principal)"
PRINCIPAL = Variable("principal", "Principal", _PRINCIPALS, several=False, description="Who made any call that was recorded.")
PRINCIPALS = Variable("principal", "Principal", _PRINCIPALS)

# The address that the exporter tells of itself (web.external_url); where it tells none, the one that Prometheus scrapes.
_WEB = 'awschange_exporter_web_info{external_url%s"", ' + CHOSEN_EXPORTERS + "}"
EXPORTER_URL = Variable(
    "exporter_url",
    "Exporter",
    "query_result("
    f'label_join({_WEB % "!="}, "address", "", "external_url")'
    f' or label_join(label_replace({_WEB % "="}, "scheme", "http:/", "", ""), "address", "/", "scheme", "instance")'
    ")",
    several=False,
    hidden=True,
    pattern='/address="([^"]+?)\\/*"/',
)

EVERYWHERE = (JOB, ACCOUNT, REGION)
"""What every dashboard can be narrowed to."""
