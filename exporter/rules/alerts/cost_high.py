"""The exporter's requests to AWS cost more than they should."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangeCostHigh",
    group="exporter",
    severity="warning",
    expr="sum by (account_id) (awschange_exporter_aws_estimated_cost_dollars_per_day) > ${dollars}",
    hold="${hold}",
    why="Replicas pay each for themselves. The value is the last hour, taken for a day: a first listing alone does not hold that long.",
    thresholds=(
        Threshold("dollars", 5, "US dollars a day that the requests in one account may cost."),
        Threshold("hold", "2h", "How long it must be so high.", duration=True),
    ),
    summary="The exporter's requests to AWS are expensive.",
    description=(
        'Account {{ $labels.account_id }}: the exporter\'s requests cost ${{ $value | printf "%.2f" }} a day, if it goes on as in the last hour.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            What the exporter asks of AWS in one account would cost more than ${dollars} US dollars a day, by list prices of us-east-1 and without free tiers.
            LookupEvents and EC2's calls are free; listings of a bucket, log files and queue messages are not. Most often it is a listing of many accounts and
            regions with a short `poll_interval`, or a queue that brings the same messages again and again.

            Let a queue bring the files (`queue_url`), or list less often: what each road costs is in [operations](../operations.md#what-it-costs).
            """,
        queries=(
            Query(
                "Which service it is, in dollars a day",
                "sum by (account_id, aws_service) (awschange_exporter_aws_estimated_cost_dollars_per_day) > 0",
            ),
            Query(
                "Which calls are made most, by second",
                "topk(10, sum by (account_id, aws_service, operation) (rate(awschange_exporter_aws_requests_total[1h])))",
            ),
            Query(
                "What it has cost since the exporter started",
                "sum by (account_id, aws_service) (awschange_exporter_aws_estimated_cost_dollars_total) > 0",
            ),
        ),
        silence="While the past is read from a bucket:",
        silence_matchers="account_id=111122223333 --duration=24h --comment='90 days are read from the bucket'",
        false_positives=(
            "The first start with a large bucket, whose past is read once.",
            "Prices of your region and your contract differ from the list.",
        ),
    ),
)
