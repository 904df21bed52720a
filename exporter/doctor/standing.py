"""Whether what stands can be read from EC2 in each watched account and region: each call tried once, for a page as small as can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from exporter.aws import Caller
from exporter.aws import operations as op
from exporter.doctor.base import Examination, Status, WatchedUnit, denial, who
from exporter.errors import SourceError
from exporter.snapshots import asking
from exporter.snapshots.told import is_unknown
from exporter.sources.base import Diagnosis

_FEW = 5
"""The least that the pages of some calls may have."""
_EC2 = (asking.GROUPS, asking.RULES, asking.ASSOCIATIONS, asking.INTERFACES)
_BALANCERS = (asking.BALANCERS, asking.CLASSIC_BALANCERS)


def standing(examination: Examination) -> Iterator[Diagnosis]:
    """Try the calls in every unit that is read from EC2."""
    settings = examination.config.posture
    if not examination.config.reads_posture:
        yield Diagnosis("skipped", "posture", "what stands is not read; `posture.enabled` decides")
        return

    def of_unit(unit: WatchedUnit) -> Iterator[Diagnosis]:
        source = settings.source_of(unit.account.account_id, unit.region)
        if source == "aws_config":
            yield Diagnosis("skipped", str(unit), "not asked of EC2: AWS Config is chosen")
            return
        # By itself the exporter turns to AWS Config where it may not ask EC2.
        status: Status = "warning" if source == "auto" else "failure"
        found = False
        for ask in _questions(examination.aws.caller(unit.region, unit.account), load_balancers=settings.load_balancers):
            try:
                ask()
            except SourceError as error:
                if not is_unknown(error):
                    found = True
                    yield Diagnosis(status, str(unit), str(error), denial(error, who(unit.account)))
        if not found:
            yield Diagnosis("ok", str(unit), "groups, rules, prefix lists and interfaces can be read")

    yield from examination.over_units(of_unit)


def _questions(caller: Caller, *, load_balancers: bool) -> Iterator[Callable[[], object]]:
    for listing in _EC2:
        yield partial(caller.call, listing.operation, **{listing.limit: _FEW})
    yield partial(_entries, caller)
    if load_balancers:
        for listing in _BALANCERS:
            yield partial(caller.call, listing.operation, **{listing.limit: 1})
        yield partial(_targets, caller)


def _entries(caller: Caller) -> None:
    """Ask for prefix lists, and for the entries of the first."""
    for told in caller.call(op.DESCRIBE_PREFIX_LISTS, MaxResults=1).get("PrefixLists") or ():
        caller.call(op.GET_PREFIX_LIST_ENTRIES, PrefixListId=told.get("PrefixListId"), MaxResults=1)


def _targets(caller: Caller) -> None:
    """Ask for target groups, and for the targets of the first."""
    for told in caller.call(op.DESCRIBE_TARGET_GROUPS, PageSize=1).get("TargetGroups") or ():
        caller.call(op.DESCRIBE_TARGET_HEALTH, TargetGroupArn=told.get("TargetGroupArn"))
