"""Links of values: to the exporter's history page and from one dashboard to the next.

Values come from callers of AWS, so each is encoded by itself; Grafana's own encoding of a whole address leaves `&` and `#` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from dashboards.record import Link

KEEP = "${datasource:queryparam}&${job:queryparam}&${account:queryparam}&${region:queryparam}&${__url_time_range}"
"""What is chosen, and the time, for another dashboard."""


def cell(title: str) -> str:
    """Return the text of the column of this title in the row that was clicked, encoded."""
    return f"${{__data.fields.{title}:percentencode}}"


def label(name: str) -> str:
    """Return the label of the series that was clicked, encoded."""
    return f"${{__field.labels.{name}:percentencode}}"


def chosen(variable: str) -> str:
    """Return the value of a variable, encoded."""
    return f"${{{variable}:percentencode}}"


def history(title: str = "Who and what exactly", **parameters: str) -> Link:
    """Return a link to the history, newest first; `parameters` are those of the page, values from `cell`, `label`, `chosen`.

    It ends where the range shown ends, but begins with the history: an event that was counted at the beginning of the range happened before.
    """
    asked = {**parameters, "until": "${__to:date:iso}"}
    return Link(title, "${exporter_url}/history?" + _query(asked))


def dashboard(name: str, title: str, **variables: str) -> Link:
    """Return a link to another dashboard with variables set there, and with what is chosen here."""
    asked = _query({f"var-{key}": value for key, value in variables.items()})
    return Link(title, f"/d/awschange-{name}?{asked}&{KEEP}")


def _query(values: Mapping[str, str]) -> str:
    return "&".join(f"{quote(key)}={value}" for key, value in values.items())
