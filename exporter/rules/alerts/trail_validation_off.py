"""A trail signs no digests of its files."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import REPLICA_BEHIND, standing, such

_VALIDATED = standing('awschange_trail_validation_enabled{trail!~"${ignored}"}', each=("account_id", "region", "trail"), least=True)

ALERT = Alert(
    name="AwsChangeTrailValidationOff",
    group="audit",
    severity="warning",
    # One setting of the trail, which every region shows: where it is a trail of all regions it is one alert.
    expr=f"min by (account_id, trail) (\n  {such(_VALIDATED, '== 0')}\n)",
    hold="${hold}",
    thresholds=(
        Threshold("ignored", "", "Trails that need not sign digests, as an anchored regular expression."),
        Threshold("hold", "1h", "How long validation must be off.", duration=True),
    ),
    summary="A trail does not sign digests of its log files.",
    description=(
        "Account {{ $labels.account_id }}: log file validation of trail {{ $labels.trail }} is off. Nobody could tell whether its files were "
        "changed or taken away."
    ),
    history=True,
    runbook=Runbook(
        means="""
            The trail is without log file validation (CIS AWS Foundations 3.2, Security Hub CloudTrail.4): AWS signs no digests of its files, so files can be
            changed or taken out of the bucket without a trace, and a source of type `s3` cannot verify what it reads.

            `aws cloudtrail update-trail --name … --enable-log-file-validation`. Where it was on before, somebody called `UpdateTrail`: the history says who
            (watch set `logging`).
            """,
        queries=(
            Query("Which trails are without", "min by (account_id, trail) (awschange_trail_validation_enabled) == 0"),
            Query(
                "Up to when files of the account are verified, in hours ago",
                '(time() - max by (source, region) (awschange_exporter_trail_verified_until_timestamp_seconds{account_id="111122223333"})) / 3600',
            ),
            Query(
                "Whether somebody changed trails within a week (needs the watch set `logging`)",
                "max by (account_id, region, event_name, outcome) (increase(\n"
                '  awschange_events_total{event_source="cloudtrail.amazonaws.com"}[7d]\n'
                ")) > 0",
            ),
        ),
        silence="One trail that may be without; for good, name it in the threshold `ignored`:",
        silence_matchers="account_id=111122223333 trail=old-audit --duration=30d --comment='deleted with OPS-1234'",
        false_positives=("Trails that feed only a log group, whose files nobody reads.", REPLICA_BEHIND),
    ),
)
