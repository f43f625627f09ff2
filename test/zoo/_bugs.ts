/**
 * Subjects that have the bug: proof that an oracle can fail. For the cases that some rival fails, the page of results is
 * the proof.
 */
import { setMaxListeners } from 'node:events'
import type { Kit } from './kit.js'

type Call = (input?: unknown, signal?: AbortSignal) => Promise<unknown>

const down = (): Error => new Error('circuit open')

/** Adds a listener and keeps quiet about it. */
const leak = (signal: AbortSignal | undefined): void => {
  if (signal === undefined) return
  setMaxListeners(0, signal)
  signal.addEventListener('abort', () => {})
}

/** A breaker of 200 ms and five failures in a row, with one mistake. */
class NaiveBreaker {
  readonly #kit: Kit
  readonly #mistake: string
  state: 'closed' | 'open' | 'half-open' = 'closed'
  openedAt = 0
  #failures = 0
  #isProbing = false

  constructor(kit: Kit, mistake: string) {
    this.#kit = kit
    this.#mistake = mistake
  }

  readonly isOpen = (): boolean => this.state === 'open'

  readonly call: Call = async (input = 'x') => {
    const { clock, model } = this.#kit
    if (this.state === 'open') {
      if (clock.now() - this.openedAt < 200) throw down()
      this.state = 'half-open'
      this.#isProbing = false
    }
    if (this.state === 'half-open') {
      if (this.#isProbing && this.#mistake !== 'everybody is a probe') throw down()
      this.#isProbing = true
    }
    const startedIn = this.state
    try {
      const output = await model.run(input)
      if (this.state === startedIn || this.#mistake === 'any success closes') this.#close()
      return output
    } catch (error) {
      this.#fail(error as Error, startedIn)
      throw error
    }
  }

  #close(): void {
    this.state = 'closed'
    this.#failures = 0
    this.#isProbing = false
  }

  #fail(error: Error, startedIn: string): void {
    if (error.message === 'not a number') {
      if (this.#mistake !== 'an ignored probe keeps the permit') this.#isProbing = false
    } else if (startedIn === 'half-open') {
      if (this.#mistake !== 'a failed probe is not judged') this.#open()
    } else {
      this.#failures += 1
      if (this.state === 'open' && this.#mistake === 'opening again cancels the reset') this.openedAt = Infinity
      else if (this.#failures >= 5) this.#open()
    }
  }

  #open(): void {
    this.state = 'open'
    this.openedAt = this.#kit.clock.now()
  }
}

const breaker = (mistake: string) => (kit: Kit) => new NaiveBreaker(kit, mistake)

const wait = ({ clock }: Kit, ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms))

/** Three retries after 50 ms each, come what may. */
const stubborn =
  (kit: Kit, retries = 3, onWait: (signal?: AbortSignal) => Promise<void> = () => wait(kit, 50)): Call =>
  async (input = 'x', signal) => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await kit.model.run(input, signal)
      } catch (error) {
        if (attempt === retries) throw error
        await onWait(signal)
      }
    }
  }

interface Baseline {
  readonly inputs: unknown[]
  error?: Error
  run(input: unknown): Promise<unknown>
}

const baseline = (): Baseline => {
  const inputs: unknown[] = []
  const own: Baseline = {
    inputs,
    run: async (input) => {
      inputs.push(input)
      if (own.error !== undefined) throw own.error
      return 'baseline'
    },
  }
  return own
}

/** A cache by a key function; `isHit` and `thaw` are where it goes wrong. */
const cacheBy =
  (keyOf: (input: unknown) => string, { isHit = (hit: unknown): boolean => hit !== undefined, thaw = (hit: unknown): unknown => hit } = {}) =>
  ({ model }: Kit): { readonly call: Call } => {
    const answers = new Map<string, unknown>()
    return {
      call: async (input, signal) => {
        const key = keyOf(input)
        const hit = answers.get(key)
        if (isHit(hit)) return thaw(hit)
        const output = await model.run(input, signal)
        answers.set(key, output)
        return output
      },
    }
  }

const sortedJson = (input: unknown): string => {
  const sorted: Record<string, unknown> = {}
  for (const name of Object.keys(input as object)) sorted[name] = (input as Record<string, unknown>)[name]
  return JSON.stringify(sorted)
}

/** One run for each call or batch, of whatever size. */
const unbatched = ({ model }: Kit): { readonly call: Call; readonly many: (inputs: readonly unknown[]) => Promise<unknown> } => ({
  call: async (input) => ((await model.run([input])) as unknown[])[0],
  many: (inputs) => model.run([...inputs]),
})

export const bugs: Readonly<Record<string, (kit: Kit) => unknown>> = {
  'ignored-error-keeps-the-permit': breaker('an ignored probe keeps the permit'),
  'thundering-probes': breaker('everybody is a probe'),
  'concurrent-failures-cancel-the-reset': breaker('opening again cancels the reset'),
  'late-success-closes-an-open-circuit': breaker('any success closes'),
  'failed-probe-at-low-volume': breaker('a failed probe is not judged'),
  'bad-answers-count-as-success': breaker('looks at errors only'),
  'slow-answers-never-open': breaker('looks at errors only'),
  'restored-circuit-never-tries-again': (kit) => ({
    first: new NaiveBreaker(kit, ''),
    restored: () => Object.assign(new NaiveBreaker(kit, ''), { state: 'open', openedAt: Infinity }),
  }),

  'listeners-left-on-the-callers-signal': ({ model }) => ({
    call: (input: unknown, signal: AbortSignal) => {
      leak(signal)
      return model.run(input)
    },
  }),
  'timer-left-after-abort': (kit) => ({
    call: (input: unknown, signal: AbortSignal) => {
      void wait(kit, 10_000)
      return kit.model.run(input, signal)
    },
  }),
  'late-rejection-after-timeout': ({ model }) => ({ call: (input: unknown) => model.run(input) }),
  'abort-signal-any-retention': ({ model }) => {
    const kept: AbortSignal[] = []
    return {
      call: (input: unknown, signal: AbortSignal) => {
        const own = AbortSignal.any([signal])
        kept.push(own)
        return model.run(input, own)
      },
    }
  },

  'abort-is-retried': (kit) => ({ call: stubborn(kit) }),
  'retry-leaves-listeners': (kit) => ({
    call: stubborn(kit, 3, (signal) => {
      leak(signal)
      return wait(kit, 50)
    }),
  }),
  'awaited-timer-unrefed': (kit) => ({ call: stubborn(kit, 3, () => new Promise((resolve) => void kit.clock.setTimeout(resolve, 1000).unref())) }),
  'retries-beyond-the-limit': (kit) => ({ call: stubborn(kit, 10) }),
  'retry-after-ignored': (kit) => ({ call: stubborn(kit) }),
  'retry-storm': (kit) => ({ call: stubborn(kit) }),

  'spent-budget-fails-the-call': ({ model }) => ({ call: (input: unknown) => model.run(input) }),
  // Whatever comes first counts, and nobody is told to stop.
  'hedge-that-fails-first-wins': (kit) => ({
    call: (input: unknown) => {
      const second = wait(kit, 50).then(() => kit.model.run(input))
      second.catch(() => {})
      return Promise.race([kit.model.run(input), second])
    },
  }),

  'fallback-runs-twice': (kit) => {
    const own = baseline()
    return {
      baseline: own,
      call: () =>
        new Promise((resolve, reject) => {
          const answer = (): void => void own.run('x').then(resolve, reject)
          kit.clock.setTimeout(answer, 100)
          kit.model.run('x').then(resolve, answer)
        }),
    }
  },
  'failing-fallback-is-unhandled': ({ model }) => {
    const own = baseline()
    return { baseline: own, call: () => model.run('x').catch(() => own.run('x').catch(() => undefined)) }
  },
  'fallback-with-the-primarys-parameters': ({ model }) => {
    const own = baseline()
    return { baseline: own, call: (input: unknown) => model.run(input).catch(() => own.run(input)) }
  },
  'terminal-error-never-reaches-the-fallback': ({ model }) => ({ baseline: baseline(), call: () => model.run('x') }),
  'fallback-hides-failures-from-the-breaker': ({ model }) => {
    const own = baseline()
    return { baseline: own, call: () => model.run('x').catch(() => own.run('x')) }
  },

  'cancelled-call-burns-quota': (kit) => {
    let freeAt = 0
    return {
      call: async (input: unknown, signal?: AbortSignal) => {
        const at = Math.max(kit.clock.now(), freeAt)
        freeAt = at + 1000
        const turn = at <= kit.clock.now() ? Promise.resolve() : wait(kit, at - kit.clock.now())
        const left = new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
        await (signal === undefined ? turn : Promise.race([turn, left]))
        return await kit.model.run(input)
      },
    }
  },
  'cancelled-calls-train-the-limit': ({ model }) => {
    let limit = 20
    return {
      limit: () => limit,
      call: (input: unknown, signal?: AbortSignal) => {
        if (signal !== undefined) setMaxListeners(0, signal)
        return model.run(input, signal).catch((error: unknown) => {
          limit *= 0.9
          throw error
        })
      },
    }
  },
  'limit-stays-when-all-fail': ({ model }) => ({ limit: () => 20, call: (input: unknown) => model.run(input) }),

  'keys-with-proto': cacheBy(sortedJson),
  'keys-with-separators': cacheBy((input) => Object.values(input as object).join('::')),
  'falsy-answers-not-cached': cacheBy(String, { isHit: Boolean }),
  stampede: cacheBy(String),
  'background-fetch-lost': cacheBy(String, { isHit: () => false }),
  // Past its time every reader renews it.
  'stampede-on-stale': cacheBy(String, { isHit: () => false }),
  'stale-if-error': cacheBy(String, { isHit: () => false }),
  'store-error-passes-for-a-miss': ({ model }) => ({ call: (input: unknown) => model.run(input), errors: () => 0 }),
  'typed-array-comes-back-as-object': cacheBy(String, { thaw: (hit) => JSON.parse(JSON.stringify(hit)) }),

  'batch-larger-than-the-maximum': unbatched,
  'latency-limit-not-kept': unbatched,
  'lone-caller-waits-for-company': (kit) => ({
    call: async (input: unknown) => {
      await wait(kit, 10)
      return await unbatched(kit).call(input)
    },
  }),
  'fixed-batch-size': unbatched,
  // The error comes out where nobody waits for it.
  'batch-function-throws-synchronously': () => ({ call: () => new Promise(() => {}) }),

  'idle-timers-hold-the-process': (kit) => ({
    call: (input: unknown) => {
      void wait(kit, 60_000)
      return kit.model.run(input)
    },
  }),
}
