"""Schemathesis asks the running API what its own description allows and forbids, and holds the answers against it.

More of it, from another seed: SCHEMATHESIS_EXAMPLES=2000 SCHEMATHESIS_SEED=7 make test ARGS=tests/test_api_schemathesis.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

from exporter.history.cursor import encode
from exporter.store.base import Position
from exporter.web.api import ENDPOINTS
from exporter.web.api.openapi import description
from exporter.web.http import MAX_FIELDS, MAX_QUERY
from exporter.web.server import WebServer
from tests.api_app import Api
from tests.config_history import Recorded, group_item, tcp
from tests.store_events import ACCOUNT, NOON, REGION, event_id, made_up
from tests.test_surveyor import EVERYONE, WEB, rule, web

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "40"))
SEED = int(os.environ.get("SCHEMATHESIS_SEED", "1"))

schemathesis.openapi.format("cursor", st.integers(0, 50).map(lambda number: encode(Position(NOON, event_id(number)))))


schema = schemathesis.openapi.from_dict(description(ENDPOINTS))


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Serve an API over some events and a group that is open."""
    api = Api(recorded=Recorded([{**group_item(1, tcp(22, EVERYONE)), "resourceId": WEB}]))
    api.store(*made_up(1, 60))
    api.world.survey(web(rule(22, EVERYONE)))
    server = WebServer("127.0.0.1:0", api.app, lambda message: None)
    server.start()
    yield f"http://{server.address}"
    server.stop()
    api.world.store.close()
    assert "fault" not in api.log.getvalue()


@schema.parametrize()
@seed(SEED)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_the_api_does_what_its_description_says(base_url: str, case: Any) -> None:
    """Clients are generated from the description: what it allows must be answered as it says, and what it forbids refused, never a 500."""
    query = case.query or {}
    # The bound of all parameters together is none that a schema can say; tests/test_api_events.py asks beyond it.
    if len(urlencode(query, doseq=True)) > MAX_QUERY or sum(map(_times, query.values())) > MAX_FIELDS:
        return
    # Nor is it that one time must be later than the other.
    if case.meta.generation.mode.is_positive:
        query.pop("until", None)
    case.call_and_validate(base_url=base_url)


def _times(value: Any) -> int:
    return len(value) if isinstance(value, list | tuple) else 1


@pytest.mark.parametrize(
    "path",
    [
        f"events/{event_id(1_000_000)}",
        f"groups/{ACCOUNT}/{REGION}/{WEB}",
        f"groups/{ACCOUNT}/{REGION}/{WEB}/config-items",
        "principals?principal=role/Deploy",
        "open",
    ],
)
def test_what_schemathesis_asks_is_there(base_url: str, path: str) -> None:
    """An API that answers 404 to everything would make all of the above say nothing."""
    assert requests.get(f"{base_url}/api/v1/{path}", timeout=30).status_code == 200


def test_the_served_description_is_the_one_that_is_tested(base_url: str) -> None:
    """Clients read what is served, and the above what the code says."""
    assert requests.get(f"{base_url}/api/v1/openapi.json", timeout=30).json() == schema.raw_schema
