"""Series as a Prometheus keeps them of a made-up estate, of any size and length, as OpenMetrics for `promtool tsdb create-blocks-from`.

Every family of the exporter is there, each as wide as the estate makes it and its budget lets it, and something happens in all of
them: polls fail, files are late, groups stand open. The same seed makes the same series.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Literal, TextIO

from exporter.catalog import CORE_EVENTS
from exporter.checks import STATE_FAMILIES
from exporter.families import FAMILIES
from exporter.forecast import FORECAST_FAMILIES
from exporter.metrics.table import SERIES_GAUGES, TELEMETRY
from exporter.model import Channel, Outcome
from exporter.posture.ports import PORT_CLASSES

Labels = Mapping[str, str]

TARGET: Labels = {"job": "aws-change-exporter", "instance": "exporter.example.com:10893"}
_REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2", "sa-east-1", "ca-central-1")
_CALLS = (
    ("cloudtrail", "LookupEvents"), ("ec2", "DescribeSecurityGroups"), ("ec2", "DescribeSecurityGroupRules"), ("ec2", "DescribeNetworkInterfaces"),
    ("ec2", "DescribeManagedPrefixLists"), ("cloudtrail", "DescribeTrails"), ("config", "DescribeConfigurationRecorders"), ("sts", "AssumeRole"),
)  # fmt: skip
_NAMES = tuple(name for _, name in CORE_EVENTS)
_VALUES: Mapping[str, Sequence[str]] = {
    "outcome": [outcome.value for outcome in Outcome],
    "channel": [channel.value for channel in Channel],
    "channel_class": ["people", "scripts", "automation"],
    "port_class": PORT_CLASSES,
    "protocol": ["tcp", "udp"],
    "ip_version": ["4", "6"],
    "exposure": ["public", "attached", "unattached", "unknown"],
    "trail": ["arn:aws:cloudtrail:us-east-1:111122223333:trail/example"],
    "frequency": ["continuous"],
    "part": ["groups", "prefix_lists", "interfaces", "load_balancers", "trails", "recorder"],
    "source": ["cloudtrail", "posture"],
    "state": ["verified", "missing", "modified", "unsigned"],
    "fate": ["stored", "duplicate", "ignored", "malformed", "done", "poison", "failed"],
    "reason": ["", "throttled", "not_watched", "gzip"],
    "error_code": ["RequestLimitExceeded"],
    "job": ["poll cloudtrail", "poll posture"],
    "exception": ["public-web"],
    "family": [family.name for family in (*FAMILIES, *STATE_FAMILIES, *FORECAST_FAMILIES)],
    "operation": ["append", "series"],
    "external_url": ["https://changes.example.com/"],
    "version": ["1.2.3"],
    "python_version": ["3.11.2"],
}


@dataclass(frozen=True)
class Estate:
    """How large it is: accounts and regions, the groups in them, and who changes them.

    `busy` lets every counter rise often; most counts of an estate stand still.
    """

    units: int
    groups: int
    principals: int
    busy: bool = False
    seed: int = 1

    def unit(self, number: int) -> Labels:
        """Return one account and region; an account has five of them."""
        number %= self.units
        return {"account_id": str(111122223333 + number // len(_REGIONS)), "region": _REGIONS[number % len(_REGIONS)]}

    def group(self, number: int) -> Labels:
        """Return one group, its VPC, and where it is."""
        number %= self.groups
        names = {"security_group_id": f"sg-{0x0123456789ABCDEF0 + number:017x}", "security_group_name": f"group-{number}"}
        return {**self.unit(number), **names, "vpc_id": f"vpc-{0x0123456789ABCDEF0 + number % self.units:017x}"}

    def principal(self, number: int) -> Labels:
        """Return one principal and its account."""
        number %= self.principals
        name = {"principal_type": "role", "principal": f"role/Deploy{number}"}
        return {"account_id": self.unit(number)["account_id"], **name}

    def series(self, labels: Sequence[str], most: int, chosen: random.Random) -> Iterator[Labels]:
        """Yield so many label sets of a family, at most: all there can be of units, a choice of those of groups by many principals."""
        if "security_group_id" in labels:
            yield from self._of_groups(labels, most, chosen)
        elif "principal" in labels:
            yield from (self.principal(number) for number in range(min(most, self.principals)))
        else:
            yield from islice(self._of_units(labels), most)

    def _of_groups(self, labels: Sequence[str], most: int, chosen: random.Random) -> Iterator[Labels]:
        free = [name for name in labels if name in _VALUES]
        many = {"event_name", "principal"} & set(labels)
        # One group of five changes at all, and then by many.
        changed = max(1, self.groups // 5)
        for number in range(min(most, 5 * changed) if many else min(most, self.groups)):
            one = {**self.group(number % changed if many else number), **{name: chosen.choice(_VALUES[name]) for name in free}}
            if many:
                event_name = _NAMES[number // changed % len(_NAMES)]
                one |= {"event_name": event_name, "principal": self.principal(number)["principal"]}
            yield {name: one[name] for name in labels}

    def _of_units(self, labels: Sequence[str]) -> Iterator[Labels]:
        calls: Sequence[Labels] = [{}]
        if "event_source" in labels:
            calls = [{"event_source": source, "event_name": name} for source, name in CORE_EVENTS]
        elif {"aws_service", "operation"} <= set(labels):
            calls = [{"aws_service": service, "operation": operation} for service, operation in _CALLS]
        elif "aws_service" in labels:
            calls = [{"aws_service": "config"}, {"aws_service": "s3"}]
        taken = {name for call in calls for name in call}
        free = [name for name in labels if name in _VALUES and name not in taken]
        units = [self.unit(number) for number in range(self.units)] if "region" in labels else [{}]
        if "account_id" in labels and "region" not in labels:
            units = [{"account_id": self.unit(number)["account_id"]} for number in range(0, self.units, len(_REGIONS))]
        for unit, call, values in product(units, calls, product(*(_VALUES[name] for name in free))):
            yield {**unit, **call, **dict(zip(free, values, strict=True))}


Kind = Literal["counter", "gauge"]


def families() -> Iterator[tuple[str, Kind, Sequence[str], int]]:
    """Yield name, kind, labels and budget of every family; of a histogram, each of its series as a counter."""
    for family in (*FAMILIES, *STATE_FAMILIES, *FORECAST_FAMILIES):
        yield family.name, getattr(family, "type", "gauge"), family.labels, family.budget
    for metric in (*TELEMETRY, *SERIES_GAUGES):
        if metric.type in {"histogram", "summary"}:
            yield f"{metric.name}_sum", "counter", metric.labels, 10_000
            yield f"{metric.name}_count", "counter", metric.labels, 10_000
        else:
            yield metric.name, "counter" if metric.type == "counter" else "gauge", metric.labels, 10_000


@dataclass(frozen=True)
class Times:
    """When there are samples: of counters every `step` seconds of [start, end), of gauges every `rest` seconds (under five minutes).

    Gauges stand still, and what a dashboard reads of them is the last. Only what lies in `window` is written.
    """

    start: int
    end: int
    step: int
    rest: int
    window: tuple[int, int]

    def stamps(self, kind: Kind) -> tuple[int, slice, list[str]]:
        """Return how many samples there are in all, which of them to write, and the ends of their lines."""
        every = self.step if kind == "counter" else self.rest
        first = -(-self.start // every) * every
        times = range(first, self.end, every)
        shown = [place for place, time in enumerate(times) if self.window[0] <= time < self.window[1]]
        return len(times), slice(shown[0], shown[-1] + 1), [f" {times[place]}\n" for place in shown]


def write(out: TextIO, estate: Estate, times: Times) -> int:
    """Write the samples of a window and return how many series there are; windows side by side make one past."""
    chosen = random.Random(estate.seed)
    written = 0
    for name, kind, labels, budget in families():
        count, shown, stamps = times.stamps(kind)
        for one in estate.series(labels, budget, chosen):
            _lines(out, name, {**TARGET, **one}, stamps, _values(name, kind, count, times.end, estate.busy, chosen)[shown])
            written += 1
    count, shown, stamps = times.stamps("counter")
    for name, one, place in _buckets(estate):
        _lines(out, name, {**TARGET, **one}, stamps, [str(number * place) for number in range(count)][shown])
        written += 1
    for name, one, value in _of_prometheus(estate, times.start):
        _lines(out, name, one, stamps, [value] * len(stamps))
        written += 1
    out.write("# EOF\n")
    return written


def _buckets(estate: Estate) -> Iterator[tuple[str, Labels, int]]:
    """Yield the buckets of all histograms, each with its place among those of its histogram."""
    for metric in (metric for metric in TELEMETRY if metric.type == "histogram"):
        for one in estate.series(metric.labels, 10_000, random.Random(0)):
            bounds = [*(f"{bound:g}" if bound % 1 else f"{bound:.1f}" for bound in metric.buckets), "+Inf"]
            yield from ((f"{metric.name}_bucket", {**one, "le": bound}, place) for place, bound in enumerate(bounds, 1))


def _of_prometheus(estate: Estate, start: int) -> Iterator[tuple[str, Labels, str]]:
    """Yield what Prometheus adds by itself, with its value: the target, and alerts that fire from the start on."""
    yield "up", TARGET, "1"
    for alert in (
        {"alertname": "AwsChangeWatchdog", "severity": "info"},
        {"alertname": "AwsChangeBurst", "severity": "critical", **estate.unit(0)},
        {"alertname": "AwsChangeByNewPrincipal", "severity": "warning", **estate.principal(0)},
        {"alertname": "AwsChangeSourceStale", "severity": "critical", "source": "cloudtrail", **estate.unit(0)},
        {"alertname": "AwsChangeOpenIngress", "severity": "critical", **estate.group(0)},
    ):
        yield "ALERTS", {**alert, "alertstate": "firing"}, "1"
        yield "ALERTS_FOR_STATE", alert, str(start)


def _values(name: str, kind: Kind, count: int, end: int, busy: bool, chosen: random.Random) -> list[str]:
    """Return what a series shows: a counter that rises now and then, most often not at all, or a gauge that stands."""
    if kind == "gauge":
        value = end - chosen.randrange(60, 900) if name.endswith("_timestamp_seconds") else chosen.choice((0, 1, 1, 2, 5))
        if name.endswith("_ratio"):
            value = chosen.choice((0.6, 0.9, 1))
        return [str(value)] * count
    often = count // 3 if busy else min(count, chosen.choice((0, 0, 0, 0, 1, 1, 2, 6)))
    value, rises = chosen.randrange(50), set(chosen.sample(range(count), often))
    found = []
    for place in range(count):
        value += place in rises
        found.append(str(value))
    return found


def _lines(out: TextIO, name: str, labels: Labels, stamps: Sequence[str], values: Sequence[str]) -> None:
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    head = f"{name}{{{inside}}} "
    out.write("".join([head + value + stamp for value, stamp in zip(values, stamps, strict=True)]))
