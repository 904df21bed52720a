"""The place `athena` of history: SQL over the table of trail logs that the section `athena` names."""

from __future__ import annotations

from exporter.aws import Aws
from exporter.catalog import Watch
from exporter.config import Config
from exporter.history.places import Place
from exporter.history.trail_sql import TrailSql
from exporter.logs import Logger, make_logger
from exporter.posture.open_ingress import OpenedIngress
from exporter.sql.athena import AthenaEngine
from exporter.sql.athena_access import caller_of
from exporter.sql.athena_cost import told
from exporter.sql.base import Limits, Progress, Result, Statement


def open_athena(config: Config, aws: Aws) -> Place:
    """Return the place; raises AwsError where no region is known."""
    watch = Watch(config.watch.sets, config.watch.events)
    opened = OpenedIngress(config.port_classes.ranges(), config.posture.internet)
    return TrailSql("athena", _Priced(open_engine(config, aws)), watch, opened, partitioned=True)


def open_engine(config: Config, aws: Aws, log: Logger | None = None) -> AthenaEngine:
    """Return the engine of the section `athena`, for `query` and for the place."""
    return AthenaEngine(caller_of(config.athena, aws, config.aws.regions), config.athena, log or make_logger("error", "console"))


class _Priced:
    """The engine, with a note of what each question scanned and about cost: an answer of history has no other place for it."""

    def __init__(self, engine: AthenaEngine) -> None:
        self.table = engine.table
        self._engine = engine

    def run(self, statement: Statement, limits: Limits, progress: Progress) -> Result:
        """Run one statement."""
        result = self._engine.run(statement, limits, progress)
        if result.scanned_bytes is not None and result.cost is not None:
            result.notes.append(f"{told(result.scanned_bytes)} were scanned, about ${result.cost:,.4f}")
        return result

    def cancel(self) -> None:
        """Stop what runs."""
        self._engine.cancel()

    def close(self) -> None:
        """Stop what runs."""
        self._engine.close()
