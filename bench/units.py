"""200 account-regions on Event history: the whole exporter beside a client of boto3 for each, both against a sandbox of its own process.

Both poll every unit at the same interval for the same time: one LookupEvents call a unit, whose page holds what happened in half an
hour. The exporter is measured without posture and with it, at its default interval: each unit then has groups of its own.
The baseline is what most tools do: a Session and a client of its own for each account and region, the page parsed by boto3, each
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
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

from bench.rounds import Figures, in_child, peak_rss_mb, show
from exporter.demo.trail import TrailGenerator

if TYPE_CHECKING:
    from sandbox.backend import Backend

ACCOUNTS, INTERVAL, SECONDS = 10, 15.0, 75.0
GROUPS, RULES = 20, 3
"""Security groups of each account and region beside the default one, and rules of each beside the one it is born with."""
_POSTURE_SECONDS = 400.0
"""More than a whole interval of posture."""
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
    with subprocess.Popen(
        [sys.executable, "-m", "bench.units", "serve"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def serve(groups: int) -> None:
    """Serve a sandbox whose accounts and regions have events and groups, until the standard input ends."""
    from sandbox.server import Sandbox, Settings  # noqa: PLC0415 - only this case holds moto

    now = datetime.now(UTC)
    generator = TrailGenerator(1, _IDS, REGIONS)
    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as made:
        for unit in generator.units:
            for number in range(EVENTS):
                happened = now - timedelta(seconds=30 * number)
                made.journal.add(generator.ordinary(happened, unit).record | {"readOnly": False}, happened)
            for number in range(groups):
                _group(made.backend, unit.account_id, unit.region, number)
        print(made.url, flush=True)
        sys.stdin.read()


def _group(backend: Backend, account_id: str, region: str, number: int) -> None:
    # Straight to moto: these groups stood before anybody looked, and no event tells of them.
    fields = {"GroupName": f"group-{number}", "GroupDescription": "bench"}
    group_id = backend.ec2(region, account_id, "CreateSecurityGroup", fields).findtext("groupId", "")
    for port in range(RULES):
        cidr = "0.0.0.0/0" if number == port == 0 else f"192.0.2.{number}/32"
        permission = {"IpProtocol": "tcp", "FromPort": str(8000 + port), "ToPort": str(8000 + port), "IpRanges.1.CidrIp": cidr}
        fields = {f"IpPermissions.1.{name}": value for name, value in permission.items()}
        backend.ec2(region, account_id, "AuthorizeSecurityGroupIngress", {"GroupId": group_id, **fields})


def _samples(page: str, name: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return {labels: float(value) for labels, value in lines}


def exporter(url: str, *, posture: bool) -> Figures:
    """Run `serve` on all units; return CPU a call, memory, the longest time between two polls of a unit, and throttles."""
    with tempfile.TemporaryDirectory(prefix="aws-change-exporter-bench-") as scratch:
        config = Path(scratch) / "config.yml"
        source = {"type": "cloudtrail", "poll_interval": f"{INTERVAL:g}s", "backfill": "0s"}
        accounts = [{"role_arn": f"arn:aws:iam::{account}:role/aws-change-exporter"} for account in _IDS]
        aws = {"endpoint_url": url, "regions": list(REGIONS), "accounts": accounts}
        store = {"path": f"{scratch}/state.db"}
        config.write_text(json.dumps({"store": store, "aws": aws, "sources": [source], "posture": {"enabled": posture}}))
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(config), "--web.listen-address", "127.0.0.1:10999"]
        with (Path(scratch) / "log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen([*command, "--log.level", "warning"], stdout=log, stderr=log)
        try:
            return _watch("http://127.0.0.1:10999/metrics", process, posture=posture)
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


def _of(page: str, name: str, source: str) -> dict[str, float]:
    return {labels: value for labels, value in _samples(page, name).items() if f'source="{source}"' in labels}


def _watch(url: str, process: subprocess.Popen[bytes], *, posture: bool) -> Figures:
    units = len(_IDS) * len(REGIONS)
    sources = ("cloudtrail", "posture") if posture else ("cloudtrail",)
    last = "awschange_exporter_last_success_timestamp_seconds"
    deadline = started = time.monotonic()
    deadline += 180
    while any(sum(value > 0 for value in _of(_page(url, process), last, source).values()) < units for source in sources):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {units} units were polled within 180 s")
        time.sleep(1)
    ready = time.monotonic() - started
    first, begun = _page(url, process), time.monotonic()
    seen: dict[str, list[float]] = defaultdict(list)
    surveys: dict[str, list[float]] = defaultdict(list)
    rss = 0.0
    while time.monotonic() - begun < (_POSTURE_SECONDS if posture else SECONDS):
        page = _page(url, process)
        rss = max(rss, sum(_samples(page, "process_resident_memory_bytes").values()))
        for source, times in (("cloudtrail", seen), ("posture", surveys)):
            for unit, at in _of(page, last, source).items():
                if not times[unit] or times[unit][-1] != at:
                    times[unit].append(at)
        time.sleep(_SCRAPE_SECONDS)
    page = _page(url, process)

    def longest(times: dict[str, list[float]]) -> float:
        return max((later - earlier for known in times.values() for earlier, later in pairwise(known)), default=0.0)

    def most(times: dict[str, list[float]], seconds: int) -> float:
        """Return how many came in one stretch of time at most."""
        return max(Counter(int(at / seconds) for known in times.values() for at in known[1:]).values(), default=0)

    def grown(name: str) -> float:
        return sum(_samples(page, name).values()) - sum(_samples(first, name).values())

    calls = grown("awschange_exporter_aws_requests_total")
    return {
        "units": float(len(seen)),
        "cpu_ms": grown("process_cpu_seconds_total") / calls * 1000,
        "calls": calls,
        "cpu_share": grown("process_cpu_seconds_total") / (time.monotonic() - begun),
        "rss": rss / 1e6,
        "gap": longest(seen),
        "survey_gap": longest(surveys),
        "most_surveys": most(surveys, 10),
        "surveyed": float(len(surveys)),
        "failures": sum(_samples(page, "awschange_exporter_poll_failures_total").values()),
        "missed": sum(_samples(page, "awschange_exporter_missed_runs_total").values()),
        "groups": sum(_samples(page, "awschange_security_groups").values()),
        "ready": ready,
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
    """Measure all, one after the other, each against a fresh sandbox, and print the table."""
    figures = {}
    for name in ("exporter", "with posture", "boto3 a unit"):
        with sandbox(groups=name == "with posture") as url:
            figures[name] = in_child("bench.units", name, url, seconds=900)
    ours, theirs, both = figures["exporter"], figures["boto3 a unit"], figures["with posture"]
    show(
        f"{ours['units']:.0f} account-regions on LookupEvents, each polled every {INTERVAL:g} s, for {SECONDS:g} s",
        ["", "CPU a call", "of the baseline", "calls", "cores", "RSS", "longest between polls", "throttles"],
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
            f"with posture: {both['groups']:.0f} groups, read every 5 minutes, all once after {both['ready']:.0f} s;",
            f"surveys of a unit {both['survey_gap']:.0f} s apart, {both['most_surveys']:.0f} of all in 10 s at most;",
            f"{both['failures']:.0f} failures, {both['missed']:.0f} runs missed.",
            "What a page costs without all that is in the table of `aws`.",
            f"Goals: <= 0.5 x CPU a page there, RSS <= 150 MB (with posture 200 MB), <= {2 * INTERVAL:g} s between polls, no throttle.",
        ],
    )


def main() -> None:
    """Serve, or measure one case against a sandbox and print its figures as JSON; what `run` starts."""
    os.environ.update(_ENVIRONMENT)
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
        return
    name, url = sys.argv[1:]
    print(json.dumps(baseline(url) if name == "boto3 a unit" else exporter(url, posture=name == "with posture")))


if __name__ == "__main__":
    main()
