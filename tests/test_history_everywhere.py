"""The same history from every place: recorded records with a checked truth, and random ones asked at random."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.catalog import DEFAULT_WATCH_SETS, Watch
from exporter.history.places import merged
from exporter.store.base import Query
from tests.aws_fast import without_turns
from tests.history_places import Ask, Row, comparable, complete, event_history, rows_of, searched, stored, unit_of
from tests.history_questions import ALL, NOW, lifelike, questions
from tests.records import write_trail

SETS = {"changes": DEFAULT_WATCH_SETS, "attachments": (*DEFAULT_WATCH_SETS, "attachments")}
"""What is watched where the truth of changes is asked for, and where that of attachments is."""
CONFLICTED = "504b492f-7832-406b-a4fd-45a13e48adc4"
"""The UUID that a hand-edited fixture gives to two bodies, one a success and one denied: which of them stands depends on which came first."""
PLACEHOLDER = "..."
"""What a hand-edited fixture has for account, region and group."""
SEED = 20260131
FILTERS = ("security_groups", "rule_ids", "event_names", "principals", "accounts", "regions", "outcomes", "times", "event_ids", "text")
"""What random questions are drawn from."""


@pytest.fixture(scope="module")
def records(shared_data: Path) -> list[dict[str, Any]]:
    """Return the recorded records."""
    with gzip.open(shared_data / "records.ndjson.gz") as lines:
        return [json.loads(line) for line in lines]


Calls = Mapping[str, Mapping[str, int]]


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> dict[str, dict[str, Calls]]:
    """Return how often each call was made on each group, ok and error apart: changes of groups, and attachments of groups."""
    whole = json.loads((shared_data / "records.truth.json").read_text(encoding="utf-8"))
    return {"changes": whole["per_group_event"], "attachments": whole["attachments_per_group"]}


@pytest.fixture(scope="module")
def places(records: list[dict[str, Any]], shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ask]]:
    """Return what asks each place for changes of groups (`store`), and for attachments (`store, attachments`)."""
    with ExitStack() as stack:
        stack.enter_context(aws_of_the_sandbox())
        asks: dict[str, Ask] = {}
        told = [record for record in records if complete(record)]
        for name, sets in SETS.items():
            directory = tmp_path_factory.mktemp(name)
            asks[f"store, {name}"] = stack.enter_context(stored(directory / "store", shared_data / "records.ndjson.gz", sets))
            asks[f"files, {name}"] = stack.enter_context(searched(shared_data / "records.ndjson.gz", sets))
            asks[f"cloudtrail, {name}"] = stack.enter_context(event_history(told, units_of(told, sets), sets))
        yield asks


@contextmanager
def aws_of_the_sandbox() -> Iterator[None]:
    """Have keys that the sandbox knows, and no waiting for turns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        without_turns(patch)
        yield


def units_of(records: list[dict[str, Any]], sets: Sequence[str]) -> list[tuple[str, str]]:
    """Return the accounts and regions in which a watched call was made. Of an account like "-" AWS cannot be asked, nor of region "..."."""
    watch = Watch(sets)
    units = {unit_of(record) for record in records if watch.wanted(record["eventSource"], record["eventName"])}
    return sorted((account, region) for account, region in units if len(account) == 12 and region != PLACEHOLDER)


def asked(group: str) -> Query:
    """Return the query for a group of the truth; where no group was named, for the calls that did not name one."""
    if group == "(none)":
        return Query(event_names=("*DBSecurityGroup*",), limit=ALL)
    return Query(security_groups=(group,), limit=ALL)


def counts(rows: list[Row]) -> Counter[tuple[str, bool]]:
    """Return how often each call was made, ok and error apart, leaving out the event that has two bodies."""
    return Counter((row["event_name"], row["outcome"] == "success") for row in rows if row["event_id"] != CONFLICTED)


@pytest.mark.parametrize("part", SETS)
@pytest.mark.parametrize("place", ["store", "files", "cloudtrail"])
def test_history_of_every_group_of_the_recorded_truth_is_met(place, part, truth, places):
    """Someone asks one place what happened to a group, gets another answer than the other place gives, and trusts neither."""
    ask, store, watch = places[f"{place}, {part}"], places[f"store, {part}"], Watch(SETS[part])
    for group, calls in truth[part].items():
        if group == PLACEHOLDER and place == "cloudtrail":
            continue  # no request can be signed for its region, which is a placeholder, too
        rows = rows_of(ask(asked(group)))
        expected = Counter({(name, ok): made["ok" if ok else "error"] for name, made in calls.items() for ok in (True, False)})
        if CONFLICTED in {row["event_id"] for row in rows}:
            # Both of its bodies are in the truth.
            expected.subtract({("AuthorizeSecurityGroupIngress", True): 1, ("AuthorizeSecurityGroupIngress", False): 1})
        assert Counter({call: count for call, count in counts(rows).items() if call[0] in calls}) == +expected, group
        found, stored_ = comparable(rows), comparable(rows_of(store(asked(group))))
        if place != "store":
            # Whoever names a group is shown all that touched it, watched or not; the store has only what is watched.
            found = {event_id: row for event_id, row in found.items() if watch.wanted(row["event_source"], row["event_name"])}
        assert found.keys() == stored_.keys(), group
        for event_id in found.keys() - {CONFLICTED}:
            assert found[event_id] == stored_[event_id]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ask]]:
    """Return what asks each place that was given the same random records."""
    records = lifelike(SEED, 500, 60, NOW)
    trail = tmp_path_factory.mktemp("drawn")
    write_trail(trail / "records.json.gz", *records)
    with ExitStack() as stack:
        stack.enter_context(aws_of_the_sandbox())
        units = sorted({unit_of(record) for record in records})
        yield {
            "store": stack.enter_context(stored(trail / "store", trail / "records.json.gz", DEFAULT_WATCH_SETS)),
            "files": stack.enter_context(searched(trail / "records.json.gz", DEFAULT_WATCH_SETS)),
            "cloudtrail": stack.enter_context(event_history(records, units, DEFAULT_WATCH_SETS, at=NOW)),
        }


def watched(rows: list[Row]) -> dict[str, Row]:
    """Return rows by event id as far as the store can have them."""
    watch = Watch(DEFAULT_WATCH_SETS)
    return {event_id: row for event_id, row in comparable(rows).items() if watch.wanted(row["event_source"], row["event_name"])}


def test_random_questions_have_one_answer_in_every_place(drawn):
    """A filter that means one thing to the store and another to AWS makes two truths of one question."""
    everything = drawn["store"](Query(limit=ALL)).events
    assert len(everything) > 200
    answered = Counter[str]()
    for query in questions(SEED, 150, [item.event for item in everything], FILTERS):
        answers = {name: ask(query) for name, ask in drawn.items()}
        expected = comparable(rows_of(answers["store"]))
        answered["some"] += bool(expected)
        for name, answer in answers.items():
            assert watched(rows_of(answer)) == expected, (name, query)
        chosen = random.Random(repr(query)).sample(list(answers.values()), k=2)
        united = merged(chosen, query)
        assert watched(rows_of(united)) == expected, query
        first, last = replace(query, limit=3), replace(query, limit=3, offset=2)
        assert [item.event.event_id for item in merged(chosen, first).events] == [item.event.event_id for item in united.events[:3]]
        assert [item.event.event_id for item in merged(chosen, last).events] == [item.event.event_id for item in united.events[2:5]]
    assert answered["some"] > 100
