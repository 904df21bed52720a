"""Records become the models of Grafana's SDK."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from grafana_foundation_sdk.models import bargauge, common, heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import dashboard as grafana

from dashboards import tables
from dashboards.fields import data_links, mappings, thresholds
from dashboards.layout import places
from dashboards.record import Annotation, Dashboard, Kind, Link, Panel, Query, Row, Variable

SOURCE = grafana.DataSourceRef("prometheus", "${datasource}")
"""The data source that the reader chooses; no dashboard names one."""

TAG = "aws-change-exporter"

_TYPES: dict[Kind, str] = {
    "stat": "stat",
    "bars": "timeseries",
    "lines": "timeseries",
    "table": "table",
    "bar_gauge": "bargauge",
    "state_timeline": "state-timeline",
    "heatmap": "heatmap",
}
_INSTANT: frozenset[Kind] = frozenset({"stat", "table", "bar_gauge"})
_STEPS: Mapping[Kind, int] = MappingProxyType({"bars": 60, "heatmap": 60, "lines": 60, "state_timeline": 120})
"""Steps of a graph: more bars are too thin to point at, and every step of a count reads its window anew."""


def number(*names: str) -> int:
    """Return the id of a panel: from its names, so that it stays when others come and go."""
    return zlib.crc32("\n".join(names).encode()) % 1_000_000_000 + 1


def dashboard(record: Dashboard, others: Sequence[Dashboard]) -> grafana.Dashboard:
    """Return the model of a dashboard, which links to the others."""
    panels: list[grafana.Panel | grafana.RowPanel] = []
    for row, y, placed in places(record):
        built = [panel(record, one, grafana.GridPos(x=x, y=below, w=one.width, h=one.height)) for one, x, below in placed]
        panels.append(_heading(record, row, y, built if row.collapsed else []))
        panels += [] if row.collapsed else built
    return grafana.Dashboard(
        uid=record.uid,
        title=record.title,
        description=record.description,
        tags=[TAG],
        timezone="browser",
        editable=True,
        graph_tooltip=grafana.DashboardCursorSync.CROSSHAIR,
        time=grafana.DashboardDashboardTime(record.since, "now"),
        refresh="1m",
        panels=panels,
        templating=grafana.DashboardDashboardTemplating([_data_source(), *(variable(one) for one in record.variables)]),
        annotations=grafana.AnnotationContainer([annotation(one) for one in record.annotations]),
        links=[*(_away(link) for link in record.links), *(_to(other) for other in others if other.name != record.name)],
    )


def _heading(record: Dashboard, row: Row, y: int, hidden: list[grafana.Panel]) -> grafana.RowPanel:
    at = grafana.GridPos(x=0, y=y, w=24, h=1)
    return grafana.RowPanel(row.collapsed, row.title, None, at, number(record.name, "row", row.title), hidden)


def _away(link: Link) -> grafana.DashboardLink:
    return grafana.DashboardLink(
        link.title, grafana.DashboardLinkType.LINK, icon="external link", tooltip=link.title, url=link.url, tags=[], target_blank=True
    )


def _to(other: Dashboard) -> grafana.DashboardLink:
    return grafana.DashboardLink(
        other.title.rpartition(" / ")[2],
        grafana.DashboardLinkType.LINK,
        icon="dashboard",
        tooltip=other.description,
        url=f"/d/{other.uid}",
        tags=[],
        include_vars=True,
        keep_time=True,
    )


def _data_source() -> grafana.VariableModel:
    return grafana.VariableModel(
        grafana.VariableType.DATASOURCE,
        "datasource",
        "Data source",
        query="prometheus",
        refresh=grafana.VariableRefresh.ON_DASHBOARD_LOAD,
        description="The Prometheus that scrapes the exporter.",
    )


def variable(record: Variable) -> grafana.VariableModel:
    """Return the model of a variable; All stands for every value, the empty one too, and makes no long regular expression."""
    return grafana.VariableModel(
        grafana.VariableType.QUERY,
        record.name,
        record.label,
        grafana.VariableHide.HIDE_VARIABLE if record.hidden else grafana.VariableHide.DONT_HIDE,
        query={"qryType": 3 if record.query.startswith("query_result") else 1, "query": record.query, "refId": f"Variable-{record.name}"},
        datasource=SOURCE,
        description=record.description or None,
        multi=record.several,
        include_all=record.several,
        all_value=".*" if record.several else None,
        current=grafana.VariableOption(True, ["All"], ["$__all"]) if record.several else None,
        refresh=grafana.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=grafana.VariableSort.NATURAL_ASC,
        regex=record.pattern,
    )


def annotation(record: Annotation) -> grafana.AnnotationQuery:
    """Return the model of marks; what the SDK leaves out of it is added in dashboards.render."""
    return grafana.AnnotationQuery(record.name, SOURCE, enable=record.shown, icon_color=record.color, expr=record.expr)


def panel(board: Dashboard, record: Panel, at: grafana.GridPos) -> grafana.Panel:
    """Return the model of a panel at a place."""
    return grafana.Panel(
        type_val=_TYPES[record.kind],
        id_val=number(board.name, record.title),
        title=record.title,
        description=record.description,
        datasource=SOURCE,
        grid_pos=at,
        targets=[_target(record, place, query) for place, query in enumerate(record.queries)],
        max_data_points=_STEPS.get(record.kind),
        interval=record.interval or None,
        transformations=tables.transformations(record) if record.kind == "table" else [],
        options=_options(record),
        field_config=_fields(record),
    )


def _target(record: Panel, place: int, query: Query) -> prometheus.Dataquery:
    instant = record.kind in _INSTANT
    shape = {"table": prometheus.PromQueryFormat.TABLE, "heatmap": prometheus.PromQueryFormat.HEATMAP}
    return prometheus.Dataquery(
        expr=query.expr,
        instant=instant,
        range_val=not instant,
        exemplar=query.exemplars,
        editor_mode=prometheus.QueryEditorMode.CODE,
        format_val=shape.get(record.kind, prometheus.PromQueryFormat.TIME_SERIES),
        legend_format=query.legend or None,
        ref_id=tables.LETTERS[place],
        datasource=SOURCE,
    )


def _fields(record: Panel) -> grafana.FieldConfigSource:
    by_threshold = record.kind in {"stat", "bar_gauge", "state_timeline"}
    # The palette by name gives several accounts the same colour; by place each has its own, as series come in the order of their labels.
    mode = grafana.FieldColorModeId.THRESHOLDS if by_threshold else grafana.FieldColorModeId.PALETTE_CLASSIC
    defaults = grafana.FieldConfig(
        unit=record.unit,
        decimals=0 if record.decimals is None and record.kind == "bars" else record.decimals,
        min_val=0 if record.kind in {"bars", "bar_gauge"} else None,
        mappings=mappings(record.texts),
        # What is unknown has the base colour, and must not look well.
        thresholds=thresholds(record.steps, "orange" if record.kind == "stat" and record.steps else "text"),
        color=grafana.FieldColor(mode),
        links=data_links(record.links) or None,
        no_value=record.otherwise or None,
        custom=_custom(record),
    )
    overrides = [
        grafana.DashboardFieldConfigSourceOverrides(
            grafana.MatcherConfig("byName", name), [grafana.DynamicConfigValue("color", grafana.FieldColor(fixed_color=color, mode=_FIXED))]
        )
        for name, color in record.colors
    ]
    return grafana.FieldConfigSource(defaults, overrides + tables.overrides(record))


_FIXED = grafana.FieldColorModeId.FIXED


def _custom(record: Panel) -> object:
    match record.kind:
        case "bars":
            return timeseries.FieldConfig(
                draw_style=common.GraphDrawStyle.BARS,
                fill_opacity=80,
                line_width=1,
                bar_alignment=common.BarAlignment.BEFORE,  # a bar counts what came up to its time
                stacking=common.StackingConfig(common.StackingMode.NORMAL, "A"),
                show_points=common.VisibilityMode.NEVER,
                axis_soft_max=5,
            )
        case "lines":
            style = common.GraphThresholdsStyleMode.DASHED if record.steps else common.GraphThresholdsStyleMode.OFF
            return timeseries.FieldConfig(
                draw_style=common.GraphDrawStyle.LINE,
                line_interpolation=common.LineInterpolation.STEP_AFTER,
                line_width=2,
                fill_opacity=0,
                show_points=common.VisibilityMode.AUTO,
                span_nulls=False,
                axis_soft_min=0,
                thresholds_style=common.GraphThresholdsStyleConfig(style),
            )
        case "state_timeline":
            return statetimeline.FieldConfig(line_width=0, fill_opacity=80)
        case "table":
            return common.TableFieldOptions(align=common.FieldTextAlignment.AUTO, filterable=True)
        case _:
            return None


def _legend(record: Panel) -> common.VizLegendOptions:
    named = any(query.legend for query in record.queries)
    return common.VizLegendOptions(common.LegendDisplayMode.LIST, common.LegendPlacement.BOTTOM, show_legend=named, calcs=[])


def _options(record: Panel) -> object:
    last = common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="")
    tooltip = common.VizTooltipOptions(common.TooltipDisplayMode.MULTI, common.SortOrder.DESCENDING, hide_zeros=record.kind == "bars")
    match record.kind:
        case "stat":
            return stat.Options(
                graph_mode=common.BigValueGraphMode.NONE,
                color_mode=common.BigValueColorMode.BACKGROUND if record.steps else common.BigValueColorMode.VALUE,
                justify_mode=common.BigValueJustifyMode.AUTO,
                text_mode=common.BigValueTextMode.AUTO,
                reduce_options=last,
                orientation=common.VizOrientation.AUTO,
            )
        case "bars" | "lines":
            return timeseries.Options(legend=_legend(record), tooltip=tooltip)
        case "table":
            return table.Options(
                cell_height=common.TableCellHeight.SM,
                sort_by=[common.TableSortByFieldState(record.sort, desc=True)] if record.sort else [],
                # Pages would take the room of two rows, and hide the worst alert on the second.
                footer=common.TableFooterOptions(show=False, enable_pagination=False),
            )
        case "bar_gauge":
            return bargauge.Options(
                display_mode=common.BarGaugeDisplayMode.BASIC,
                value_mode=common.BarGaugeValueMode.COLOR,
                name_placement=common.BarGaugeNamePlacement.LEFT,
                reduce_options=last,
                orientation=common.VizOrientation.HORIZONTAL,
                # Sizes of its own choice cut off names.
                text=common.VizTextDisplayOptions(title_size=14, value_size=20),
                max_viz_height=40,
            )
        case "state_timeline":
            return statetimeline.Options(show_value=common.VisibilityMode.NEVER, legend=_legend(record), tooltip=tooltip)
        case "heatmap":
            return heatmap.Options(
                color=heatmap.HeatmapColorOptions(heatmap.HeatmapColorMode.SCHEME, scheme="Blues", exponent=0.5, steps=32, fill="blue"),
                y_axis=heatmap.YAxisConfig(unit=record.unit),
                cell_values=heatmap.CellValues(unit="short"),
                tooltip=heatmap.HeatmapTooltip(common.TooltipDisplayMode.SINGLE, y_histogram=True),
                legend=heatmap.HeatmapLegend(show=True),
                filter_values=heatmap.FilterValueRange(le=1e-9),
                exemplars=heatmap.ExemplarConfig("orange"),
            )
