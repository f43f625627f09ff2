import { applyLayer } from '../core/layer.js'
import { requiredFunction } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'

/**
 * Turns the output of what is inside into what the caller wants: a calibrated score, a label, a rounded price.
 *
 * The function may be asynchronous. A row for which it throws fails alone. See {@link mapInput} for where fitted
 * values belong.
 *
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { mapOutput } from 'outrigger/compose'
 * const predict = pipe((logit: number) => logit, mapOutput((logit) => 1 / (1 + Math.exp(-logit))))
 * assert.equal(await predict(0), 0.5)
 * ```
 */
export const mapOutput = <O, O2>(map: (output: O) => O2): (<I>(inner: Predictor<I, O>) => Predictor<I, Awaited<O2>>) => {
  requiredFunction('mapOutput', 'map', map)
  return <I>(inner: Predictor<I, O>) =>
    applyLayer<I, O, I, Awaited<O2>>(inner, 'mapOutput', (_host, inside) => ({
      schema: { input: inside.schema.input },
      one: async (next, input, call): Promise<Awaited<O2>> => await map(await next(input, call)),
    }))
}
