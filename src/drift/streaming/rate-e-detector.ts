import { numberOption } from '../../core/options.js'
import { evidenceOf, freshBets, payBets, type Bets, type EDetector, type GuaranteeOptions } from './e-detector.js'
import { directionOption, type Direction } from './direction.js'
import { readOptions } from './_state.js'
import { detectorOf, unitInterval } from './stream-detector.js'

/** Options of {@link rateEDetector}. */
export interface RateEDetectorOptions extends GuaranteeOptions {
  /** Errors (or the sum of scores in [0, 1]) among the reference rows; required, unless `state` has it. */
  readonly events?: number
  /** Reference rows; 0 learns the rate from the stream alone. Required, unless `state` has it. */
  readonly rows?: number
  /** Rises, falls, or both. @default 'up' */
  readonly direction?: Direction
}

/** The odds of the rate times e to these, from a tenth more to five times as many, and what part of the stake is on each: small changes need it most. */
const sizes = [[0.1, 0.3], [0.2, 0.3], [0.4, 0.2], [0.8, 0.1], [1.6, 0.1]] as const

/**
 * A mixture e-detector for a rate: errors, refusals, clicks, or the mean of any score in [0, 1].
 *
 * **Idea**: whoever bets at fair prices against "the rate is what it was" does not grow rich while that is true. Bets on
 * odds that are e^θ times as high pay 1 + x (e^θ − 1) for a value x, and one of each size is begun after every value (Shiryaev–Roberts). Their fair
 * price follows from the reference and all values so far, in the proportion of their rows, so that a reference of few
 * rows is trusted less. An alarm is where the mean of the sums passes run / risk.
 *
 * **Guarantee**: without a change the mean run length to an alarm is at least run / risk, and at most N · risk / run of the
 * runs of N values alarm, for 0/1 values that are independent at a rate that is as unknown as the reference leaves it (averaged over
 * Beta(½, ½)). Measured at single rates: docs/detectors/rate-e-detector.md. Dependent values break it.
 *
 * **Misleads**: what changes so slowly or so little that it takes more rows than the reference and the stream had, becomes the norm. O(1) per value.
 *
 * Source: Shin, Ramdas and Rinaldo, "E-detectors" (2022); Roberts, Technometrics 8 (1966).
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a `state` that is not one of its own
 * @example
 * ```ts
 * import { rateEDetector } from 'outrigger/drift'
 * const errors = rateEDetector({ events: 200, rows: 2000 })
 * for (let i = 0; i < 1000; i++) assert.equal(errors.update(i % 10 === 0 ? 1 : 0), 'stable')
 * let values = 1
 * while (errors.update(values % 2) !== 'drift') values++
 * assert.ok(values < 40)
 * assert.ok(errors.evidence.change === 'higher' && Math.abs(errors.evidence.size - 0.5) < 0.1)
 * ```
 */
export const rateEDetector = (options: RateEDetectorOptions): EDetector => {
  const kind = 'rateEDetector'
  const { events, rows, direction = 'up', run = 10_000, risk = 0.05, state } = readOptions(kind, options, ['events', 'rows', 'direction', 'run', 'risk'])
  const referenceRows = numberOption(kind, 'rows', rows, { min: 0 })
  const referenceEvents = numberOption(kind, 'events', events, { min: 0, max: referenceRows })
  numberOption(kind, 'run', run, { min: 1 })
  numberOption(kind, 'risk', risk, { min: 0, max: 1, exclusive: true })
  directionOption(kind, direction)
  const needed = run / risk
  const signs = direction === 'both' ? [1, -1] : direction === 'up' ? [1] : [-1]
  const bets = signs.flatMap((sign) => sizes.map(([theta, weight]) => ({ change: sign > 0 ? 'higher' : 'lower', weight: weight / signs.length, gain: Math.expm1(sign * theta) }) as const))
  const fresh = (): Bets => freshBets(referenceRows + 1, bets.map(({ gain }) => referenceRows + 1 + gain * (referenceEvents + 0.5)))
  const weights = Float64Array.from(bets, ({ weight }) => weight)
  const paid = new Float64Array(bets.length)
  const statistic = new Float64Array(bets.length)
  const step = (memory: Bets, value: number): 'stable' | 'drift' => {
    for (let bet = 0; bet < paid.length; bet++) paid[bet] = 1 + value * (bets[bet] as { readonly gain: number }).gain
    return payBets(memory, weights, paid, statistic.fill(value)) >= needed ? 'drift' : 'stable'
  }
  return detectorOf({ kind, options: { events: referenceEvents, rows: referenceRows, direction, run, risk }, domain: unitInterval, fresh, step }, state, (memory) => evidenceOf(memory, bets, needed))
}
