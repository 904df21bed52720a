"""What panels and dashboards are: records that the JSON of Grafana, its layout and the tests are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["stat", "bars", "lines", "table", "bar_gauge", "state_timeline", "heatmap"]
"""bars are counts in steps of time, stacked; lines are what goes up and down."""

Color = Literal["green", "yellow", "orange", "red", "blue", "purple", "text"]
"""Names of Grafana's theme, which has a light and a dark shade of each."""

Texts = tuple[tuple[str, str, Color], ...]
"""What values are called: (value, text, colour)."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    `legend` may hold `{{label}}`. Kinds that show one moment (stat, table, bar_gauge) ask for it alone. `exemplars` shows the
    events behind a counter as points; it wants a query on the counter itself, not on a recording rule.
    """

    expr: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """From `value` on the panel has this colour."""

    value: float
    color: Color


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a value; made by dashboards.links."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: a label, or `A`, `B`, ... for the value of that query. Labels without a column are not shown.

    `title` is one word, because links refer to it (dashboards.links).
    """

    of: str
    title: str
    unit: str = ""
    decimals: int | None = None
    width: int | None = None
    links: tuple[Link, ...] = ()
    steps: tuple[Step, ...] = ()
    texts: Texts = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    `description` is for who looks at it at night: what it says, and what an empty panel means. `unit` is a unit of Grafana
    ("locale" for counts, in all their digits). `texts` say what values are called. `otherwise` stands where a query returns
    nothing. `width` is of 24, `height` of about 30 pixels each. `sort` is the title of the column by which a table is sorted,
    greatest first. `interval` is the least step in time. `colors` are (legend, colour) of series that always have the same.
    `filled` says that the demo's data fill the
    panel, at least by its first query, which a test then asks of it.
    """

    title: str
    description: str
    kind: Kind
    queries: tuple[Query, ...]
    unit: str = "locale"
    decimals: int | None = None
    steps: tuple[Step, ...] = ()
    texts: Texts = ()
    otherwise: str = ""
    width: int = 12
    height: int = 8
    links: tuple[Link, ...] = ()
    columns: tuple[Column, ...] = ()
    sort: str = ""
    interval: str = ""
    colors: tuple[tuple[str, Color], ...] = ()
    filled: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, placed from left to right and from top to bottom."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the head of a dashboard: values of a label of a bounded metric, or what `pattern` finds in a query's result.

    `several` allows more than one value, and all of them.
    """

    name: str
    label: str
    query: str
    several: bool = True
    hidden: bool = False
    pattern: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks on all graphs where a query is greater than 0; `title` and `text` may hold `{{label}}`."""

    name: str
    expr: str
    title: str
    text: str
    color: Color
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; `name` is that of its file and the last part of its uid, `links` stand at its head beside those to the others."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...] = ()
    since: str = "now-24h"
    links: tuple[Link, ...] = ()

    @property
    def uid(self) -> str:
        """The id under which links find it, the same in every Grafana."""
        return f"awschange-{self.name}"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)
