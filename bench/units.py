"""200 account-regions on Event history: the whole exporter beside a client of boto3 for each, both against a sandbox of its own process.

Both poll every unit at the same interval for the same time: one LookupEvents call a unit, whose page holds what happened in half an
hour. The baseline is what most tools do: a Session and a client of its own for each account and region, the page parsed by boto3, each
event by json, nothing stored.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.request import Request, urlopen

from bench.rounds import Figures, in_child, peak_rss_mb, show
from exporter.demo.trail import TrailGenerator

ACCOUNTS, INTERVAL, SECONDS = 10, 15.0, 75.0
EVENTS = 45
"""Changes of any kind in the last half hour, in each account and region."""
_SCRAPE_SECONDS = 3.0
REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1",
    "eu-central-2", "eu-north-1", "eu-south-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1",
    "ap-southeast-2", "sa-east-1", "me-south-1",
)  # fmt: skip
_IDS = tuple(12 * str(number) for number in range(ACCOUNTS))
_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def sandbox() -> Iterator[str]:
    """Run a sandbox in a process of its own and give its address."""
    command = [sys.executable, "-m", "sandbox", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split(" on ")[1].split()[0]
            _fill(url)
            yield url
        finally:
            process.kill()


def _fill(url: str) -> None:
    """Give each account and region its events."""
    now = datetime.now(UTC)
    generator = TrailGenerator(1, _IDS, REGIONS)
    for unit in generator.units:
        made = [generator.ordinary(now - timedelta(seconds=30 * number), unit).record for number in range(EVENTS)]
        body = json.dumps([{**record, "readOnly": False} for record in made]).encode()
        with urlopen(Request(f"{url}/-/records?past=true", data=body, method="POST"), timeout=30) as answer:
            answer.read()


def _samples(page: str, name: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return {labels: float(value) for labels, value in lines}


def exporter(url: str) -> Figures:
    """Run `serve` on all units; return CPU a call, memory, the longest time between two polls of a unit, and throttles."""
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch:
        config = Path(scratch) / "config.yml"
        source = {"type": "cloudtrail", "poll_interval": f"{INTERVAL:g}s", "backfill": "0s"}
        accounts = [{"role_arn": f"arn:aws:iam::{account}:role/aws-change-exporter"} for account in _IDS]
        aws = {"endpoint_url": url, "regions": list(REGIONS), "accounts": accounts}
        config.write_text(json.dumps({"store": {"path": f"{scratch}/state.db"}, "aws": aws, "sources": [source]}))
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(config), "--web.listen-address", "127.0.0.1:10999"]
        with (Path(scratch) / "log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen([*command, "--log.level", "warning"], stdout=log, stderr=log)
        try:
            return _watch("http://127.0.0.1:10999/metrics", process)
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{(Path(scratch) / 'log').read_text(encoding='utf-8')[-2000:]}") from None
        finally:
            process.terminate()
            process.wait()


def _page(url: str, process: subprocess.Popen[bytes]) -> str:
    if process.poll() is not None:
        raise RuntimeError("the exporter ended")
    try:
        with urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def _watch(url: str, process: subprocess.Popen[bytes]) -> Figures:
    units = len(_IDS) * len(REGIONS)
    last, lateness = "awschange_exporter_last_success_timestamp_seconds", 0.0
    deadline = time.monotonic() + 90
    while sum(value > 0 for value in _samples(_page(url, process), last).values()) < units:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {units} units were polled within 90 s")
        time.sleep(1)
    first, begun = _page(url, process), time.monotonic()
    seen: dict[str, list[float]] = defaultdict(list)
    while time.monotonic() - begun < SECONDS:
        for unit, at in _samples(_page(url, process), last).items():
            if not seen[unit] or seen[unit][-1] != at:
                seen[unit].append(at)
        time.sleep(_SCRAPE_SECONDS)
    page = _page(url, process)
    for times in seen.values():
        lateness = max([lateness, *(later - earlier for earlier, later in pairwise(times))])

    def grown(name: str) -> float:
        return sum(_samples(page, name).values()) - sum(_samples(first, name).values())

    calls = grown("awschange_exporter_aws_requests_total")
    return {
        "units": float(len(seen)),
        "cpu_ms": grown("process_cpu_seconds_total") / calls * 1000,
        "calls": calls,
        "cpu_share": grown("process_cpu_seconds_total") / (time.monotonic() - begun),
        "rss": sum(_samples(page, "process_resident_memory_bytes").values()) / 1e6,
        "gap": lateness,
        "throttles": grown("awschange_exporter_aws_throttles_total"),
    }


def baseline(url: str) -> Figures:
    """Poll all units with boto3, a Session and a client each, in as many threads as are needed; return CPU a call and memory."""
    import boto3  # noqa: PLC0415 - so that only this case holds it

    clients = []
    for account in _IDS:
        sts = boto3.client("sts", endpoint_url=url)
        given = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/aws-change-exporter", RoleSessionName="bench")["Credentials"]
        for region in REGIONS:
            session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region)
            clients.append(session.client("cloudtrail", endpoint_url=url))
    attributes = [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]
    calls, stop, lock = 0, threading.Event(), threading.Lock()

    def poll(mine: list[object]) -> None:
        nonlocal calls
        while not stop.is_set():
            begun, since = time.monotonic(), datetime.now(UTC) - timedelta(minutes=30)
            for client in mine:
                for page in client.get_paginator("lookup_events").paginate(LookupAttributes=attributes, StartTime=since):  # type: ignore[attr-defined]
                    [json.loads(event["CloudTrailEvent"]) for event in page["Events"]]
                    with lock:
                        calls += 1
            stop.wait(max(0.0, INTERVAL - (time.monotonic() - begun)))

    threads = [threading.Thread(target=poll, args=(clients[number::16],)) for number in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(INTERVAL)
    cpu, before, wall = time.process_time(), calls, time.monotonic()
    time.sleep(SECONDS)
    cpu, made, wall = time.process_time() - cpu, calls - before, time.monotonic() - wall
    stop.set()
    for thread in threads:
        thread.join()
    return {"units": float(len(clients)), "cpu_ms": cpu / made * 1000, "calls": made, "cpu_share": cpu / wall, "rss": peak_rss_mb()}


def run() -> None:
    """Measure both, one after the other, each against a fresh sandbox, and print the table."""
    figures = {}
    for name in ("exporter", "boto3 a unit"):
        with sandbox() as url:
            figures[name] = in_child("bench.units", name, url)
    ours, theirs = figures["exporter"], figures["boto3 a unit"]
    show(
        f"{ours['units']:.0f} account-regions on LookupEvents, each polled every {INTERVAL:g} s, for {SECONDS:g} s",
        ["", "CPU a page", "of the baseline", "calls", "cores", "RSS", "longest between polls", "throttles"],
        [
            [
                name,
                f"{figure['cpu_ms']:.2f} ms",
                f"{figure['cpu_ms'] / theirs['cpu_ms']:.2f} x",
                f"{figure['calls']:.0f}",
                f"{figure['cpu_share']:.2f}",
                f"{figure['rss']:.0f} MB",
                f"{figure['gap']:.1f} s" if "gap" in figure else "",
                f"{figure['throttles']:.0f}" if "throttles" in figure else "",
            ]
            for name, figure in figures.items()
        ],
        [
            "exporter: all of it, with store, log, page and a scrape each 3 s; baseline: calls and parsing only.",
            "What a page costs without all that is in the table of `aws`.",
            f"Goals: <= 0.5 x CPU a page there, RSS <= 150 MB, never more than {2 * INTERVAL:g} s between polls, no throttle.",
        ],
    )


def main() -> None:
    """Measure one case against a sandbox and print its figures as JSON; what `run` starts."""
    name, url = sys.argv[1:]
    os.environ.update(_ENVIRONMENT)
    print(json.dumps((exporter if name == "exporter" else baseline)(url)))


if __name__ == "__main__":
    main()
