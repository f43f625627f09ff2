import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DDSketch } from '../../src/stats/ddsketch.js'
import { HyperLogLog } from '../../src/stats/hyperloglog.js'
import { sealed } from '../../src/stats/_sketch-state.js'

/** Answers of ddsketch (DataDog) and datasketches (Apache) to the same streams, made by test/golden/stats/make_sketches.py. */
const golden = JSON.parse(readFileSync(new URL('../golden/stats/sketches.json', import.meta.url), 'utf8')) as {
  readonly quantiles: readonly (readonly ['uniform' | 'pareto' | 'signed', number, readonly (readonly [number, number])[]])[]
  readonly distinct: readonly (readonly [number, number, number])[]
  readonly full: readonly (readonly [string, number])[]
}

const unit = Array.from({ length: 2000 }, (_, row) => ((row + 1) * 0.6180339887498949) % 1)
const streams = {
  uniform: unit,
  pareto: unit.map((u) => 1 / (1 - u) ** 2),
  signed: unit.map((u) => 1000 * (u - 0.4)),
}

test('DDSketch and the one of DataDog, with other buckets, are within both bounds of each other at every quantile', () => {
  for (const [kind, relativeAccuracy, quantiles] of golden.quantiles) {
    const sketch = new DDSketch({ relativeAccuracy })
    for (const value of streams[kind]) sketch.add(value)
    for (const [q, theirs] of quantiles) {
      // Both are within a of one value v: |x − v| ≤ a |v|, so that they are within (1 + a) / (1 − a) of each other.
      const ratio = sketch.quantile(q) / theirs
      const most = ((1 + relativeAccuracy) / (1 - relativeAccuracy)) * (1 + 1e-9)
      expect(ratio <= most && ratio >= 1 / most, `${kind} ${relativeAccuracy} ${q}: ${ratio}`).toBe(true)
    }
  }
})

test('HyperLogLog and the one of DataSketches, with other hashes, are within three of their common standard errors of each other', () => {
  for (const [precision, size, theirs] of golden.distinct) {
    const sketch = new HyperLogLog({ precision })
    for (let value = 0; value < size; value++) sketch.add(`user ${value}`)
    const error = (1.04 / Math.sqrt(2 ** precision)) * Math.SQRT2
    expect(Math.abs(sketch.estimate / theirs - 1), `${precision} ${size}`).toBeLessThan(3 * error)
  }
})

test('HyperLogLog weighs registers that are full as the paper does', () => {
  for (const [registers, estimate] of golden.full) {
    const sketch = new HyperLogLog(sealed('hyperloglog', { precision: 4, registers }))
    expect(Math.abs(sketch.estimate / estimate - 1)).toBeLessThan(1e-13)
  }
})
