"""Messages of a queue could not be understood."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_FOUND = counted(
    "source:awschange_exporter_queue_messages_poison",
    'awschange_exporter_queue_messages_total{fate="poison"}',
    window="${window}",
    born=True,
)

ALERT = Alert(
    name="AwsChangeMessagesPoison",
    group="exporter",
    severity="warning",
    records=_FOUND.records,
    expr=f"{_FOUND.highest()} > 0.5",
    thresholds=(Threshold("window", "1h", "How far back is counted, and how long the alert lasts after the last one.", duration=True),),
    summary="Messages of a queue could not be understood.",
    description=(
        'Source {{ $labels.source }} of job {{ $labels.job }}: {{ $value | printf "%.0f" }} message(s) of its queue '
        "could not be understood within ${window} and were left to the dead-letter queue. Changes that they tell of are "
        "not counted. The log says what is wrong with each."
    ),
    runbook=Runbook(
        means="""
            A queue that a source reads brought messages that are none of S3, SNS, CloudTrail or EventBridge, or are damaged, or belong to a source of the
            other type (events of CloudTrail in a queue of `s3`, new files in one of `eventbridge`: two queues were mistaken). The exporter leaves them in the
            queue; its redrive policy moves them to the dead-letter queue after some deliveries. If they told of changes, those are not counted by this road.
            """,
        queries=(
            Query(
                "How many messages came to what end",
                "sum by (source, fate) (awschange_exporter_queue_messages_total)",
            ),
            Query(
                "Since when",
                'sum by (source) (max_over_time(awschange_exporter_queue_messages_total{fate="poison"}[7d:1h]))',
            ),
            Query(
                "Whether another road brings the changes all the same",
                'sum by (source) (increase(awschange_exporter_records_total{fate=~"stored|duplicate"}[1h]))',
            ),
        ),
        then="""
            The log line `poison` names the queue, the message's id and what is wrong with it. Look at the message in the dead-letter queue. `aws-change-exporter
            doctor` says whether the queue has a redrive policy: without one the message comes again until it expires.
            """,
        silence_matchers="source=s3 --duration=1d --comment='test messages, known'",
        false_positives=(
            "Somebody tried the queue by hand, or another program sends to it. Give the exporter a queue of its own, with a policy that lets only AWS send.",
            "A Prometheus that is new or was down for over six hours: old ones count as new, once.",
        ),
    ),
)
