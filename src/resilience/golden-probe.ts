/** Probes of a circuit breaker that put no caller's request at risk. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { Call } from '../core/call.js'
import { InvalidOptionError } from '../core/errors.js'
import type { LayerHost } from '../core/layer.js'
import { optionsObject, requiredFunction } from '../core/options.js'
import { discardStream, isStream } from '../core/streams.js'
import type { Stage } from '../core/stage.js'
import { rejected, type Breaker } from '../policy/breaker.js'

/** Options of {@link goldenProbe}. */
export interface GoldenProbeOptions<I, O> {
  /** Asked instead of a caller's input. */
  readonly input: I
  /** Whether the answer is as it should be. What it throws is a no, and a notice. */
  readonly accept: (output: O) => boolean
}

/** What sends probes for a breaker. */
export interface Prober {
  /** Sees to it that a probe is on its way, if one is wanted. `isOf` says whether a call is this breaker's to judge. */
  arm(breaker: Breaker, isOf: (call: Call) => boolean): void
  close(): void
}

/** What a prober works with. */
export interface ProberSetup<I, O> {
  readonly host: LayerHost
  readonly inside: Stage<I, O>
  readonly timeoutMs: number
  readonly isFailure: (error: unknown) => boolean
  /** Whether the breakers are of segments, of which an input is in one. */
  readonly isSegmented: boolean
}

/** How a circuit breaker probes. */
export interface GoldenProbe<I, O> {
  start(setup: ProberSetup<I, O>): Prober
}

/**
 * Lets a `circuitBreaker` probe with an input whose answer is known, in the background, so that no caller's request is at
 * risk: while it is open every caller is rejected, and when `openForMs` have passed the golden input is sent and its answer
 * held against `accept`. It recovers without any traffic.
 *
 * The probe runs under a call of its own and in nobody's async context; its timers keep no process alive. It is aborted
 * after `probeTimeoutMs`, and when the predictor closes.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { circuitBreaker, pipe } from 'outrigger'
 * import { breakerControl, goldenProbe } from 'outrigger/resilience'
 * const control = breakerControl()
 * const breaker = circuitBreaker<number, number>({
 *   openForMs: 10,
 *   control,
 *   probe: goldenProbe({ input: 2, accept: (output: number) => output === 4 }),
 * })
 * const predict = pipe(async (x: number) => x * 2, breaker)
 * control.trip('the drift monitor says so')
 * await assert.rejects(predict(1), { code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' })
 * const closed = new Promise<void>((resolve) => predict.observe((event) => event.type === 'state' && event.to === 'closed' && resolve()))
 * const patience = setTimeout(() => {}, 5000)
 * await closed
 * clearTimeout(patience)
 * assert.equal(await predict(1), 2)
 * ```
 */
export const goldenProbe = <I, O>(options: GoldenProbeOptions<I, O>): GoldenProbe<I, O> => {
  optionsObject('a golden probe', options, ['input', 'accept'])
  requiredFunction('a golden probe', 'accept', options.accept)
  return {
    start: (setup) => {
      if (setup.isSegmented) throw new InvalidOptionError('Cannot create a circuit breaker as one `probe` cannot stand for every segment: current value of `scope` is a function')
      return new GoldenProber(setup, options)
    },
  }
}

/** The async context in which this module was loaded: a probe belongs to no caller. */
const neutral = AsyncLocalStorage.snapshot()

/** An ignored probe is repeated after so long at the earliest. */
const AGAIN_MS = 1000

/** A timer of Node that is longer fires at once. One that comes too early finds no probe due, and waits again. */
const longestMs = 2 ** 31 - 1

/** Sends the golden input when a probe is due; one at a time per breaker. */
class GoldenProber<I, O> implements Prober {
  readonly #setup: ProberSetup<I, O>
  readonly #probe: GoldenProbeOptions<I, O>
  /** What is waiting or running, and what stops it. */
  readonly #busy = new Map<Breaker, () => void>()
  #isClosed = false

  constructor(setup: ProberSetup<I, O>, probe: GoldenProbeOptions<I, O>) {
    this.#setup = setup
    this.#probe = probe
  }

  arm(breaker: Breaker, isOf: (call: Call) => boolean, atLeastMs = 0): void {
    if (this.#isClosed || !breaker.wantsProbe || this.#busy.has(breaker)) return
    const { clock } = this.#setup.host
    neutral(() => {
      const timer = clock.setTimeout(() => this.#run(breaker, isOf), Math.min(longestMs, Math.max(atLeastMs, breaker.retryAfterMs(clock.now()))))
      timer.unref()
      this.#busy.set(breaker, () => clock.clearTimeout(timer))
    })
  }

  #run(breaker: Breaker, isOf: (call: Call) => boolean): void {
    const { host, inside, timeoutMs, isFailure } = this.#setup
    const { clock } = host
    const now = (): number => clock.now()
    // Busy while it asks for the permit, which is a change of state, which arms.
    this.#busy.set(breaker, () => {})
    const permit = breaker.wantsProbe ? breaker.acquire(now, true) : rejected
    if (permit === rejected) {
      this.#busy.delete(breaker)
      this.arm(breaker, isOf)
      return
    }
    const call = new Call(inside.runtime, undefined, undefined, undefined)
    call.deadline = clock.now() + timeoutMs
    const end = (outcome: 0 | 1 | undefined, again = true): void => {
      if (!this.#busy.delete(breaker)) return
      clock.clearTimeout(timer)
      breaker.record(permit, outcome === 1 ? 1 : 0, outcome === 0 ? 1 : 0, false, now)
      if (again) this.arm(breaker, isOf, outcome === undefined ? AGAIN_MS : 0)
    }
    const timer = clock.setTimeout(() => {
      end(1)
      call.abort(new Error('A probe took too long.'))
    }, Math.min(longestMs, timeoutMs))
    timer.unref()
    this.#busy.set(breaker, () => {
      end(undefined, false)
      call.abort(new Error('The predictor was closed.'))
    })
    this.#ask(call, isOf).then(end, (error: unknown) => end(isFailure(error) ? 1 : undefined))
  }

  /** The outcome of a probe, or nothing when what it would be answered by is another version by now. */
  async #ask(call: Call, isOf: (call: Call) => boolean): Promise<0 | 1 | undefined> {
    const { input, accept } = this.#probe
    const { host, inside } = this.#setup
    try {
      inside.bind?.(call, input)
      if (!isOf(call)) return undefined
      const output = await inside.one(input, call)
      if (isStream(output)) discardStream(output)
      try {
        return accept(output) ? 0 : 1
      } catch (error) {
        host.emit({ type: 'notice', message: '`accept` of the probe threw; the answer is taken for wrong.', error })
        return 1
      }
    } finally {
      call.end()
    }
  }

  close(): void {
    this.#isClosed = true
    for (const stop of [...this.#busy.values()]) stop()
    this.#busy.clear()
  }
}
