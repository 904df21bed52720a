"""One aws-change-exporter cannot be scraped."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangeReplicaDown",
    group="exporter",
    severity="warning",
    expr='up{job=~"${exporter_job}"} == 0',
    hold="${hold}",
    thresholds=(Threshold("hold", "15m", "How long that must last.", duration=True),),
    summary="One aws-change-exporter cannot be scraped.",
    description=("{{ $labels.instance }} of job {{ $labels.job }} could not be scraped for ${hold}. What only it watches is not watched."),
    runbook=Runbook(
        means="""
            One target could not be scraped for ${hold}. If another replica reads the same sources, nothing is missed; where replicas share a store (`store.url`),
            the others have taken over what it polled. If this one alone watches some account or region, nobody watches that. When no replica is left,
            [AwsChangeExporterDown](AwsChangeExporterDown.md) pages.
            """,
        queries=(
            Query(
                "Which targets answer",
                'up{job=~"${exporter_job}"}',
            ),
            Query(
                "Which accounts and regions only the missing one had, six hours ago against now",
                "count by (account_id, region) (awschange_ingress_opened_total offset 6h) unless count by (account_id, region) (awschange_ingress_opened_total)",
            ),
            Query(
                "How old the sources are that are still read",
                "time() - max without (instance, pod) (awschange_exporter_last_success_timestamp_seconds)",
            ),
        ),
        silence_matchers="instance=192.0.2.10:10893 --duration=4h --comment='node maintenance'",
        false_positives=("A target that was taken away on purpose but still stands in a static scrape configuration.",),
    ),
)
