"""Checks of the way to AWS: who we are, what time it is there, which accounts and regions can be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from exporter.aws import Account, RoleSettings
from exporter.aws.operations import GET_CALLER_IDENTITY
from exporter.doctor.base import UNLISTED, Examination, configured_regions, denial, in_parallel, named, role_chains
from exporter.errors import SourceError
from exporter.settings import ALL
from exporter.sources.base import Diagnosis

_SKEW = timedelta(minutes=2)
"""AWS refuses signatures that are five minutes off."""


def credentials(examination: Examination) -> Iterator[Diagnosis]:
    """Ask who the default credentials are."""
    try:
        identity = examination.aws.identity()
    except SourceError as error:
        if error.reason in ("unavailable", "throttled"):
            # Where STS alone is out of reach, what needs no role works all the same.
            yield Diagnosis("warning", "default credentials", str(error), "give STS an endpoint, or see what the other checks find without")
        else:
            yield Diagnosis("failure", "default credentials", str(error), denial(error, "hub"))
        return
    yield Diagnosis("ok", "default credentials", f"{identity.arn} of account {identity.account_id}, partition {identity.partition}")


def region(examination: Examination) -> Iterator[Diagnosis]:
    """Tell which region is meant where none is named."""
    try:
        where = examination.region
    except SourceError as error:
        yield Diagnosis("failure", "region", str(error), "name regions in `aws.regions`, or set AWS_REGION")
        return
    given = "configured" if configured_regions(examination.config) else "of the environment"
    yield Diagnosis("ok", "region", f"{where}, {given}")


def clock(examination: Examination) -> Iterator[Diagnosis]:
    """Compare our clock with AWS's."""
    caller = examination.aws.caller(examination.region)
    sent = examination.now()
    answer = caller.call(GET_CALLER_IDENTITY)
    received = examination.now()
    theirs = _date(answer)
    if theirs is None:
        yield Diagnosis("skipped", "clock", "AWS's answer carries no date")
        return
    # The header has whole seconds, and the answer was on its way: neither is skew.
    late, early = sent - theirs - timedelta(seconds=1), theirs - received
    skew = max(late, early, timedelta(0))
    if skew > _SKEW:
        which = "ahead of" if late > early else "behind"
        yield Diagnosis(
            "warning",
            "clock",
            f"this machine's clock is {skew.total_seconds():.0f}s {which} AWS's",
            "let NTP set it; AWS refuses requests that are five minutes off",
        )
        return
    yield Diagnosis("ok", "clock", "agrees with AWS's")


def _date(answer: Mapping[str, Any]) -> Any:
    text = ((answer.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}).get("date", "")
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def accounts(examination: Examination) -> Iterator[Diagnosis]:
    """Go to each watched account, link by link, and along the chains of roles that sources take by themselves."""
    where, watched = examination.region, examination.accounts
    if examination.config.aws.organization is not None and all(problem.subject != UNLISTED for problem in examination.problems):
        yield Diagnosis("ok", "organization", f"listed; {len(watched)} accounts are watched")

    def reach(account: Account) -> Diagnosis:
        return _reached(examination, where, named(account), account.roles, account.account_id)

    for account, found in zip(watched, in_parallel(reach, watched), strict=True):
        if found.status == "failure":
            examination.unreachable.add(account)
        yield found
    for chain in role_chains(examination.config):
        yield _reached(examination, where, chain[-1].role_arn, chain, chain[-1].account_id)
    yield from examination.take_problems()


def _reached(examination: Examination, where: str, subject: str, roles: tuple[RoleSettings, ...], account_id: str) -> Diagnosis:
    """Assume a chain of roles link by link, so that the one that fails is the one that is named."""
    caller = "hub"
    answer: Mapping[str, Any] = {}
    for length in range(1, len(roles) + 1) if roles else (0,):
        try:
            answer = examination.aws.role_caller(where, roles[:length]).call(GET_CALLER_IDENTITY)
        except SourceError as error:
            return Diagnosis("failure", subject, str(error), denial(error, caller))
        caller = roles[length - 1].role_arn if length else "hub"
    told = str(answer.get("Account", ""))
    if told != account_id:
        return Diagnosis("failure", subject, f"the credentials lead to account {told}, not {account_id}", "correct `role_arn`")
    return Diagnosis("ok", subject, f"reached as {roles[-1].role_arn if roles else 'the default credentials'}")


def regions(examination: Examination) -> Iterator[Diagnosis]:
    """Tell which regions are watched in each account."""
    units = examination.units
    yield from examination.take_problems()
    asked = ALL in configured_regions(examination.config)
    for account in examination.accounts:
        found = [unit.region for unit in units if unit.account == account]
        if found:
            how = f"{len(found)} regions" if asked and len(found) > 6 else ", ".join(found)
            yield Diagnosis("ok", f"{named(account)}: regions", how)
