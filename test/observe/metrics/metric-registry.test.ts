import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { channels } from 'outrigger/core'
import { MetricRegistry, openMetricsText, prometheusText } from 'outrigger/observe'
import { fakeClock } from 'outrigger/testing'

const invalid = { code: 'ERR_OUTRIGGER_INVALID_OPTION' }
const named = (name: string, rest: object = {}) => ({ name, description: 'For a test.', ...rest })
const lines = (registry: MetricRegistry) => prometheusText(registry).split('\n').filter((line) => line !== '' && !line.startsWith('#'))

describe('instruments', () => {
  test('a bound series and the instrument count the same', () => {
    const registry = new MetricRegistry()
    const counter = registry.counter(named('a.requests', { attributes: ['model'] }))
    const bound = counter.bind({ model: 'delay' })
    bound.add()
    bound.add(2.5)
    counter.add(1, { model: 'delay' })
    counter.add(7, { model: 'other' })
    expect([bound.value, counter.bind({ model: 'delay' }) === bound]).toEqual([4.5, true])
    expect(lines(registry)).toEqual(['a_requests_total{model="delay"} 4.5', 'a_requests_total{model="other"} 7'])
  })

  test('a counter refuses what is negative, not finite or no number, and stays as it was', () => {
    const counter = new MetricRegistry().counter(named('a'))
    const series = counter.bind({})
    series.add(3)
    for (const amount of [-1, -0.001, Number.NaN, Infinity, -Infinity, '1' as never, null as never]) {
      expect(() => series.add(amount), String(amount)).toThrow(expect.objectContaining(invalid))
      expect(() => counter.add(amount), String(amount)).toThrow(expect.objectContaining(invalid))
    }
    expect(series.value).toBe(3)
  })

  test('a gauge takes any number, also NaN and infinities', () => {
    const registry = new MetricRegistry()
    const gauge = registry.gauge(named('g', { attributes: ['at'] }))
    gauge.set(-1.5, { at: 'a' })
    gauge.set(Number.NaN, { at: 'b' })
    gauge.set(Infinity, { at: 'c' })
    gauge.set(-Infinity, { at: 'd' })
    expect(() => gauge.set('1' as never)).toThrow(expect.objectContaining(invalid))
    expect(lines(registry)).toEqual(['g{at="a"} -1.5', 'g{at="b"} NaN', 'g{at="c"} +Inf', 'g{at="d"} -Inf'])
  })

  test('a removed series is told no more, and who still holds it sets nothing', () => {
    const registry = new MetricRegistry()
    const gauge = registry.gauge(named('g', { attributes: ['v'] }))
    const old = gauge.bind({ v: '1' })
    old.set(1)
    gauge.remove({ v: '1' })
    gauge.remove({ v: 'never there' })
    gauge.set(2, { v: '2' })
    old.set(9)
    expect(lines(registry)).toEqual(['g{v="2"} 2'])
  })

  test('a histogram puts values into the bucket of the first bound that is not below', () => {
    const registry = new MetricRegistry()
    const histogram = registry.histogram(named('h', { buckets: [1, 2.5, 10] }))
    const series = histogram.bind({})
    for (const value of [0, 1, 1.0001, 2.5, 10, 11]) series.record(value)
    expect(lines(registry)).toEqual(['h_bucket{le="1.0"} 2', 'h_bucket{le="2.5"} 4', 'h_bucket{le="10.0"} 5', 'h_bucket{le="+Inf"} 6', 'h_sum 25.5001', 'h_count 6'])
    expect([series.count, series.sum]).toEqual([6, 25.5001])
    for (const value of [-1, Number.NaN, Infinity, '2' as never, null as never]) expect(() => series.record(value)).toThrow(expect.objectContaining(invalid))
    expect(series.count).toBe(6)
  })

  test('histograms agree with a count by hand, on any values and bounds', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.double({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 20 }), fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 50 }), (some, values) => {
        const bounds = [...new Set(some.map((bound) => bound + 0))].sort((a, b) => a - b)
        const histogram = new MetricRegistry().histogram(named('h', { buckets: bounds }))
        for (const value of values) histogram.record(value)
        const cells = [...histogram.cells].slice(histogram.width)
        let below = 0
        bounds.forEach((bound, index) => {
          below += cells[index] as number
          expect(below).toBe(values.filter((value) => value <= bound).length)
        })
        expect(histogram.bind({}).count).toBe(values.length)
        expect(histogram.bind({}).sum).toBe(values.reduce((sum, value) => sum + value, 0))
      }),
      { numRuns: 50 },
    )
  })

  test('what has no attributes is told before anything was counted', () => {
    const registry = new MetricRegistry()
    registry.counter(named('a'))
    registry.counter(named('b', { attributes: ['x'] }))
    expect(lines(registry)).toEqual(['a_total 0'])
  })

  test('an instrument is the same one where it is asked for again, and refused as another one', () => {
    const registry = new MetricRegistry()
    const counter = registry.counter(named('a.b', { attributes: ['x'] }))
    expect(registry.counter(named('a.b', { attributes: ['x'] }))).toBe(counter)
    expect(() => registry.counter(named('a.b', { attributes: ['y'] }))).toThrow(expect.objectContaining(invalid))
    expect(() => registry.gauge(named('a.b', { attributes: ['x'] }))).toThrow(expect.objectContaining(invalid))
    // As Prometheus spells them they are one.
    expect(() => registry.counter(named('a_b'))).toThrow(/also as Prometheus spells it/)
    expect(() => registry.gauge(named('a.b.total'))).toThrow(expect.objectContaining(invalid))
    registry.histogram(named('h', { unit: 's' }))
    for (const taken of ['h_seconds_count', 'h.seconds.sum', 'h.seconds']) expect(() => registry.gauge(named(taken)), taken).toThrow(expect.objectContaining(invalid))
  })

  test.each([
    ['an empty name', { name: '' }],
    ['a name that is none', { name: '1a' }],
    ['a name with a line break', { name: 'a\nb' }],
    ['a name of another script', { name: 'méter' }],
    ['a name without an end', { name: 'a'.repeat(256) }],
    ['no description', { description: '' }],
    ['a unit with a line break', { unit: 's\n' }],
    ['an attribute of the text formats', { attributes: ['le'] }],
    ['the overflow\'s attribute', { attributes: ['otel.metric.overflow'] }],
    ['two attributes that are spelt alike', { attributes: ['a.b', 'a_b'] }],
    ['attributes that are no list', { attributes: 'a' as never }],
    ['an unknown option', { label: 'a' }],
  ])('a definition with %s is refused', (_, wrong) => {
    expect(() => new MetricRegistry().counter({ ...named('a'), ...wrong })).toThrow(expect.objectContaining(invalid))
  })

  test.each([[[]], [[1, 1]], [[2, 1]], [[Number.NaN]], [[1, Infinity]], ['1' as never], [Array.from({ length: 201 }, (_, index) => index)]])('buckets %j are refused', (buckets) => {
    expect(() => new MetricRegistry().histogram(named('h', { buckets }))).toThrow(expect.objectContaining(invalid))
  })

  test('options that make no sense are refused', () => {
    for (const options of [{ maxSeries: 1 }, { maxSeries: 2.5 }, { clock: {} as never }, { cap: 1 } as never, null as never]) expect(() => new MetricRegistry(options)).toThrow(expect.objectContaining(invalid))
  })

  test('an attribute that the instrument does not have is refused', () => {
    const counter = new MetricRegistry().counter(named('a', { attributes: ['x'] }))
    expect(() => counter.add(1, { user: 'ann' })).toThrow(expect.objectContaining(invalid))
  })
})

describe('the cap', () => {
  test('what comes after maxSeries - 1 series is counted in one more, exactly', () => {
    const registry = new MetricRegistry({ maxSeries: 50 })
    const counter = registry.counter(named('a', { attributes: ['user'] }))
    const histogram = registry.histogram(named('h', { attributes: ['user'], buckets: [1] }))
    for (let user = 0; user < 200; user += 1) {
      counter.add(1, { user })
      histogram.record(user % 2, { user })
      histogram.record(2, { user })
    }
    expect(lines(registry).filter((line) => line.startsWith('a_total'))).toHaveLength(50)
    expect(lines(registry)).toContain('a_total{otel_metric_overflow="true"} 151')
    expect(lines(registry)).toContain('h_count{otel_metric_overflow="true"} 302')
    expect(lines(registry)).toContain('h_bucket{otel_metric_overflow="true",le="1.0"} 151')
    // Those that were first go on.
    counter.add(1, { user: 3 })
    expect(lines(registry)).toContain('a_total{user="3"} 2')
  })

  test('no series are lost or mixed, whatever their values are', () => {
    const value = fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), fc.constantFrom('', 'a', '1:a', '-', '\0', '\ud800', '\udfff', '"', '\\', '\n', 'x'.repeat(300)), fc.integer(), fc.boolean(), fc.constant(undefined))
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { maxLength: 40 }), (pairs) => {
        const registry = new MetricRegistry({ maxSeries: 10 })
        const counter = registry.counter(named('a', { attributes: ['x', 'y'] }))
        for (const [x, y] of pairs) counter.add(1, { x, y })
        const told = lines(registry)
        expect(told.length).toBeLessThanOrEqual(10)
        // Every series has a line of its own, and nothing is lost.
        expect(new Set(told.map((line) => line.slice(0, line.lastIndexOf(' ')))).size).toBe(told.length)
        expect(told.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)).toBe(pairs.length)
      }),
      { numRuns: 100 },
    )
  })

  test('a hundred thousand hostile values keep no memory', () => {
    const registry = new MetricRegistry()
    const counter = registry.counter(named('a', { attributes: ['user'] }))
    for (let user = 0; user < 2000; user += 1) counter.add(1, { user: `${user} ${'x'.repeat(1000)}` })
    const { length } = counter.cells
    for (let user = 2000; user < 100_000; user += 1) counter.add(1, { user })
    expect([counter.table.size, counter.cells.length, counter.cells[0]]).toEqual([2000, length, 98_001])
    // Of a long text the beginning is kept, and not by holding on to all of it.
    expect(Math.max(...counter.table.values.map((values) => values?.[0]?.length ?? 0))).toBe(128)
  })
})

describe('watch', () => {
  test('a watched number is read when the metrics are, until it is ended', () => {
    const registry = new MetricRegistry()
    const counts = { hits: 1 }
    const stop = registry.watch('cache.hits', () => counts.hits, { kind: 'counter', attributes: { cache: 'a' } })
    registry.watch('cache.hits', () => 5, { kind: 'counter', attributes: { cache: 'b' } })
    counts.hits = 2
    expect(lines(registry)).toEqual(['cache_hits_total{cache="a"} 2', 'cache_hits_total{cache="b"} 5'])
    stop()
    stop()
    expect(lines(registry)).toEqual(['cache_hits_total{cache="b"} 5'])
    registry.watch('cache.hits', () => 7, { kind: 'counter', attributes: { cache: 'a' } })
    expect(lines(registry)).toContain('cache_hits_total{cache="a"} 7')
  })

  test('one that throws or gives no number is left out, told once, and comes back', () => {
    const registry = new MetricRegistry({ clock: fakeClock({ wallMs: 5 }) })
    const heard: unknown[] = []
    const listener = (event: unknown) => void heard.push(event)
    channels.notice.subscribe(listener)
    const answers: unknown[] = ['x', -1, Number.NaN, 3]
    registry.watch('b', () => answers.shift() as number, { kind: 'counter' })
    registry.watch('c', () => 4)
    registry.watch('bg', () => { throw new Error('gone') })
    const told = [0, 1, 2, 3].map(() => lines(registry).filter((line) => line.startsWith('b')))
    channels.notice.unsubscribe(listener)
    expect(told).toEqual([[], [], [], ['b_total 3']])
    expect(heard).toMatchObject([{ type: 'notice', layer: 'metrics', at: 5 }, { message: 'Reading bg failed; it is left out.' }])
  })

  test('what makes no sense is refused', () => {
    const registry = new MetricRegistry({ maxSeries: 3 })
    registry.watch('a', () => 1, { attributes: { n: 1 } })
    expect(() => registry.watch('a', () => 1, { attributes: { n: 1 } })).toThrow(expect.objectContaining(invalid))
    expect(() => registry.watch('a', () => 1, { attributes: { m: 1 } })).toThrow(expect.objectContaining(invalid))
    expect(() => registry.watch('a', () => 1, { kind: 'counter', attributes: { n: 2 } })).toThrow(expect.objectContaining(invalid))
    expect(() => registry.watch('b', 1 as never)).toThrow(expect.objectContaining(invalid))
    expect(() => registry.watch('b', () => 1, { kind: 'histogram' as never })).toThrow(expect.objectContaining(invalid))
    expect(() => registry.gauge(named('a', { attributes: ['n'] }))).toThrow(expect.objectContaining(invalid))
    registry.watch('a', () => 1, { attributes: { n: 2 } })
    expect(() => registry.watch('a', () => 1, { attributes: { n: 3 } })).toThrow(/as many series as it may/)
  })
})

test('both texts end as their formats say, also without any metric', () => {
  const registry = new MetricRegistry()
  expect([prometheusText(registry), openMetricsText(registry)]).toEqual(['', '# EOF\n'])
})
