/** The same objectives for a Grafana: {@link grafanaDashboard}. */
import { decimal, rangeOf, recorded, series, sloLabels } from './_recorded.js'
import type { Objective } from './objective.js'
import { prometheusOptions, type PrometheusOptions } from './prometheus-rules.js'

/** A dashboard of Grafana's classic schema, as plain data. */
export interface GrafanaDashboard {
  readonly title: string
  readonly uid: string
  readonly schemaVersion: number
  readonly panels: readonly GrafanaPanel[]
  readonly [field: string]: unknown
}

/** A panel, or the heading of a row. */
export interface GrafanaPanel {
  readonly id: number
  readonly type: 'row' | 'stat' | 'timeseries'
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string; readonly [field: string]: unknown }[]
  readonly [field: string]: unknown
}

type Query = readonly [legend: string, expr: string]
interface Step {
  readonly color: string
  readonly value: number | null
}

const datasource = { type: 'prometheus', uid: '${datasource}' }
const width = 24

/** Puts panels into rows from left to right. */
class Sheet {
  readonly panels: GrafanaPanel[] = []
  #x = 0
  #y = 0
  #high = 0

  row(title: string): void {
    this.#break()
    this.#add('row', title, width, 1, {})
    this.#break()
  }

  stat(title: string, query: Query, unit: string, steps: readonly Step[]): void {
    this.#add('stat', title, 4, 4, { datasource, targets: targets([query]), fieldConfig: { defaults: { unit, decimals: 3, thresholds: { mode: 'absolute', steps } }, overrides: [] }, options: { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, colorMode: 'value' } })
  }

  lines(title: string, queries: readonly Query[], unit: string, description: string, steps?: readonly Step[]): void {
    const custom = { drawStyle: 'line', fillOpacity: 8, ...(steps === undefined ? {} : { thresholdsStyle: { mode: 'line' } }) }
    this.#add('timeseries', title, 8, 8, { description, datasource, targets: targets(queries), fieldConfig: { defaults: { unit, min: 0, custom, ...(steps === undefined ? {} : { thresholds: { mode: 'absolute', steps } }) }, overrides: [] }, options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } } })
  }

  #add(type: GrafanaPanel['type'], title: string, w: number, h: number, rest: Readonly<Record<string, unknown>>): void {
    if (this.#x + w > width) this.#break()
    this.panels.push({ id: this.panels.length + 1, type, title, gridPos: { x: this.#x, y: this.#y, w, h }, ...rest })
    this.#x += w
    this.#high = Math.max(this.#high, h)
  }

  #break(): void {
    this.#y += this.#high
    this.#x = 0
    this.#high = 0
  }
}

const targets = (queries: readonly Query[]): NonNullable<GrafanaPanel['targets']> => queries.map(([legendFormat, expr], index) => ({ refId: String.fromCharCode(65 + index), expr, legendFormat, datasource, editorMode: 'code', range: true }))

/**
 * A dashboard of Grafana for objectives, as JSON that `Dashboards → Import` takes: for each objective what was attained, what is left of the error budget and how fast
 * it burns, then calls by outcome and source, and their latency. It reads what the rules of {@link prometheusRules} record, with the same options.
 *
 * @example
 * ```ts
 * import { grafanaDashboard, objectives } from 'outrigger/observe'
 * const dashboard = grafanaDashboard(objectives([{ kind: 'availability', objective: 0.999 }]), { source: 'flights' })
 * assert.equal(dashboard.title, 'flights: objectives and predictions')
 * assert.ok(JSON.stringify(dashboard).includes('ml_slo:bad:ratio_rate30d'))
 * ```
 */
export const grafanaDashboard = (list: readonly Objective[], options: PrometheusOptions = {}): GrafanaDashboard => {
  const { source, matchers } = prometheusOptions('a dashboard of Grafana', options)
  const sheet = new Sheet()
  for (const objective of list) {
    const { name, kind, objective: share, periodMs, rules } = objective
    const own = sloLabels(source, objective)
    const budget = decimal(1 - share)
    const overPeriod = series(recorded.badRatio(periodMs), own)
    sheet.row(`${name} (${kind}): ${decimal(100 * share)} % over ${rangeOf(periodMs)}`)
    sheet.stat('Attained', ['attained', `1 - ${overPeriod}`], 'percentunit', [{ color: 'red', value: null }, { color: 'green', value: share }])
    sheet.stat('Budget left', ['left', `1 - ${overPeriod} / ${budget}`], 'percentunit', [{ color: 'red', value: null }, { color: 'orange', value: 0 }, { color: 'green', value: 0.25 }])
    const windows = [...new Set(rules.flatMap(({ shortMs, longMs }) => [shortMs, longMs]))].sort((a, b) => a - b)
    sheet.lines(
      'Burn rate',
      windows.map((ms) => [rangeOf(ms), `${series(recorded.badRatio(ms), own)} / ${budget}`]),
      'none',
      '1 uses up exactly the budget of the period. An alert wants both of its windows at its rate.',
      [{ color: 'transparent', value: null }, ...rules.map(({ rate, severity }) => ({ color: severity === 'page' ? 'red' : 'orange', value: rate })).sort((a, b) => a.value - b.value)],
    )
  }
  const by = (metric: string, ...more: string[]): string => `${metric}${[...more, ...matchers].length === 0 ? '' : `{${[...more, ...matchers].join(',')}}`}`
  sheet.row('Predictions')
  sheet.lines('Calls by outcome', [['{{ml_outcome}}', `sum by (ml_outcome) (rate(${by('ml_inference_requests_total')}[$__rate_interval]))`]], 'reqps', 'rejected: a limit turned them away. aborted: their caller left.')
  sheet.lines('Answers by source', [['{{ml_source}}', `sum by (ml_source) (rate(${by('ml_inference_requests_total', 'ml_outcome="ok"')}[$__rate_interval]))`]], 'reqps', 'fallback and stale are answers, but not the model\'s.')
  sheet.lines('Latency of answers', [0.5, 0.95, 0.99].map((q): Query => [`p${100 * q}`, `histogram_quantile(${q}, sum by (le) (rate(${by('ml_inference_duration_seconds_bucket', 'ml_outcome="ok"')}[$__rate_interval])))`]), 's', 'Estimated within the buckets of the histogram.')
  sheet.lines('Calls by version', [['{{ml_model_name}} {{ml_model_version}}', `sum by (ml_model_name, ml_model_version) (rate(${by('ml_inference_requests_total')}[$__rate_interval]))`]], 'reqps', 'Which model answered.')
  sheet.lines('Errors', [['{{error_type}}', `sum by (error_type) (rate(${by('ml_inference_requests_total', 'error_type!=""')}[$__rate_interval]))`]], 'reqps', 'By the code that docs/errors.md explains.')
  sheet.row('Layers')
  sheet.lines('Waiting, 95th percentile', [['{{ml_model_name}}', `histogram_quantile(0.95, sum by (le, ml_model_name) (rate(${by('ml_queue_duration_seconds_bucket')}[$__rate_interval])))`]], 's', 'For a permit, for tokens or for a run to begin: the first sign of too little room.')
  sheet.lines('What the cache did', [['{{ml_cache_result}}', `sum by (ml_cache_result) (rate(${by('ml_cache_lookups_total')}[$__rate_interval]))`]], 'reqps', 'Fewer hits are more work for the model.')
  sheet.lines('Breakers that are not closed', [['{{ml_model_name}} {{ml_breaker_scope}} {{ml_state}}', `max by (ml_model_name, ml_breaker_scope, ml_state) (${by('ml_breaker_state', 'ml_state!="closed"')})`]], 'none', '1 while a breaker is in that state.')
  sheet.lines('Drift by feature', [['{{ml_drift_monitor}} {{ml_feature}}', `max by (ml_drift_monitor, ml_feature) (${by('ml_drift_score')})`]], 'none', 'How far a drifted feature has moved: Jensen-Shannon distance, 0 to 1.')
  sheet.lines('Changes of state', [['{{ml_layer}} {{ml_state}}', `sum by (ml_layer, ml_state) (increase(${by('ml_state_changes_total')}[$__rate_interval]))`]], 'none', 'A breaker that opened, a version that went live, a drift that was raised.')
  sheet.lines('Notices', [['{{ml_layer}}', `sum by (ml_layer) (increase(${by('ml_notices_total')}[$__rate_interval]))`]], 'none', 'Something failed that no caller was told.')
  return {
    title: `${source}: objectives and predictions`,
    uid: `outrigger-${source.toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-')}`.slice(0, 40),
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    tags: ['outrigger'],
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    templating: { list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', refresh: 1, regex: '', hide: 0, current: {}, options: [], multi: false, includeAll: false }] },
    panels: sheet.panels,
  }
}
