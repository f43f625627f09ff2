import { describe, expect, test } from 'vitest'
import { fallback, pipe, predictor } from 'outrigger'
import { alerts, modelMetrics, objectives, prometheusRules, prometheusText, watchObjectives } from 'outrigger/observe'
import { fakeClock } from 'outrigger/testing'
import { hasPromtool, promtool } from '../../_servers/promtool.js'

const minutes = 35

/** What `/metrics` says of a service each minute, as series of promtool; and what its alerts say. */
const course = async (isBad: (call: number) => boolean) => {
  const clock = fakeClock()
  const metrics = modelMetrics({ clock })
  const slo = objectives([
    { kind: 'availability', objective: 0.99 },
    { kind: 'availability', name: 'model-answers', objective: 0.99, answersBy: 'model' },
    { kind: 'latency', objective: 0.99, thresholdMs: 250 },
    { kind: 'quality', objective: 0.97, good: ({ label }) => label.value === true },
    { kind: 'freshness', objective: 0.95, maxAgeMs: 60_000, updatedAt: () => (isBad(1) ? 0 : clock.wall()) },
  ])
  const watch = alerts({ objectives: slo, clock })
  watchObjectives(metrics, watch)
  const fails = (call: number): number => {
    if (isBad(call)) throw new Error('down')
    return call
  }
  const model = predictor(fails, { clock, name: 'delay' })
  const slow = predictor(async (call: number) => {
    if (isBad(call)) await clock.advance(300)
    return call
  }, { clock, name: 'delay' })
  const services = [pipe(model), pipe(model, fallback(() => 0)), pipe(slow)]
  for (const service of services) for (const observer of [metrics.observer, watch.observer]) service.observe(observer)
  const series = new Map<string, (number | undefined)[]>()
  const scrape = (minute: number): void => {
    for (const [, name, value] of prometheusText(metrics).matchAll(/^(ml_\w+(?:\{.*\})?) (\S+)$/gm)) {
      const values = series.get(name!) ?? []
      values[minute] = Number(value)
      series.set(name!, values)
    }
  }
  for (let minute = 0; minute <= minutes; minute += 1) {
    for (let call = 0; call < 10; call += 1) {
      const id = `${minute}-${call}`
      await Promise.all(services.map((service) => service(call, { id }).catch(() => 0)))
      watch.label(id, !isBad(call), clock.wall())
    }
    scrape(minute)
    await clock.advance(60_000 - (clock.now() % 60_000))
  }
  const burning = watch.check().filter(({ rules }) => rules.some(({ name, isBurning }) => name === 'slow' && isBurning)).map(({ name }) => name)
  await watch.close()
  return { series, burning, rules: prometheusRules(slo) }
}

const alertOf = (name: string): string => `${name.split('-').map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')}BudgetBurnsPage`

describe.runIf(hasPromtool())('the rules, over what /metrics says', () => {
  for (const [what, isBad, expected] of [
    ['burn where every third call is bad', (call: number) => call % 3 === 1, ['availability', 'model-answers', 'latency', 'quality', 'freshness']],
    ['are quiet where none is', () => false, []],
  ] as const) {
    test(`prometheusRules ${what}, as alerts do`, async () => {
      const { series, burning, rules } = await course(isBad)
      expect(burning).toEqual(expected)
      const input = [...series].map(([name, values]) => [`      - series: '${name}'`, `        values: '${Array.from({ length: minutes + 1 }, (_, minute) => values[minute] ?? '_').join(' ')}'`])
      const test = (firing: (name: string) => boolean): string => [
        'rule_files: [rules.yml]', 'evaluation_interval: 1m', 'tests:', '  - interval: 1m', '    input_series:', ...input.flat(), '    alert_rule_test:',
        ...['availability', 'model-answers', 'latency', 'quality', 'freshness'].map((name) => `      - { eval_time: ${minutes}m, alertname: ${alertOf(name)}, exp_alerts: ${firing(name) ? `[{ exp_labels: { severity: page, ml_slo: ${name}, service: outrigger } }]` : '[]'} }`),
      ].join('\n')
      const bare = rules.replaceAll(/ {8}annotations:\n(?: {10}.*\n)+/g, '')
      const { status, output } = promtool(['test', 'rules', 'test.yml'], { 'rules.yml': bare, 'test.yml': test((name) => (expected as readonly string[]).includes(name)) })
      expect(status, output.slice(0, 3000)).toBe(0)
    })
  }
})
