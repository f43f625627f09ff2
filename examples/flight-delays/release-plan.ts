import { failureMetric, meanMetric } from 'outrigger/experiment'
import type { RolloutPlan } from 'outrigger/route'
import { hourOf, MINUTES_PER_DAY } from './calendar.js'
import { clampedLogLoss } from './evaluation.js'

const DAY_MS = MINUTES_PER_DAY * 60_000

/**
 * The unit of a release: a route in an hour of a day.
 *
 * Flights of a unit have the same features, so that a version has one answer for all of them, the cache shares it, and the arms get their fair shares whatever
 * the cache answers. No unit comes back. (The data names no aircraft. A flight as the unit would be unfair: the second of two equal flights is
 * answered by the cache more often in the larger arm.)
 */
export const unitOf = (origin: number, destination: number, day: number, minute: number): string => `${origin}-${destination}-${day}-${hourOf(minute)}`

/** Its name in verdicts. */
export const METRIC = 'log loss beyond that of the historical rates'

export interface ReleasePlanOptions {
  /** What the historical rates say of a flight, by the id of its prediction. */
  readonly historicalRate: (id: string) => number
  /** A sample has a fortieth of the flights: enough to show that a version is not worse by 0.03, not that it is better by 0.005. */
  readonly isSample: boolean
}

/**
 * How a version is released: to 1 % of the units, a tenth, then half of them until there is evidence that it is better.
 *
 * The metric is the loss of the answer less that of the historical rates for the same flight. Which flights are late is by far the most of the variance of a loss,
 * and common to both; the difference of the arms stays that of their log losses. It is known when the flight has landed.
 * About 150 000 units in halves show a difference of 0.005 so; by the log loss itself it would take five times as many.
 */
export const releasePlan = ({ historicalRate, isSample }: ReleasePlanOptions): RolloutPlan => ({
  steps: isSample
    ? [
        { weight: 0.1, minMs: DAY_MS, minUnits: 20 },
        { weight: 0.5, minMs: DAY_MS, minUnits: 200 },
      ]
    : [
        { weight: 0.01, minMs: DAY_MS, minUnits: 100 },
        { weight: 0.1, minMs: DAY_MS, minUnits: 1000 },
        { weight: 0.5, minMs: DAY_MS, minUnits: 5000 },
      ],
  evidence: {
    metrics: [
      failureMetric(),
      meanMetric({
        name: METRIC,
        better: 'lower',
        ...(isSample ? { margin: 0.03 } : { tunedFor: 50_000 }),
        fromLabel: ({ record, label }) => {
          const chance = record.output?.['late']
          const late = label.value as boolean
          return typeof chance === 'number' ? clampedLogLoss(chance, late) - clampedLogLoss(historicalRate(record.id), late) : undefined
        },
      }),
    ],
    maxUnits: 30_000,
    whenFull: 'forget',
  },
})
