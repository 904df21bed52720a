"""No aws-change-exporter can be scraped."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangeExporterDown",
    group="exporter",
    severity="critical",
    expr="""
        max without (instance, pod) (up{job=~"${exporter_job}"}) == 0
        or absent(up{job=~"${exporter_job}"})
        """,
    hold="${hold}",
    thresholds=(Threshold("hold", "5m", "How long that must last.", duration=True),),
    summary="No aws-change-exporter can be scraped.",
    description=(
        "No exporter of job {{ with $labels.job }}{{ . }}{{ else }}aws-change-exporter (Prometheus knows no target of "
        "it){{ end }} could be scraped for ${hold}. Nobody watches."
    ),
    runbook=Runbook(
        means="""
            For ${hold} no exporter of the job could be scraped, or Prometheus has no target at all whose job name contains
            `aws-change-exporter`. Nobody watches; no other alert of this product can fire. Changes made meanwhile count and page when it is back.
            """,
        queries=(
            Query(
                "Which targets there are, and which answer",
                'up{job=~"${exporter_job}"}',
            ),
            Query(
                "When it last answered",
                'max by (job) (max_over_time(timestamp(up{job=~"${exporter_job}"} == 1)[1d:1m]))',
            ),
            Query(
                "Whether it ran out of memory before",
                'max_over_time(process_resident_memory_bytes{job=~"${exporter_job}"}[6h])',
            ),
        ),
        then="""
            Then the process: does it run, what are its last log lines, does `curl http://HOST:10893/-/ready` answer on the machine itself? It ends at once, saying why,
            on a wrong configuration (`aws-change-exporter check-config FILE`) or where the store's directory cannot be written.
            """,
        silence_matchers="--duration=30m --comment='move to another machine'",
        false_positives=(
            "Replicas that differ in a target label other than `instance` and `pod`, such as `node`: each is then an exporter of its own. Drop the label.",
            "Another job name: set `alerts.exporter_job` in the configuration that `rules` reads.",
            "A network between Prometheus and exporter that is cut: the exporter still watches, but nobody hears it.",
        ),
    ),
)
