/** A service whose load rises ten-fold at once: an engine of a + b·n milliseconds, and open-loop arrivals. On any clock. */
import { pipe, predictor, seededRandom, type Clock, type NeutralLayer } from 'outrigger'

export interface LoadStepOptions {
  readonly clock: Clock
  readonly layer: NeutralLayer
  /** How long a run of so many rows takes. */
  readonly serviceMs: (rows: number) => number
  /** Arrivals per millisecond, and how long, one phase after the other. */
  readonly phases: readonly { readonly perMs: number; readonly ms: number }[]
  readonly seed?: number
  /** The finest step of time at which arrivals are made: real timers are no finer than a millisecond. */
  readonly tickMs?: number
}

export interface PhaseResult {
  readonly arrived: number
  readonly failed: number
  /** From the time at which a call should have arrived, in milliseconds, sorted. */
  readonly latencies: readonly number[]
}

/** The value that a share of the sorted values does not exceed. */
export const quantile = (sorted: readonly number[], share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN

/** Calls that ended within the limit, per millisecond. */
export const goodput = ({ latencies }: PhaseResult, limitMs: number, phaseMs: number): number => latencies.filter((ms) => ms <= limitMs).length / phaseMs

/**
 * Runs the phases one after the other. Poisson arrivals that do not wait for answers; latencies count from when a call should have
 * been made, so that a loop that is late hides nothing. The promise resolves when every call has settled.
 */
export const loadStep = async ({ clock, layer, serviceMs, phases, seed = 1, tickMs = 0 }: LoadStepOptions): Promise<PhaseResult[]> => {
  // An engine that works off its runs one after the other.
  let freeAt = -Infinity
  const engine = {
    predictBatch: (rows: readonly number[]): Promise<number[]> =>
      new Promise((resolve) => {
        freeAt = Math.max(freeAt, clock.now()) + serviceMs(rows.length)
        clock.setTimeout(() => resolve([...rows]), freeAt - clock.now())
      }),
  }
  const predict = pipe(predictor<number, number>(engine, { clock, random: seededRandom(seed) }), layer)
  const random = seededRandom(seed)
  const results = phases.map(() => ({ arrived: 0, failed: 0, latencies: [] as number[] }))
  const pending = new Set<Promise<void>>()
  let dueAt = clock.now()
  for (const [index, { perMs, ms }] of phases.entries()) {
    const result = results[index] as (typeof results)[number]
    const end = dueAt + ms
    const gap = (): number => -Math.log(1 - random.next()) / perMs
    for (let at = dueAt + gap(); at < end; at += gap()) {
      if (at > clock.now()) await new Promise<void>((resolve) => clock.setTimeout(resolve, Math.max(tickMs, at - clock.now())))
      const arrivedAt = at
      result.arrived += 1
      const call = predict(result.arrived).then(
        () => void result.latencies.push(clock.now() - arrivedAt),
        () => void (result.failed += 1),
      )
      pending.add(call)
      void call.then(() => pending.delete(call))
    }
    dueAt = end
  }
  await Promise.all(pending)
  await predict.close()
  for (const { latencies } of results) latencies.sort((a, b) => a - b)
  return results
}
