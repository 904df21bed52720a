"""The running sandbox: builds all parts, serves them on one address, and ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.actions import ActionLog
from sandbox.athena import Athena
from sandbox.backend import Backend
from sandbox.balancers import Balancers
from sandbox.bus import Bus
from sandbox.config_aggregators import ConfigAggregators
from sandbox.config_calls import ConfigCalls
from sandbox.config_items import Inventory
from sandbox.config_recording import Recording
from sandbox.control import Control
from sandbox.digests import Digests, SigningKey
from sandbox.ec2 import Ec2
from sandbox.ec2_reads import Associations
from sandbox.faults import Faults
from sandbox.gate import Gate
from sandbox.gateway import Gateway, Operation
from sandbox.identities import Identities, Identity
from sandbox.journal import Journal
from sandbox.lookup import Lookup
from sandbox.models import Models
from sandbox.moments import Clock, skewed, utc_now
from sandbox.on_behalf import OnBehalf
from sandbox.organizations import ListAccounts
from sandbox.policies import Policies
from sandbox.records import Recorder
from sandbox.schedule import Schedule
from sandbox.sts import Trust, caller_identity
from sandbox.trail_calls import TrailCalls
from sandbox.trail_files import TrailFiles
from sandbox.trail_status import Deliveries
from sandbox.trails import Trails


@dataclass(frozen=True, slots=True)
class Settings:
    """What a sandbox is told. Port 0 is any free one; `delay` is from a call to its visibility in Event history.

    `config_delay` is from a change to its visibility in AWS Config; `config_related` says whether its items name the events that they
    come from, which AWS does not always do; for `athena_delay` a query of Athena is queued, and as long again it runs at least.
    `deliver` is False for a sandbox whose owner calls
    `deliver_events` and `deliver_files` itself. `policies` are IAM policies by access key or by ARN of a user or role: what they do
    not allow is denied; whoever has none may do everything.
    """

    host: str = "127.0.0.1"
    port: int = 0
    account_id: str = "111122223333"
    delay: timedelta = timedelta(seconds=2)
    bus_delay: timedelta = timedelta(seconds=1)
    trail_interval: timedelta = timedelta(seconds=5)
    digest_interval: timedelta = timedelta(hours=1)
    config_delay: timedelta = timedelta(seconds=1)
    athena_delay: timedelta = timedelta(milliseconds=100)
    config_related: bool = True
    deliver: bool = True
    faults: Faults = field(default_factory=Faults)
    default_identity: Identity | None = None
    identities: Mapping[str, Identity] = field(default_factory=dict)
    source_ip: str | None = None
    policies: Mapping[str, Any] = field(default_factory=dict)


_POLL_SECONDS = 0.05
"""How long `stop` may wait for the server to notice."""


_BUS_SECONDS = 0.2
"""How often EventBridge is served."""


class _QuietHandler(MotoRequestHandler):
    """Serves without a line for each request."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the status alone: the standard library's own would add a Date of this machine beside that of the sandbox."""
        self.send_response_only(code, message)

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - as werkzeug has it
        """End the connection, too, where a fault drops its request."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class Sandbox:
    """A running sandbox, from `start` to `stop`; also a context manager.

    `keep` takes records as if their calls had been made now, `actions` counts what was asked for, `journal` has all records.
    """

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self.settings = settings
        faults = settings.faults
        self.clock = clock = skewed(clock, faults.clock_skew)
        self.backend = Backend()
        self.journal = Journal()
        self._stop = threading.Event()
        default = settings.default_identity or Identity(settings.account_id, "user", "alice")
        self.identities = Identities(default, settings.identities)
        models, self._associations = Models(), Associations()
        recorder = Recorder(models, settings.source_ip)
        trails = Trails(self.backend)
        key = SigningKey(clock)
        self._bus = Bus(self.backend, self.journal, trails, clock, settings.bus_delay, faults)
        deliveries = Deliveries()
        self._files = TrailFiles(self.backend, self.journal, trails, deliveries, clock)
        self._digests = Digests(self.backend, trails, deliveries, key, clock, settings.digest_interval, faults)
        inventory = Inventory(self.backend, models, self._associations)
        self.config = Recording(inventory, clock, settings.config_delay, relates=settings.config_related)
        self.aggregators = ConfigAggregators(self.backend, self.config, clock)
        self.actions = ActionLog()
        self.policies = Policies(settings.policies)
        gate = Gate(faults, self.policies, Trust(self.backend), clock, self._stop)
        self.athena = Athena(self.backend, OnBehalf(gate, self.actions), gate, clock, settings.athena_delay)
        own: dict[tuple[str, str], Operation] = {
            ("cloudtrail", "LookupEvents"): Lookup(self.journal, clock, token_life=faults.token_life),
            ("cloudtrail", "ListPublicKeys"): key,
            ("organizations", "ListAccounts"): ListAccounts(self.backend),
            ("sts", "GetCallerIdentity"): caller_identity,
            **TrailCalls(self.backend, trails, deliveries).operations(),
            **ConfigCalls(self.backend, self.config, clock).operations(),
            **self.aggregators.operations(),
            **self.athena.operations(),
        }
        self.keep = Schedule(self.journal, clock, settings.delay, faults)
        self.control = control = Control(self.actions, self.journal, self.keep, self.config, self.aggregators, gate)
        told = (
            clock,
            own,
            trails.seen,
            gate,
            self.actions,
            control,
            Ec2(self.backend, self._associations),
            self.config,
            Balancers(inventory),
            self.athena.runs.workgroup_of,
        )
        self.application = Gateway(self.backend, recorder, self.identities, self.keep, *told)
        self._threads: list[threading.Thread] = []
        self._server: BaseWSGIServer | None = None

    @property
    def url(self) -> str:
        """Where it serves, as an endpoint for clients."""
        assert self._server is not None, "start it first"
        return f"http://{self.settings.host}:{self._server.server_port}"

    def start(self) -> None:
        """Begin to serve; returns when requests are answered. Raises OSError where the address is taken."""
        self.backend.reset()
        self._associations.forget()
        self.config.forget()
        self.aggregators.forget()
        self.athena.forget()
        self._server = make_server(self.settings.host, self.settings.port, self.application, threaded=True, request_handler=_QuietHandler)
        self._stop.clear()
        work: list[Callable[[], object]] = [lambda: server.serve_forever(_POLL_SECONDS)]
        server = self._server
        if self.settings.deliver:
            work.append(lambda: self._repeat(self.deliver_events, _BUS_SECONDS))
            work.append(lambda: self._repeat(self.deliver_files, self.settings.trail_interval.total_seconds()))
        self._threads = [threading.Thread(target=task, name="sandbox", daemon=True) for task in work]
        for thread in self._threads:
            thread.start()

    def deliver_events(self) -> None:
        """Send to EventBridge what is due."""
        self._bus.deliver()

    def deliver_files(self) -> None:
        """Write the log files and digests that are due."""
        self._digests.deliver(self._files.deliver())

    def _repeat(self, task: Callable[[], None], seconds: float) -> None:
        while not self._stop.wait(seconds):
            task()

    def stop(self) -> None:
        """Stop serving and delivering and free the address; nothing if it does not run."""
        if self._server is None:
            return
        self._stop.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()
        self.athena.runs.end()
        self._server = None
        self.actions.save()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self.stop()
