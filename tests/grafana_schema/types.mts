// What the JSON of a dashboard may be, in the types of Grafana 11.6: the whole, and by type of panel what `Panel` leaves unknown.
import type { AnnotationQuery, Dashboard, DashboardLink, DataQuery, Panel, VariableModel } from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen.js';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen.js';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.js';
import type * as statetimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen.js';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.js';
import type * as text from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen.js';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.js';

// JSON holds the values of enumerations, not their names.
type Json<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

// @grafana/schema has no type of a Prometheus query: these are the keys of Grafana's PromQuery that the dashboards use.
interface PrometheusQuery extends DataQuery {
  expr: string;
  instant?: boolean;
  range?: boolean;
  exemplar?: boolean;
  interval?: string;
  legendFormat?: string;
  editorMode?: 'builder' | 'code';
  format?: 'time_series' | 'table' | 'heatmap';
}

type Defaults = NonNullable<NonNullable<Panel['fieldConfig']>['defaults']>;
type Link = Pick<DashboardLink, 'title' | 'url' | 'targetBlank'> & Partial<DashboardLink>;
interface Typed<Type extends string, Options, Custom> extends Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> {
  type: Type;
  options?: Partial<Options>;
  fieldConfig?: Omit<NonNullable<Panel['fieldConfig']>, 'defaults'> & {
    defaults: Omit<Defaults, 'custom' | 'links'> & { custom?: Partial<Custom>; links?: Link[] };
  };
  targets?: PrometheusQuery[];
}

// Marks have the keys of Grafana's PromAnnotation, which the common type knows none of.
interface PrometheusMarks extends AnnotationQuery {
  expr: string;
  titleFormat?: string;
  textFormat?: string;
  tagKeys?: string;
  step?: string;
}
// The SDK writes the keys of interval variables into all; Grafana passes over them.
interface Variable extends VariableModel {
  auto?: boolean;
  auto_count?: number;
  auto_min?: string;
}

export type AnyDashboard = Json<
  Omit<Dashboard, 'annotations' | 'panels' | 'templating'> & { annotations?: { list: PrometheusMarks[] }; templating?: { list: Variable[] } }
>;
export interface PanelTypes {
  bargauge: Json<Typed<'bargauge', bargauge.Options, Record<string, never>>>;
  heatmap: Json<Typed<'heatmap', heatmap.Options, heatmap.FieldConfig>>;
  stat: Json<Typed<'stat', stat.Options, Record<string, never>>>;
  'state-timeline': Json<Typed<'state-timeline', statetimeline.Options, statetimeline.FieldConfig>>;
  table: Json<Typed<'table', table.Options, table.FieldConfig>>;
  text: Json<Typed<'text', text.Options, Record<string, never>>>;
  timeseries: Json<Typed<'timeseries', timeseries.Options, timeseries.FieldConfig>>;
}
export interface Row {
  type: 'row';
  collapsed: boolean;
  title?: string;
  id: number;
  gridPos?: Panel['gridPos'];
  panels: unknown[];
}
