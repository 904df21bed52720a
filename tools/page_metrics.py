"""docs/metrics.md, from the rows that make the metrics and the closed sets that make their label values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from types import ModuleType

from exporter import errors, model
from exporter.baseline import CHANNEL_CLASSES
from exporter.checks import STATE_FAMILIES
from exporter.families import (
    EVENT_FAMILIES,
    MESSAGE_FATES,
    OTHER,
    POSTURE_FAMILIES,
    RECORD_FAMILIES,
    SOURCE_FAMILIES,
    VERIFICATION_STATES,
    Family,
)
from exporter.forecast import FORECAST_FAMILIES
from exporter.metrics.table import SERIES_GAUGES, STORE_OPERATIONS, TELEMETRY
from exporter.model import Channel, Outcome, PrincipalType
from exporter.posture.ports import DEFAULT_PORT_CLASSES, PORT_CLASSES
from exporter.posture.standing import Exposure, Part
from exporter.store.series import FATES
from tools.markdown import code, notice, page, table

HEADER = ("Metric", "Type", "Labels", "Series budget", "Born at zero", "Stability", "Meaning")

INTRODUCTION = f"""
Names that begin with `awschange_` are what AWS says, read from the store; names that begin with `awschange_exporter_` are how the
exporter itself is doing. Stability: *experimental* names may change in any minor version, *stable* ones not within a major version,
*deprecated* ones name their successor.

*Series budget*: so many series are shown, the first by birth; all later ones are summed where the folded labels (in italics) are
`{OTHER}`. `metrics.budgets` changes it; such a change makes the sums jump once. *Born at zero*: **always** means that the series
exists at 0 from the first sight of an account and region, so alert on these (`awschange_events_total`: those of the events of the watch
set `security_groups`; others are held); **held** means that a new series is shown at 0 for `metrics.birth_hold` before it takes its value,
because `increase()` does not see the first sample of a series. The hold begins with the first scrape that showed the 0, so the changes with
which an account and region is first seen are shown that much later, in every family.
"""

STATE_HEADER = ("Metric", "Labels", "Series budget", "Folded as", "Stability", "Meaning")

STANDING = f"""
Gauges, where what stands is read (section `posture` of the configuration). Each reading of an account and region replaces them all, so a
series vanishes when what it shows is gone; a part that could not be read keeps its last complete answer. Past the budget of a family the
first series by account, region and labels are shown, the rest as their sum, their least or their greatest value where the folded labels
(in italics) are `{OTHER}`: so an alert on the sum of a family misses nothing. The budget is over all accounts and regions together.
"""

USUAL = """
Gauges, worked out from the history at each full hour for every account and region that has counters: see
[anomalous-rate.md](anomalous-rate.md). They are kept nowhere; two exporters on one store show the same.
"""

SOURCE_COUNTS = """
Kept in the store, in the transaction of what they count. A series exists at 0 from when its account and region first goes live for a
source that counts it, or, of a source that spans many, from when that first meets the account and region.
"""

VALUES = """
These labels have no other values than the ones listed, and `__other__` where they fold. All else that a caller can choose (session
names, ARNs, addresses, user agents, messages) is in the history, never in a label.
"""

KNOWN_FATES = {
    ("stored", ""): "a change not met before, which this source was the first to bring: stored, and counted where it is live",
    ("duplicate", ""): "the same event again; it is counted only now where it was past for all who brought it and is live for this source",
    ("duplicate", "conflict"): "the id of a stored event with another body; the first stands",
    ("duplicate", "superseded"): "an addendum by AWS that replaces the details of a stored event; the first one counts what it reveals",
}


def metrics_page() -> str:
    """Return the page: every family, then every closed set of label values."""
    return page(
        notice("exporter/families.py and exporter/metrics"),
        "# Metrics",
        INTRODUCTION,
        "## What AWS says",
        table(HEADER, map(family_row, EVENT_FAMILIES)),
        "## What is usual",
        USUAL,
        table(STATE_HEADER, map(state_row, FORECAST_FAMILIES)),
        "## What stands",
        STANDING,
        table(STATE_HEADER, map(state_row, STATE_FAMILIES)),
        "## What was found between two readings",
        table(HEADER, map(family_row, POSTURE_FAMILIES)),
        "## What became of every record",
        table(HEADER, map(family_row, RECORD_FAMILIES)),
        "## What sources count beside records",
        SOURCE_COUNTS,
        table(HEADER, map(family_row, SOURCE_FAMILIES)),
        "## How the exporter is doing",
        table(("Metric", "Type", "Labels", "Stability", "Meaning"), own_rows()),
        "## Label values",
        VALUES,
        "### outcome",
        plain_values(Outcome),
        "### channel",
        plain_values(Channel),
        "### channel_class",
        table(("Value", "Channels"), ((code(name), plain_values(channels)) for name, channels in CHANNEL_CLASSES.items())),
        "### principal_type",
        plain_values(PrincipalType),
        "### port_class",
        table(("Value", "Ports by default"), ((code(name), port_list(name)) for name in PORT_CLASSES)),
        "### exposure",
        plain_values(Exposure),
        "### part of the picture",
        plain_values(Part),
        "### frequency of the recorder",
        plain_values(("continuous", "daily")),
        "### fate and reason of a record",
        table(("Fate", "Reason", "Meaning"), fate_rows()),
        "### state of trail files and digests",
        plain_values(VERIFICATION_STATES),
        "### fate of a queue message",
        plain_values(MESSAGE_FATES),
        "### reason of a failed poll",
        plain_values(errors.SOURCE_REASONS),
        "### operation of a store error",
        plain_values(STORE_OPERATIONS),
    )


def family_row(family: Family) -> tuple[str, ...]:
    """Return the row of one family of the store."""
    labels = ", ".join(f"*{name}*" if name in family.folded else name for name in family.labels)
    zero = (
        ""
        if family.type == "gauge"
        else "always"
        if next(iter(family.zeros(model.Unit("", ""))), None) is not None
        else "held"
        if family.held
        else ""
    )
    return code(family.name), family.type, labels, f"{family.budget:,}", zero, family.stability, prose(family.help)


def state_row(family: Family) -> tuple[str, ...]:
    """Return the row of one family of gauges of what stands."""
    name, _, labels, budget, _, stability, meaning = family_row(family)
    return name, labels, budget, {"add": "sum", "min": "least", "max": "greatest"}[family.update], stability, meaning


def own_rows() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the rows of the exporter's own health."""
    for metric in (*TELEMETRY, *SERIES_GAUGES):
        yield code(metric.name), metric.type, ", ".join(metric.labels), metric.stability, prose(metric.help)


def prose(text: str) -> str:
    """Return a help text with the names in it set as code; Markdown would take `__other__` for bold type."""
    return re.sub(r"(?<![`\w])(__\w+__|awschange_\w+|(?:store|metrics|posture)\.[a-z_]+|increase\(\))", r"`\1`", text)


def plain_values(values: Iterable[str] | type[StrEnum]) -> str:
    """Return the values as a sentence."""
    return ", ".join(code(str(value)) for value in values) + "."


def port_list(name: str) -> str:
    """Return what ports a class has unless the configuration says otherwise."""
    if name in DEFAULT_PORT_CLASSES:
        return ", ".join(DEFAULT_PORT_CLASSES[name])
    return {"all": "every port, or every protocol", "other": "any other"}[name]


def fate_rows() -> Iterator[tuple[str, str, str]]:
    """Yield every fate and reason that the store counts; raise KeyError where one has no meaning here."""
    known = {**KNOWN_FATES}
    known |= {("ignored", reason): meaning for reason, meaning in meanings(model, "IGNORED_REASONS").items()}
    known |= {("malformed", reason): meaning for reason, meaning in meanings(errors, "MALFORMED_REASONS").items()}
    for fate, reason in FATES:
        yield code(fate), code(reason) if reason else "", known[fate, reason]


def meanings(module: ModuleType, name: str) -> dict[str, str]:
    """Return each value of a tuple of reasons with the comment beside it; raise where one has none."""
    block = re.search(rf"^{name} = \((.*?)^\)", inspect.getsource(module), re.MULTILINE | re.DOTALL)
    found = dict(re.findall(r'^    "(\w+)",  # (.+)$', block[1] if block else "", re.MULTILINE))
    if tuple(found) != getattr(module, name):
        raise ValueError(f"every value of {name} needs a comment beside it that says what it means")
    return found
