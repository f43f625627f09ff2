import { describe, expect, test } from 'vitest'
import { grafanaDashboard, objectives, prometheusRules, type GrafanaDashboard } from 'outrigger/observe'
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

  test('grafanaDashboard reads only what the rules record, or the metrics of the service', () => {
    const rules = prometheusRules(slo, options)
    const known = new Set(['ml_inference_requests_total', 'ml_inference_duration_seconds_bucket', ...[...rules.matchAll(/- record: (\S+)/g)].map(([, name]) => name!)])
    const read = expressions(dashboard).flatMap((expr) => expr.match(/\bml_\w+(:\w+)*(?=[{[])/g) ?? [])
    expect(read.length).toBeGreaterThan(20)
    expect(read.filter((name) => !known.has(name))).toEqual([])
    for (const expr of expressions(dashboard)) expect(expr).toMatch(/service="Flüge & Co\."|job="flights"/)
  })

  test.runIf(hasPromtool())('grafanaDashboard: promtool parses every expression', () => {
    const asRules = (list: readonly string[]): string => JSON.stringify({ groups: [{ name: 'dashboard', rules: list.map((expr, index) => ({ record: `a:b${index}`, expr: expr.replaceAll('$__rate_interval', '5m') })) }] })
    const { status, output } = promtool(['check', 'rules', 'rules.yml'], { 'rules.yml': asRules(expressions(dashboard)) })
    expect(status, output).toBe(0)
    expect(output).toContain(`${expressions(dashboard).length} rules found`)
    expect(promtool(['check', 'rules', 'rules.yml'], { 'rules.yml': asRules(['sum by (']) }).status).not.toBe(0)
  })
})
