/** Working circuit breakers by hand: {@link breakerControl}. */
import { InvalidOptionError } from '../core/errors.js'
import { optionsObject } from '../core/options.js'
import type { BreakerState } from '../policy/breaker.js'
import { ControlledBreaker, type BreakerSnapshot } from '../policy/controlled-breaker.js'
import type { Cells, Control } from './_breaker-cells.js'

/** Options of {@link breakerControl}. */
export interface BreakerControlOptions {
  /** Rejects nothing, and counts how often it would have opened. @default false */
  readonly metricsOnly?: boolean
}

/** What a later process can `restore`: plain JSON. */
export interface CircuitBreakerSnapshot {
  readonly format: 1
  readonly scopes: Readonly<Record<string, BreakerSnapshot>>
}

/** A circuit breaker's handle for people and programs outside of it. Before it is given to a breaker there is nothing to work. */
export interface BreakerControl extends Control<ControlledBreaker> {
  /** The state of each scope, by its name; `''` where there are none. */
  readonly scopes: ReadonlyMap<string, BreakerState>
  /** Rejects nothing while true. May be changed at any time; the breaker starts afresh then. */
  metricsOnly: boolean
  /** How often it would have opened while it was `metricsOnly`, over all scopes. */
  readonly wouldHaveOpened: number
  /** Opens it: a signal from outside (a drift alarm, a quality check) says that the model is unwell. Without a scope all of them. */
  trip(reason: string, scope?: string): void
  /** Rejects everything until every function that it gave has been called; then it probes. */
  isolate(reason: string): () => void
  /** Closes it and forgets what it has seen, also how long calls take. An isolation stays. */
  reset(reason?: string): void
  /** What a later process can `restore`. */
  export(): CircuitBreakerSnapshot
  /** @throws `ERR_OUTRIGGER_INVALID_OPTION` when it is no snapshot */
  restore(snapshot: CircuitBreakerSnapshot): void
}

/**
 * The handle by which a `circuitBreaker` is worked from outside: opened by a signal, isolated for maintenance, closed, set
 * to count only, saved and restored. Each is a `state` event.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`, also by `circuitBreaker` when it is given to a second one
 * @example
 * ```ts
 * import { circuitBreaker, pipe } from 'outrigger'
 * import { breakerControl } from 'outrigger/resilience'
 * const control = breakerControl()
 * const breaker = circuitBreaker({ control })
 * const predict = pipe(async (x: number) => x * 2, breaker)
 * const end = control.isolate('the backend is being replaced')
 * await assert.rejects(predict(1), { code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' })
 * end()
 * assert.equal(await predict(1), 2)
 * assert.equal(breaker.state, 'closed')
 * ```
 */
export const breakerControl = (options: BreakerControlOptions = {}): BreakerControl => {
  optionsObject('a breaker control', options, ['metricsOnly'])
  const isolations = new Set<object>()
  let metricsOnly = options.metricsOnly === true
  let cells: Cells<ControlledBreaker> | undefined
  const all = (): ControlledBreaker[] => cells?.all().map(({ breaker }) => breaker) ?? []
  const now = (): number => cells?.now() ?? 0

  return {
    attach: (attached) => {
      if (cells !== undefined) throw new InvalidOptionError('Cannot create a circuit breaker as its `control` must be its own: current value is that of another one')
      cells = attached
    },
    create: (rule, draw, onChange) => {
      // In which state it is born is no change of state.
      let isBorn = false
      const breaker = new ControlledBreaker(rule, draw, (change) => {
        if (isBorn) onChange(change)
      })
      if (metricsOnly) breaker.reset('it only counts', true)
      if (isolations.size > 0) breaker.isolate('it is isolated')
      isBorn = true
      return breaker
    },
    get scopes() {
      return new Map(cells?.all().map(({ scope, breaker }) => [scope, breaker.state]))
    },
    get metricsOnly() {
      return metricsOnly
    },
    set metricsOnly(wanted) {
      if (wanted === metricsOnly) return
      metricsOnly = wanted
      for (const breaker of all()) breaker.reset(wanted ? 'it only counts from now on' : 'it acts again', wanted)
    },
    get wouldHaveOpened() {
      return all().reduce((sum, breaker) => sum + breaker.wouldHaveOpened, 0)
    },
    trip: (reason, scope) => {
      const tripped = scope === undefined ? all() : cells === undefined ? [] : [cells.of(scope).breaker]
      for (const breaker of tripped) breaker.trip(reason, now())
    },
    isolate: (reason) => {
      const isolation = {}
      isolations.add(isolation)
      if (isolations.size === 1) for (const breaker of all()) breaker.isolate(reason)
      return () => {
        if (isolations.delete(isolation) && isolations.size === 0) for (const breaker of all()) breaker.release()
      }
    },
    reset: (reason = 'it was reset') => {
      for (const cell of cells?.all() ?? []) {
        cell.baseline = undefined
        cell.breaker.reset(reason)
      }
    },
    export: () => ({ format: 1, scopes: Object.fromEntries((cells?.all() ?? []).map(({ scope, breaker }) => [scope, breaker.export(now())])) }),
    restore: (snapshot) => {
      if (!isSnapshot(snapshot)) throw new InvalidOptionError(`Cannot restore a circuit breaker as it must be what \`export\` gave: current value is ${String(JSON.stringify(snapshot)).slice(0, 200)}`)
      for (const [scope, saved] of Object.entries(snapshot.scopes)) cells?.of(scope).breaker.restore(saved, now())
    },
  }
}

const isCount = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value < Infinity

const isSnapshot = (value: unknown): value is CircuitBreakerSnapshot => {
  const { format, scopes } = (value ?? {}) as Partial<CircuitBreakerSnapshot>
  if (format !== 1 || typeof scopes !== 'object' || scopes === null) return false
  return Object.values(scopes).every(
    (saved) => saved !== null && ['closed', 'open', 'half-open'].includes(saved.state) && isCount(saved.openLeftMs) && isCount(saved.openings) && Array.isArray(saved.window) && saved.window.every(isCount),
  )
}
