"""The files source: what it finds in a tree, how it reads on, and what it survives."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip
from pydantic import TypeAdapter, ValidationError

from exporter.errors import SourceError
from exporter.model import Unit
from exporter.settings import format_duration
from exporter.sources import SOURCES, SourceConfig, roster
from exporter.sources.base import FetchContext
from exporter.sources.files import FilesSettings, FilesSource
from exporter.sources.findings import BATCH_RECORDS
from tests.records import ACCOUNT, REGION, authorize, event_id, record, write_trail
from tests.sources_reading import Reader, compact, is_wanted, trail

TREE = f"AWSLogs/o-exampleorgid/{ACCOUNT}/CloudTrail/{REGION}/2026/01/31"
NAME = f"{ACCOUNT}_CloudTrail_{REGION}_20260131T1100Z_AbCdEfGhIjKlMnOp.json.gz"


def line(*numbers: int) -> bytes:
    return b"".join(compact(authorize(number)) + b"\n" for number in numbers)


def ids(*numbers: int) -> list[str]:
    return sorted(event_id(number) for number in numbers)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def later(path: Path) -> None:
    """Move the file's time on, as a change does that comes a while later."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def test_a_bucket_tree_is_read_once(tmp_path: Path) -> None:
    """Each file is delivered once, with what it tells of its account; the second poll finds nothing to do."""
    write_trail(tmp_path / TREE / NAME, authorize(1), record(number=2), record(number=3))
    write_trail(tmp_path / TREE.replace(REGION, "eu-west-1") / "b.json.gz", record(awsRegion="eu-west-1"))
    write(tmp_path / "notes.txt", b"not for us")
    reader = Reader(tmp_path)
    first = reader.poll()
    assert (first.ids, first.read, first.ignored, first.malformed, first.errors) == (ids(1), 4, {"not_watched": 3}, {}, [])
    assert first.units == {Unit(ACCOUNT, REGION), Unit(ACCOUNT, "eu-west-1")}
    assert [batch.origin for batch in first.batches] == sorted(reader.cursors)
    assert f"{TREE}/{NAME}" in reader.cursors
    assert reader.poll().batches == []


def test_names_say_whether_and_content_says_how(tmp_path: Path) -> None:
    """People compress without renaming and rename without compressing."""
    plain, packed = trail(authorize(1)), gzip.compress(trail(authorize(2)))
    write(tmp_path / "a.json.gz", plain)
    write(tmp_path / "b.json", packed)
    write(tmp_path / "c.ndjson.gz", gzip.compress(line(3)))
    write(tmp_path / "d.JSON", line(4))
    write(tmp_path / "e.jsonl", trail(authorize(5)))
    write(tmp_path / "f.ndjson", json.dumps([authorize(6)], indent=2).encode())
    for number, name in enumerate([".hidden.json", "g.json.tmp", "h.json.part", "i.log", ".git/x.json", "j.json.gz.tmp"]):
        write(tmp_path / name, line(100 + number))
    assert Reader(tmp_path).poll().ids == ids(1, 2, 3, 4, 5, 6)


def test_one_file_may_be_named_whatever_it_is_called(tmp_path: Path) -> None:
    """Who names a file means that file."""
    reader = Reader(write(tmp_path / "export.txt", line(1)))
    assert reader.poll().ids == ids(1)
    assert list(reader.cursors) == ["export.txt"]


def test_the_order_is_that_of_the_names(tmp_path: Path) -> None:
    """Trail paths sort by time, so history fills from the oldest on, the same way every time."""
    names = ["2025/12/31/b.json", "2026/01/01/a.json", "2026/01/01/b.json", "2026/01/02/a.json"]
    for name in random.Random(1).sample(names, len(names)):
        write(tmp_path / name, line(1))
    assert [batch.origin for batch in Reader(tmp_path).poll().batches] == names


def test_digests_are_counted_by_path_and_by_content(tmp_path: Path) -> None:
    """They lie beside the logs in every bucket with validation on; they must not be opened each time, or called malformed."""
    digest = compact({"digestStartTime": "2026-01-31T11:00:00Z", "logFiles": []})
    write(tmp_path / TREE.replace("CloudTrail", "CloudTrail-Digest") / "x.json.gz", gzip.compress(digest))
    write(tmp_path / f"{ACCOUNT}_CloudTrail-Digest_{REGION}_trail_{REGION}_20260131T1100Z.json.gz", gzip.compress(digest))
    write(tmp_path / "other.json", digest)
    write(tmp_path / "CloudTrail-Digest-study" / "x.json", line(1))
    reader = Reader(tmp_path)
    result = reader.poll()
    assert (result.ids, result.read, result.ignored, result.malformed) == (ids(1), 4, {"digest": 3}, {})
    assert reader.poll().read == 0


def test_insights_are_left_to_the_parser(tmp_path: Path) -> None:
    """It knows them by their content and counts them; the path alone would be a guess."""
    insight = {
        "eventVersion": "1.07",
        "eventType": "AwsCloudTrailInsight",
        "eventCategory": "Insight",
        "insightDetails": {"eventName": "x"},
    }
    write_trail(tmp_path / TREE.replace("CloudTrail", "CloudTrail-Insight") / "x.json.gz", insight)
    assert [entry.record for entry in Reader(tmp_path).poll().records] == [insight]


def test_a_grown_file_is_read_on(tmp_path: Path) -> None:
    """A log that is appended to must not be read from its start at every poll."""
    path = write(tmp_path / "a.ndjson", line(1, 2))
    reader = Reader(tmp_path)
    assert reader.poll().ids == ids(1, 2)
    for number in range(3, 8):
        with path.open("ab") as file:
            file.write(line(number))
        assert reader.poll().ids == ids(number)
    assert reader.poll().batches == []


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_line_that_is_being_written_is_read_again_when_it_is_whole(tmp_path: Path, cut: int) -> None:
    """Its first half is counted as cut, and its record is not lost."""
    whole = line(2)
    path = write(tmp_path / "a.ndjson", line(1) + whole[:cut])
    reader = Reader(tmp_path)
    first = reader.poll()
    assert (first.ids, first.malformed) == (ids(1), {"truncated": 1})
    assert reader.poll().read == 0
    with path.open("ab") as file:
        file.write(whole[cut:] + line(3))
    second = reader.poll()
    assert (second.ids, second.malformed) == (ids(2, 3), {})


def test_a_last_line_without_an_end_is_read_at_once_and_only_once(tmp_path: Path) -> None:
    """The change is known now; the line end that comes later brings nothing new."""
    path = write(tmp_path / "a.ndjson", line(1)[:-1])
    reader = Reader(tmp_path)
    assert reader.poll().ids == ids(1)
    with path.open("ab") as file:
        file.write(b"\n" + line(2))
    assert reader.poll().ids == ids(2)


def test_a_document_rewritten_with_more_in_it_is_read_whole(tmp_path: Path) -> None:
    """It begins as before and has grown, yet what stands at the old end is the middle of something else."""
    many = [authorize(number) for number in range(30)]
    path = write(tmp_path / "a.json", trail(*many[:20]))
    reader = Reader(tmp_path)
    assert len(reader.poll().records) == 20
    path.write_bytes(trail(*many))
    result = reader.poll()
    assert (result.ids, result.malformed) == (ids(*range(30)), {})
    path.write_bytes(trail(*many[:20]) + b"\n" + trail(authorize(99)))
    later(path)
    assert event_id(99) in reader.poll().ids


@pytest.mark.parametrize("data", [line(3), line(3, 4, 5, 6), line(9, 8), line(2, 1)], ids=["shorter", "longer", "as long", "other order"])
def test_a_replaced_file_is_read_from_its_start(tmp_path: Path, data: bytes) -> None:
    """Rotation puts another file in the place of the old one, of any size."""
    path = write(tmp_path / "a.ndjson", line(1, 2))
    reader = Reader(tmp_path)
    reader.poll()
    other = write(tmp_path / "new.tmp", data)
    other.replace(path)
    later(path)
    result = reader.poll()
    assert (len(result.records), result.malformed) == (data.count(b"\n"), {})


def test_a_changed_middle_is_found_when_the_time_changed(tmp_path: Path) -> None:
    """Both ends compared are not the whole file: one of equal size and another time is read again."""
    path = write(tmp_path / "a.ndjson", line(*range(50)))
    reader = Reader(tmp_path)
    reader.poll()
    data = path.read_bytes()
    path.write_bytes(data.replace(event_id(25).encode(), event_id(77).encode()))
    later(path)
    assert event_id(77) in reader.poll().ids


def test_a_changed_compressed_file_is_read_whole(tmp_path: Path) -> None:
    """What follows in the middle of a gzip stream cannot be read by itself; the store knows the old records."""
    path = write(tmp_path / "a.ndjson.gz", gzip.compress(line(1)))
    reader = Reader(tmp_path)
    reader.poll()
    with path.open("ab") as file:
        file.write(gzip.compress(line(2)))
    assert reader.poll().ids == ids(1, 2)


def test_an_unknown_cursor_means_reading_again(tmp_path: Path) -> None:
    """A cursor of another version must not stop the source."""
    write(tmp_path / "a.ndjson", line(1))
    reader = Reader(tmp_path)
    for text in (
        "",
        "x",
        "[]",
        "{}",
        '{"size":"x"}',
        '{"size":1,"mtime_ns":1,"offset":99999999,"head":"","tail":""}',
        '{"size":1,"mtime_ns":0,"offset":-5}',
    ):
        reader.cursors = {"a.ndjson": text}
        assert reader.poll().ids == ids(1)


def test_empty_and_vanished_files_are_fine(tmp_path: Path) -> None:
    """Markers of no bytes lie in every trail bucket, and files come and go while the tree is walked."""
    write(tmp_path / "a.json", b"")
    for name in "bcd":
        write(tmp_path / f"{name}.json", line(ord(name)))
    source = FilesSource(FilesSettings(type="files", path=tmp_path))
    batches = source.fetch(FetchContext(cursor=lambda key: None, wanted=is_wanted, now=lambda: datetime.now(UTC)))
    assert next(batches).origin == "b.json"
    (tmp_path / "c.json").unlink()
    assert [batch.origin for batch in batches] == ["d.json"]
    assert Reader(tmp_path / "b.json").poll().ids == ids(ord("b"))


def test_an_empty_directory_is_fine_and_a_missing_one_is_said(tmp_path: Path) -> None:
    """The first is a trail that begins tomorrow, the second a typing error."""
    assert Reader(tmp_path).poll().batches == []
    with pytest.raises(SourceError, match=r"missing.*no such file or directory; create it, or correct `path`") as caught:
        Reader(tmp_path / "missing").poll()
    assert caught.value.reason == "not_found"


def test_links_are_followed_without_circles(tmp_path: Path) -> None:
    """Trees of links are how people point at logs elsewhere; a circle must end."""
    root = tmp_path / "root"
    write(root / "in" / "a.json", line(1))
    write(tmp_path / "elsewhere" / "b.json", line(2))
    write(tmp_path / "file.json", line(3))
    (root / "out").symlink_to(tmp_path / "elsewhere")
    (root / "c.json").symlink_to(tmp_path / "file.json")
    (root / "in" / "up").symlink_to(root)
    (root / "itself.json").symlink_to(root / "itself.json")
    (root / "nowhere.json").symlink_to(tmp_path / "nowhere.json")
    (tmp_path / "elsewhere" / "back").symlink_to(root / "in")
    result = Reader(root).poll()
    assert (result.ids, result.errors) == (ids(1, 2, 3), [])


def test_special_files_are_passed_over(tmp_path: Path) -> None:
    """Opening a FIFO would wait for ever."""
    os.mkfifo(tmp_path / "a.json")
    (tmp_path / "b.json").mkdir()
    write(tmp_path / "b.json" / "c.json", line(1))
    (tmp_path / "d.json").symlink_to("/dev/zero")
    assert Reader(tmp_path).poll().ids == ids(1)
    with pytest.raises(SourceError, match="neither a file nor a directory"):
        Reader(tmp_path / "a.json").poll()


def test_a_file_that_became_a_fifo_does_not_block(tmp_path: Path) -> None:
    """Between the walk and the opening anything may happen."""
    for name in "ab":
        write(tmp_path / f"{name}.json", line(1))

    def cursor(key: str) -> None:
        if key == "a.json":
            (tmp_path / "a.json").unlink()
            os.mkfifo(tmp_path / "a.json")

    source = FilesSource(FilesSettings(type="files", path=tmp_path))
    first, second = source.fetch(FetchContext(cursor=cursor, wanted=is_wanted, now=lambda: datetime.now(UTC)))
    assert first.error is not None
    assert (first.error.reason, second.read) == ("unreadable", 1)


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """Give a directory of a user without privileges, and be that user."""
    path = Path(tempfile.mkdtemp())
    user = os.geteuid()
    try:
        if user == 0:
            path.chmod(0o755)
            os.chown(path, 65534, 65534)
            os.seteuid(65534)
        yield path
    finally:
        os.seteuid(user)
        for directory, _, _ in os.walk(path):
            Path(directory).chmod(0o700)
        shutil.rmtree(path)


def test_what_may_not_be_read_is_said_and_the_rest_goes_on(unprivileged: Path) -> None:
    """One file of another owner must not blind the exporter to all others, nor be passed over in silence."""
    write(unprivileged / "a.json", line(1)).chmod(0)
    write(unprivileged / "b" / "x.json", line(2)).parent.chmod(0)
    write(unprivileged / "c.json", line(3))
    reader = Reader(unprivileged)
    for _ in range(2):
        result = reader.poll()
        assert [(error.reason, str(error).split(":")[0]) for error in result.errors] == [
            ("access_denied", "a.json"),
            ("access_denied", "b"),
        ]
    assert sorted(reader.cursors) == ["c.json"]
    (unprivileged / "a.json").chmod(0o600)
    assert reader.poll().ids == ids(1)
    unprivileged.chmod(0)
    with pytest.raises(SourceError, match="permission denied") as caught:
        reader.poll()
    assert caught.value.reason == "access_denied"


def test_file_names_may_be_any_bytes(tmp_path: Path) -> None:
    """A cursor key goes into a database and a log, which take text only."""
    name = os.fsdecode(b"caf\xe9.json")
    write(tmp_path / name, line(1))
    write(tmp_path / "new\nline.json", line(2))
    reader = Reader(tmp_path)
    assert reader.poll().ids == ids(1, 2)
    assert sorted(reader.cursors) == ["caf\\xe9.json", "new\nline.json"]
    assert reader.poll().batches == []


def test_a_damaged_file_counts_once_and_its_neighbours_are_read(tmp_path: Path) -> None:
    """Each kind of damage is one malformed entry of its own reason."""
    big = [record(number=i, userAgent=str(random.Random(i).getrandbits(4000))) for i in range(500)]
    good = gzip.compress(trail(authorize(1), *big, authorize(2)))
    crc = bytearray(good)
    crc[-6] ^= 1
    files = {
        "a-cut.json.gz": (good[: len(good) // 2], "truncated", ids(1)),
        "b-crc.json.gz": (bytes(crc), "gzip", ids(1, 2)),
        "c-header.json.gz": (b"\x1f\x8b\x09" + good[3:], "gzip", []),
        "d-bomb.json.gz": (gzip.compress(b'{"Records":[' + b" " * 5_000_000), "too_large", []),
        "e-empty.json.gz": (gzip.compress(trail(authorize(1)))[:2], "truncated", []),
        "f-binary.json": (bytes(range(14, 91)) * 1000, "json", []),
        "g-shape.json": (b'{"configurationItems":[]}', "shape", []),
    }
    for name, (data, _, _) in files.items():
        write(tmp_path / name, data)
    write(tmp_path / "z.json", line(3))
    reader = Reader(tmp_path, max_file_size=2_000_000)
    result = reader.poll()
    for batch, (name, (_, reason, found)) in zip(result.batches, files.items(), strict=False):
        assert (batch.origin, [entry.reason for entry in batch.malformed]) == (name, [reason])
        assert sorted(entry.record["eventID"] for entry in batch.records) == found
        assert batch.malformed[0].where.startswith(name)
        assert batch.malformed[0].detail
    assert result.batches[-1].read == 1
    assert reader.poll().batches == []


def test_a_repaired_file_is_read_again(tmp_path: Path) -> None:
    """An upload that was interrupted is done again under the same name."""
    whole = gzip.compress(trail(authorize(1), authorize(2)))
    path = write(tmp_path / "a.json.gz", whole[:-20])
    reader = Reader(tmp_path)
    assert reader.poll().malformed == {"truncated": 1}
    path.write_bytes(whole)
    result = reader.poll()
    assert (result.ids, result.malformed) == (ids(1, 2), {})


COUNT = BATCH_RECORDS * 2 + 500


@pytest.mark.parametrize("form", ["lines", "trail", "lines.gz", "trail.gz"])
def test_a_large_file_comes_in_several_batches(tmp_path: Path, form: str) -> None:
    """One transaction may not hold all of a year; a file that can be read on says how far it came, another only at its end."""
    data = line(*range(COUNT)) if form.startswith("lines") else trail(*map(authorize, range(COUNT)))
    write(tmp_path / "a.json", gzip.compress(data, 1) if form.endswith("gz") else data)
    reader = Reader(tmp_path)
    result = reader.poll()
    assert result.ids == ids(*range(COUNT))
    assert len(result.batches) == 3
    assert all(BATCH_RECORDS <= len(batch.records) < BATCH_RECORDS * 1.1 for batch in result.batches[:-1])
    assert [bool(batch.cursors) for batch in result.batches] == ([True, True, True] if form == "lines" else [False, False, True])
    assert reader.poll().batches == []


@pytest.mark.parametrize("form", ["lines", "trail"])
def test_reading_goes_on_where_it_was_stopped(tmp_path: Path, form: str) -> None:
    """A stop, or a crash, between two batches of a file loses nothing."""
    write(tmp_path / "a.json", line(*range(COUNT)) if form == "lines" else trail(*map(authorize, range(COUNT))))
    write(tmp_path / "b.json", line(COUNT))
    stop: list[bool] = []
    reader = Reader(tmp_path, stopping=lambda: bool(stop))
    source = FilesSource(FilesSettings(type="files", path=tmp_path))
    context = FetchContext(cursor=reader.cursors.get, wanted=is_wanted, now=lambda: datetime.now(UTC), stopping=lambda: bool(stop))
    found: set[str] = set()
    batches = source.fetch(context)
    first = next(batches)
    reader.cursors.update(first.cursors)
    found.update(str(entry.record["eventID"]) for entry in first.records)
    stop.append(True)
    rest = list(batches)
    assert sum(len(batch.records) for batch in rest) < 1000
    stop.clear()
    second = reader.poll()
    found.update(second.ids)
    assert sorted(found) == ids(*range(COUNT + 1))
    assert second.read == (COUNT + 1 if form == "trail" else pytest.approx(COUNT + 1 - len(first.records), abs=50))


def test_nothing_is_read_when_the_process_must_end(tmp_path: Path) -> None:
    """Five seconds is all there is."""
    write(tmp_path / "a.json", line(1))
    assert Reader(tmp_path, stopping=lambda: True).poll().batches == []


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A trail file of 60 MB is read in a window of one, however it is compressed."""
    entries = compact(record(number=1, userAgent="x" * 400))
    text = b'{"Records":[' + b",".join([entries] * 40_000) + b"]}"
    path = write(tmp_path / "a.json.gz", gzip.compress(text, 1))
    text = b""
    tracemalloc.start()
    result = Reader(path).poll()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (result.read, result.malformed) == (40_000, {})
    assert peak < 6_000_000


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_file_harms_no_neighbour(data: Any) -> None:
    """Whatever happens to one file, packed or not, others are delivered and the accounts add up (add_up asserts it)."""
    text = data.draw(
        st.sampled_from([trail(*map(authorize, range(9))), line(*range(9)), json.dumps([authorize(1)], indent=1).encode(), b""])
    )
    blob = bytearray(data.draw(st.sampled_from([text, gzip.compress(text), gzip.compress(text) * 2])))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(blob)))
        blob[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    name = data.draw(st.sampled_from(["b.json", "b.json.gz", "b.ndjson", "b.jsonl.gz"]))
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory) / "a.json", line(100))
        write(Path(directory) / name, bytes(blob))
        write(Path(directory) / "c.json.gz", gzip.compress(line(101)))
        reader = Reader(Path(directory), max_file_size=data.draw(st.sampled_from([2**20, 5000])))
        result = reader.poll()
        assert {event_id(100), event_id(101)} <= set(result.ids)
        assert result.errors == []
        assert reader.poll().batches == []


@settings(max_examples=40)
@given(steps=st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=1, max_size=12))
def test_however_a_file_grows_each_record_is_delivered(steps: list[tuple[int, bool]]) -> None:
    """Polls fall between any two writes, and a restart between any two polls; nothing may be lost."""
    text = line(*range(4))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.ndjson"
        reader = Reader(Path(directory))
        found: set[str] = set()
        with path.open("ab") as file:
            for length, restart in [*steps, (len(text), True)]:
                file.write(text[:length])
                file.flush()
                text = text[length:]
                if restart:
                    found.update(reader.poll().ids)
    assert sorted(found) == ids(*range(4))


def test_settings_describe_themselves(tmp_path: Path) -> None:
    """The documentation is made from these descriptions."""
    config = FilesSettings.model_validate({"type": "files", "path": str(tmp_path), "max_file_size": "1MiB", "poll_interval": "2m"})
    assert (config.name, config.max_file_size, config.poll_interval) == ("files", 2**20, timedelta(minutes=2))
    assert all(field.description for field in FilesSettings.model_fields.values())
    assert format_duration(FilesSettings(type="files", path=tmp_path).poll_interval) == "10s"
    for wrong in ({"max_file_size": 0}, {"max_record_size": "x"}, {"unknown": 1}, {"poll_interval": "0s"}):
        with pytest.raises(ValidationError):
            FilesSettings.model_validate({"type": "files", "path": str(tmp_path), **wrong})


def test_a_source_is_built_from_its_settings(tmp_path: Path) -> None:
    """The registry is the one place that knows all types."""
    adapter: TypeAdapter[Any] = TypeAdapter(SourceConfig)
    source = roster(adapter.validate_python({"type": "files", "path": str(tmp_path), "name": "logs"})).sources[0]
    assert (type(source), source.name, source.account_id, source.region) == (FilesSource, "logs", "", "")
    assert all(settings_type.model_fields["type"].annotation is not str for settings_type in (kind.settings for kind in SOURCES.values()))


@pytest.mark.parametrize("data", [{"type": "fils", "path": "x", "queue": "y"}, {"path": "x"}, {"type": ["files"]}, {}])
def test_an_unknown_type_is_answered_with_the_known_ones(data: dict[str, Any]) -> None:
    """And with nothing else: complaints about keys of a type that does not exist would mislead."""
    adapter: TypeAdapter[Any] = TypeAdapter(SourceConfig)
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(data)
    (error,) = caught.value.errors()
    assert error["type"] == "union_tag_invalid"
    assert "`files`" in error["msg"]


def test_the_fast_path_is_fast(tmp_path: Path) -> None:
    """Fetching must cost little more than decompression; the bound is wide because other tests run beside this one."""
    entries = [
        authorize(i)
        if i % 100 == 0
        else record(
            number=i,
            requestParameters={
                "filterSet": {"items": [{"name": f"{i}-{n}", "valueSet": {"items": [{"value": f"vpc-{i * n:017x}"}]}} for n in range(12)]}
            },
        )
        for i in range(1700)
    ]
    blob = gzip.compress(trail(*entries))
    for number in range(6):
        write(tmp_path / f"{number}.json.gz", blob)

    def cost(work: Any) -> float:
        best = 9.0
        for _ in range(3):
            start = time.process_time()
            work()
            best = min(best, time.process_time() - start)
        return best

    slow = cost(lambda: [json.loads(gzip.decompress(path.read_bytes())) for path in sorted(tmp_path.iterdir())])
    floor = cost(lambda: [igzip.decompress(path.read_bytes()) for path in sorted(tmp_path.iterdir())])
    fetch = cost(lambda: Reader(tmp_path).poll())
    assert fetch < slow / 1.5, f"fetch {fetch:.4f} s, igzip alone {floor:.4f} s, gzip and json {slow:.4f} s"
