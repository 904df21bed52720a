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

_GROUPS = f'label_values({{__name__=~"awschange_security_group_(info|changes_total)", {CHOSEN}}}, security_group_id)'
GROUP = Variable("group", "Security group", _GROUPS, several=False, description="Groups that stand, and groups that changed.")
GROUPS = Variable("group", "Security group", _GROUPS)

_PRINCIPALS = f"label_values(awschange_principal_first_seen_timestamp_seconds{{{CHOSEN_ACCOUNT}}}, principal)"
PRINCIPAL = Variable("principal", "Principal", _PRINCIPALS, several=False, description="Who made any call that was recorded.")
PRINCIPALS = Variable("principal", "Principal", _PRINCIPALS)

# The address that the exporter tells of itself (web.external_url); where it tells none, the one that Prometheus scrapes.
EXPORTER_URL = Variable(
    "exporter_url",
    "Exporter",
    "query_result("
    f'label_replace(awschange_exporter_web_info{{external_url!="", {CHOSEN_EXPORTERS}}}, "address", "$1", "external_url", "(.+?)/*")'
    f' or label_replace(awschange_exporter_web_info{{external_url="", {CHOSEN_EXPORTERS}}}, "address", "http://$1", "instance", "(.+)")'
    ")",
    several=False,
    hidden=True,
    pattern='/address="([^"]+)"/',
)

EVERYWHERE = (JOB, ACCOUNT, REGION)
"""What every dashboard can be narrowed to."""
