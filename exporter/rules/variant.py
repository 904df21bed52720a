"""The alert on unusual rates without the exporter's forecast, for those whose Prometheus keeps five weeks; loaded by nobody unasked."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold
from exporter.rules.classes import LABELS, changes_by_class
from exporter.rules.record import Record

_LEVEL = "account_region_class:awschange_hourly_changes"
_COUNTED = changes_by_class(_LEVEL)
_OBSERVED = Record(f"{_LEVEL}:observed1h", _COUNTED.highest(*LABELS))

_WEEK = 7 * 24
_WEEKS = "\n  or ".join(
    f'label_replace(max_over_time({_OBSERVED.name}[2h] offset {weeks * _WEEK - 1}h), "weeks", "{weeks}", "", "")' for weeks in (1, 2, 3, 4)
)
_USUAL = Record(
    f"{_LEVEL}:usual4w",
    f"quantile by ({', '.join(LABELS)}) (2 / 3,\n  {_WEEKS}\n)",
    "The same hour of the last four weeks, and the hours beside it, so that a clock that is put forward or back makes nothing unusual. Of "
    "four weeks the second highest counts: neither an incident nor a week of deploys teaches that more is usual. Weeks that are missing "
    "are left out.",
)
_UPPER = Record(
    f"{_LEVEL}:upper4w",
    f"""
    {_USUAL.name}
    + ${{spread}} * sqrt(
      1 + {_USUAL.name}
      + ${{clumping}} * {_USUAL.name} ^ 2
    )
    or {_OBSERVED.name} * 0 + ${{unknown}}
    """,
    "The spread is that of counts, not of measurements: it grows with the count and is never 0, and changes come in clumps, so it grows "
    "faster than by chance alone. With no week to go by a fixed number stands in.",
)

VARIANT = Alert(
    name="AwsChangeRateAnomalousByPromql",
    group="rate",
    severity="critical",
    records=(*_COUNTED.records, _OBSERVED, _USUAL, _UPPER),
    expr=f"{_OBSERVED.name} > clamp_min({_UPPER.name}, ${{floor}})",
    why="As AwsChangeRateAnomalous, but what is usual is learned by Prometheus alone. Load one of the two.",
    thresholds=(
        Threshold("floor", 10, "Changes of one hour that never page, however unusual they are."),
        Threshold("unknown", 30, "Changes of one hour that are too many while there is no week to go by."),
        Threshold("spread", 3, "How many standard deviations above what is usual is too many."),
        Threshold("clumping", 0.25, "How much more changes scatter than by chance: the variance is usual + clumping * usual²."),
    ),
    summary="Many more changes than at this hour of the last weeks.",
    description=(
        'Account {{ $labels.account_id }}, region {{ $labels.region }}: {{ $value | printf "%.0f" }} calls by '
        "{{ $labels.channel_class }} in 1 hour"
        f'{{{{ with printf "{_USUAL.name}{{account_id=%q,region=%q,channel_class=%q}}" $labels.account_id $labels.region '
        '$labels.channel_class | query }}; at this hour of the last weeks it was {{ . | first | value | printf "%.0f" }}{{ end }}.'
    ),
    history=True,
    runbook=Runbook(
        means="""
            Within one hour more calls that change security groups were made by one class of tools in one account and region than the same
            hour of the last four weeks makes likely, and more than ${floor}. It is [AwsChangeRateAnomalous](AwsChangeRateAnomalous.md)
            with a baseline of Prometheus' own, and what to do is the same.

            The baseline is the second highest of the same hour (and the hours beside it) in the last four weeks. Where Prometheus has no
            week of it, more than ${unknown} calls page.
            """,
        queries=(
            Query(
                "What is observed, and what was usual",
                f'max by (channel_class) ({_OBSERVED.name}{{account_id="111122223333", region="us-east-1"}})\n'
                f'- max by (channel_class) ({_USUAL.name}{{account_id="111122223333", region="us-east-1"}})',
            ),
            Query(
                "Which calls, and with what outcome",
                "max by (event_name, outcome) (\n"
                '  increase(awschange_events_total{account_id="111122223333", region="us-east-1"}[1h])\n) > 0',
            ),
            Query(
                "Which principals",
                "sort_desc(sum by (principal) (max by (security_group_id, event_name, principal) (increase(\n"
                '  awschange_security_group_changes_total{account_id="111122223333", region="us-east-1"}[1h]\n))) > 0)',
            ),
        ),
        silence="For the length of the work, with the class, so that the others still page:",
        silence_matchers="account_id=111122223333 region=us-east-1 channel_class=automation --duration=2h --comment='migration'",
        false_positives=(
            "The first deploy at a new time of the week, and the second one after four weeks without.",
            "The first weeks of a Prometheus: it learns from when its rules were loaded.",
            "Holidays: the hours after them are compared with the quiet ones only if those were in two of four weeks.",
            "Changes that arrive late in one go after a source could not be read: compare event times in the history.",
        ),
    ),
)
