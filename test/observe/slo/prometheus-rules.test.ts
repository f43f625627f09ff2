import { describe, expect, test } from 'vitest'
import { alerts, objectives, prometheusRules, type AlertRule, type ObjectiveOptions } from 'outrigger/observe'
import { fakeClock } from 'outrigger/testing'
import { hasPromtool, promtool } from '../../_servers/promtool.js'

const all: readonly ObjectiveOptions[] = [
  { kind: 'availability', objective: 0.999, runbook: 'https://runbooks.example/availability' },
  { kind: 'availability', name: 'model-answers', objective: 0.99, answersBy: 'model', ignore: ['ERR_OUTRIGGER_INVALID_INPUT', 'ERR_OUTRIGGER_UNFIT_INPUT'] },
  { kind: 'latency', objective: 0.99, thresholdMs: 250 },
  { kind: 'latency', name: 'slow', objective: 0.999, thresholdMs: 1000, periodMs: 28 * 86_400_000 },
  { kind: 'quality', objective: 0.9, good: () => true },
  { kind: 'drift', objective: 0.95 },
  { kind: 'freshness', objective: 0.99, maxAgeMs: 1, updatedAt: () => 0 },
  { kind: 'custom', name: 'parity', objective: 0.99, sample: () => true, query: (range) => ({ good: `sum(rate(a[${range}])) - sum(rate(b[${range}]))`, total: `sum(rate(a[${range}]))` }) },
]
const rulesOf = (list: readonly ObjectiveOptions[]): string => prometheusRules(objectives(list), { source: 'flights', match: { job: 'flights "x"' } })

/** A unit test of promtool: what was counted, and who fires at a time. `series` in the notation of promtool. */
const firing = (rules: string, series: Readonly<Record<string, string>>, at: string, alert: string, severity: 'page' | 'ticket' | undefined, step = 1): { readonly status: number | null; readonly output: string } => {
  const expected = severity === undefined ? '[]' : `[{ exp_labels: { severity: ${severity}, ml_slo: availability, service: outrigger } }]`
  const test = [
    'rule_files: [rules.yml]',
    `evaluation_interval: ${step}m`,
    'tests:',
    `  - interval: ${step}m`,
    '    input_series:',
    ...Object.entries(series).flatMap(([name, values]) => [`      - series: '${name}'`, `        values: '${values}'`]),
    '    alert_rule_test:',
    `      - { eval_time: ${at}, alertname: ${alert}, exp_alerts: ${expected} }`,
  ]
  // Annotations hold a number; what is tested is who fires.
  return promtool(['test', 'rules', 'test.yml'], { 'rules.yml': rules.replaceAll(/ {8}annotations:\n(?: {10}.*\n)+/g, ''), 'test.yml': test.join('\n') })
}

describe.runIf(hasPromtool())('prometheusRules, judged by promtool', () => {
  test('prometheusRules of every kind pass promtool check rules', () => {
    const { status, output } = promtool(['check', 'rules', 'rules.yml'], { 'rules.yml': rulesOf(all) })
    expect(output).toContain('SUCCESS')
    expect(status).toBe(0)
  })

  test('promtool can fail: it refuses a custom objective whose query is none', () => {
    const bad = rulesOf([{ kind: 'custom', name: 'bad', objective: 0.9, sample: () => true, query: () => ({ good: 'sum(rate(', total: 'x' }) }])
    expect(promtool(['check', 'rules', 'rules.yml'], { 'rules.yml': bad }).status).not.toBe(0)
  })

  const ok = 'ml_inference_requests_total{ml_outcome="ok",ml_source="model"}'
  const error = 'ml_inference_requests_total{ml_outcome="error",error_type="Error"}'
  const availability = prometheusRules(objectives([{ kind: 'availability', objective: 0.999 }]))
  const page = 'AvailabilityBudgetBurnsPage'
  const ticket = 'AvailabilityBudgetBurnsTicket'

  type Minute = readonly [good: number, bad: number]
  const cases: readonly [what: string, minute: (at: number) => Minute, at: number, alert: string, severity: 'page' | 'ticket' | undefined][] = [
    ['2 % errors page after an hour', () => [980, 20], 65, page, 'page'],
    ['0.05 % errors are within the budget', () => [9995, 5], 400, page, undefined],
    ['0.8 % errors page by the slow rule, after six hours', () => [992, 8], 370, page, 'page'],
    ['0.3 % errors page nobody', () => [997, 3], 370, page, undefined],
    ['0.3 % errors are a ticket', () => [997, 3], 370, ticket, 'ticket'],
    ['at a low traffic a few errors say nothing: 5 of 30', (at) => [at % 2, at > 55 ? 1 : 0], 60, page, undefined],
    ['at the same traffic 12 are enough', (at) => [at % 2, at > 47 ? 1 : 0], 60, page, 'page'],
    ['a burst in a quiet hour is not enough', (at) => [1000, at > 57 && at < 60 ? 100 : 0], 60, page, undefined],
    ['the alert ends soon after the trouble', (at) => [980, at < 60 ? 20 : 0], 95, page, undefined],
    ['nothing but errors page', () => [0, 100], 65, page, 'page'],
    ['no traffic is no alert', (at) => (at === 0 ? [100, 7] : [0, 0]), 65, page, undefined],
  ]
  /** Totals, each so many minutes, from 0 on. */
  const totals = (minute: (at: number) => Minute, until: number, step: number, index: 0 | 1): string => {
    let total = 0
    return Array.from({ length: until + 1 }, (_, at) => (at === 0 ? 0 : (total += minute(at)[index]))).filter((_, at) => at % step === 0).join(' ')
  }
  for (const [what, minute, at, alert, severity] of cases) {
    test(`prometheusRules and alerts agree: ${what}`, async () => {
      const step = at > 120 ? 5 : 1
      const series = { [ok]: totals(minute, at, step, 0), [error]: totals(minute, at, step, 1) }
      const { status, output } = firing(availability, series, `${at}m`, alert, severity, step)
      expect(status, output).toBe(0)

      const clock = fakeClock()
      const start = clock.wall()
      let [events, bad, made] = [0, 0, 0]
      const counts = () => ({ events, bad })
      const watch = alerts({ objectives: objectives([{ kind: 'custom', name: 'availability', objective: 0.999, counts }]), everyMs: Infinity, clock })
      watch.check()
      for (made = 1; made <= at; made += 1) {
        const [good, wrong] = minute(made)
        await clock.advance(start + made * 60_000 - clock.wall() - 1)
        events += good + wrong
        bad += wrong
        watch.check()
      }
      const burning = watch.check()[0]!.rules.filter((rule) => rule.isBurning).map((rule) => rule.severity)
      expect(burning.includes(alert === page ? 'page' : 'ticket')).toBe(severity !== undefined)
      await watch.close()
    })
  }

  test('promtool can fail: who fires is not nobody', () => {
    expect(firing(availability, { [error]: '0+100x65' }, '65m', page, undefined).status).not.toBe(0)
    expect(firing(availability, { [ok]: '0+100x65' }, '65m', page, 'page').status).not.toBe(0)
  })

  test('prometheusRules: callers who leave are not bad', () => {
    const series = { [ok]: '0+500x90', 'ml_inference_requests_total{ml_outcome="aborted",error_type="AbortError"}': '0+500x90' }
    expect(firing(availability, series, '65m', page, undefined)).toMatchObject({ status: 0 })
  })

  test('prometheusRules: rows of the overflow, of which nobody knows how they ended, are not bad', () => {
    const series = { [ok]: '0+500x90', 'ml_inference_requests_total{otel_metric_overflow="true"}': '0+500x90' }
    expect(firing(availability, series, '65m', page, undefined)).toMatchObject({ status: 0 })
  })

  test('prometheusRules refuse a name that is no label, and a link with braces stays one', () => {
    expect(() => prometheusRules(objectives(all), { match: { 'a-b': 'c' } })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    const braces = rulesOf([{ kind: 'availability', objective: 0.999, runbook: 'https://wiki.example/{{page}}' }])
    expect(promtool(['check', 'rules', 'rules.yml'], { 'rules.yml': braces })).toMatchObject({ status: 0 })
  })

  test('prometheusRules: answers of a fallback are bad where the model has to answer', () => {
    const rules = prometheusRules(objectives([{ kind: 'availability', objective: 0.999, answersBy: 'model' }]))
    const series = { [ok]: '0+900x90', 'ml_inference_requests_total{ml_outcome="ok",ml_source="fallback"}': '0+100x90' }
    expect(firing(rules, series, '65m', page, 'page')).toMatchObject({ status: 0 })
    expect(firing(availability, series, '65m', page, undefined)).toMatchObject({ status: 0 })
  })

  test('prometheusRules: codes that are ignored are neither good nor bad', () => {
    const rules = prometheusRules(objectives([{ kind: 'availability', objective: 0.999, ignore: ['ERR_OUTRIGGER_INVALID_INPUT'] }]))
    const series = { [ok]: '0+900x90', 'ml_inference_requests_total{ml_outcome="error",error_type="ERR_OUTRIGGER_INVALID_INPUT"}': '0+100x90' }
    expect(firing(rules, series, '65m', page, undefined)).toMatchObject({ status: 0 })
    expect(firing(availability, series, '65m', page, 'page')).toMatchObject({ status: 0 })
  })

  for (const bound of ['1', '1.0']) {
    test(`prometheusRules: the bound of a latency is found as le="${bound}"`, () => {
      const rules = prometheusRules(objectives([{ kind: 'latency', name: 'availability', objective: 0.99, thresholdMs: 1000 }]))
      const bucket = (le: string): string => `ml_inference_duration_seconds_bucket{ml_outcome="ok",le="${le}"}`
      const series = { [bucket('0.1')]: '0+10x90', [bucket(bound)]: '0+70x90', [bucket('10')]: '0+90x90', 'ml_inference_duration_seconds_count{ml_outcome="ok"}': '0+100x90' }
      expect(firing(rules, series, '65m', page, 'page')).toMatchObject({ status: 0 })
      expect(firing(rules, { ...series, [bucket(bound)]: '0+100x90' }, '65m', page, undefined)).toMatchObject({ status: 0 })
    })
  }

  test('prometheusRules: kinds without a metric of their own read the counters of alerts', () => {
    const rules = prometheusRules(objectives([{ kind: 'drift', name: 'availability', objective: 0.99 }]))
    const events = (isGood: boolean): string => `ml_slo_events_total{ml_slo="availability",ml_slo_good="${isGood}"}`
    expect(firing(rules, { [events(true)]: '0+0x400', [events(false)]: '0+2x400' }, '70m', page, 'page')).toMatchObject({ status: 0 })
    expect(firing(rules, { [events(true)]: '0+2x400', [events(false)]: '0+0x400' }, '70m', page, undefined)).toMatchObject({ status: 0 })
  })
})

describe('prometheusRules', () => {
  test('prometheusRules leave out a rule that could not fire, and refuse one that was asked for', () => {
    const rules = prometheusRules(objectives([{ kind: 'quality', objective: 0.9, good: () => true }]))
    expect(rules).not.toContain('14.4')
    expect(rules).toContain('>= 0.6\n')
    const fast: AlertRule = { name: 'fast', rate: 14.4, longMs: 3_600_000, shortMs: 300_000, severity: 'page' }
    expect(() => objectives([{ kind: 'quality', objective: 0.9, good: () => true, rules: [fast] }])).toThrow(/could never fire/)
  })

  test('prometheusRules quote what others wrote', () => {
    const rules = rulesOf(all)
    expect(rules).toContain('job="flights \\"x\\""')
    expect(rules).toContain('runbook_url: "https://runbooks.example/availability"')
  })
})
