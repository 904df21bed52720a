"""An exception ends soon, and what it covers will count as open."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

_LEFT = "min without (instance, pod) (awschange_exporter_exception_expiry_timestamp_seconds) - time()"

ALERT = Alert(
    name="AwsChangeExceptionExpiring",
    group="exposure",
    severity="warning",
    expr=f"{_LEFT} < ${{days}} * 86400\nand {_LEFT} > 0",
    hold="${hold}",
    why="Once it has ended, what it covered is told as open; one that covered nothing is nobody's concern.",
    thresholds=(
        Threshold("days", 14, "Days before its end from which on an exception is told."),
        Threshold("hold", "5m", "How long that must last.", duration=True),
    ),
    summary="An exception for what stands open ends soon.",
    description=(
        "Exception {{ $labels.exception }} of job {{ $labels.job }} ends in {{ $value | humanizeDuration }}. From then on what it covers "
        "counts as open, and pages if the internet reaches it."
    ),
    runbook=Runbook(
        means="""
            An exception of `posture.exceptions` ends within ${days} days. Until then what it covers is told as excepted; from then on it is open, and
            [AwsChangeOpenIngress](AwsChangeOpenIngress.md) pages for it, at midnight UTC where the exception has only a date.

            Ask whoever is named in its `reason`. Either close the rules, or write a new date, with the reason why again, and reload the configuration.
            """,
        queries=(
            Query(
                "How many days each exception has left",
                "sort((min without (instance, pod) (awschange_exporter_exception_expiry_timestamp_seconds) - time()) / 86400)",
            ),
            Query(
                "What stands open by exceptions, and will be told",
                "sum by (account_id, region, security_group_id, port_class, exposure) (\n"
                "  max by (account_id, region, vpc_id, security_group_id, protocol, port_class, ip_version, exposure) (\n"
                "    awschange_open_ingress_excepted_rules\n"
                "  )\n"
                ")",
            ),
            Query(
                "Whether the configuration with the new date is in force: when it was loaded",
                "awschange_exporter_config_last_reload_success_timestamp_seconds",
            ),
        ),
        silence="One exception, when its rules will be closed by its end:",
        silence_matchers="exception=public-dns --duration=14d --comment='closed with OPS-1234'",
        false_positives=(
            "An exception that covers nothing any more: take it out of the configuration.",
            "Of two replicas one has not loaded the new date yet: the one that ends first is told.",
        ),
    ),
)
