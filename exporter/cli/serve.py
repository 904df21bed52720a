"""`serve`: poll on our own clock and answer Prometheus until told to stop."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import click

from exporter import __version__
from exporter.cli.options import config_option, log_options, reports_errors, resolve_config, web_config_option
from exporter.config import Config
from exporter.logs import Logger, make_logger
from exporter.service import Service, require_sources
from exporter.store import shown
from exporter.web import WebServer, all_routes, make_app
from exporter.web.access import Access, Guard

_HARD_STOP = 4.5
_SWITCH_SECONDS = 0.001
_M_ARENA_MAX, _ARENAS = -8, 2
"""mallopt(3): the option, and how many heaps do for threads of which one runs at a time."""


@click.command(short_help="Poll the sources and serve /metrics and the history.")
@config_option
@click.option("--web.listen-address", "listen_address", default=":10893", show_default=True, help="Address for /metrics and the pages.")
@web_config_option
@log_options
@reports_errors
def serve(config_file: Path | None, listen_address: str, web_config_file: Path | None, log_level: str, log_format: str) -> None:
    """Poll the sources and serve /metrics and the history until stopped (SIGTERM, Ctrl-C).

    SIGHUP or POST /-/reload reads the configuration file again; a bad one keeps the old configuration and sets
    awschange_exporter_config_last_reload_successful to 0. The file of --web.config.file and its certificates are read again
    by themselves too, when they change.
    """
    config, path = resolve_config(config_file)
    require_sources(config, str(path or "the default configuration"))
    run_service(config, path, listen_address, make_logger(log_level, log_format), web_config_file)
    end_process()


def run_service(
    config: Config,
    path: Path | None,
    listen_address: str,
    logger: Logger,
    web_config_file: Path | None = None,
    done: threading.Event | None = None,
) -> None:
    """Serve until a signal comes or `done` is set."""
    done = done or threading.Event()
    hangup = threading.Event()
    woken = threading.Event()

    def on_stop(*_: object) -> None:
        done.set()
        woken.set()

    def on_hangup(*_: object) -> None:
        hangup.set()
        woken.set()

    # A scrape must not wait five milliseconds, the interpreter's default, each time an ingesting thread holds the lock.
    sys.setswitchinterval(_SWITCH_SECONDS)
    _limit_arenas()
    access = Access(web_config_file, logger)
    service = Service(config, path, logger)
    refused = service.telemetry.http_refused
    guard = Guard(access, lambda: service.pipeline.config.web, refused, logger)
    app = make_app(service, all_routes(service), guard)
    server = WebServer(listen_address, app, lambda message: logger.error("web server", error=message), refused, access.tls, guard.headers)
    access.tell(service.telemetry.web_config_read)
    if web_config_file is not None:
        service.also_reload = access.reload
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_stop)
    signal.signal(signal.SIGHUP, on_hangup)
    server.start()
    service.start()
    logger.info(
        "serving",
        address=server.address,
        version=__version__,
        config=str(path) if path else None,
        store=shown(config.store.where),
        tls=access.tls() is not None,
        login=access.has_users,
    )
    while not done.is_set():
        # Wake now and then: a wait without a timeout would not let the main thread run signal handlers on every platform.
        woken.wait(timeout=0.5)
        woken.clear()
        if hangup.is_set():
            hangup.clear()
            service.reload()
        access.look()
    # Every transaction is whole or absent, so an end by force loses nothing that the next start would not read again.
    killer = threading.Timer(_HARD_STOP, os._exit, args=(0,))
    killer.daemon = True
    killer.start()
    # After the timer: whoever should read the log may have stalled, and then this line never ends.
    logger.info("stopping")
    server.stop()
    service.stop()
    killer.cancel()
    logger.info("stopped")


def _limit_arenas() -> None:
    """Keep glibc from giving many threads a heap each: pages that pass through a hundred of them would all stay in memory.

    With 200 accounts and regions that is a quarter of it (`make bench ARGS=units`). Other C libraries have no such call.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def end_process() -> None:
    """End at once where threads are left: a poll stuck in I/O must not keep the process alive."""
    if threading.active_count() > 1:
        os._exit(0)
