"""boto3 against a running sandbox, as anybody would use it, and what the sandbox recorded."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config

from sandbox.server import Sandbox

KEY = "AKIAIOSFODNN7EXAMPLE"
REGION = "us-east-1"
ACCOUNT = "111122223333"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


def client(sandbox: Sandbox, service: str, region: str = REGION, key: str = KEY, token: str | None = None) -> Any:
    """Return a client of a service, without retries, so that a test sees each answer."""
    return boto3.client(
        service,
        endpoint_url=sandbox.url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="example",
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def records(sandbox: Sandbox, name: str | None = None) -> list[dict[str, Any]]:
    """Return what was recorded, oldest first, visible or not; all of it or that of one event name."""
    entries = sorted((entry for unit in sandbox.journal.units() for entry in sandbox.journal.all(unit)), key=lambda entry: entry.number)
    return [entry.record for entry in entries if name in {None, entry.record["eventName"]}]


def last(sandbox: Sandbox) -> dict[str, Any]:
    """Return the newest record."""
    return records(sandbox)[-1]
