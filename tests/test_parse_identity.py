"""Event ids and fingerprints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporter.parse.dialect import lowered
from exporter.parse.identity import event_id, fingerprint
from tests.cloudtrail_fixtures import event, load


def own_id(record: dict[str, Any]) -> str:
    return event_id(record, lowered(record))[0]


def test_a_uuid_is_the_identity_in_lower_case() -> None:
    """One event must not count twice because a tool wrote its id in capitals."""
    record = load("authorize-flat-form")
    assert own_id(record) == record["eventID"]
    assert own_id({**record, "eventID": record["eventID"].upper()}) == record["eventID"]
    assert own_id({key.lower(): value for key, value in record.items()}) == record["eventID"]


@pytest.mark.parametrize(
    "given", [..., None, "", "...", "1", 7, [], "6c604d53-d9c3-492e-a26a-a48ac3f711e", "6c604d53d9c3492ea26aa48ac3f711e0"]
)
def test_what_is_no_uuid_is_replaced_by_a_hash_of_the_record(given: object) -> None:
    """Masked ids are all alike; taken as identity they would swallow each other."""
    record = load("authorize-flat-form", eventID=given)
    first = own_id(record)
    assert first.startswith("hash:")
    assert len(first) == 5 + 32
    assert own_id(dict(reversed(record.items()))) == first, "the order of keys is no difference"
    assert own_id({**record, "sourceIPAddress": "192.0.2.99"}) != first


def test_an_updated_record_takes_the_place_of_the_original() -> None:
    """UPDATED_DATA has an id of its own; counted under it, one change would be two."""
    parsed = event("addendum-updated-data")
    assert (parsed.event_id, parsed.supersedes) == (load("authorize-flat-form")["eventID"], True)


@pytest.mark.parametrize("addendum", [None, "x", [], {"reason": "UPDATED_DATA"}, {"reason": "UPDATED_DATA", "originalEventID": "..."}])
def test_an_addendum_that_names_no_original_supersedes_nothing(addendum: object) -> None:
    """There is nothing to take the place of."""
    record = load("authorize-flat-form", addendum=addendum)
    assert event_id(record, lowered(record)) == (record["eventID"], False)


def test_a_late_delivery_is_the_event_itself() -> None:
    """DELIVERY_DELAY only says why it came late."""
    parsed = event("addendum-delivery-delay")
    assert (parsed.event_id, parsed.supersedes) == (load("addendum-delivery-delay")["eventID"], False)


def test_the_fingerprint_is_the_same_whichever_road_brought_the_record() -> None:
    """Order of keys, an addendum, null for missing, top-level case: none is another call."""
    record = load("revoke-by-rule-id")
    mark = event("revoke-by-rule-id").fingerprint
    assert len(mark) == 16
    assert fingerprint(lowered(json.loads(json.dumps(record, sort_keys=True)))) == mark
    assert fingerprint(lowered({**record, "addendum": {"reason": "DELIVERY_DELAY"}})) == mark
    assert fingerprint(lowered({**record, "errorCode": None})) == mark
    assert fingerprint({key.lower(): value for key, value in record.items()}) == mark


@pytest.mark.parametrize(
    "field",
    [
        "eventSource",
        "eventName",
        "eventTime",
        "awsRegion",
        "recipientAccountId",
        "userIdentity",
        "errorCode",
        "requestParameters",
        "responseElements",
    ],
)
def test_another_call_has_another_fingerprint(field: str) -> None:
    """The same id with another body is a conflict, and must be seen as one."""
    record = load("revoke-by-rule-id")
    assert fingerprint(lowered({**record, field: "different"})) != fingerprint(lowered(record))


def nested(depth: int) -> object:
    value: object = "end"
    for _ in range(depth):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    "odd",
    [2**200, -(2**200), 10**5000, "\ud800", {"\udfff": 1}, nested(500), nested(100_000), float("inf"), [True, None, 1.5, b"bytes"]],
    ids=["big", "negative", "huge", "surrogate", "surrogate key", "deep", "very deep", "infinite", "mixed"],
)
def test_what_the_json_library_cannot_write_still_has_an_identity(odd: object) -> None:
    """Integers over 64 bits, lone surrogates and deep nesting must neither crash nor all look alike."""
    record = load("authorize-flat-form", eventID="...", requestParameters={"x": odd, "y": "\ud800"})
    other = {**record, "requestParameters": {"x": odd, "y": "\ud801"}}
    assert own_id(record) == own_id(dict(reversed(record.items())))
    assert own_id(record) != own_id(other)
    assert fingerprint(lowered(record)) != fingerprint(lowered(other))
