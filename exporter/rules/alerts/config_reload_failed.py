"""A new configuration was refused, and the old one goes on."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangeConfigReloadFailed",
    group="exporter",
    severity="warning",
    expr="""
        min without (instance, pod) (awschange_exporter_config_last_reload_successful) == 0
        or min without (instance, pod) (awschange_exporter_web_config_last_reload_successful) == 0
        """,
    hold="${hold}",
    thresholds=(Threshold("hold", "5m", "How long the last attempt must have failed.", duration=True),),
    summary="The exporter could not load its configuration.",
    description=(
        "An exporter of job {{ $labels.job }} could not load its new configuration; the old one is still in force. New accounts, exceptions "
        "and watch sets have no effect, and the next restart will fail."
    ),
    runbook=Runbook(
        means="""
            The last attempt to load the configuration failed (SIGHUP or `POST /-/reload`), and the one before is still in force. Whoever changed it believes
            otherwise. A restart would not come up. The log says what is wrong; `aws-change-exporter check-config …` says the same. So it is with the file
            of `--web.config.file` and its certificates, which are read again when they change: a certificate that could not be renewed ends some day.
            """,
        queries=(
            Query(
                "Which replicas have failed",
                "awschange_exporter_config_last_reload_successful == 0 or awschange_exporter_web_config_last_reload_successful == 0",
            ),
            Query(
                "How old the configuration in force is, in hours",
                "(time() - awschange_exporter_config_last_reload_success_timestamp_seconds) / 3600",
            ),
            Query("How often it was tried within a day, and failed", "increase(awschange_exporter_config_reload_failures_total[1d])"),
        ),
        silence="Until the configuration is repaired:",
        silence_matchers="--duration=2h --comment='repair is on its way'",
        false_positives=("None known.",),
    ),
)
