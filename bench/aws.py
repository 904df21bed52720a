"""Reading from AWS: 204 account-regions on LookupEvents and a listing of S3, the exporter's own way beside boto3's.

The sandbox stands in for AWS, in a process of its own, over plain HTTP: what TLS costs a client for each region and account comes on
top of boto3's figures, but not of ours, which share one TLS context. Each case decodes what it reads, the events' own JSON too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson

from bench.rounds import Figures, in_child, interleaved, median, peak_rss_mb, ratio, show, timed

AREAS = ("ap-northeast", "ap-southeast", "ca-central", "eu-central", "eu-west", "sa-east", "us-east", "us-west")
REGIONS = (*(f"{area}-{number}" for area in AREAS for number in (1, 2)), "eu-west-3")
ACCOUNTS = tuple(f"{number + 1:012d}" for number in range(12))
EVENTS = 50
KEYS = 1000
LISTINGS = 10
PASSES = 3
ROUNDS = 3
BUCKET = "example-trail"


def _key(account_id: str) -> str:
    return f"AKIAEXAMPLE{int(account_id):09d}"


def _units() -> list[tuple[str, str]]:
    return [(account_id, region) for account_id in ACCOUNTS for region in REGIONS]


def ours(url: str) -> tuple[Callable[[], int], Callable[[], int]]:
    """Return a reader of a page of every unit and a lister of the bucket, each returning what it has read, as the exporter has them."""
    from exporter.aws import Account, AwsSettings, RoleSettings  # noqa: PLC0415 - a case loads what it needs and no more
    from exporter.aws.session import open_aws  # noqa: PLC0415
    from exporter.metrics.telemetry import Telemetry  # noqa: PLC0415

    aws = open_aws(AwsSettings(endpoint_url=url), Telemetry())
    roles = {account_id: RoleSettings(role_arn=f"arn:aws:iam::{account_id}:role/watcher") for account_id in ACCOUNTS}
    accounts = {account_id: Account(account_id, roles=(role,)) for account_id, role in roles.items()}
    callers = [aws.caller(region, accounts[account_id]) for account_id, region in _units()]

    def read() -> int:
        found = 0
        for caller in callers:
            events = orjson.loads(caller.lookup_events({"MaxResults": EVENTS}).body)["Events"]
            found += len([orjson.loads(event["CloudTrailEvent"]) for event in events])
        return found

    lister = aws.caller("us-east-1")
    return read, lambda: len(lister.list_objects(BUCKET, "").objects)


def boto3_clients(url: str, *, session_each: bool) -> tuple[Callable[[], int], Callable[[], int]]:
    """Return the same of boto3: a client for every unit, made by a Session of its account or by one of its own."""
    import boto3  # noqa: PLC0415

    sessions: dict[str, Any] = {}

    def session(account_id: str) -> Any:
        made = sessions.get(account_id)
        if made is None or session_each:
            made = sessions[account_id] = boto3.Session(aws_access_key_id=_key(account_id), aws_secret_access_key="example")  # noqa: S106
        return made

    clients = [session(account_id).client("cloudtrail", region_name=region, endpoint_url=url) for account_id, region in _units()]

    def read() -> int:
        found = 0
        for client in clients:
            events = client.lookup_events(MaxResults=EVENTS)["Events"]
            found += len([orjson.loads(event["CloudTrailEvent"]) for event in events])
        return found

    s3 = session(ACCOUNTS[0]).client("s3", region_name="us-east-1", endpoint_url=url)
    return read, lambda: len(s3.list_objects_v2(Bucket=BUCKET)["Contents"])


CASES: Mapping[str, Callable[[str], tuple[Callable[[], int], Callable[[], int]]]] = {
    "exporter": ours,
    "boto3, Session an account": partial(boto3_clients, session_each=False),
    "boto3, Session a unit": partial(boto3_clients, session_each=True),
}


def measure(name: str, url: str) -> Figures:
    """Return CPU for a page, memory, and CPU for a listing; the first pass over the units warms up and counts for memory only."""
    read, listing = CASES[name](url)
    units = len(_units())
    first = read()
    rss = peak_rss_mb()
    found: list[int] = []
    pages = timed(lambda: found.extend(read() for _ in range(PASSES)))
    if {first, *found} != {units * EVENTS}:
        raise RuntimeError(f"{name}: {first} and {found} events instead of {units * EVENTS} each")
    if listing() != KEYS:
        raise RuntimeError(f"{name}: not {KEYS} keys")
    lists = timed(lambda: [listing() for _ in range(LISTINGS)])
    return {"page": pages["cpu"] / units / PASSES * 1000, "rss": rss, "listing": lists["cpu"] / LISTINGS * 1000}


def serve() -> None:
    """Serve a sandbox with a full page for every unit and a bucket of keys, until the standard input ends."""
    import boto3  # noqa: PLC0415

    from exporter.demo.trail import TrailGenerator  # noqa: PLC0415
    from sandbox.identities import Identity  # noqa: PLC0415
    from sandbox.server import Sandbox, Settings  # noqa: PLC0415

    known = {_key(account_id): Identity(account_id, "user", "watcher") for account_id in ACCOUNTS}
    with Sandbox(Settings(delay=timedelta(0), deliver=False, identities=known)) as sandbox:
        generator = TrailGenerator(7, ACCOUNTS, REGIONS)
        before = datetime.now(UTC) - timedelta(hours=1)
        for unit in generator.units:
            for number in range(EVENTS):
                made = generator.ordinary(before + timedelta(seconds=number), unit)
                sandbox.journal.add(made.record | {"recipientAccountId": unit.account_id, "awsRegion": unit.region}, before)
        session = boto3.Session(aws_access_key_id=_key(ACCOUNTS[0]), aws_secret_access_key="example")  # noqa: S106 - the sandbox's
        s3 = session.client("s3", region_name="us-east-1", endpoint_url=sandbox.url)
        s3.create_bucket(Bucket=BUCKET)
        for number in range(KEYS):
            s3.put_object(Bucket=BUCKET, Key=f"AWSLogs/{ACCOUNTS[0]}/CloudTrail/us-east-1/2026/01/31/{number:06d}.json.gz", Body=b"x")
        print(sandbox.url, flush=True)
        sys.stdin.read()


@contextmanager
def _sandbox() -> Iterator[str]:
    command = [sys.executable, "-m", "bench.aws", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def run() -> None:
    """Measure every case in children of their own against one sandbox, and print the table."""
    with _sandbox() as url:
        measured = interleaved({name: partial(in_child, "bench.aws", name, url) for name in CASES}, ROUNDS)
    base = measured["boto3, Session a unit"]
    rows = [
        [
            name,
            f"{median(figures, 'page'):.2f} ms",
            f"{ratio(base, figures, 'page'):.1f} x",
            f"{median(figures, 'rss'):.0f} MB",
            f"{ratio(base, figures, 'rss'):.1f} x",
            f"{median(figures, 'listing'):.1f} ms",
        ]
        for name, figures in measured.items()
    ]
    show(
        f"AWS: {len(_units())} account-regions, pages of {EVENTS} events, a listing of {KEYS} keys",
        ["", "cpu a page", "less cpu", "peak RSS", "less RSS", "cpu a listing"],
        rows,
        [
            f"Medians of {ROUNDS} interleaved rounds, each case a process of its own; answers decoded, with the JSON inside the events.",
            "Plain HTTP, a connection for each request: TLS adds to memory and CPU of every client of boto3. RSS is of the whole process.",
            "exporter: 12 roles assumed, requests counted. Goals: >= 2 x less CPU a page, <= 150 MB, < 20 ms a listing.",
        ],
    )


def main() -> None:
    """Serve, or measure one case and print its figures as JSON; what `run` starts."""
    if sys.argv[1:] == ["serve"]:
        serve()
        return
    name, url = sys.argv[1:]
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[variable]
    os.environ |= {"AWS_ACCESS_KEY_ID": _key(ACCOUNTS[0]), "AWS_SECRET_ACCESS_KEY": "example", "AWS_EC2_METADATA_DISABLED": "true"}
    print(json.dumps(measure(name, url)))


if __name__ == "__main__":
    main()
