/** Limits on what runs at once. */
import { pipe, predictor, timeout } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { adaptiveConcurrency, rateLimit } from 'outrigger/resilience'
import { fateOf, issue, judge, lacks, tell, zooCase, type Build, type ZooCase } from '../kit.js'
import type { Bottleneck, Cockatiel, Default, Opossum, PLimit, PTimeout } from '../rivals.js'

interface Limiter {
  call(input?: unknown, signal?: AbortSignal): Promise<unknown>
}

const ours = (options: { readonly concurrency: number; readonly queue: number }): Build<Limiter> => {
  return ({ model, clock, random }) => {
    const predict = pipe(predictor((input: unknown, call) => model.run(input, call.signal), { clock, random }), bulkhead(options))
    return { call: (input = 'x', signal) => predict(input, { signal }) }
  }
}

const cockatiel = (concurrency: number, queue: number): Build<Limiter> => {
  return async ({ model, load }) => {
    const { bulkhead: bulkheadOf } = await load<Cockatiel>('cockatiel')
    const policy = bulkheadOf(concurrency, queue)
    return { call: (input = 'x', signal) => policy.execute(({ signal: own }) => model.run(input, own), signal) }
  }
}

const noSignal = lacks('a waiting call cannot be aborted')
const noQueue = lacks('it has no queue')
const others = { opossum: noQueue, 'p-limit': noSignal, bottleneck: noSignal }

interface Adaptive extends Limiter {
  limit(): number
}

const adaptive: Build<Adaptive> = ({ model, clock, random }) => {
  const limiter = adaptiveConcurrency()
  const predict = pipe(predictor((input: unknown, call) => model.run(input, call.signal), { clock, random }), limiter)
  return { call: (input = 'x', signal) => predict(input, { signal }), limit: () => limiter.limit }
}

const doesNotAdapt = lacks('its limit does not adapt')
const notAdaptive = { cockatiel: doesNotAdapt, opossum: doesNotAdapt, 'p-limit': doesNotAdapt, bottleneck: doesNotAdapt }

export const limitCases: readonly ZooCase[] = [
  zooCase<Limiter>({
    id: 'aborted-waiter-starves-the-queue',
    title: 'One aborted call in the queue, and the rest waits for ever',
    issues: [issue('connor4312/cockatiel', 114)],
    story: 'A waiting call was aborted. When its turn came it was refused, but nobody called up the next in line: those behind it hung.',
    correct: 'Those behind an aborted call get their turn.',
    scenario: async ({ call }, kit) => {
      kit.model.hangs()
      const controller = new AbortController()
      const first = fateOf(call('first'))
      fateOf(call('leaves', controller.signal))
      const third = fateOf(call('third'))
      await kit.settle()
      controller.abort()
      await kit.settle()
      kit.model.answers()
      kit.model.arrivals[0]?.answer('done')
      await kit.wait(50)
      return judge(first.state === 'fulfilled' && third.state === 'fulfilled', `the call behind the aborted one: ${tell(third)}`)
    },
    subjects: { outrigger: ours({ concurrency: 1, queue: 5 }), cockatiel: cockatiel(1, 5), ...others },
  }),

  zooCase<Limiter>({
    id: 'aborted-waiter-waits-on',
    title: 'A waiting call that was aborted waits on',
    issues: [issue('failsafe-go/failsafe-go', 14)],
    story: 'A call that waited for a permit did not notice that it had been cancelled, by a timeout for example: it waited until it got the permit, to do nothing with it.',
    correct: 'A waiting call that is aborted ends at once and never reaches the model.',
    scenario: async ({ call }, kit) => {
      kit.model.hangs()
      const controller = new AbortController()
      fateOf(call('first'))
      const waiter = fateOf(call('leaves', controller.signal))
      await kit.settle()
      controller.abort()
      await kit.settle()
      const atOnce = tell(waiter)
      const ended = waiter.state === 'rejected'
      kit.model.arrivals[0]?.answer('done')
      await kit.wait(20)
      return judge(ended && kit.model.calls === 1, `on abort: ${atOnce}; ${kit.model.calls - 1} aborted calls reached the model`)
    },
    subjects: { outrigger: ours({ concurrency: 1, queue: 5 }), cockatiel: cockatiel(1, 5), ...others },
  }),

  zooCase<Limiter>({
    id: 'aborted-waiter-keeps-its-place',
    title: 'Aborted calls keep their places in the queue',
    issues: [issue('sindresorhus/p-queue', 219)],
    story: 'A large part of the queue was cancelled. The cancelled tasks stayed in it and were taken out one by one, and what was still wanted came after all of them.',
    correct: 'The place of an aborted call is free at once.',
    scenario: async ({ call }, kit) => {
      kit.model.hangs()
      const controller = new AbortController()
      fateOf(call('first'))
      const waiters = Array.from({ length: 3 }, () => fateOf(call('leaves', controller.signal)))
      await kit.settle()
      controller.abort()
      await kit.settle()
      const late = fateOf(call('late'))
      await kit.settle()
      const admitted = late.state === 'pending'
      kit.model.answers()
      kit.model.arrivals[0]?.answer('done')
      await kit.wait(50)
      return judge(admitted && late.state === 'fulfilled' && waiters.length === 3, `a call that comes after three aborted ones in a queue of three: ${tell(late)}`)
    },
    subjects: { outrigger: ours({ concurrency: 1, queue: 3 }), cockatiel: cockatiel(1, 3), ...others },
  }),

  zooCase<Limiter>({
    id: 'abandoned-work-is-not-counted',
    title: 'Work that ran into its time limit is no longer counted',
    issues: [issue('nodeshift/opossum', 72)],
    story: 'The review of the capacity limit asked what becomes of the permit when a call times out, and it was made to come back at the limit. The work itself goes on when it does not look at the signal: with a slow back end, more and more of it runs at once, which the capacity was there to prevent.',
    correct: 'With room for two, no more than two run at once, abandoned or not.',
    scenario: async ({ call }, kit) => {
      kit.model.hangs()
      for (let round = 0; round < 3; round += 1) {
        for (let one = 0; one < 2; one += 1) fateOf(call())
        await kit.wait(150)
      }
      return judge(kit.model.peak <= 2, `${kit.model.peak} ran at once with room for 2`)
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const predict = pipe(predictor((input: unknown) => model.run(input), { clock, random }), bulkhead({ concurrency: 2 }), timeout({ ms: 100 }))
        return { call: (input = 'x') => predict(input) }
      },
      cockatiel: async ({ model, load }) => {
        const { bulkhead: bulkheadOf, timeout: timeoutOf, TimeoutStrategy, wrap } = await load<Cockatiel>('cockatiel')
        const policy = wrap(timeoutOf(100, TimeoutStrategy.Aggressive), bulkheadOf(2))
        return { call: (input = 'x') => policy.execute(() => model.run(input)) }
      },
      opossum: async ({ model, load }) => {
        const { default: CircuitBreaker } = await load<Default<Opossum>>('opossum')
        const breaker = new CircuitBreaker((input: unknown) => model.run(input), { capacity: 2, timeout: 100, volumeThreshold: 100 })
        return { call: (input = 'x') => breaker.fire(input) }
      },
      'p-limit': async ({ model, load }) => {
        const { default: limitOf } = await load<Default<PLimit>>('p-limit')
        const { default: limited } = await load<Default<PTimeout>>('p-timeout')
        const limit = limitOf(2)
        return { call: (input = 'x') => limited(limit(() => model.run(input)), { milliseconds: 100 }) }
      },
      bottleneck: async ({ model, load }) => {
        const { default: Limiter } = await load<Default<Bottleneck>>('bottleneck')
        const { default: limited } = await load<Default<PTimeout>>('p-timeout')
        const limiter = new Limiter({ maxConcurrent: 2 })
        return { call: (input = 'x') => limited(limiter.schedule(() => model.run(input)), { milliseconds: 100 }) }
      },
    },
  }),

  zooCase<Limiter>({
    id: 'cancelled-call-burns-quota',
    title: 'A call that was cancelled while it waited has used up quota',
    issues: [issue('VangelisTech/archetype', 357)],
    story: 'The quota was taken before the wait. Who was cancelled during it had done nothing, and paid for the tick and for the day.',
    correct: 'At one per second, the call after a cancelled one gets through within the next second.',
    scenario: async ({ call }, kit) => {
      kit.model.answers()
      await call('first')
      const controller = new AbortController()
      const cancelled = fateOf(call('cancelled', controller.signal))
      await kit.wait(100)
      controller.abort()
      await kit.settle()
      const next = fateOf(call('next'))
      await kit.wait(1000)
      return judge(cancelled.state === 'rejected' && next.state === 'fulfilled' && kit.model.calls === 2, `a second later the next call: ${tell(next)}`)
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const predict = pipe(predictor((input: unknown, own) => model.run(input, own.signal), { clock, random }), rateLimit({ perSecond: 1, burst: 1, maxWaitMs: 10_000 }))
        return { call: (input = 'x', signal) => predict(input, { signal }) }
      },
      bottleneck: noSignal,
    },
  }),

  zooCase<Adaptive>({
    id: 'cancelled-calls-train-the-limit',
    title: 'Callers who cancel shrink the limit',
    issues: [issue('Netflix/concurrency-limits', 146)],
    story: 'A limit that adapts took calls that clients had cancelled for time-outs. Clients with a nervous finger made the server admit less and less.',
    correct: 'Twenty times twenty calls that their callers aborted leave the limit where it is.',
    scenario: async ({ call, limit }, kit) => {
      const before = limit()
      kit.model.obeys()
      for (let round = 0; round < 20; round += 1) {
        const controller = new AbortController()
        for (let one = 0; one < 20; one += 1) fateOf(call('x', controller.signal))
        await kit.wait(100)
        controller.abort()
        await kit.settle()
      }
      return judge(limit() === before, `the limit was ${before}, and is ${limit()} after 400 aborted calls`)
    },
    subjects: { outrigger: adaptive, ...notAdaptive },
  }),

  zooCase<Adaptive>({
    id: 'limit-stays-when-all-fail',
    title: 'The limit does not move when every call is turned away',
    issues: [issue('platinummonkey/go-concurrency-limits', 141)],
    story: 'The limit was recomputed when a call succeeded. When the back end turned everything away, none did, and the limit stayed as high as before.',
    correct: 'When all that the limit admits at once is turned away (429), again and again, the limit falls.',
    scenario: async ({ call, limit }, kit) => {
      const before = limit()
      kit.model.fails(() => Object.assign(new Error('429 too many requests'), { status: 429 }))
      for (let round = 0; round < 20; round += 1) {
        for (let one = 0; one < 20; one += 1) fateOf(call())
        await kit.wait(100)
      }
      return judge(limit() < before, `the limit was ${before}, and is ${limit()} after 400 calls that were turned away`)
    },
    subjects: { outrigger: adaptive, ...notAdaptive },
  }),
]
