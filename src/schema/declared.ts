import { InvalidOptionError } from '../core/errors.js'
import { applyGuard, type NeutralLayer } from '../core/layer.js'
import type { MaskableSchema } from '../core/masking.js'
import { optionsObject } from '../core/options.js'

/** What {@link declared} declares: at least one of both. */
export interface DeclaredOptions {
  /** The fields of what goes in. @default what is declared inside */
  readonly input?: MaskableSchema
  /** The fields of what comes out. @default what is declared inside */
  readonly output?: MaskableSchema
}

/**
 * Says which fields inputs and outputs have at its place in the stack: records have those that the outermost stage declares.
 *
 * A model declares them by `predictor(model, { input, output })`. What is made of them by `mapInput` and `mapOutput` nobody knows: put this outside of them. It
 * does nothing else, and costs nothing.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when neither is given
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { mapOutput } from 'outrigger/compose'
 * import { declared, defineSchema } from 'outrigger/schema'
 * const predict = pipe((km: number) => km / 800, mapOutput((x) => ({ hours: Math.round(x) })), declared({ output: defineSchema({ hours: { type: 'number' } }) }))
 * assert.deepEqual({ ...(await predict.detailed(1700)).record.output }, { hours: 2 })
 * ```
 */
export const declared = (options: DeclaredOptions): NeutralLayer => {
  optionsObject('a declaration', options, ['input', 'output'])
  if (options.input === undefined && options.output === undefined) throw new InvalidOptionError('Cannot create a declaration as it needs `input`, `output` or both: current value has none')
  return (inner) =>
    applyGuard(inner, 'declared', (_host, { schema }) => ({
      schema: { input: options.input ?? schema.input, output: options.output ?? schema.output },
      guard: {},
      many: async (next, inputs, batch) => await next(inputs, batch),
    }))
}
