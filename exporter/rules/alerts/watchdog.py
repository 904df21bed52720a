"""Always fires: where it does not arrive, no alert does."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook

ALERT = Alert(
    name="AwsChangeWatchdog",
    group="exporter",
    severity="info",
    expr="vector(1)",
    summary="Always fires, so that its absence shows that alerts do not arrive.",
    description="These rules are evaluated and their alerts arrive. Send this one to something that tells you when it stops.",
    runbook=Runbook(
        means="""
            It always fires. It says that Prometheus evaluates these rules and that Alertmanager delivers; it says nothing of the exporter, for which
            [AwsChangeExporterDown](AwsChangeExporterDown.md) is there. Route it to a dead man's switch (a service that pages when it hears nothing for some
            minutes), or to nobody. When that service pages, no alert of any kind arrives: look at Prometheus, then at Alertmanager.
            """,
        queries=(
            Query("Whether the rules are evaluated", 'ALERTS{alertname="AwsChangeWatchdog"}'),
            Query("Whether Prometheus has the exporter at all", 'up{job=~"${exporter_job}"}'),
            Query(
                "Which alerts of the exporter fire now",
                'count by (alertname, severity) (ALERTS{alertname=~"AwsChange.*", alertstate="firing"})',
            ),
        ),
        silence="Route it to nobody rather than silence it:",
        silence_matchers="--duration=1h --comment='Alertmanager is moved'",
        false_positives=("None: that it fires is right.",),
    ),
)
