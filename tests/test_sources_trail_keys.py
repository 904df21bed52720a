"""Files of a trail are known by their keys, in every layout that there is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exporter.sources.trail_keys import DigestFile, LogFile, day_position, digest_folder, log_folder, log_position, understand_key

NAME = "111122223333_CloudTrail_us-east-1_20260131T1205Z_AbCdEfGhIjKlMnOp.json.gz"
DIGEST = "111122223333_CloudTrail-Digest_eu-west-1_main_trail_us-east-1_20260131T130000Z"
LAYOUTS = ("", "logs/", "a/b/", "o-exampleorgid/")


@pytest.mark.parametrize("before", LAYOUTS)
@pytest.mark.parametrize("organization", ["", "o-exampleorgid/"])
def test_log_files_of_every_layout_are_known(before, organization):
    """An organization's trail, a prefix and Control Tower (the organization twice) each put a folder more."""
    folder = f"{before}AWSLogs/{organization}111122223333/CloudTrail/us-east-1/"
    file = understand_key(f"{folder}2026/01/31/{NAME}")
    assert file == LogFile(
        f"{folder}2026/01/31/{NAME}", folder, "2026/01/31", "111122223333", "us-east-1", datetime(2026, 1, 31, 12, 5, tzinfo=UTC), True
    )
    assert log_folder(digest_folder(folder)) == folder


@pytest.mark.parametrize("before", LAYOUTS)
@pytest.mark.parametrize("ending", ["", "_backfill"])
def test_digests_of_every_layout_are_known(before, ending):
    """The name of a trail may hold underscores and look like a region; a chain that is cut in two verifies nothing."""
    folder = f"{before}AWSLogs/o-exampleorgid/111122223333/CloudTrail-Digest/eu-west-1/"
    file = understand_key(f"{folder}2026/01/31/{DIGEST}{ending}.json.gz")
    assert isinstance(file, DigestFile)
    assert (file.account_id, file.region, file.trail, file.home_region) == ("111122223333", "eu-west-1", "main_trail", "us-east-1")
    assert (file.end, file.backfill) == (datetime(2026, 1, 31, 13, tzinfo=UTC), bool(ending))
    assert file.chain == f"{folder}main_trail/us-east-1{'/backfill' if ending else ''}"


@pytest.mark.parametrize(
    "key",
    [
        "AWSLogs/111122223333/CloudTrail/",
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/31/",
        "AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/01/31/x.json.gz",
        "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/01/31/x.json.gz",
        "AWSLogs/111122223333/Config/us-east-1/2026/1/31/ConfigHistory/x.json.gz",
        "AWSLogs/111122223333/vpcflowlogs/us-east-1/2026/01/31/x.log.gz",
        f"AWSLogs/111122223333/CloudTrail/us-east-1/2026/02/31/{NAME}",
        f"AWSLogs/1111/CloudTrail/us-east-1/2026/01/31/{NAME}",
        f"AWSLogs/111122223333/CloudTrail/us-east-1/{NAME}",
        f"CloudTrail/us-east-1/2026/01/31/{NAME}",
        f"AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/31/a\n{NAME}",
        f"{'x' * 1024}/AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/31/{NAME}",
        "",
    ],
)
def test_everything_else_is_no_file_of_a_trail(key):
    """Files of other services in the same bucket would be read as malformed ones."""
    assert understand_key(key) is None


def test_a_file_with_a_made_up_name_is_a_log_file_but_leads_no_listing_astray():
    """A name from the year 2099 would make every later file be passed over; a name of another form would escape verification."""
    folder = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/31/"
    for name in ("evil.json.gz", NAME.replace("20260131", "20991231")):
        file = understand_key(folder + name)
        assert isinstance(file, LogFile)
        assert (file.stamped, file.moment) == (False, datetime(2026, 2, 1, tzinfo=UTC))


def test_a_position_stands_before_the_files_of_its_minute_and_behind_earlier_ones():
    """A listing that begins a minute late loses files, one that begins a day early reads them for nothing."""
    folder = "o-exampleorgid/AWSLogs/o-exampleorgid/111122223333/CloudTrail/us-east-1/"
    at = datetime(2026, 1, 31, 12, 5, tzinfo=UTC)
    position = log_position(folder, at)
    assert position < f"{folder}2026/01/31/{NAME}"
    assert position > f"{folder}2026/01/31/{NAME.replace('T1205Z', 'T1204Z')}"
    assert f"{folder}2026/01/30/zzz" < day_position(folder, at) < f"{folder}2026/01/31/!"
