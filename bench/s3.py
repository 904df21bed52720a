"""The s3 source on generated log files of an organization: beside inflating them alone, with the requests apart, and with more cores.

The bucket is served by a process of its own over HTTP. `without requests` reads the same bucket from disk, so that what is left is
inflating, scanning, parsing and storing; `requests alone` fetches every object and drops it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench.ingest import _inflate, generate
from bench.rounds import Figures, in_child, interleaved, median, peak_rss_mb, ratio, show, timed
from bench.s3_server import FOLDER
from bench.s3_server import Bucket as Listed
from exporter.aws import AwsSettings, ListedObject, ObjectPage, Reply
from exporter.catalog import Watch
from exporter.config import validate
from exporter.logs import make_logger
from exporter.metrics.telemetry import Telemetry
from exporter.pipeline import build_pipeline, open_aws
from exporter.sources.base import key_of
from exporter.sources.downloads import Object, ObjectReader
from exporter.sources.trail_text import Limits
from exporter.store import open_store

ROUNDS = 3
LISTINGS = 20
OFTEN = 20
MANY = (1, 1000, 10_000)
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_DEFAULT_REGION": "us-east-1"}


class Disk:
    """Access to AWS, and its only caller, that reads a directory."""

    account_id, region, partition = "111122223333", "us-east-1", "aws"

    def __init__(self, directory: Path) -> None:
        self._bucket = Listed(directory, "trail")

    def role_caller(self, _region: str, _roles: object) -> Disk:
        """Return itself."""
        return self

    def default_region(self) -> str:
        """Return a region."""
        return self.region

    def close(self) -> None:
        """Do nothing."""

    def get_object(self, _bucket: str, key: str, _limit: int) -> Reply:
        """Return an object."""
        return Reply(self._bucket.read(key), None)

    def list_objects(
        self, _bucket: str, prefix: str, *, start_after: str = "", token: str | None = None, delimiter: str = "", most: int = 1000
    ) -> ObjectPage:
        """Return what a prefix has, in one page."""
        assert token is None
        assert most
        keys = [key for key in self._bucket.keys if key.startswith(prefix) and key > start_after]
        below = dict.fromkeys(prefix + key[len(prefix) :].split("/")[0] + "/" for key in keys if delimiter and "/" in key[len(prefix) :])
        return ObjectPage([] if delimiter else [ListedObject(key, 1) for key in keys], tuple(below))


def _poll(aws: Callable[[AwsSettings, Any], Any], url: str, bucket: str, **settings: Any) -> Figures:
    os.environ.update(_CREDENTIALS)
    with (
        tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
    ):
        store = open_store(Path(scratch) / "state.db")
        source = {"type": "s3", "bucket": bucket, "live_since": "beginning", "backfill": "2000d", "verify_digests": False, **settings}
        config = validate(
            {"aws": {"endpoint_url": url}, "sources": [source], "posture": {"enabled": False}}, "the benchmark's configuration"
        )
        pipeline = build_pipeline(config, store, Telemetry(), make_logger("info", "json", nowhere), aws=aws)
        for units in pipeline.units:
            units.ask()
        ((unit, parsed),) = pipeline.polled
        figures = timed(lambda: pipeline.poller.poll(unit, parsed))
        report = pipeline.poller.reports[key_of(unit)]
        store.close()
    if not report.complete:
        raise RuntimeError(f"the poll was not complete: {report.error}")
    return figures | {"read": report.read, "stored": report.stored, "malformed": report.malformed}


def _from_disk(directory: Path, _url: str, **settings: Any) -> Figures:
    return _poll(lambda _settings, _requests: Disk(directory), "", "trail", **settings)


def _over_http(_directory: Path, url: str, bucket: str = "trail", **settings: Any) -> Figures:
    return _poll(open_aws, url, bucket, **settings)


class _Deaf:
    def aws_request(self, *_told: object) -> None:
        """Hear nothing."""


@contextmanager
def _caller(url: str) -> Iterator[Any]:
    os.environ.update(_CREDENTIALS)
    aws = open_aws(AwsSettings(endpoint_url=url), _Deaf())
    try:
        yield aws.role_caller("us-east-1", ())
    finally:
        aws.close()


def _requests(directory: Path, url: str) -> Figures:
    keys = Listed(directory, "trail").keys
    with _caller(url) as caller:
        caller.get_object("trail", keys[0], 2**28)
        return timed(lambda: [caller.get_object("trail", key, 2**28) for key in keys]) | {"requests": len(keys)}


def _list(_directory: Path, url: str) -> Figures:
    def work() -> None:
        for _ in range(LISTINGS):
            page = caller.list_objects("many-10000", FOLDER)
            assert len(page.objects) == 1000

    with _caller(url) as caller:
        caller.list_objects("many-10000", FOLDER)
        return {key: value / LISTINGS for key, value in timed(work).items()}


def _read_often(directory: Path, _url: str, workers: int) -> Figures:
    disk = Disk(directory)
    keys = Listed(directory, "trail").keys * OFTEN

    def work() -> None:
        with ObjectReader(disk, Watch().wanted, Limits(2**28, 2**22), 4, workers) as reader:
            for reading in reader.read(Object("trail", key, None) for key in keys):
                for _ in reading.parts:
                    pass

    return timed(work)


CASES: dict[str, Callable[[Path, str], Figures]] = {
    "igzip streamed": lambda directory, _url: _inflate(directory),
    "without requests": _from_disk,
    "without requests, hashed": lambda directory, url: _from_disk(directory, url, verify_digests=True, backfill="400d"),
    "requests alone": _requests,
    "over HTTP": _over_http,
    "over HTTP, 2 workers": lambda directory, url: _over_http(directory, url, workers=2),
}
READING = (0, 1, 2)
OTHERS: dict[str, Callable[[Path, str], Figures]] = {
    "list": _list,
    **{f"reading-{workers}": partial(_read_often, workers=workers) for workers in READING},
    **{f"many-{count}": partial(_over_http, bucket=f"many-{count}") for count in MANY},
}


@contextmanager
def _served(directory: Path) -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-m", "bench.s3_server", str(directory)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def run() -> None:
    """Generate the files, measure every case in children of their own, and print the tables."""
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch:
        made = generate(Path(scratch), files=240)
        with _served(Path(scratch)) as url:
            measured = interleaved({name: partial(in_child, "bench.s3", name, scratch, url) for name in CASES}, ROUNDS)
            others = interleaved({name: partial(in_child, "bench.s3", name, scratch, url) for name in OTHERS}, ROUNDS)
    for name, rounds in measured.items():
        for figures in rounds:
            if "stored" in figures and (figures["read"], figures["stored"], figures["malformed"]) != (made["records"], made["changes"], 0):
                raise RuntimeError(f"{name}: read and stored {figures}, but the trail has {made}")
    floor = measured["igzip streamed"]
    rows = [
        [
            name,
            f"{median(figures, 'cpu'):.3f} s",
            f"{median(figures, 'wall'):.3f} s",
            f"{made['records'] / median(figures, 'wall') / 1000:,.0f} k",
            f"{ratio(figures, floor, 'cpu'):.2f} x",
            f"{ratio(measured['over HTTP'], figures, 'wall'):.2f} x",
            f"{median(figures, 'rss'):.0f} MB",
        ]
        for name, figures in measured.items()
    ]
    each = median(measured["requests alone"], "cpu") / measured["requests alone"][0]["requests"] * 1000
    faster = [ratio(others[f"reading-{workers}"], others["reading-2"], "wall") for workers in (0, 1)]
    rss = ", ".join(f"{median(others[f'many-{count}'], 'rss'):.0f} MB at {count:,}" for count in MANY)
    show(
        f"S3 source: {made['records']:,.0f} records, {made['changes']:,.0f} changes, {made['files']:.0f} files, "
        f"{made['compressed'] / 1e6:.1f} MB gzip",
        ["", "cpu", "wall", "records/wall s", "cpu of igzip", "wall of over HTTP", "peak RSS"],
        rows,
        [
            f"Medians of {ROUNDS} interleaved rounds, each case a process of its own; the server is another process on the same cores.",
            "cpu is that of the exporter's process, without its workers'. Goals without requests: >= 300 k, <= 2.5 x of igzip.",
            f"A request for an object costs {each:.2f} ms of CPU.",
            f"{OFTEN} times as much from disk, not stored: two workers {faster[0]:.2f} x as fast as none, {faster[1]:.2f} x as one.",
            f"Listing 1,000 keys costs {median(others['list'], 'cpu') * 1000:.1f} ms of CPU (goal < 20).",
            f"Peak RSS by number of files: {rss}.",
            f"{datetime.now(UTC):%Y-%m-%d}: every change that the generator made was stored, and nothing else; checked in every round.",
        ],
    )


def main() -> None:
    """Measure one case over a directory and a server and print its figures as JSON; what `run` starts."""
    name, directory, url = sys.argv[1:]
    figures = {**CASES, **OTHERS}[name](Path(directory), url)
    print(json.dumps(figures | {"rss": peak_rss_mb()}))


if __name__ == "__main__":
    main()
