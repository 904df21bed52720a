"""The fault switches of the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from exporter.settings import parse_duration
from sandbox.faults import NONE, Faults


class DurationType(click.ParamType[timedelta]):
    """A duration as Prometheus writes it, of at least some seconds."""

    name = "duration"

    def __init__(self, least: float = 0) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration."""
        try:
            duration = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if duration.total_seconds() < self._least:
            self.fail(f"{value} is too short; the least is {self._least:g}s", param, ctx)
        return duration


class StormType(click.ParamType[tuple[timedelta, timedelta]]):
    """How long of how long: `10s/1m`."""

    name = "storm"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[timedelta, timedelta]:
        """Return length and period of the storm."""
        if isinstance(value, tuple):
            return value
        try:
            length, period = (parse_duration(part) for part in str(value).split("/"))
        except ValueError:
            self.fail(f"{value!r:.60} is no storm; write LENGTH/PERIOD, as 10s/1m", param, ctx)
        if not NONE < length <= period:
            self.fail(f"{value!r:.60}: the length of a storm must be more than 0s and at most its period", param, ctx)
        return length, period


class DenyType(click.ParamType[str]):
    """A call by its name in IAM policies."""

    name = "action"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        service, _, action = str(value).partition(":")
        if not service.isalnum() or not action.isalnum():
            self.fail(f"{value!r:.60} is no action; write SERVICE:ACTION, as cloudtrail:LookupEvents", param, ctx)
        return str(value)


class FailPageType(click.ParamType[tuple[str, int]]):
    """A call by its name in IAM policies and the number of a page: `ec2:DescribeSecurityGroups=2`."""

    name = "page"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return name and number."""
        if isinstance(value, tuple):
            return value
        action, _, page = str(value).partition("=")
        if not page.isascii() or not page.isdigit() or not int(page) or ":" not in action:
            self.fail(f"{value!r:.80} is no page of a call; write SERVICE:ACTION=NUMBER, as ec2:DescribeSecurityGroups=2", param, ctx)
        return action, int(page)


_SHARE = click.FloatRange(0, 1)
_OPTIONS = (
    click.option("--throttle", type=_SHARE, default=0.0, help="Share of LookupEvents answered by ThrottlingException, beside the limit."),
    click.option("--throttle-storm", type=StormType(), help="Throttle all LookupEvents for LENGTH of each PERIOD: 10s/1m."),
    click.option("--error", type=_SHARE, default=0.0, help="Share of reads (CloudTrail, S3, SQS) answered by 500 or 503."),
    click.option("--hang", type=_SHARE, default=0.0, help="Share of reads that hang, then lose their connection."),
    click.option("--hang-for", type=DurationType(), default="5s", show_default=True, help="How long they hang."),
    click.option("--cut", type=_SHARE, default=0.0, help="Share of reads whose body ends in the middle."),
    click.option("--token-life", type=DurationType(), help="How long a NextToken of LookupEvents is good; without it, for ever."),
    click.option("--credential-life", type=DurationType(), help="End sessions of AssumeRole after this, whatever they asked for."),
    click.option("--clock-skew", type=DurationType(), default="0s", help="How far AWS's clock is ahead of this machine's."),
    click.option("--clock-behind", is_flag=True, help="AWS's clock is behind by --clock-skew, not ahead."),
    click.option("--duplicate", type=_SHARE, default=0.0, help="Share of records that every road delivers twice."),
    click.option("--late", type=_SHARE, default=0.0, help="Share of records that come late, with addendum DELIVERY_DELAY."),
    click.option("--late-by", type=DurationType(), default="2d", show_default=True, help="How late they come."),
    click.option("--jitter", type=DurationType(), default="0s", help="Delay each record by up to this, so that they come out of order."),
    click.option("--updated", type=_SHARE, default=0.0, help="Share of records followed by a fuller one, with addendum UPDATED_DATA."),
    click.option("--bus-loss", type=_SHARE, default=0.0, help="Share of events that EventBridge loses."),
    click.option("--backfill", type=_SHARE, default=0.0, help="Share of log files that only a backfill digest lists."),
    click.option("--ec2-throttle", type=_SHARE, default=0.0, help="Share of EC2's reads answered by RequestLimitExceeded."),
    click.option("--config-throttle", type=_SHARE, default=0.0, help="Share of AWS Config's reads answered by ThrottlingException."),
    click.option("--athena-throttle", type=_SHARE, default=0.0, help="Share of Athena's calls answered by TooManyRequestsException."),
    click.option("--athena-failure", type=_SHARE, default=0.0, help="Share of Athena's queries that fail by a fault that may pass."),
    click.option(
        "--fail-page", type=FailPageType(), multiple=True, metavar="ACTION=NUMBER", help="Have a page of a call fail always; repeatable."
    ),
    click.option("--deny", type=DenyType(), multiple=True, metavar="ACTION", help="Deny an action, as s3:GetObject; repeatable."),
    click.option("--seed", type=int, default=0, show_default=True, help="Which requests and records are struck."),
)


def fault_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the fault switches."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def faults_of(given: dict[str, Any]) -> Faults:
    """Return what the switches say."""
    values = dict(given)
    storm, period = values.pop("throttle_storm") or (NONE, timedelta(minutes=1))
    skew = values.pop("clock_skew")
    behind = values.pop("clock_behind")
    deny = frozenset(values.pop("deny"))
    pages = dict(values.pop("fail_page"))
    return Faults(**values, fail_page=pages, storm=storm, storm_period=period, clock_skew=-skew if behind else skew, deny=deny)
