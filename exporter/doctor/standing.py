"""Whether what stands can be read in each watched account and region: each call tried once, for a page as small as can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from exporter.aws import Caller
from exporter.aws import operations as op
from exporter.doctor.base import Examination, Status, WatchedUnit, denial, failure, who
from exporter.errors import SourceError
from exporter.posture.settings import AggregatorSettings, PostureSettings
from exporter.snapshots import asking
from exporter.snapshots.config_shapes import SECURITY_GROUP
from exporter.snapshots.permissions import reads_from
from exporter.snapshots.queries import expression
from exporter.snapshots.told import is_unknown
from exporter.sources.base import Diagnosis

_FEW = 5
"""The least that the pages of some calls may have."""
_EC2 = (asking.GROUPS, asking.RULES, asking.ASSOCIATIONS, asking.INTERFACES)
_BALANCERS = (asking.BALANCERS, asking.CLASSIC_BALANCERS)
_CAN_BE_READ: Mapping[str, str] = {
    "ec2": "groups, rules, prefix lists and interfaces can be read from EC2",
    "aws_config": "AWS Config can be asked",
    "auto": "groups, rules, prefix lists and interfaces can be read from EC2, and AWS Config can be asked",
}


def standing(examination: Examination) -> Iterator[Diagnosis]:
    """Try the calls in every unit, and those of the aggregator; what the recorder of AWS Config does is another check."""
    settings = examination.config.posture
    if not examination.config.reads_posture:
        yield Diagnosis("skipped", "posture", "what stands is not read; `posture.enabled` decides")
        return

    def of_unit(unit: WatchedUnit) -> Iterator[Diagnosis]:
        source = settings.source_of(unit.account.account_id, unit.region)
        # Where the choice is left to the exporter, either is enough.
        status: Status = "warning" if source == "auto" else "failure"
        found = False
        for ask in _questions(examination.aws.caller(unit.region, unit.account), settings, source):
            try:
                ask()
            except SourceError as error:
                if not is_unknown(error):
                    found = True
                    yield Diagnosis(status, str(unit), str(error), denial(error, who(unit.account)))
        if not found:
            yield Diagnosis("ok", str(unit), _CAN_BE_READ[source])

    yield from examination.over_units(of_unit)
    if settings.aggregator is not None and reads_from(settings, "aws_config"):
        yield from _of_aggregator(examination, settings.aggregator)


def _questions(caller: Caller, settings: PostureSettings, source: str) -> Iterator[Callable[[], object]]:
    if source != "aws_config":
        for listing in _EC2:
            yield partial(caller.call, listing.operation, **{listing.limit: _FEW})
        yield partial(_entries, caller)
        if settings.load_balancers:
            for listing in _BALANCERS:
                yield partial(caller.call, listing.operation, **{listing.limit: 1})
            yield partial(_targets, caller)
    if source != "ec2":
        yield partial(caller.call, op.SELECT_CONFIG, Expression=expression(SECURITY_GROUP), Limit=1)


def _entries(caller: Caller) -> None:
    """Ask for prefix lists, and for the entries of the first."""
    for told in caller.call(op.DESCRIBE_PREFIX_LISTS, MaxResults=1).get("PrefixLists") or ():
        caller.call(op.GET_PREFIX_LIST_ENTRIES, PrefixListId=told.get("PrefixListId"), MaxResults=1)


def _targets(caller: Caller) -> None:
    """Ask for target groups, and for the targets of the first."""
    for told in caller.call(op.DESCRIBE_TARGET_GROUPS, PageSize=1).get("TargetGroups") or ():
        caller.call(op.DESCRIBE_TARGET_HEALTH, TargetGroupArn=told.get("TargetGroupArn"))


def _of_aggregator(examination: Examination, aggregator: AggregatorSettings) -> Iterator[Diagnosis]:
    """Try the calls of the aggregator, as the account that has it."""
    subject = f"aggregator {aggregator.name} in {aggregator.region}"
    account = next((one for one in examination.accounts if one.account_id == aggregator.account_id), None)
    if aggregator.account_id and account is None:
        detail = f"its account {aggregator.account_id} is none of the watched accounts, so nothing leads there"
        yield Diagnosis("failure", subject, detail, "add it to `aws.accounts`, or take `account_id` out of `posture.aggregator`")
        return
    caller, principal = examination.aws.caller(aggregator.region, account), who(account) if account is not None else "hub"
    named = {"ConfigurationAggregatorName": aggregator.name}
    found = False
    for ask in (
        partial(caller.call, op.DESCRIBE_AGGREGATORS, ConfigurationAggregatorNames=[aggregator.name]),
        partial(caller.call, op.DESCRIBE_AGGREGATOR_SOURCES, **named),
        partial(caller.call, op.SELECT_AGGREGATE_CONFIG, Expression=expression(SECURITY_GROUP), Limit=1, **named),
    ):
        try:
            ask()
        except SourceError as error:
            found = True
            yield failure(subject, error, principal)
    if not found:
        yield Diagnosis("ok", subject, "can be asked")
