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

    def __init__(self, backend: Backend, journal: Journal, trails: Trails, clock: Clock, seed: int = 0) -> None:
        self._backend, self._trails, self._clock = backend, trails, clock
        self._chance = random.Random(seed)  # noqa: S311 - names of files, no secrets
        self._waiting: defaultdict[Unit, list[Entry]] = defaultdict(list)
        self._lock = threading.Lock()
        journal.listen(self._collect)

    def _collect(self, unit: Unit, entry: Entry) -> None:
        with self._lock:
            self._waiting[unit].append(entry)

    def deliver(self) -> list[LogFile]:
        """Write what is visible by now, one file for each trail, account and region, and return what was written."""
        now = self._clock()
        with self._lock:
            due = {unit: [entry for entry in entries if entry.visible_at <= now] for unit, entries in self._waiting.items()}
            for entries in self._waiting.values():
                entries[:] = [entry for entry in entries if entry.visible_at > now]
        trails = self._trails.logging() if any(due.values()) else []
        files = []
        for unit, entries in due.items():
            for trail in trails:
                records = [entry.record for entry in entries if trail.covers(unit) and trail.wants(entry.record)]
                if records:
                    files.append(self._write(trail, unit, records, now))
        return files

    def _write(self, trail: Trail, unit: Unit, records: list[dict[str, Any]], now: datetime) -> LogFile:
        # Records of a log file stand in no order.
        self._chance.shuffle(records)
        account_id, region = unit
        text = json.dumps({"Records": records}, separators=(",", ":")).encode()
        name = f"{account_id}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_{self._letters()}.json.gz"
        key = f"{trail.folder(account_id)}CloudTrail/{region}/{now:%Y/%m/%d}/{name}"
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        self._backend.put_object(trail.account_id, trail.bucket, key, gzip.compress(text, mtime=0), headers)
        if trail.topic_arn:
            message = json.dumps({"s3Bucket": trail.bucket, "s3ObjectKey": [key]}, separators=(",", ":"))
            self._backend.publish(trail.account_id, trail.topic_arn, message)
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


def digest_key(trail: Trail, unit: Unit, end: datetime) -> str:
    """Return where the digest of an account and region that ends at a time lies."""
    account_id, region = unit
    name = f"{account_id}_CloudTrail-Digest_{region}_{trail.name}_{trail.home_region}_{iso(end).translate(_COMPACT)}.json.gz"
    return f"{trail.folder(account_id)}CloudTrail-Digest/{region}/{end:%Y/%m/%d}/{name}"


_COMPACT = str.maketrans("", "", "-:")
