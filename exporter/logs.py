"""Logging: structlog to standard error, JSON or console, every value made safe to read."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from exporter.text import visible

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("console", "json")

Logger = structlog.typing.FilteringBoundLogger


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value, 4096)
    if isinstance(value, list | tuple):
        return [_safe(item) for item in value]
    if isinstance(value, Mapping):
        return {visible(str(key), 128): _safe(item) for key, item in value.items()}
    return value


def _make_safe(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # Text is what most values are, and every change makes a line: hence not by `_safe`.
    return {
        key: _indented(value) if key == "exception" else visible(value, 4096) if type(value) is str else _safe(value)
        for key, value in event.items()
    }


def _indented(traceback: str) -> str:
    """Return a traceback whose lines cannot pass for lines of the log: the message of an exception may quote a record."""
    return "\n".join([f"  {visible(line, 4096)}" for line in traceback.split("\n")])


def _spelled(event: EventDict, **_options: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class _Unfailing:
    """A stream whose reader may be gone and whose disk may be full: the watching goes on, and only the lines are lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def make_logger(level: str = "info", form: Literal["console", "json"] | str = "console", stream: TextIO | None = None) -> Logger:
    """Return a logger that writes to a stream, standard error by default; times are UTC. A stream that fails raises nothing."""
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        _make_safe,
    ]
    if form == "json":
        processors.append(structlog.processors.JSONRenderer(_spelled))
    else:
        processors.append(
            structlog.dev.ConsoleRenderer(
                sort_keys=False, colors=stream.isatty(), timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
            )
        )
    _route_libraries(number, stream)
    logger: Logger = structlog.wrap_logger(
        structlog.PrintLogger(cast("TextIO", _Unfailing(stream))),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
    return logger


def _route_libraries(level: int, stream: TextIO) -> None:
    """Let libraries that use the standard logging speak from warnings upwards only."""
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=stream, format="%(asctime)s [%(levelname)s] %(name)s: %(message)s", force=True
    )
    # APScheduler warns of every run it skips; the scheduler's own listener counts and logs them.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
