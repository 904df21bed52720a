"""Where rules are read: what one place covers is asked nowhere else, nothing vanishes between two of them, and the way back is found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from exporter.aws import Account, Accounts, AwsSettings, OrganizationSettings, RoleSettings
from exporter.aws import operations as op
from exporter.errors import AwsError, SourceError
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Origin, Part, PartFailure, Reading, RecorderLight, TrailLight
from exporter.snapshots.aggregator import KEPT, AggregateReader
from exporter.snapshots.aws_config import ConfigReader
from exporter.snapshots.base import Reader
from exporter.snapshots.choice import ASK_AGAIN, ChosenReader
from exporter.snapshots.ec2 import Ec2Reader, no_lights
from exporter.snapshots.permissions import permissions
from exporter.snapshots.units import Choice, readers
from tests.config_answers import (
    ACCOUNT,
    AGGREGATOR,
    OTHER,
    RECORDERS,
    REGION,
    Config,
    Time,
    group,
    interface,
    prefix_list,
    recorder_item,
    source,
)  # fmt: skip
from tests.fake_ec2 import FakeCaller, failure, world

WEST = "eu-west-1"
DAILY = RECORDERS | {"recordingMode": {"recordingFrequency": "DAILY"}}
ROWS = [group(1), prefix_list(1), interface(1, "sg-00000000000000001")]
AGGREGATED = {"aggregator": {"name": AGGREGATOR, "region": REGION}}
TRAILS, RECORDER = (TrailLight("main"),), (RecorderLight("default"),)


class Both:
    """A caller with EC2 and AWS Config behind it. `refuses` says which of EC2's calls are denied."""

    partition = "aws"

    def __init__(self, config: Config, account_id: str = ACCOUNT, region: str = REGION) -> None:
        self.account_id, self.region = account_id, region
        self.config, self.ec2 = config, FakeCaller(world(), page=100)
        self.refuses = False
        self.error: AwsError | None = None
        self.ec2.before = self._before

    def call(self, operation: Any, /, **asked: Any) -> Mapping[str, Any]:
        """Answer one call."""
        return (self.config if operation.service == "config" else self.ec2).call(operation, **asked)

    def _before(self, _number: int, operation: Any, _asked: Any) -> None:
        if self.error is not None:
            raise self.error
        if self.refuses:
            raise failure(operation)


def lights(_caller: Any, _context: Any) -> Any:
    """Read lights that burn."""
    return TRAILS, RECORDER, ()


class One:
    """One reader as `auto` makes it, and what it asks."""

    def __init__(self, config: Config | None = None, aggregate: Config | None = None, lit: Any = lights, **settings: Any) -> None:
        self.time = Time()
        self.caller = Both(config or Config(list(ROWS)))
        posture = PostureSettings.model_validate(settings | (AGGREGATED if aggregate is not None else {}))
        self.aggregate = None
        if aggregate is not None:
            assert posture.aggregator is not None
            self.aggregate = AggregateReader(posture, posture.aggregator, aggregate, self.time.asker)
        ec2 = Ec2Reader(self.caller, posture, lights=lit, wait=self.time.wait)
        own = ConfigReader(self.caller, posture, lights=lit, asker=self.time.asker)
        self.reader = ChosenReader(self.caller, own, lit, ec2 if posture.source == "auto" else None, self.aggregate)

    def read(self) -> Reading:
        """Return the one reading that there must be."""
        [reading] = self.reader.read(self.time.context())
        assert (reading.account_id, reading.region) == (ACCOUNT, REGION)
        return reading

    def asked(self) -> tuple[bool, bool]:
        """Tell whether EC2 and AWS Config were asked since this was last asked."""
        told = bool(self.caller.ec2.calls), bool(self.caller.config.calls)
        self.caller.ec2.calls.clear()
        self.caller.config.calls.clear()
        return told


def groups_failure(reading: Reading) -> str:
    """Return why groups were not read."""
    return next(str(one.error) for one in reading.failures if one.part is Part.GROUPS)


def test_auto_asks_ec2_alone_where_it_may():
    """EC2 tells what is now, with ids of rules; AWS Config is not asked in vain."""
    one = One()
    reading = one.read()

    assert (reading.origin, reading.failures, reading.recorder) == (Origin.EC2, (), RECORDER)
    assert len(reading.groups or ()) == 5
    assert one.asked() == (True, False)


def test_aws_config_stands_in_where_ec2_may_not_be_read_and_ec2_is_found_again():
    """The choice is kept, EC2 is left alone for an hour, and is read again as soon as it may be."""
    one = One()
    one.caller.refuses = True
    reading = one.read()

    assert (reading.origin, reading.failures) == (Origin.AWS_CONFIG, ())
    assert len(reading.groups or ()) == 1
    assert (reading.trails, reading.recorder) == (TRAILS, RECORDER)
    assert one.asked() == (True, True)
    one.time.now += ASK_AGAIN - timedelta(minutes=1)
    reading = one.read()
    assert (reading.origin, reading.recorder) == (Origin.AWS_CONFIG, RECORDER)
    assert one.asked() == (False, True)

    one.time.now += timedelta(minutes=1)
    assert one.read().origin is Origin.AWS_CONFIG
    assert one.asked() == (True, True)
    one.caller.refuses = False
    assert one.read().origin is Origin.AWS_CONFIG
    one.time.now += ASK_AGAIN
    one.asked()
    reading = one.read()
    assert (reading.origin, len(reading.groups or ())) == (Origin.EC2, 5)
    assert one.asked() == (True, False)
    assert one.read().origin is Origin.EC2


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config(ROWS, recorders=[]), "no recorder"),
        (Config(ROWS, states=[{"name": "default", "recording": False}]), "is off"),
        (Config(ROWS, recorders=[RECORDERS | {"recordingGroup": {"allSupported": False, "resourceTypes": ["AWS::S3::Bucket"]}}]), "leaves out"),
        (Config(ROWS, recorders=[DAILY]), "once a day"),
    ],
)  # fmt: skip
def test_aws_config_does_not_stand_in_where_it_does_not_record(config, words):
    """The denial of EC2 stands, and says why AWS Config is no help."""
    one = One(config)
    one.caller.refuses = True
    for _ in range(2):
        reading = one.read()
        assert (reading.origin, reading.groups) == (Origin.EC2, None)
        assert "UnauthorizedOperation" in groups_failure(reading)
        assert words in groups_failure(reading)
        assert next(one.error for one in reading.failures if one.part is Part.GROUPS).reason == "access_denied"
        assert one.asked()[0], "EC2 is tried each time, where nothing else is"


def test_a_recorder_that_is_switched_off_sends_back_to_ec2():
    """What stood in falls out: EC2 is asked at once, not an hour later."""
    one = One()
    one.caller.refuses = True
    assert one.read().origin is Origin.AWS_CONFIG
    one.caller.config.states = [{"name": "default", "recording": False}]
    reading = one.read()
    assert (reading.origin, reading.groups) == (Origin.EC2, None)
    assert "is off" in groups_failure(reading)
    one.caller.refuses = False
    assert len(one.read().groups or ()) == 5


@pytest.mark.parametrize(
    "error",
    [
        AwsError("throttled", "no time", "ec2:DescribeSecurityGroups", "RequestLimitExceeded"),
        AwsError("unavailable", "no network", "ec2:DescribeSecurityGroups"),
        AwsError("credentials", "expired", "ec2:DescribeSecurityGroups", "ExpiredToken"),
        AwsError("access_denied", "may not assume", "sts:AssumeRole", "AccessDenied"),
    ],
    ids=lambda error: f"{error.reason} {error.operation}",
)
def test_only_a_denial_of_ec2_itself_leads_to_aws_config(error):
    """A bad minute is none: changing sides would show rules as they were, and a role that cannot be assumed helps nowhere."""
    one = One()
    one.caller.error = error
    reading = one.read()

    assert (reading.origin, reading.groups) == (Origin.EC2, None)
    assert one.asked()[1] is False


def test_a_denied_part_that_is_not_the_groups_leaves_ec2_where_it_is():
    """Rules with their ids and the present moment are worth more than a whole picture of some time ago."""
    one = One()
    one.caller.ec2.before = lambda _number, operation, _asked: (
        (_ for _ in ()).throw(failure(operation)) if operation is op.DESCRIBE_INTERFACES else None
    )
    reading = one.read()

    assert (reading.origin, len(reading.groups or ())) == (Origin.EC2, 5)
    assert reading.attachments is None


def test_what_the_aggregator_covers_is_not_asked_one_by_one():
    """Only the lights are read in the account and region; where there are none to read there is no reading."""
    one = One(aggregate=Config(list(ROWS), sources=[source()]))
    reading = one.read()

    assert (reading.groups, reading.prefix_lists, reading.attachments, reading.balanced, reading.failures) == (None, None, None, None, ())
    assert (reading.origin, reading.trails, reading.recorder) == (Origin.AWS_CONFIG, TRAILS, RECORDER)
    assert one.asked() == (False, False)

    dark = One(aggregate=Config(list(ROWS), sources=[source()]), lit=no_lights)
    assert list(dark.reader.read(dark.time.context())) == []


@pytest.mark.parametrize(
    "sources",
    [[], [source(OTHER)], [source(region=WEST)], [source(status="FAILED")], [source(status="OUTDATED")]],
    ids=["no source", "another account", "another region", "failed", "outdated"],
)
def test_what_the_aggregator_never_had_whole_is_read_from_ec2(sources):
    """An account that never let the aggregator in must not be without a picture."""
    one = One(aggregate=Config(list(ROWS), sources=sources))

    assert (one.read().origin, one.asked()) == (Origin.EC2, (True, False))


def test_a_unit_moves_to_the_aggregator_once_and_leaves_only_with_it():
    """It is found where it succeeds, kept while it fails, and comes back from where it is no source any more."""
    one = One(aggregate=Config(list(ROWS), sources=[source(status="FAILED")]))
    aggregate, context = one.aggregate, one.time.context()
    assert aggregate is not None
    fake: Any = aggregate._caller
    aggregate.elsewhere = frozenset({(ACCOUNT, REGION)})

    assert one.read().origin is Origin.EC2
    assert list(aggregate.read(context)) == []
    fake.sources = [source()]
    assert [reading.groups is not None for reading in aggregate.read(context)] == [True]
    assert one.read().groups is None
    fake.sources = [source(status="FAILED")]
    [reading] = aggregate.read(context)
    assert {one.part for one in reading.failures} == {Part.GROUPS, Part.PREFIX_LISTS, Part.INTERFACES, Part.LOAD_BALANCERS}
    assert one.read().groups is None
    one.time.now += KEPT
    assert list(aggregate.read(context)) == []
    assert one.read().origin is Origin.EC2
    fake.sources = [source()]
    list(aggregate.read(context))
    assert one.read().groups is None
    fake.sources, fake.rows = [], []
    assert list(aggregate.read(context)) == []
    assert (reading := one.read()).origin is Origin.EC2
    assert len(reading.groups or ()) == 5


@pytest.mark.parametrize("rows", [[], [recorder_item(recording=False)], [group(1), recorder_item(types=("AWS::S3::Bucket",))]])
def test_what_the_aggregator_shows_no_sign_of_recording_is_read_from_ec2(rows):
    """An update succeeds where nothing is recorded, too: an empty answer is not believed where EC2 can tell, nor is an old one."""
    one = One(aggregate=Config(rows, sources=[source()]))
    aggregate = one.aggregate
    assert aggregate is not None
    aggregate.elsewhere = frozenset({(ACCOUNT, REGION)})
    one.read()

    assert list(aggregate.read(one.time.context())) == []
    assert len(one.read().groups or ()) == 5


def test_what_had_groups_and_has_none_any_more_is_an_answer():
    """The last group of a region may be deleted."""
    one = One(aggregate=Config(list(ROWS), sources=[source()]))
    aggregate = one.aggregate
    assert aggregate is not None
    aggregate.elsewhere = frozenset({(ACCOUNT, REGION)})
    fake: Any = aggregate._caller
    assert [len(reading.groups or ()) for reading in aggregate.read(one.time.context())] == [1]
    fake.rows = []

    assert [reading.groups for reading in aggregate.read(one.time.context())] == [()]
    assert one.read().groups is None


def test_a_missing_page_of_groups_moves_nothing():
    """Whose groups are missing is not known, and nobody changes sides for it."""
    one = One(aggregate=Config([group(1), *(group(number, account=OTHER) for number in range(2, 5))], sources=[source(), source(OTHER)]))
    aggregate = one.aggregate
    assert aggregate is not None
    aggregate.elsewhere = frozenset({(ACCOUNT, REGION), (OTHER, REGION)})
    fake: Any = aggregate._caller
    list(aggregate.read(one.time.context()))

    def fault(operation, asked, _before):
        if "SecurityGroup'" in asked.get("Expression", ""):
            raise AwsError("unavailable", "cut", operation.action)

    fake.fault = fault
    assert [(reading.account_id, reading.groups) for reading in aggregate.read(one.time.context())] == [(ACCOUNT, None), (OTHER, None)]
    assert one.asked() == (False, False)
    assert one.read().groups is None


def test_a_broken_aggregator_leaves_the_watched_accounts_to_ec2():
    """A picture is better than none; the aggregator's own reading says what is wrong with it."""

    def fault(operation, _asked, _before):
        raise AwsError("access_denied", "no", operation.action)

    one = One(aggregate=Config(fault=fault))

    assert one.read().origin is Origin.EC2


def test_aws_config_alone_never_asks_ec2():
    """Who chose AWS Config gets it, daily as it may be, and from the aggregator where that has it."""
    one = One(Config(list(ROWS), recorders=[DAILY]), aggregate=Config(sources=[source(OTHER)]), source="aws_config")
    assert (one.read().origin, one.asked()) == (Origin.AWS_CONFIG, (False, True))

    one = One(aggregate=Config(sources=[source()]), source="aws_config")
    assert one.read().groups is None
    assert one.asked() == (False, False)


def test_failed_lights_are_told_wherever_rules_come_from():
    """A light that could not be seen must not be lost because EC2 is denied."""
    gap = PartFailure(Part.TRAILS, SourceError("unavailable", "no trail today"))
    one = One(lit=lambda _caller, _context: (None, RECORDER, (gap,)))
    one.caller.refuses = True
    for _ in range(2):
        reading = one.read()
        assert reading.origin is Origin.AWS_CONFIG
        assert reading.failures == (gap,)


class FakeAws:
    """Two accounts in a region each. `error` is what asking for them ends in."""

    def __init__(self, *accounts: str, error: SourceError | None = None) -> None:
        self.ids, self.error = accounts or (ACCOUNT, OTHER), error
        self.callers: list[tuple[str, str]] = []

    def accounts(self) -> Accounts:
        """Return the accounts."""
        if self.error is not None:
            raise self.error
        return Accounts(tuple(Account(account_id) for account_id in self.ids))

    def regions(self, _account: Account, wanted: Any = ()) -> tuple[str, ...]:
        """Return the regions."""
        return tuple(wanted) or (REGION,)

    def caller(self, region: str, account: Account | None = None) -> Any:
        """Return a caller."""
        account_id = account.account_id if account is not None else ""
        self.callers.append((account_id, region))
        return Both(Config(), account_id, region)


def kinds(found: tuple[Reader, ...]) -> list[tuple[str, str, str]]:
    """Return what reads what."""
    return [(type(reader).__name__, reader.account_id, reader.region) for reader in found]


def settings(**told: Any) -> PostureSettings:
    """Return settings."""
    return PostureSettings.model_validate(told)


def test_each_account_and_region_has_its_reader():
    """The source of each unit decides, overrides first; the aggregator has one for all it knows."""
    aws: Any = FakeAws()

    assert kinds(readers(settings(), aws).readers) == [("ChosenReader", ACCOUNT, REGION), ("ChosenReader", OTHER, REGION)]
    told = {"source": "ec2", "overrides": [{"accounts": [OTHER], "source": "aws_config"}]}
    assert kinds(readers(settings(**told), aws).readers) == [("Ec2Reader", ACCOUNT, REGION), ("ConfigReader", OTHER, REGION)]
    found = readers(settings(**told, **AGGREGATED), aws).readers
    assert kinds(found) == [("Ec2Reader", ACCOUNT, REGION), ("ChosenReader", OTHER, REGION), ("AggregateReader", "", "")]
    assert isinstance(found[-1], AggregateReader)
    assert found[-1].elsewhere == {(OTHER, REGION)}
    assert kinds(readers(settings(source="ec2", **AGGREGATED), aws).readers) == [
        ("Ec2Reader", ACCOUNT, REGION),
        ("Ec2Reader", OTHER, REGION),
    ]


def test_one_aggregator_is_shared_by_all_that_are_ever_told():
    """Who is told later must ask the very reader that is read."""
    aws: Any = FakeAws(ACCOUNT)
    choice = Choice(settings(**AGGREGATED), aws)
    first, aws.ids = choice.readers(), (ACCOUNT, OTHER)
    second = choice.readers()

    assert first.readers[-1] is second.readers[-1]
    assert second.readers[-1].elsewhere == {(ACCOUNT, REGION), (OTHER, REGION)}  # type: ignore[attr-defined]


def test_the_aggregator_is_asked_as_the_account_that_has_it():
    """By its region and account, or as the default credentials."""
    aws: Any = FakeAws()
    readers(settings(aggregator={"name": AGGREGATOR, "region": WEST, "account_id": OTHER}), aws)
    readers(settings(aggregator={"name": AGGREGATOR, "region": WEST}), aws)

    assert [one for one in aws.callers if one[1] == WEST] == [(OTHER, WEST), ("", WEST)]


def test_an_aggregator_in_an_account_that_is_not_watched_is_a_failure_that_hides_no_reader():
    """The remedy is told; everything else is read."""
    aws: Any = FakeAws()
    found = readers(settings(aggregator={"name": AGGREGATOR, "region": WEST, "account_id": "777788889999"}), aws)

    assert len(found.readers) == 2
    assert [(one.account_id, one.region, one.error.reason) for one in found.failures] == [("", "", "not_found")]
    assert "add it to aws.accounts" in str(found.failures[0].error)


def test_an_aggregator_is_read_though_the_accounts_cannot_be_told():
    """The failure stands beside it."""
    aws: Any = FakeAws(error=AwsError("access_denied", "no", "organizations:ListAccounts"))
    found = readers(settings(**AGGREGATED), aws)

    assert kinds(found.readers) == [("AggregateReader", "", "")]
    assert [str(one.error) for one in found.failures] == ["no"]
    with pytest.raises(AwsError):
        readers(settings(), aws)


ROLE = f"arn:aws:iam::{OTHER}:role/watch"
LISTED = AwsSettings.model_validate({"accounts": [{"role_arn": ROLE}]})
ORGANIZATION = AwsSettings(
    organization=OrganizationSettings(role_name="watch", via=(RoleSettings(role_arn=f"arn:aws:iam::{ACCOUNT}:role/list"),))
)


@pytest.mark.parametrize(
    ("told", "aws", "who"),
    [
        pytest.param({}, LISTED, set(), id="no aggregator"),
        pytest.param({"aggregator": {"name": "all", "region": REGION}}, LISTED, {"hub"}, id="of the default credentials"),
        pytest.param({"aggregator": {"name": "all", "region": REGION, "account_id": OTHER}}, LISTED, {ROLE}, id="of a listed account"),
        pytest.param({"aggregator": {"name": "all", "region": REGION, "account_id": ACCOUNT}}, LISTED, {"hub"}, id="of one's own account"),
        pytest.param(
            {"aggregator": {"name": "all", "region": REGION, "account_id": OTHER}}, ORGANIZATION, {"member"}, id="of the organization"
        ),
        pytest.param({"source": "ec2", "aggregator": {"name": "all", "region": REGION}}, LISTED, set(), id="not read"),
    ],
)
def test_the_aggregator_needs_its_permissions_in_the_account_that_has_it(told, aws, who):
    """Nobody else is given them, unless one role is that of all accounts."""
    needed = list(permissions(settings(**told), aws))

    aggregate = [one for one in needed if one.why == "What stands in the aggregator"]
    assert {one.who for one in aggregate} == who
    assert {one.action for one in aggregate} == (
        {
            f"config:{name}"
            for name in (
                "DescribeConfigurationAggregators",
                "DescribeConfigurationAggregatorSourcesStatus",
                "SelectAggregateResourceConfig",
            )
        }
        if who
        else set()
    )
    member = {one.action for one in needed if one.who == "member"}
    assert ("config:SelectResourceConfig" in member) is (told.get("source") != "ec2")
    assert "ec2:DescribeSecurityGroups" in member
