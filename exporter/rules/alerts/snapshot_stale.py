"""One part of what stands is old, although readings succeed."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

_INTERVAL = 'max by (job) (awschange_exporter_poll_interval_seconds{source="posture"})'


def _behind(matcher: str) -> str:
    """Return where readings as a whole are behind (AwsChangePostureStale), of sources with (`!=`) or without (`=`) an account."""
    last = f'max without (instance, pod) (awschange_exporter_last_success_timestamp_seconds{{source="posture", account_id{matcher}""}})'
    return f"time() - {last} > on (job) group_left () ${{rounds}} * {_INTERVAL}"


ALERT = Alert(
    name="AwsChangeSnapshotStale",
    group="exporter",
    severity="warning",
    expr=(
        'time() - max without (instance, pod) (awschange_exporter_snapshot_timestamp_seconds{part!~"${ignored}"})\n'
        f"> on (job) group_left () ${{rounds}} * {_INTERVAL}\n"
        f"unless on (job, account_id, region) ({_behind('!=')})\n"
        f"unless on (job) ({_behind('=')})"
    ),
    hold="${hold}",
    why=(
        "A part that cannot be read makes its reading fail, which is AwsChangePostureStale; what is told here is a part that is not read any "
        "more though readings succeed. A source that spans accounts has no account_id, so while it is behind, all may be."
    ),
    thresholds=(
        Threshold("rounds", 3, "Readings that a part may miss, at `posture.poll_interval`."),
        Threshold("ignored", "", "Parts that may be old, as an anchored regular expression."),
        Threshold("hold", "30m", "How long that must last.", duration=True),
    ),
    summary="A part of what stands is not read any more, although readings succeed.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}, job {{ $labels.job }}: the part {{ $labels.part }} of what stands is "
        "{{ $value | humanizeDuration }} old, though readings succeed. The gauges that depend on it are as old."
    ),
    history=True,
    runbook=Runbook(
        means="""
            Readings of what stands succeed in this account and region, but the last complete answer for the part in the label `part` is more than ${rounds}
            readings old: the part is not asked for any more, as after `posture.load_balancers: false`, and its last answer still counts. With old `interfaces` or
            `load_balancers` the label `exposure` may be wrong; with old `prefix_lists` what rules let in; with old `trails` and `recorder` the audit alerts.

            If you switched the part off on purpose, name it in the threshold `ignored`. A reading that fails is told by
            [AwsChangePostureStale](AwsChangePostureStale.md) instead.
            """,
        queries=(
            Query(
                "How old each part is, in seconds",
                "sort_desc(time() - max by (account_id, region, part) (awschange_exporter_snapshot_timestamp_seconds))",
            ),
            Query("Whether readings succeed there", 'max without (instance, pod) (awschange_exporter_poll_success{source="posture"})'),
            Query(
                "Which calls AWS refuses",
                "sum by (operation, account_id, region, error_code) (increase(awschange_exporter_aws_request_errors_total[1h])) > 0",
            ),
        ),
        silence="One part of one account:",
        silence_matchers="account_id=444455556666 part=load_balancers --duration=24h --comment='waiting for access'",
        false_positives=(
            "A part that was switched off on purpose after it had been read.",
            "Clocks of exporter and Prometheus that differ by minutes, with a short `posture.poll_interval`.",
        ),
    ),
)
