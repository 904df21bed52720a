"""All routes that the exporter serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from exporter.aws import Aws
from exporter.errors import SourceError
from exporter.history.config_ask import ConfigAsk
from exporter.posture.judge import Judge
from exporter.posture.open_ingress import OpenedIngress
from exporter.web.api import api_routes
from exporter.web.core import core_routes
from exporter.web.http import Route
from exporter.web.pages import Pages, page_routes
from exporter.web.quiet import Quiet


def all_routes(service: Any) -> tuple[Route, ...]:
    """Return the routes over a running service: its metrics and health, the pages for people and the API for programs."""

    def judge() -> Judge:
        current: Judge = service.pipeline.judge
        return current

    config_ask = config_ask_of(service)
    pages = Pages(service.store, service.reports, judge=judge, config_ask=config_ask)
    return (*core_routes(service), *page_routes(pages), *api_routes(service.store, service.reports, judge, config_ask=config_ask))


def config_ask_of(service: Any) -> ConfigAsk:
    """Return what asks AWS Config as the configuration in force does, whatever that is when somebody asks."""
    quiet = Quiet()

    @contextmanager
    def using() -> Iterator[Aws | None]:
        pipeline = service.pipeline
        with pipeline.using_aws() as is_open:
            yield pipeline.lease.aws if is_open and pipeline.lease is not None else None

    def opened() -> OpenedIngress:
        config = service.pipeline.config
        return OpenedIngress(config.port_classes.ranges(), config.posture.internet)

    def failed(error: SourceError, account_id: str, region: str) -> None:
        held = quiet.passes(error.reason)
        if held is not None:
            service.log.warning(
                "AWS Config could not be asked for a page",
                account_id=account_id, region=region, reason=error.reason, error=str(error), more_since_the_last_line=held,
            )  # fmt: skip

    return ConfigAsk(using, service.store, opened, failed=failed)
