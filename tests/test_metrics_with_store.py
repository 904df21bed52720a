"""The page over the real store: what a scrape shows never disagrees with what is stored."""

from __future__ import annotations

import json
import re
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.catalog import DEFAULT_WATCH_SETS, Watch
from exporter.cli import main
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.model import ChangeEvent, Unit
from exporter.parse import RecordParser
from exporter.posture.open_ingress import OpenedIngress
from exporter.posture.ports import DEFAULT_PORT_CLASSES, parse_ports
from exporter.store import Store, open_store
from exporter.store.base import BEGINNING, Ingest, PostureChange
from tests.records import authorize

GROUPS = "awschange_security_group_changes_total"
EVENTS = 'awschange_events_total{account_id="111122223333",region="us-east-1",event_source="ec2.amazonaws.com",event_name="AuthorizeSecurityGroupIngress",outcome="success"}'
OPENED = 'awschange_ingress_opened_total{account_id="111122223333",region="us-east-1",port_class="admin"}'
START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class Rig:
    """A store in a file, a page over it that can be restarted, and a clock."""

    def __init__(self, path: Path, hold: float = 120.0, budgets: dict[str, int] | None = None) -> None:
        self.path, self.hold, self.budgets = path, timedelta(seconds=hold), budgets or {}
        self.now = START.timestamp()
        self.parser = RecordParser(
            Watch(DEFAULT_WATCH_SETS), OpenedIngress({name: parse_ports(entries) for name, entries in DEFAULT_PORT_CLASSES.items()})
        )
        self.number = 0
        self.store: Store = open_store(path)
        self.store.go_live("files", START, BEGINNING)
        self.exposition = self._exposition()

    def _exposition(self) -> Exposition:
        return Exposition(self.store, self.budgets, self.hold, lambda: self.now, Telemetry(), states=True, patience=30.0)

    def restart(self) -> None:
        self.close()
        self.store = open_store(self.path)
        self.exposition = self._exposition()

    def close(self) -> None:
        self.exposition.close()
        self.store.close()

    def change(self, group: str = "sg-0123456789abcdef0", again: int | None = None) -> None:
        """Store one change, a new one unless `again` names the number of an old one."""
        if again is None:
            self.number += 1
        record = authorize(self.number if again is None else again, group=group, when=START)
        event = self.parser.parse(record, json.dumps(record).encode())
        assert isinstance(event, ChangeEvent)
        self.store.append(Ingest("files", datetime.fromtimestamp(self.now, UTC), (event,), read=1))

    def scrape(self, openmetrics: bool = False) -> dict[str, str]:
        """Return samples by name and labels."""
        lines = self.exposition.page(openmetrics).body.decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#") and " # {" not in line)

    def group(self, group: str = "sg-0123456789abcdef0") -> str | None:
        found = [value for name, value in self.scrape().items() if name.startswith(GROUPS) and group in name]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path / "state.db")
    yield made
    made.close()


def test_a_change_goes_from_the_store_to_the_page(rig):
    """Otherwise the two halves do not meet."""
    rig.change()
    rig.scrape()
    rig.exposition.flush_exposed()
    rig.now += 120
    shown = rig.scrape()
    assert shown[EVENTS] == shown[OPENED] == "1"
    assert rig.group() == "1"
    assert shown['awschange_exporter_records_read_total{source="files"}'] == "1"
    page = rig.exposition.page(openmetrics=True).body.decode()
    assert re.search(rf'^{re.escape(EVENTS)} 1 # {{event_id="[0-9a-f-]{{36}}"}} 1 {int(START.timestamp())}$', page, re.MULTILINE)


def test_zeros_that_were_shown_before_the_first_change_count_it_at_once(rig):
    """Otherwise every page is two minutes late."""
    rig.change()
    rig.scrape()
    rig.exposition.flush_exposed()
    rig.now += 120
    before = rig.scrape()
    rig.change()
    assert (before[EVENTS], rig.scrape()[EVENTS]) == ("1", "2")


def test_holds_outlive_restarts_at_every_step(rig):
    """Otherwise a series is released that nobody saw at 0, or falls back to 0."""
    rig.change()
    assert rig.group() == "0"
    rig.now += 500
    rig.restart()
    assert rig.group() == "0", "the scrape before was never told to the store"
    rig.exposition.flush_exposed()
    rig.now += 60
    rig.restart()
    assert rig.group() == "0", "half of the hold"
    rig.now += 60
    assert rig.group() == "1"
    rig.restart()
    assert rig.group() == "1"


def test_a_fold_is_the_same_after_a_restart(tmp_path):
    """Otherwise a sum changes although nothing happened."""
    rig = Rig(tmp_path / "state.db", budgets={GROUPS: 2})
    for number in range(6):
        for _ in range(number + 1):
            rig.change(f"sg-{number:017x}")
    rig.scrape()
    rig.exposition.flush_exposed()
    rig.now += 120
    before = {name: value for name, value in rig.scrape().items() if name.startswith("awschange_") and "_exporter_" not in name}
    rig.restart()
    after = {name: value for name, value in rig.scrape().items() if name.startswith("awschange_") and "_exporter_" not in name}
    rig.close()
    assert before == after
    shown = {name.split('security_group_id="')[1].split('"')[0]: value for name, value in after.items() if name.startswith(GROUPS)}
    assert shown == {f"sg-{0:017x}": "1", f"sg-{1:017x}": "2", "__other__": "18"}


def test_a_record_read_twice_changes_only_what_became_of_it(rig):
    """Otherwise overlaps and restarts page."""
    rig.change()
    rig.scrape()
    rig.exposition.flush_exposed()
    rig.now += 120
    rig.change(again=1)
    shown = rig.scrape()
    assert shown[EVENTS] == "1"
    assert shown['awschange_exporter_records_total{source="files",fate="duplicate",reason=""}'] == "1"


def test_scrapes_and_ingest_side_by_side_add_up_in_every_page(rig):
    """Otherwise a scrape shows half of a transaction, and the alert on unaccounted records fires."""
    rig.change()
    stop = threading.Event()
    failures: list[BaseException] = []

    def ingest() -> None:
        try:
            while not stop.is_set():
                rig.change()
                rig.exposition.flush_exposed()
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failures.append(error)

    thread = threading.Thread(target=ingest)
    thread.start()
    try:
        for _ in range(40):
            shown = rig.scrape()
            fates = sum(float(value) for name, value in shown.items() if name.startswith("awschange_exporter_records_total"))
            assert fates == float(shown['awschange_exporter_records_read_total{source="files"}'])
    finally:
        stop.set()
        thread.join()
    assert failures == []
    assert rig.number > 1


STANDING = "awschange_security_groups"
UNIT = ("111122223333", "us-east-1")


def stand(rig: Rig, *units: tuple[str, str], groups: float) -> None:
    """Store a reading of units, which replaces all that it shows of them."""
    for unit in units:
        sequence = rig.store.posture(*unit).sequence
        change = PostureChange(*unit, sequence, datetime.fromtimestamp(rig.now, UTC), "posture", samples=[(STANDING, unit, groups)])
        assert rig.store.replace_posture(change)


def standing(samples: dict[str, str]) -> dict[str, str]:
    """Return what stands, by account."""
    return {name.split('"')[1]: value for name, value in samples.items() if name.startswith(STANDING + "{")}


def test_what_stands_follows_the_store_and_outlives_a_restart(rig):
    """Otherwise a rule that was closed stands open on the page, or all are closed after a restart."""
    other = ("444455556666", "us-east-1")
    assert standing(rig.scrape()) == {}
    stand(rig, UNIT, other, groups=3)
    assert standing(rig.scrape()) == {UNIT[0]: "3", other[0]: "3"}
    rig.change()
    assert standing(rig.scrape()) == {UNIT[0]: "3", other[0]: "3"}, "an event changes nothing of what stands"
    stand(rig, UNIT, groups=4)
    rig.restart()
    assert standing(rig.scrape()) == {UNIT[0]: "4", other[0]: "3"}
    rig.store.forget_posture([Unit(*UNIT)])
    assert standing(rig.scrape()) == {other[0]: "3"}


def test_two_replicas_of_one_store_show_the_same(tmp_path):
    """Otherwise a dashboard flickers between the two that a balancer asks in turn."""
    rig = Rig(tmp_path / "state.db", budgets={STANDING: 2})
    units = [(f"{number:012d}", "us-east-1") for number in range(1, 6)]
    try:
        stand(rig, *reversed(units), groups=1)
        first = standing(rig.scrape())
        with closing(open_store(rig.path)) as store:
            replica = Exposition(store, rig.budgets, rig.hold, lambda: rig.now, Telemetry(), states=True, patience=30.0)
            try:
                lines = replica.page().body.decode().splitlines()
                assert standing(dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))) == first
                stand(rig, units[0], groups=7)
                lines = replica.page().body.decode().splitlines()
                assert standing(dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))) == standing(rig.scrape())
            finally:
                replica.close()
    finally:
        rig.close()
    assert first == {units[0][0]: "1", units[1][0]: "1", "__other__": "3"}


@pytest.mark.parametrize("enabled", [True, False])
def test_the_command_prints_what_stands_where_it_is_read(tmp_path, enabled):
    """Otherwise `metrics` and /metrics disagree about what is open."""
    rig = Rig(tmp_path / "state.db")
    stand(rig, UNIT, groups=3)
    rig.close()
    exceptions = [{"name": "bastion", "reason": "test", "expires": "2027-01-31", "cidrs": ["192.0.2.0/24"]}]
    settings = {"store": {"path": str(rig.path)}, "sources": [{"type": "files", "path": str(tmp_path)}]}
    (tmp_path / "config.yml").write_text(json.dumps({**settings, "posture": {"enabled": enabled, "exceptions": exceptions}}))
    shown = CliRunner().invoke(main, ["metrics", "--config.file", str(tmp_path / "config.yml")])
    assert shown.exit_code == 0, shown.output
    assert (f'{STANDING}{{account_id="111122223333",region="us-east-1"}} 3' in shown.stdout) is enabled
    assert 'awschange_exporter_exception_expiry_timestamp_seconds{exception="bastion"} 1801440000' in shown.stdout


def test_the_command_prints_what_is_usual(tmp_path):
    """Otherwise whoever tunes a threshold has to start a server to see what it is compared with."""
    rig = Rig(tmp_path / "state.db")
    rig.change()
    rig.close()
    settings = {"store": {"path": str(rig.path)}, "sources": [{"type": "files", "path": str(tmp_path)}]}
    (tmp_path / "config.yml").write_text(json.dumps(settings))
    shown = CliRunner().invoke(main, ["metrics", "--config.file", str(tmp_path / "config.yml")])
    assert shown.exit_code == 0, shown.output
    upper = re.search(
        r'^awschange_expected_changes_upper\{account_id="111122223333",region="us-east-1",channel_class="people"\} (\d+)',
        shown.stdout,
        re.MULTILINE,
    )
    assert upper is not None
    assert int(upper[1]) >= 2
    assert not re.search(r"^awschange_exporter_expectation_timestamp_seconds 0$", shown.stdout, re.MULTILINE)
