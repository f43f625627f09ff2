import type { Call } from '../core/call.js'
import { InvalidOptionError } from '../core/errors.js'
import { applyGuard, type NeutralLayer } from '../core/layer.js'
import { maskBy, type MaskableSchema } from '../core/masking.js'
import { optionsObject, stringOption } from '../core/options.js'
import { isRowFailure } from '../core/rows.js'
import { isStream } from '../core/streams.js'

/** What {@link checkpoint} notes: at least one of both. */
export interface CheckpointOptions {
  /** Declares the fields of what passes inwards here; allowed ones are noted. @default not noted */
  readonly input?: MaskableSchema
  /** Declares the fields of what passes outwards here. @default not noted */
  readonly output?: MaskableSchema
}

/** A row asked for again and again passes here as often; its record keeps so many. */
const mostPerCall = 64

const owner = 'a checkpoint'

/**
 * Notes what passes at its place in the stack, so that the record tells it: `record.checkpoints`.
 *
 * A neutral layer. What it notes is masked by the schema, as inputs and outputs of records are, and in the order in which it passed. It notes only
 * where a record will be made, at most 64 per call; a failure and a stream have no output. `replay` and `explain` find by it where two ways part.
 *
 * Without a record it costs one comparison; with one about 60 ns a field.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when neither `input` nor `output` is given
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { mapOutput } from 'outrigger/compose'
 * import { checkpoint } from 'outrigger/debug'
 * import { defineSchema } from 'outrigger/schema'
 * const logit = defineSchema({ logit: { type: 'number' } })
 * const predict = pipe((km: number) => km / 100, checkpoint('model', { output: logit }), mapOutput((x) => Math.round(10 * x)))
 * const { record } = await predict.detailed(123)
 * assert.deepEqual(record.checkpoints, [{ name: 'model', side: 'output', value: { logit: 1.23 } }])
 * ```
 */
export const checkpoint = (name: string, options: CheckpointOptions): NeutralLayer => {
  stringOption(owner, 'name', name)
  optionsObject(owner, options, ['input', 'output'])
  if (options.input === undefined && options.output === undefined) throw new InvalidOptionError('Cannot create a checkpoint as it needs `input`, `output` or both: current value has none')
  const [maskInput, maskOutput] = [options.input, options.output].map((schema) => (schema === undefined ? undefined : maskBy(schema)))

  const note = (call: Call, side: 'input' | 'output', value: unknown): void => {
    const mask = side === 'input' ? maskInput : maskOutput
    if (mask === undefined || call.startedAt === undefined || isStream(value)) return
    const noted = (call.note().checkpoints ??= [])
    if (noted.length < mostPerCall) noted.push(Object.freeze({ name, side, value: mask(value) }))
  }

  return (inner) =>
    applyGuard(inner, 'checkpoint', () => ({
      describe: () => `checkpoint ${name}`,
      guard: {
        ...(maskInput === undefined
          ? {}
          : {
              enter: (call, input) => {
                note(call, 'input', input)
                return 0
              },
            }),
        ...(maskOutput === undefined
          ? {}
          : {
              pass: (_permit, output, call) => {
                note(call, 'output', output)
                return output
              },
            }),
      },
      many: async (next, inputs, batch) => {
        batch.rows.forEach((call, index) => note(call, 'input', inputs[index]))
        const rows = await next(inputs, batch)
        rows.forEach((row, index) => {
          if (!isRowFailure(row)) note(batch.rows[index] as Call, 'output', row)
        })
        return rows
      },
    }))
}
