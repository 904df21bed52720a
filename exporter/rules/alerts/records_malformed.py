"""Records could not be understood."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.counting import counted

_FOUND = counted(
    "source:awschange_exporter_records_malformed",
    'awschange_exporter_records_total{fate="malformed"}',
    over=("fate", "reason"),
    window="${window}",
    born=True,
    why="A series of this counter may be born with its first malformed records in it, which increase() does not see: what had no value before stood at 0.",
)

ALERT = Alert(
    name="AwsChangeRecordsMalformed",
    group="exporter",
    severity="warning",
    records=_FOUND.records,
    expr=f"{_FOUND.highest()} > 0.5",
    thresholds=(Threshold("window", "30m", "How far back is counted, and how long the alert lasts after the last one.", duration=True),),
    summary="Records could not be understood.",
    description=(
        'Source {{ $labels.source }} of job {{ $labels.job }}: {{ $value | printf "%.0f" }} records or files could not '
        "be understood within ${window}. Changes in them are not counted. The log names each."
    ),
    runbook=Runbook(
        means="""
            Within ${window} the exporter met records or files that it could not understand. Good records beside them count. What the bad ones say is in
            no metric and no history, so a change may hide there.
            """,
        queries=(
            Query(
                "Why (`gzip`, `truncated`, `too_large`, `encoding`, `json`, `shape`, `record`, `event_name`, `event_time`, `event_version`, `internal`)",
                'max by (source, reason) (awschange_exporter_records_total{fate="malformed"})',
            ),
            Query(
                "What share of all records that is",
                'sum by (source) (awschange_exporter_records_total{fate="malformed"}) / sum by (source) (awschange_exporter_records_read_total)',
            ),
            Query(
                "Since when",
                'sum by (source) (max_over_time(awschange_exporter_records_total{fate="malformed"}[7d:1h]))',
            ),
        ),
        then="""
            The log line `malformed` names the file, the reason and the detail of each. `truncated` and `gzip`: copy the file again from its
            bucket. `event_version`: AWS has a new major version, so update the exporter. `internal`: a fault of the exporter, report it with the record.
            """,
        silence_matchers="source=files --duration=1d --comment='broken archive, known'",
        false_positives=(
            "A file that is written in place: what stands half-written at the time of a poll counts as `truncated`. Its record is not lost, it is read when the file has grown. Write such a file under a name that ends in `.tmp` or `.part` and rename it.",
            "Files of something else in the directory: move them out, or name a narrower `path`.",
            "A first start over an archive with broken files, or a Prometheus that is new or was down for over six hours: old ones count as new, once.",
        ),
    ),
)
