"""Credentials are found, chained, renewed before their end, and never told."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.aws import Account, AwsSettings, RoleSettings
from exporter.aws import operations as op
from exporter.aws.credentials import Keys, RoleCredentials
from exporter.aws.session import open_aws
from exporter.errors import AwsError
from sandbox.faults import Faults
from sandbox.identities import Identity
from sandbox.server import Sandbox, Settings
from tests.aws_session import MEMBER, ROLE, SECOND_ROLE, Heard, failed, opened
from tests.sandbox_client import ACCOUNT, REGION, Clock, last, records

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
MEMBER_ACCOUNT = Account(MEMBER, roles=(ROLE,))


@pytest.fixture(autouse=True)
def environment(aws_environment):
    """Return a patcher of the environment."""
    return aws_environment


@pytest.fixture
def heard():
    """Return who hears of requests."""
    return Heard()


def test_a_role_leads_into_its_account(heard):
    """Otherwise member accounts are watched as the hub, which counts the hub's changes again."""
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url, heard) as aws:
        caller = aws.caller("eu-west-1", MEMBER_ACCOUNT)
        assert (caller.account_id, caller.region, caller.partition) == (MEMBER, "eu-west-1", "aws")
        assert caller.call(op.GET_CALLER_IDENTITY)["Account"] == MEMBER
        (assumed,) = records(sandbox, "AssumeRole")
    asked = assumed["requestParameters"]
    assert (asked["externalId"], asked["roleSessionName"], asked["durationSeconds"]) == ("open-sesame", "aws-change-exporter", 3600)
    assert heard.requests[-1] == ("sts:GetCallerIdentity", MEMBER, "eu-west-1", None)


def test_a_chain_of_roles_is_walked_in_order(heard):
    """Otherwise an account behind a security account cannot be reached, or is reached as somebody else."""
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url, heard) as aws:
        caller = aws.role_caller(REGION, (ROLE, SECOND_ROLE))
        assert caller.call(op.GET_CALLER_IDENTITY)["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/second/aws-change-exporter"
        first, second = records(sandbox, "AssumeRole")
    assert first["userIdentity"]["type"] == "IAMUser"
    assert f":{MEMBER}:assumed-role/aws-change-exporter/" in second["userIdentity"]["arn"]
    assert second["requestParameters"]["durationSeconds"] == 3600


def test_a_first_role_may_last_longer_than_an_hour():
    """Otherwise session_duration does nothing."""
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url) as aws:
        aws.role_caller(REGION, (SECOND_ROLE,)).call(op.GET_CALLER_IDENTITY)
        assert records(sandbox, "AssumeRole")[0]["requestParameters"]["durationSeconds"] == 6 * 3600


def test_a_role_of_a_task_is_a_chain_already(environment):
    """Otherwise AWS refuses more than an hour where the default credentials are themselves those of a role (EKS, ECS, EC2)."""
    environment.setenv("AWS_SESSION_TOKEN", "token-EXAMPLE")
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url) as aws:
        aws.role_caller(REGION, (SECOND_ROLE,)).call(op.GET_CALLER_IDENTITY)
        assert records(sandbox, "AssumeRole")[0]["requestParameters"]["durationSeconds"] == 3600


def test_all_regions_of_an_account_share_a_session(heard):
    """Otherwise 17 regions of 200 accounts begin 3,400 sessions an hour."""
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url, heard) as aws, ThreadPoolExecutor(8) as pool:
        regions = [f"eu-west-{number % 3 + 1}" for number in range(16)]
        list(pool.map(lambda region: aws.caller(region, MEMBER_ACCOUNT).call(op.GET_CALLER_IDENTITY), regions))
    assert heard.counts()["sts:AssumeRole"] == 1


def test_a_session_that_ended_early_is_begun_anew(heard):
    """Otherwise a revoked session fails every poll for an hour."""
    clock = Clock(NOW)
    with (
        Sandbox(Settings(deliver=False, faults=Faults(credential_life=timedelta(minutes=5))), clock=clock) as sandbox,
        opened(sandbox.url, heard) as aws,
    ):
        caller = aws.caller(REGION, MEMBER_ACCOUNT)
        caller.lookup_events({})
        clock.now += timedelta(minutes=6)
        caller.lookup_events({})
    assert heard.codes("cloudtrail:LookupEvents") == [None, "ExpiredTokenException", None]
    assert heard.counts()["sts:AssumeRole"] == 2


def test_every_dialect_of_expiry_is_understood(heard):
    """Otherwise one service goes on with dead credentials."""
    clock = Clock(NOW)
    with (
        Sandbox(Settings(deliver=False, faults=Faults(credential_life=timedelta(minutes=5))), clock=clock) as sandbox,
        opened(sandbox.url, heard) as aws,
    ):
        caller = aws.caller(REGION, MEMBER_ACCOUNT)
        for call in (
            lambda: caller.call(op.DESCRIBE_REGIONS),
            lambda: failed(lambda: caller.get_object("example-trail", "a", 10)),
            lambda: caller.call(op.GET_CALLER_IDENTITY),
        ):
            call()
            clock.now += timedelta(minutes=6)
            call()
    assert heard.codes("ec2:DescribeRegions") == [None, "RequestExpired", None]
    assert heard.codes("s3:GetObject") == ["NoSuchBucket", "ExpiredToken", "NoSuchBucket"]
    assert "ExpiredToken" in heard.codes("sts:GetCallerIdentity")


def test_credentials_that_stay_refused_are_an_error(heard):
    """Otherwise dead credentials are renewed and tried for ever."""
    with Sandbox(Settings(deliver=False, faults=Faults(credential_life=timedelta(0)))) as sandbox, opened(sandbox.url, heard) as aws:
        error = failed(lambda: aws.caller(REGION, MEMBER_ACCOUNT).lookup_events({}))
    assert error.reason == "credentials"
    assert heard.codes("cloudtrail:LookupEvents") == ["ExpiredTokenException"] * 2


def test_a_parent_that_expired_is_renewed_on_the_way(heard):
    """Otherwise a chain breaks for good when its first role ends."""
    clock = Clock(NOW)
    with (
        Sandbox(Settings(deliver=False, faults=Faults(credential_life=timedelta(minutes=5))), clock=clock) as sandbox,
        opened(sandbox.url, heard) as aws,
    ):
        caller = aws.role_caller(REGION, (ROLE, SECOND_ROLE))
        caller.lookup_events({})
        clock.now += timedelta(minutes=6)
        caller.lookup_events({})
    assert heard.codes("sts:AssumeRole") == [None, None, "ExpiredToken", None, None]


def test_a_denied_role_says_who_tried_and_what_to_do(heard):
    """Otherwise nobody knows whether the trust policy or the permission is wrong."""
    denied = Faults(deny=frozenset({"sts:AssumeRole"}))
    alice = Identity(ACCOUNT, "user", "alice")
    with Sandbox(Settings(deliver=False, faults=denied, default_identity=alice)) as sandbox, opened(sandbox.url, heard) as aws:
        error = failed(lambda: aws.caller(REGION, MEMBER_ACCOUNT).lookup_events({}))
        who = aws.identity().arn
    text = str(error)
    assert (error.reason, error.operation) == ("access_denied", "sts:AssumeRole")
    for part in (ROLE.role_arn, f"tried by {who}", "trust policy", "external id"):
        assert part in text
    assert "open-sesame" not in text
    assert heard.codes("sts:AssumeRole") == ["AccessDenied"]


class Assume:
    """STS of a few lines: gives numbered keys that last some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, 0
        self.error: AwsError | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, _role, _parent, _duration):
        """Return new keys."""
        self.calls += 1
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return Keys(f"key-{self.calls}", "secret", "token"), self.seconds


class Parent:
    """Credentials of a user."""

    def current(self):
        """Return keys without an end."""
        return Keys("parent", "secret")

    renewed = current

    def who(self):
        """Return nobody."""
        return "nobody"


def test_a_session_is_renewed_before_its_end():
    """Otherwise every hour one poll of each unit fails."""
    now, assume = [0.0], Assume(3600)
    role = RoleCredentials(ROLE, Parent(), assume, lambda: now[0])
    assert role.current().access_key == "key-1"
    now[0] = 2999
    assert role.current().access_key == "key-1"
    now[0] = 3001
    assert role.current().access_key == "key-2"


def test_a_renewal_that_fails_early_leaves_the_old_keys_in_use():
    """Otherwise ten minutes of trouble with STS are ten minutes without polls, although the session is good."""
    now, assume = [0.0], Assume(3600)
    role = RoleCredentials(ROLE, Parent(), assume, lambda: now[0])
    role.current()
    assume.error = AwsError("unavailable", "STS is away")
    now[0] = 3001
    assert role.current().access_key == "key-1"
    now[0] = 3002
    assert role.current().access_key == "key-1"
    assert assume.calls == 2
    now[0] = 3601
    with pytest.raises(AwsError):
        role.current()
    assume.error = None
    assert role.current().access_key == "key-4"


def test_nobody_waits_for_a_renewal_while_the_old_keys_are_good():
    """Otherwise 17 regions stand still while one of them talks to STS."""
    now, assume = [0.0], Assume(3600)
    role = RoleCredentials(ROLE, Parent(), assume, lambda: now[0])
    role.current()
    now[0] = 3001
    assume.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(role.current)
        while assume.calls < 2:
            pass
        assert role.current().access_key == "key-1"
        assume.gate.set()
        assert renewing.result().access_key == "key-2"


def test_threads_that_waited_for_a_failure_share_it():
    """Otherwise an STS that times out is asked by 17 regions one after the other, for minutes."""
    assume = Assume(3600)
    assume.error = AwsError("unavailable", "STS is away", "sts:AssumeRole")
    role = RoleCredentials(ROLE, Parent(), assume)
    assume.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(failed, role.current) for _ in range(4)]
        while assume.calls < 1 or not all(call.running() for call in calls):
            pass
        threading.Event().wait(0.2)
        assume.gate.set()
        assert {str(call.result()) for call in calls} == {"STS is away"}
    assert assume.calls == 1
    failed(role.current)
    assert assume.calls == 2


def test_keys_that_another_thread_has_renewed_are_not_renewed_again():
    """Otherwise each region of an account begins a session of its own once the common one is revoked."""
    assume = Assume(3600)
    role = RoleCredentials(ROLE, Parent(), assume)
    spent = role.current()
    assert role.renewed(spent).access_key == "key-2"
    assert role.renewed(spent).access_key == "key-2"


def test_no_credentials_at_all_is_said_with_the_remedy(environment, heard):
    """Otherwise a first start ends in a traceback of botocore."""
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    with opened("http://127.0.0.1:1", heard) as aws:
        error = failed(aws.identity)
        assert error.reason == "credentials"
        assert "AWS_ACCESS_KEY_ID" in str(error)
        assert heard.requests == []
        environment.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "example")
        assert failed(aws.identity).reason == "unavailable"


def test_a_profile_gives_credentials_and_region(environment):
    """Otherwise aws.profile does nothing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        environment.delenv(name)
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(
        "[profile hub]\nregion = eu-north-1\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = x\n"
        f"[profile member]\nregion = eu-north-1\nsource_profile = hub\nrole_arn = {SECOND_ROLE.role_arn}\n"
    )
    bob = {"AKIAI44QH8DHBEXAMPLE": Identity(ACCOUNT, "user", "bob")}
    with Sandbox(Settings(deliver=False, identities=bob)) as sandbox:
        with opened(sandbox.url, profile="hub") as aws:
            assert aws.default_region() == "eu-north-1"
            aws.identity()
        assert last(sandbox)["userIdentity"]["userName"] == "bob"
        environment.setenv("AWS_ENDPOINT_URL", sandbox.url)
        with opened(sandbox.url, profile="member") as aws:
            assert (
                aws.caller("eu-west-1")
                .call(op.GET_CALLER_IDENTITY)["Arn"]
                .endswith("assumed-role/second/" + aws.identity().arn.rsplit("/", 1)[1])
            )


def test_a_profile_that_is_not_there_is_said(environment):
    """Otherwise a typing error in aws.profile ends in a traceback."""
    error = failed(lambda: open_aws(AwsSettings(profile="nope"), Heard()))
    assert error.reason == "credentials"
    assert "aws.profile" in str(error)
    assert "nope" in str(error)


def test_keys_that_were_exchanged_in_the_file_are_taken_up(environment, heard):
    """Otherwise rotated keys need a restart."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(name)

    def write(key: str) -> None:
        Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"]).write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = x\n")

    write("AKIAIOSFODNN7EXAMPLE")
    old = {"AKIAIOSFODNN7EXAMPLE": Identity(ACCOUNT, "role", "old", "s", until=NOW)}
    with Sandbox(Settings(deliver=False, identities=old), clock=Clock(NOW)) as sandbox, opened(sandbox.url, heard) as aws:
        assert failed(lambda: aws.caller(REGION).call(op.DESCRIBE_TRAILS)).reason == "credentials"
        write("AKIAI44QH8DHBEXAMPLE")
        aws.caller(REGION).call(op.DESCRIBE_TRAILS)
    assert heard.codes("cloudtrail:DescribeTrails") == ["ExpiredTokenException", "ExpiredTokenException", None]


def test_a_web_identity_is_exchanged(environment, tmp_path):
    """Otherwise pods on EKS (IRSA) have no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(name)
    (tmp_path / "token").write_text("a.b.c")
    environment.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    environment.setenv("AWS_ROLE_ARN", SECOND_ROLE.role_arn)
    environment.setenv("AWS_ROLE_SESSION_NAME", "pod")
    with Sandbox(Settings(deliver=False)) as sandbox:
        environment.setenv("AWS_ENDPOINT_URL", sandbox.url)
        with opened("") as aws:
            assert aws.caller(REGION).call(op.GET_CALLER_IDENTITY)["Account"] == ACCOUNT


def test_nothing_shows_the_keys():
    """Otherwise a traceback or a log line holds them."""
    text = repr(Keys("AKIAIOSFODNN7EXAMPLE", "secret", "token")) + repr(RoleSettings(role_arn=ROLE.role_arn, external_id="open-sesame"))
    assert not any(secret in text for secret in ("AKIA", "secret", "token", "open-sesame"))
