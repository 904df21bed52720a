"""Where a trail's files lie in its bucket, told from the key alone.

Sources: CloudTrail user guide, "Finding your CloudTrail log files" and "CloudTrail digest file structure". An organization's trail
puts the organization's id before the account; Control Tower makes such a trail with the id as its prefix too, so it stands twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LONGEST_KEY = 1024
"""In bytes; S3 allows no longer one."""

ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
ACCOUNT = re.compile(r"\d{12}")
REGION = re.compile(r"[a-z]{2,8}(?:-[a-z]+)+-\d{1,2}")

_FILE = re.compile(
    r"(?P<folder>(?:[^\n]*/)?AWSLogs/(?:o-[a-z0-9]{10,32}/)?(?P<account>\d{12})/CloudTrail(?P<digest>-Digest)?"
    r"/(?P<region>[a-z]{2,8}(?:-[a-z]+)+-\d{1,2})/)(?P<day>\d{4}/\d\d/\d\d)/(?P<name>[^\n]*[^/\n])"
)
_LOG_NAME = re.compile(r"\d{12}_CloudTrail_[a-z0-9-]+_(\d{8}T\d{4})Z_[^/]*")
_DIGEST_NAME = re.compile(
    r"\d{12}_CloudTrail-Digest_[a-z0-9-]+?_(?P<trail>[^/]+)_(?P<home>[a-z0-9-]+)_(?P<end>\d{8}T\d{6})Z(?P<backfill>_backfill)?\.json\.gz"
)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file; `moment` is from its name, or the end of its day where the name tells none. `folder` ends behind the region."""

    key: str
    folder: str
    day: str
    account_id: str
    region: str
    moment: datetime
    stamped: bool


@dataclass(frozen=True, slots=True)
class DigestFile:
    """A digest file; `chain` is what all digests of one trail, account and region have in common."""

    key: str
    folder: str
    account_id: str
    region: str
    trail: str
    home_region: str
    end: datetime
    backfill: bool

    @property
    def chain(self) -> str:
        """The name of the chain, within a bucket."""
        return f"{self.folder}{self.trail}/{self.home_region}{'/backfill' if self.backfill else ''}"

    @property
    def order(self) -> tuple[datetime, str]:
        """Sorts the digests of a chain as they were made."""
        return self.end, self.key


def understand_key(key: str) -> LogFile | DigestFile | None:
    """Return what a key names; None for what is no file of a trail (Insights, AWS Config, markers, anything else).

    Whatever lies where log files lie is taken for one: who slips a file in need not keep to AWS's names.
    """
    match = _FILE.fullmatch(key) if len(key) <= LONGEST_KEY else None
    day = match and _moment(match["day"], "%Y/%m/%d")
    if match is None or day is None:
        return None
    if match["digest"]:
        named = _DIGEST_NAME.fullmatch(match["name"])
        end = named and _moment(named["end"], "%Y%m%dT%H%M%S")
        if named is None or end is None:
            return None
        return DigestFile(
            key, match["folder"], match["account"], match["region"], named["trail"], named["home"], end, bool(named["backfill"])
        )
    stamp = _LOG_NAME.fullmatch(match["name"])
    moment = stamp and _moment(stamp[1], "%Y%m%dT%H%M")
    # A stamp far from the folder's day was made up, and must not lead the listing astray.
    stamped = moment is not None and abs(moment - day) <= timedelta(days=2)
    return LogFile(
        key, match["folder"], match["day"], match["account"], match["region"],
        moment if moment is not None and stamped else day + timedelta(days=1), stamped,
    )  # fmt: skip


def log_position(folder: str, moment: datetime) -> str:
    """Return the key that stands just before all log files of a minute and later in a folder, for S3's StartAfter."""
    account_id, _, region = folder.split("/")[-4:-1]
    return f"{folder}{moment:%Y/%m/%d}/{account_id}_CloudTrail_{region}_{moment:%Y%m%dT%H%M}"


def day_position(folder: str, moment: datetime) -> str:
    """Return the key that stands just before all files of a day and later in a folder."""
    return f"{folder}{moment:%Y/%m/%d}"


def digest_folder(folder: str) -> str:
    """Return where the digests of a folder of logs lie."""
    head, _, tail = folder.rpartition("/CloudTrail/")
    return f"{head}/CloudTrail-Digest/{tail}"


def log_folder(folder: str) -> str:
    """Return where the logs lie that a folder of digests speaks of."""
    head, _, tail = folder.rpartition("/CloudTrail-Digest/")
    return f"{head}/CloudTrail/{tail}"


def _moment(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None
