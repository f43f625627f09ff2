import { requiredFunction, stringOption } from '../core/options.js'
import type { RowAction } from './validation-policy.js'

/** A rule of your own over a whole row. */
export interface RowCheck<I> {
  readonly name: string
  /** True for a good row. Must be quick, and must not change it. */
  readonly isGood: (row: I) => boolean
  /** @default the policy's `otherwise` */
  readonly action: RowAction | undefined
}

/**
 * A rule over several fields, for `validated`.
 *
 * It sees the row after single fields were repaired. A check that throws counts as failed; the first time is told as a notice.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { check, validated } from 'outrigger/quality'
 * import { defineSchema } from 'outrigger/schema'
 * type Flight = { departure: number; arrival: number }
 * const schema = defineSchema({ departure: { type: 'number' }, arrival: { type: 'number' } })
 * const predict = pipe(
 *   (flight: Flight) => flight.arrival - flight.departure,
 *   validated(schema, { checks: [check('arrival after departure', (flight: Flight) => flight.arrival > flight.departure)] }),
 * )
 * assert.equal(await predict({ departure: 1, arrival: 3 }), 2)
 * await assert.rejects(predict({ departure: 3, arrival: 1 }), { code: 'ERR_OUTRIGGER_INVALID_INPUT' })
 * ```
 */
export const check = <I>(name: string, isGood: (row: I) => boolean, action?: RowAction): RowCheck<I> => {
  stringOption('a check', 'name', name)
  requiredFunction('a check', 'isGood', isGood)
  return { name, isGood, action }
}
