/** Retries and hedges. */
import { pipe, predictor, retry, type RetryOptions } from 'outrigger'
import { extraWorkBudget } from 'outrigger/policy'
import { hedge, type HedgeOptions } from 'outrigger/resilience'
import { fateOf, heldBy, issue, judge, lacks, tell, zooCase, type Build, type ZooCase } from '../kit.js'
import type { Cockatiel, Default, PRetry } from '../rivals.js'

interface Retrying {
  call(input?: unknown, signal?: AbortSignal): Promise<unknown>
}

const ours = (options: Partial<RetryOptions> = {}): Build<Retrying> => {
  return ({ model, clock, random }) => {
    const predict = pipe(predictor((input: unknown, call) => model.run(input, call.signal), { clock, random }), retry({ retries: 3, minDelayMs: 50, jitter: 'none', ...options }))
    return { call: (input = 'x', signal) => predict(input, { signal }) }
  }
}

const pRetry = (minTimeout = 50): Build<Retrying> => {
  return async ({ model, load }) => {
    const { default: retried } = await load<Default<PRetry>>('p-retry')
    return { call: (input = 'x', signal) => retried(() => model.run(input, signal), { retries: 3, minTimeout, signal }) }
  }
}

const cockatiel = (initialDelay = 50): Build<Retrying> => {
  return async ({ model, load }) => {
    const { handleAll, retry: retryOf, ExponentialBackoff } = await load<Cockatiel>('cockatiel')
    const policy = retryOf(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff({ initialDelay }) })
    return { call: (input = 'x', signal) => policy.execute(({ signal: own }) => model.run(input, own), signal) }
  }
}

const hedged = (options: HedgeOptions = {}): Build<Retrying> => {
  return ({ model, clock, random }) => {
    const predict = pipe(predictor((input: unknown, call) => model.run(input, call.signal), { clock, random }), hedge({ delayMs: 50, ...options }))
    return { call: (input = 'x', signal) => predict(input, { signal }) }
  }
}

const doesNotHedge = lacks('it does not hedge')
const noHedging = { cockatiel: doesNotHedge, 'p-retry': doesNotHedge }

const all = { outrigger: ours(), cockatiel: cockatiel(), 'p-retry': pRetry() }

export const retryCases: readonly ZooCase[] = [
  zooCase<Retrying>({
    id: 'abort-seen-after-the-back-off',
    title: 'An abort is seen only when the back-off is over',
    issues: [issue('sindresorhus/p-retry', 97), issue('browserbase/sdk-node', 205), issue('vercel/ai', 7661)],
    story: 'The caller aborted after a second; the next attempt was ten seconds away, and the promise was rejected when those were over.',
    correct: 'A caller who aborts during a wait is let go at once.',
    scenario: async (retrying, kit) => {
      kit.model.fails()
      const controller = new AbortController()
      const fate = fateOf(retrying.call('x', controller.signal))
      await kit.wait(20)
      controller.abort()
      await kit.wait(50)
      return judge(fate.state === 'rejected' && kit.model.calls === 1, `50 ms after the abort: ${tell(fate)}`)
    },
    subjects: { outrigger: ours({ minDelayMs: 1000 }), cockatiel: cockatiel(1000), 'p-retry': pRetry(1000) },
  }),

  zooCase<Retrying>({
    id: 'abort-is-retried',
    title: 'An abort is taken for a failure and tried again',
    issues: [issue('smithy-lang/smithy-typescript', 2268), issue('vercel/fetch-retry', 32)],
    story: 'The attempt failed because its caller had aborted it. The retry saw a transient error, and went through all its attempts against a signal that had fired.',
    correct: 'After the caller\'s abort the model is not asked again.',
    scenario: async (retrying, kit) => {
      kit.model.obeys()
      const controller = new AbortController()
      const fate = fateOf(retrying.call('x', controller.signal))
      await kit.settle()
      controller.abort()
      await kit.wait(600)
      return judge(fate.state === 'rejected' && kit.model.calls === 1, `${kit.model.calls} attempts; ${tell(fate)}`)
    },
    subjects: all,
  }),

  zooCase<Retrying>({
    id: 'retry-leaves-listeners',
    title: 'Each retried call leaves a listener on the caller\'s signal',
    issues: [issue('sindresorhus/p-retry', 71)],
    story: 'The abort listener was added when the work began and not removed when it ended: "71 abort listeners added".',
    correct: 'When the calls have settled nothing hangs on the signal.',
    scenario: async (retrying, kit) => {
      let attempt = 0
      const { signal } = new AbortController()
      const fates = []
      for (let call = 0; call < 20; call += 1) {
        kit.model.hangs()
        const fate = fateOf(retrying.call('x', signal))
        await kit.settle()
        kit.model.arrivals[attempt]?.fail(new Error('not yet'))
        kit.model.answers()
        await kit.wait(120)
        attempt = kit.model.calls
        fates.push(fate)
      }
      const answered = fates.filter(({ state }) => state === 'fulfilled').length
      const left = heldBy(signal)
      return judge(answered === 20 && left === 0, `${answered} of 20 answered, ${left} left on the signal`)
    },
    subjects: all,
  }),

  zooCase<Retrying>({
    id: 'type-error-not-retried',
    title: 'A failure that comes as a TypeError is not tried again',
    issues: [issue('sindresorhus/p-retry', 51), issue('sindresorhus/p-retry', 37)],
    story: '`fetch` throws a TypeError when the network fails. A retry that takes every TypeError for a mistake in the program gives up; the list of messages that are let through has grown since, run time by run time, and does not know what a model server\'s client throws.',
    correct: 'Without a filter of the user\'s, an error is retried whatever its class.',
    scenario: async (retrying, kit) => {
      kit.model.fails(() => new TypeError('connection to the model server lost'))
      const fate = fateOf(retrying.call())
      await kit.settle()
      kit.model.answers()
      await kit.wait(400)
      return judge(fate.state === 'fulfilled', `${kit.model.calls} attempts; ${tell(fate)}`)
    },
    subjects: all,
  }),

  zooCase<Retrying>({
    id: 'thrown-string',
    title: 'What is thrown is no Error',
    issues: [issue('sindresorhus/p-retry', 14)],
    story: 'A package that the user does not control rejected with a string. The retry tried to write on it, failed with a TypeError of its own, and the real message was lost.',
    correct: 'It is retried like any failure, and what was thrown arrives, as it is or as the cause.',
    scenario: async (retrying, kit) => {
      kit.model.fails(() => 'out of memory')
      const fate = fateOf(retrying.call())
      await kit.wait(1500)
      const cause = (fate.error as { cause?: unknown } | undefined)?.cause
      const arrived = fate.error === 'out of memory' || cause === 'out of memory'
      return judge(fate.state === 'rejected' && arrived && kit.model.calls === 4, `${kit.model.calls} attempts; ${tell(fate)}${cause === 'out of memory' ? ', its cause is what was thrown' : ''}`)
    },
    subjects: all,
  }),

  zooCase<{ call(): Promise<unknown>; warned(): readonly string[] }>({
    id: 'nested-retries-multiply',
    title: 'Retries inside retries multiply',
    issues: [issue('HKUDS/nanobot', 2760), issue('microsoft/openaivec', 186), issue('sindresorhus/p-retry', 34)],
    story: 'The client retried, and so did the application around it: 12 requests where 4 were meant, in another project 36 for one batch. Nobody had written a multiplication.',
    correct: 'Two retries around each other do not multiply in silence: the user is told when they are put together, or the attempts stay few.',
    scenario: async ({ call, warned }, kit) => {
      kit.model.fails()
      const fate = fateOf(call())
      await kit.wait(4000)
      if (fate.state === 'pending') throw new Error('the call did not end')
      const told = warned()
      return judge(told.length > 0 || kit.model.calls <= 4, `${kit.model.calls} attempts, ${told.length > 0 ? `and a warning: ${told[0]}` : 'no warning'}`)
    },
    subjects: {
      outrigger: ({ model, clock, random, warnings }) => {
        const predict = pipe(predictor((input: unknown) => model.run(input), { clock, random }), retry({ retries: 3, minDelayMs: 1 }), retry({ retries: 3, minDelayMs: 1 }))
        return { call: () => predict('x'), warned: () => warnings }
      },
      cockatiel: async ({ model, load, warnings }) => {
        const { handleAll, retry: retryOf, wrap, ConstantBackoff } = await load<Cockatiel>('cockatiel')
        const one = (): ReturnType<typeof retryOf> => retryOf(handleAll, { maxAttempts: 3, backoff: new ConstantBackoff(1) })
        const policy = wrap(one(), one())
        return { call: () => policy.execute(() => model.run('x')), warned: () => warnings }
      },
      'p-retry': async ({ model, load, warnings }) => {
        const { default: retried } = await load<Default<PRetry>>('p-retry')
        const options = { retries: 3, minTimeout: 1, factor: 1 }
        return { call: () => retried(() => retried(() => model.run('x'), options), options), warned: () => warnings }
      },
    },
  }),

  zooCase<Retrying>({
    id: 'awaited-timer-unrefed',
    title: 'The process ends in the middle of a back-off',
    issues: [issue('huggingface/huggingface.js', 2374), issue('connor4312/cockatiel', 13)],
    story: 'The timer of the wait was unref\'ed. With the connection closed nothing held the process any more: it ended during the back-off, and the caller got neither a result nor an error.',
    correct: 'A wait that somebody awaits keeps the process alive.',
    scenario: async (retrying, kit) => {
      kit.model.fails()
      const fate = fateOf(retrying.call())
      await kit.settle()
      const holds = kit.holdsProcess()
      return judge(fate.state === 'pending' && holds, holds ? 'the wait holds the process' : 'nothing holds the process during the wait')
    },
    subjects: { outrigger: ours({ minDelayMs: 1000 }), cockatiel: cockatiel(1000), 'p-retry': pRetry(1000) },
  }),

  zooCase<Retrying>({
    id: 'retries-beyond-the-limit',
    title: 'Retries go on after the caller\'s time is over',
    issues: [issue('microsoft/openaivec', 186)],
    story: 'Each attempt had its limit, the whole had none: twelve rounds of back-off ran on long after anybody could use the answer.',
    correct: 'With a limit of 200 ms for the whole, the caller is let go at 200 ms and no attempt starts after it.',
    scenario: async (retrying, kit) => {
      kit.model.fails()
      const fate = fateOf(retrying.call())
      await kit.wait(260)
      const ended = tell(fate)
      const before = kit.model.calls
      await kit.wait(1200)
      const after = kit.model.calls - before
      return judge(ended !== 'still pending' && after === 0, `60 ms after the limit ${ended}; ${after} attempts later`)
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const predict = pipe(predictor((input: unknown, call) => model.run(input, call.signal), { clock, random }), retry({ retries: 10, minDelayMs: 60, factor: 1, jitter: 'none' }))
        return { call: (input = 'x') => predict(input, { timeoutMs: 200 }) }
      },
      cockatiel: async ({ model, load }) => {
        const { handleAll, retry: retryOf, timeout: timeoutOf, TimeoutStrategy, wrap, ConstantBackoff } = await load<Cockatiel>('cockatiel')
        const policy = wrap(timeoutOf(200, TimeoutStrategy.Aggressive), retryOf(handleAll, { maxAttempts: 10, backoff: new ConstantBackoff(60) }))
        return { call: (input = 'x') => policy.execute(({ signal }) => model.run(input, signal)) }
      },
      'p-retry': async ({ model, load }) => {
        const { default: retried } = await load<Default<PRetry>>('p-retry')
        return { call: (input = 'x') => retried(() => model.run(input), { retries: 10, minTimeout: 60, factor: 1, maxRetryTime: 200 }) }
      },
    },
  }),

  zooCase<Retrying>({
    id: 'retry-after-ignored',
    title: 'Retry-After is ignored',
    issues: [issue('cyanheads/mcp-ts-core', 285), issue('DouglasdeMoura/chroncal', 105)],
    story: 'The provider said when to come back. The retry read it, kept it in the error, and came back on its own back-off: too early, all attempts used up, and the limit renewed.',
    correct: 'After an error with `retry-after: 1` the next attempt comes after a second, not before.',
    scenario: async (retrying, kit) => {
      kit.model.fails(() => Object.assign(new Error('429 too many requests'), { status: 429, headers: { 'retry-after': '1' } }))
      const fate = fateOf(retrying.call())
      await kit.wait(700)
      const early = kit.model.calls - 1
      kit.model.answers()
      await kit.wait(500)
      return judge(early === 0 && fate.state === 'fulfilled', `${early} attempts before the second was over; ${tell(fate)}`)
    },
    subjects: { outrigger: ours(), cockatiel: lacks('the wait can be made a function of the error by hand'), 'p-retry': lacks('a further wait can be written by hand, in onFailedAttempt') },
  }),

  zooCase<Retrying>({
    id: 'retry-storm',
    title: 'On a bad day retries are most of the traffic',
    issues: [issue('App-vNext/Polly', 2348), issue('failsafe-go/failsafe-go', 66)],
    story: 'When a whole service fails each call is sent four times, and the load that broke it is multiplied. What was asked for is a budget over all calls: so many retries for so many calls, as Envoy and Finagle have it.',
    correct: 'With a budget of one retry in ten calls (and 10 at once), 200 failing calls make at most 230 attempts.',
    scenario: async (retrying, kit) => {
      kit.model.fails()
      const fates = Array.from({ length: 200 }, () => fateOf(retrying.call()))
      await kit.wait(1500)
      return judge(kit.model.calls <= 230 && fates.every(({ state }) => state === 'rejected'), `${kit.model.calls} attempts for 200 calls`)
    },
    subjects: {
      outrigger: ours({ budget: extraWorkBudget({ ratio: 0.1, minimumPerSecond: 0, burst: 10 }) }),
      cockatiel: lacks('it has no budget over all calls'),
      'p-retry': lacks('it has no budget over all calls'),
    },
  }),

  zooCase<Retrying>({
    id: 'spent-budget-fails-the-call',
    title: 'A spent budget fails the call instead of the hedge',
    issues: [issue('failsafe-go/failsafe-go', 141)],
    story: 'A slow call was to be hedged, and the budget for hedges was spent. Instead of going without the hedge, the whole call failed at once, and the first attempt was cancelled with it.',
    correct: 'Without budget there is no second attempt, and the first one goes on.',
    scenario: async (hedging, kit) => {
      kit.model.hangs()
      const first = fateOf(hedging.call('spends the budget'))
      await kit.wait(80)
      const sent = kit.model.calls
      kit.model.arrivals[0]?.answer('one')
      await kit.settle()
      const second = fateOf(hedging.call('has none left'))
      await kit.wait(80)
      const extra = kit.model.calls - sent - 1
      const isAborted = kit.model.arrivals[sent]?.signal?.aborted === true
      kit.model.arrivals[sent]?.answer('two')
      await kit.settle()
      return judge(sent === 2 && first.value === 'one' && extra === 0 && !isAborted && second.value === 'two', `${sent - 1} hedge with budget, ${extra} without; then ${tell(second)}`)
    },
    subjects: { outrigger: hedged({ budget: extraWorkBudget({ ratio: 0, minimumPerSecond: 0, burst: 1 }) }), ...noHedging },
  }),

  zooCase<Retrying>({
    id: 'hedge-that-fails-first-wins',
    title: 'A hedge that fails fast takes the answer away',
    issues: [issue('joshrotenberg/tower-resilience', 393)],
    story: 'Hedges raced, and what came first counted, also when it was a failure; and the attempt that lost a race was left running. The change made the first success count, the primary\'s error only when all had failed, and dropped losers.',
    correct: 'A failed hedge leaves the first attempt its chance; when one has answered, the other is aborted.',
    scenario: async (hedging, kit) => {
      kit.model.hangs()
      const one = fateOf(hedging.call('one'))
      await kit.wait(80)
      kit.model.arrivals[1]?.fail(new Error('the hedge failed'))
      await kit.settle()
      const stillWaits = one.state === 'pending'
      kit.model.arrivals[0]?.answer('late but right')
      await kit.settle()
      const before = kit.model.calls
      const other = fateOf(hedging.call('two'))
      await kit.wait(80)
      kit.model.arrivals[before + 1]?.answer('the hedge was quicker')
      await kit.settle()
      const loser = kit.model.arrivals[before]?.signal?.aborted === true
      return judge(stillWaits && one.value === 'late but right' && other.value === 'the hedge was quicker' && loser, `${tell(one)}; the loser ${loser ? 'was aborted' : 'runs on'}`)
    },
    subjects: { outrigger: hedged(), ...noHedging },
  }),
]
