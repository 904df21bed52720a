"""How a table's queries become its columns."""

from __future__ import annotations

from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as grafana

from dashboards.fields import data_links, mappings, thresholds
from dashboards.record import Column, Panel

LETTERS = "ABCDEFGH"
"""The names of a panel's queries, by which columns find their values."""


def source(panel: Panel, column: Column) -> str:
    """Return the field that a column shows, as Grafana names it: the value of a lone query has no letter."""
    if column.of not in LETTERS:
        return column.of
    return f"Value #{column.of}" if len(panel.queries) > 1 else "Value"


def transformations(panel: Panel) -> list[grafana.DataTransformerConfig]:
    """Return the steps from answers to the table: one row for each set of labels, columns in order, under their titles."""
    fields = [source(panel, column) for column in panel.columns]
    steps = [grafana.DataTransformerConfig("merge", options={})] if len(panel.queries) > 1 else []
    return [
        *steps,
        grafana.DataTransformerConfig("filterFieldsByName", options={"include": {"names": fields}}),
        grafana.DataTransformerConfig(
            "organize",
            options={
                "excludeByName": {},
                "indexByName": {field: place for place, field in enumerate(fields)},
                "renameByName": {field: column.title for field, column in zip(fields, panel.columns, strict=True)},
            },
        ),
    ]


def overrides(panel: Panel) -> list[grafana.DashboardFieldConfigSourceOverrides]:
    """Return how each column differs from the table's defaults."""
    return [
        grafana.DashboardFieldConfigSourceOverrides(grafana.MatcherConfig("byName", column.title), properties)
        for column in panel.columns
        if (properties := _properties(column))
    ]


def _properties(column: Column) -> list[grafana.DynamicConfigValue]:
    found: list[tuple[str, object]] = []
    if column.unit:
        found.append(("unit", column.unit))
    if column.decimals is not None:
        found.append(("decimals", column.decimals))
    if column.width is not None:
        found.append(("custom.width", column.width))
    if column.texts or column.unit == "dateTimeFromNow":
        # Numbers stand at the right; what is read as words stands under its title.
        found.append(("custom.align", common.FieldTextAlignment.LEFT))
    if column.links:
        found.append(("links", data_links(column.links)))
    if column.texts:
        found.append(("mappings", mappings(column.texts)))
    if column.steps:
        found.append(("thresholds", thresholds(column.steps)))
        found.append(("color", grafana.FieldColor(grafana.FieldColorModeId.THRESHOLDS)))
    elif column.texts:
        # What has no name here must not look good or bad: the palette would colour it at random.
        found.append(("color", grafana.FieldColor(fixed_color="text", mode=grafana.FieldColorModeId.FIXED)))
    if column.steps or column.texts:
        found.append(("custom.cellOptions", common.TableColorTextCellOptions()))
    return [grafana.DynamicConfigValue(name, value) for name, value in found]
