import { seededRandom } from 'outrigger'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { CallWindow, type WindowKind } from '../../src/policy/breaker-window.js'
import { rejected, type BreakerChange, type BreakerRule } from '../../src/policy/breaker.js'
import { ControlledBreaker } from '../../src/policy/controlled-breaker.js'
import { TimeWindow } from '../../src/policy/time-window.js'
import { NaiveBreaker, type Era } from './_naive-breaker.js'

const lastCalls = (size: number): WindowKind => ({ name: `${size} calls`, most: size, create: () => new CallWindow(size) })
const lastMs = (ms: number): WindowKind => ({ name: `${ms} ms`, most: 1e6, create: () => new TimeWindow(ms) })

const rule = (changed: Partial<BreakerRule> & { readonly windowSize?: number } = {}): BreakerRule => ({
  failureRate: 0.5,
  slowRate: Infinity,
  confidence: 0,
  minimumCalls: 2,
  consecutiveFailures: Infinity,
  window: lastCalls(changed.windowSize ?? 4),
  openForMs: 100,
  maxOpenForMs: 1000,
  jitter: 0,
  probes: 1,
  probeTimeoutMs: 100,
  ramp: [],
  rampCalls: 10,
  probesApart: false,
  ...changed,
})

interface Made {
  readonly breaker: ControlledBreaker
  readonly changes: BreakerChange[]
  /** Calls that fail, one after another. */
  fails(count?: number, at?: number): void
  succeeds(count?: number, at?: number): void
}

const made = (changed: Parameters<typeof rule>[0] = {}, draw: () => number = () => 0.5): Made => {
  const changes: BreakerChange[] = []
  const breaker = new ControlledBreaker(rule(changed), draw, (change) => changes.push(change))
  const calls = (failures: number, successes: number) => (count = 1, at = 0) => {
    for (let call = 0; call < count; call += 1) breaker.record(breaker.acquire(() => at), failures, successes, false, () => at)
  }
  return { breaker, changes, fails: calls(1, 0), succeeds: calls(0, 1) }
}

const ok = (breaker: ControlledBreaker, permit: number, at: number): void => breaker.record(permit, 0, 1, false, () => at)
const bad = (breaker: ControlledBreaker, permit: number, at: number): void => breaker.record(permit, 1, 0, false, () => at)
const ignored = (breaker: ControlledBreaker, permit: number): void => breaker.record(permit, 0, 0, false, () => 0)

// ---- against the naive one

type Action =
  | { readonly kind: 'acquire' | 'trip' | 'isolate' | 'release' }
  | { readonly kind: 'settle'; readonly which: number; readonly failures: number; readonly successes: number; readonly slow: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'reset'; readonly isMetricsOnly: boolean }

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 40, arbitrary: fc.constant({ kind: 'acquire' as const }) },
  { weight: 50, arbitrary: fc.record({ kind: fc.constant('settle' as const), which: fc.nat(1000), failures: fc.constantFrom(0, 0, 1, 1, 3), successes: fc.constantFrom(0, 0, 1, 1, 4), slow: fc.constantFrom(false, false, false, true) }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 7, 40, 99, 100, 250, -3, -60, -5000, 100_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reset' as const), isMetricsOnly: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('trip' as const, 'isolate' as const, 'release' as const, 'release' as const) }) },
)

interface SomeRule {
  readonly rule: BreakerRule
  readonly windowMs: number | undefined
}

const rules: fc.Arbitrary<SomeRule> = fc
  .record({
    failureRate: fc.constantFrom(0.01, 0.07, 0.3, 0.5, 0.55, 0.7, 1, Infinity),
    slowRate: fc.constantFrom(0.4, 1, Infinity),
    size: fc.integer({ min: 1, max: 12 }),
    windowMs: fc.constantFrom(undefined, 50, 200, 1000),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    consecutiveFailures: fc.constantFrom(2, 5, Infinity),
    probes: fc.integer({ min: 1, max: 4 }),
    ramp: fc.constantFrom([], [0.5], [0.2, 0.6]),
    rampCalls: fc.integer({ min: 1, max: 4 }),
    jitter: fc.constantFrom(0, 0.3),
    maxOpenForMs: fc.constantFrom(100, 350, 1000),
    probeTimeoutMs: fc.constantFrom(40, 100, 300),
  })
  .map(({ size, share, windowMs, ...rest }) => ({
    windowMs,
    rule: rule({ ...rest, window: windowMs === undefined ? lastCalls(size) : lastMs(windowMs), minimumCalls: Math.max(1, Math.ceil(share * size)) }),
  }))

/** Half a million times: `expect` itself is most of what it would cost. */
const same = (found: unknown, wanted: unknown): void => {
  if (!Object.is(found, wanted)) expect(found).toBe(wanted)
}

test('Breaker does what a naive one does, whatever is asked of it and wherever the clock jumps', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(rules, fc.array(action, { minLength: 20, maxLength: 250 }), ({ rule: someRule, windowMs }, actions) => {
      const changes: string[] = []
      const [draws, sameDraws] = [seededRandom(3), seededRandom(3)]
      const breaker = new ControlledBreaker(someRule, () => draws.next(), ({ from, to }) => changes.push(to) && seen.add(`${from} → ${to}`))
      const naive = new NaiveBreaker(someRule, windowMs, () => sameDraws.next())
      const held: { readonly permit: number; readonly era: Era }[] = []
      let now = 0
      const clock = (): number => now
      for (const step of actions) {
        if (step.kind === 'wait') now += step.ms
        else if (step.kind === 'trip') {
          breaker.trip('by hand', now)
          naive.trip(now)
        } else if (step.kind === 'isolate') {
          breaker.isolate('by hand')
          naive.isolate()
        } else if (step.kind === 'release') {
          breaker.release()
          naive.release()
        } else if (step.kind === 'reset') {
          breaker.reset('by hand', step.isMetricsOnly)
          naive.reset(step.isMetricsOnly)
        } else if (step.kind === 'acquire') {
          const permit = breaker.acquire(clock)
          const era = naive.acquire(now)
          same(permit !== rejected, era !== undefined)
          if (era !== undefined) held.push({ permit, era })
        } else if (step.kind === 'settle' && held.length > 0) {
          const [{ permit, era }] = held.splice(step.which % held.length, 1) as [{ permit: number; era: Era }]
          breaker.record(permit, step.failures, step.successes, step.slow, clock)
          naive.record(era, step.failures, step.successes, step.slow, now)
        }
        same(breaker.state, naive.current.state)
        same(breaker.retryAfterMs(now), naive.leftMs(now))
        same(breaker.wouldHaveOpened, naive.wouldHaveOpened)
        same(breaker.failureRate, naive.recent.failures / (naive.recent.calls || 1))
      }
      expect(changes).toEqual(naive.changes)
    }),
    { numRuns: 1000, seed: 7 },
  )
  // Every way from state to state was walked.
  expect([...seen].sort()).toEqual([
    'closed → closed', 'closed → isolated', 'closed → metrics-only', 'closed → open',
    'half-open → closed', 'half-open → half-open', 'half-open → isolated', 'half-open → metrics-only', 'half-open → open',
    'isolated → half-open', 'isolated → isolated', 'isolated → metrics-only',
    'metrics-only → closed', 'metrics-only → isolated', 'metrics-only → metrics-only',
    'open → closed', 'open → half-open', 'open → isolated', 'open → metrics-only',
  ])
})

describe('opening', () => {
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

  test('Breaker opens after so many failures in a row, which one success interrupts', () => {
    const { breaker, changes, fails, succeeds } = made({ failureRate: Infinity, consecutiveFailures: 3 })
    fails(2)
    succeeds()
    fails(2)
    expect(breaker.state).toBe('closed')
    fails()
    expect([breaker.state, changes[0]?.reason]).toEqual(['open', '3 calls in a row failed'])
  })

  test('Breaker opens by slow calls, also when none failed', () => {
    const { breaker, changes, succeeds } = made({ slowRate: 0.5, minimumCalls: 4 })
    succeeds(2)
    for (let call = 0; call < 2; call += 1) breaker.record(breaker.acquire(() => 0), 0, 1, true, () => 0)
    expect([breaker.state, breaker.failureRate, changes[0]?.reason]).toEqual(['open', 0, '2 of the last 4 calls were slow'])
  })

  test('Breaker judges a run of rows by its share, also in a window that is shorter than the run, wherever its failures stand', () => {
    for (const [failures, state] of [[30, 'closed'], [40, 'closed'], [50, 'open']] as const) {
      const { breaker } = made({ windowSize: 10, minimumCalls: 10 })
      breaker.record(breaker.acquire(() => 0), failures, 100 - failures, false, () => 0)
      expect([failures, breaker.state]).toEqual([failures, state])
    }
  })

  test('Breaker does not take a run whose last rows failed for failures in a row', () => {
    const { breaker } = made({ failureRate: Infinity, consecutiveFailures: 5 })
    breaker.record(breaker.acquire(() => 0), 50, 50, false, () => 0)
    expect(breaker.state).toBe('closed')
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
      ok(breaker, permit, 100)
    }
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
  })

  test('Breaker gives the place of an ignored probe to another, each time (resilience4j #544)', () => {
    const { breaker, fails } = made()
    fails(2)
    for (let round = 0; round < 50; round += 1) {
      const probe = breaker.acquire(() => 100)
      expect(probe).not.toBe(rejected)
      expect(breaker.acquire(() => 100)).toBe(rejected)
      ignored(breaker, probe)
    }
  })

  test('Breaker takes a probe that never ends for a failed one, also when nobody was there to see it', () => {
    const { breaker, fails, changes } = made()
    fails(2)
    const lost = breaker.acquire(() => 100)
    expect(breaker.acquire(() => 199)).toBe(rejected)
    expect(breaker.acquire(() => 200)).toBe(rejected)
    expect([breaker.state, breaker.retryAfterMs(200)]).toEqual(['open', 200])
    ok(breaker, lost, 250)
    expect(breaker.state).toBe('open')
    const second = breaker.acquire(() => 400)
    expect(second).not.toBe(rejected)
    // Long after: it had been open again since 500, for 400 ms, and the next one is a probe at once.
    const third = breaker.acquire(() => 100_000)
    expect([third === rejected, breaker.state]).toEqual([false, 'half-open'])
    ok(breaker, third, 100_001)
    expect([breaker.state, changes.map(({ to }) => to)]).toEqual(['closed', ['open', 'half-open', 'open', 'half-open', 'open', 'half-open', 'closed']])
  })

  test('Breaker drops outcomes of calls that began in an earlier period, so that they cannot prolong or undo (opossum #385)', () => {
    const { breaker, fails, changes } = made()
    const slow = [1, 2, 3].map(() => breaker.acquire(() => 0))
    fails(2)
    for (const permit of slow) bad(breaker, permit, 50)
    expect(breaker.retryAfterMs(50)).toBe(50)
    ok(breaker, breaker.acquire(() => 100), 100)
    for (const permit of slow) bad(breaker, permit, 110)
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
    expect(changes.map(({ to }) => to)).toEqual(['open', 'half-open', 'closed'])
  })

  test('Breaker takes a slow probe for a failed one', () => {
    const { breaker, fails } = made({ slowRate: 0.5 })
    fails(2)
    breaker.record(breaker.acquire(() => 100), 0, 1, true, () => 100)
    expect(breaker.state).toBe('open')
  })

  test('Breaker whose probes come apart lets no caller be one', () => {
    const { breaker, fails } = made({ probesApart: true })
    fails(2)
    expect(breaker.acquire(() => 100)).toBe(rejected)
    expect([breaker.state, breaker.wantsProbe]).toEqual(['open', true])
    const probe = breaker.acquire(() => 100, true)
    expect([probe === rejected, breaker.wantsProbe, breaker.acquire(() => 100)]).toEqual([false, false, rejected])
    ok(breaker, probe, 100)
    expect(breaker.state).toBe('closed')
  })
})

describe('the way back', () => {
  const ramped = { ramp: [0.05, 0.25], rampCalls: 10, failureRate: 0.5 }

  /** Asks until `count` calls were let through; gives how many were asked. */
  const until = (breaker: ControlledBreaker, count: number, end: (permit: number) => void): number => {
    let asked = 0
    for (let through = 0; through < count; asked += 1) {
      const permit = breaker.acquire(() => 100)
      if (permit === rejected) continue
      through += 1
      end(permit)
    }
    return asked
  }

  test('Breaker lets the shares of the ramp through, then everything', () => {
    const random = seededRandom(7)
    const { breaker, fails, changes } = made(ramped, () => random.next())
    fails(2)
    until(breaker, 1, (permit) => ok(breaker, permit, 100))
    const first = until(breaker, 10, (permit) => ok(breaker, permit, 100))
    const second = until(breaker, 10, (permit) => ok(breaker, permit, 100))
    expect(breaker.state).toBe('closed')
    // 10 of about 200, and 10 of about 40: the numbers of the seed.
    expect([first > 90 && first < 400, second > 20 && second < 90]).toEqual([true, true])
    expect(changes.slice(2).map(({ from, to, reason }) => [from, to, reason])).toEqual([
      ['half-open', 'half-open', 'the probe succeeded: 5 % go through'],
      ['half-open', 'half-open', '10 of 10 calls succeeded: 25 % go through'],
      ['half-open', 'closed', '10 of 10 calls succeeded'],
    ])
  })

  test('Breaker bears failures below the rate on its way back, and opens as soon as the step has reached it', () => {
    const random = seededRandom(7)
    const { breaker, fails } = made(ramped, () => random.next())
    fails(2)
    until(breaker, 1, (permit) => ok(breaker, permit, 100))
    let ended = 0
    until(breaker, 10, (permit) => ((ended += 1) <= 4 ? bad : ok)(breaker, permit, 100))
    expect(breaker.state).toBe('half-open')
    until(breaker, 4, (permit) => bad(breaker, permit, 100))
    expect(breaker.state).toBe('half-open')
    until(breaker, 1, (permit) => bad(breaker, permit, 100))
    expect(breaker.state).toBe('open')
  })

  test('Breaker has at most one step of calls in flight on its way back', () => {
    const { breaker, fails } = made({ ...ramped, ramp: [1] })
    fails(2)
    ok(breaker, breaker.acquire(() => 100), 100)
    const permits = Array.from({ length: 100 }, () => breaker.acquire(() => 100)).filter((permit) => permit !== rejected)
    expect(permits).toHaveLength(10)
  })
})

describe('the open time', () => {
  test('Breaker doubles it each time that it opens again, up to the most', () => {
    const { breaker, fails } = made({ maxOpenForMs: 500 })
    fails(2)
    let now = 0
    const times: number[] = []
    for (let round = 0; round < 5; round += 1) {
      times.push(breaker.retryAfterMs(now))
      now += breaker.retryAfterMs(now)
      bad(breaker, breaker.acquire(() => now), now)
    }
    expect(times).toEqual([100, 200, 400, 500, 500])
  })

  test('Breaker begins anew after a healthy time as long as the last open one, and not after a shorter one', () => {
    for (const [healthyMs, expected] of [[199, 400], [200, 100]] as const) {
      const { breaker, fails } = made()
      fails(2)
      bad(breaker, breaker.acquire(() => 100), 100)
      ok(breaker, breaker.acquire(() => 300), 300)
      fails(2, 300 + healthyMs)
      expect([healthyMs, breaker.retryAfterMs(300 + healthyMs)]).toEqual([healthyMs, expected])
    }
  })

  test('Breaker leaves up to `jitter` of it off, so that processes do not probe together', () => {
    const times = Array.from({ length: 200 }, (_, process) => {
      const random = seededRandom(process)
      const { breaker, fails } = made({ jitter: 0.2 }, () => random.next())
      fails(2)
      return breaker.retryAfterMs(0)
    })
    expect(Math.max(...times)).toBeLessThanOrEqual(100)
    expect(Math.min(...times)).toBeGreaterThan(80)
    // 200 processes in 20 ms: no millisecond holds more than a few. Expected 10 each; 30 would be six standard deviations.
    const perMs = new Map<number, number>()
    for (const time of times) perMs.set(Math.floor(time), (perMs.get(Math.floor(time)) ?? 0) + 1)
    expect(Math.max(...perMs.values())).toBeLessThan(30)
  })

  test('Breaker is not held open by a clock that jumps back', () => {
    const { breaker, fails } = made()
    fails(2, 1_000_000)
    expect(breaker.retryAfterMs(0)).toBe(100)
    expect(breaker.acquire(() => 50)).toBe(rejected)
    const probe = breaker.acquire(() => 100)
    expect(probe).not.toBe(rejected)
    // The clock jumps back under the probe: its deadline counts from there.
    expect(breaker.acquire(() => 0)).toBe(rejected)
    expect(breaker.acquire(() => 100)).toBe(rejected)
    expect(breaker.state).toBe('open')
  })
})

test('Breaker says why it changed', () => {
  const { breaker, fails, changes } = made()
  fails(2)
  bad(breaker, breaker.acquire(() => 100), 100)
  ok(breaker, breaker.acquire(() => 300), 300)
  expect(changes).toEqual([
    { from: 'closed', to: 'open', reason: '2 of the last 2 calls failed' },
    { from: 'open', to: 'half-open', reason: 'it was open for 100 ms' },
    { from: 'half-open', to: 'open', reason: 'a probe failed' },
    { from: 'open', to: 'half-open', reason: 'it was open for 200 ms' },
    { from: 'half-open', to: 'closed', reason: 'the probe succeeded' },
  ])
})

describe('ControlledBreaker', () => {
  test('trip opens it, and lets the open time begin anew when it is open', () => {
    const { breaker, changes } = made()
    breaker.trip('drift', 0)
    expect([breaker.state, breaker.retryAfterMs(60), changes[0]?.reason]).toEqual(['open', 40, 'drift'])
    breaker.trip('drift', 60)
    expect([breaker.retryAfterMs(60), changes.length]).toEqual([100, 1])
  })

  test('isolate rejects until release, and then probes', () => {
    const { breaker } = made()
    const late = breaker.acquire(() => 0)
    breaker.isolate('by hand')
    expect([breaker.state, breaker.acquire(() => 1e9)]).toEqual(['isolated', rejected])
    bad(breaker, late, 0)
    breaker.trip('drift', 0)
    expect(breaker.state).toBe('isolated')
    breaker.release()
    expect([breaker.state, breaker.acquire(() => 0) === rejected, breaker.acquire(() => 0)]).toEqual(['half-open', false, rejected])
  })

  test('metrics-only rejects nothing, and counts an outage as often as a breaker would have opened', () => {
    const { breaker, changes, fails } = made()
    breaker.reset('it only counts', true)
    for (let now = 0; now < 1000; now += 1) fails(1, now)
    expect([breaker.state, breaker.wouldHaveOpened]).toEqual(['metrics-only', 10])
    expect(changes[1]).toEqual({ from: 'metrics-only', to: 'metrics-only', reason: 'it would have opened, as 2 of the last 2 calls failed' })
    breaker.reset('it acts', false)
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
    fails(2)
    expect(breaker.state).toBe('open')
  })

  test('reset closes it, and forgets the window and how often it opened', () => {
    const { breaker, fails } = made()
    fails(2)
    bad(breaker, breaker.acquire(() => 100), 100)
    breaker.reset('by hand')
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
    fails(2, 100)
    expect(breaker.retryAfterMs(100)).toBe(100)
  })

  test('restore goes on where another one stopped, through JSON', () => {
    fc.assert(
      fc.property(fc.constantFrom(lastCalls(6), lastMs(1000)), fc.array(fc.boolean(), { maxLength: 30 }), fc.array(fc.boolean(), { maxLength: 10 }), (window, before, after) => {
        const [first, second] = [made({ window, minimumCalls: 6, failureRate: 0.8 }), made({ window, minimumCalls: 6, failureRate: 0.8 })]
        let now = 5000
        for (const isOk of before) if (first.breaker.state === 'closed') (isOk ? first.succeeds : first.fails)(1, (now += 130))
        second.breaker.restore(JSON.parse(JSON.stringify(first.breaker.export(now))), now)
        for (const isOk of after) {
          now += 130
          if (first.breaker.state === 'closed') for (const one of [first, second]) (isOk ? one.succeeds : one.fails)(1, now)
          expect(second.breaker.state).toBe(first.breaker.state)
        }
        expect(second.breaker.export(now)).toEqual(first.breaker.export(now))
      }),
      { seed: 7 },
    )
  })

  test('restore keeps what was left of the open time, and how often it opened', () => {
    const first = made()
    first.fails(2, 0)
    const snapshot = first.breaker.export(70)
    expect(snapshot).toEqual({ state: 'open', openLeftMs: 30, openings: 1, kind: '4 calls', window: [1, 1] })
    const second = made()
    second.breaker.restore(snapshot, 5000)
    expect([second.breaker.acquire(() => 5029), second.changes]).toEqual([rejected, [{ from: 'closed', to: 'open', reason: 'it was restored' }]])
    bad(second.breaker, second.breaker.acquire(() => 5030), 5030)
    expect(second.breaker.retryAfterMs(5030)).toBe(200)
  })

  test('restore leaves a window of another kind behind', () => {
    const { breaker } = made({ windowSize: 3, minimumCalls: 3 })
    breaker.restore({ state: 'closed', openLeftMs: 0, openings: 0, kind: '1000 ms', window: [0, 5, 5, 0] }, 0)
    expect(breaker.export(0).window).toEqual([])
  })
})

describe('cost', () => {
  afterEach(() => vi.unstubAllGlobals())

  /** Counts reads and writes of the windows. */
  const touches = (window: WindowKind, name: 'Uint8Array' | 'Float64Array', calls: number): number => {
    let count = 0
    const Real = globalThis[name]
    vi.stubGlobal(name, function Counted(length: number) {
      const real = new Real(length)
      return new Proxy(real, {
        get: (target, key) => {
          count += 1
          const value: unknown = Reflect.get(target, key)
          return typeof value === 'function' ? (value as () => unknown).bind(target) : value
        },
        set: (target, key, value) => ((count += 1), Reflect.set(target, key, value)),
      })
    })
    const { fails, succeeds } = made({ window, minimumCalls: calls, failureRate: 1 })
    vi.unstubAllGlobals()
    for (let call = 0; call < calls; call += 1) succeeds(1, call / calls)
    count = 0
    fails(10, 1)
    return count
  }

  test('Breaker touches as much of the window for a failure, however long the window is', () => {
    expect(touches(lastCalls(20), 'Uint8Array', 20)).toBeGreaterThan(0)
    expect(touches(lastCalls(100_000), 'Uint8Array', 100_000)).toBe(touches(lastCalls(20), 'Uint8Array', 20))
  })

  test('Breaker touches as much of a window of time for a failure, however many calls are in it', () => {
    expect(touches(lastMs(1000), 'Float64Array', 20)).toBeGreaterThan(0)
    expect(touches(lastMs(1000), 'Float64Array', 100_000)).toBe(touches(lastMs(1000), 'Float64Array', 20))
  })

  test('Breaker asks for the time only while it is not closed', () => {
    const now = vi.fn<() => number>(() => 0)
    const breaker = new ControlledBreaker(rule({ windowSize: 100, minimumCalls: 100 }), () => 0, () => {})
    for (let call = 0; call < 99; call += 1) breaker.record(breaker.acquire(now), 1, 0, false, now)
    breaker.record(breaker.acquire(now), 0, 1, false, now)
    expect(now).not.toHaveBeenCalled()
    breaker.record(breaker.acquire(now), 1, 0, false, now)
    expect([breaker.state, now.mock.calls.length]).toEqual(['open', 1])
  })
})
