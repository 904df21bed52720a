"""Changes by chance, readings between them, and after each reading what is shown held against the truth; at the end all that is stored."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.request import Request, urlopen

from click.testing import CliRunner

from exporter.aws.pacing import Pacer
from exporter.cli import main
from exporter.model import Rule as Stored
from exporter.model import RuleAction
from exporter.store import SqliteStore
from exporter.store.base import Query
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.posture_soak.actors import Actors, identities
from tests.posture_soak.clock import Clock
from tests.posture_soak.exporters import CREDENTIALS, Exporter, Page, Serving, Within
from tests.posture_soak.judge import NAMES, Rule
from tests.posture_soak.plan import Plan
from tests.posture_soak.truth import Gauge, Made, Truth
from tests.sandbox_client import ACCOUNT, REGION, client

LAG = timedelta(minutes=40)
_APART = 200
"""Seconds between the last change and a reading, and from there to the next change: more than clocks and EC2 may be off, on both sides."""
_GAUGES = {
    "awschange_security_group_info", "awschange_default_security_group_rules", "awschange_open_ingress_rules", "awschange_security_groups",
    "awschange_security_group_rules", "awschange_unused_security_groups",
}  # fmt: skip
_FAULTS: tuple[tuple[dict[str, Any], frozenset[str]], ...] = (
    ({"deny": ["ec2:DescribeSecurityGroups"]}, frozenset({"groups"})),
    ({"deny": ["ec2:DescribeSecurityGroupRules"]}, frozenset({"groups"})),
    ({"deny": ["ec2:DescribeManagedPrefixLists"]}, frozenset({"prefix_lists"})),
    ({"deny": ["ec2:DescribeNetworkInterfaces"]}, frozenset({"interfaces"})),
    ({"fail_page": {"ec2:DescribeSecurityGroupRules": 1}}, frozenset({"groups"})),
    ({"fail_page": {"ec2:DescribeNetworkInterfaces": 1}}, frozenset({"interfaces"})),
    ({"deny": ["cloudtrail:LookupEvents"]}, frozenset()),
    ({"ec2_throttle": 0.05}, frozenset()),
)
_NO_FAULTS: dict[str, Any] = {"deny": [], "fail_page": {}, "ec2_throttle": 0}


@dataclass(slots=True)
class Outcome:
    """What came of a soak; `wrong` are lines that tell what differs from the truth."""

    rounds: int = 0
    changes: int = 0
    events: int = 0
    dark: int = 0
    dark_made: int = 0
    unexplained: float = 0
    earlier: int = 0
    lost: int = 0
    edits: int = 0
    opened: int = 0
    open_rows: int = 0
    failed_parts: int = 0
    kills: int = 0
    seconds: float = 0
    wrong: list[str] = field(default_factory=list)
    tried: dict[str, list[int]] = field(default_factory=dict)


class Soak:
    """One soak, in a directory of its own."""

    def __init__(self, plan: Plan, directory: Path, say: Callable[[str], None] = lambda _line: None) -> None:
        self.plan, self.directory, self._say = plan, directory, say
        self._chance = random.Random(plan.seed + 1)
        self.truth, self.outcome = Truth(), Outcome()
        self.clock = Clock.begin(directory / "clock")

    def run(self) -> Outcome:
        """Change and read in turn, let what waits be settled, and compare."""
        begun, plan = time.monotonic(), self.plan
        with self._sandbox() as sandbox, patch.dict(os.environ, CREDENTIALS), patch.object(Pacer, "turn", lambda _self, _key: None):
            actors = Actors(plan, sandbox, self.clock, self.truth)
            actors.stand()
            if plan.source == "aws_config":
                _record(sandbox)
            exporter = self._exporter(sandbox)
            try:
                # Before anything is read it may have stood for long: nobody opened it.
                for _ in range(plan.changes):
                    actors.act()
                self.truth.begin()
                self._read(sandbox, exporter)
                for number in range(plan.rounds):
                    for _ in range(self._chance.randint(plan.changes // 2, plan.changes * 3 // 2)):
                        actors.act()
                        self.outcome.changes += 1
                    actors.check()
                    for _ in range(self._chance.choice((1, 1, 1, 2))):
                        self._read(sandbox, exporter, faulty=plan.faults and number and self._chance.random() < 0.3)
                    self.outcome.rounds += 1
                    self._say(f"round {number}: {len(self.truth.made)} events, {len(self.outcome.wrong)} wrong")
                page = self._settle(sandbox, exporter)
                self.outcome.kills = exporter.kills
            finally:
                exporter.stop()
            self._compare(sandbox, page)
        self.outcome.tried = actors.tried
        self.outcome.seconds = time.monotonic() - begun
        return self.outcome

    @contextmanager
    def _sandbox(self) -> Iterator[Sandbox]:
        faults = Faults(seed=self.plan.seed)
        if self.plan.faults:
            late = timedelta(minutes=25)
            faults = Faults(late=0.1, late_by=late, jitter=timedelta(minutes=4), duplicate=0.05, updated=0.05, seed=self.plan.seed)
        settings = Settings(delay=timedelta(0), deliver=False, identities=identities(), faults=faults)
        with Sandbox(settings, clock=self.clock) as sandbox:
            yield sandbox

    def _exporter(self, sandbox: Sandbox) -> Exporter:
        config = {
            "store": {"path": str(self.directory / "state.db")},
            "aws": {"endpoint_url": sandbox.url, "regions": [REGION]},
            "sources": [{"type": "cloudtrail", "overlap": "1h", "backfill": "0s", "rescans": [], "poll_interval": "1s"}],
            # A pattern makes the names endless: then one question brings all writes.
            "watch": {"events": [{"event_source": "ec2.amazonaws.com", "event_name": "NothingLike*"}]},
            "metrics": {"birth_hold": "0s"},
            "posture": {"lag_budget": f"{LAG.total_seconds():g}s", "source": self.plan.source, "poll_interval": "1s"},
        }
        self._config = self.directory / "config.yml"
        self._config.write_text(json.dumps(config))
        if self.plan.serve:
            return Serving(self._config, self.directory / "clock", self._chance, self.plan.deadliness)
        return Within(config, self.clock)

    def _read(self, sandbox: Sandbox, exporter: Exporter, *, faulty: bool | int = False) -> Page:
        """Read once, with or without a fault, and compare what is shown."""
        self.clock.jump(_APART)
        fault, struck = self._chance.choice(_FAULTS) if faulty else (_NO_FAULTS, frozenset())
        self._strike(sandbox, fault)
        begun = self.clock.seconds()
        page = exporter.round()
        self._strike(sandbox, _NO_FAULTS)
        self.clock.jump(_APART)
        read = {
            dict(labels)["part"]: value for (name, labels), value in page.items() if name == "awschange_exporter_snapshot_timestamp_seconds"
        }
        whole = {part for part, at in read.items() if at >= begun}
        failed = {"groups", "prefix_lists", "interfaces"} - whole
        if failed != struck:
            self.outcome.wrong.append(f"parts {sorted(failed)} were not read whole, though only {sorted(struck)} should fail")
        self.outcome.failed_parts += len(failed)
        self.truth.read(whole)
        self._compare_gauges(page)
        return page

    @staticmethod
    def _strike(sandbox: Sandbox, fault: dict[str, Any]) -> None:
        body = json.dumps({**_NO_FAULTS, **fault}).encode()
        with urlopen(Request(f"{sandbox.url}/-/faults", data=body, method="POST"), timeout=10) as answer:
            answer.read()

    def _settle(self, sandbox: Sandbox, exporter: Exporter) -> Page:
        """Let the time for events to come pass, and read twice."""
        self._read(sandbox, exporter)
        self.clock.jump(LAG)
        self._read(sandbox, exporter)
        return self._read(sandbox, exporter)

    # What is shown.

    def _compare_gauges(self, page: Page) -> None:
        shown: Counter[Gauge] = Counter()
        for (name, labels), value in page.items():
            if name in _GAUGES:
                told = dict(labels)
                assert (told.pop("account_id"), told.pop("region")) == (ACCOUNT, REGION)
                order = _ORDER.get(name, ())
                shown[name, tuple(told[label] for label in order)] = int(value)
        true = self.truth.gauges(ACCOUNT, REGION)
        for series in sorted(shown.keys() | true.keys()):
            if shown[series] != true[series]:
                self.outcome.wrong.append(f"round {self.outcome.rounds}: {series} is {shown[series]}, truly {true[series]}")
        counted = page.get(("awschange_unexplained_rule_changes_total", (("account_id", ACCOUNT), ("region", REGION))), 0)
        if counted > self.truth.dark.total():
            self.outcome.wrong.append(f"round {self.outcome.rounds}: {counted:g} unexplained, at most {self.truth.dark.total()} seen")

    # What is stored.

    def _compare(self, sandbox: Sandbox, page: Page) -> None:
        out, truth = self.outcome, self.truth
        out.events, out.dark, out.dark_made = len(truth.made), truth.dark.total(), truth.dark_made
        unit = (("account_id", ACCOUNT), ("region", REGION))
        out.unexplained = page.get(("awschange_unexplained_rule_changes_total", unit), -1)
        if out.unexplained != out.dark:
            out.wrong.append(f"{out.unexplained:g} unexplained, truly {out.dark}")
        opened = {dict(labels)["port_class"]: int(v) for (name, labels), v in page.items() if name == "awschange_ingress_opened_total"}
        true = truth.opened()
        out.opened = sum(true.values())
        out.wrong += [f"opened {name}: {opened[name]}, truly {true[name]}" for name in sorted(opened) if opened[name] != true[name]]
        self._compare_events(sandbox)
        self._compare_open()

    def _compare_events(self, sandbox: Sandbox) -> None:
        records = [entry.record for unit in sandbox.journal.units() for entry in sandbox.journal.all(unit)]
        ids = {
            record["requestID"]: record["eventID"]
            for record in records
            if record.get("requestID") and "originalEventID" not in record.get("addendum", {})
        }
        store = SqliteStore(self.directory / "state.db")
        found = store.search(Query(limit=1_000_000))
        store.close()
        stored = {item.event.event_id: item for item in found}
        for request_id, made in self.truth.made.items():
            item = stored.get(ids[request_id])
            if item is None:
                if made.name not in ("CreateVpc", "DeleteVpc"):
                    self.outcome.wrong.append(f"{made.name} {ids[request_id]} is not stored")
                continue
            self.outcome.wrong += [
                f"{made.name} of {item.event.event_time}, {item.event.event_id}: {line}" for line in self._event(made, item.event)
            ]
        if self.plan.source != "ec2":
            return  # rules have no ids there: one that was modified in the dark is one gone and one come
        entries = [item.event for item in found if item.event.event_name == "UnexplainedRuleChange"]
        told = Counter(c.rule.rule_id or f"{e.resources[0].id} {c.rule.peer}" for e in entries for c in e.rule_changes)
        self.outcome.wrong += [f"history tells that {name} changed in the dark" for name in (told - self.truth.dark).elements()]
        self.outcome.wrong += [f"history does not tell that {name} changed in the dark" for name in (self.truth.dark - told).elements()]

    def _event(self, made: Made, event: Any) -> Iterator[str]:
        """Yield what is wrong with an event."""
        if event.principal.name != made.who:
            yield f"by {event.principal.name}, truly {made.who}"
        if set(event.opened_port_classes) != made.opened:
            yield f"opened {sorted(event.opened_port_classes)}, truly {sorted(made.opened)}"
        if made.before:
            # Descriptions may name their rule by what it lets in.
            only = next(iter(made.before)) if len(made.before) == 1 else None
            before = {change.rule.rule_id or only: change.before and _told(change.before) for change in event.rule_changes}
            self.outcome.earlier += len(made.before)
            true = {rule_id: _true(rule) for rule_id, rule in made.before.items()}
            for rule_id, told in before.items():
                if told != true.get(rule_id):
                    yield f"{rule_id} was {told}, truly {true.get(rule_id)}"
        elif made.lost is not None and made.name == "DeleteSecurityGroup":
            self.outcome.lost += len(made.lost)
            lost = Counter(_told(change.rule) for change in event.rule_changes)
            true_lost = Counter(map(_true, made.lost))
            if lost != true_lost or any(change.action is not RuleAction.REMOVED for change in event.rule_changes):
                yield f"lost {sorted(lost - true_lost)} too many, {sorted(true_lost - lost)} too few"
        elif "PrefixList" in made.name:
            self.outcome.edits += 1
            if set(event.security_groups) != made.groups:
                yield f"opened groups {sorted(event.security_groups)}, truly {sorted(made.groups)}"

    def _compare_open(self) -> None:
        answer = CliRunner().invoke(main, ["open", "--config.file", str(self._config), "--format", "json"])
        if answer.exit_code:
            self.outcome.wrong.append(f"open: {answer.output}")
            return
        rows = json.loads(answer.stdout)
        self.outcome.open_rows = len(rows)
        fields = ("security_group_id", "rule_id", "ip_version", "port_class", "exposure", "by")
        shown = {tuple(row[name] for name in fields) for row in rows}
        true = self.truth.open()
        if self.plan.source != "ec2":
            true = {(row[0], None, *row[2:]) for row in true}
        self.outcome.wrong += [f"open shows {row}" for row in sorted(shown - true, key=str)]
        self.outcome.wrong += [f"open lacks {row}" for row in sorted(true - shown, key=str)]


def _record(sandbox: Sandbox) -> None:
    """Have AWS Config record everything."""
    client(sandbox, "s3").create_bucket(Bucket="example-config")
    config = client(sandbox, "config")
    told = {"name": "default", "roleARN": f"arn:aws:iam::{ACCOUNT}:role/config", "recordingGroup": {"allSupported": True}}
    config.put_configuration_recorder(ConfigurationRecorder=told)
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "example-config"})
    config.start_configuration_recorder(ConfigurationRecorderName="default")


_ORDER = {
    "awschange_security_group_info": ("security_group_id", "security_group_name", "vpc_id"),
    "awschange_default_security_group_rules": ("vpc_id", "security_group_id"),
    "awschange_open_ingress_rules": ("vpc_id", "security_group_id", "protocol", "port_class", "ip_version", "exposure"),
}
Comparable = tuple[str, ...]


def _told(rule: Stored) -> Comparable:
    """Return a stored rule as it is compared: ids are not known of rules that no reading showed, and ports not where there are none."""
    return _comparable(rule.direction, rule.protocol, rule.from_port, rule.to_port, rule.peer, rule.description)


def _true(rule: Rule) -> Comparable:
    name = NAMES.get(rule.protocol, rule.protocol)
    return _comparable("egress" if rule.egress else "ingress", name, rule.low, rule.high, rule.peer, rule.description)


def _comparable(direction: Any, protocol: Any, low: Any, high: Any, peer: Any, text: Any) -> Comparable:
    ports = ["" if port in (None, -1) or protocol not in ("tcp", "udp", "icmp", "icmpv6") else str(port) for port in (low, high)]
    return (str(direction), str(protocol), *ports, str(peer), str(text or ""))
