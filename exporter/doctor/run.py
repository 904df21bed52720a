"""One run of every check, with AWS opened and closed around it."""

from __future__ import annotations

import importlib

from exporter.aws import Aws, Operation
from exporter.config import Config
from exporter.doctor.base import Examination, Finding
from exporter.doctor.checks import examine
from exporter.errors import SourceError


class _Unheard:
    """Hears of requests and does nothing: a single run has no metrics."""

    def aws_request(self, operation: Operation, account_id: str, region: str, seconds: float, error_code: str | None) -> None:
        """Do nothing."""

    def aws_spent(self, operation: Operation, account_id: str, dollars: float) -> None:
        """Do nothing."""


def run(config: Config, where: str) -> list[Finding]:
    """Return what every check finds, in their order; `where` names the configuration."""
    aws: Aws | None = None
    aws_error: SourceError | None = None
    try:
        # Imported only now: botocore takes longer to load than all the rest, for every command.
        aws = importlib.import_module("exporter.aws.session").open_aws(config.aws, _Unheard())
    except SourceError as error:
        aws_error = error
    try:
        return list(examine(Examination(config, where, aws, aws_error)))
    finally:
        if aws is not None:
            aws.close()
