"""A reading of EC2 is whole, part by part, or says what is missing: whatever fails, and whatever changes while it is read."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws import operations as op
from exporter.errors import AwsError, SourceError
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Attachment, Origin, Part, PartFailure, TrailLight
from exporter.snapshots.base import ReadContext
from exporter.snapshots.ec2 import Ec2Reader
from tests.fake_ec2 import (
    ACCOUNT,
    FACING,
    INTERNAL,
    OTHER,
    REGION,
    SECOND_VPC,
    VPC,
    FakeCaller,
    World,
    attached,
    failure,
    group,
    group_id,
    interface,
    rule,
    world,
)

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
VALUES = {
    Part.GROUPS: "groups",
    Part.PREFIX_LISTS: "prefix_lists",
    Part.INTERFACES: "attachments",
    Part.LOAD_BALANCERS: "balanced",
}


class Logged:
    """Keeps what is said."""

    def __init__(self):
        self.lines = []

    def info(self, event, **fields):
        self.lines.append((event, fields))

    exception = info


def context(stopping=lambda: False, log=None):
    """Return a context whose clock goes on by a second each time."""
    seconds = itertools.count()
    return ReadContext(lambda: NOW + timedelta(seconds=next(seconds)), stopping, log or Logged())


def reader(caller, waited=None, **settings):
    """Return a reader that waits no time, but keeps how long it would have."""
    keep = waited if waited is not None else []
    return Ec2Reader(caller, PostureSettings(**settings), wait=lambda seconds, _stopping: keep.append(seconds))


def read(caller, **settings):
    """Return the one reading of a new reader."""
    (reading,) = reader(caller, **settings).read(context())
    return reading


def parts(reading):
    """Return what a reading has of each part."""
    return {part: getattr(reading, name) for part, name in VALUES.items()}


def clean():
    """Return the reading of the world where nothing goes wrong, and what was asked for it."""
    caller = FakeCaller(world())
    return read(caller), caller.calls


CLEAN, CALLS = clean()
PLACES = [pytest.param(number, id=f"{number}-{operation.service}-{operation.name}") for number, (operation, _) in enumerate(CALLS)]


def test_everything_is_read_over_all_pages():
    """Otherwise what is on the second page is not there."""
    assert CLEAN.failures == ()
    assert (CLEAN.account_id, CLEAN.region, CLEAN.origin) == (ACCOUNT, REGION, Origin.EC2)
    assert (CLEAN.started_at, CLEAN.ended_at) == (NOW, NOW + timedelta(seconds=1))
    assert [one.group_id for one in CLEAN.groups] == [group_id(number) for number in range(5)]
    ids = {rule.rule_id: one.group_id for one in CLEAN.groups for rule in one.rules}
    assert ids == {one["SecurityGroupRuleId"]: one["GroupId"] for one in world().rules}
    assert sum(len(one.rules) for one in CLEAN.groups) == len(world().rules)
    assert CLEAN.groups[0].is_default
    assert CLEAN.groups[0].tags == (("team", "web"),)
    assert CLEAN.attachments == {
        group_id(0): Attachment(1, public_ipv4=True),
        group_id(1): Attachment(2, public_ipv4=True),
        **{group_id(number): Attachment(1) for number in (2, 3, 4)},
    }
    assert (CLEAN.trails, CLEAN.recorder) == (None, None)


def test_a_group_has_its_further_vpcs_as_long_as_they_are_associated():
    """Otherwise a group that is only about to be associated looks as if it were."""
    assert [one.vpc_ids for one in CLEAN.groups] == [(), ("vpc-0123456789abcdef1", "vpc-0123456789abcdef3"), (), (), ()]


def test_lists_of_others_are_read_and_those_of_aws_where_rules_name_them():
    """Otherwise a list that no rule names any more looks deleted, or every list of AWS is asked for."""
    assert [(one.list_id[-1], one.version, len(one.entries), one.owner_id) for one in CLEAN.prefix_lists] == [
        ("0", 3, 5, ACCOUNT),
        ("1", 1, 1, OTHER),
        ("2", None, 3, "AWS"),
    ]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("reason", ["access_denied", "throttled", "unavailable", "unreadable", "internal"])
def test_a_call_that_fails_takes_its_part_and_never_makes_it_smaller(place, reason):
    """Otherwise page 7 of 9 is denied, and what is on it counts as closed."""
    caller, (operation, asked) = FakeCaller(world()), CALLS[place]

    def refuse(_number, called, parameters):
        # A botocore that does not know a parameter is asked without it; all else counts.
        if called is operation and without_flag(parameters) == without_flag(asked):
            raise failure(called, reason)

    caller.before = refuse
    check_parts(read(caller), operation, reason)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("answer", [{}, {"ResponseMetadata": {}, "NextToken": None}], ids=["empty", "no list"])
def test_an_answer_without_its_list_is_no_answer(place, answer):
    """Otherwise a proxy's empty page stands for an account without groups."""
    caller, (operation, asked) = FakeCaller(world()), CALLS[place]
    caller.before = lambda _number, called, parameters: answer if called is operation and parameters == asked else None
    check_parts(read(caller), operation, "unreadable")


def without_flag(parameters):
    return {name: value for name, value in parameters.items() if name != "IncludeManagedResources"}


def check_parts(reading, operation, reason):
    """Each part is what it is where nothing fails, or None with a failure that says which call."""
    lost = {failed.part for failed in reading.failures}
    assert lost
    assert len(lost) == len(reading.failures)
    # Before rules were ever read nobody knows which prefix lists are wanted.
    unasked = {Part.PREFIX_LISTS} if lost == {Part.GROUPS} else set()
    assert {part: value for part, value in parts(reading).items() if value is None} == dict.fromkeys(lost | unasked)
    assert {part: value for part, value in parts(reading).items() if value is not None} == {
        part: value for part, value in parts(CLEAN).items() if part not in lost | unasked
    }
    if operation is op.DESCRIBE_INTERFACES:
        assert lost == {Part.INTERFACES, Part.LOAD_BALANCERS}
    elif operation in (op.DESCRIBE_GROUPS, op.DESCRIBE_RULES, op.DESCRIBE_ASSOCIATIONS):
        assert lost == {Part.GROUPS}
    else:
        assert len(lost) == 1
    for failed in reading.failures:
        assert failed.error.reason == reason
        assert operation.action in str(failed.error)
        assert ACCOUNT in str(failed.error)
        assert REGION in str(failed.error)


@pytest.mark.parametrize("place", PLACES)
def test_a_page_that_is_throttled_is_asked_for_again_and_counts_once(place):
    """Otherwise a busy account is never read, or read with what a page brought twice."""
    caller, waited, struck = FakeCaller(world()), [], []

    def throttle(number, called, _parameters):
        if place <= number < place + 3:
            struck.append(number)
            raise failure(called, "throttled", "RequestLimitExceeded")

    caller.before = throttle
    (reading,) = reader(caller, waited).read(context())
    assert parts(reading) == parts(CLEAN)
    assert reading.failures == ()
    assert len(waited) == len(struck) == 3
    assert waited == sorted(waited)
    assert len(caller.calls) == len(CALLS) + 3


def test_throttles_without_end_end_all_the_same():
    """Otherwise one account keeps a thread for hours."""
    caller, waited = FakeCaller(world()), []

    def throttle(_number, called, _parameters):
        raise failure(called, "throttled", "RequestLimitExceeded")

    caller.before = throttle
    (reading,) = reader(caller, waited).read(context())
    assert set(parts(reading).values()) == {None}
    assert {failed.error.reason for failed in reading.failures} == {"throttled"}
    assert round(sum(waited), 3) <= 180
    assert len(caller.calls) <= 4 * 6


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_told_where_all_is_to_end(place):
    """Otherwise a process that stops leaves failures behind, or asks on for minutes."""
    caller = FakeCaller(world())
    told = reader(caller).read(context(lambda: len(caller.calls) > place))
    # The last answer is there already when the end is called.
    assert len(list(told)) == (place == len(CALLS) - 1)
    assert len(caller.calls) == place + 1


def test_the_end_is_seen_while_it_waits():
    """Otherwise a throttled reading holds up the end."""
    caller, ending = FakeCaller(world()), []

    def throttle(_number, called, _parameters):
        raise failure(called, "throttled", "RequestLimitExceeded")

    caller.before = throttle
    told = Ec2Reader(caller, PostureSettings(), wait=lambda _seconds, stopping: ending.append(stopping())).read(
        context(lambda: bool(ending))
    )
    assert list(told) == []
    assert len(caller.calls) == 1


def test_waits_add_up_to_minutes_at_most():
    """Otherwise a thousand pages, each of which comes at last, keep a thread for hours."""
    caller, waited, struck = FakeCaller(world()), [], {}

    def throttle(_number, called, parameters):
        place = (called, str(parameters))
        struck[place] = struck.get(place, 0) + 1
        if struck[place] <= 5:
            raise failure(called, "throttled", "RequestLimitExceeded")

    caller.before = throttle
    (reading,) = reader(caller, waited).read(context())
    assert 100 < round(sum(waited), 3) <= 180
    assert {failed.error.reason for failed in reading.failures} == {"throttled"}
    assert {part: value for part, value in parts(reading).items() if value is not None} == {
        part: parts(CLEAN)[part] for part, value in parts(reading).items() if value is not None
    }


def test_a_list_without_an_end_is_a_failure():
    """Otherwise a page that leads to itself is read for ever."""
    caller = FakeCaller(world())
    page = {"SecurityGroupRules": [], "NextToken": "again"}
    caller.before = lambda _number, called, _parameters: page if called is op.DESCRIBE_RULES else None
    reading = read(caller)
    assert [(failed.part, failed.error.reason) for failed in reading.failures] == [(Part.GROUPS, "unreadable")]
    assert caller.counted()["ec2:DescribeSecurityGroupRules"] == 2


@pytest.mark.parametrize("listed", ["groups", "rules", "interfaces", "prefix_lists", "balancers", "target_groups", "classic"])
def test_what_comes_on_two_pages_counts_once(listed):
    """Otherwise a thing that moves to a later page while pages are read has twice as many interfaces or rules."""
    caller = FakeCaller(world(), page=100)
    doubled = getattr(caller.world, listed)
    doubled += doubled
    assert parts(read(caller)) == parts(CLEAN)


def test_an_answer_over_the_limit_is_asked_for_in_smaller_pages():
    """Otherwise whoever fills groups with long descriptions blinds the exporter."""
    caller = FakeCaller(world())

    def too_large(_number, called, parameters):
        if called is op.DESCRIBE_GROUPS and parameters["MaxResults"] > 20 and "NextToken" in parameters:
            raise failure(called, "unreadable", "too_large")

    caller.before = too_large
    assert parts(read(caller)) == parts(CLEAN)


def test_an_answer_that_is_too_large_in_any_page_is_a_failure():
    """Otherwise the smallest page is asked for without end."""
    caller = FakeCaller(world())

    def too_large(_number, called, _parameters):
        if called is op.DESCRIBE_RULES:
            raise failure(called, "unreadable", "too_large")

    caller.before = too_large
    assert read(caller).groups is None
    assert [asked["MaxResults"] for called, asked in caller.calls if called is op.DESCRIBE_RULES] == [1000, 100, 10, 5]


def test_what_nobody_foresaw_takes_one_part_and_is_told():
    """Otherwise a group without an id hides the interfaces."""
    caller, log = FakeCaller(world()), Logged()
    del caller.world.groups[2]["GroupName"]
    odd = {"NetworkInterfaces": [{"Groups": "sg"}]}
    broken = {"LoadBalancers": [{"LoadBalancerArn": "a", "Scheme": FACING}, "text"]}
    answers = {op.DESCRIBE_INTERFACES: odd, op.DESCRIBE_BALANCERS: broken}
    caller.before = lambda _number, called, _parameters: answers.get(called)
    (reading,) = reader(caller).read(context(log=log))
    assert [one.name for one in reading.groups] == ["default", "group-1", "", "group-3", "group-4"]
    assert {failed.part: failed.error.reason for failed in reading.failures} == {
        Part.LOAD_BALANCERS: "internal",
        Part.INTERFACES: "unreadable",
    }
    assert all(ACCOUNT in str(failed.error) and REGION in str(failed.error) for failed in reading.failures)
    assert [fields["part"] for _, fields in log.lines] == ["load_balancers"]


# What changes while it is read.


def history_of(change):
    """Return the rules by group before and after a change, as the exporter has them."""
    before, after = World(), World()
    for made in (before, after):
        made.groups, made.rules = world().groups, world().rules
    change(after)
    return [{one.group_id: one.rules for one in read(FakeCaller(made_whole(made), page=100)).groups} for made in (before, after)]


def made_whole(made):
    """Give a world the prefix lists that its rules name."""
    made.prefix_lists, made.entries = world().prefix_lists, world().entries
    return made


def created(made):
    made.groups.append(group(7))
    made.rules += [rule(20, 7), rule(21, 7, egress=True)]


def deleted(made):
    made.groups = [one for one in made.groups if one["GroupId"] != group_id(3)]
    made.rules = [one for one in made.rules if one["GroupId"] != group_id(3)]


def opened(made):
    made.rules.append(rule(30, 0, CidrIpv4="0.0.0.0/0"))


def closed(made):
    made.rules = [one for one in made.rules if one["SecurityGroupRuleId"] != "sgr-0123456789abcd001"]


def moved(made):
    """Revoke one rule and authorize another of the group: a mixture would have both, or none."""
    closed(made)
    made.rules.append(rule(31, 1, CidrIpv4="198.51.100.0/24"))


@pytest.mark.parametrize("change", [created, deleted, opened, closed, moved], ids=lambda change: change.__name__)
@pytest.mark.parametrize("place", range(20))
def test_a_group_that_changes_while_it_is_read_is_as_it_was_before_or_after(change, place):
    """Otherwise a group that is deleted between the two questions stands there without rules, and one that is new has none yet."""
    caller = FakeCaller(world())
    caller.before = lambda number, _called, _parameters: change(caller.world) if number == place else None
    reading = read(caller)
    before, after = history_of(change)
    found = {one.group_id: one.rules for one in reading.groups}
    assert reading.failures == ()
    for known in before.keys() | after.keys():
        assert found.get(known) in (before.get(known), after.get(known)), known
    assert found.keys() <= before.keys() | after.keys()


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([created, deleted, opened, closed, moved])), max_size=4, unique=True))
def test_many_changes_leave_no_group_without_rules_that_never_was(changes):
    """Otherwise two changes in one reading make what one does not."""
    caller = FakeCaller(world())
    pending = {change.__name__: (place, change) for place, change in changes}

    def strike(number, _called, _parameters):
        for name, (place, change) in list(pending.items()):
            if place <= number:
                change(caller.world)
                del pending[name]

    caller.before = strike
    reading = read(caller)
    assert reading.failures == ()
    assert all(one.rules for one in reading.groups)
    ids = [rule.rule_id for one in reading.groups for rule in one.rules]
    assert len(ids) == len(set(ids))


def test_a_group_that_one_answer_leaves_out_is_asked_for_again():
    """Otherwise a group that slips between two pages is gone, and its rules with it."""
    caller, left_out = FakeCaller(world(), page=100), []
    plain = caller.world.lists

    def lists(operation, parameters):
        name, key, items = plain(operation, parameters)
        if operation is op.DESCRIBE_GROUPS and not left_out:
            left_out.append(items.pop(2))
        return name, key, items

    caller.world.lists = lists
    assert read(caller).groups == CLEAN.groups
    assert [one["GroupId"] for one in left_out] == [group_id(2)]


def test_a_group_that_never_stands_still_has_all_that_was_told():
    """Otherwise whoever changes a group all the time keeps its rules from being seen."""
    caller = FakeCaller(world())

    def restless(number, called, _parameters):
        if called is op.DESCRIBE_GROUPS:
            caller.world.rules.append(rule(100 + number, 0, CidrIpv4=f"198.51.100.{number}/32"))

    caller.before = restless
    reading = read(caller)
    peers = {one.peer: one.rule_id for one in reading.groups[0].rules}
    assert {one["CidrIpv4"] for one in world().rules if one["GroupId"] == group_id(0)} <= peers.keys()
    assert sum(called is op.DESCRIBE_RULES for called, _ in caller.calls) < 30
    assert reading.failures == ()
    # The newest was in the permissions alone.
    assert list(peers.values()).count(None) == 1


def test_protocols_without_ports_are_the_same_in_both_answers():
    """Otherwise a rule of GRE is there twice, for one answer has ports of 0 and the other none."""
    caller = FakeCaller(world(), page=100)
    gre = rule(40, 0, CidrIpv4="0.0.0.0/0") | {"IpProtocol": "47", "FromPort": 0, "ToPort": 0}
    everything = rule(41, 0, CidrIpv4="0.0.0.0/0") | {"IpProtocol": "-1", "FromPort": -1, "ToPort": -1}
    caller.world.rules += [gre, everything]
    plain = caller.world.lists

    def lists(operation, parameters):
        name, key, items = plain(operation, parameters)
        if operation is op.DESCRIBE_GROUPS:
            for one in items:
                for permission in one["IpPermissions"]:
                    if permission["IpProtocol"] in ("47", "-1"):
                        del permission["FromPort"], permission["ToPort"]
        return name, key, items

    caller.world.lists = lists
    reading = read(caller)
    assert [one.protocol for one in reading.groups[0].rules].count("47") == 1
    assert caller.counted()["ec2:DescribeSecurityGroupRules"] == 1


# Prefix lists.


def test_entries_of_a_version_are_asked_for_once():
    """Otherwise hundreds of calls each round bring what is known."""
    caller = FakeCaller(world())
    reading = reader(caller)
    (first,) = reading.read(context())
    caller.calls.clear()
    (second,) = reading.read(context())
    assert second.prefix_lists == first.prefix_lists
    asked = {parameters["PrefixListId"] for called, parameters in caller.calls if called is op.GET_PREFIX_LIST_ENTRIES}
    # The list of AWS tells no version, so that nothing says that it is the same.
    assert asked == {"pl-0123456789abcdef2"}


def test_entries_that_were_read_are_kept_where_a_later_list_fails():
    """Otherwise an account that is throttled each time begins anew each time, and never ends."""
    caller = FakeCaller(world())
    reading = reader(caller)

    def refuse(_number, called, parameters):
        if called is op.GET_PREFIX_LIST_ENTRIES and parameters["PrefixListId"] == "pl-0123456789abcdef1":
            raise failure(called, "unavailable")

    caller.before = refuse
    (first,) = reading.read(context())
    assert first.prefix_lists is None
    caller.before = lambda _number, _called, _parameters: None
    caller.calls.clear()
    (second,) = reading.read(context())
    assert second.prefix_lists == CLEAN.prefix_lists
    asked = {parameters["PrefixListId"] for called, parameters in caller.calls if called is op.GET_PREFIX_LIST_ENTRIES}
    assert "pl-0123456789abcdef0" not in asked


def test_a_new_version_is_read():
    """Otherwise a list that opens groups is what it was."""
    caller = FakeCaller(world())
    reading = reader(caller)
    list(reading.read(context()))
    caller.world.prefix_lists[0]["Version"] = 4
    caller.world.entries["pl-0123456789abcdef0", 4] = [{"Cidr": "0.0.0.0/0", "Description": "all"}]
    (second,) = reading.read(context())
    assert (second.prefix_lists[0].version, second.prefix_lists[0].entries) == (4, (("0.0.0.0/0", "all"),))


def test_groups_that_fail_leave_the_lists_that_rules_named_before():
    """Otherwise the lists of AWS vanish from the picture with one denied call."""
    caller = FakeCaller(world())
    reading = reader(caller)
    (first,) = reading.read(context())

    def refuse(_number, called, _parameters):
        if called is op.DESCRIBE_GROUPS:
            raise failure(called)

    caller.before = refuse
    (second,) = reading.read(context())
    assert second.groups is None
    assert second.prefix_lists == first.prefix_lists


def test_a_list_that_rules_name_and_nobody_shows_is_a_failure():
    """Otherwise what a list that is shared no longer lets in counts as nothing."""
    caller = FakeCaller(world())
    del caller.world.prefix_lists[2]
    reading = read(caller)
    assert reading.prefix_lists is None
    (failed,) = reading.failures
    assert (failed.part, "pl-0123456789abcdef2" in str(failed.error)) == (Part.PREFIX_LISTS, True)


@pytest.mark.parametrize("named", [False, True], ids=["not named", "named"])
def test_a_list_that_is_deleted_while_it_is_read_matters_only_where_rules_name_it(named):
    """Otherwise somebody who makes and deletes lists keeps all others from being read."""
    caller = FakeCaller(world())
    gone = "pl-0123456789abcdef1"
    if named:
        caller.world.rules.append(rule(50, 0, PrefixListId=gone))

    def vanished(_number, called, parameters):
        if called is op.GET_PREFIX_LIST_ENTRIES and parameters["PrefixListId"] == gone:
            raise failure(called, "internal", "InvalidPrefixListID.NotFound")

    caller.before = vanished
    reading = read(caller)
    assert (reading.prefix_lists is None) is named
    if not named:
        assert [one.list_id[-1] for one in reading.prefix_lists] == ["0", "2"]


def test_a_list_that_is_not_made_yet_is_not_asked_for():
    """Otherwise a list that failed to be made fails the part for ever."""
    caller = FakeCaller(world())
    caller.world.prefix_lists[1]["State"] = "create-failed"
    assert [one.list_id[-1] for one in read(caller).prefix_lists] == ["0", "2"]


# What a region does not know.


@pytest.mark.parametrize("operation", [op.DESCRIBE_ASSOCIATIONS, op.DESCRIBE_CLASSIC_BALANCERS], ids=lambda operation: operation.name)
@pytest.mark.parametrize("code", ["InvalidAction", "UnsupportedOperation", "HTTP501"])
def test_a_call_that_a_region_does_not_know_is_said_once(operation, code):
    """Otherwise such a region is never read, or fills the log."""
    caller, log = FakeCaller(world()), Logged()

    def unknown(_number, called, _parameters):
        if called is operation:
            raise failure(called, "internal", code)

    caller.before = unknown
    again = reader(caller)
    readings = [*again.read(context(log=log)), *again.read(context(log=log))]
    assert [one.failures for one in readings] == [(), ()]
    assert [(fields["operation"], fields["region"]) for _, fields in log.lines] == [(operation.action, REGION)]
    assert readings[0].groups[1].vpc_ids == (() if operation is op.DESCRIBE_ASSOCIATIONS else CLEAN.groups[1].vpc_ids)


@pytest.mark.parametrize(
    "error", [failure(op.DESCRIBE_INTERFACES, "internal", "UnknownParameter"), AwsError("internal", "unknown parameter")]
)
def test_interfaces_are_read_where_the_parameter_of_hidden_ones_is_not_known(error):
    """Otherwise a region, or a botocore, that is behind reads no interfaces at all."""
    caller = FakeCaller(world())

    def unknown(_number, called, parameters):
        if called is op.DESCRIBE_INTERFACES and "IncludeManagedResources" in parameters:
            raise error

    caller.before = unknown
    assert parts(read(caller)) == parts(CLEAN)


# What stands behind load balancers.


def balanced(made):
    """Return the groups behind load balancers, by number."""
    found = read(FakeCaller(made)).balanced
    return {int(one[-1]) for one in found}


def hosts():
    """Return a world with interfaces and nothing before them."""
    made = World()
    made.groups = [group(number) for number in range(9)]
    made.rules = [rule(number, number) for number in range(9)]
    made.interfaces = [
        interface(0, [0], "10.0.0.10", **attached("i-0123456789abcdef0")),
        interface(1, [1], "10.0.0.11", **attached("i-0123456789abcdef0", 1)),
        interface(2, [2], "10.0.0.12", **attached("i-0123456789abcdef0", 0, 1)),
        interface(3, [3], "10.0.0.13") | {"PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.13"}, {"PrivateIpAddress": "10.0.0.23"}]},
        interface(4, [4], "10.0.0.13", VpcId=SECOND_VPC),
        interface(5, [5], "10.0.0.15", Ipv4Prefixes=[{"Ipv4Prefix": "10.0.0.32/28"}], Ipv6Addresses=[{"Ipv6Address": "2001:db8::5"}]),
        interface(6, [6, 7], "10.0.0.16", Ipv6Prefixes=[{"Ipv6Prefix": "2001:db8:0:0:1::/80"}]),
    ]
    return made


@pytest.mark.parametrize(
    ("kind", "target", "reached"),
    [
        ("instance", "i-0123456789abcdef0", {0}),
        ("instance", "i-0123456789abcdef9", set()),
        ("ip", "10.0.0.11", {1}),
        ("ip", "10.0.0.13", {3}),
        ("ip", "10.0.0.23", {3}),
        ("ip", "10.0.0.32", {5}),
        ("ip", "10.0.0.47", {5}),
        ("ip", "10.0.0.48", set()),
        ("ip", "2001:db8::5", {5}),
        ("ip", "2001:0db8:0:0::0005", {5}),
        ("ip", "2001:db8:0:0:1::9", {6, 7}),
        ("ip", "192.168.7.7", set()),
        ("ip", "text", set()),
        ("lambda", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f", set()),
        ("unheard-of", "10.0.0.11", set()),
    ],
)
@pytest.mark.parametrize(("scheme", "faces"), [(FACING, True), (INTERNAL, False), (None, False)])
def test_targets_are_found_by_what_they_are(kind, target, reached, scheme, faces):
    """Otherwise a second interface, another VPC or a pod's delegated prefix is taken for the target, or not seen."""
    made = hosts()
    made.target_group("t", kind, [target], made.balancer("b", scheme))
    assert balanced(made) == (reached if faces else set())


def test_a_load_balancer_behind_another_is_reached_and_so_is_what_it_sends_to():
    """Otherwise an internal load balancer behind a public one hides its targets."""
    made = hosts()
    inner = made.balancer("inner", INTERNAL, (8,))
    front = made.balancer("front", FACING, (7,), "network")
    made.target_group("alb", "alb", [inner], front)
    made.target_group("instances", "instance", ["i-0123456789abcdef0"], inner)
    assert balanced(made) == {0, 8}


def test_load_balancers_that_lead_to_each_other_end():
    """Otherwise a circle is walked for ever."""
    made = hosts()
    one, two = made.balancer("one", FACING, (1,)), made.balancer("two", INTERNAL, (2,))
    made.target_group("a", "alb", [two, "arn:aws:elasticloadbalancing:elsewhere"], one)
    made.target_group("b", "alb", [one], two)
    assert balanced(made) == {1, 2}


def test_a_target_group_of_nobody_is_not_asked_for():
    """Otherwise each unused target group costs a call."""
    made = hosts()
    made.balancer("front", FACING)
    made.target_group("unused", "instance", ["i-0123456789abcdef0"])
    caller = FakeCaller(made)
    assert read(caller).balanced == frozenset()
    assert "elbv2:DescribeTargetHealth" not in caller.counted()


def test_a_target_group_of_two_load_balancers_is_asked_for_once():
    """Otherwise what many share costs many calls."""
    made = hosts()
    made.target_group("shared", "ip", ["10.0.0.11"], made.balancer("one", FACING), made.balancer("two", FACING))
    caller = FakeCaller(made)
    assert read(caller).balanced == {group_id(1)}
    assert caller.counted()["elbv2:DescribeTargetHealth"] == 1


def test_a_target_group_that_is_gone_has_no_targets():
    """Otherwise a deployment that replaces target groups fails the part."""
    caller = FakeCaller(world())

    def gone(_number, called, parameters):
        if called is op.DESCRIBE_TARGET_HEALTH and "/addresses/" in parameters["TargetGroupArn"]:
            raise failure(called, "internal", "TargetGroupNotFound")

    caller.before = gone
    reading = read(caller)
    assert (reading.balanced, reading.failures) == (frozenset({group_id(1)}), ())


def test_classic_load_balancers_send_to_the_first_interface():
    """Otherwise what the oldest load balancers open is called private."""
    made = hosts()
    made.classic = [{"LoadBalancerName": "old", "Scheme": FACING, "Instances": [{"InstanceId": "i-0123456789abcdef0"}]}]
    assert balanced(made) == {0}


def test_without_load_balancers_nothing_is_asked_of_them():
    """Otherwise whoever turned it off is denied each time."""
    caller = FakeCaller(world())
    reading = read(caller, load_balancers=False)
    assert (reading.balanced, reading.failures) == (frozenset(), ())
    assert {name.partition(":")[0] for name in caller.counted()} == {"ec2"}
    assert reading.attachments == CLEAN.attachments


def test_without_load_balancers_interfaces_that_fail_leave_them_off():
    """Otherwise a part that nobody asked for fails."""
    caller = FakeCaller(world())

    def refuse(_number, called, _parameters):
        if called is op.DESCRIBE_INTERFACES:
            raise failure(called)

    caller.before = refuse
    reading = read(caller, load_balancers=False)
    assert [failed.part for failed in reading.failures] == [Part.INTERFACES]
    assert reading.balanced == frozenset()


def test_lights_are_read_by_whoever_is_given():
    """Otherwise trails and recorder never come into a reading."""
    failed = PartFailure(Part.RECORDER, SourceError("access_denied", "no"))
    made = Ec2Reader(FakeCaller(world()), PostureSettings(), lights=lambda _caller, _context: ((TrailLight("audit"),), None, (failed,)))
    (reading,) = made.read(context())
    assert (reading.trails, reading.recorder, reading.failures) == ((TrailLight("audit"),), None, (failed,))
    assert VPC in {one.vpc_id for one in reading.groups}
