"""Where panels stand on the grid of 24 columns: worked out from their sizes, so that none overlaps."""

from __future__ import annotations

from collections.abc import Iterator

from dashboards.record import Dashboard, Panel, Row

COLUMNS = 24


def shelves(row: Row) -> Iterator[tuple[Panel, ...]]:
    """Yield the panels of a row line by line; a line is full where the next panel would not fit."""
    line: list[Panel] = []
    for panel in row.panels:
        if not 1 <= panel.width <= COLUMNS:
            raise ValueError(f"panel {panel.title!r}: a width of {panel.width} does not fit into {COLUMNS}")
        if sum(other.width for other in line) + panel.width > COLUMNS:
            yield tuple(line)
            line = []
        line.append(panel)
    if line:
        yield tuple(line)


def places(dashboard: Dashboard) -> Iterator[tuple[Row, int, list[tuple[Panel, int, int]]]]:
    """Yield each row with the y of its heading and its panels as (panel, x, y); what a collapsed row hides takes no room."""
    y = 0
    for row in dashboard.rows:
        heading, placed, below = y, [], y + 1
        for line in shelves(row):
            x = 0
            for panel in line:
                placed.append((panel, x, below))
                x += panel.width
            below += max(panel.height for panel in line)
        y = heading + 1 if row.collapsed else below
        yield row, heading, placed
