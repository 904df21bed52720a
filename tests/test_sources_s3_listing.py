"""The s3 source by listing: every file is read once, however late it comes, and an idle bucket costs little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from exporter.errors import AwsError
from exporter.sources.s3 import S3Settings
from tests.fake_bucket import ACCOUNT, BUCKET, REGION, FakeBucket, folder, key
from tests.trail_roads import Road

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def bucket():
    """Return an empty bucket."""
    return FakeBucket()


def listing(bucket: FakeBucket, **settings: Any) -> Road:
    """Return a source that lists the bucket, without digests unless they are asked for."""
    return Road(bucket, **{"type": "s3", "bucket": BUCKET, "verify_digests": False, **settings})  # type: ignore[arg-type]


def test_new_files_are_read_once_and_the_past_too(bucket):
    """A file read at each poll costs money; the past that is never read leaves the history empty."""
    bucket.put(key(NOW - 40 * DAY), "old")
    bucket.put(key(NOW - 100 * DAY), "too-old")
    bucket.put(key(NOW - 5 * MINUTE), "new")
    files = listing(bucket)
    order = [record.record["eventID"] for batch in files.batches(NOW) for record in batch.records]
    assert order == ["new", "old"], "what counts comes first"
    bucket.put(key(NOW + 4 * MINUTE), "next")
    for minutes in range(5, 300, 7):
        files.poll(NOW + minutes * MINUTE)
    files.restart()
    files.poll(NOW + 5 * HOUR)
    assert files.kept.ids == {"new": 1, "old": 1, "next": 1}
    assert set(bucket.got.values()) == {1}


def test_files_that_come_late_and_out_of_the_order_of_their_names_are_read(bucket):
    """Within a minute names are random, and a file may come long after its name says."""
    files = listing(bucket)
    bucket.put(key(NOW, "mmmm"), "first")
    files.poll(NOW + MINUTE)
    bucket.put(key(NOW, "aaaa"), "same minute, smaller name")
    bucket.put(key(NOW - 30 * MINUTE, "zzzz"), "half an hour late")
    files.poll(NOW + 2 * MINUTE)
    assert set(files.kept.ids) == {"first", "same minute, smaller name", "half an hour late"}
    bucket.put(key(NOW + 3 * HOUR), "later")
    files.poll(NOW + 3 * HOUR)
    bucket.put(key(NOW + 30 * MINUTE, "late"), "hours late")
    files.poll(NOW + 4 * HOUR)
    assert "hours late" not in files.kept.ids, "only the hourly look goes that far back"
    files.restart()
    files.poll(NOW + 5 * HOUR)
    assert files.kept.ids["hours late"] == 1
    assert set(files.kept.ids.values()) == {1}
    assert set(bucket.got.values()) == {1}


def test_midnight_and_the_new_year_are_no_border(bucket):
    """A listing by day that begins its day late loses the last files of the day before."""
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    files = listing(bucket, backfill="1d")
    for minutes in range(-20, 21):
        moment = midnight + minutes * MINUTE
        bucket.put(key(moment - 2 * MINUTE), f"e{minutes}")
        files.poll(moment)
    assert files.kept.ids == {f"e{minutes}": 1 for minutes in range(-20, 21)}


@pytest.mark.parametrize(
    ("before", "prefix"), [("AWSLogs/", ""), ("logs/AWSLogs/", "logs"), ("AWSLogs/o-exampleorgid/", ""), ("o-exampleorgid/AWSLogs/o-exampleorgid/", ""), ("o-exampleorgid/AWSLogs/o-exampleorgid/", "o-exampleorgid/")]
)  # fmt: skip
def test_every_layout_is_found_with_all_its_accounts_and_regions(before, prefix, bucket):
    """An account that is not found is an account that nobody watches."""
    events = {}
    for account in (ACCOUNT, "444455556666"):
        for region in (REGION, "eu-west-1", "us-gov-west-1"):
            event = f"{account}/{region}"
            events[event] = 1
            bucket.put(key(NOW, region=region, account=account, before=before), event)
    for name in ("Config/us-east-1/2026/1/31/x.json.gz", "CloudTrail-Insight/us-east-1/2026/01/31/x.json.gz", "CloudTrail/"):
        bucket.objects[f"{before}{ACCOUNT}/{name}"] = (b"", {})
    bucket.objects[folder(before=before) + "2026/01/31/"] = (b"", {})
    files = listing(bucket, prefix=prefix)
    got = files.poll(NOW)
    assert (files.kept.ids, got.malformed, got.errors) == (events, {}, [])


def test_only_what_is_asked_for_is_read(bucket):
    """Filters that do nothing cost money; ones that do too much lose accounts."""
    before = "AWSLogs/o-exampleorgid/"
    for account in (ACCOUNT, "444455556666"):
        for region in (REGION, "eu-west-1"):
            bucket.put(key(NOW, region=region, account=account, before=before), f"{account}/{region}")
    bucket.put(key(NOW, before="AWSLogs/o-anotherorgid/"), "another organization")
    bucket.put(key(NOW), "no organization")
    files = listing(bucket, accounts=[ACCOUNT], regions=["eu-west-1"], organization_ids=["o-exampleorgid"])
    files.poll(NOW)
    assert set(files.kept.ids) == {f"{ACCOUNT}/eu-west-1"}
    assert bucket.asked["GetObject"] == 1


def test_an_idle_bucket_costs_one_request_for_each_folder_and_few_to_find_them(bucket):
    """A request for each day or each hour of each folder would be the largest part of the bill."""
    regions = [f"us-east-{number}" for number in range(1, 21)]
    for region in regions:
        bucket.put(key(NOW - DAY, region=region), region)
    files = listing(bucket, backfill="2d")
    files.poll(NOW)
    bucket.asked.clear()
    files.poll(NOW + MINUTE)
    assert bucket.asked == {"ListObjectsV2": len(regions) + 3}


def test_a_region_that_was_never_used_is_found_with_its_first_file(bucket):
    """It is where an intruder goes."""
    bucket.put(key(NOW), "first")
    files = listing(bucket)
    files.poll(NOW)
    bucket.put(key(NOW, region="ap-southeast-7"), "elsewhere")
    files.poll(NOW + MINUTE)
    assert files.kept.ids["elsewhere"] == 1


def test_what_fails_keeps_neither_the_other_files_nor_the_other_folders(bucket):
    """One denied prefix or one broken object must not blind all others, and must be read once it can be."""
    broken = bucket.put(key(NOW, "aaaa"), "broken")
    bucket.put(key(NOW, "bbbb"), "whole")
    bucket.put(key(NOW, region="eu-west-1"), "elsewhere")
    bucket.put(key(NOW, region="eu-west-2"), "denied")
    bucket.broken[broken] = AwsError("unavailable", "503", "s3:GetObject", "SlowDown")
    bucket.broken[folder("eu-west-2")] = AwsError("access_denied", "no", "s3:ListBucket", "AccessDenied")
    files = listing(bucket)
    got = files.poll(NOW)
    assert set(files.kept.ids) == {"whole", "elsewhere"}
    assert {error.reason for error in got.errors} == {"unavailable", "access_denied"}
    bucket.broken.clear()
    later = NOW + 6 * HOUR
    bucket.put(key(later), "later")
    assert files.poll(later).errors == []
    assert files.kept.ids == {"whole": 1, "elsewhere": 1, "broken": 1, "denied": 1, "later": 1}


def test_what_comes_while_a_folder_cannot_be_listed_yet_is_new_and_no_past(bucket):
    """Without a past to read, all from before the permission was given would be lost."""
    bucket.put(key(NOW - 5 * HOUR), "old")
    bucket.broken[folder()] = AwsError("access_denied", "no", "s3:ListBucket", "AccessDenied")
    files = listing(bucket, backfill="0s")
    assert files.poll(NOW).errors
    bucket.put(key(NOW + MINUTE), "meanwhile")
    files.restart()
    assert files.poll(NOW + 3 * HOUR).errors
    bucket.broken.clear()
    files.restart()
    assert files.poll(NOW + 5 * HOUR).errors == []
    assert files.kept.ids == {"meanwhile": 1}


def test_a_folder_that_cannot_be_found_now_is_still_read(bucket):
    """Accounts whose list fails once must not go unwatched until it works again."""
    before = "AWSLogs/o-exampleorgid/"
    bucket.put(key(NOW, before=before), "first")
    files = listing(bucket)
    files.poll(NOW)
    bucket.broken[before] = AwsError("unavailable", "503", "s3:ListBucket", "SlowDown")
    bucket.put(key(NOW + MINUTE, before=before), "second")
    got = files.poll(NOW + MINUTE)
    assert [error.reason for error in got.errors] == ["unavailable"]
    assert files.kept.ids == {"first": 1, "second": 1}


def test_a_name_from_the_future_hides_nothing(bucket):
    """Whoever may write to the bucket could blind us with one file."""
    bucket.put(key(datetime(2099, 12, 31, tzinfo=UTC)), "forged day")
    bucket.put(key(NOW).replace("T1200Z", "T2359Z"), "forged minute")
    files = listing(bucket)
    files.poll(NOW)
    bucket.put(key(NOW + 5 * MINUTE), "true")
    files.poll(NOW + 5 * MINUTE)
    assert files.kept.ids["true"] == 1
    assert set(bucket.got.values()) == {1}


def test_a_poll_that_is_stopped_goes_on_where_it_was(bucket):
    """A restart in the middle of a long past must neither lose nor repeat it."""
    events = {f"e{number}" for number in range(40)}
    for number in range(40):
        bucket.put(key(NOW - 30 * DAY + number * HOUR), f"e{number}")
    files = listing(bucket, downloads=4)
    for _ in range(60):
        seen = 0
        for batch in files.batches(NOW):
            seen += bool(batch.records)
            if seen == 3:
                break
        files.restart()
    assert set(files.kept.ids) == events
    assert set(files.kept.ids.values()) == {1}


def test_the_past_takes_no_more_than_its_time(bucket):
    """The past of an organization takes hours; what is new must be looked for meanwhile."""
    for number in range(2500):
        bucket.put(key(NOW - 30 * DAY + number * MINUTE), records=1)
    files = listing(bucket)
    got = files.poll(NOW, budget=timedelta(milliseconds=1))
    assert 0 < got.read < 2500
    total = got.read
    while (more := files.poll(NOW, budget=timedelta(milliseconds=200)).read) or total < 2500:
        total += more
    assert total == 2500, "what was fetched ahead when the time was over is fetched again, but read once"


def test_an_archived_or_expired_file_of_the_past_is_passed_over(bucket):
    """It would keep the past from ever being read."""
    archived = bucket.put(key(NOW - 20 * DAY), "archived")
    bucket.put(key(NOW - 10 * DAY), "readable")
    bucket.broken[archived] = AwsError("unreadable", "archived", "s3:GetObject", "InvalidObjectState")
    files = listing(bucket)
    assert files.poll(NOW).errors == []
    assert files.kept.ids == {"readable": 1}
    assert [entry["key"] for entry in files.said("a file of the past is passed over")] == [archived]
    assert files.poll(NOW + MINUTE).errors == []
    assert bucket.got[archived] == 1


def test_what_is_remembered_of_files_is_forgotten_in_time(bucket):
    """A cursor for each file that ever was would fill the store."""
    files = listing(bucket, backfill="0s", digest_interval="1ms")
    for days in range(12):
        for hour in range(0, 24, 6):
            moment = NOW + days * DAY + hour * HOUR
            bucket.put(key(moment), f"{days}/{hour}")
            files.poll(moment + MINUTE)
    assert len(files.kept.ids) == 48
    assert set(files.kept.ids.values()) == {1}
    assert len(files.kept.with_prefix("file:")) < 24


def test_without_a_past_the_first_start_reads_nothing_old(bucket):
    """Whoever asks for no past must not pay for it."""
    bucket.put(key(NOW - 5 * DAY), "old")
    bucket.put(key(NOW - 10 * MINUTE), "recent")
    files = listing(bucket, backfill="0s")
    files.poll(NOW)
    assert set(files.kept.ids) == {"recent"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"queue_url": "https://sqs.us-east-1.amazonaws.com/111122223333/q", "verify_digests": True},
        {"bucket": "s3://x"},
        {"bucket": BUCKET, "prefix": "a/AWSLogs"},
        {"queue_url": "example"},
        {"bucket": BUCKET, "accounts": ["1"]},
        {"bucket": BUCKET, "organization_ids": ["x"]},
    ],
)
def test_settings_that_cannot_work_are_refused(settings):
    """A source without a road would poll nothing, and look healthy."""
    with pytest.raises(ValidationError):
        S3Settings.model_validate({"type": "s3", **settings})


def test_the_interval_follows_the_road():
    """Listing as often as a queue is asked would cost a dollar a day."""
    assert S3Settings.model_validate({"type": "s3", "bucket": BUCKET}).poll_interval == MINUTE
    assert S3Settings.model_validate({"type": "s3", "queue_url": "http://127.0.0.1/111122223333/q"}).poll_interval == timedelta(seconds=10)
