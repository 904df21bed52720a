"""The source `cloudtrail` over HTTP against the sandbox, with calls made by boto3 and all that may go wrong on the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exporter.aws import Aws
from exporter.catalog import Watch
from exporter.cli import main
from exporter.families import LATE_EVENTS
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.parse import RecordParser
from exporter.poller import Poller
from exporter.sources import SOURCES
from exporter.sources.base import RawRecord
from exporter.sources.cloudtrail import CloudTrailSettings, CloudTrailSource
from exporter.store import SqliteStore
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_fast import Stepping, stepping_sandbox, without_turns
from tests.aws_session import Heard, opened
from tests.cloudtrail_history import Keeper
from tests.records import authorize
from tests.sandbox_client import ACCOUNT, KEY, REGION, client, records
from tests.store_events import values

pytestmark = pytest.mark.usefixtures("aws_environment")
MEMBER = "444455556666"
QUICK = {"backfill": "0s", "rescans": []}
ANYWHERE = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
CLOUDTRAIL = SOURCES["cloudtrail"]


def cloudtrail(**changes: Any) -> CloudTrailSettings:
    """Return settings."""
    return CloudTrailSettings.model_validate({"type": "cloudtrail", **changes})


class Polled(Keeper):
    """A keeper over real HTTP: the history is only a clock."""

    def __init__(self, aws: Aws, clock: Any, settings: dict[str, Any], region: str = REGION) -> None:
        super().__init__(history=type("Clocks", (), {"ours": staticmethod(clock), "now": 0})(), settings=settings)
        self._new = lambda: CloudTrailSource(cloudtrail(**settings), aws.caller(region, aws.accounts().accounts[0]), lambda _seconds: None)
        self.source = self._new()

    def restart(self) -> None:
        """Begin a new process."""
        self.source = self._new()


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def shown(sandbox: Sandbox, count: int, skew: timedelta = timedelta(0)) -> set[str]:
    """Put authorizations into the last half hour, as if they had been shown at once, and return their ids."""
    made = [authorize(number, when=now() + skew - timedelta(seconds=60 + number * 5)) for number in range(1, count + 1)]
    for entry in made:
        sandbox.journal.add(entry, datetime.fromisoformat(entry["eventTime"]))
    return {entry["eventID"] for entry in made}


def first_record(polled: Polled) -> RawRecord:
    """Poll until something is found: the seconds that have just begun belong to the next poll."""
    for _ in range(10):
        assert polled.poll() is None
        if found := [raw for batch in polled.batches for raw in batch.records]:
            return found[0]
    raise AssertionError("nothing was found")


def test_calls_of_boto3_come_out_as_counts_history_and_health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way: a call, Event history, the poll, the store, the page."""
    without_turns(monkeypatch)
    with stepping_sandbox(Stepping()) as sandbox:
        path = tmp_path / "config.yml"
        source = {"type": "cloudtrail", "live_since": "beginning", "regions": ["us-east-1", "eu-west-1"]}
        path.write_text(
            json.dumps({"store": {"path": str(tmp_path / "state.db")}, "aws": {"endpoint_url": sandbox.url}, "sources": [source]})
        )

        def run(*arguments: str) -> str:
            result = CliRunner().invoke(main, [arguments[0], "--config.file", str(path), *arguments[1:]])
            assert result.exit_code == 0, result.output
            return result.stdout

        for region in ("us-east-1", "eu-west-1"):
            ec2 = client(sandbox, "ec2", region)
            group = ec2.create_security_group(GroupName="web", Description="d")["GroupId"]
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ANYWHERE)
        for _ in range(2):
            run("poll")
        assert {(row["event_name"], row["region"]) for row in json.loads(run("history", "--format", "json"))} == {
            (name, region) for name in ("CreateSecurityGroup", "AuthorizeSecurityGroupIngress") for region in ("us-east-1", "eu-west-1")
        }
        page = run("metrics")
        authorized = (
            f'account_id="{ACCOUNT}",region="eu-west-1",event_source="ec2.amazonaws.com",event_name="AuthorizeSecurityGroupIngress"'
        )
        assert f'awschange_events_total{{{authorized},outcome="success"}} 1' in page
        for family in ("gaps", "gap_seconds", "late_events"):
            assert f'awschange_exporter_{family}_total{{source="cloudtrail",account_id="{ACCOUNT}",region="eu-west-1"}} 0' in page
        # What a store answers and what AWS answers is one truth.
        stored = json.loads(run("history", group, "--format", "json"))
        asked = json.loads(run("history", group, "--format", "json", "--from", "cloudtrail"))
        assert asked
        for row in (*stored, *asked):
            row.pop("recorded_at"), row.pop("live")
        assert stored == asked


@pytest.mark.parametrize(
    "faults",
    [
        Faults(throttle=0.4, seed=1),
        Faults(error=0.4, seed=2),
        Faults(cut=0.4, seed=3),
        Faults(token_life=timedelta(milliseconds=100)),
        Faults(throttle=0.15, error=0.15, cut=0.15, token_life=timedelta(milliseconds=800), seed=4),
        Faults(storm=timedelta(seconds=2), storm_period=timedelta(seconds=5)),
        Faults(clock_skew=timedelta(minutes=2)),
        Faults(clock_skew=timedelta(minutes=-2)),
    ],
    ids=["throttle", "error", "cut", "token", "all", "storm", "ahead", "behind"],
)
def test_all_is_read_whatever_goes_wrong(faults: Faults) -> None:
    """Every fault that AWS is known for, on pages that must be walked."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False, faults=faults)) as sandbox, opened(sandbox.url) as aws:
        expected = shown(sandbox, 130, faults.clock_skew)
        polled = Polled(aws, now, {**QUICK, "strategy": "sweep"})
        for _ in range(12):
            if polled.poll() is None:
                break
            polled.restart()
        else:
            raise AssertionError("no poll was complete")
        assert set(polled.stored) == expected


def test_we_cause_no_throttle_by_ourselves() -> None:
    """AWS counts two calls a second for everybody together; people at the console need some of them."""
    heard = Heard()
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as sandbox, opened(sandbox.url, heard) as aws:
        shown(sandbox, 60)
        polled = Polled(aws, now, {**QUICK, "strategy": "names"})
        assert polled.poll() is None
        assert len(heard.codes("cloudtrail:LookupEvents")) >= 5
        assert set(heard.codes("cloudtrail:LookupEvents")) == {None}


def test_late_events_are_found_and_counted_in_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that AWS shows four hours late is behind every watermark."""
    without_turns(monkeypatch)
    clock = Stepping(datetime(2026, 1, 31, 12, 0, tzinfo=UTC))
    with stepping_sandbox(clock) as sandbox, opened(sandbox.url) as aws:
        store = SqliteStore(str(tmp_path / "state.db"))
        poller = Poller(
            store, RecordParser(Watch(), lambda _changes: ()), Watch(), Telemetry(), make_logger("error", "console"), now=lambda: clock.now
        )
        settings = cloudtrail(backfill="0s")
        (source,) = CLOUDTRAIL.units(settings, aws).sources
        assert poller.poll(source, settings).complete
        late = authorize(1, when=clock.now + timedelta(minutes=2))
        sandbox.journal.add(late, clock.now + timedelta(hours=4))
        for _ in range(11):
            clock.now += timedelta(minutes=30)
            assert poller.poll(source, settings).complete
        assert values(store.series().rows)[LATE_EVENTS.name, ("cloudtrail", ACCOUNT, REGION)] == 1
        assert (
            values(store.series().rows)[
                "awschange_events_total", (ACCOUNT, REGION, "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", "success")
            ]
            == 1
        )
        store.close()


def test_an_account_that_fails_hides_no_other() -> None:
    """One role deleted in one of two hundred accounts must not stop the rest, nor vanish."""
    role = {"role_arn": f"arn:aws:iam::{MEMBER}:role/exporter"}
    faults = Faults(deny=frozenset({"sts:AssumeRole"}))
    with Sandbox(Settings(deliver=False, faults=faults)) as sandbox, opened(sandbox.url, own_account=True, accounts=[role]) as aws:
        roster = CLOUDTRAIL.units(cloudtrail(regions=["us-east-1", "eu-west-1"]), aws)
        assert [(unit.account_id, unit.region) for unit in roster.sources if unit.account_id == ACCOUNT] == [
            (ACCOUNT, "us-east-1"),
            (ACCOUNT, "eu-west-1"),
        ]
        everywhere = CLOUDTRAIL.units(cloudtrail(regions=["all"]), aws)
        assert {unit.account_id for unit in everywhere.sources} == {ACCOUNT}
        (failure,) = everywhere.failures
        assert (failure.account_id, failure.error.reason) == (MEMBER, "access_denied")


def test_a_member_account_is_read_by_its_role() -> None:
    """Events of another account are stored under that account."""
    role = {"role_arn": f"arn:aws:iam::{MEMBER}:role/exporter"}
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as sandbox:
        assumed = client(sandbox, "sts").assume_role(RoleArn=role["role_arn"], RoleSessionName="ci")["Credentials"]
        ec2 = client(sandbox, "ec2", key=assumed["AccessKeyId"], token=assumed["SessionToken"])
        ec2.create_security_group(GroupName="web", Description="d")
        with opened(sandbox.url, accounts=[role]) as aws:
            polled = Polled(aws, now, {**QUICK, "strategy": "sweep"})
            record = first_record(polled).record
        assert (record["eventName"], record["recipientAccountId"]) == ("CreateSecurityGroup", MEMBER)
        assert KEY not in json.dumps(record)


def test_the_exact_text_of_a_record_is_kept() -> None:
    """What stands in the store must be what AWS wrote, byte by byte."""
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as sandbox, opened(sandbox.url) as aws:
        client(sandbox, "ec2").create_security_group(GroupName="web", Description="ünïcödé \U0001f600 \\ud800")
        polled = Polled(aws, now, {**QUICK, "strategy": "sweep"})
        raw = first_record(polled)
        assert raw.raw == json.dumps(records(sandbox, "CreateSecurityGroup")[0], separators=(",", ":")).encode()


def test_doctor_tries_each_unit_and_names_what_is_missing() -> None:
    """A missing permission is found before the night in which it matters."""
    settings = cloudtrail(regions=["us-east-1", "eu-west-1"])
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url) as aws:
        assert [found.status for found in CLOUDTRAIL.diagnose(settings, aws)] == ["ok", "ok"]
    with (
        Sandbox(Settings(deliver=False, faults=Faults(deny=frozenset({"cloudtrail:LookupEvents"})))) as sandbox,
        opened(sandbox.url) as aws,
    ):
        found = list(CLOUDTRAIL.diagnose(settings, aws))
        assert [entry.status for entry in found] == ["failure", "failure"]
        assert all("cloudtrail:LookupEvents" in entry.remedy and "us-east-1" in found[0].subject for entry in found)
    with Sandbox(Settings(deliver=False, faults=Faults(clock_skew=timedelta(minutes=3)))) as sandbox, opened(sandbox.url) as aws:
        (found_skew, _) = CLOUDTRAIL.diagnose(settings, aws)
        assert found_skew.status == "warning"
        assert "clock" in found_skew.detail
    role = {"role_arn": f"arn:aws:iam::{MEMBER}:role/exporter"}
    faults = Faults(deny=frozenset({"sts:AssumeRole"}))
    with Sandbox(Settings(deliver=False, faults=faults)) as sandbox, opened(sandbox.url, accounts=[role]) as aws:
        assert [entry.status for entry in CLOUDTRAIL.diagnose(cloudtrail(regions=["all"]), aws)] == ["failure"]


def test_the_permissions_are_those_of_the_calls() -> None:
    """`iam-policy` prints them: one too few and a unit fails, one too many and nobody signs it off."""
    assert [(entry.action, entry.resources, entry.who) for entry in CLOUDTRAIL.permissions(cloudtrail())] == [
        ("cloudtrail:LookupEvents", ("*",), "member")
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backfill": "91d"}, "at most 90d"),
        ({"rescans": [{"every": "1h", "over": "91d"}]}, "at most 90d"),
        ({"rescans": [{"every": "1h", "over": "10m"}]}, "must be longer than `overlap`"),
        ({"rescans": [{"every": "1h", "over": "6h"}] * 2}, "the same"),
        ({"overlap": "10s"}, "overlap"),
        ({"regions": ["nowhere"]}, "no region"),
        ({"strategy": "guess"}, "strategy"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    """A setting that does nothing is found out months later."""
    with pytest.raises(ValueError, match=message):
        cloudtrail(**changes)
