"""The source type `cloudtrail`: its units, what it needs of AWS, and what `doctor` can try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from exporter.aws import Aws, Caller, Permission
from exporter.aws.operations import LOOKUP_EVENTS
from exporter.errors import SourceError
from exporter.families import GAP_SECONDS, GAPS, LATE_EVENTS
from exporter.sources.base import Diagnosis, Roster, SourceType
from exporter.sources.cloudtrail.clock import NOTABLE_SKEW
from exporter.sources.cloudtrail.settings import CloudTrailSettings
from exporter.sources.cloudtrail.source import CloudTrailSource
from exporter.sources.units import each_unit

_AT_ONCE = 8


def _units(settings: CloudTrailSettings, aws: Aws | None) -> Roster:
    assert aws is not None, "the registry says that this type needs AWS"
    return each_unit(aws, settings.regions, lambda caller: CloudTrailSource(settings, caller))


def _permissions(_settings: CloudTrailSettings) -> Iterator[Permission]:
    # It knows no resource (service authorization reference, AWS CloudTrail). `iam-policy` adds what accounts and regions need.
    yield Permission(LOOKUP_EVENTS.action, ("*",), "read Event history", who="member")


def _diagnose(settings: CloudTrailSettings, aws: Aws | None) -> Iterable[Diagnosis]:
    """Look up one event in each account and region. Trails and their selectors do not matter: Event history has every management event."""
    assert aws is not None, "the registry says that this type needs AWS"
    try:
        roster = each_unit(aws, settings.regions, lambda caller: CloudTrailSource(settings, caller))
    except SourceError as error:
        yield Diagnosis(
            "failure", f"source {settings.name}", str(error), "correct the section `aws` of the configuration, or the credentials"
        )
        return
    for failure in roster.failures:
        where = f"source {settings.name}, account {failure.account_id or '(unknown)'}" + (
            f", region {failure.region}" if failure.region else ""
        )
        yield Diagnosis("failure", where, str(failure.error), "see the message; all other accounts and regions are watched")
    callers = [source.caller for source in roster.sources if isinstance(source, CloudTrailSource)]
    with ThreadPoolExecutor(_AT_ONCE, "doctor") as pool:
        yield from pool.map(lambda caller: _try(settings.name, caller), callers)


def _try(name: str, caller: Caller) -> Diagnosis:
    subject = f"source {name}, account {caller.account_id}, region {caller.region}"
    try:
        reply = caller.lookup_events({"MaxResults": 1})
    except SourceError as error:
        return Diagnosis("warning" if error.reason == "throttled" else "failure", subject, str(error), _remedy(error, caller))
    skew = 0.0 if reply.date is None else (datetime.now(UTC) - reply.date).total_seconds()
    if abs(skew) > NOTABLE_SKEW:
        detail = (
            f"cloudtrail:LookupEvents works, but this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} AWS's"
        )
        return Diagnosis("warning", subject, detail, "set the clock (NTP): AWS refuses requests from 300 s on")
    return Diagnosis("ok", subject, "cloudtrail:LookupEvents works; Event history needs no trail")


def _remedy(error: SourceError, caller: Caller) -> str:
    if error.reason == "access_denied":
        return (
            f"allow {LOOKUP_EVENTS.action} on * for the role or user in account {caller.account_id} (`iam-policy` prints it); "
            "a service control policy or a permissions boundary may deny it, too"
        )
    if error.reason == "throttled":
        return "others use up AWS's 2 requests a second of this account and region; it works as soon as they leave some"
    if error.reason == "credentials":
        return "see the message; check the role's trust policy, its external id and the credentials"
    return "see the message; check network, endpoint and region (a region that is not enabled answers so)"


CLOUDTRAIL = SourceType(CloudTrailSettings, _units, _permissions, _diagnose, families=(GAPS.name, GAP_SECONDS.name, LATE_EVENTS.name))
