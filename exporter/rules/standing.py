"""What gauges of what stands say, told so that an exporter that is away for a moment neither resolves an alert nor fires it anew.

A gauge of what stands is gone when what it shows is gone, and also while the exporter cannot be scraped or moves. The two differ in the
time of the picture, which stands as long as anybody shows the account and region: where it is gone as well, the last value of the
quarter of an hour before stands. Replicas look at the same thing, so the worst of them counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

from exporter.rules.record import Record

REMEMBERED = "15m"
"""How long the last value stands in for an exporter that is away."""

_SHOWN = "unless on (account_id, region) max by (account_id, region) (awschange_exporter_snapshot_timestamp_seconds)"

GROUP = (
    '{{ if eq $labels.security_group_id "__other__" }}security groups past the series budget'
    "{{ else }}security group {{ $labels.security_group_id }}{{ end }}"
)
"""A Go template that names the group of an alert; folded groups have no name."""

REPLICA_BEHIND = "Of two replicas one cannot read what stands any more: its last answer stands until it can, and the worse one counts."
"""A false positive of every alert on what stands."""


def standing(gauge: str, *, each: Sequence[str], by: Sequence[str] | None = None, least: bool = False) -> str:
    """Return the worst value of a gauge, given with its selector, by the labels `each`, then summed `by` labels, where they are given.

    The greatest value is the worst, unless `least`.
    """
    worst = f"{'min' if least else 'max'} by ({', '.join(each)})"
    now, last = f"{worst} ({gauge})", f"{worst} (last_over_time({gauge}[{REMEMBERED}]))"
    if by is not None:
        now, last = (f"sum by ({', '.join(by)}) (\n{indent(expr, '  ')}\n)" for expr in (now, last))
    return f"{now}\nor (\n{indent(last, '  ')}\n  {_SHOWN}\n)"


def such(expr: str, condition: str) -> str:
    """Return an expression of several lines with a condition, such as `> 0`."""
    return f"(\n{indent(expr, '  ')}\n) {condition}"


_BY = ("account_id", "region", "security_group_id", "port_class", "exposure")

OPEN_RULES = Record(
    "account_region_security_group_id_port_class_exposure:awschange_open_ingress_rules:sum",
    standing(
        "awschange_open_ingress_rules",
        each=("account_id", "region", "vpc_id", "security_group_id", "protocol", "port_class", "ip_version", "exposure"),
        by=_BY,
    ),
    why=(
        "VPC, protocol and IP version go: one group that is open for one class of ports is one alert. While the exporter is away, the last "
        "value of the quarter of an hour before stands, so that a restart neither resolves an alert nor fires it anew."
    ),
)
"""Open rules of each group by class and exposure."""

OPEN_LABELS = ("account_id", "region", "security_group_id", "port_class")
"""What makes one alert of what stands open."""


def open_rules(matchers: str) -> str:
    """Return the open rules of each group and class that matchers select."""
    return f"max by ({', '.join(OPEN_LABELS)}) (\n  {OPEN_RULES.name}{{{matchers}}}\n)"
