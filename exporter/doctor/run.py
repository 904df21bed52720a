"""One run of every check, with AWS opened and closed around it."""

from __future__ import annotations

from exporter.aws import Aws, Operation
from exporter.aws.session import open_aws
from exporter.config import Config
from exporter.doctor.base import Examination, Finding
from exporter.doctor.checks import examine
from exporter.errors import SourceError


class _Unheard:
    """Hears of requests and does nothing: a single run has no metrics."""

    def aws_request(self, operation: Operation, account_id: str, region: str, seconds: float, error_code: str | None) -> None:
        """Do nothing."""


def run(config: Config, where: str) -> list[Finding]:
    """Return what every check finds, in their order; `where` names the configuration."""
    aws: Aws | None = None
    aws_error: SourceError | None = None
    try:
        aws = open_aws(config.aws, _Unheard())
    except SourceError as error:
        aws_error = error
    try:
        return list(examine(Examination(config, where, aws, aws_error)))
    finally:
        if aws is not None:
            aws.close()
