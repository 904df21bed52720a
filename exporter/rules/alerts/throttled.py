"""AWS refuses many of the exporter's requests because there are too many."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

_BY = "job, account_id, region, aws_service"


def _sent(metric: str) -> str:
    return f"sum by ({_BY}) (increase({metric}[${{window}}]))"


ALERT = Alert(
    name="AwsChangeThrottled",
    group="exporter",
    severity="warning",
    expr=(
        f"{_sent('awschange_exporter_aws_throttles_total')} / {_sent('awschange_exporter_aws_requests_total')} > ${{share}}\n"
        f"and {_sent('awschange_exporter_aws_throttles_total')} > ${{requests}}"
    ),
    hold="${hold}",
    why="Replicas send requests of their own, and AWS counts all of them: here their sum is what happens.",
    thresholds=(
        Threshold("share", 0.2, "Share of the requests that AWS refuses."),
        Threshold("requests", 10, "Refused requests within the window without which nothing is told."),
        Threshold("window", "30m", "How far back requests are counted together.", duration=True),
        Threshold("hold", "15m", "How long that must last.", duration=True),
    ),
    summary="AWS throttles the exporter.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: AWS refused {{ $value | humanizePercentage }} of the requests of job "
        "{{ $labels.job }} to {{ $labels.aws_service }} in the last ${window} because there are too many. Changes come late."
    ),
    history=True,
    runbook=Runbook(
        means="""
            AWS refused more than ${share} (1 is all) of the requests to one service in one account and region. The exporter keeps below AWS's limits and
            tries again, so nothing is lost; but every other user of the API shares them, and LookupEvents has only 2 calls a second for all together.

            Look who else calls: consoles left open, other tools that read Event history, a second exporter. Otherwise lower `aws.lookup_rate`, lengthen
            `poll_interval`, or take a road without LookupEvents ([operations](../operations.md)).
            """,
        queries=(
            Query(
                "Which calls are refused, by minute",
                "sum by (account_id, region, aws_service, operation) (rate(awschange_exporter_aws_throttles_total[15m])) * 60 > 0",
            ),
            Query(
                "How many requests the exporter sends by second",
                "sum by (account_id, region, aws_service, operation) (rate(awschange_exporter_aws_requests_total[15m]))",
            ),
            Query(
                "Whether polls still succeed there",
                'max without (instance, pod) (awschange_exporter_poll_success{account_id="111122223333"})',
            ),
        ),
        silence="While somebody reads Event history at large:",
        silence_matchers="account_id=111122223333 region=us-east-1 --duration=4h --comment='audit reads Event history'",
        false_positives=(
            "The first hours of a new account, in which 90 days of the past are read.",
            "An investigation with `history --from cloudtrail`, which shares the limit.",
        ),
    ),
)
