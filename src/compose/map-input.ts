import type { Binding, Call } from '../core/call.js'
import { applyLayer } from '../core/layer.js'
import { requiredFunction } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { isRowFailure, RowFailure, type Row } from '../core/rows.js'
import { toError } from '../core/model.js'

/**
 * Turns the caller's input into what is inside of it takes: fitted scaling, one-hot columns, tokens.
 *
 * Fitted values belong to the version that they were fitted for: put them beside the weights when you publish, and
 * build this layer where the version is loaded (`build` of `modelLoader`), so that a swap changes both at once.
 *
 * The function may be asynchronous. It must not change its argument. A row for which it throws fails alone.
 *
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { mapInput } from 'outrigger/compose'
 * const scaler = { mean: 50, sd: 10 }
 * const predict = pipe(
 *   (z: number) => z > 0,
 *   mapInput((celsius: number) => (celsius - scaler.mean) / scaler.sd),
 * )
 * assert.deepEqual(await predict.batch([40, 60]), [false, true])
 * ```
 */
export const mapInput = <I, I2>(map: (input: I2) => I | PromiseLike<I>): (<O>(inner: Predictor<I, O>) => Predictor<I2, O>) => {
  requiredFunction('mapInput', 'map', map)
  return <O>(inner: Predictor<I, O>) =>
    applyLayer<I, O, I2, O>(inner, 'mapInput', (_host, inside) => {
      const { bind } = inside
      const bindsByInput = bind !== undefined && inside.bindsByInput === true
      // A router inside looks at the mapped input while the call is bound. It is mapped once, then: the value is bound to
      // the call, so that its attempts and the shared work in its place find it too.
      const owner = {}
      const take = (input: I2, call: Call): I | PromiseLike<I> => {
        const mapped = bindsByInput ? call.boundBy<MappedInput<I>>(owner) : undefined
        const value = mapped === undefined ? map(input) : mapped.value
        return bindsByInput && isPromiseLike(value) ? bindLate(value, call) : value
      }
      /** Routers inside have seen no input so far. What is bound already stays. */
      const bindLate = async (value: PromiseLike<I>, call: Call): Promise<I> => {
        const mapped = await value
        bind?.(call, mapped)
        return mapped
      }
      return {
        schema: { output: inside.schema.output },
        one: async (next, input, call) => await next(await take(input, call), call),
        many: async (next, inputs, batch) => {
          const taken = inputs.map((input, index) => attempt(() => take(input, batch.rows[index] as Call)))
          // Most maps are not asynchronous, and a promise a row is most of what they would cost.
          const rows = taken.some(isPromiseLike) ? await Promise.all(taken.map((row) => (isPromiseLike(row) ? settled(row) : row))) : (taken as (I | RowFailure)[])
          const good = rows.flatMap((row, index) => (isRowFailure(row) ? [] : [index]))
          if (good.length === rows.length) return await next(rows as I[], batch)
          const result = rows as Row<unknown>[]
          const outputs = await next(
            good.map((index) => rows[index] as I),
            batch.pick(good),
          )
          good.forEach((index, position) => (result[index] = outputs[position]))
          return result as Row<O>[]
        },
        ...(!bindsByInput
          ? {}
          : {
              bindInside: (call: Call, input: I2) => {
                let value: I | PromiseLike<I>
                try {
                  value = map(input)
                } catch {
                  // Said when the call travels: there layers outside hear of it, and it fails its own row only.
                  return
                }
                // An asynchronous map cannot be waited for here; routers inside see no input yet, only the call's key.
                const isLate = isPromiseLike(value)
                if (isLate) {
                  value = Promise.resolve(value)
                  value.then(undefined, () => {})
                }
                const mapped: MappedInput<I> = { owner, identity: inside.identity, value, retain: nothing, release: nothing }
                call.bindTo(mapped)
                bind(call, isLate ? (undefined as I) : (value as I))
              },
            }),
      }
    })
}

interface MappedInput<I> extends Binding {
  readonly value: I | PromiseLike<I>
}

const nothing = (): void => {}

const attempt = <T>(work: () => T): T | RowFailure => {
  try {
    return work()
  } catch (error) {
    return new RowFailure(toError(error))
  }
}

const settled = async <T>(late: PromiseLike<T>): Promise<T | RowFailure> => {
  try {
    return await late
  } catch (error) {
    return new RowFailure(toError(error))
  }
}

const isPromiseLike = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
