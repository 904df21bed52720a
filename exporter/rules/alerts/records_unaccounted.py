"""Records were read that have no fate."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangeRecordsUnaccounted",
    group="exporter",
    severity="critical",
    expr="""
        max without (instance, pod) (
          abs(
            awschange_exporter_records_read_total
            - (sum without (fate, reason) (awschange_exporter_records_total) or awschange_exporter_records_read_total * 0)
          )
          and ignoring (source) (
            sum without (source) (awschange_exporter_records_read_total)
            != (
              sum without (source, fate, reason) (awschange_exporter_records_total)
              or sum without (source) (awschange_exporter_records_read_total) * 0
            )
          )
        ) > 0
        """,
    hold="${hold}",
    why=(
        "Both sides come from one reading of the store, so they are equal in every scrape. The second summand stands for a source of "
        "which no record has a fate. With more sources than a series budget allows, the two counters fold at different ones into "
        "__other__; over all sources they are equal even then."
    ),
    thresholds=(Threshold("hold", "2m", "How long that must last.", duration=True),),
    summary="Records were read that have no fate.",
    description=(
        'Source {{ $labels.source }} of job {{ $labels.job }}: {{ $value | printf "%.0f" }} records that were read are '
        "neither stored nor duplicate nor ignored nor malformed, or the reverse. A change may have been lost."
    ),
    runbook=Runbook(
        means="""
            The exporter's own book-keeping does not add up: of the records read from a source, some are neither stored nor duplicate nor ignored nor
            malformed. Both sides are counted in one transaction, so this is a fault of the exporter or a damaged store, never the load or the network. A change
            may have been lost.
            """,
        queries=(
            Query(
                "How many, by source and replica",
                "awschange_exporter_records_read_total - sum without (fate, reason) (awschange_exporter_records_total)",
            ),
            Query(
                "What the fates are",
                "sum by (source, fate, reason) (awschange_exporter_records_total)",
            ),
            Query(
                "Whether the store reports errors",
                "sum by (operation) (increase(awschange_exporter_store_errors_total[1h])) > 0",
            ),
        ),
        then="""
            Keep a copy of the store file and the log, then read the same records into a fresh store (`aws-change-exporter poll` with another `store.path` and
            `live_since: beginning`) and compare. Report it with the version (`awschange_exporter_build_info`).
            """,
        silence_matchers="source=files --duration=1d --comment='reported'",
        false_positives=("None known. A metric relabelling that drops some of these series makes it fire.",),
    ),
)
