import { OptionRangeError } from '../../core/errors.js'
import { numberOption } from '../../core/options.js'
import { seededRandom } from '../../core/random.js'
import { readOptions } from './_state.js'
import { anyNumber, detectorOf, type DetectorState, type StreamDetector } from './stream-detector.js'

/** Options of {@link kswin}. */
export interface KswinOptions {
  /** Level of each single test; in (0, 1). @default 0.005 */
  readonly alpha?: number
  /** Values that are kept; at least twice `statSize`. @default 100 */
  readonly windowSize?: number
  /** Values on either side of the test. @default 30 */
  readonly statSize?: number
  /** Of the random choice of old values: the same seed gives the same answers. @default 1 */
  readonly seed?: number
  /** The state of another one, to go on from; its options need not be given again. */
  readonly state?: DetectorState
}

/** `window` is a ring: the oldest value is at `tests` mod its size, once it is full. */
interface Memory {
  tests: number
  window: number[]
}

/** P(n D ≥ k) of two samples of n values each, from one continuous distribution: exact, by reflection (Gnedenko and Korolyuk, 1951). */
const tailOfEqualSizes = (n: number, k: number): number => {
  let sum = 0
  for (let j = 1; j * k <= n; j++) {
    let ways = 1
    for (let i = 1; i <= j * k; i++) ways *= (n - j * k + i) / (n + i)
    sum += j % 2 === 1 ? ways : -ways
  }
  return Math.min(1, 2 * sum)
}

/**
 * KSWIN: the newest values against a random choice of those before, by Kolmogorov–Smirnov.
 *
 * After each value, `statSize` old ones are drawn from the window without replacement and compared with the newest `statSize`: p ≤ α (exact) and
 * D > .1 is a drift. It sees changes of shape and spread as well as of the mean. O(windowSize) in memory, O(r log r) per value.
 *
 * **Misleads**: α is for one test, and there is a test after every value. Measured on normal values that never change: an alarm every 750
 * values or so, in every run; with α = .0001 every 13 000. It forgets in `windowSize` values what a slow change came from. It is here for comparison.
 *
 * Source: Raab, Heusinger and Schleif, Neurocomputing 416 (2020). Assumes independent values; with ties p is too large.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, also for an `alpha` that no sample of `statSize` values can reach, and ERR_OUTRIGGER_PROFILE for a
 * `state` that is not one of its own
 * @example
 * ```ts
 * import { kswin } from 'outrigger/drift'
 * const detector = kswin({ alpha: 0.0001 })
 * for (let i = 0; i < 200; i++) assert.equal(detector.update((i * 37) % 100), 'stable')
 * let values = 1
 * while (detector.update(200 + values) !== 'drift') values++
 * assert.ok(values < 30)
 * ```
 */
export const kswin = (options: KswinOptions = {}): StreamDetector => {
  const kind = 'kswin'
  const { alpha = 0.005, windowSize = 100, statSize = 30, seed = 1, state } = readOptions(kind, options, ['alpha', 'windowSize', 'statSize', 'seed'])
  numberOption(kind, 'alpha', alpha, { min: 0, max: 1, exclusive: true })
  numberOption(kind, 'statSize', statSize, { min: 2, integer: true })
  numberOption(kind, 'windowSize', windowSize, { min: 2 * statSize, integer: true })
  numberOption(kind, 'seed', seed, { integer: true })
  let critical = Math.floor(statSize / 10) + 1
  while (critical <= statSize && tailOfEqualSizes(statSize, critical) > alpha) critical += 1
  if (critical > statSize) throw new OptionRangeError(`Cannot create ${kind} as \`alpha\` must be one that ${statSize} values (\`statSize\`) can reach, at least ${tailOfEqualSizes(statSize, statSize)}: current value is ${alpha}`)
  const random = seededRandom(seed)
  const older = windowSize - statSize
  const order = new Uint32Array(older)
  const drawn = new Float64Array(statSize)
  const newest = new Float64Array(statSize)

  /** The largest difference of the two counts of values up to some point. */
  const largestGap = (): number => {
    drawn.sort()
    newest.sort()
    let a = 0
    let b = 0
    let gap = 0
    while (a < statSize && b < statSize) {
      const at = Math.min(drawn[a] as number, newest[b] as number)
      while (a < statSize && drawn[a] === at) a += 1
      while (b < statSize && newest[b] === at) b += 1
      gap = Math.max(gap, Math.abs(a - b))
    }
    return gap
  }

  const step = (memory: Memory, value: number): 'stable' | 'drift' => {
    const { window } = memory
    if (window.length < windowSize) {
      window.push(value)
      if (window.length < windowSize) return 'stable'
    } else {
      window[memory.tests % windowSize] = value
      memory.tests += 1
    }
    // Each test has a stream of its own, so that the state needs no state of a generator.
    const draw = random.substream(String(memory.tests))
    for (let i = 0; i < older; i++) order[i] = i
    for (let i = 0; i < statSize; i++) {
      const other = i + draw.integer(older - i)
      const chosen = order[other] as number
      order[other] = order[i] as number
      order[i] = chosen
      drawn[i] = window[(memory.tests + chosen) % windowSize] as number
      newest[i] = window[(memory.tests + older + i) % windowSize] as number
    }
    return largestGap() >= critical ? 'drift' : 'stable'
  }
  return detectorOf({ kind, options: { alpha, windowSize, statSize, seed }, domain: anyNumber, fresh: () => ({ tests: 0, window: [] }), step }, state)
}
