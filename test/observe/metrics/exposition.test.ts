import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { pipe, predictor } from 'outrigger'
import { bucketLabel, MetricRegistry, modelMetrics, openMetricsText, prometheusText } from 'outrigger/observe'
import { fakeClock } from 'outrigger/testing'
import { hasPromtool } from '../../_servers/promtool.js'
import { full, hostile } from './_full-registry.js'

describe('the texts', () => {
  test('have names with units and suffixes, and escapes, as each format wants them', () => {
    const registry = new MetricRegistry()
    registry.counter({ name: 'a.bytes.sent', unit: 'By', description: 'Sent\n"all" \\.', attributes: ['to'] }).add(3, { to: 'x"\\\n' })
    registry.gauge({ name: 'a.share', unit: '1', description: 'Share.' }).set(0.5)
    registry.info({ name: 'a.info', description: 'Info.', attributes: ['v'] }).set(1, { v: '1' })
    registry.histogram({ name: 'a.wait', unit: 's', description: 'Wait.', buckets: [0.5, 1] }).record(0.25)
    expect(prometheusText(registry)).toBe(
      [
        '# HELP a_bytes_sent_bytes_total Sent\\n"all" \\\\.',
        '# TYPE a_bytes_sent_bytes_total counter',
        'a_bytes_sent_bytes_total{to="x\\"\\\\\\n"} 3',
        '# HELP a_share_ratio Share.',
        '# TYPE a_share_ratio gauge',
        'a_share_ratio 0.5',
        '# HELP a_info Info.',
        '# TYPE a_info gauge',
        'a_info{v="1"} 1',
        '# HELP a_wait_seconds Wait.',
        '# TYPE a_wait_seconds histogram',
        'a_wait_seconds_bucket{le="0.5"} 1',
        'a_wait_seconds_bucket{le="1.0"} 1',
        'a_wait_seconds_bucket{le="+Inf"} 1',
        'a_wait_seconds_sum 0.25',
        'a_wait_seconds_count 1',
        '',
      ].join('\n'),
    )
    expect(openMetricsText(registry)).toBe(
      [
        '# TYPE a_bytes_sent_bytes counter',
        '# UNIT a_bytes_sent_bytes bytes',
        '# HELP a_bytes_sent_bytes Sent\\n\\"all\\" \\\\.',
        'a_bytes_sent_bytes_total{to="x\\"\\\\\\n"} 3',
        '# TYPE a_share_ratio gauge',
        '# UNIT a_share_ratio ratio',
        '# HELP a_share_ratio Share.',
        'a_share_ratio 0.5',
        '# TYPE a info',
        '# HELP a Info.',
        'a_info{v="1"} 1',
        '# TYPE a_wait_seconds histogram',
        '# UNIT a_wait_seconds seconds',
        '# HELP a_wait_seconds Wait.',
        'a_wait_seconds_bucket{le="0.5"} 1',
        'a_wait_seconds_bucket{le="1.0"} 1',
        'a_wait_seconds_bucket{le="+Inf"} 1',
        'a_wait_seconds_sum 0.25',
        'a_wait_seconds_count 1',
        '# EOF',
        '',
      ].join('\n'),
    )
  })

  test('a hostile value is one line, and stays a value', () => {
    for (const value of hostile) {
      const registry = new MetricRegistry()
      registry.counter({ name: 'a', description: 'A.', attributes: ['x'] }).add(1, { x: value })
      expect(prometheusText(registry).split('\n').length, JSON.stringify(value)).toBe(4)
    }
  })

  test('a series that comes after the first text is in the next, and an ended one is not', () => {
    const registry = new MetricRegistry({ maxSeries: 3 })
    const gauge = registry.gauge({ name: 'g', description: 'G.', attributes: ['x'] })
    const told = () => prometheusText(registry).split('\n').slice(2, -1)
    gauge.set(1, { x: 'a' })
    expect(told()).toEqual(['g{x="a"} 1'])
    gauge.set(2, { x: 'b' })
    gauge.set(3, { x: 'c' })
    expect(told()).toEqual(['g{otel_metric_overflow="true"} 3', 'g{x="a"} 1', 'g{x="b"} 2'])
    gauge.remove({ x: 'a' })
    expect(told()).toEqual(['g{otel_metric_overflow="true"} 3', 'g{x="b"} 2'])
    gauge.set(4, { x: 'd' })
    expect(told()).toEqual(['g{otel_metric_overflow="true"} 3', 'g{x="d"} 4', 'g{x="b"} 2'])
  })

  test('an exemplar leads from a bucket to the prediction, in OpenMetrics only', async () => {
    const clock = fakeClock({ wallMs: 1_700_000_000_500 })
    const metrics = modelMetrics({ clock })
    const predict = pipe(predictor((x: number) => x, { name: 'm', clock }))
    predict.observe(metrics.observer)
    await predict(1, { id: 'flight-7' })
    expect(openMetricsText(metrics)).toContain('le="0.0005"} 1 # {prediction_id="flight-7"} 0 1700000000.5\n')
    expect(prometheusText(metrics)).not.toContain('flight-7')
    // An id that is too long for an exemplar, or needs escapes, is none.
    for (const id of ['x'.repeat(200), 'a"b', 'a\\', 'a\nb', 'ü']) await predict(1, { id })
    expect(openMetricsText(metrics)).toContain('le="0.0005"} 6 # {} 0 1700000000.5\n')
  })

  test('bucketLabel spells bounds as the texts do', () => {
    expect([0.5, 1, 10, 0.0005, 1e21, Infinity].map(bucketLabel)).toEqual(['0.5', '1.0', '10.0', '0.0005', '1e+21', '+Inf'])
  })
})

describe.runIf(hasPromtool())('promtool', () => {
  const check = (text: string) => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
    return { status, output: stdout + stderr }
  }

  test('finds nothing wrong with our text, whatever is in it', () => {
    expect(check(prometheusText(full()))).toEqual({ status: 0, output: '' })
  })

  test('finds nothing wrong with the metrics of predictions', async () => {
    const metrics = modelMetrics()
    const predict = pipe(predictor((x: number) => x, { name: 'm', version: '3', digest: 'a'.repeat(64) }))
    predict.observe(metrics.observer)
    await predict.batch([1, 2, 3])
    expect(check(prometheusText(metrics))).toEqual({ status: 0, output: '' })
  })

  test('finds what is wrong, so that it can', () => {
    expect(check('# TYPE a counter\na{x="1"} 1\na{x="1"} 2\n').status).not.toBe(0)
  })
})
