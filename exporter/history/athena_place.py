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


def open_athena(config: Config, aws: Aws) -> Place:
    """Return the place; raises AwsError where no region is known."""
    watch = Watch(config.watch.sets, config.watch.events)
    opened = OpenedIngress(config.port_classes.ranges(), config.posture.internet)
    return TrailSql("athena", open_engine(config, aws), watch, opened, partitioned=True)


def open_engine(config: Config, aws: Aws, log: Logger | None = None) -> AthenaEngine:
    """Return the engine of the section `athena`, for `query` and for the place."""
    return AthenaEngine(caller_of(config.athena, aws, config.aws.regions), config.athena, log or make_logger("error", "console"))
