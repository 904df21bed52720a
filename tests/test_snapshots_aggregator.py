"""The reader of an aggregator: no account or region passes for whole that is not, and none vanishes because it fails."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.errors import AwsError, SourceError
from exporter.posture.settings import AggregatorSettings, PostureSettings
from exporter.posture.standing import Part, Reading
from exporter.snapshots.aggregator import AggregateReader
from tests.config_answers import (
    ACCOUNT,
    AGGREGATOR,
    BALANCER,
    GROUP,
    INTERFACE,
    LIST,
    OTHER,
    RECORDER,
    REGION,
    Config,
    Time,
    balancer,
    denied,
    group,
    interface,
    prefix_list,
    recorder_item,
    source,
    throttled,
)  # fmt: skip

WEST = "eu-west-1"
UNITS = [(ACCOUNT, WEST), (ACCOUNT, REGION), (OTHER, WEST), (OTHER, REGION)]
SETTINGS = AggregatorSettings(name=AGGREGATOR, region=REGION)
ALL_PARTS = {Part.GROUPS, Part.PREFIX_LISTS, Part.INTERFACES, Part.LOAD_BALANCERS}


def rows(*units: tuple[str, str]) -> list[Any]:
    """Return two groups, a list and two interfaces of each account and region."""
    found: list[Any] = []
    for account, region in units or UNITS:
        where = {"account": account, "region": region}
        found += [group(1, **where), group(2, **where), prefix_list(1, **where), interface(1, "sg-00000000000000001", **where)]
        found += [interface(2, "sg-00000000000000001", public="203.0.113.7", **where)]
    return found


def sources(**statuses: str) -> list[dict[str, Any]]:
    """Return the status of all units, succeeded unless it is given as `a111122223333_us_east_1`."""
    return [source(account, region, statuses.get(f"a{account}_{region.replace('-', '_')}", "SUCCEEDED")) for account, region in UNITS]


def aggregate(config: Config, time: Time | None = None, **settings: Any) -> AggregateReader:
    """Return the reader."""
    return AggregateReader(PostureSettings(**settings), SETTINGS, config, (time or Time()).asker)


def read(config: Config, time: Time | None = None, **settings: Any) -> dict[tuple[str, str], Reading]:
    """Return what one reading yields, by account and region."""
    time = time or Time()
    found = list(aggregate(config, time, **settings).read(time.context()))
    by_unit = {(reading.account_id, reading.region): reading for reading in found}
    assert len(by_unit) == len(found)
    return by_unit


def failed(reading: Reading) -> set[Part]:
    """Return the parts that failed."""
    return {failure.part for failure in reading.failures}


def test_one_query_for_each_type_brings_every_account_and_region():
    """All units are read at once, each with its own rows and no other's."""
    config = Config(rows(), sources=sources(), page=7)
    found = read(config)

    assert list(found) == UNITS
    for reading in found.values():
        assert not reading.failures
        assert len(reading.groups or ()) == 2
        assert len(reading.prefix_lists or ()) == 1
        assert reading.attachments is not None
        assert reading.attachments["sg-00000000000000001"].interfaces == 2
        assert reading.balanced == frozenset()
    expressions = [asked["Expression"] for name, asked in config.calls if name.startswith("Select") and "NextToken" not in asked]
    assert len(expressions) == len(set(expressions)) == 6


@pytest.mark.parametrize(
    ("status", "whole"),
    [("SUCCEEDED", True), ("FAILED", False), ("OUTDATED", False), ("", False), ("SOMETHING_NEW", False)],
)
@pytest.mark.parametrize("has_rows", [True, False], ids=["with rows", "without rows"])
def test_only_a_source_that_succeeded_is_an_answer(status, whole, has_rows):
    """What is there of a source that failed may be a part, or old; nothing there of one that succeeded is an answer."""
    where = (OTHER, REGION)
    units = [unit for unit in UNITS if has_rows or unit != where]
    found = read(Config(rows(*units), sources=sources(a444455556666_us_east_1=status)))

    assert list(found) == UNITS
    reading = found[where]
    assert failed(reading) == (set() if whole else ALL_PARTS)
    if whole:
        assert len(reading.groups or ()) == (2 if has_rows else 0)
        assert reading.groups is not None
    else:
        assert (reading.groups, reading.prefix_lists, reading.attachments, reading.balanced) == (None, None, None, None)
        text = str(reading.failures[0].error)
        assert all(word in text for word in (OTHER, REGION, "DescribeConfigurationAggregatorSourcesStatus", AGGREGATOR, status))
    assert all(not found[unit].failures for unit in UNITS if unit != where)


def test_the_worst_status_of_a_source_counts():
    """A source that is told twice is whole only where both say so."""
    for statuses in (("SUCCEEDED", "OUTDATED"), ("OUTDATED", "SUCCEEDED")):
        found = read(Config(rows((ACCOUNT, REGION)), sources=[source(status=status) for status in statuses]))
        assert found[ACCOUNT, REGION].groups is None


def test_what_aws_says_of_a_failure_is_told_and_made_visible():
    """The code and message lead to what is wrong; they are somebody else's text."""
    status = source(status="FAILED", LastErrorCode="AccessDenied", LastErrorMessage="not\x1b[2J authorized")
    error = str(read(Config(rows((ACCOUNT, REGION)), sources=[status]))[ACCOUNT, REGION].failures[0].error)

    assert "AccessDenied: not\\x1b[2J authorized" in error
    assert "put-aggregation-authorization" in error


@pytest.mark.parametrize(
    ("organization", "whole"),
    [
        pytest.param([], False, id="nothing vouches for them"),
        pytest.param([{"SourceType": "ORGANIZATION", "SourceId": "o-example", "AwsRegion": REGION, "LastUpdateStatus": "SUCCEEDED"}], True, id="here"),
        pytest.param([{"SourceType": "ORGANIZATION", "SourceId": "o-example", "LastUpdateStatus": "SUCCEEDED"}], True, id="everywhere"),
        pytest.param([{"SourceType": "ORGANIZATION", "SourceId": "o-example", "AwsRegion": WEST, "LastUpdateStatus": "SUCCEEDED"}], False, id="elsewhere"),
        pytest.param([{"SourceType": "ORGANIZATION", "SourceId": "o-example", "AwsRegion": REGION, "LastUpdateStatus": "FAILED"}], False, id="failed"),
    ],
)  # fmt: skip
def test_rows_without_a_status_need_the_organization_to_vouch_for_them(organization, whole):
    """Nothing says that rows without a status are all that there is, unless the organization's own list is current there."""
    found = read(Config(rows((ACCOUNT, REGION), (OTHER, REGION)), sources=[source(), *organization]))

    assert list(found) == [(ACCOUNT, REGION), (OTHER, REGION)]
    assert found[ACCOUNT, REGION].groups is not None
    assert (found[OTHER, REGION].groups is not None) is whole
    assert (not found[OTHER, REGION].failures) is whole


@pytest.mark.parametrize(
    ("part", "kind", "pages"), [(Part.GROUPS, GROUP, 4), (Part.PREFIX_LISTS, LIST, 2), (Part.INTERFACES, INTERFACE, 4)]
)
def test_a_missing_page_leaves_its_part_out_everywhere(part, kind, pages):
    """Nobody knows whose rows were on the page that is missing."""
    for page in range(pages):

        def fault(operation, asked, _before, page=page):
            if operation.name.startswith("Select") and f"'{kind}'" in asked["Expression"] and asked.get("NextToken", "0") == str(2 * page):
                raise AwsError("unavailable", f"{operation.action} failed", operation.action)

        found = read(Config(rows(), sources=sources(), fault=fault))

        assert list(found) == UNITS
        assert all(failed(reading) == {part} for reading in found.values())
        assert all((reading.groups is None) is (part is Part.GROUPS) for reading in found.values())


def test_a_row_that_cannot_be_understood_fails_where_it_belongs():
    """A strange group of one account is no reason to lose the picture of all others."""
    kind, row = group(7, account=OTHER, region=WEST)
    found = read(Config([*rows(), (kind, row | {"configuration": {"groupId": "sg-7"}})], sources=sources()))

    assert [unit for unit, reading in found.items() if reading.groups is None] == [(OTHER, WEST)]
    assert failed(found[OTHER, WEST]) == {Part.GROUPS}


@pytest.mark.parametrize("row", [{"accountId": "1"}, {"awsRegion": None}, {"accountId": "111122223333\n"}, {"awsRegion": "us east"}])
def test_a_row_of_nobody_is_missing_somewhere(row):
    """Whose it is cannot be told, so nobody's groups are all there."""
    kind, whole = group(7)
    found = read(Config([*rows(), (kind, whole | row)], sources=sources()))

    assert all(failed(reading) == {Part.GROUPS} for reading in found.values())


def test_throttles_cost_time_and_no_rows():
    """The same as for one account: patience, and the whole answer."""

    def fault(operation, _asked, before):
        if operation.name != "DescribeConfigurationAggregators" and before % 3 == 1:
            raise throttled(operation.action)

    time = Time()
    found = read(Config(rows(), sources=sources(), fault=fault), time)

    assert all(not reading.failures for reading in found.values())
    assert time.waited > 1


def test_who_is_stopping_yields_nothing():
    """Half an answer is none."""

    def fault(operation, _asked, before):
        if before >= 1:
            raise throttled(operation.action)

    assert read(Config(rows(), sources=sources(), fault=fault), Time(stop_after=1.0)) == {}


@pytest.mark.parametrize("name", ["DescribeConfigurationAggregatorSourcesStatus", "DescribeConfigurationAggregators"])
def test_nothing_is_yielded_where_the_sources_cannot_be_told(name):
    """Without them an account without rows looks empty."""

    def fault(operation, _asked, _before):
        if operation.name == name:
            raise denied(operation.action)

    with pytest.raises(SourceError, match=f"allow config:{name}"):
        read(Config(rows(), sources=sources(), fault=fault))


def test_an_aggregator_that_is_not_there_is_said():
    """A wrong name must not look like an organization without groups."""
    with pytest.raises(SourceError, match=r"posture\.aggregator: its name, region and account_id"):
        read(Config(rows(), sources=sources(), aggregators=[]))


def test_what_the_filter_leaves_out_is_not_empty():
    """An aggregator may collect some types only (AggregatorFilters)."""
    only = {"ConfigurationAggregatorName": AGGREGATOR, "AggregatorFilters": {"ResourceType": {"Type": "INCLUDE", "Value": [GROUP]}}}
    found = read(Config(rows(), sources=sources(), aggregators=[only]))

    for reading in found.values():
        assert len(reading.groups or ()) == 2
        assert failed(reading) == {Part.PREFIX_LISTS, Part.INTERFACES}
        assert "filter" in str(reading.failures[0].error)
        assert reading.untold == {Part.LOAD_BALANCERS}


@pytest.mark.parametrize(
    ("recorder", "parts"),
    [
        (None, set()),
        ({}, set()),
        ({"recording": False}, {Part.GROUPS, Part.PREFIX_LISTS, Part.INTERFACES}),
        ({"types": (GROUP,)}, {Part.PREFIX_LISTS, Part.INTERFACES}),
        ({"types": (LIST, INTERFACE)}, {Part.GROUPS}),
    ],
)
def test_a_recorder_that_is_off_leaves_an_old_picture(recorder, parts):
    """The aggregator succeeds in copying what a stopped recorder left; its own item says that it is off."""
    where = {"account": OTHER, "region": REGION}
    items = [] if recorder is None else [recorder_item(**recorder, **where)]
    found = read(Config([*rows(), *items], sources=sources()))

    assert failed(found[OTHER, REGION]) == parts
    assert all(not found[unit].failures for unit in UNITS if unit != (OTHER, REGION))
    if parts:
        assert OTHER in str(found[OTHER, REGION].failures[0].error)


def test_nothing_is_trusted_where_recorders_cannot_be_asked_for():
    """Without them nobody can tell what is old."""

    def fault(operation, asked, _before):
        if operation.name.startswith("Select") and f"'{RECORDER}'" in asked["Expression"]:
            raise denied(operation.action)

    found = read(Config(rows(), sources=sources(), fault=fault))
    assert all(failed(reading) == ALL_PARTS for reading in found.values())


def test_a_shared_list_comes_from_who_owns_it():
    """Only the owner's account has the item, and rules of others name it; in another region it is another list."""
    named = group(3, account=OTHER, region=REGION, lists=("pl-00000000000000009",))
    owned = prefix_list(9, "0.0.0.0/1", account=ACCOUNT, region=REGION)
    found = read(Config([*rows(), named, owned], sources=sources()))

    assert [one.list_id[-1] for one in found[OTHER, REGION].prefix_lists or ()] == ["1", "9"]
    assert (found[OTHER, REGION].prefix_lists or ())[1].owner_id == ACCOUNT
    assert [one.list_id[-1] for one in found[OTHER, WEST].prefix_lists or ()] == ["1"]

    elsewhere = prefix_list(9, "0.0.0.0/1", account=ACCOUNT, region=WEST)
    found = read(Config([*rows(), named, elsewhere], sources=sources()))
    assert [one.list_id[-1] for one in found[OTHER, REGION].prefix_lists or ()] == ["1"]


def test_a_shared_list_that_may_be_old_is_a_failure():
    """What a rule opens is not known where the list's owner is not current."""
    named = group(3, account=OTHER, region=REGION, lists=("pl-00000000000000009",))
    owned = prefix_list(9, "0.0.0.0/1", account=ACCOUNT, region=REGION)
    found = read(Config([*rows(), named, owned], sources=sources(a111122223333_us_east_1="OUTDATED")))

    assert failed(found[OTHER, REGION]) == {Part.PREFIX_LISTS}
    assert ACCOUNT in str(found[OTHER, REGION].failures[0].error)


def test_load_balancers_are_told_by_account_and_region():
    """One that faces the internet is nobody else's."""
    found = read(Config([*rows(), balancer("internet-facing", account=OTHER, region=WEST)], sources=sources()))

    assert [unit for unit, reading in found.items() if reading.untold] == [(OTHER, WEST)]
    assert all(reading.balanced == frozenset() for unit, reading in found.items() if unit != (OTHER, WEST))
    assert BALANCER


def test_regions_and_overrides_are_kept_to():
    """What is to be read from EC2, or not at all, does not come from here."""
    config = Config(rows(), sources=sources())

    assert list(read(config, regions=[REGION])) == [(ACCOUNT, REGION), (OTHER, REGION)]
    assert list(read(config, regions=["all"])) == UNITS
    assert list(read(config, overrides=[{"accounts": [OTHER], "source": "ec2"}])) == [(ACCOUNT, WEST), (ACCOUNT, REGION)]
    assert list(read(config, source="ec2", overrides=[{"regions": [WEST], "source": "aws_config"}])) == [(ACCOUNT, WEST), (OTHER, WEST)]


def test_what_was_whole_once_stays_covered_while_it_is_a_source():
    """Changing sides with every failure would show rules as they were minutes ago."""
    config, time = Config(rows(), sources=sources(a444455556666_us_east_1="FAILED")), Time()
    reader = aggregate(config, time)
    context = time.context()

    assert [reader.covers(unit, context) for unit in UNITS] == [True, True, True, False]
    assert config.names().count("DescribeConfigurationAggregatorSourcesStatus") == 2, "its two pages once"
    config.sources = sources()
    list(reader.read(context))
    assert all(reader.covers(unit, context) for unit in UNITS)
    config.sources = sources(a444455556666_us_east_1="OUTDATED")
    list(reader.read(context))
    assert all(reader.covers(unit, context) for unit in UNITS)
    config.sources = [one for one in sources() if one["SourceId"] != OTHER]
    config.rows = rows((ACCOUNT, REGION), (ACCOUNT, WEST))
    list(reader.read(context))
    assert [reader.covers(unit, context) for unit in UNITS] == [True, True, False, False]


def test_what_never_was_whole_is_brought_only_where_nobody_else_reads_it():
    """An account that never let the aggregator in is read from EC2, and must not fail here as well."""
    time = Time()
    reader = aggregate(Config(rows(), sources=sources(a444455556666_us_east_1="FAILED", a444455556666_eu_west_1="FAILED")), time)
    reader.elsewhere = frozenset({(OTHER, REGION), (ACCOUNT, REGION)})

    found = {(reading.account_id, reading.region): reading for reading in reader.read(time.context())}
    assert set(found) == {(ACCOUNT, WEST), (ACCOUNT, REGION), (OTHER, WEST)}
    assert failed(found[OTHER, WEST]) == ALL_PARTS


def test_an_aggregator_that_cannot_be_asked_covers_nothing_until_it_can():
    """Everybody who asks would ask AWS again; its own reading learns when it is there."""
    broken = True

    def fault(operation, _asked, _before):
        if broken:
            raise denied(operation.action)

    config, time = Config(rows(), sources=sources(), fault=fault), Time()
    reader, context = aggregate(config, time), time.context()

    assert not any(reader.covers(unit, context) for unit in UNITS)
    assert len(config.calls) == 1
    broken = False
    list(reader.read(context))
    assert all(reader.covers(unit, context) for unit in UNITS)


def test_an_organization_that_cannot_be_listed_is_said_once():
    """Accounts that joined since are missing, and nothing else would tell."""
    told: list[str] = []
    log = type("Log", (), {"warning": lambda _self, event, **fields: told.append(fields["status"])})()
    organization = {"SourceType": "ORGANIZATION", "SourceId": "o-example", "AwsRegion": REGION, "LastUpdateStatus": "FAILED"}
    config, time = Config(rows(), sources=[*sources(), organization]), Time()
    reader = aggregate(config, time)
    for _ in range(2):
        assert len(list(reader.read(type(time.context())(lambda: time.now, log=log)))) == 4

    assert told == ["FAILED"]
