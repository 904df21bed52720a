"""What the golden pages are made from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from exporter.aws.operations import GET_OBJECT, LOOKUP_EVENTS
from exporter.checks import Sight, samples
from exporter.forecast import Forecaster
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.model import Direction, PeerType, Rule, Unit
from exporter.posture.judge import OpenRule
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Attachment, Exposure, Group, Part, RecorderLight, Standing, TrailLight
from exporter.store.base import HourlyCounts
from tests.series_store import SeriesStore

FILES = {False: Path(__file__).with_name("metrics.txt"), True: Path(__file__).with_name("openmetrics.txt")}
"""The golden file of each format; the key is whether it is OpenMetrics."""

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC).timestamp()
EVENT_ID = "6c604d53-0000-4000-8000-000000000001"
ODD_NAME = 'role/"odd"\\name\nwith \u2028 and \x1b[31m'
ACCOUNT, REGION = "111122223333", "us-east-1"


def _sight() -> Sight:
    """Return a picture in which every check finds something."""
    rule = Rule(Direction.INGRESS, "sgr-0123456789abcdef0", "tcp", 22, 22, PeerType.IPV4, "0.0.0.0/0")
    web = Group("sg-0123456789abcdef0", ODD_NAME, "vpc-0123456789abcdef0", (rule,))
    full = Group("sg-0123456789abcdef1", "full", "vpc-0123456789abcdef0", tuple(replace(rule, rule_id=str(n)) for n in range(45)))
    default = Group("sg-0123456789abcdef2", "default", "vpc-0123456789abcdef0", (rule,))
    at = datetime.fromtimestamp(NOW - 120, UTC)
    standing = Standing(
        ACCOUNT,
        REGION,
        groups=(web, full, default),
        attachments={web.group_id: Attachment(1, public_ipv4=True)},
        trails=(TrailLight("audit", last_delivery=at, validates=True), TrailLight("org", gap="it is stopped")),
        recorder=(RecorderLight("default", frequency="daily"),),
        read_at={Part.GROUPS: at, Part.TRAILS: at},
    )
    found = [
        OpenRule(group, rule, "tcp", 22, 22, 4, "admin", exposure, exception)
        for group, exposure, exception in (
            (web, Exposure.PUBLIC, ""),
            (full, Exposure.ATTACHED, ""),
            (full, Exposure.ATTACHED, "bastion"),
            (default, Exposure.UNATTACHED, ""),
        )
    ]
    return Sight(standing, found, 1, PostureSettings(), datetime.fromtimestamp(NOW, UTC))


def page(openmetrics: bool) -> str:
    """Return the page of the fixed store, as a scrape sees it."""
    store = SeriesStore()
    event_time = NOW - 300.5
    unit = (ACCOUNT, REGION)
    authorize = (*unit, "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress")
    shown_before = [
        store.add("awschange_events_total", (*authorize, outcome), 0.0) for outcome in ("success", "noop", "denied", "failed", "dry_run")
    ]
    shown_before += [store.add("awschange_channel_events_total", (*unit, channel), 0.0) for channel in ("console", "terraform")]
    shown_before += [store.add("awschange_ingress_opened_total", (*unit, port_class), 0.0) for port_class in ("all", "admin")]
    group = "awschange_security_group_changes_total"
    names = ("role/Deploy", ODD_NAME, "user/alice", "user/bob", "user/carol")
    groups = [(*unit, "sg-0123456789abcdef0", "AuthorizeSecurityGroupIngress", name) for name in names]
    shown_before += [store.add(group, groups[0], 0.0), store.add(group, groups[1], 0.0)]
    store.mark_exposed(shown_before, datetime.fromtimestamp(NOW, UTC) - timedelta(hours=1))
    store.add("awschange_events_total", (*authorize, "success"), 3.0, EVENT_ID, event_time)
    store.add("awschange_events_total", (*authorize, "denied"), 1.0, EVENT_ID[:-1] + "2", event_time)
    store.add("awschange_channel_events_total", (*unit, "console"), 4.0, EVENT_ID, event_time)
    store.add("awschange_ingress_opened_total", (*unit, "admin"), 1.0, EVENT_ID, event_time)
    for number, labels in enumerate(groups):
        store.add(group, labels, number + 1.0, EVENT_ID, event_time)  # the third is held at 0, the others are folded
    store.add("awschange_principal_changes_total", (ACCOUNT, "role", "role/Deploy"), 1.0, EVENT_ID, event_time)
    store.add("awschange_principal_first_seen_timestamp_seconds", (ACCOUNT, "role", "role/Deploy"), event_time)
    store.add("awschange_last_change_observed_timestamp_seconds", unit, NOW - 1)
    store.add("awschange_exporter_records_read_total", ("files",), 7.0)
    for fate, reason, count in (("stored", "", 4.0), ("duplicate", "", 1.0), ("ignored", "not_watched", 1.0), ("malformed", "json", 1.0)):
        store.add("awschange_exporter_records_total", ("files", fate, reason), count)
    store.replace_samples(Unit(*unit), [(sample.family, sample.labels, sample.value) for sample in samples(_sight())])

    telemetry = Telemetry(version="0.0.0", python_version="3.11.0")
    telemetry.config_loaded(NOW - 3600)
    telemetry.exceptions({"bastion": NOW + 86400.0})
    telemetry.web_info("https://changes.example.com/")
    telemetry.register_source("files", "", "")
    telemetry.register_job("poll files")
    telemetry.poll_finished("files", "", "", 0.25, NOW - 30, None)
    telemetry.event_stored("files", 299.5)
    telemetry.event_repeated("files", 30.0)
    telemetry.count_units(NOW)
    telemetry.aws_request(LOOKUP_EVENTS, ACCOUNT, REGION, 0.125, None)
    telemetry.aws_request(LOOKUP_EVENTS, ACCOUNT, REGION, 0.0625, "ThrottlingException")
    telemetry.aws_request(GET_OBJECT, ACCOUNT, REGION, 0.25, None)
    telemetry.store_stats(store.stats())
    telemetry.page_refreshed(0.0625)
    telemetry.expectation(NOW - 1800)
    hour = int(NOW) // 3600
    store.hours = HourlyCounts({(*unit, "console"): dict.fromkeys(range(hour - 2000, hour, 24), 3)}, {unit: hour - 2000})
    forecaster = Forecaster(store, timedelta(days=90))
    forecaster.renew(datetime.fromtimestamp(NOW, UTC))
    budgets = {group: 3, "awschange_open_ingress_rules": 2}
    exposition = Exposition(store, budgets, timedelta(minutes=2), lambda: NOW, telemetry, states=True, forecaster=forecaster)
    return exposition.text(openmetrics)
