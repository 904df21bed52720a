"""The source `s3`: the bucket of a trail, of one account or an organization, read as a queue tells of new files or by listing it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from exporter.aws import Aws
from exporter.families import DIGESTS, QUEUE_MESSAGES, TRAIL_FILES
from exporter.settings import AccountId, AnyDuration, Duration, Region, Size
from exporter.sources.base import Batch, FetchContext, Roster, SourceSettings, SourceType
from exporter.sources.chains import Chains
from exporter.sources.downloads import ObjectReader
from exporter.sources.file_messages import FileMessages
from exporter.sources.ledger import Deadline
from exporter.sources.listing import Listing, each
from exporter.sources.places import Choice, find_places
from exporter.sources.public_keys import PublicKeys
from exporter.sources.queue import QueueSettings, reader
from exporter.sources.s3_checks import diagnose, permissions
from exporter.sources.trail_bucket import Bucket
from exporter.sources.trail_keys import ORGANIZATION, digest_folder
from exporter.sources.trail_text import Limits
from exporter.sources.verification import Verification

_DEEP_EVERY = timedelta(hours=1)
_BY_QUEUE, _BY_LISTING = "10s", "60s"

OrganizationId = Annotated[str, StringConstraints(pattern=f"^{ORGANIZATION.pattern}$")]


class S3Settings(SourceSettings, QueueSettings):
    """Log files of a trail in S3: a queue tells of them (`queue_url`), they are listed (`bucket`), or one completes the other."""

    type: Literal["s3"] = Field(description="Type of the source.")
    poll_interval: Duration = Field(
        default=timedelta(seconds=60), description="How often the source is polled; 10s by default where a queue tells of new files."
    )
    queue_url: str = Field(
        default="",
        description="Address of the SQS queue that is told of new files: by S3, by S3 or CloudTrail through SNS (raw delivery or not), or "
        "by S3 through EventBridge. Without it the bucket is listed.",
    )
    bucket: str = Field(
        default="",
        pattern=r"^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="Name of the bucket. With a queue too, its digests are verified, files that the queue missed are read, and messages of "
        "other buckets are passed over.",
    )
    prefix: str = Field(
        default="",
        max_length=512,
        description="What stands before `AWSLogs/` in the bucket. A trail of Control Tower, under the id of the organization, is found "
        "without.",
    )
    organization_ids: tuple[OrganizationId, ...] = Field(
        default=(), description="Only the files of these organizations, for example `o-exampleorgid`; all that are found by default."
    )
    accounts: tuple[AccountId, ...] = Field(default=(), description="Only the files of these accounts; all by default.")
    regions: tuple[Region, ...] = Field(default=(), description="Only the files of these regions; all by default.")
    backfill: AnyDuration = Field(
        default=timedelta(days=90),
        description="How far back files are read at the first start, into the history; needs `bucket`. 0s for none.",
    )
    overlap: Duration = Field(
        default=timedelta(hours=1),
        le=timedelta(days=1),
        description="How far before the newest file each listing begins, for files that come late. Once an hour it is two days.",
    )
    verify_digests: bool | None = Field(
        default=None,
        description="Verify the signed digests of the trail (log file validation), which tell whether a file is missing, modified or not "
        "of AWS. By default wherever `bucket` is given.",
    )
    digest_interval: Duration = Field(
        default=timedelta(minutes=10), description="How often new digests are looked for. AWS makes one an hour."
    )
    unsigned_after: Duration = Field(
        default=timedelta(hours=3), description="How long after its delivery a file that no digest names counts as unsigned."
    )
    downloads: int = Field(default=8, ge=1, le=64, description="Files that are fetched at once.")
    workers: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Processes that decompress and scan files, beside the exporter's own; as many as there are cores help with a long past "
        "or over a hundred files a second. 0 for none.",
    )
    max_file_size: Size = Field(
        default=256 * 2**20,
        ge=1,
        description="Size to which a file may expand; what is past it is counted as malformed (`too_large`), so that a decompression "
        "bomb does no harm.",
    )
    max_record_size: Size = Field(
        default=4 * 2**20,
        ge=1,
        description="Size that a wanted record may have; larger ones are counted as malformed (`too_large`). AWS makes none over 256 KiB.",
    )

    @model_validator(mode="before")
    @classmethod
    def _interval_by_road(cls, data: Any) -> Any:
        if isinstance(data, dict) and "poll_interval" not in data:
            return {**data, "poll_interval": _BY_QUEUE if data.get("queue_url") else _BY_LISTING}
        return data

    @field_validator("prefix")
    @classmethod
    def _before_awslogs(cls, prefix: str) -> str:
        prefix = prefix.strip("/")
        if "AWSLogs" in prefix.split("/"):
            raise ValueError("give only what stands before AWSLogs/")
        return prefix

    @model_validator(mode="after")
    def _has_a_road(self) -> Self:
        if not self.queue_url and not self.bucket:
            raise ValueError("give queue_url (a queue that is told of new files), bucket (which is then listed), or both")
        if self.verify_digests and not self.bucket:
            raise ValueError("verify_digests needs bucket: digests are found by listing")
        return self

    @property
    def wait(self) -> timedelta:
        """How long a poll waits for messages."""
        return self.wait_time if self.queue_url else timedelta(0)

    @property
    def by_all(self) -> bool:
        """A queue hands each message to one of those that read it."""
        return bool(self.queue_url)

    @property
    def verifies(self) -> bool:
        """Whether digests are verified."""
        return bool(self.bucket) if self.verify_digests is None else self.verify_digests

    @property
    def choice(self) -> Choice:
        """What of the bucket is read."""
        return Choice(self.prefix, self.organization_ids, self.accounts, () if "all" in self.regions else self.regions)


class S3Source:
    """One bucket, or one queue; its files tell account and region."""

    account_id = ""
    region = ""

    def __init__(self, settings: S3Settings, aws: Aws) -> None:
        self.name = settings.name
        self._settings, self._aws = settings, aws
        self._keys = PublicKeys(lambda region: aws.role_caller(region, () if settings.role is None else (settings.role,)))
        self._folders: tuple[str, ...] = ()
        self._proofs: set[str] = set()
        self._due: dict[str, float] = {}

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        """Yield what the queue tells of, or what the listing shows; then verdicts of digests, then some of the past."""
        settings = self._settings
        caller = reader(self._aws, settings.role, settings.region, settings.queue_url)
        limits = Limits(settings.max_file_size, settings.max_record_size, settings.verifies)
        with ObjectReader(caller, context.wanted, limits, settings.downloads, settings.workers) as objects:
            bucket = Bucket(self.name, settings.bucket, caller, objects, context, settings.verifies)
            if settings.queue_url:
                yield from FileMessages(bucket, settings, settings.choice).fetch()
            # Digests that two replicas verify at once would count twice.
            if settings.bucket and context.alone and not context.stopping():
                yield from self._list(bucket)

    def _list(self, bucket: Bucket) -> Iterator[Batch]:
        settings, context = self._settings, bucket.context
        judging = self._is_due("digests", settings.digest_interval)
        # A region where nothing ever happened is where an intruder goes: its folder must be found as soon as its first file.
        if not settings.queue_url or judging or not self._folders:
            places = find_places(bucket.caller, bucket.name, settings.choice, digests=judging and settings.verifies)
            for where, error in places.failures:
                yield Batch(bucket.origin(where), error=error)
            if not places.logs and not places.failures:
                context.log.warning("the bucket has no log files of a trail yet", bucket=bucket.name, prefix=settings.prefix)
            # What cannot be listed now is still there.
            self._folders = tuple(dict.fromkeys([*places.logs, *self._folders])) if places.failures else places.logs
            self._proofs |= set(places.digests)
        listing = Listing(bucket, settings.overlap, settings.backfill)
        folders = self._folders
        if settings.queue_url:
            yield from each(folders, listing.meet, bucket.origin)
        else:
            deep = self._is_due("deep", _DEEP_EVERY)
            yield from each(folders, lambda folder: listing.live(folder, deep=deep), bucket.origin)
        if judging and not context.stopping():
            yield from self._verify(bucket, listing, folders)
        deadline = Deadline(context.budget, time.monotonic)
        failed: set[str] = set()
        while not context.stopping() and not deadline.over:
            left = tuple(folder for folder in folders if folder not in failed and listing.progress(folder).past)
            if not left:
                return
            for batch in each(left, lambda folder: listing.past(folder, deadline), bucket.origin):
                if batch.error is not None:
                    failed |= {folder for folder in left if batch.origin.startswith(bucket.origin(folder))}
                yield batch

    def _verify(self, bucket: Bucket, listing: Listing, folders: tuple[str, ...]) -> Iterator[Batch]:
        settings, deadline = self._settings, Deadline(bucket.context.budget, time.monotonic)
        verification = Verification(bucket, Chains(bucket, self._keys), settings.backfill, settings.unsigned_after, not settings.queue_url)

        def verify(folder: str) -> Iterator[Batch]:
            if digest_folder(folder) in self._proofs:
                return verification.folder(digest_folder(folder), listing.progress(folder), deadline)
            return verification.sweep(folder, listing.progress(folder), judge=False)

        for batch in each(folders, verify, bucket.origin):
            verification.unfinished = verification.unfinished or batch.error is not None
            yield batch
        if verification.unfinished:
            self._due.pop("digests", None)

    def _is_due(self, what: str, every: timedelta) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, now):
            return False
        self._due[what] = now + every.total_seconds()
        return True


def _units(settings: S3Settings, aws: Aws | None) -> Roster:
    assert aws is not None
    return Roster((S3Source(settings, aws),))


S3 = SourceType(S3Settings, _units, permissions, diagnose, families=(QUEUE_MESSAGES.name, TRAIL_FILES.name, DIGESTS.name))
