import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Breaker, rejected, type BreakerChange, type BreakerRule } from '../../src/policy/breaker.js'
import { NaiveBreaker, type Era } from './_naive-breaker.js'

const rule = (changed: Partial<BreakerRule> = {}): BreakerRule => ({ failureRate: 0.5, minimumCalls: 2, windowSize: 4, openForMs: 100, probes: 1, ...changed })

const made = (changed: Partial<BreakerRule> = {}): { breaker: Breaker; changes: BreakerChange[]; fails: (count?: number, at?: number) => void; succeeds: (count?: number) => void } => {
  const changes: BreakerChange[] = []
  const breaker = new Breaker(rule(changed), (change) => changes.push(change))
  return {
    breaker,
    changes,
    fails: (count = 1, at = 0) => {
      for (let call = 0; call < count; call += 1) breaker.fail(breaker.acquire(() => at), () => at)
    },
    succeeds: (count = 1) => {
      for (let call = 0; call < count; call += 1) breaker.succeed(breaker.acquire(() => 0))
    },
  }
}

type Action = { readonly kind: 'acquire' } | { readonly kind: 'run'; readonly which: number; readonly outcomes: readonly ('ok' | 'failure')[] } | { readonly kind: 'settle'; readonly which: number; readonly outcome: 'ok' | 'failure' | 'ignored' } | { readonly kind: 'wait'; readonly ms: number }

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'acquire' as const }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('settle' as const), which: fc.nat(1000), outcome: fc.constantFrom('ok' as const, 'failure' as const, 'failure' as const, 'ignored' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('run' as const), which: fc.nat(1000), outcomes: fc.array(fc.constantFrom('ok' as const, 'failure' as const), { maxLength: 15 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 40, 99, 100, 250) }) },
)

const rules: fc.Arbitrary<BreakerRule> = fc
  .record({ failureRate: fc.constantFrom(0.01, 0.07, 0.3, 0.5, 0.55, 0.7, 1), windowSize: fc.integer({ min: 1, max: 12 }), share: fc.double({ min: 0, max: 1, noNaN: true }), probes: fc.integer({ min: 1, max: 4 }) })
  .map(({ failureRate, windowSize, share, probes }) => ({ failureRate, windowSize, minimumCalls: Math.max(1, Math.ceil(share * windowSize)), openForMs: 100, probes }))

test('Breaker does what a naive one does, whatever is asked of it', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(rules, fc.array(action, { minLength: 20, maxLength: 200 }), (someRule, actions) => {
      const changes: string[] = []
      const breaker = new Breaker(someRule, ({ to }) => changes.push(to))
      const naive = new NaiveBreaker(someRule)
      const held: { readonly permit: number; readonly era: Era }[] = []
      let now = 0
      for (const step of actions) {
        if (step.kind === 'wait') now += step.ms
        else if (step.kind === 'acquire') {
          const permit = breaker.acquire(() => now)
          const era = naive.acquire(now)
          expect(permit !== rejected).toBe(era !== undefined)
          if (era !== undefined) held.push({ permit, era })
        } else if (held.length > 0) {
          const [{ permit, era }] = held.splice(step.which % held.length, 1) as [{ permit: number; era: Era }]
          if (step.kind === 'run') {
            breaker.settle(permit, step.outcomes.map((outcome) => (outcome === 'failure' ? 1 : 0)), () => now)
            naive.settleRun(era, step.outcomes, now)
            continue
          }
          if (step.outcome === 'ok') breaker.succeed(permit)
          else if (step.outcome === 'failure') breaker.fail(permit, () => now)
          else breaker.ignore(permit)
          naive.settle(era, step.outcome, now)
        }
        expect(breaker.state).toBe(naive.current.state)
        if (breaker.state === 'closed') expect(breaker.export(now).window).toEqual(naive.recent.map(Number))
      }
      expect(changes).toEqual(naive.changes)
      for (const change of changes) seen.add(change)
    }),
    { numRuns: 500, seed: 7 },
  )
  expect([...seen].sort()).toEqual(['closed', 'half-open', 'open'])
})

describe('the window', () => {
  test('Breaker forgets the oldest call, and exactly that', () => {
    const { breaker, fails, succeeds } = made({ windowSize: 4, minimumCalls: 4, failureRate: 0.75 })
    fails(2)
    succeeds(3)
    expect(breaker.export(0).window).toEqual([1, 0, 0, 0])
    fails(1)
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0.25])
    fails(2)
    expect(breaker.state).toBe('open')
  })

  test('Breaker does not open before minimumCalls', () => {
    const { breaker, fails } = made({ windowSize: 10, minimumCalls: 5 })
    fails(4)
    expect(breaker.state).toBe('closed')
    fails(1)
    expect(breaker.state).toBe('open')
  })

  test('Breaker opens at exactly the failure rate, also where the product with the calls is not exact', () => {
    // 0.55 · 100 = 55.00000000000001 and 0.07 · 100 = 7.000000000000001 in doubles.
    for (const [failureRate, failures] of [[0.55, 55], [0.07, 7], [0.29, 29], [0.5, 50], [1, 100]] as const) {
      const { breaker, fails, succeeds } = made({ failureRate, minimumCalls: 100, windowSize: 100 })
      succeeds(100 - failures)
      fails(failures - 1)
      expect(breaker.state, `${failures - 1} of 100`).toBe('closed')
      fails(1)
      expect(breaker.state, `${failures} of 100`).toBe('open')
    }
  })
})

describe('half-open', () => {
  test('Breaker lets at most `probes` through, and closes when all of them succeeded', () => {
    const { breaker, fails } = made({ probes: 3 })
    fails(2)
    expect(breaker.acquire(() => 99)).toBe(rejected)
    const permits = [1, 2, 3].map(() => breaker.acquire(() => 100))
    expect(permits).not.toContain(rejected)
    expect(breaker.acquire(() => 100)).toBe(rejected)
    for (const permit of permits) {
      expect(breaker.state).toBe('half-open')
      breaker.succeed(permit)
    }
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
  })

  test('Breaker gives the place of an ignored probe to another', () => {
    const { breaker, fails } = made()
    fails(2)
    const probe = breaker.acquire(() => 100)
    expect(breaker.acquire(() => 100)).toBe(rejected)
    breaker.ignore(probe)
    expect(breaker.acquire(() => 100)).not.toBe(rejected)
  })

  test('Breaker gives up a probe that never ends after openForMs, and drops what it says later', () => {
    const { breaker, fails } = made()
    fails(2)
    const lost = breaker.acquire(() => 100)
    expect(breaker.acquire(() => 199)).toBe(rejected)
    const second = breaker.acquire(() => 200)
    expect(second).not.toBe(rejected)
    breaker.succeed(lost)
    expect(breaker.state).toBe('half-open')
    breaker.succeed(second)
    expect(breaker.state).toBe('closed')
  })

  test('Breaker drops outcomes of calls that began in an earlier period', () => {
    const { breaker, fails, changes } = made()
    const slow = [1, 2, 3].map(() => breaker.acquire(() => 0))
    fails(2)
    for (const permit of slow) breaker.fail(permit, () => 50)
    expect(breaker.retryAfterMs(50)).toBe(50)
    breaker.succeed(breaker.acquire(() => 100))
    for (const permit of slow) breaker.fail(permit, () => 110)
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
    expect(changes.map(({ to }) => to)).toEqual(['open', 'half-open', 'closed'])
  })
})

test('Breaker says why it changed', () => {
  const { breaker, fails, changes } = made()
  fails(2)
  breaker.fail(breaker.acquire(() => 100), () => 100)
  breaker.succeed(breaker.acquire(() => 200))
  expect(changes).toEqual([
    { from: 'closed', to: 'open', reason: '2 of the last 2 calls failed' },
    { from: 'open', to: 'half-open', reason: 'it was open for 100 ms' },
    { from: 'half-open', to: 'open', reason: 'a probe failed' },
    { from: 'open', to: 'half-open', reason: 'it was open for 100 ms' },
    { from: 'half-open', to: 'closed', reason: 'the probe succeeded' },
  ])
})

describe('export and restore', () => {
  test('Breaker goes on where another one stopped, through JSON', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 30 }), fc.array(fc.boolean(), { maxLength: 10 }), (before, after) => {
        const [first, second] = [made({ windowSize: 6, minimumCalls: 6, failureRate: 0.8 }), made({ windowSize: 6, minimumCalls: 6, failureRate: 0.8 })]
        for (const ok of before) if (first.breaker.state === 'closed') (ok ? first.succeeds : first.fails)()
        second.breaker.restore(JSON.parse(JSON.stringify(first.breaker.export(0))), 0)
        for (const ok of after) {
          if (first.breaker.state === 'closed') for (const one of [first, second]) (ok ? one.succeeds : one.fails)()
          expect(second.breaker.state).toBe(first.breaker.state)
        }
        expect(second.breaker.export(30)).toEqual(first.breaker.export(30))
      }),
      { seed: 7 },
    )
  })

  test('Breaker stays open for what was left of the open time', () => {
    const first = made()
    first.fails(2, 0)
    const snapshot = first.breaker.export(70)
    expect(snapshot).toEqual({ state: 'open', openLeftMs: 30, window: [1, 1] })
    const second = made()
    second.breaker.restore(snapshot, 5000)
    expect([second.breaker.acquire(() => 5029), second.changes]).toEqual([rejected, [{ from: 'closed', to: 'open', reason: 'it was restored' }]])
    expect(second.breaker.acquire(() => 5030)).not.toBe(rejected)
  })

  test('Breaker keeps the newest calls of a longer window', () => {
    const { breaker } = made({ windowSize: 3, minimumCalls: 3 })
    breaker.restore({ state: 'closed', openLeftMs: 0, window: [1, 1, 1, 0, 1, 0] }, 0)
    expect(breaker.export(0).window).toEqual([0, 1, 0])
  })
})

describe('cost', () => {
  afterEach(() => vi.unstubAllGlobals())

  /** Counts reads and writes of the window. */
  const touches = (windowSize: number): number => {
    let count = 0
    const Real = Uint8Array
    vi.stubGlobal('Uint8Array', function Counted(length: number) {
      return new Proxy(new Real(length), {
        get: (target, name) => ((count += 1), Reflect.get(target, name)),
        set: (target, name, value) => ((count += 1), Reflect.set(target, name, value)),
      })
    })
    const { fails, succeeds } = made({ windowSize, minimumCalls: windowSize, failureRate: 1 })
    vi.unstubAllGlobals()
    succeeds(windowSize)
    count = 0
    fails(10)
    return count
  }

  test('Breaker touches as much of the window for a failure, however long the window is', () => {
    expect(touches(20)).toBeGreaterThan(0)
    expect(touches(100_000)).toBe(touches(20))
  })

  test('Breaker asks for the time only while it is not closed', () => {
    const now = vi.fn<() => number>(() => 0)
    const breaker = new Breaker(rule({ windowSize: 100, minimumCalls: 100 }), () => {})
    for (let call = 0; call < 99; call += 1) breaker.fail(breaker.acquire(now), now)
    breaker.succeed(breaker.acquire(now))
    expect(now).not.toHaveBeenCalled()
    breaker.fail(breaker.acquire(now), now)
    expect([breaker.state, now.mock.calls.length]).toEqual(['open', 1])
  })
})
