"""The engines of `query` by the names that `--from` has, opened for one statement and closed after it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.aws import Aws, Operation
from exporter.config import Config
from exporter.errors import ConfigError
from exporter.history.trail_places import files_engine, s3_engine
from exporter.pipeline import open_aws
from exporter.sources.files import FilesSettings
from exporter.sources.s3 import S3Settings
from exporter.sql.base import Engine


class _Unheard:
    """Hears of requests and does nothing: a single command has no metrics."""

    def aws_request(self, operation: Operation, account_id: str, region: str, seconds: float, error_code: str | None) -> None:
        """Do nothing."""

    def aws_spent(self, operation: Operation, account_id: str, dollars: float) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What an engine is opened with; AWS, where one asks for it, ends with `stack`."""

    config: Config
    paths: Sequence[Path]
    stack: ExitStack

    def aws(self) -> Aws:
        """Return AWS as this configuration has it."""
        aws = open_aws(self.config.aws, _Unheard())
        self.stack.callback(aws.close)
        return aws


def _files(opening: Opening) -> Engine:
    return files_engine(opening.config, opening.paths)


def _s3(opening: Opening) -> Engine:
    return s3_engine(opening.config, opening.aws())


def _athena(opening: Opening) -> Engine:
    # By name and only here, so that what it loads costs nothing where nobody asks for it.
    engine: Engine = importlib.import_module("exporter.history.athena_place").open_engine(opening.config, opening.aws())
    return engine


ENGINES: Mapping[str, Callable[[Opening], Engine]] = {"files": _files, "s3": _s3, "athena": _athena}
"""What opens each engine."""


def usual(config: Config, paths: Sequence[Path]) -> str:
    """Return the engine to ask where none is named: that of the logs which the configuration knows."""
    if paths or any(isinstance(source, FilesSettings) for source in config.sources):
        return "files"
    if any(isinstance(source, S3Settings) and source.bucket for source in config.sources):
        return "s3"
    raise ConfigError("--from: no source of type `files` or `s3` is configured; name a directory with --path, or give --from athena")


@contextmanager
def opened(name: str, config: Config, paths: Sequence[Path]) -> Iterator[Engine]:
    """Give an engine, and cancel and close it afterwards, whatever happens."""
    with ExitStack() as stack:
        engine = ENGINES[name](Opening(config, paths, stack))
        stack.callback(engine.close)
        try:
            yield engine
        except BaseException:
            # Ctrl-C above all: what runs elsewhere would go on, and cost money.
            engine.cancel()
            raise
