"""Files read by processes of their own, or fetched by several threads, give what one thread gives, in the same order."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from exporter.catalog import Watch
from exporter.errors import AwsError, SourceError
from exporter.sources import downloads, workers
from exporter.sources.base import Batch
from exporter.sources.downloads import Object, ObjectReader
from exporter.sources.trail_text import Limits, text_hash
from tests.fake_bucket import BUCKET, FakeBucket, key

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class Names(NamedTuple):
    """A pattern as the configuration has it."""

    event_source: str
    event_name: str


WATCH = Watch(patterns=[Names("ec2.amazonaws.com", "CreateSecurityGroup*")])
LIMITS = Limits(2**28, 2**22, hashing=True)


@pytest.fixture
def bucket():
    """Return a bucket with files of many shapes, damaged ones among them."""
    bucket = FakeBucket()
    for number in range(60):
        name = bucket.put(key(NOW + timedelta(minutes=number)), *(f"e{number}-{each}" for each in range(number % 4)), records=number * 20)
        if number % 7 == 3:
            body, metadata = bucket.objects[name]
            bucket.objects[name] = (body[: len(body) * 2 // 3], metadata)
        if number % 11 == 5:
            bucket.objects[name] = (b"no gzip, no JSON", {})
    return bucket


def start_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have processes started after five files, and waited for."""
    monkeypatch.setattr(downloads, "WORTH_WORKERS", 5)
    monkeypatch.setattr(workers, "WAIT_FOR_START", 60.0)


def read(bucket: FakeBucket, processes: int, threads: int = 8) -> list[tuple[str, list[Batch], str, str]]:
    """Read everything and return what was found, file by file."""
    out = []
    with ObjectReader(bucket, WATCH.wanted, LIMITS, threads, processes) as reader:
        for reading in reader.read(Object(BUCKET, name, number) for number, name in enumerate(sorted(bucket.objects))):
            parts = list(reading.parts)
            out.append((reading.object.key, [part.batch for part in parts], parts[-1].sha256 if parts else "", str(reading.error)))
    return out


def test_processes_and_threads_find_what_one_thread_finds(bucket, monkeypatch):
    """Otherwise a setting for speed changes what is counted."""
    alone = read(bucket, 0, 1)
    assert len(alone) == 60
    assert sum(len(batch.records) for _, batches, _, _ in alone for batch in batches) > 20
    assert any(batch.malformed for _, batches, _, _ in alone for batch in batches)
    start_at_once(monkeypatch)
    assert read(bucket, 0, 8) == alone
    assert read(bucket, 2, 8) == alone


def test_hashes_are_those_of_the_text_before_compression(bucket):
    """Digests speak of that text; another hash would call every file modified."""
    for name, _, sha256, _ in read(bucket, 0):
        assert sha256 == text_hash(bucket.objects[name][0])
    assert sum(sha256.startswith("damaged") for _, _, sha256, _ in read(bucket, 0)) >= 5


def test_a_large_file_is_hashed_whole_and_read_in_parts():
    """Memory is bounded by parts; a hash of the first part alone would call the file modified."""
    bucket = FakeBucket()
    name = bucket.put(key(NOW), *(f"e{number}" for number in range(12_000)))
    with ObjectReader(bucket, WATCH.wanted, LIMITS, 2, 0) as reader:
        for reading in reader.read([Object(BUCKET, name, None)]):
            parts = list(reading.parts)
    assert len(parts) == 3
    assert [part.last for part in parts] == [False, False, True]
    assert parts[-1].sha256 == text_hash(bucket.objects[name][0])
    small = Limits(2**18, 2**22, hashing=True)
    with ObjectReader(bucket, WATCH.wanted, small, 2, 0) as reader:
        for reading in reader.read([Object(BUCKET, name, None)]):
            parts = list(reading.parts)
    assert {entry.reason for part in parts for entry in part.batch.malformed} == {"too_large"}
    assert parts[-1].sha256 == text_hash(bucket.objects[name][0]), "what is too large to read is still what AWS signed"


def test_what_cannot_be_fetched_is_said_in_its_place(bucket, monkeypatch):
    """The error of one file must not be taken for that of another."""
    start_at_once(monkeypatch)
    names = sorted(bucket.objects)
    for name in names[::9]:
        bucket.broken[name] = AwsError("unavailable", f"503 for {name}", "s3:GetObject")
    for processes in (0, 2):
        got = read(bucket, processes)
        assert [name for name, _, _, error in got if error != "None"] == names[::9]
        assert all(name in error for name, _, _, error in got if error != "None")


def test_a_reading_that_is_broken_off_leaves_nothing_to_the_next(bucket, monkeypatch):
    """Answers to the first, taken for those to the second, would be the wrong file's records."""
    start_at_once(monkeypatch)
    names = sorted(bucket.objects)
    whole = {name: batches for name, batches, _, _ in read(bucket, 0)}
    with ObjectReader(bucket, WATCH.wanted, LIMITS, 8, 2) as reader:
        for number, reading in enumerate(reader.read(Object(BUCKET, name, None) for name in names)):
            if number == 20:
                break
            list(reading.parts)
        got = {
            reading.object.key: [part.batch for part in reading.parts]
            for reading in reader.read(Object(BUCKET, name, None) for name in names)
        }
    assert got == whole


def test_a_process_that_is_killed_is_an_error_and_no_silence(bucket, monkeypatch):
    """The kernel kills what takes too much memory; its files must come again."""
    start_at_once(monkeypatch)
    names = sorted(bucket.objects)
    errors = []
    with ObjectReader(bucket, WATCH.wanted, LIMITS, 8, 2) as reader:
        for number, reading in enumerate(reader.read(Object(BUCKET, name, None) for name in names)):
            try:
                list(reading.parts)
            except SourceError as error:
                errors.append(error)
            if number == 15:
                victim = reader._workers[0]._process.pid
                os.kill(victim, signal.SIGKILL)
                reader._workers[0]._process.join()
    assert errors
    assert {error.reason for error in errors} == {"internal"}
    assert "memory" in str(errors[0])


def test_a_poll_by_processes_is_a_poll(bucket, monkeypatch):
    """The whole source with them: the same events, files and errors."""
    from tests.trail_roads import Road

    start_at_once(monkeypatch)
    roads = [Road(bucket, type="s3", bucket=BUCKET, verify_digests=False, workers=processes) for processes in (0, 2)]  # type: ignore[arg-type]
    for road in roads:
        assert road.poll(NOW + timedelta(hours=2), wanted=WATCH.wanted).errors == []
    assert roads[0].kept.ids == roads[1].kept.ids
    assert roads[0].kept.cursors.keys() == roads[1].kept.cursors.keys()
