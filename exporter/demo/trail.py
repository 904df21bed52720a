"""The made-up trail itself: records, trail files as CloudTrail lays them out, and the story that `demo` tells.

Facts on order of keys, file names and delivery are those of the CloudTrail user guide (log file examples and
"Finding your CloudTrail log files").
"""

from __future__ import annotations

import gzip
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from exporter.demo.callers import ALICE, CHANGERS, EC2_SERVICE, INTERN, TERRAFORM, USERS, Caller
from exporter.demo.calls import Call, Ids, Made, Truth
from exporter.demo.groups import Groups
from exporter.demo.noise import Noise
from exporter.demo.rules import RuleText
from exporter.model import Unit
from exporter.timespan import utc_now

ACCOUNTS = ("111122223333", "444455556666")
REGIONS = ("us-east-1", "eu-west-1")
_ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TLS = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"}


class TrailGenerator:
    """Makes CloudTrail records from a seed: the same seed, calls and times give the same records, byte for byte."""

    def __init__(self, seed: int, accounts: Sequence[str] = ACCOUNTS, regions: Sequence[str] = REGIONS) -> None:
        self.chance = random.Random(seed)
        self.ids = Ids(self.chance)
        self.units = tuple(Unit(account, region) for account in accounts for region in regions)
        self.groups = {unit: Groups(unit, self.ids, self.chance) for unit in self.units}
        self._noise = {unit: Noise(unit, self.ids, self.chance, self.groups[unit].group) for unit in self.units}
        self._changers = [caller for caller, _ in CHANGERS], [weight for _, weight in CHANGERS]
        self._users = [caller for caller, _ in USERS], [weight for _, weight in USERS]

    def ordinary(self, at: datetime, unit: Unit | None = None) -> Made:
        """Return a record that is no change of a security group."""
        unit = unit or self.chance.choice(self.units)
        return self.made(self._noise[unit].call(), self.chance.choices(*self._users)[0], at, unit)

    def change(self, at: datetime, unit: Unit | None = None) -> Made:
        """Return a record of the next change of a security group, of any kind and outcome."""
        unit = unit or self.chance.choice(self.units)
        return self.made(self.groups[unit].change(), self.chance.choices(*self._changers)[0], at, unit)

    def records(self, count: int, start: datetime, end: datetime, change_share: float = 0.01) -> Iterator[Made]:
        """Yield records at even distances from start to end, of which about `change_share` are changes."""
        step = (end - start) / max(count, 1)
        for index in range(count):
            make = self.change if self.chance.random() < change_share else self.ordinary
            yield make(start + index * step)

    def made(self, call: Call, caller: Caller, at: datetime, unit: Unit) -> Made:
        """Return the record of a call by a caller, keys in AWS's order, with its truth."""
        at = at.astimezone(UTC).replace(microsecond=0)
        service_event = call.extra.get("eventType") == "AwsServiceEvent"
        if service_event:
            caller = EC2_SERVICE
        event_id = self.ids.uuid()
        record: dict[str, Any] = {
            "eventVersion": "1.11" if call.response is None or self.chance.random() < 0.8 else "1.08",
            # A service event has no identity type.
            "userIdentity": {"accountId": unit.account_id, "invokedBy": caller.invoked_by}
            if service_event
            else caller.identity(unit.account_id, at),
            "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": call.event_source,
            "eventName": call.event_name,
            "awsRegion": unit.region,
            "sourceIPAddress": caller.source_ip,
            "userAgent": caller.agent(call.event_source, call.event_name),
        }
        if call.error_code is not None:
            record |= {"errorCode": call.error_code, "errorMessage": call.error_message}
        extra = call.extra
        record |= {"requestParameters": call.request, "responseElements": call.response}
        if "additionalEventData" in extra:
            record["additionalEventData"] = extra["additionalEventData"]
        if not service_event:
            record["requestID"] = self.ids.uuid()
        record |= {"eventID": event_id, "readOnly": call.read_only}
        if "resources" in extra:
            record["resources"] = extra["resources"]
        record["eventType"] = extra.get("eventType", "AwsApiCall")
        record["managementEvent"] = extra.get("managementEvent", True)
        record["recipientAccountId"] = unit.account_id
        if "serviceEventDetails" in extra:
            record["serviceEventDetails"] = extra["serviceEventDetails"]
        record["eventCategory"] = extra.get("eventCategory", "Management")
        if caller.kind != "service" and not caller.invoked_by:
            # Calls that AWS makes on somebody's behalf carry no TLS details.
            service = call.event_source.partition(".")[0]
            record["tlsDetails"] = {**_TLS, "clientProvidedHostHeader": f"{service}.{unit.region}.amazonaws.com"}
            if caller.console:
                record["sessionCredentialFromConsole"] = "true"
        return Made(record, _truth(call, caller, at, unit, event_id))


def _truth(call: Call, caller: Caller, at: datetime, unit: Unit, event_id: str) -> Truth:
    return Truth(
        event_id,
        at,
        unit,
        call.event_source,
        call.event_name,
        call.outcome,
        call.change,
        caller.principal,
        caller.principal_type,
        caller.channel,
        call.security_groups,
        call.opened,
    )


def trail_path(directory: Path, unit: Unit, at: datetime, suffix: str) -> Path:
    """Return where CloudTrail puts a log file of an account and region delivered at a time; `suffix` is its 16 letters and digits."""
    at = at.astimezone(UTC)
    name = f"{unit.account_id}_CloudTrail_{unit.region}_{at:%Y%m%dT%H%MZ}_{suffix}.json.gz"
    return directory / "AWSLogs" / unit.account_id / "CloudTrail" / unit.region / f"{at:%Y/%m/%d}" / name


def write_trail_file(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write records as one trail file, gzip of `{"Records":[…]}` on one line; it appears whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = gzip.compress(orjson.dumps({"Records": list(records)}), compresslevel=6, mtime=0)
    # A name that no source takes for a trail file, in the same directory, so that the rename is atomic.
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    return partial.replace(path)


def write_batch(directory: Path, generator: TrailGenerator, batch: Iterable[Made], at: datetime) -> list[Path]:
    """Write a batch as one trail file for each account and region that it has, records in no order, as CloudTrail does."""
    by_unit: defaultdict[Unit, list[Mapping[str, Any]]] = defaultdict(list)
    for made in batch:
        by_unit[made.truth.unit].append(made.record)
    paths = []
    for unit, records in by_unit.items():
        generator.chance.shuffle(records)
        paths.append(write_trail_file(trail_path(directory, unit, at, generator.ids.letters(16, _ALNUM)), records))
    return paths


_SSH = RuleText("tcp", 22, 22, "0.0.0.0/0", "admin", "just for a minute")
_HALVES = tuple(RuleText("tcp", 3306, 3306, half, "database") for half in ("0.0.0.0/1", "128.0.0.0/1"))
_OFFICE = RuleText("tcp", 3389, 3389, "198.51.100.0/24", "", "office")
_EVERYONE = RuleText("tcp", 3389, 3389, "0.0.0.0/0", "admin", "office")


def story(generator: TrailGenerator, now: Callable[[], datetime]) -> Iterator[tuple[str, list[Made]]]:
    """Yield what happens, one batch at a time with a line that tells it, for ever; events lie just before `now` of their batch.

    Ordinary traffic, and in it: tcp 22 opened to the world by hand, a burst by a pipeline, a database opened by
    two halves of the internet, a rule widened in place, attempts that are denied, and the hole closed again.
    """
    unit = generator.units[0]
    groups = generator.groups[unit]
    while True:
        for _ in range(3):
            yield "ordinary traffic", _quiet(generator, now())
        at = now()
        bastion = groups.group()
        opening = generator.made(groups.authorize(bastion, [_SSH]), ALICE, at, unit)
        yield "alice opens tcp 22 to 0.0.0.0/0 by hand", [*_quiet(generator, at), opening]
        for _ in range(2):
            yield "ordinary traffic", _quiet(generator, now())
        at = now()
        yield "a pipeline changes thirty things at once", [*_quiet(generator, at), *_burst(generator, at, generator.units[-1])]
        yield "ordinary traffic", _quiet(generator, now())
        at = now()
        halves = groups.authorize(groups.group(), _HALVES)
        yield "a database is opened by two halves of the internet", [*_quiet(generator, at), generator.made(halves, TERRAFORM, at, unit)]
        at = now()
        desk = groups.group()
        office = generator.made(groups.authorize(desk, [_OFFICE]), ALICE, at - timedelta(seconds=4), unit)
        widened = groups.modify(desk, next(reversed(desk.rules)), _EVERYONE)
        yield "a rule for the office is widened in place", [*_quiet(generator, at), office, generator.made(widened, ALICE, at, unit)]
        yield "ordinary traffic", _quiet(generator, now())
        at = now()
        denied = [generator.made(groups.deny(groups.group(), [_SSH]), INTERN, at, unit) for _ in range(6)]
        yield "someone tries what they may not", [*_quiet(generator, at), *denied]
        at = now()
        # Ordinary changes go on in between and may have taken the rule, or the group, already.
        ssh = [rule_id for rule_id, (rule, _) in bastion.rules.items() if rule is _SSH and groups.exists(bastion)]
        closing = [generator.made(groups.revoke(bastion, ssh, answered=True), ALICE, at, unit)] if ssh else []
        yield "tcp 22 is closed again", [*_quiet(generator, at), *closing]


def _quiet(generator: TrailGenerator, at: datetime) -> list[Made]:
    """Return some seconds of ordinary traffic that ends at a time, with now and then a change in it."""
    return list(generator.records(generator.chance.randint(15, 40), at - timedelta(seconds=5), at, change_share=0.02))


def _burst(generator: TrailGenerator, at: datetime, unit: Unit) -> list[Made]:
    return [generator.made(generator.groups[unit].change(), TERRAFORM, at - timedelta(seconds=index // 6), unit) for index in range(30)]


def run(directory: Path, stop: threading.Event, interval: float, seed: int, now: Callable[[], datetime] = utc_now) -> None:
    """Write an hour of past, then the next batch of the story every `interval` seconds, until stopped. Raises OSError."""
    generator = TrailGenerator(seed)
    begin = now() - timedelta(hours=1)
    for delivery in range(12):
        start = begin + delivery * timedelta(minutes=5)
        end = start + timedelta(minutes=5)
        write_batch(directory, generator, generator.records(120, start, end, change_share=0.05), end)
        if stop.is_set():
            return
    for _title, batch in story(generator, now):
        if stop.wait(interval):
            return
        write_batch(directory, generator, batch, now())
