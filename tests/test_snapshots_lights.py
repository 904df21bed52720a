"""Lights, read from the sandbox: which trails record here, and what AWS Config does; what cannot be told is never dark."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from exporter.aws import Account, RoleSettings
from exporter.aws.operations import DESCRIBE_RECORDERS, DESCRIBE_TRAILS, GET_EVENT_SELECTORS, GET_TRAIL_STATUS
from exporter.errors import AwsError
from exporter.logs import make_logger
from exporter.posture.codec import decode, encode
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Part, RecorderLight, Standing, TrailLight
from exporter.snapshots.base import ReadContext
from exporter.snapshots.lights import Lights, LightsReader, read_lights
from exporter.snapshots.permissions import permissions
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import Heard, opened
from tests.sandbox_client import ACCOUNT, REGION, client

CUSTOM = {"AdvancedEventSelectors": [{"Name": "m", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]}
READS = {"EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]}


class World:
    """A sandbox, and the exporter's own way to it."""

    def __init__(self, sandbox, aws, heard):
        self.sandbox, self.aws, self.heard = sandbox, aws, heard
        self.log = io.StringIO()
        self.context = ReadContext(lambda: datetime.now(UTC), log=make_logger("info", "json", self.log))

    def lights(self, region=REGION, account=None, reader=read_lights) -> Lights:
        return reader(self.aws.caller(region, account), self.context)

    def trail(self, name="audit", region=REGION, start=True, bucket="audit-logs", **settings):
        """Make a trail of all regions with its bucket."""
        client(self.sandbox, "s3").create_bucket(Bucket=bucket)
        trails = client(self.sandbox, "cloudtrail", region)
        trails.create_trail(Name=name, S3BucketName=bucket, **{"IsMultiRegionTrail": True} | settings)
        if start:
            trails.start_logging(Name=name)
        return trails

    def member(self) -> Account:
        """Make an organization with one member, and return it."""
        organizations = client(self.sandbox, "organizations")
        organizations.create_organization(FeatureSet="ALL")
        organizations.create_account(Email="one@example.com", AccountName="one")
        [member] = [account["Id"] for account in organizations.list_accounts()["Accounts"] if account["Id"] != ACCOUNT]
        return Account(member, roles=(RoleSettings(role_arn=f"arn:aws:iam::{member}:role/watch"),))


@pytest.fixture
def running(aws_environment):
    """Return a starter of worlds."""

    @contextmanager
    def start(**settings):
        heard = Heard()
        with Sandbox(Settings(deliver=False, **settings)) as sandbox, opened(sandbox.url, heard) as aws:
            yield World(sandbox, aws, heard)

    return start


def test_where_there_is_nothing_both_parts_say_so(running):
    """Otherwise an account without trails looks like one that could not be asked."""
    with running() as world:
        assert world.lights() == Lights((), (), ())


def test_a_trail_of_all_regions_lights_each(running):
    """Otherwise each region but one is dark."""
    with running() as world:
        world.trail(EnableLogFileValidation=True)
        for region in (REGION, "eu-west-1"):
            assert world.lights(region).trails == (TrailLight("audit", validates=True),)


def test_a_trail_of_one_region_lights_no_other(running):
    """Otherwise a region whose changes nobody records counts as recorded."""
    with running() as world:
        world.trail(IsMultiRegionTrail=False)
        assert world.lights().trails == (TrailLight("audit"),)
        assert world.lights("eu-west-1").trails == ()


@pytest.mark.parametrize(
    ("selectors", "gap"),
    [
        (None, ""),
        (CUSTOM, ""),
        (READS, "it records only reads (ReadOnly)"),
        ({"EventSelectors": [{"IncludeManagementEvents": False}]}, "its event selectors exclude management events"),
        (
            {
                "AdvancedEventSelectors": [
                    {
                        "Name": "no ec2",
                        "FieldSelectors": [
                            {"Field": "eventCategory", "Equals": ["Management"]},
                            {"Field": "eventSource", "NotEquals": ["ec2.amazonaws.com"]},
                        ],
                    }
                ]
            },
            "it excludes the events of ec2.amazonaws.com",
        ),
    ],
    ids=["none", "all", "reads", "no management events", "not ec2"],
)
def test_selectors_decide_whether_writes_are_recorded(running, selectors, gap):
    """Otherwise whoever takes EC2 out of a trail does it unseen."""
    with running() as world:
        trails = world.trail()
        if selectors is not None:
            trails.put_event_selectors(TrailName="audit", **selectors)
        assert world.lights("eu-west-1").trails == (TrailLight("audit", gap=gap),)


def test_stopped_and_deleted_trails_show_with_the_next_reading(running):
    """Otherwise the first thing that an intruder does is not seen."""
    with running() as world:
        trails = world.trail()
        reader = LightsReader()
        assert world.lights(reader=reader).trails == (TrailLight("audit"),)
        trails.stop_logging(Name="audit")
        assert world.lights(reader=reader).trails == (TrailLight("audit", gap="it is stopped"),)
        trails.delete_trail(Name="audit")
        assert world.lights(reader=reader).trails == ()


def test_what_selectors_exclude_is_remembered_for_two_minutes(running):
    """Otherwise a trail of seventeen regions is asked for seventeen times a round, or for ever only once."""
    with running() as world:
        trails, now = world.trail(), [0.0]
        reader = LightsReader(now=lambda: now[0])
        for region in (REGION, "eu-west-1", "eu-west-3"):
            assert world.lights(region, reader=reader).trails == (TrailLight("audit"),)
        assert world.heard.counts()[GET_EVENT_SELECTORS.action] == 1
        trails.put_event_selectors(TrailName="audit", **READS)
        now[0] = 119.9
        assert world.lights(reader=reader).trails == (TrailLight("audit"),)
        now[0] = 120.0
        assert world.lights(reader=reader).trails == (TrailLight("audit", gap="it records only reads (ReadOnly)"),)
        assert world.heard.counts()[GET_EVENT_SELECTORS.action] == 2


def test_deliveries_and_their_errors_are_told(running):
    """Otherwise a trail that logs into nothing counts as one."""
    with running(delay=timedelta(0)) as world:
        world.trail()
        client(world.sandbox, "ec2").create_security_group(GroupName="web", Description="web")
        world.sandbox.deliver_files()
        (light,) = world.lights().trails
        assert light.last_delivery is not None
        assert light.last_delivery.tzinfo is UTC
        assert light.delivery_error == ""
        s3 = client(world.sandbox, "s3")
        for item in s3.list_objects_v2(Bucket="audit-logs").get("Contents", []):
            s3.delete_object(Bucket="audit-logs", Key=item["Key"])
        s3.delete_bucket(Bucket="audit-logs")
        client(world.sandbox, "ec2").create_security_group(GroupName="db", Description="db")
        world.sandbox.deliver_files()
        (broken,) = world.lights().trails
        assert (broken.last_delivery, broken.delivery_error) == (light.last_delivery, "NoSuchBucket")
        picture = Standing(ACCOUNT, REGION, trails=(broken,))
        assert decode(encode(picture), Standing) == picture


def test_two_trails_of_one_name_are_told_apart(running):
    """Otherwise one series stands on the page twice, and Prometheus refuses the scrape."""
    with running() as world:
        world.trail()
        world.trail(region="eu-west-1", start=False)
        world.trail("data", bucket="data-logs")
        assert world.lights().trails == (
            TrailLight(f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT}:trail/audit", gap="it is stopped"),
            TrailLight(f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/audit"),
            TrailLight("data"),
        )


def test_a_member_sees_the_trail_of_its_organization(running):
    """Otherwise every member is dark."""
    with running() as world:
        member = world.member()
        trails = world.trail(IsOrganizationTrail=True)
        assert world.lights(account=member).trails == (TrailLight("audit"),)
        trails.stop_logging(Name="audit")
        assert world.lights(account=member).trails == (TrailLight("audit", gap="it is stopped"),)


class Member:
    """A caller of a member, which AWS refuses an organization's selectors (or more); all else is answered."""

    def __init__(self, caller, refused=(GET_EVENT_SELECTORS,), reason="access_denied"):
        self._caller, self._refused, self._reason = caller, refused, reason
        self.account_id, self.region, self.asked = caller.account_id, caller.region, []

    def elsewhere(self, region):
        other = Member(self._caller.elsewhere(region), self._refused, self._reason)
        other.asked = self.asked
        return other

    def call(self, operation, **parameters):
        self.asked.append(operation)
        if operation in self._refused:
            raise AwsError(self._reason, f"{operation.action} failed: Refused", operation.action, "Refused")
        return self._caller.call(operation, **parameters)


def test_a_member_that_may_not_see_selectors_goes_by_what_it_is_told(running):
    """Otherwise a member of an organization is paged for a trail that records, or told that one does of which nobody knows."""
    with running() as world:
        account = world.member()
        trails, reader = world.trail(IsOrganizationTrail=True), LightsReader()
        member = Member(world.aws.caller("eu-west-1", account))
        assert reader(member, world.context) == Lights((TrailLight("audit"),), (), ()), "nobody gave it selectors: it records all"

        trails.put_event_selectors(TrailName="audit", **CUSTOM)
        unknown = "only the account that owns it may tell what it records: cloudtrail:GetEventSelectors gave Refused"
        assert reader(member, world.context) == Lights((TrailLight("audit", unknown=unknown),), (), ())
        assert reader(member, world.context).trails == (TrailLight("audit", unknown=unknown),)
        assert member.asked.count(GET_EVENT_SELECTORS) == 1, "a refusal is remembered, too"
        (line,) = [json.loads(line) for line in world.log.getvalue().splitlines()]
        assert line["level"] == "warning"
        assert (line["account_id"], line["region"]) == (account.account_id, "eu-west-1")
        assert line["trail"] == f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/audit"

        assert world.lights(reader=reader).trails == (TrailLight("audit"),)
        assert reader(member, world.context).trails == (TrailLight("audit"),), "what its owner was told holds for all"

        trails.stop_logging(Name="audit")
        assert LightsReader()(member, world.context).trails == (TrailLight("audit", gap="it is stopped"),)


def test_a_member_that_may_not_even_see_the_status_knows_nothing(running):
    """Otherwise the trail of an organization is dark in each account that may not look at it."""
    with running() as world:
        account = world.member()
        world.trail(IsOrganizationTrail=True)
        (light,) = LightsReader()(Member(world.aws.caller(REGION, account), (GET_TRAIL_STATUS,)), world.context).trails
    assert light.unknown == "only the account that owns it may tell what it records: cloudtrail:GetTrailStatus gave Refused"


@pytest.mark.parametrize("reason", ["throttled", "unavailable", "credentials"])
@pytest.mark.parametrize("operation", [GET_TRAIL_STATUS, GET_EVENT_SELECTORS])
def test_what_passes_is_no_answer(running, operation, reason):
    """Otherwise a throttled call makes a trail unknown, or a reading shrinks the picture."""
    with running() as world:
        account = world.member()
        world.trail(IsOrganizationTrail=True)
        found = LightsReader()(Member(world.aws.caller(REGION, account), (operation,), reason), world.context)
    assert (found.trails, found.recorder) == (None, ())
    assert [(failure.part, failure.error.reason) for failure in found.failures] == [(Part.TRAILS, reason)]


@pytest.mark.parametrize("action", ["cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"])
def test_an_own_trail_that_may_not_be_looked_at_is_a_failure_of_its_part(running, action):
    """Otherwise a missing permission says that the lights are out, or on."""
    with running(faults=Faults(deny=frozenset({action}))) as world:
        world.trail()
        found = world.lights()
    assert (found.trails, found.recorder) == (None, ())
    ((part, error),) = [(failure.part, str(failure.error)) for failure in found.failures]
    assert part is Part.TRAILS
    assert action in error
    assert REGION in error


def make_recorder(world, start=True, **fields):
    config = client(world.sandbox, "config")
    client(world.sandbox, "s3").create_bucket(Bucket="config-logs")
    recorder = {"name": "default", "roleARN": f"arn:aws:iam::{ACCOUNT}:role/config", "recordingGroup": {"allSupported": True}}
    config.put_configuration_recorder(ConfigurationRecorder=recorder | fields)
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "config-logs"})
    if start:
        config.start_configuration_recorder(ConfigurationRecorderName="default")
    return config


def test_the_recorder_is_on_off_or_missing(running):
    """Otherwise AWS Config is switched off unseen."""
    with running() as world:
        config = make_recorder(world)
        assert world.lights().recorder == (RecorderLight("default", "", "continuous"),)
        assert world.lights("eu-west-1").recorder == ()
        config.stop_configuration_recorder(ConfigurationRecorderName="default")
        assert world.lights().recorder == (RecorderLight("default", "it is off", "continuous"),)


@pytest.mark.parametrize("action", ["config:DescribeConfigurationRecorders", "config:DescribeConfigurationRecorderStatus"])
def test_a_recorder_that_may_not_be_looked_at_hides_no_trail(running, action):
    """Otherwise one missing permission takes all lights."""
    with running(faults=Faults(deny=frozenset({action}))) as world:
        world.trail()
        make_recorder(world)
        found = world.lights()
    assert (found.trails, found.recorder) == ((TrailLight("audit"),), None)
    assert [failure.part for failure in found.failures] == [Part.RECORDER]
    assert action in str(found.failures[0].error)


class Odd:
    """A caller with answers that nobody foresaw."""

    account_id, region = ACCOUNT, REGION

    def __init__(self, **answers):
        self._answers = {"DescribeTrails": {"trailList": []}, "DescribeConfigurationRecorders": {"ConfigurationRecorders": []}} | answers

    def elsewhere(self, _region):
        return self

    def call(self, operation, **_parameters):
        return self._answers.get(operation.name, {})


@pytest.mark.parametrize(
    ("answers", "part", "reason"),
    [
        ({"DescribeTrails": {}}, Part.TRAILS, "unreadable"),
        ({"DescribeTrails": {"trailList": None}}, Part.TRAILS, "unreadable"),
        ({"DescribeTrails": {"trailList": [None]}}, Part.TRAILS, "internal"),
        ({"DescribeConfigurationRecorders": {}}, Part.RECORDER, "unreadable"),
        ({"DescribeConfigurationRecorders": {"ConfigurationRecorders": [{"name": "default"}]}}, Part.RECORDER, "unreadable"),
        ({"DescribeConfigurationRecorders": {"ConfigurationRecorders": [7]}}, Part.RECORDER, "internal"),
    ],
)
def test_an_answer_that_nobody_foresaw_is_a_failure_of_its_part_alone(answers, part, reason):
    """Otherwise half an answer says that there is no trail, and the lights are out."""
    log = io.StringIO()
    found = read_lights(Odd(**answers), ReadContext(lambda: datetime.now(UTC), log=make_logger("info", "json", log)))
    assert [(failure.part, failure.error.reason) for failure in found.failures] == [(part, reason)]
    assert f"{ACCOUNT} {REGION}" in str(found.failures[0].error)
    assert "please report it" in str(found.failures[0].error)
    assert (found.trails, found.recorder) == ((None, ()) if part is Part.TRAILS else ((), None))


def test_every_call_has_its_permission(running):
    """Otherwise the policy that `iam-policy` prints leaves the lights unread."""
    with running() as world:
        world.trail()
        make_recorder(world)
        world.lights()
        asked = {action for action in world.heard.counts() if not action.startswith("sts:")}
    assert {DESCRIBE_TRAILS.action, GET_EVENT_SELECTORS.action, DESCRIBE_RECORDERS.action} <= asked
    for source in ("ec2", "aws_config"):
        allowed = {permission.action for permission in permissions(PostureSettings(source=source)) if permission.who == "member"}
        assert asked <= allowed
