import { describe, expect, test } from 'vitest'
import { grafanaDashboard, objectives, prometheusRules, secondsBuckets, type GrafanaDashboard } from 'outrigger/observe'
import { slo as ready } from '../../../docs/observability/objectives.js'
import { prometheusNames, type MetricKind } from '../../../src/observe/metrics/_prometheus-names.js'
import { prometheusName } from '../../../src/observe/metrics/definition.js'
import { modelMetricDefinitions, type ModelMetricDefinition } from '../../../src/observe/metrics/model-metrics-definitions.js'
import { hasPromtool, promtool } from '../../_servers/promtool.js'

const slo = objectives([
  { kind: 'availability', objective: 0.999 },
  { kind: 'latency', objective: 0.99, thresholdMs: 250 },
  { kind: 'quality', objective: 0.9, good: () => true, periodMs: 28 * 86_400_000 },
  { kind: 'drift', objective: 0.95 },
])
const options = { source: 'Flüge & Co.', match: { job: 'flights' } }
const dashboard = grafanaDashboard(slo, options)
const expressions = ({ panels }: GrafanaDashboard): string[] => panels.flatMap(({ targets }) => targets?.map(({ expr }) => expr) ?? [])

/** What Grafana's classic schema asks for, of the parts that are used. */
const problems = (json: GrafanaDashboard): string[] => {
  const found: string[] = []
  const want = (isFine: boolean, what: string): void => void (isFine || found.push(what))
  want(/^[a-zA-Z0-9_-]{1,40}$/.test(json.uid), 'uid')
  want(json.title !== '' && json.schemaVersion >= 36, 'title, schemaVersion')
  const { list } = json['templating'] as { list: { name: string; type: string; query: string }[] }
  const variables = new Set(list.map(({ name }) => name))
  const taken = new Map<string, number>()
  const ids = new Set<number>()
  for (const { id, type, title, gridPos: { x, y, w, h }, targets, fieldConfig, datasource } of json.panels) {
    want(!ids.has(id), `id ${id} twice`)
    ids.add(id)
    want(title !== '', `panel ${id} has no title`)
    want(x >= 0 && x + w <= 24 && w > 0 && h > 0, `panel ${id} is not on the grid`)
    for (let column = x; column < x + w; column += 1) {
      for (let row = y; row < y + h; row += 1) {
        const key = `${column},${row}`
        want(!taken.has(key), `panels ${taken.get(key)} and ${id} overlap`)
        taken.set(key, id)
      }
    }
    if (type === 'row') {
      want(targets === undefined && w === 24 && h === 1, `row ${id}`)
      continue
    }
    want(targets!.length > 0 && new Set(targets!.map(({ refId }) => refId)).size === targets!.length, `targets of ${id}`)
    for (const { uid } of [datasource, ...targets!.map((target) => target['datasource'])] as { uid: string }[]) want(variables.has(/^\$\{(\w+)\}$/.exec(uid)?.[1] ?? ''), `data source of ${id}`)
    const { unit, thresholds } = (fieldConfig as { defaults: { unit: string; thresholds?: { steps: { value: number | null }[] } } }).defaults
    want(['percentunit', 'none', 's', 'reqps'].includes(unit), `unit of ${id}`)
    const steps = thresholds?.steps.map(({ value }) => value) ?? [null]
    want(steps[0] === null && steps.slice(1).every((value, index) => value !== null && value >= (steps[index] ?? -Infinity)), `thresholds of ${id}`)
  }
  return found
}

describe('grafanaDashboard', () => {
  test('grafanaDashboard is what the classic schema asks for', () => {
    expect(problems(JSON.parse(JSON.stringify(dashboard)) as GrafanaDashboard)).toEqual([])
    expect(dashboard.uid).toBe('outrigger-fl-ge-co-')
    expect(dashboard.panels.map(({ title }) => title)).toEqual(expect.arrayContaining(['availability (availability): 99.9 % over 30d', 'quality (quality): 90 % over 28d', 'Burn rate', 'Calls by outcome']))
  })

  test('the check can fail', () => {
    const [first, second, ...rest] = dashboard.panels
    expect(problems({ ...dashboard, panels: [first!, { ...second!, gridPos: first!.gridPos }, ...rest] })).not.toEqual([])
    expect(problems({ ...dashboard, uid: 'a b', panels: [] })).toEqual(['uid'])
  })

  /** What an expression reads: names, and the labels that it tells series apart by. */
  const readBy = (expr: string): [name: string, label: string][] =>
    [...expr.replaceAll(/by \([^)]*\)/g, '').matchAll(/\b(ml_\w+(?::\w+)*)(?:\{([^}]*)\})?(?=[ [)]|$)/g)].flatMap(([, name, matchers = '']) => ['', ...[...matchers.matchAll(/(\w+)(?:=|!)/g)].map(([, label]) => label!)].map((label): [string, string] => [name!, label]))

  test('grafanaDashboard and the rules read only what the rules record, or a metric of the table, by labels that it has', () => {
    const rules = prometheusRules(slo, options)
    const known = new Map<string, readonly string[]>([...rules.matchAll(/- record: (\S+)/g)].map(([, name]) => [name!, ['ml_slo', 'service']]))
    for (const { kind, attributes = [], ...definition } of Object.values(modelMetricDefinitions) as ModelMetricDefinition<MetricKind>[]) {
      for (const name of prometheusNames(kind, definition).samples) known.set(name, [...attributes.map(prometheusName), 'le'])
    }
    const read = [...expressions(dashboard), ...[...rules.matchAll(/expr: \|-\n((?: {10}.*\n)+)/g)].map(([, expr]) => expr!)].flatMap(readBy)
    expect(read.length).toBeGreaterThan(200)
    expect(read.filter(([name, label]) => !known.has(name) || (label !== '' && label !== 'job' && !known.get(name)!.includes(label)))).toEqual([])
    for (const expr of expressions(dashboard)) expect(expr).toMatch(/service="Flüge & Co\."|job="flights"/)
    for (const { labels, expr } of expressions(dashboard).map((expr) => ({ expr, labels: [...(/by \(([^)]*)\)/.exec(expr)?.[1] ?? '').split(', ')].filter(Boolean) }))) {
      const names = readBy(expr).map(([name]) => name)
      for (const label of labels) expect(names.every((name) => known.get(name)!.includes(label)), `${label} of ${names.join()}`).toBe(true)
    }
  })

  test('the thresholds of the ready files are bounds of the buckets', () => {
    const bounds = slo.concat(ready).flatMap(({ query }) => [...query('5m', []).good.matchAll(/le="([\d.]+)"/g)].map(([, bound]) => Number(bound)))
    expect(bounds.length).toBe(2)
    for (const bound of bounds) expect(secondsBuckets).toContain(bound)
  })

  test.runIf(hasPromtool())('grafanaDashboard: promtool parses every expression', () => {
    const asRules = (list: readonly string[]): string => JSON.stringify({ groups: [{ name: 'dashboard', rules: list.map((expr, index) => ({ record: `a:b${index}`, expr: expr.replaceAll('$__rate_interval', '5m') })) }] })
    const { status, output } = promtool(['check', 'rules', 'rules.yml'], { 'rules.yml': asRules(expressions(dashboard)) })
    expect(status, output).toBe(0)
    expect(output).toContain(`${expressions(dashboard).length} rules found`)
    expect(promtool(['check', 'rules', 'rules.yml'], { 'rules.yml': asRules(['sum by (']) }).status).not.toBe(0)
  })
})
