"""Options that several commands share, and how errors reach the terminal."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from exporter.config import Config, default_path, load, validate
from exporter.errors import ConfigError, ExporterError
from exporter.logs import LOG_FORMATS, LOG_LEVELS
from exporter.store import Store, open_store, shown, store_exists
from exporter.text import visible

DEFAULT_FILE = Path("aws-change-exporter.yml")

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration in YAML. Default: $AWS_CHANGE_EXPORTER_CONFIG, else ./aws-change-exporter.yml, else all defaults.",
)
web_config_option = click.option(
    "--web.config.file",
    "web_config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="AWS_CHANGE_EXPORTER_WEB_CONFIG",
    help="TLS and logins, in the format of Prometheus' web.config.file (docs/web-security.md). "
    "Default: $AWS_CHANGE_EXPORTER_WEB_CONFIG, else neither.",
)
level_option = click.option(
    "--log.level", "log_level", type=click.Choice(LOG_LEVELS), default="info", show_default=True, help="Least severe lines to write."
)
format_option = click.option(
    "--log.format",
    "log_format",
    type=click.Choice(LOG_FORMATS),
    default="console",
    show_default=True,
    help="Form of the log lines on standard error.",
)


def log_options(command: F) -> F:
    """Add --log.level and --log.format."""
    return level_option(format_option(command))


class Failure(click.ClickException):
    """An error a person can act on."""

    exit_code = 1

    def __init__(self, error: ExporterError) -> None:
        super().__init__("\n       ".join(visible(line, 2000) for line in str(error).splitlines()))


class WrongSetting(Failure):
    """The configuration or an option is wrong."""

    exit_code = 2


def reports_errors(command: F) -> F:
    """Turn the exporter's own errors into a message and an exit status."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ExporterError as error:
            raise (WrongSetting if isinstance(error, ConfigError) else Failure)(error) from error

    return wrapped  # type: ignore[return-value]


def resolve_config(config_file: Path | None) -> tuple[Config, Path | None]:
    """Return the configuration in force and the file it came from, if any."""
    path = config_file or default_path() or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    return (load(path), path) if path else (validate({}, "the default configuration"), None)


def existing_store(config: Config) -> Store:
    """Open the store to read from it; one that is not there yet is an error, not an empty answer."""
    if not store_exists(config.store.where):
        raise ConfigError(
            f"{config.store.key}: there is no store at {shown(config.store.where)} yet; "
            "run `poll` or `serve` with this configuration first, or name another with --config.file"
        )
    return open_store(config.store.where)


def fail(message: str, status: int = 1) -> NoReturn:
    """End the command with a message on standard error."""
    click.echo(f"Error: {visible(message, 4000)}", err=True)
    raise SystemExit(status)
