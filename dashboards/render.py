"""Dashboards as the JSON that Grafana loads: keys sorted, so that a change of one panel is a change of its lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import build
from dashboards.boards import DASHBOARDS
from dashboards.record import Dashboard


def model(record: Dashboard) -> dict[str, Any]:
    """Return a dashboard as a JSON object."""
    document: dict[str, Any] = json.loads(json.dumps(build.dashboard(record, DASHBOARDS), cls=JSONEncoder))
    # The SDK knows annotations of every data source, and these keys only Prometheus has.
    for marks, annotation in zip(document["annotations"]["list"], record.annotations, strict=True):
        marks |= {"titleFormat": annotation.title, "textFormat": annotation.text, "tagKeys": "account_id,region", "step": "300s"}
    return document


def render(record: Dashboard) -> str:
    """Return the text of a dashboard's file."""
    return json.dumps(model(record), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def pages() -> Mapping[str, Callable[[], str]]:
    """Return each file of grafana/ and what makes its text."""
    return {f"grafana/{record.name}.json": lambda record=record: render(record) for record in DASHBOARDS}  # type: ignore[misc]
