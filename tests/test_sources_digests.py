"""Chains of signed digests: what they prove, and what they find missing, modified or not of AWS, each of it once."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.errors import AwsError
from tests.fake_bucket import ACCOUNT, BUCKET, REGION, FakeBucket, key
from tests.signed_chain import Chain, base64_keys
from tests.trail_roads import Road

START = datetime(2026, 1, 31, 6, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
UNTIL = "awschange_exporter_trail_verified_until_timestamp_seconds"


@pytest.fixture
def bucket():
    """Return an empty bucket."""
    return FakeBucket()


@pytest.fixture
def chain(bucket):
    """Return the chain of a trail that began at six."""
    return Chain(bucket, START)


def listing(bucket: FakeBucket, **settings: Any) -> Road:
    """Return a source that lists the bucket and looks for digests at each poll."""
    return Road(bucket, **{"type": "s3", "bucket": BUCKET, "digest_interval": "1ms", **settings})  # type: ignore[arg-type]


def log(bucket: FakeBucket, hour: int, event_id: str, name: str = "AbCdEfGhIjKlMnOp") -> str:
    """Put a log file that was delivered in the middle of an hour after the start."""
    return bucket.put(key(START + hour * HOUR + 30 * MINUTE, name), event_id)


def verdicts(files: Road) -> tuple[dict[str, int], dict[str, int]]:
    """Return the states of log files and of digests."""
    return files.kept.states("trail_files_total"), files.kept.states("digests_total")


def proven(files: Road, region: str = REGION) -> datetime | None:
    """Return until when an account and region is complete."""
    seconds = files.kept.gauges.get((UNTIL, "s3", ACCOUNT, region))
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def test_a_valid_chain_proves_every_file_once_and_an_empty_hour_too(bucket, chain):
    """Counted twice, the numbers say nothing; without the empty hours nobody knows that nothing happened."""
    files = listing(bucket)
    for hour in range(3):
        chain.write(log(bucket, hour, f"e{hour}"))
    chain.hours(2)
    for _ in range(3):
        files.restart()
        assert files.poll(START + 5 * HOUR + 10 * MINUTE).errors == []
    assert verdicts(files) == ({"verified": 3}, {"verified": 5})
    assert proven(files) == START + 5 * HOUR
    assert files.kept.ids == {f"e{hour}": 1 for hour in range(3)}
    assert {entry for entry, _ in files.kept.log} == set()
    assert bucket.asked["ListPublicKeys"] <= 3, "once for each process"
    assert bucket.asked["GetObject"] < 3 + 5 + 3 * 2


def test_keys_in_base64_are_understood_too(bucket, chain):
    """JSON has no bytes; a key that is not understood makes every digest look forged."""
    base64_keys(bucket)
    chain.write(log(bucket, 0, "e"))
    files = listing(bucket)
    files.poll(START + 2 * HOUR)
    assert verdicts(files) == ({"verified": 1}, {"verified": 1})


def test_a_file_that_was_changed_before_it_was_read_is_modified(bucket, chain):
    """What the exporter counted is then not what happened."""
    name = log(bucket, 0, "true")
    chain.write(name)
    bucket.put(name, "forged")
    files = listing(bucket)
    files.poll(START + 2 * HOUR)
    assert verdicts(files) == ({"modified": 1}, {"verified": 1})
    assert proven(files) is None
    (said,) = files.said("trail file modified")
    assert (said["key"], said["trail"], said["digest"], said["bucket"]) == (name, "main", chain.keys[0], BUCKET)


def test_a_file_that_is_gone_is_missing_and_the_next_hours_are_judged_all_the_same(bucket, chain):
    """A deletion is what an intruder does first."""
    name = log(bucket, 0, "gone")
    chain.write(name)
    del bucket.objects[name]
    chain.write(log(bucket, 1, "there"))
    files = listing(bucket)
    for _ in range(2):
        files.restart()
        files.poll(START + 3 * HOUR)
    assert verdicts(files) == ({"missing": 1, "verified": 1}, {"verified": 2})
    assert [entry["key"] for entry in files.said("trail file missing")] == [name]
    assert proven(files) == START + 2 * HOUR


def test_a_missing_file_that_comes_back_is_read(bucket, chain):
    """Its changes were made, and must count however late they come to light."""
    name = log(bucket, 0, "late")
    chain.write(name)
    kept = bucket.objects.pop(name)
    files = listing(bucket)
    files.poll(START + 2 * HOUR)
    bucket.objects[name] = kept
    files.restart()
    files.poll(START + 3 * HOUR)
    files.poll(START + 9 * HOUR)
    assert files.kept.ids == {"late": 1}
    assert verdicts(files) == ({"missing": 1}, {"verified": 1})


def test_a_file_that_no_digest_names_is_unsigned_after_a_while(bucket, chain):
    """Records that somebody slipped in would be history otherwise."""
    chain.write(log(bucket, 0, "true"))
    foreign = log(bucket, 0, "forged", "ZZZZZZZZZZZZZZZZ")
    odd = bucket.put(f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/31/evil.json.gz", "odd")
    chain.hours(5)
    files = listing(bucket)
    files.poll(START + 3 * HOUR)
    assert verdicts(files)[0] == {"verified": 1}, "a digest may still name them"
    files.poll(START + 3 * HOUR + 31 * MINUTE)
    assert files.kept.states("trail_files_total") == {"verified": 1, "unsigned": 1}
    for hours in (6, 7, 8):
        files.restart()
        files.poll(START + hours * HOUR + 5 * MINUTE)
    assert files.kept.states("trail_files_total") == {"verified": 1, "unsigned": 2}
    assert {entry["key"] for entry in files.said("trail file unsigned")} == {foreign, odd}


def test_a_digest_that_is_gone_is_missing_after_a_while(bucket, chain):
    """Whoever deletes a log file deletes the digest that names it."""
    name = log(bucket, 1, "hidden")
    chain.write(log(bucket, 0, "e0"))
    gone = chain.write(name)
    third = chain.write()
    del bucket.objects[gone]
    files = listing(bucket)
    files.poll(START + 3 * HOUR + 10 * MINUTE)
    assert verdicts(files)[1] == {"verified": 1}, "it may come a little later"
    for hours in (4, 5, 6):
        files.restart()
        files.poll(START + hours * HOUR + 30 * MINUTE)
    assert verdicts(files) == ({"verified": 1, "unsigned": 1}, {"verified": 2, "missing": 1})
    (said,) = files.said("digest missing")
    assert (said["key"], said["digest"]) == (gone, third)


def test_a_digest_that_comes_after_the_next_one_is_judged_in_its_place(bucket, chain):
    """A delivery in another order is no attack."""
    name = log(bucket, 1, "e1")
    chain.write(log(bucket, 0, "e0"))
    late = chain.write(name)
    chain.write()
    kept = bucket.objects.pop(late)
    files = listing(bucket)
    files.poll(START + 3 * HOUR + MINUTE)
    bucket.objects[late] = kept
    files.poll(START + 3 * HOUR + 20 * MINUTE)
    assert verdicts(files) == ({"verified": 2}, {"verified": 3})


def test_a_digest_whose_text_was_changed_is_modified_where_the_next_one_tells_it(bucket, chain):
    """The next digest is signed, and says what the one before it held."""
    changed = chain.write(log(bucket, 0, "e0"))
    chain.write(log(bucket, 1, "e1"))
    body, metadata = bucket.objects[changed]
    text = json.loads(gzip.decompress(body))
    bucket.objects[changed] = (gzip.compress(json.dumps({**text, "logFiles": []}).encode()), metadata)
    files = listing(bucket)
    for _ in range(3):
        files.restart()
        files.poll(START + 2 * HOUR + 30 * MINUTE)
    assert verdicts(files) == ({"verified": 1}, {"verified": 1, "modified": 1})
    assert [entry["key"] for entry in files.said("digest modified")] == [changed]


@pytest.mark.parametrize("metadata", [{}, {"signature": "00" * 256, "signature-algorithm": "SHA256withRSA"}, {"signature": "zz", "signature-algorithm": "SHA256withRSA"}])  # fmt: skip
def test_a_digest_without_a_valid_signature_is_unsigned_and_proves_nothing(metadata, bucket, chain):
    """Anybody who may write to the bucket can write a digest."""
    name = log(bucket, 0, "e0")
    digest = chain.write(name)
    bucket.objects[digest] = (bucket.objects[digest][0], metadata)
    files = listing(bucket)
    for _ in range(2):
        files.poll(START + HOUR + 30 * MINUTE)
    assert verdicts(files) == ({}, {"unsigned": 1})
    assert proven(files) is None


def test_a_forged_digest_of_the_future_stops_no_verification(bucket, chain):
    """One file with tomorrow's date would make every true digest count as old."""
    chain.write(log(bucket, 0, "e0"))
    forged = chain.key_of(START + 20 * HOUR)
    bucket.objects[forged] = (gzip.compress(b"{}"), {})
    files = listing(bucket)
    files.poll(START + HOUR + 5 * MINUTE)
    chain.write(log(bucket, 1, "e1"))
    files.restart()
    files.poll(START + 2 * HOUR + 5 * MINUTE)
    assert verdicts(files) == ({"verified": 2}, {"verified": 2, "modified": 1})
    assert proven(files) == START + 2 * HOUR


def test_a_digest_that_was_moved_is_no_digest_of_its_new_place(bucket, chain):
    """A quiet hour's digest, copied over a busy one's, would prove that nothing happened."""
    (quiet,) = chain.hours(1)
    busy = chain.write(log(bucket, 1, "e"))
    bucket.objects[busy] = bucket.objects[quiet]
    files = listing(bucket)
    files.poll(START + 2 * HOUR + MINUTE)
    assert verdicts(files) == ({}, {"verified": 1, "modified": 1})


def test_a_file_that_was_never_listed_is_read_because_a_digest_names_it(bucket, chain):
    """This is what the proof of completeness is for: the loss is found, and mended."""
    files = listing(bucket, backfill="0s")
    chain.hours(1)
    files.poll(START + 3 * HOUR)
    chain.write()
    late = log(bucket, 2, "days late")
    chain.end = START + 60 * HOUR
    chain.write(late)
    files.poll(START + 61 * HOUR + MINUTE)
    assert files.kept.ids == {"days late": 1}
    assert verdicts(files)[0] == {"verified": 1}
    files.restart()
    files.poll(START + 62 * HOUR)
    assert files.kept.ids == {"days late": 1}


def test_a_file_that_cannot_be_read_now_is_judged_later(bucket, chain):
    """An answer of 503 is no proof of tampering, and must not be the last word either."""
    name = log(bucket, 0, "e0")
    chain.write(name)
    bucket.broken[name] = AwsError("unavailable", "503", "s3:GetObject", "SlowDown")
    files = listing(bucket)
    assert files.poll(START + 2 * HOUR).errors
    assert verdicts(files) == ({}, {})
    bucket.broken.clear()
    assert files.poll(START + 2 * HOUR).errors == []
    assert verdicts(files) == ({"verified": 1}, {"verified": 1})


def test_keys_that_cannot_be_asked_for_now_judge_nothing(bucket, chain, monkeypatch):
    """Without permission for ListPublicKeys every digest would be called forged."""
    chain.write(log(bucket, 0, "e0"))
    files = listing(bucket)

    def denied(*_asked: object, **_more: object) -> Any:
        raise AwsError("access_denied", "no", "cloudtrail:ListPublicKeys", "AccessDeniedException")

    monkeypatch.setattr(bucket, "pages", denied)
    assert [error.reason for error in files.poll(START + 2 * HOUR).errors] == ["access_denied"]
    assert verdicts(files) == ({}, {})
    monkeypatch.undo()
    files.poll(START + 2 * HOUR)
    assert verdicts(files) == ({"verified": 1}, {"verified": 1})


def test_a_chain_that_begins_anew_is_said_and_its_files_from_between_are_unsigned(bucket, chain):
    """Somebody switched validation off: what was delivered meanwhile is vouched for by nobody."""
    chain.write(log(bucket, 0, "e0"))
    between = log(bucket, 2, "between")
    chain.begin_anew()
    chain.end = START + 4 * HOUR
    chain.write(log(bucket, 4, "e4"))
    files = listing(bucket)
    for _ in range(2):
        files.poll(START + 8 * HOUR)
    assert verdicts(files) == ({"verified": 2, "unsigned": 1}, {"verified": 2})
    assert [entry["key"] for entry in files.said("trail file unsigned")] == [between]
    assert len(files.said("a chain of digests begins anew")) == 1


def test_files_from_before_validation_and_of_buckets_without_it_are_not_judged(bucket, chain):
    """Switching validation on must not page for all that was before; a bucket without digests must not page at all."""
    log(bucket, -5, "before")
    chain.write(log(bucket, 0, "e0"))
    bucket.put(key(START - 5 * HOUR, region="eu-west-1"), "no digests here")
    files = listing(bucket)
    for hours in (1, 5, 9):
        files.poll(START + hours * HOUR + MINUTE)
    assert verdicts(files) == ({"verified": 1}, {"verified": 1})


def test_a_bucket_that_deletes_old_files_is_no_scene_of_a_crime(bucket, chain):
    """A lifecycle rule deletes log files before the digests that name them: a first start would page for hundreds."""
    names = [log(bucket, hour, f"e{hour}") for hour in range(48)]
    for name in names:
        chain.write(name)
    for gone in (*chain.keys[:5], *names[:12]):
        del bucket.objects[gone]
    files = listing(bucket)
    files.poll(START + 48 * HOUR + MINUTE)
    files_judged, digests_judged = verdicts(files)
    assert set(files_judged) == set(digests_judged) == {"verified"}
    assert digests_judged["verified"] >= 48 - 5 - 27


def test_two_trails_and_a_backfill_are_chains_of_their_own(bucket, chain):
    """Mixed up, each would break the other's chain."""
    second = Chain(bucket, START + 7 * MINUTE, trail="second_trail")
    filled = Chain(bucket, START, ending="_backfill")
    for hour in range(3):
        name = log(bucket, hour, f"e{hour}")
        chain.write(name)
        second.write(log(bucket, hour, f"s{hour}", "second0000000000"))
        if hour == 1:
            filled.write(name, **{"backfill-generation-timestamp": "2026-01-31T09:00:00Z"})
    files = listing(bucket)
    files.poll(START + 4 * HOUR)
    assert verdicts(files) == ({"verified": 6}, {"verified": 7})
    assert {entry for entry, _ in files.kept.log} == set()


def test_a_verified_file_that_is_overwritten_and_told_of_is_modified(bucket, chain):
    """The queue tells of each write: the second one is not AWS's."""
    from exporter.sources.ledger import Row, encode, file_key
    from exporter.sources.trail_bucket import Bucket
    from exporter.sources.trail_keys import LogFile, understand_key

    name = log(bucket, 0, "e0")
    chain.write(name)
    files = listing(bucket)
    files.poll(START + 2 * HOUR)
    file = understand_key(name)
    assert isinstance(file, LogFile)
    held = json.loads(files.kept.cursors[file_key(name)])
    assert held[2] is True
    context = type(
        "Context", (), {"cursor": files.kept.cursors.get, "now": lambda: START, "log": type("Log", (), {"error": lambda *_a, **_k: None})}
    )
    kept = Bucket("s3", BUCKET, bucket, None, context, True)  # type: ignore[arg-type]
    assert kept.remember(file, held[0])[1] == ()
    assert kept.remember(file, "0" * 64)[1] == (("awschange_exporter_trail_files_total", ("s3", ACCOUNT, REGION, "modified"), 1.0),)
    assert encode(Row(held[0], held[1], True)) == files.kept.cursors[file_key(name)]


def test_a_kill_at_any_batch_counts_nothing_twice(bucket, chain):
    """Counts and cursors are one transaction, and what is judged is judged once."""
    for hour in range(6):
        chain.write(log(bucket, hour, f"e{hour}"), log(bucket, hour, f"f{hour}", "second0000000000"))
    files = listing(bucket)
    for stop in [1, 2, 3, 4, 5, 3, 2, 1, 6, 9, 99, 99]:
        for number, _ in enumerate(files.batches(START + 7 * HOUR), 1):
            if number == stop:
                break
        files.restart()
    assert verdicts(files) == ({"verified": 12}, {"verified": 6})


def test_every_state_exists_at_zero_from_the_first_digest_on(bucket, chain):
    """increase() does not see the first sample of a series: the first modified file ever would page nobody."""
    chain.write()
    files = listing(bucket)
    files.poll(START + 2 * HOUR)
    for family in ("awschange_exporter_trail_files_total", "awschange_exporter_digests_total"):
        assert {labels[-1] for labels in files.kept.counts if labels[0] == family} == {"verified", "missing", "modified", "unsigned"}
