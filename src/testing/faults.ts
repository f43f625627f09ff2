/** Faults on purpose: a layer that makes a model fail, lag or lie at seeded rates. For tests and rehearsals only. */
import { OutriggerError } from '../core/errors.js'
import { applyLayer, type NeutralLayer } from '../core/layer.js'
import { numberOption, optionsObject } from '../core/options.js'
import type { Random } from '../core/random.js'
import { seededRandom } from '../core/random.js'
import { failRows, isRowFailure, RowFailure, type Row } from '../core/rows.js'
import type { Clock } from '../core/clock.js'

/** How often which fault strikes. Rates are in [0, 1]. */
export interface FaultRates {
  /** The call fails with `ERR_OUTRIGGER_INJECTED`. In a batch: the whole run, by one draw. */
  readonly error?: number
  /** A row of a batch fails on its own. */
  readonly rowError?: number
  /** The answer comes later. */
  readonly latency?: number
  /** By how much, in milliseconds. @default 1000 */
  readonly latencyMs?: number
  /** Every number of the output becomes NaN. */
  readonly nan?: number
  /** The output has another shape: an array loses its last element, anything else becomes an array. */
  readonly wrongShape?: number
}

/** Options of {@link faults}. */
export interface FaultOptions extends FaultRates {
  /** The seed of the draws. @default 0 */
  readonly seed?: number | string
}

/** The layer, and its switches. */
export interface FaultLayer extends NeutralLayer {
  /** Changes the rates from now on; those not named stay. */
  set(rates: FaultRates): void
  /** How many faults of each kind have struck. */
  readonly struck: { readonly error: number; readonly rowError: number; readonly latency: number; readonly nan: number; readonly wrongShape: number }
}

const names = ['error', 'rowError', 'latency', 'latencyMs', 'nan', 'wrongShape', 'seed'] as const

/**
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when a rate is not in [0, 1]
 * @example
 * ```ts
 * import { fallback, pipe } from 'outrigger'
 * import { faults } from 'outrigger/testing'
 * const outage = faults({ error: 0 })
 * const predict = pipe((x: number) => x + 1, outage, fallback(() => -1))
 * assert.equal(await predict(1), 2)
 * outage.set({ error: 1 })
 * assert.equal(await predict(1), -1)
 * ```
 */
export const faults = (options: FaultOptions = {}): FaultLayer => {
  let rates = checked(options)
  const random = seededRandom(options.seed ?? 0)
  const struck = { error: 0, rowError: 0, latency: 0, nan: 0, wrongShape: 0 }
  const strikes = (kind: keyof typeof struck, draws: Random): boolean => {
    const rate = rates[kind] ?? 0
    if (rate === 0 || draws.next() >= rate) return false
    struck[kind] += 1
    return true
  }
  const injected = (): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INJECTED', 'Cannot predict as the fault layer made this call fail on purpose')
  const lag = async (clock: Clock): Promise<void> => {
    if (strikes('latency', random)) await new Promise<void>((resolve) => void clock.setTimeout(resolve, rates.latencyMs ?? 1000))
  }
  const spoil = <O>(output: O): O => {
    let result: unknown = output
    if (strikes('nan', random)) result = withNaN(result)
    if (strikes('wrongShape', random)) result = misshapen(result)
    return result as O
  }

  const wrap: NeutralLayer = (inner) =>
    applyLayer(inner, 'faults', ({ clock }) => ({
      describe: () => 'faults (for tests)',
      one: async (next, input, call) => {
        await lag(clock)
        if (strikes('error', random) || strikes('rowError', random)) throw injected()
        return spoil(await next(input, call))
      },
      many: async (next, inputs, batch) => {
        await lag(clock)
        if (strikes('error', random)) return failRows(inputs.length, injected())
        const rows = await next(inputs, batch)
        return rows.map((row): Row<never> => (isRowFailure(row) ? row : strikes('rowError', random) ? new RowFailure(injected()) : (spoil(row) as never)))
      },
    }))
  return Object.assign(wrap, {
    set: (changed: FaultRates) => {
      rates = checked({ ...rates, ...changed })
    },
    struck,
  })
}

const checked = (rates: FaultOptions): FaultRates => {
  optionsObject('faults', rates, names)
  for (const name of ['error', 'rowError', 'latency', 'nan', 'wrongShape'] as const) numberOption('faults', name, rates[name] ?? 0, { min: 0, max: 1 })
  numberOption('faults', 'latencyMs', rates.latencyMs ?? 1000, { min: 0 })
  return rates
}

/** A copy in which every number is NaN. */
const withNaN = (value: unknown): unknown => {
  if (typeof value === 'number') return Number.NaN
  if (value instanceof Float32Array || value instanceof Float64Array) return value.map(() => Number.NaN)
  if (Array.isArray(value)) return value.map(withNaN)
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withNaN(field)]))
  return value
}

const misshapen = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.slice(0, -1)
  if (ArrayBuffer.isView(value) && 'slice' in value) return (value as Float32Array).slice(0, -1)
  return [value]
}
