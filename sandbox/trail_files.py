"""Log files of trails, delivered to their buckets, and CloudTrail's own notification of them.

Source: CloudTrail user guide, "Finding your CloudTrail log files" and "Configuring Amazon SNS notifications".
"""

from __future__ import annotations

import gzip
import json
import random
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from string import ascii_letters, digits
from typing import Any

from sandbox.backend import Backend
from sandbox.journal import Entry, Journal, Unit
from sandbox.moments import Clock, iso
from sandbox.trail_status import Deliveries
from sandbox.trails import Trail, Trails


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file that was delivered: where it lies, the hash of its content before compression, and the times in it."""

    trail: Trail
    unit: Unit
    key: str
    sha256: str
    oldest: str
    newest: str


class TrailFiles:
    """Collects what happens and delivers it to each trail that logs it. `seed` decides names and the order of records in a file."""

    def __init__(self, backend: Backend, journal: Journal, trails: Trails, deliveries: Deliveries, clock: Clock, seed: int = 0) -> None:
        self._backend, self._trails, self._deliveries, self._clock = backend, trails, deliveries, clock
        self._chance = random.Random(seed)  # noqa: S311 - names of files, no secrets
        self._waiting: defaultdict[Unit, list[tuple[Entry, list[Trail]]]] = defaultdict(list)
        self._lock = threading.Lock()
        journal.listen(self._collect)

    def _collect(self, unit: Unit, entry: Entry) -> None:
        # A trail that stops still delivers what it has logged, its own StopLogging too.
        logging = self._trails.logging()
        with self._lock:
            self._waiting[unit].append((entry, logging))

    def deliver(self) -> list[LogFile]:
        """Write what is visible by now, one file for each trail, account and region, and return what was written."""
        now = self._clock()
        with self._lock:
            due = {unit: [waiting for waiting in held if waiting[0].visible_at <= now] for unit, held in self._waiting.items()}
            for held in self._waiting.values():
                held[:] = [waiting for waiting in held if waiting[0].visible_at > now]
        # A trail that has just begun has what came shortly before, too.
        begun = {trail.arn: trail for trail in self._trails.logging()}
        files = []
        for unit, held in due.items():
            wanted: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
            trails = dict(begun)
            for entry, logging in held:
                ours = begun | {trail.arn: trail for trail in logging}
                trails = ours | trails
                for trail in ours.values():
                    if trail.covers(unit) and trail.wants(entry.record):
                        wanted[trail.arn].append(entry.record)
            files += [self._write(trails[arn], unit, records, now) for arn, records in sorted(wanted.items())]
        return files

    def _write(self, trail: Trail, unit: Unit, records: list[dict[str, Any]], now: datetime) -> LogFile:
        # Records of a log file stand in no order.
        self._chance.shuffle(records)
        account_id, region = unit
        text = json.dumps({"Records": records}, separators=(",", ":")).encode()
        name = f"{account_id}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_{self._letters()}.json.gz"
        key = f"{trail.folder(account_id)}CloudTrail/{region}/{now:%Y/%m/%d}/{name}"
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        error = self._backend.put_object(trail.account_id, trail.bucket, key, gzip.compress(text, mtime=0), headers)
        self._deliveries.note("Delivery", trail.arn, region, now, error)
        if trail.topic_arn and error is None:
            message = json.dumps({"s3Bucket": trail.bucket, "s3ObjectKey": [key]}, separators=(",", ":"))
            self._deliveries.note("Notification", trail.arn, region, now, self._backend.publish(trail.account_id, trail.topic_arn, message))
        times = sorted(record["eventTime"] for record in records)
        return LogFile(trail, unit, key, sha256(text).hexdigest(), times[0], times[-1])

    def _letters(self) -> str:
        return "".join(self._chance.choices(ascii_letters + digits, k=16))


def span(files: Sequence[LogFile]) -> tuple[str | None, str | None]:
    """Return the oldest and newest time in files."""
    return min((file.oldest for file in files), default=None), max((file.newest for file in files), default=None)


def log_entry(file: LogFile) -> dict[str, str]:
    """Return a file as digests list it."""
    return {
        "s3Bucket": file.trail.bucket,
        "s3Object": file.key,
        "hashValue": file.sha256,
        "hashAlgorithm": "SHA-256",
        "newestEventTime": file.newest,
        "oldestEventTime": file.oldest,
    }


def digest_key(trail: Trail, unit: Unit, end: datetime, suffix: str = "") -> str:
    """Return where the digest of an account and region that ends at a time lies; `suffix` is `_backfill` for one that fills a gap."""
    account_id, region = unit
    stamp = iso(end).translate(_COMPACT)
    name = f"{account_id}_CloudTrail-Digest_{region}_{trail.name}_{trail.home_region}_{stamp}{suffix}.json.gz"
    return f"{trail.folder(account_id)}CloudTrail-Digest/{region}/{end:%Y/%m/%d}/{name}"


_COMPACT = str.maketrans("", "", "-:")
