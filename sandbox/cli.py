"""The command line of the sandbox."""

from __future__ import annotations

import json
import re
import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from sandbox.acting import acting
from sandbox.cli_faults import DurationType, fault_options, faults_of
from sandbox.identities import REMEDY, Identity, parse_identity
from sandbox.policies import Policies
from sandbox.server import Sandbox, Settings

_ACCOUNT = re.compile(r"\d{12}")


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"{value!r} is no address; write HOST:PORT, as 127.0.0.1:5000")
    return host, int(port)


def _account(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if _ACCOUNT.fullmatch(value) is None:
        raise click.BadParameter(f"{value!r} is no account; write its 12 digits, as 111122223333")
    return value


def _identities(values: tuple[str, ...], account_id: str) -> dict[str, Identity]:
    found = {}
    for value in values:
        key, separator, text = value.partition("=")
        try:
            if not key or not separator:
                raise ValueError(f"{value!r:.80} names no access key; {REMEDY}")
            found[key] = parse_identity(text, account_id)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--identity") from None
    return found


def _policies(values: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for value in values:
        who, _, name = value.rpartition("=")
        path = Path(name)
        try:
            if not who or not name:
                raise ValueError(f"{value!r:.80} is no policy; write KEY=FILE or ARN=FILE, with the policy as JSON in the file")
            found[who] = json.loads(path.read_text(encoding="utf-8"))
            Policies(found)
        except OSError as error:
            raise click.BadParameter(f"{path}: cannot be read: {error.strerror or error}", param_hint="--policy") from None
        except ValueError as error:
            raise click.BadParameter(f"{path}: {error}", param_hint="--policy") from None
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--listen", default="127.0.0.1:5000", show_default=True, callback=_address, help="Address to serve on; port 0 is any free one."
)
@click.option("--account", default="111122223333", show_default=True, callback=_account, help="Account of access keys that are not named.")
@click.option(
    "--delay", type=DurationType(), default="2s", show_default=True, help="From a call to its appearance in CloudTrail (AWS: some 5m)."
)
@click.option(
    "--bus-delay",
    type=DurationType(),
    default="1s",
    show_default=True,
    help="From a call to its event on EventBridge (AWS: seconds to minutes).",
)
@click.option("--trail-interval", type=DurationType(0.1), default="5s", show_default=True, help="How often trails get log files (AWS: 5m).")
@click.option(
    "--config-delay", type=DurationType(), default="1s", show_default=True, help="From a change to AWS Config knowing of it (AWS: minutes)."
)
@click.option(
    "--athena-delay",
    type=DurationType(),
    default="100ms",
    show_default=True,
    help="How long a query of Athena is queued, and as long again it runs at least (AWS: seconds).",
)
@click.option(
    "--digest-interval",
    type=DurationType(1),
    default="1h",
    show_default=True,
    help="How often trails with validation get a signed digest (AWS: 1h).",
)
@click.option("--default-identity", default="user/alice", show_default=True, help="Who calls with an access key that is not named.")
@click.option("--identity", "identities", multiple=True, metavar="KEY=IDENTITY", help=f"Who calls with an access key; {REMEDY}.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="KEY=FILE",
    help="IAM policy, as JSON, of an access key or of the ARN of a user or role: what it does not allow is denied; repeatable.",
)
@click.option("--source-ip", help="Address from which all calls seem to come; without it, the one from which they come.")
@click.option("--activity", is_flag=True, help="Have people, pipelines and controllers act, in three accounts and two regions.")
@click.option("--activity-pause", type=DurationType(0.01), default="1s", show_default=True, help="Between two of their steps, on average.")
@click.option("--activity-past", type=DurationType(), default="0s", help="How much Event history there is before they begin.")
@fault_options
def main(
    listen: tuple[str, int],
    account: str,
    delay: timedelta,
    bus_delay: timedelta,
    trail_interval: timedelta,
    config_delay: timedelta,
    athena_delay: timedelta,
    digest_interval: timedelta,
    default_identity: str,
    identities: tuple[str, ...],
    policies: tuple[str, ...],
    source_ip: str | None,
    activity: bool,
    activity_pause: timedelta,
    activity_past: timedelta,
    **faults: Any,
) -> None:
    """Stand in for AWS on one endpoint: moto's services, and the CloudTrail that records what is done to them.

    GET /-/ready answers 200 as soon as it serves; GET /-/actions tells what was asked for, POST /-/records takes records, GET
    /-/truth has all that there are. SIGINT and SIGTERM end it.
    """
    try:
        default = parse_identity(default_identity, account)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--default-identity") from None
    host, port = listen
    settings = Settings(
        host=host,
        port=port,
        account_id=account,
        delay=delay,
        bus_delay=bus_delay,
        trail_interval=trail_interval,
        config_delay=config_delay,
        athena_delay=athena_delay,
        digest_interval=digest_interval,
        default_identity=default,
        identities=_identities(identities, account),
        policies=_policies(policies),
        source_ip=source_ip,
        faults=faults_of(faults),
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        with Sandbox(settings) as sandbox:
            click.echo(f"serving AWS on {sandbox.url} (account {account}); point clients at it with AWS_ENDPOINT_URL={sandbox.url}")
            if activity:
                with acting(sandbox, faults["seed"], activity_pause, activity_past, click.echo):
                    stop.wait()
            else:
                stop.wait()
    except OSError as error:
        raise click.ClickException(f"cannot serve on {host}:{port}: {error.strerror or error}") from None
    click.echo("stopped")
