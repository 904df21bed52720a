"""What a reader of what stands is: one for each account and region, or one for all that an aggregator has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from exporter.logs import Logger
from exporter.posture.standing import Reading


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What a reader may ask: the time, whether to stop soon, and who is told what a person should know."""

    now: Callable[[], datetime]
    stopping: Callable[[], bool] = lambda: False
    log: Logger = field(default_factory=structlog.get_logger)


class Reader(Protocol):
    """Reads what stands in one account and region; in all that an aggregator of AWS Config has where both are empty.

    Its name, account and region are its key, as of a unit of a source.
    """

    name: str
    account_id: str
    region: str

    def read(self, context: ReadContext) -> Iterator[Reading]:
        """Yield a reading of each account and region: one, or many of an aggregator.

        What fails for one part is a failure in the reading; raises SourceError where nothing at all can be read.
        """
        ...
