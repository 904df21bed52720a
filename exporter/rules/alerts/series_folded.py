"""A family has more series than its budget, and the rest is one sum."""

from __future__ import annotations

from exporter.rules.alert import Alert, Query, Runbook, Threshold

ALERT = Alert(
    name="AwsChangeSeriesFolded",
    group="exporter",
    severity="warning",
    expr='max without (instance, pod) (awschange_exporter_series_folded{family!~"${ignored}"}) > 0',
    hold="${hold}",
    thresholds=(
        Threshold("ignored", "", "Families whose detail may be folded, as an anchored regular expression."),
        Threshold("hold", "1h", "How long series must be folded.", duration=True),
    ),
    summary="Series past the budget of a family are folded into __other__.",
    description=(
        '{{ $value | printf "%.0f" }} series of {{ $labels.family }} of job {{ $labels.job }} are past its budget: counted, but only in a sum '
        "under __other__. Alerts by account, region or name do not see them one by one."
    ),
    runbook=Runbook(
        means="""
            The family in the label `family` has more series than its budget. The first by birth (of gauges of what stands: the first by name) are shown one by
            one, the rest as one sum, least or greatest value where the folded labels are `__other__` ([metrics](../metrics.md)). Nothing is uncounted; but an
            alert by account and region, or by the name of a call, sees no more than `__other__` of them.

            Raise `metrics.budgets` for `awschange_events_total`, `awschange_ingress_opened_total`, and the gauges of what stands, and see that Prometheus has the memory.
            For families of detail (`awschange_security_group_changes_total`, `awschange_principal_changes_total`) you may live with it: name them in the
            threshold `ignored`.
            """,
        queries=(
            Query("Which families are folded, and by how many series", "max by (family) (awschange_exporter_series_folded) > 0"),
            Query(
                "How full each family is, as a share of its budget",
                "sort_desc(max by (family) (awschange_exporter_series / awschange_exporter_series_limit) > 0.5)",
            ),
            Query(
                "Which accounts have most principals: names made up by the thousand are how somebody hides",
                "topk(10, count by (account_id) (awschange_principal_changes_total))",
            ),
        ),
        silence="One family, until the budget is raised:",
        silence_matchers="family=awschange_security_group_changes_total --duration=7d --comment='budget is raised with the next release'",
        false_positives=("Families of detail in a large estate, whose sum is all that you need.",),
    ),
)
