"""Logging: structlog to standard error, JSON or console, every value made safe to read."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

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
    return {key: value if key == "exception" else _safe(value) for key, value in event.items()}


def _spelled(event: EventDict, **_options: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def make_logger(level: str = "info", form: Literal["console", "json"] | str = "console", stream: TextIO | None = None) -> Logger:
    """Return a logger that writes to a stream, standard error by default; times are UTC."""
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
        structlog.PrintLogger(stream),
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
