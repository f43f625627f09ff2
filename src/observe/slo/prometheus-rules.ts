/** The same objectives for a Prometheus: {@link prometheusRules}. */
import { InvalidOptionError } from '../../core/errors.js'
import { optionsObject, stringOption } from '../../core/options.js'
import { decimal, matchersOf, rangeOf, recorded, series, sloLabels } from './_recorded.js'
import type { AlertRule, Objective, Severity } from './objective.js'

/** Options of {@link prometheusRules} and {@link grafanaDashboard}. */
export interface PrometheusOptions {
  /** The name of the service: label `service` of what is recorded and told. @default 'outrigger' */
  readonly source?: string
  /** Labels by which the service's series are told from those of others, such as `{ job: 'flights' }`. @default none */
  readonly match?: Readonly<Record<string, string>>
}

/** The options, checked. */
export const prometheusOptions = (owner: string, options: PrometheusOptions): { readonly source: string; readonly matchers: readonly string[] } => {
  optionsObject(owner, options, ['source', 'match'])
  const { source = 'outrigger', match = {} } = options
  stringOption(owner, 'source', source)
  for (const [name, value] of Object.entries(match)) {
    if (!/^[a-z_]\w*$/i.test(name)) throw new InvalidOptionError(`Cannot create ${owner} as \`match\` must have names of labels: current value is ${JSON.stringify(name)}`)
    stringOption(owner, `match.${name}`, value)
  }
  return { source, matchers: matchersOf(match) }
}

type Rule = { readonly record: string; readonly expr: string; readonly labels: Readonly<Record<string, string>> } | { readonly alert: string; readonly expr: string; readonly labels: Readonly<Record<string, string>>; readonly annotations: Readonly<Record<string, string>> }

/** A text of JSON is one of YAML. */
const yaml = (rule: Rule): string[] => {
  const map = (name: string, entries: Readonly<Record<string, string>>): string[] => [`        ${name}:`, ...Object.entries(entries).map(([key, value]) => `          ${key}: ${JSON.stringify(value)}`)]
  return [
    'record' in rule ? `      - record: ${rule.record}` : `      - alert: ${rule.alert}`,
    '        expr: |-',
    ...rule.expr.split('\n').map((line) => `          ${line}`),
    ...map('labels', rule.labels),
    ...('annotations' in rule ? map('annotations', rule.annotations) : []),
  ]
}

const records = (objective: Objective, source: string, matchers: readonly string[], windows: readonly number[], counted: readonly number[]): Rule[] => {
  const labels = sloLabels(source, objective)
  const parts = (ms: number): { good: string; total: string } => objective.query(rangeOf(ms), matchers)
  return [
    ...windows.map((ms) => ({ record: recorded.badRatio(ms), expr: `1 - (${parts(ms).good} or vector(0)) / (${parts(ms).total} > 0)`, labels })),
    ...counted.map((ms) => ({ record: recorded.badCount(ms), expr: `(${parts(ms).total} - (${parts(ms).good} or vector(0))) * ${ms / 1000}`, labels })),
  ]
}

/** `flight-answers` as `FlightAnswers`. */
const camel = (name: string): string => name.split(/[-_]+/).map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')

const alertsOf = (objective: Objective, source: string): Rule[] => {
  const { name, objective: share, minimumBad, runbook, kind } = objective
  const own = sloLabels(source, objective)
  const one = ({ rate, longMs, shortMs }: AlertRule): string => {
    const limit = decimal(rate * (1 - share))
    return [
      '(',
      `  ${series(recorded.badRatio(longMs), own)} >= ${limit}`,
      `  and ${series(recorded.badRatio(shortMs), own)} >= ${limit}`,
      `  and ${series(recorded.badCount(longMs), own)} >= ${minimumBad}`,
      ')',
    ].join('\n')
  }
  return (['page', 'ticket'] as const).flatMap((severity: Severity): Rule[] => {
    const rules = objective.rules.filter((rule) => rule.severity === severity)
    if (rules.length === 0) return []
    const fastest = rules.map(({ rate, longMs }) => `${rate} times over ${rangeOf(longMs)}`).join(', or ')
    const annotations = {
      summary: `${source}: ${name} burns its error budget too fast`,
      description: `The share of bad events of ${name} (${kind}) is {{ $value | humanizePercentage }}; the objective allows ${decimal(100 * (1 - share))} %. This fires at ${fastest}.`,
      ...(runbook === undefined ? {} : { runbook_url: runbook.replaceAll('{{', '{{ "{{" }}') }),
    }
    return [{ alert: `${camel(name)}BudgetBurns${camel(severity)}`, expr: rules.map(one).join('\nor\n'), labels: { severity, ...own }, annotations }]
  })
}

/**
 * A rules file of Prometheus (YAML) for objectives: recording rules for the share of bad events in each window, and multi-window, multi-burn-rate alerts over them.
 *
 * An alert fires where `alerts` would: both windows at the rate, and `minimumBad` bad events in the long one. Availability and latency read
 * `ml_inference_requests_total` and `ml_inference_duration_seconds`; the other kinds read `ml_slo_events_total`, which needs `alerts` in the process.
 * A custom objective with a `query` reads that.
 *
 * Source: The Site Reliability Workbook (Google, 2018), chapter 5, table 5-8.
 *
 * @example
 * ```ts
 * import { objectives, prometheusRules } from 'outrigger/observe'
 * const rules = prometheusRules(objectives([{ kind: 'availability', objective: 0.999 }]), { source: 'flights', match: { job: 'flights' } })
 * assert.match(rules, /- alert: AvailabilityBudgetBurnsPage/)
 * assert.match(rules, />= 0\.0144\n/)
 * ```
 */
export const prometheusRules = (list: readonly Objective[], options: PrometheusOptions = {}): string => {
  const { source, matchers } = prometheusOptions('rules of Prometheus', options)
  const lines = ['# Made by prometheusRules() of outrigger: change the objectives, not this file.', 'groups:']
  const group = (name: string, interval: string, rules: readonly Rule[]): void => {
    lines.push(`  - name: ${JSON.stringify(name)}`, `    interval: ${interval}`, '    rules:', ...rules.flatMap(yaml))
  }
  for (const objective of list) {
    const { name, rules, periodMs } = objective
    const windows = [...new Set(rules.flatMap(({ shortMs, longMs }) => [shortMs, longMs]))].sort((a, b) => a - b)
    const counted = [...new Set(rules.map(({ longMs }) => longMs))]
    group(`${source}-${name}`, '30s', [...records(objective, source, matchers, windows, counted), ...alertsOf(objective, source)])
    // Dear, and slow to change.
    group(`${source}-${name}-period`, '5m', [
      ...(windows.includes(periodMs) ? [] : records(objective, source, matchers, [periodMs], [])),
      { record: recorded.objective, expr: `vector(${objective.objective})`, labels: sloLabels(source, objective) },
    ])
  }
  return `${lines.join('\n')}\n`
}
