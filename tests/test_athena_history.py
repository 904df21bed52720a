"""History and questions by Athena, as the commands ask it: the sandbox runs the text, the recorded truth judges the answer."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from exporter.catalog import Watch
from exporter.cli import main
from exporter.config import validate
from exporter.history.athena_place import open_athena, open_engine
from exporter.sql.base import Limits
from exporter.sql.named import NAMED
from exporter.store import open_store
from exporter.store.base import Query, Store
from sandbox.server import Sandbox, Settings
from tests.athena_table import BUCKET, OUTPUT, Asker, make_buckets, put
from tests.aws_session import opened
from tests.sandbox_client import ACCOUNT, REGION
from tests.test_acceptance import CONFLICTED

pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CONFIG = {
    "aws": {"regions": [REGION]},
    "athena": {"output_location": OUTPUT},
    "watch": {"sets": ["security_groups", "legacy_security_groups"]},
    "sources": [{"type": "s3", "bucket": BUCKET, "accounts": [ACCOUNT], "regions": [REGION], "verify_digests": False}],
}


def no_progress(_done: int, _all: int, _read: int) -> None:
    """Say nothing."""


def table_of(tmp_path: Path, config: dict[str, Any], *options: str) -> str:
    """Return what `athena-ddl` prints for a configuration."""
    path = tmp_path / "ddl.yml"
    path.write_text(yaml.safe_dump(config))
    done = CliRunner().invoke(main, ["athena-ddl", *options, "--config.file", str(path)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[Sandbox]:
    """Serve a sandbox with all recorded records in one bucket, each on the day of its event, and the table that `athena-ddl` prints."""
    days: defaultdict[str, list[Any]] = defaultdict(list)
    with gzip.open(shared_data / "records.ndjson.gz", "rt") as lines:
        for line in lines:
            record = json.loads(line)
            if isinstance(record, dict):
                day = str(record.get("eventTime"))[:10].replace("-", "/")
                days[day if day.count("/") == 2 and day[:4].isdigit() else "2020/01/01"].append(record)
    folder = tmp_path_factory.mktemp("ddl")
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(0))) as running:
        make_buckets(running)
        for day, records in days.items():
            put(running, day, records)
        asked = Asker(running).run(table_of(folder, CONFIG, "--since", "1990-01-01"))
        assert asked.state == "SUCCEEDED", asked.reason
        yield running


@pytest.fixture
def stored(tmp_path: Path, shared_data: Path) -> Iterator[Store]:
    """Return a store that has read the same records as files."""
    source = {"type": "files", "path": str(shared_data / "records.ndjson.gz"), "live_since": "beginning"}
    config = {**CONFIG, "sources": [source], "store": {"path": str(tmp_path / "state.db")}, "posture": {"enabled": False}}
    path = tmp_path / "stored.yml"
    path.write_text(yaml.safe_dump(config))
    done = CliRunner().invoke(main, ["poll", "--config.file", str(path)])
    assert done.exit_code in (0, 1), done.output
    store = open_store(tmp_path / "state.db")
    yield store
    store.close()


WATCH = Watch(CONFIG["watch"]["sets"])  # type: ignore[index]


def rows(events: Any) -> list[tuple[Any, ...]]:
    """Return what tells watched events apart, in order. The name of an event without an id is a hash of its record, which a table lacks."""
    return sorted(
        (
            item.event.event_time.isoformat(), item.event.event_id if not item.event.event_id.startswith("hash:") else "", item.event.event_name,
            item.event.outcome.value, item.event.security_groups, item.event.principal.name, item.event.channel.value,
            repr(item.event.rule_changes), item.event.account_id, item.event.region,
        )
        for item in events
        if WATCH.wanted(item.event.event_source, item.event.event_name)
    )  # fmt: skip


def test_the_history_of_every_group_is_that_of_the_store(recorded, stored, shared_data, aws_environment) -> None:
    """Row for row: an investigation must find the same changes in the logs as in the store, or trust neither."""
    truth = json.loads((shared_data / "records.truth.json").read_text())
    with opened(recorded.url) as aws:
        place = open_athena(validate(CONFIG, "athena.yml"), aws)
        for group in [group for group in truth["per_group_event"] if group != "(none)"]:
            query = Query(security_groups=(group,), limit=10_000)
            answer = place.search(query, NOW, no_progress)
            assert answer.problems == []
            assert rows(answer.events) == rows(stored.search(query)), group
            assert any("were scanned, about $" in note for note in answer.notes)
            counts: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"ok": 0, "error": 0})
            for item in answer.events:
                if not WATCH.wanted(item.event.event_source, item.event.event_name):
                    continue  # a group that is named finds all that touches it
                counts[item.event.event_name]["ok" if item.event.outcome.value in ("success", "noop") else "error"] += 1
            expected = truth["per_group_event"][group]
            if any(item.event.event_id == CONFLICTED for item in answer.events):
                expected["AuthorizeSecurityGroupIngress"]["error"] -= 1  # two bodies of one id count once
            assert dict(counts) == expected, group


def test_all_that_is_watched_is_that_of_the_store(recorded, stored, aws_environment) -> None:
    """Without a group, too: the latest changes, those of a time, those of a principal."""
    with opened(recorded.url) as aws:
        place = open_athena(validate(CONFIG, "athena.yml"), aws)
        for query in (
            Query(limit=10_000),
            Query(since=datetime(2023, 1, 1, tzinfo=UTC), until=datetime(2025, 1, 1, tzinfo=UTC), limit=10_000),
            Query(event_names=("*SecurityGroup*",), limit=10_000),
            Query(regions=("us-east-1",), limit=5),
        ):
            answer = place.search(query, NOW, no_progress)
            # The table has all in one folder, whatever the records say of their account and region.
            found = rows(stored.search(query))
            assert (answer.problems, rows(answer.events)) == ([], found)


def test_every_named_query_runs_on_athena(recorded, aws_environment) -> None:
    """A question that ships must be one that Athena takes."""
    given = {"group": "sg-123456789", "since": "2019-02-15T00:00:00Z", "principal": "role/Bob", "account": ACCOUNT}
    with opened(recorded.url) as aws:
        engine = open_engine(validate(CONFIG, "athena.yml"), aws)
        for question in NAMED:
            values = {one.name: given.get(one.name, "2019-02-15T00:00:00Z") for one in question.parameters}
            result = engine.run(question.statement(engine.table, values), Limits(), no_progress)
            list(result.rows)
            assert result.problems == [], question.name


def command(recorded: Sandbox, tmp_path: Path, *arguments: str) -> Result:
    """Run a command of the exporter on the sandbox."""
    path = tmp_path / "athena.yml"
    config = {**CONFIG, "aws": {**CONFIG["aws"], "endpoint_url": recorded.url}, "store": {"path": str(tmp_path / "other.db")}}  # type: ignore[dict-item]
    path.write_text(yaml.safe_dump(config))
    return CliRunner().invoke(main, [*arguments, "--config.file", str(path)])


def test_query_shows_rows_and_what_they_cost(recorded, tmp_path, aws_environment) -> None:
    """The command is how a person asks; the price stands beside the answer."""
    sql = "SELECT eventname, count(*) AS n FROM cloudtrail_logs WHERE eventname LIKE '%SecurityGroupIngress' GROUP BY 1 ORDER BY 1"
    done = command(recorded, tmp_path, "query", sql, "--from", "athena", "--format", "json")
    assert done.exit_code == 0, done.output
    assert {row["eventname"]: row["n"] for row in json.loads(done.stdout)}["AuthorizeSecurityGroupIngress"] > 0
    assert "were scanned, about $0.00" in done.stderr
    refused = command(recorded, tmp_path, "query", "DELETE FROM cloudtrail_logs", "--from", "athena")
    assert refused.exit_code == 2, refused.output
    wrong = command(recorded, tmp_path, "query", "SELECT nothing FROM cloudtrail_logs", "--from", "athena")
    assert wrong.exit_code != 0
    assert "Column 'nothing' cannot be resolved" in wrong.output


def test_the_table_of_an_organization_whose_accounts_are_not_known_works_with_an_account(tmp_path, aws_environment) -> None:
    """`injected` is what the large ones get: a question that names its account must work, and one that does not must say so."""
    config = {**CONFIG, "aws": {}, "sources": [{"type": "s3", "bucket": BUCKET, "organization_ids": ["o-exampleorgid"]}]}
    with Sandbox(Settings(deliver=False, athena_delay=timedelta(0))) as sandbox, opened(sandbox.url) as aws:
        make_buckets(sandbox)
        asked = Asker(sandbox).run(table_of(tmp_path, config))
        assert asked.state == "SUCCEEDED", asked.reason
        place = open_athena(validate(config, "athena.yml"), aws)
        answer = place.search(Query(accounts=(ACCOUNT,), regions=(REGION,)), NOW, no_progress)
        assert (answer.events, answer.problems) == ([], [])
        (problem,) = place.search(Query(), NOW, no_progress).problems
        assert "is `injected`" in problem
