"""The command line as a new user runs it, against truths worked out by hand."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.records import ACCOUNT, BOB, GROUP, REGION, authorize, record, write_trail


class Exporter:
    """The command with a configuration file of its own in a directory of its own."""

    def __init__(self, directory: Path, trail: Path, **more: Any) -> None:
        self.directory = directory
        self.config = directory / "config.yml"
        config = {
            "store": {"path": str(directory / "state.db")},
            "sources": [{"type": "files", "path": str(trail), "live_since": "beginning"}],
        } | more
        self.config.write_text(json.dumps(config))

    def run(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command and hold its exit status against what is expected."""
        done = subprocess.run(
            [sys.executable, "-m", "exporter", arguments[0], "--config.file", str(self.config), *arguments[1:]],
            capture_output=True, text=True, timeout=60, check=False, env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "LANG": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == status, done.stderr + done.stdout
        return done

    def samples(self) -> dict[tuple[str, ...], float]:
        """Return what `metrics` prints: (name, sorted label pairs…) to value."""
        out: dict[tuple[str, ...], float] = {}
        for family in text_string_to_metric_families(self.run("metrics").stdout):
            for sample in family.samples:
                key = (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items())))
                assert key not in out, f"series {key} stands twice"
                out[key] = sample.value
        return out

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the series of a family that have these labels."""
        wanted = {f"{key}={value}" for key, value in labels.items()}
        return sum(value for key, value in self.samples().items() if key[0] == name and wanted <= set(key[1:]))

    def history(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the rows of `history --format json`."""
        rows: list[dict[str, Any]] = json.loads(self.run("history", *arguments, "--format", "json", "--limit", "100000").stdout)
        return rows


CONFLICTED = "504b492f-7832-406b-a4fd-45a13e48adc4"
"""The UUID that a hand-edited fixture gives to two bodies, one a success and one denied: by the identity rule it counts once."""


def test_every_count_of_the_recorded_truth_is_met(tmp_path: Path, shared_data: Path) -> None:
    """3,120 real and odd records: any wrong count here is a wrong count in production."""
    truth = json.loads((shared_data / "records.truth.json").read_text())
    exporter = Exporter(tmp_path, shared_data / "records.ndjson.gz")
    exporter.run("poll")
    samples = exporter.samples()
    rows = exporter.history()

    # Every record is accounted for.
    assert exporter.total("awschange_exporter_records_read_total") == truth["totals"]["distinct_records"]
    fates = Counter({key[1]: value for key, value in samples.items() if key[0] == "awschange_exporter_records_total"})
    assert (
        sum(value for key, value in samples.items() if key[0] == "awschange_exporter_records_total") == truth["totals"]["distinct_records"]
    ), fates

    # Per group and event, ok and error apart, from history (which has failed calls too) …
    found: Counter[tuple[str, str, bool]] = Counter()
    for row in rows:
        for group in row["security_groups"] or ["(none)"]:
            found[group, row["event_name"], row["outcome"] == "success"] += 1
    expected: Counter[tuple[str, str, bool]] = Counter()
    for group, events in truth["per_group_event"].items():
        for name, counts in events.items():
            expected[group, name, True] += counts["ok"]
            expected[group, name, False] += counts["error"]
    conflicted = [row for row in rows if row["event_id"] == CONFLICTED]
    assert len(conflicted) == 1
    expected["sg-04f0b44316f7d2471", "AuthorizeSecurityGroupIngress", conflicted[0]["outcome"] != "success"] -= 1
    assert found == +expected

    # … and from the metrics: changes per group, events by outcome.
    changes: Counter[tuple[str, str]] = Counter()
    outcomes: Counter[tuple[str, bool]] = Counter()
    for key, value in samples.items():
        labels = dict(part.split("=", 1) for part in key[1:])
        if key[0] == "awschange_security_group_changes_total":
            changes[labels["security_group_id"], labels["event_name"]] += int(value)
        elif key[0] == "awschange_events_total":
            outcomes[labels["event_name"], labels["outcome"] == "success"] += int(value)
    assert changes == Counter({(group, name): count for (group, name, ok), count in (+expected).items() if ok and group != "(none)"})
    assert +outcomes == sum((Counter({(name, ok): count}) for (_, name, ok), count in (+expected).items()), Counter())

    # World-open: what the truth names, and the one that an anonymiser wrote as x.x.x.x/0 (docs/decisions/0006).
    opened = {key[1:]: value for key, value in samples.items() if key[0] == "awschange_ingress_opened_total" and value}
    disguised = [item for item in truth["world_open_lookalikes"] if item["cidr"].endswith("/0")]
    assert sum(opened.values()) == truth["world_open_ingress_opened"]["events"] + len(disguised) == 3
    assert {label for key in opened for label in key if label.startswith("port_class=")} == {"port_class=all", "port_class=admin"}


def test_every_attachment_of_the_recorded_truth_is_met(tmp_path: Path, shared_data: Path) -> None:
    """RunInstances that names a group attaches it; one that changes user data does not."""
    truth = json.loads((shared_data / "records.truth.json").read_text())
    exporter = Exporter(tmp_path, shared_data / "records.ndjson.gz", watch={"sets": ["attachments"]})
    exporter.run("poll")
    found: Counter[tuple[str, str, bool]] = Counter()
    for row in exporter.history():
        for group in row["security_groups"]:
            found[group, row["event_name"], row["outcome"] == "success"] += 1
    expected = Counter(
        {(group, name, True): counts["ok"] for group, events in truth["attachments_per_group"].items() for name, counts in events.items()}
    )
    assert found == expected


def test_the_how_tos_worked_example_is_right_in_metrics_history_and_log(tmp_path: Path) -> None:
    """A console user of an assumed role authorizes tcp 998 from 192.168.0.0/32, in 2019."""
    write_trail(tmp_path / "trail" / "bob.json.gz", BOB)
    exporter = Exporter(tmp_path, tmp_path / "trail")
    done = exporter.run("poll", "--log.format", "json")

    (row,) = exporter.history("sg-123456789")
    recorded_at = row.pop("recorded_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", recorded_at)
    assert row == {
        "event_id": "6c604d53-d9c3-492e-a26a-a48ac3f711e0",
        "event_time": "2019-08-05T07:16:31Z",
        "account_id": "123456789",
        "region": "us-east-1",
        "event_source": "ec2.amazonaws.com",
        "event_name": "AuthorizeSecurityGroupIngress",
        "outcome": "success",
        "error_code": None,
        "channel": "console",
        "principal": {
            "type": "role", "name": "role/Bob", "arn": "arn:aws:sts::123456789:assumed-role/Bob/Bob", "session": "Bob",
            "source_ip": "111.111.111.111", "user_agent": "console.ec2.amazonaws.com",
        },
        "security_groups": ["sg-123456789"],
        "resources": [{"type": "AWS::EC2::SecurityGroup", "id": "sg-123456789"}],
        "rule_changes": [
            {
                "action": "added", "direction": "ingress", "rule_id": None, "protocol": "tcp", "from_port": 998, "to_port": 998,
                "peer_type": "ipv4", "peer": "192.168.0.0/32", "description": None, "before": None,
            }
        ],
        "content_known": True,
        "live": True,
        "sources": ["files"],
    }  # fmt: skip

    samples = exporter.samples()
    where = ("account_id=123456789",)
    assert (
        samples[
            "awschange_events_total",
            *where,
            "event_name=AuthorizeSecurityGroupIngress",
            "event_source=ec2.amazonaws.com",
            "outcome=success",
            "region=us-east-1",
        ]
        == 1
    )
    assert samples["awschange_channel_events_total", *where, "channel=console", "region=us-east-1"] == 1
    assert (
        samples[
            "awschange_security_group_changes_total",
            *where,
            "event_name=AuthorizeSecurityGroupIngress",
            "principal=role/Bob",
            "region=us-east-1",
            "security_group_id=sg-123456789",
        ]
        == 1
    )
    assert samples["awschange_principal_changes_total", *where, "principal=role/Bob", "principal_type=role"] == 1
    assert samples["awschange_principal_first_seen_timestamp_seconds", *where, "principal=role/Bob", "principal_type=role"] == 1564989391
    assert exporter.total("awschange_ingress_opened_total") == 0

    (line,) = [entry for entry in map(json.loads, done.stderr.splitlines()) if entry["event"] == "change"]
    assert line["who"] == "role/Bob"
    assert line["session"] == "Bob"
    assert line["what"] == "AuthorizeSecurityGroupIngress"
    assert line["rules"] == ["+ ingress tcp 998 from 192.168.0.0/32"]
    assert (line["account_id"], line["region"], line["security_groups"]) == ("123456789", "us-east-1", ["sg-123456789"])
    assert line["event_id"] == row["event_id"]

    table = exporter.run("history", "sg-123456789").stdout
    for fact in (
        "2019-08-05 07:16:31",
        "role/Bob",
        "session Bob",
        "by console",
        "from 111.111.111.111",
        "+ ingress tcp 998 from 192.168.0.0/32",
        "sg-123456789",
    ):
        assert fact in table


def test_the_how_tos_two_queries_are_answered(tmp_path: Path) -> None:
    """Create and delete events since a date; every security-group event of one group."""
    write_trail(
        tmp_path / "trail" / "a.json.gz",
        BOB,
        record(
            "CreateSecurityGroup",
            1,
            eventTime="2017-02-14T23:59:59Z",
            requestParameters={"groupName": "old"},
            responseElements={"groupId": "sg-0000000000000001a"},
        ),
        record(
            "CreateSecurityGroup",
            2,
            eventTime="2017-02-15T00:00:00Z",
            requestParameters={"groupName": "web"},
            responseElements={"groupId": "sg-0000000000000002b"},
        ),
        record(
            "DeleteSecurityGroup",
            3,
            eventTime="2018-05-01T10:00:00Z",
            requestParameters={"groupId": "sg-0000000000000002b"},
            responseElements={"_return": True},
        ),
        authorize(4, group="sg-0000000000000002b", eventTime="2018-04-01T10:00:00Z"),
    )
    exporter = Exporter(tmp_path, tmp_path / "trail")
    exporter.run("poll")
    rows = exporter.history("--event-name", "CreateSecurityGroup", "--event-name", "DeleteSecurityGroup", "--since", "2017-02-15")
    assert [(row["event_name"], row["event_time"]) for row in rows] == [
        ("DeleteSecurityGroup", "2018-05-01T10:00:00Z"),
        ("CreateSecurityGroup", "2017-02-15T00:00:00Z"),
    ]
    rows = exporter.history("sg-0000000000000002b", "--event-name", "*SecurityGroup*")
    assert [row["event_name"] for row in rows] == ["DeleteSecurityGroup", "AuthorizeSecurityGroupIngress", "CreateSecurityGroup"]
    cells = list(csv.DictReader(io.StringIO(exporter.run("history", "sg-123456789", "--format", "csv").stdout)))
    assert [(cell["principal"], cell["rule_changes"]) for cell in cells] == [("role/Bob", "added ingress tcp 998 from 192.168.0.0/32")]


def counts(exporter: Exporter) -> dict[tuple[str, ...], float]:
    """Return every series about AWS; the clock's and the records' own are left out."""
    return {
        key: value
        for key, value in exporter.samples().items()
        if key[0].startswith("awschange_") and not key[0].startswith(("awschange_exporter_", "awschange_last_change"))
    }


def test_the_same_records_twice_shuffled_and_cut_over_restarts_count_the_same(tmp_path: Path) -> None:
    """Duplicates, order and restarts are CloudTrail's daily bread; none may move a count."""
    records = [authorize(number, port=number, group=f"sg-{number % 7:017x}") for number in range(1, 60)]
    records += [record(number=1000 + number) for number in range(60)]
    plain = tmp_path / "plain"
    write_trail(plain / "trail" / "all.json.gz", *records)
    straight = Exporter(plain, plain / "trail")
    straight.run("poll")

    twisted_root = tmp_path / "twisted"
    twisted = Exporter(_made(twisted_root), twisted_root / "trail")
    chance = random.Random(7)
    for part in range(4):
        delivery = chance.sample(records, k=len(records)) if part == 0 else chance.sample(records, k=40)
        half = len(delivery) // 2
        write_trail(twisted_root / "trail" / f"{part}a.json.gz", *delivery[:half])
        (twisted_root / "trail" / f"{part}b.ndjson").write_text("".join(json.dumps(item) + "\n" for item in delivery[half:]))
        twisted.run("poll")
    assert counts(twisted) == counts(straight)
    assert twisted.total("awschange_events_total") == 59


def _made(directory: Path) -> Path:
    (directory / "trail").mkdir(parents=True)
    return directory


def test_garbage_beside_good_records_is_counted_and_named(tmp_path: Path) -> None:
    """One bad file must neither stop the poll nor hide."""
    trail = tmp_path / "trail"
    write_trail(trail / "good.json.gz", authorize(1), record(number=2))
    whole = (trail / "good.json.gz").read_bytes()
    (trail / "cut.json.gz").write_bytes(whole[: len(whole) // 2])
    (trail / "text.json").write_text("this is no JSON")
    (trail / "deep.json").write_text("[" * 100_000)
    (trail / "utf8.ndjson").write_bytes(b'{"eventName": "\xff\xfe"}\n' + json.dumps(authorize(3)).encode() + b"\n")
    (trail / "types.ndjson").write_text(
        "".join(
            json.dumps(authorize(10 + index) | {key: value}) + "\n"
            for index, (key, value) in enumerate([("eventTime", 7), ("eventName", ["x"]), ("eventVersion", "2.0")])
        )
    )
    (trail / "label.ndjson").write_text(json.dumps(authorize(30, group='sg-"} 9\nawschange_fake_total 1\n')) + "\n")
    exporter = Exporter(tmp_path, trail)
    done = exporter.run("poll", "--log.format", "json")
    assert exporter.total("awschange_events_total", outcome="success") == 3
    samples = exporter.samples()
    assert not any(key[0] == "awschange_fake_total" for key in samples)
    malformed = {
        key[2]: value
        for key, value in samples.items()
        if key[0] == "awschange_exporter_records_total" and "fate=malformed" in key and value
    }
    assert {"reason=truncated", "reason=json", "reason=encoding", "reason=event_time", "reason=event_name", "reason=event_version"} <= set(
        malformed
    )
    read = exporter.total("awschange_exporter_records_read_total")
    assert read == exporter.total("awschange_exporter_records_total") > 0
    named = {
        Path(entry["where"]).name.partition(",")[0] for entry in map(json.loads, done.stderr.splitlines()) if entry["event"] == "malformed"
    }
    assert {"cut.json.gz", "text.json", "deep.json", "utf8.ndjson", "types.ndjson"} <= named


def test_a_first_start_pages_nobody_and_live_events_count_however_late(tmp_path: Path) -> None:
    """The past fills history only; what happens after the start counts even when it comes late."""
    write_trail(tmp_path / "trail" / "past.json.gz", authorize(1))
    exporter = Exporter(tmp_path, tmp_path / "trail", sources=[{"type": "files", "path": str(tmp_path / "trail")}])
    exporter.run("poll")
    assert exporter.total("awschange_events_total") == 0
    assert [row["live"] for row in exporter.history()] == [False]
    write_trail(tmp_path / "trail" / "later.json.gz", authorize(2, eventTime="2099-01-01T00:00:00Z"), authorize(3))
    exporter.run("poll")
    assert exporter.total("awschange_events_total") == 1
    assert exporter.total("awschange_ingress_opened_total", account_id=ACCOUNT, region=REGION, port_class="admin") == 1
    assert [row["live"] for row in exporter.history(GROUP)] == [True, False, False]


def test_a_path_that_is_not_there_makes_the_poll_incomplete(tmp_path: Path) -> None:
    """A typo in a path must not read as "nothing changed"."""
    exporter = Exporter(tmp_path, tmp_path / "nowhere")
    done = exporter.run("poll", status=1)
    assert "INCOMPLETE (not_found" in done.stdout
    assert str(tmp_path / "nowhere") in done.stdout


def test_reading_commands_do_not_make_a_store(tmp_path: Path) -> None:
    """An empty answer from a store that was just made would be a lie."""
    exporter = Exporter(tmp_path, tmp_path)
    for command in ("history", "metrics"):
        assert "there is no store at" in exporter.run(command, status=2).stderr
    assert not (tmp_path / "state.db").exists()


@pytest.mark.parametrize("command", ["serve", "poll", "check-config"])
def test_a_wrong_configuration_ends_with_status_2_and_the_key_path(tmp_path: Path, command: str) -> None:
    """The remedy stands in the message, not in a traceback."""
    path = tmp_path / "bad.yml"
    path.write_text("sources: [{type: files}]\n")
    arguments = [command, str(path)] if command == "check-config" else [command, "--config.file", str(path)]
    done = subprocess.run([sys.executable, "-m", "exporter", *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert f"Error: {path}: sources[0].path: is required; add it" in done.stderr
    assert "Traceback" not in done.stderr
