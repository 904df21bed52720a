"""Reading text of any form: every wrapper, exact selection, and what damage costs."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Unit
from exporter.sources.decompress import PIECE, Damage, gunzip_pieces
from exporter.sources.findings import Findings
from exporter.sources.scan import Fates, Selector
from tests.records import ACCOUNT, REGION, authorize, event_id, record
from tests.sources_reading import Sum, compact, is_wanted, read_text, trail

WANTED_EVERY = 50
MANY = [authorize(i) if i % WANTED_EVERY == 0 else record(number=i) for i in range(400)]
"""Large enough for several segments."""
MANY_IDS = sorted(event_id(i) for i in range(0, 400, WANTED_EVERY))


def lookup(entry: dict[str, Any]) -> dict[str, Any]:
    return {"EventId": entry["eventID"], "EventName": entry["eventName"], "Resources": [], "CloudTrailEvent": json.dumps(entry)}


def envelope(entry: dict[str, Any], detail_type: object = "AWS API Call via CloudTrail") -> dict[str, Any]:
    return {"version": "0", "id": "x", "detail-type": detail_type, "source": "aws.ec2", "resources": [], "detail": entry}


def lines(entries: list[Any]) -> bytes:
    return b"".join(compact(entry) + b"\n" for entry in entries)


FORMS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "trail": lambda entries: trail(*entries),
    "trail, pretty": lambda entries: json.dumps({"Records": entries}, indent=2).encode(),
    "trail, sorted keys": lambda entries: json.dumps({"Records": entries}, sort_keys=True).encode(),
    "trail, another key before": lambda entries: compact({"x": [1], "Records": entries}),
    "trail, another key after": lambda entries: compact({"Records": entries, "x": [{"Records": 1}]}),
    "trail, carriage returns": lambda entries: json.dumps({"Records": entries}, indent=1).replace("\n", "\r\n").encode(),
    "trail, elements on lines": lambda entries: b'{"Records":[\n' + b",\n".join(map(compact, entries)) + b"\n]}",
    "two trails joined": lambda entries: trail(*entries[:150]) + trail(*entries[150:]),
    "trails, a line each": lambda entries: b"\n".join(trail(*entries[i : i + 70]) for i in range(0, len(entries), 70)),
    "array": compact,
    "array, pretty": lambda entries: json.dumps(entries, indent=4).encode(),
    "array of envelopes": lambda entries: compact([envelope(entry) for entry in entries]),
    "array of trails": lambda entries: compact([{"Records": entries[:200]}, {"Records": entries[200:]}]),
    "JSON lines": lines,
    "JSON lines, carriage returns and blank lines": lambda entries: lines(entries).replace(b"\n", b"\r\n\r\n"),
    "JSON lines without the last line end": lambda entries: lines(entries)[:-1],
    "envelopes, a line each": lambda entries: lines([envelope(entry) for entry in entries]),
    "lookup events, a line each": lambda entries: lines([lookup(entry) for entry in entries]),
    "LookupEvents": lambda entries: compact({"Events": [lookup(entry) for entry in entries], "NextToken": "x"}),
    "LookupEvents, pretty": lambda entries: json.dumps({"Events": [lookup(entry) for entry in entries]}, indent=4).encode(),
    "concatenated": lambda entries: b"".join(map(compact, entries)),
    "concatenated, pretty": lambda entries: b"".join(json.dumps(entry, indent=2).encode() for entry in entries),
    "all kinds, a line each": lambda entries: (
        lines(entries[:100])
        + lines([envelope(entry) for entry in entries[100:200]])
        + trail(*entries[200:300])
        + b"\n"
        + compact({"Events": [lookup(entry) for entry in entries[300:350]]})
        + b"\n"
        + compact(entries[350:])
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_every_form_gives_the_same_records(form: str, mark: bytes) -> None:
    """Otherwise changes would be missed because of how a tool saved them."""
    result = read_text(mark + FORMS[form](MANY))
    assert (result.ids, result.read, result.ignored["not_watched"], result.malformed) == (MANY_IDS, 400, 392, {})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("piece", [1, 17, 1000])
def test_pieces_may_be_cut_anywhere(form: str, piece: int) -> None:
    """Text comes in pieces; a token cut between two must not be misread."""
    if piece == 1 and len(FORMS[form](MANY)) > 100_000:
        some = MANY[:60]
        result = read_text(FORMS[form](some), piece=piece)
        assert (result.ids, result.read, result.malformed) == (MANY_IDS[: len(result.ids)], 60, {})
        assert len(result.ids) == 2
    else:
        result = read_text(FORMS[form](MANY), piece=piece)
        assert (result.ids, result.read, result.malformed) == (MANY_IDS, 400, {})


def test_raw_is_the_very_text_of_the_record() -> None:
    """History keeps the record as AWS wrote it, spaces and escapes included."""
    text = b'{"eventName": "AuthorizeSecurityGroupIngress" ,"eventSource":"ec2.amazonaws.com", "x":"\\u00e9\\/"}'
    for data in (b'{"Records":[' + text + b"]}", text + b"\n", b'{"detail-type":"x CloudTrail","detail":' + text + b"}"):
        assert [entry.raw for entry in read_text(data).records] == [text]


def test_names_count_only_at_the_top_of_a_record() -> None:
    """An attacker chooses request parameters; what they nest there must not become a record, whatever a text search would find."""
    forged = [{"eventVersion": "1.08", **authorize(900 + i)} for i in range(4)]
    entries = [
        record("DescribeInstances", i, requestParameters={"a": [{"b": 1}, *forged]}, userAgent='"},{"eventVersion":"1.08",')
        for i in range(100)
    ]
    for form, write in FORMS.items():
        result = read_text(write(entries + MANY))
        assert (result.ids, result.read) == (MANY_IDS, 500), form


@given(data=st.data())
def test_selection_agrees_with_a_plain_parser(data: Any) -> None:
    """The quick path is right only if it finds what json.loads finds, for any nesting, names and order of keys."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
    names = st.sampled_from(["AuthorizeSecurityGroupIngress", "DescribeInstances"])
    sources = st.sampled_from(["ec2.amazonaws.com", "s3.amazonaws.com"])
    entries = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {"eventName": names, "eventSource": sources, "eventVersion": st.just("1.08")},
                optional={"requestParameters": values, "eventID": st.text()},
            ),
            max_size=40,
        )
    )
    entries = [dict(data.draw(st.permutations(list(entry.items())))) for entry in entries]
    expected = [
        entry for entry in entries if (entry["eventName"], entry["eventSource"]) == ("AuthorizeSecurityGroupIngress", "ec2.amazonaws.com")
    ]
    indent = data.draw(st.sampled_from([None, 1]))
    ascii_only = data.draw(st.booleans())
    text = json.dumps({"Records": entries}, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    result = read_text(text)
    assert [entry.record for entry in result.records] == expected
    assert (result.read, result.malformed) == (len(entries), {})


def test_records_without_usable_names_are_left_to_the_parser() -> None:
    """Insights have no eventName, and a name of a wrong type must be counted as malformed by who knows records."""
    odd: list[dict[str, Any]] = [{"eventVersion": "1.07", "eventCategory": "Insight", "insightDetails": {}}]
    odd += [{**record(), "eventName": value} for value in ("", None, 5, [], {}, True)]
    odd += [{**record(), "eventSource": value} for value in ("", None, 5)]
    for form in (trail(*odd, *MANY), lines(odd + MANY), compact(odd + MANY)):
        result = read_text(form)
        assert (len(result.records), result.read, result.malformed) == (len(odd) + len(MANY_IDS), len(odd) + 400, {})


def test_names_that_nobody_heard_of_fill_no_memory() -> None:
    """Whoever invents names must neither make us remember them all nor make us forget what is wanted."""
    fates, findings = Fates(is_wanted), Findings("here")
    selector = Selector(findings, fates, 2**20)
    invented = [{"eventName": f"Made{number}", "eventSource": "ec2.amazonaws.com"} for number in range(20_000)]
    for _ in range(2):
        for at in range(0, len(invented), 50):
            assert not selector.array_segment(compact([*invented[at : at + 50], authorize(at)])[1:-1])
            assert len(fates._memo) <= 8192
            assert len(fates._unwanted) <= 8192
    batch = findings.batch({})
    assert (len(batch.records), batch.ignored) == (800, {"not_watched": 40_000})


def test_accounts_and_regions_are_told_by_the_first_record_and_by_wanted_ones() -> None:
    """A unit with nothing wanted must still get its series at 0; a monstrous name must not become one."""
    here, there = Unit(ACCOUNT, REGION), Unit("444455556666", "eu-west-1")
    other: dict[str, Any] = {"recipientAccountId": "444455556666", "awsRegion": "eu-west-1"}
    assert read_text(trail(record(), record(**other))).units == {here}
    assert read_text(trail(record(), authorize(**other))).units == {here, there}
    assert read_text(trail(record(recipientAccountId=111122223333))).units == {here}
    assert read_text(trail(record(recipientAccountId=None))).units == set()
    assert read_text(trail(authorize(recipientAccountId=["x"], awsRegion=5))).units == set()
    assert read_text(trail(authorize(awsRegion="x" * 1000))).units == {Unit(ACCOUNT, "x" * 64)}


def test_digests_hold_no_records() -> None:
    """A digest beside the logs is neither a change nor an error."""
    digest = {"awsAccountId": ACCOUNT, "digestStartTime": "2026-01-31T11:00:00Z", "logFiles": [{"s3Object": "x"}]}
    for text in (compact(digest), json.dumps(digest, indent=2).encode()):
        assert read_text(text).ignored == {"digest": 1}


def test_other_events_of_a_bus_are_ignored() -> None:
    """An archive of an event bus holds more than CloudTrail's events."""
    assert read_text(lines([envelope({"bucket": {}}, "Object Created"), envelope(authorize())])).ignored == {"not_watched": 1}


GOOD = authorize(1)
OTHER = authorize(3)
BETWEEN: dict[str, tuple[bytes, str]] = {
    "NaN": (compact(authorize(2))[:-1] + b',"x":NaN}', "json"),
    "Infinity": (compact(authorize(2))[:-1] + b',"x":-Infinity}', "json"),
    "a number of 5,000 digits": (compact(authorize(2))[:-1] + b',"x":' + b"9" * 5000 + b"}", "json"),
    "nesting that overflows a decoder": (compact(authorize(2))[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "json"),
    "nesting that overflows whoever walks it": (compact(authorize(2))[:-1] + b',"x":' + b'{"y":' * 500 + b"1" + b"}" * 501, "json"),
    "a bad escape": (compact(authorize(2))[:-1] + b',"x":"\\q"}', "json"),
    "a control character": (compact(authorize(2))[:-1] + b',"x":"\x01"}', "json"),
    "no UTF-8": (compact(authorize(2)).replace(b"alice", b"al\xffice"), "encoding"),
    "a record that is too large": (compact(authorize(2, userAgent='"\\' * 3_000_000)), "too_large"),
    "a missing value": (compact(authorize(2))[:-1] + b',"x":}', "json"),
}


@pytest.mark.parametrize("what", BETWEEN)
def test_a_bad_record_costs_only_itself(what: str) -> None:
    """One record that an attacker made unreadable must not hide the next."""
    bad, reason = BETWEEN[what]
    around = [compact(GOOD), bad, compact(OTHER)]
    for text in (b'{"Records":[' + b",".join(around) + b"]}", b"\n".join(around), b"[" + b",".join(around) + b"]"):
        result = read_text(text)
        assert (result.ids, result.read, result.malformed) == ([event_id(1), event_id(3)], 3, {reason: 1})


@pytest.mark.parametrize("value", [1, "x", None, True, 1.5, [], [[authorize(9)]]])
def test_an_entry_of_records_that_is_no_object_is_malformed(value: object) -> None:
    """A trail file with nonsense in it is still read, and the nonsense is counted."""
    result = read_text(compact({"Records": [GOOD, value, OTHER]}))
    assert (result.ids, result.malformed) == ([event_id(1), event_id(3)], {"record": 1})


@pytest.mark.parametrize(
    "text",
    ["{}", '{"x":1}', "5", '"x"', "null", '{"Records":null}', '{"Records":{}}', '{"Events":"x"}', '{"detail":{}}', "[5]", "[[[[[{}]]]]]"],
)
def test_json_that_holds_nothing_known_is_one_malformed_entry(text: str) -> None:
    """Somebody's other JSON in the tree must be seen, once, and must not stop anything."""
    result = read_text(text.encode())
    assert (result.read, result.malformed) == (1, {"shape": 1})


@pytest.mark.parametrize("value", [None, 5, {}, "no JSON"])
def test_a_lookup_event_whose_record_is_no_text_is_malformed(value: object) -> None:
    """The inner JSON is decoded apart from the outer; it may be anything."""
    result = read_text(compact({"Events": [lookup(GOOD), {"CloudTrailEvent": value}, lookup(OTHER)]}))
    assert (result.ids, sum(result.malformed.values())) == ([event_id(1), event_id(3)], 1)


def test_the_last_of_two_equal_keys_counts() -> None:
    """All decoders must agree on it, or a record could be wanted by one and not by the next."""
    text = compact(GOOD)[:-1] + b',"eventName":"DescribeInstances"}'
    assert read_text(text).ignored == {"not_watched": 1}
    assert len(read_text(compact(record())[:-1] + b',"eventName":"AuthorizeSecurityGroupIngress"}').records) == 1


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    """It is legal JSON that no database takes; the record must not be lost for it, nor crash what stores it."""
    agent = rb'"\ud800 \\ud800 \ud83d\ude00 \udc00"'
    text = compact({**GOOD, "userAgent": "HERE"}).replace(b'"HERE"', agent)
    for form in (
        text,
        b'{"Records":[' + text + b"]}",
        compact({"Events": [{"CloudTrailEvent": text.decode()}]}),
        b'{"detail-type":"CloudTrail","detail":' + text + b"}",
    ):
        result = read_text(form)
        assert [entry.record["userAgent"] for entry in result.records] == ["\ufffd \\ud800 \U0001f600 \ufffd"]
        assert result.malformed == {}


@pytest.mark.parametrize("at", [0.001, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("form", ["trail", "trail, pretty", "array", "JSON lines", "LookupEvents"])
def test_a_cut_text_gives_all_records_before_the_cut(form: str, at: float) -> None:
    """A copy that was interrupted holds evidence; its damage is one malformed entry."""
    text = FORMS[form](MANY)
    result = read_text(text[: int(len(text) * at) - 3])
    assert result.malformed == {"truncated": 1}
    assert result.ids == MANY_IDS[: len(result.ids)]
    assert result.read - 1 >= int(400 * at) - 2


def test_a_broken_line_costs_only_itself() -> None:
    """A log rotated in the middle of a line goes on with the next."""
    texts = [compact(entry) for entry in MANY]
    for cut in range(5, len(texts[0]) - 1, 7):
        broken = b"\n".join([*texts[:100], texts[0][:cut], *texts[100:]])
        result = read_text(broken)
        assert (result.ids, result.read, sum(result.malformed.values())) == (MANY_IDS, 401, 1), cut


def test_a_broken_trail_in_a_line_does_not_swallow_the_next_line() -> None:
    """The same for files that hold a trail document a line."""
    documents = [trail(*MANY[i : i + 100]) for i in range(0, 400, 100)]
    documents[1] = documents[1][:-30]
    result = read_text(b"\n".join(documents))
    assert (result.ids, result.read, result.malformed) == (MANY_IDS, 400, {"json": 1})


def test_junk_between_lines_is_counted_by_line() -> None:
    """A log with a few foreign lines must not lose its own."""
    result = read_text(lines(MANY[:100]) + b"# a comment\nanother\n\xff\xfe\n17\n" + lines(MANY[100:]))
    assert (result.ids, result.read, result.malformed) == (MANY_IDS, 404, {"json": 2, "encoding": 1, "shape": 1})


@pytest.mark.parametrize(
    "junk", [b"<html>\n<p>\n</html>\n", b"a: 1\nb:\n  - 2\n", random.Random(1).randbytes(50_000).replace(b"\n", b""), "{}".encode("utf-16")]
)
def test_a_file_of_something_else_is_one_malformed_entry(junk: bytes) -> None:
    """Not one for each of its lines."""
    assert read_text(junk).read == 1


@pytest.mark.parametrize("text", [b"", b" \r\n\t", b"\xef\xbb\xbf", b'{"Records":[]}', b"[]", b'{"Events": [ ] }\n', b"[\n]"])
def test_nothing_is_nothing(text: bytes) -> None:
    """An empty file is neither a record nor an error."""
    assert read_text(text).read == 0


def test_malformed_entries_beyond_a_few_are_folded() -> None:
    """A file of garbage must not flood the log or the memory."""
    result = read_text(b"[" + b"1," * 50_000 + b"1]")
    assert (result.malformed, len(result.named)) == ({"shape": 50_001}, 21)


@pytest.mark.parametrize(
    "make",
    [
        lambda: b'{"Records":[' + b"[" * 5_000_000,
        lambda: b"[" + b"{}," * 50_000,
        lambda: b'{"a":"' + b"\\n" * 3_000_000 + b'"}',
        lambda: b'{"a":[' + b'"b",' * 1_000_000,
        lambda: b'"' * 5_000_000,
    ],
)
def test_memory_stays_near_the_size_of_the_text(make: Callable[[], bytes]) -> None:
    """Small values that become large objects are a bomb too."""
    text = make()
    tracemalloc.start()
    result = read_text(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.read >= 1
    assert peak < 6 * len(text) + 8 * 2**20


def test_one_value_cannot_make_us_hold_more_than_the_limit() -> None:
    """A plain file is not bounded by its size on disk: a sparse file of a terabyte costs nothing to make."""
    result = read_text(b'{"a":[' + b'"x",' * 1_000_000, limit=2**20)
    assert result.malformed == {"too_large": 1}


@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:\\\n eventNameRecords015', max_size=300).map(str.encode))
def test_any_bytes_are_read_without_an_exception(data: bytes) -> None:
    """The accounting, asserted by the reading itself, must hold for anything at all."""
    read_text(data)
    read_text(b'{"Records":[' + data)


@given(data=st.data(), form=st.sampled_from(sorted(FORMS)))
def test_damaged_text_is_read_without_an_exception(data: Any, form: str) -> None:
    """Flipped, cut, doubled and inserted bytes anywhere: nothing is invented, nothing crashes."""
    text = bytearray(FORMS[form](MANY[:60]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        what = data.draw(st.sampled_from(["flip", "cut", "delete", "insert"]))
        if what == "flip":
            text[at] ^= data.draw(st.integers(1, 255))
        elif what == "cut":
            del text[at + 1 :]
        elif what == "delete":
            del text[at : at + data.draw(st.integers(1, 50))]
        else:
            text[at:at] = data.draw(st.binary(max_size=20) | st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\n", b"\n{"]))
        text = text or bytearray(b" ")
    result = read_text(bytes(text))
    assert sum(entry.record.get("eventName") == "AuthorizeSecurityGroupIngress" for entry in result.records) <= 2


def gunzipped(blob: bytes, limit: int = 2**24) -> tuple[bytes, str | None]:
    out = b""
    try:
        for piece in gunzip_pieces(BytesIO(blob), limit):
            out += piece
    except Damage as damage:
        return out, damage.reason
    return out, None


TEXT = trail(*MANY)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, 8 * PIECE, 700_000])
def test_gzip_is_read_whole(size: int) -> None:
    """Sizes around the piece size are where a loop goes wrong."""
    text = random.Random(size).randbytes(size)
    assert gunzipped(gzip.compress(text)) == (text, None)
    assert gunzipped(gzip.compress(text) + b"\0" * 1000) == (text, None)
    assert gunzipped(gzip.compress(text) * 3) == (text * 3, None)


def test_members_after_the_first_are_not_lost() -> None:
    """One-shot decoders drop them without an error; CloudTrail writes one member, but `cat a.gz b.gz` is common."""
    parts = [TEXT[i : i + 1000] for i in range(0, len(TEXT), 1000)]
    for padding in (b"", b"\0" * 3, b"\0" * 600_000):
        assert gunzipped(padding.join(gzip.compress(part) for part in parts[:5]) + padding) == (b"".join(parts[:5]), None)
    assert gunzipped(b"".join(gzip.compress(part) for part in parts)) == (TEXT, None)


@pytest.mark.parametrize("cut", [1, 4, 8, 12, 100, 1000])
def test_a_cut_gzip_stream_is_salvaged(cut: int) -> None:
    """An interrupted download is the most common damage of all."""
    text, reason = gunzipped(gzip.compress(TEXT)[:-cut])
    assert reason == "truncated"
    assert TEXT.startswith(text)
    assert len(text) == len(TEXT) or cut > 8


@pytest.mark.parametrize("at", [-1, -5, -8])
def test_a_wrong_checksum_is_said_and_the_text_kept(at: int) -> None:
    """Each record is still checked by itself, and a change that happened must not be lost for a bad trailer."""
    blob = bytearray(gzip.compress(TEXT))
    blob[at] ^= 0xFF
    assert gunzipped(bytes(blob)) == (TEXT, "gzip")
    big = random.Random(1).randbytes(600_000)
    blob = bytearray(gzip.compress(big))
    blob[at] ^= 0xFF
    assert gunzipped(bytes(blob)) == (big, "gzip")


def test_what_follows_a_stream_and_is_no_gzip_is_damage() -> None:
    """It may be half of a second stream; it must not pass unseen."""
    assert gunzipped(gzip.compress(TEXT) + b"garbage") == (TEXT, "gzip")


@given(st.integers(0, 10**9), st.integers(0, 255))
def test_a_damaged_gzip_stream_never_raises_anything_else(at: int, value: int) -> None:
    """Damage is the only exception, and no text past the limit is given."""
    blob = bytearray(gzip.compress(TEXT[:20_000]) * 2)
    blob[at % len(blob)] = value
    text, reason = gunzipped(bytes(blob), limit=30_000)
    assert len(text) <= 30_000
    assert reason is not None


def test_a_decompression_bomb_is_cut_off() -> None:
    """A megabyte of gzip holds a gigabyte of zeros; the limit must hold while it is decompressed, not after."""
    bomb = gzip.compress(b"\0" * 50_000_000, 9)
    tracemalloc.start()
    pieces = gunzip_pieces(BytesIO(bomb), 1_000_000)
    assert sum(map(len, itertools.islice(pieces, -(-1_000_000 // PIECE)))) == 1_000_000
    with pytest.raises(Damage, match="max_file_size"):
        next(pieces)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


@pytest.mark.parametrize(
    ("after", "found", "malformed"),
    [
        (b',"Records":[' + compact(OTHER) + b"]}", [1, 3], {}),
        (b',"Events":[' + compact(lookup(OTHER)) + b"]}", [1, 3], {}),
        (b',"x":nonsense}', [1], {"json": 1}),
        (b',"x":{', [1], {"truncated": 1}),
        (b',"x":"cut\n' + trail(OTHER), [1, 3], {"json": 1}),
        (b" nonsense\n" + trail(OTHER), [1, 3], {"json": 1}),
        (b"\n" + trail(OTHER), [1, 3], {}),
        (b"}}" + trail(OTHER), [1], {"json": 1}),
        (b"}]\n" + trail(OTHER), [1, 3], {"json": 1}),
        (b"", [1], {"truncated": 1}),
    ],
)
def test_what_follows_the_array_of_a_trail_is_read_too(after: bytes, found: list[int], malformed: dict[str, int]) -> None:
    """Whatever stands behind the records must neither hide others nor cost those before it."""
    result = read_text(b'{"Records":[' + compact(GOOD) + b"]" + after)
    assert (result.ids, result.malformed) == ([event_id(number) for number in found], malformed)


@pytest.mark.parametrize("surplus", [b"}", b"}}}", b"} ,"])
def test_a_surplus_bracket_costs_no_record(surplus: bytes) -> None:
    """The depth is still known then."""
    result = read_text(b'{"Records":[' + compact(GOOD) + surplus + b"," + compact(OTHER) + b"]}")
    assert (result.ids, result.malformed) == ([event_id(1), event_id(3)], {"json": 1})


def test_lost_brackets_end_what_is_read_of_a_document() -> None:
    """Once depth is unknown, an object that an attacker nested would look like a record."""
    forged = record("RunInstances", requestParameters={"a": authorize(9), "b": authorize(8)})
    text = trail(GOOD, forged, OTHER).replace(compact(forged), compact(forged)[1:]) + b"\n" + trail(authorize(4))
    result = read_text(text)
    assert (result.ids, result.malformed) == ([event_id(1), event_id(4)], {"json": 1})


def test_recorded_events_are_all_read(shared_data: Path) -> None:
    """Real records hold shapes that nobody invents."""
    text = gzip.decompress((shared_data / "records.ndjson.gz").read_bytes())
    entries = [json.loads(line) for line in text.splitlines()]

    def check(result: Sum) -> None:
        expected = [
            entry["eventID"]
            for entry in entries
            if entry.get("eventName") == "AuthorizeSecurityGroupIngress" and entry.get("eventSource") == "ec2.amazonaws.com"
        ]
        named = [entry.record["eventID"] for entry in result.records if entry.record.get("eventName") == "AuthorizeSecurityGroupIngress"]
        assert expected
        assert sorted(named) == sorted(expected)
        assert (result.read, result.malformed) == (len(entries), {})

    check(read_text(text))
    check(read_text(trail(*entries)))
    check(read_text(compact({"Events": [{"CloudTrailEvent": json.dumps(entry)} for entry in entries]})))
