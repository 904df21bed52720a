"""What Prometheus answers to the queries of a panel, held against what the panel shows of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from exporter.families import MESSAGE_FATES, VERIFICATION_STATES
from exporter.model import Channel, Outcome
from exporter.posture.ports import PORT_CLASSES
from exporter.posture.standing import Exposure
from tests.grafana_view import Json

Answers = Mapping[str, Sequence[Json]]
"""The series of a panel's answers, by the letters of its queries."""

NAMED = frozenset(
    (
        *PORT_CLASSES,
        *Channel,
        *Outcome,
        *Exposure,
        *VERIFICATION_STATES,
        *MESSAGE_FATES,
        "stored",
        "duplicate",
        "ignored",
        "malformed",
        "people",
        "scripts",
        "automation",
    )
)
"""Values that labels can have although they may not be seen: their colours are fixed all the same."""
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_FIELD = re.compile(r"\$\{__data\.fields\.(\w+)")
_SERIES_LABEL = re.compile(r"\$\{__field\.labels\.(\w+)")


def links(panel: Json) -> Iterator[str]:
    """Yield the addresses of all links of a panel's values."""
    fields = panel.get("fieldConfig") or {}
    for link in fields.get("defaults", {}).get("links") or ():
        yield link["url"]
    for override in fields.get("overrides", ()):
        for change in override["properties"]:
            if change["id"] == "links":
                yield from (link["url"] for link in change["value"])


def legends(panel: Json, answers: Answers) -> set[str]:
    """Return the names of the series as the legend shows them."""
    found = set()
    for target in panel["targets"]:
        form = target.get("legendFormat") or ""
        for series in answers[target["refId"]]:
            found.add(_LEGEND.sub(lambda match, labels=series["metric"]: labels.get(match[1], ""), form))
    return found


def against(panel: Json, answers: Answers, empty: Collection[str] = ()) -> Iterator[str]:
    """Yield where the answers do not have what a panel shows of them; `empty` are labels whose column may be."""
    labels = {label for series in answers.values() for one in series for label in one["metric"]}
    for target in panel["targets"]:
        of_query = {label for one in answers[target["refId"]] for label in one["metric"]}
        for label in _LEGEND.findall(target.get("legendFormat") or ""):
            if answers[target["refId"]] and label not in of_query:
                yield f"query {target['refId']}: the legend wants the label {label}"
    yield from _one_series(panel, answers)
    titles = set(_titles(panel))
    yield from _columns(panel, answers, labels | set(empty))
    for option in (panel.get("options") or {}).get("sortBy") or ():
        if option["displayName"] not in titles:
            yield f"is sorted by {option['displayName']}, which is no column"
    literal = {target.get("legendFormat") or "" for target in panel["targets"]}
    for override in (panel.get("fieldConfig") or {}).get("overrides", ()):
        name = override["matcher"]["options"]
        if name not in titles | literal | NAMED | legends(panel, answers):
            yield f"changes how {name} looks, which nothing is called"
    for address in links(panel):
        yield from (f"a link wants the column {name}" for name in sorted(set(_FIELD.findall(address)) - titles))
        if any(answers.values()):
            yield from (f"a link wants the label {name}" for name in sorted(set(_SERIES_LABEL.findall(address)) - labels))


def _one_series(panel: Json, answers: Answers) -> Iterator[str]:
    """Yield where a panel with room for one number gets several."""
    if panel["type"] == "stat":
        for letter, series in answers.items():
            if len(series) > 1:
                yield f"query {letter}: {len(series)} series, and a stat shows one"


def _titles(panel: Json) -> Iterator[str]:
    for step in panel.get("transformations") or ():
        if step["id"] == "organize":
            yield from step["options"]["renameByName"].values()


def _columns(panel: Json, answers: Answers, labels: set[str]) -> Iterator[str]:
    """Yield the columns that no answer fills."""
    several = len(panel["targets"]) > 1
    values = {f"Value #{letter}" if several else "Value" for letter, series in answers.items() if series}
    for step in panel.get("transformations") or ():
        if step["id"] == "organize" and any(answers.values()):
            wanted = list(step["options"]["renameByName"])
            yield from (f"the column of {field} is empty" for field in wanted if field not in labels | values)
