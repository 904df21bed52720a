"""The sandbox that stands in for AWS, run as a program of its own; the product never imports it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import exporter
from exporter.demo.children import Child, DemoError, fetch

KEY = "AKIAIOSFODNN7EXAMPLE"
"""The access key of whoever pastes the command that the demo prints."""
READER_KEY = "AKIAI44QH8DHBEXAMPLE"
"""The access key of the exporter."""
_REGION = "us-east-1"
_PUBLIC_WEB = {
    "name": "public-web",
    "reason": "customers reach the load balancer in front of the servers",
    "ports": ["443"],
    "regions": [_REGION],
    "accounts": ["444455556666"],
}
_SECONDS = 120.0
_ASK_SECONDS = 0.1


def missing() -> str:
    """Return why the sandbox cannot run here; "" where it can."""
    spec = find_spec("sandbox")
    if spec is None or spec.origin is None or Path(spec.origin).parent.parent != Path(exporter.__file__).parent.parent:
        return "the sandbox that stands in for AWS is in the source tree, and this is an installed package"
    if find_spec("moto") is None or find_spec("flask") is None:
        return "moto, which the sandbox is made of, is not installed (pip install -e '.[sandbox]')"
    return ""


@dataclass(frozen=True, slots=True)
class StandIn:
    """The running sandbox: where it serves, and what is there to be read."""

    child: Child
    url: str
    world: Mapping[str, Any]


def start(
    address: tuple[str, int],
    seed: int,
    pause: float,
    told: Callable[[str], None],
    keep: Callable[[Child], Child],
    stopping: Callable[[], bool],
) -> StandIn:
    """Start the sandbox with its activity, give it to `keep`, and return when there is something to read. Raises DemoError."""
    host, port = address
    flags = (
        *("--listen", f"{host}:{port}", "--activity", "--activity-pause", f"{round(pause * 1000)}ms", "--activity-past", "3d"),
        *("--seed", str(seed), "--default-identity", "user/you", "--identity", f"{READER_KEY}=user/aws-change-exporter"),
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(exporter.__file__).parent.parent)}
    child = keep(Child("the sandbox", [sys.executable, "-P", "-m", "sandbox", *flags], subprocess.PIPE, environment))
    threading.Thread(target=_relay, args=(child, told), name="demo sandbox", daemon=True).start()
    url, until = f"http://{host}:{port}", time.monotonic() + _SECONDS
    while not (world := json.loads(fetch(f"{url}/-/world") or b"{}")):
        if stopping():
            break
        if child.ended or time.monotonic() > until:
            state = f"ended with {child.process.returncode}" if child.ended else f"has nothing to show after {_SECONDS:.0f} seconds"
            raise DemoError(f"the sandbox {state}; its messages stand above")
        time.sleep(_ASK_SECONDS)
    return StandIn(child, url, world)


def environment(url: str, key: str) -> dict[str, str]:
    """Return the environment of a program that reads or changes the sandbox; no credentials of this machine are in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    return kept | nothing | given(url, key)


def given(url: str, key: str) -> dict[str, str]:
    """Return what tells a tool of AWS to work on the sandbox."""
    secret = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "example"}
    return {"AWS_ENDPOINT_URL": url, **secret, "AWS_DEFAULT_REGION": _REGION}


def settings(world: Mapping[str, Any], url: str, types: Sequence[str], expires: date) -> dict[str, Any]:
    """Return the sections of a configuration that reads the sandbox: what stands, and changes on every road of the types that there are.

    `expires` is the last day of the exception that is there to be seen.
    """
    queue = {"region": _REGION, "poll_interval": "2s", "wait_time": "1s"}
    sources: list[dict[str, Any]] = [
        {"type": "cloudtrail", "poll_interval": "10s", "backfill": "3d"},
        {"type": "eventbridge", "queue_url": world["events_queue"], **queue},
        {"type": "s3", "queue_url": world["files_queue"], "bucket": world["bucket"], **queue},
    ]
    accounts = [{"role_arn": member["role_arn"], "external_id": member["external_id"]} for member in world["members"]]
    return {
        "aws": {"endpoint_url": url, "regions": list(world["regions"]), "accounts": accounts, "own_account": True},
        "sources": [source for source in sources if source["type"] in types],
        "posture": {"poll_interval": "10s", "lag_budget": "2m", "exceptions": [_PUBLIC_WEB | {"expires": expires.isoformat()}]},
    }


def _relay(child: Child, told: Callable[[str], None]) -> None:
    """Pass on what the sandbox says, a line at a time."""
    assert child.process.stdout is not None
    for line in child.process.stdout:
        told(line.decode(errors="replace").rstrip())
