"""No trail records in an account and region."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.standing import REPLICA_BEHIND, standing, such

_TRAILS = standing("awschange_trails_logging", each=("account_id", "region"), least=True)

ALERT = Alert(
    name="AwsChangeNoTrail",
    group="audit",
    severity="critical",
    expr=such(_TRAILS, "== 0"),
    hold="${hold}",
    thresholds=(Threshold("hold", "10m", "How long none must record.", duration=True),),
    summary="No trail records the changes of an account and region.",
    description=(
        "Account {{ $labels.account_id }}, region {{ $labels.region }}: no trail records every write of EC2's management events. There is "
        "no evidence beyond Event history, and what a trail feeds is silent."
    ),
    history=True,
    runbook=Runbook(
        means="""
            As last read, no trail that is seen in this account and region records every write of EC2's management events: there is none, logging is off, or event
            selectors leave writes out. Nothing lasts longer than the 90 days of Event history, and sources of type `s3` and `eventbridge` bring nothing of it.

            If it was otherwise before, somebody did it: look for `StopLogging`, `DeleteTrail`, `UpdateTrail`, `PutEventSelectors` in the history (watch set
            `logging`, [AwsChangeTrailTampered](AwsChangeTrailTampered.md)) or in Event history itself. Event history cannot be switched off.
            """,
        queries=(
            Query(
                "Which trails are seen there, and which record (1)",
                'min by (trail) (awschange_trail_logging{account_id="111122223333", region="us-east-1"})',
            ),
            Query("Where else none records", "min by (account_id, region) (awschange_trails_logging) == 0"),
            Query(
                "How old the answer is, in seconds",
                'time() - awschange_exporter_snapshot_timestamp_seconds{account_id="111122223333", region="us-east-1", part="trails"}',
            ),
        ),
        silence="An account that has no trail yet:",
        silence_matchers="account_id=444455556666 --duration=7d --comment='joins the trail of the organization with OPS-1234'",
        false_positives=(
            "An account or a region that never had a trail, at the first start: it is true, and it was so before.",
            "A trail whose advanced selectors leave out some writes of EC2 on purpose.",
            "A trail of the organization that this account cannot judge counts as unknown (`awschange_trails_unknown`), and never fires this.",
            REPLICA_BEHIND,
        ),
    ),
)
