"""Where the rules of each account and region are read: EC2, AWS Config, or the aggregator that has it (docs/decisions/0015)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from exporter.aws import Account, Aws, Caller
from exporter.errors import AwsError, SourceError
from exporter.posture.settings import AggregatorSettings, PostureSettings
from exporter.posture.standing import Origin, Part, PartFailure, Reading
from exporter.snapshots.aggregator import AggregateReader
from exporter.snapshots.asking import Stopping
from exporter.snapshots.aws_config import ConfigReader, lit
from exporter.snapshots.base import ReadContext, Reader
from exporter.snapshots.ec2 import Ec2Reader, Lights, no_lights

ASK_AGAIN = timedelta(hours=1)
"""How long EC2 is left alone where it may not be read and AWS Config stands in: each denied call is a record in somebody's trail."""


class ChosenReader:
    """Reads one account and region from where `auto` or `aws_config` leads; see exporter.snapshots.base.Reader.

    What the aggregator covers comes from there, and only the lights are read here. Else EC2 is asked, where `ec2` is given, and AWS Config
    where EC2 may not be read. It keeps its choice between readings.
    """

    def __init__(
        self, caller: Caller, config: ConfigReader, lights: Lights, ec2: Ec2Reader | None = None, aggregate: AggregateReader | None = None
    ) -> None:
        self.name, self.account_id, self.region = config.name, config.account_id, config.region
        self._caller, self._lights, self._ec2, self._config, self._aggregate = caller, lights, ec2, config, aggregate
        self._ask_again: datetime | None = None

    def read(self, context: ReadContext) -> Iterator[Reading]:
        """Yield one reading; none where all is to end, or where the aggregator brings it and there are no lights to read."""
        try:
            if self._aggregate is not None and self._aggregate.covers((self.account_id, self.region), context):
                self._ask_again = None
                reading = self._lights_alone(context)
                if reading is not None:
                    yield reading
            elif self._ec2 is None:
                yield from self._config.read(context)
            elif self._ask_again is None or context.now() >= self._ask_again:
                yield from self._from_ec2(self._ec2, context)
            else:
                yield from self._standing_in(self._ec2, context)
        except Stopping:
            return

    def _from_ec2(self, ec2: Ec2Reader, context: ReadContext, without: str = "") -> Iterator[Reading]:
        """Read EC2; where it is denied read AWS Config, unless that has just failed: `without` says how."""
        for reading in ec2.read(context):
            denial = _denial(reading)
            if denial is None:
                if self._ask_again is not None:
                    self._say(context, "EC2 may be read again, and rules come from there")
                self._ask_again = None
                yield reading
                continue
            instead, why = (None, without) if without else self._instead(context)
            if instead is None:
                self._ask_again = None
                yield _explained(reading, denial, why)
                continue
            if self._ask_again is None:
                self._say(context, f"rules are read from AWS Config, because EC2 may not be read: {denial.error}")
            self._ask_again = context.now() + ASK_AGAIN
            unlit = tuple(failure for failure in reading.failures if failure.part in (Part.TRAILS, Part.RECORDER))
            yield replace(instead, trails=reading.trails, recorder=reading.recorder, failures=(*instead.failures, *unlit))

    def _standing_in(self, ec2: Ec2Reader, context: ReadContext) -> Iterator[Reading]:
        instead, why = self._instead(context)
        if instead is not None:
            yield lit(instead, self._caller, self._lights, context)
        else:
            yield from self._from_ec2(ec2, context, without=why)

    def _instead(self, context: ReadContext) -> tuple[Reading | None, str]:
        """Return what AWS Config has, or why it cannot stand in. Raises Stopping."""
        try:
            reading = self._config.rules(context, continuous=True)
        except SourceError as error:
            return None, str(error)
        why = next((str(failure.error) for failure in reading.failures if failure.part is Part.GROUPS), "")
        return (None, why) if reading.groups is None else (reading, "")

    def _lights_alone(self, context: ReadContext) -> Reading | None:
        if self._lights is no_lights:
            return None
        now = context.now()
        return lit(Reading(self.account_id, self.region, Origin.AWS_CONFIG, now, now), self._caller, self._lights, context)

    def _say(self, context: ReadContext, what: str) -> None:
        context.log.warning(what, account_id=self.account_id, region=self.region)


def aggregate_reader(settings: PostureSettings, aggregator: AggregatorSettings, aws: Aws) -> AggregateReader:
    """Return the reader of an aggregator. Raises SourceError where the account that has it is not watched, or cannot be told."""
    account: Account | None = None
    if aggregator.account_id:
        account = next((one for one in aws.accounts().accounts if one.account_id == aggregator.account_id), None)
        if account is None:
            raise SourceError(
                "not_found",
                f"posture.aggregator.account_id is {aggregator.account_id}, which is none of the watched accounts, so nothing leads there; "
                "add it to aws.accounts, or leave account_id empty where the default credentials are those of that account",
            )
    return AggregateReader(settings, aggregator, aws.caller(aggregator.region, account))


def chosen(settings: PostureSettings, caller: Caller, lights: Lights, aggregate: AggregateReader | None) -> Reader:
    """Return what reads an account and region."""
    source = settings.source_of(caller.account_id, caller.region)
    ec2 = Ec2Reader(caller, settings, lights=lights)
    if source == "ec2":
        return ec2
    config = ConfigReader(caller, settings, lights=lights)
    if source == "aws_config" and aggregate is None:
        return config
    return ChosenReader(caller, config, lights, ec2 if source == "auto" else None, aggregate)


def _denial(reading: Reading) -> PartFailure | None:
    """Return the failure where EC2 itself may not be asked for groups; a role that cannot be assumed may not ask AWS Config either."""
    for failure in reading.failures:
        error = failure.error
        if failure.part is Part.GROUPS and error.reason == "access_denied":
            return failure if isinstance(error, AwsError) and error.operation.startswith("ec2:") else None
    return None


def _explained(reading: Reading, denial: PartFailure, why: str) -> Reading:
    """Return a reading whose denial says why AWS Config does not stand in."""
    error = denial.error
    assert isinstance(error, AwsError)
    text = f"{error}. AWS Config cannot stand in: {why}"
    told = PartFailure(denial.part, AwsError(error.reason, text, error.operation, error.code))
    return replace(reading, failures=tuple(told if failure is denial else failure for failure in reading.failures))
