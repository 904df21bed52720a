"""Pages of LookupEvents: what is no page is an error, and what is no event is counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from exporter.aws import Reply
from exporter.errors import SourceError
from exporter.sources.cloudtrail.pages import Taker, read_page
from exporter.sources.findings import Findings
from exporter.sources.scan import Fates
from tests.sources_reading import WANTED, is_wanted

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
RECORD = {
    "eventName": WANTED,
    "eventSource": "ec2.amazonaws.com",
    "eventID": "e",
    "recipientAccountId": "444455556666",
    "awsRegion": "eu-west-1",
}


def entry(**changes: Any) -> dict[str, Any]:
    """Return an entry as AWS lists it."""
    return {
        "EventId": "e",
        "EventName": WANTED,
        "EventSource": "ec2.amazonaws.com",
        "EventTime": 1.7e9,
        "CloudTrailEvent": json.dumps(RECORD),
        "Username": "alice",
        **changes,
    }


def taken(body: bytes) -> Any:
    """Take a page in and return the batch."""
    findings = Findings("here")
    page = read_page(Reply(body, NOW), "here")
    Taker(Fates(is_wanted), findings).take(page)
    batch = findings.batch({})
    assert batch.read == page.count == len(batch.records) + sum(batch.ignored.values()) + sum(item.count for item in batch.malformed)
    return batch


def body(*entries: Any, **more: Any) -> bytes:
    """Return the body of an answer."""
    return json.dumps({"Events": list(entries), **more}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"<html>",
        b'{"message":"sign in"}',
        b'{"Events":{}}',
        b'{"Events":null}',
        b'{"Events":[],"NextToken":3}',
        b'{"Events":[{}',
    ],
)
def test_what_is_no_page_is_no_empty_page(text: bytes) -> None:
    """A proxy that answers 200 with something of its own would otherwise prove that nothing happened."""
    with pytest.raises(SourceError) as caught:
        read_page(Reply(text, NOW), "account 111122223333, region us-east-1")
    assert caught.value.reason == "unreadable"
    assert "111122223333" in str(caught.value)


@pytest.mark.parametrize("wrong", [3, None, "x", [], {"EventId": 3}, {"CloudTrailEvent": {}}, {"EventTime": []}, {"EventName": 1}])
def test_an_entry_that_is_none_hides_no_other(wrong: Any) -> None:
    """49 good events must not be lost with it."""
    batch = taken(body(entry(), wrong, entry()))
    assert len(batch.records) == 2
    assert [item.reason for item in batch.malformed] == ["shape"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("", "json"),
        ("{", "json"),
        ("[]", "record"),
        ("1", "record"),
        ("[" * 200 + "]" * 200, "json"),
        ('{"eventName":"' + WANTED + '","a":NaN}', "json"),
    ],
)
def test_a_record_that_is_none_is_malformed_and_told_by_its_event_id(event: str, reason: str) -> None:
    """The id is what support can look up."""
    batch = taken(body(entry(CloudTrailEvent=event, EventId="f" * 300)))
    assert [(item.reason, item.where) for item in batch.malformed] == [(reason, f"here, event {'f' * 64}")]


def test_names_are_taken_from_the_record_and_the_list_only_where_that_is_all_there_is() -> None:
    """The list is a copy; but what nobody watches needs no record to be ignored."""
    assert taken(body(entry(EventName="DescribeInstances"))).records
    assert taken(body(entry(CloudTrailEvent=None, EventName="DescribeInstances"))).ignored == {"not_watched": 1}
    assert [item.reason for item in taken(body(entry(CloudTrailEvent=None))).malformed] == ["shape"]


def test_a_record_is_stored_as_it_says_and_its_text_is_kept() -> None:
    """Account and region are the record's own; the text is evidence."""
    text = json.dumps(RECORD, indent=1) + " "
    batch = taken(body(entry(CloudTrailEvent=text)))
    assert batch.records[0].raw == text.encode()
    assert {(unit.account_id, unit.region) for unit in batch.units} == {("444455556666", "eu-west-1")}


@pytest.mark.parametrize("half", [r"\ud800", r"\\ud800", r"\udc00x"])
def test_half_a_surrogate_pair_spoils_nothing(half: str) -> None:
    """Descriptions are the attacker's to choose, and one may stand in the list or within the record."""
    plain = body(entry(CloudTrailEvent=json.dumps({**RECORD, "userAgent": "@"}), Username="@")).decode()
    batch = taken(plain.replace("@", half).encode())
    assert len(batch.records) == 1
    batch.records[0].raw.decode()
    json.dumps(batch.records[0].record, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (1.7e9, 1_700_000_000),
        (1700000000, 1_700_000_000),
        ("2026-01-31T12:00:00Z", 1_769_860_800),
        ("x", None),
        (None, None),
        (1e300, None),
    ],
)
def test_times_are_read_in_every_spelling(told: Any, seconds: int | None) -> None:
    """JSON of the API has numbers; other endpoints write ISO 8601."""
    page = read_page(Reply(body(entry(EventTime=told)), NOW), "here")
    assert page.oldest in {seconds, int(1e300)} if told == 1e300 else page.oldest == seconds
