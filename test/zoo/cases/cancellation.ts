/** Time limits and abort signals. */
import { pipe, predictor, retry, timeout } from 'outrigger'
import { fateOf, heldBy, issue, judge, lacks, tell, zooCase, type Build, type ZooCase } from '../kit.js'
import type { Cockatiel, Default, Opossum, PTimeout } from '../rivals.js'

/** A call with a time limit of `limitMs`. */
interface Limited {
  call(input?: unknown, signal?: AbortSignal): Promise<unknown>
}

const limitMs = 200

const ours: Build<Limited> = ({ model, clock, random }) => {
  const predict = pipe(predictor((input: unknown, call) => model.run(input, call.signal), { clock, random }), timeout({ ms: limitMs }))
  return { call: (input = 'x', signal) => predict(input, { signal }) }
}

/** The aggressive strategy is the one that ends the caller's wait at the limit, as the others do. */
const cockatiel: Build<Limited> = async ({ model, load }) => {
  const { timeout: timeoutOf, TimeoutStrategy } = await load<Cockatiel>('cockatiel')
  const policy = timeoutOf(limitMs, TimeoutStrategy.Aggressive)
  return { call: (input = 'x', signal) => policy.execute(({ signal: own }) => model.run(input, own), signal) }
}

const opossum: Build<Limited> = async ({ model, load }) => {
  const { default: CircuitBreaker } = await load<Default<Opossum>>('opossum')
  const breaker = new CircuitBreaker((input: unknown) => model.run(input, breaker.getSignal()), { timeout: limitMs, autoRenewAbortController: true, volumeThreshold: 100 })
  return { call: (input = 'x') => breaker.fire(input) }
}

const pTimeout: Build<Limited> = async ({ model, load }) => {
  const { default: limited } = await load<Default<PTimeout>>('p-timeout')
  return { call: (input = 'x', signal) => limited(model.run(input, signal), { milliseconds: limitMs, signal }) }
}

const noSignal = lacks('a call has no signal of its own')

export const cancellationCases: readonly ZooCase[] = [
  zooCase<Limited>({
    id: 'listeners-left-on-the-callers-signal',
    title: 'Listeners pile up on the caller\'s signal',
    issues: [issue('connor4312/cockatiel', 81), issue('sindresorhus/p-timeout', 42)],
    story: 'One signal lived as long as the service, and every call added an abort listener to it that was never taken away; after eleven Node warned of a leak.',
    correct: 'When the calls have settled nothing hangs on the caller\'s signal.',
    scenario: async (limited, kit) => {
      kit.model.answers()
      const { signal } = new AbortController()
      for (let call = 0; call < 30; call += 1) await limited.call('x', signal)
      await kit.settle()
      const left = heldBy(signal)
      return judge(left === 0 && kit.warnings.length === 0, `${left} left on the signal after 30 calls${kit.warnings.length > 0 ? `; ${kit.warnings[0]}` : ''}`)
    },
    subjects: { outrigger: ours, cockatiel, opossum: noSignal, 'p-timeout': pTimeout },
  }),

  zooCase<Limited>({
    id: 'max-listeners-warning-at-eleven-calls',
    title: 'A warning of a leak as soon as eleven calls run at once',
    issues: [issue('connor4312/cockatiel', 69)],
    story: 'Retry, breaker and timeout were composed with `wrap`. Without a signal of the caller\'s own all calls shared one, and with more than ten of them Node printed MaxListenersExceededWarning. (Whether Node prints it depends on Node: both versions of cockatiel show it on Node 20, neither does on Node 22, which version 4 asks for.)',
    correct: 'A hundred calls at once print no warning.',
    scenario: async (limited, kit) => {
      kit.model.hangs()
      const fates = Array.from({ length: 100 }, () => fateOf(limited.call()))
      await kit.settle()
      for (const { answer } of kit.model.arrivals) answer('y')
      await kit.settle()
      const answered = fates.filter(({ state }) => state === 'fulfilled').length
      return judge(answered === 100 && kit.warnings.length === 0, kit.warnings[0] === undefined ? `${answered} answers, no warning` : (kit.warnings[0].split('.')[0] as string))
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const predict = pipe(predictor((input: unknown, call) => model.run(input, call.signal), { clock, random }), timeout({ ms: limitMs }), retry({ retries: 2 }))
        return { call: (input = 'x', signal) => predict(input, { signal }) }
      },
      cockatiel: async ({ model, load }) => {
        const { handleAll, retry: retryOf, timeout: timeoutOf, TimeoutStrategy, wrap, ExponentialBackoff } = await load<Cockatiel>('cockatiel')
        const policy = wrap(retryOf(handleAll, { maxAttempts: 2, backoff: new ExponentialBackoff() }), timeoutOf(limitMs, TimeoutStrategy.Aggressive))
        return { call: (input = 'x', signal) => policy.execute(({ signal: own }) => model.run(input, own), signal) }
      },
      opossum,
    },
  }),

  zooCase<Limited>({
    id: 'one-timeout-aborts-all',
    title: 'One call\'s time limit aborts all the others',
    issues: [issue('nodeshift/opossum', 780)],
    story: 'The abort controller belongs to the breaker, not to the call: when one call ran into its limit, everything else in flight was aborted with it.',
    correct: 'A time limit aborts the call that ran into it, and no other.',
    scenario: async (limited, kit) => {
      kit.model.hangs()
      const slow = fateOf(limited.call('slow'))
      await kit.wait(limitMs - 80)
      const other = fateOf(limited.call('other'))
      await kit.wait(120)
      const [first, second] = kit.model.arrivals
      if (slow.state !== 'rejected' || first === undefined || second === undefined) throw new Error(`the slow call: ${tell(slow)}`)
      const [fired, firedToo] = [first.signal?.aborted === true, second.signal?.aborted === true]
      second.answer('fine')
      await kit.settle()
      return judge(fired && !firedToo && other.state === 'fulfilled', `the slow call's signal ${fired ? 'fired' : 'did not fire'}, the other's ${firedToo ? 'fired too' : 'did not'}`)
    },
    subjects: { outrigger: ours, cockatiel, opossum, 'p-timeout': lacks('it ends the wait, and aborts nothing') },
  }),

  zooCase<Limited>({
    id: 'aborted-for-ever-after-one-timeout',
    title: 'After one time-out every later call is born aborted',
    issues: [issue('nodeshift/opossum', 861)],
    story: 'A signal that has fired stays fired. The breaker went on handing out the same one, so that each later `fetch` failed before it began. (Renewing it became an option; it renews when the circuit changes its state.)',
    correct: 'The call after a time-out gets a fresh signal.',
    scenario: async (limited, kit) => {
      kit.model.hangs()
      fateOf(limited.call('slow'))
      await kit.wait(limitMs + 50)
      kit.model.obeys()
      const next = fateOf(limited.call('next'))
      await kit.settle()
      const arrival = kit.model.arrivals[1]
      const isFresh = arrival?.signal?.aborted === false
      arrival?.answer('fine')
      await kit.settle()
      return judge(isFresh && next.state === 'fulfilled', `the next call: ${tell(next)}`)
    },
    subjects: { outrigger: ours, cockatiel, opossum, 'p-timeout': lacks('it ends the wait, and aborts nothing') },
  }),

  zooCase<Limited>({
    id: 'abort-after-success',
    title: 'The signal fires after success',
    issues: [issue('connor4312/cockatiel', 72)],
    story: 'The response had arrived, its body had not: leaving the timeout policy aborted the signal, and with it the stream that the caller was about to read. (An option turns it off.)',
    correct: 'Nothing is aborted after success.',
    scenario: async (limited, kit) => {
      kit.model.hangs()
      const fate = fateOf(limited.call())
      await kit.settle()
      const [arrival] = kit.model.arrivals
      arrival?.answer('headers')
      await kit.wait(20)
      const fired = arrival?.signal?.aborted === true
      return judge(fate.state === 'fulfilled' && !fired, fired ? 'the signal fired after the answer' : 'the signal did not fire')
    },
    subjects: { outrigger: ours, cockatiel, opossum, 'p-timeout': lacks('it gives the work no signal') },
  }),

  zooCase<Limited>({
    id: 'abort-reason-lost',
    title: 'A caller\'s abort is reported as a time-out',
    issues: [issue('connor4312/cockatiel', 99)],
    story: 'The caller aborted at once, with a reason. What came back said "Operation timed out after 5000ms".',
    correct: 'The caller finds the own reason in the rejection, as the error or its cause, and no time-out.',
    scenario: async (limited, kit) => {
      kit.model.hangs()
      const controller = new AbortController()
      const reason = new Error('the user left')
      const fate = fateOf(limited.call('x', controller.signal))
      await kit.settle()
      controller.abort(reason)
      await kit.wait(20)
      const error = fate.error as (Error & { cause?: unknown }) | undefined
      return judge(error === reason || error?.cause === reason, tell(fate) + (error !== reason && error?.cause === reason ? ', its cause is the reason' : ''))
    },
    subjects: { outrigger: ours, cockatiel, opossum: noSignal, 'p-timeout': pTimeout },
  }),

  zooCase<Limited>({
    id: 'timer-left-after-abort',
    title: 'An aborted call leaves its timer behind',
    issues: [issue('sindresorhus/p-timeout', 36)],
    story: 'The promise was rejected on abort, but its timer ran on, and the process could not end for the rest of the limit.',
    correct: 'When calls have been aborted no timer is pending that holds the process.',
    scenario: async (limited, kit) => {
      kit.model.obeys()
      const controller = new AbortController()
      const fates = Array.from({ length: 5 }, () => fateOf(limited.call('x', controller.signal)))
      await kit.settle()
      controller.abort()
      await kit.settle()
      const ended = fates.every(({ state }) => state === 'rejected')
      const left = kit.holdsProcess()
      return judge(ended && !left, left ? 'a timer holds the process' : ended ? 'no timer is left' : 'the calls did not end')
    },
    subjects: { outrigger: ours, cockatiel, opossum: noSignal, 'p-timeout': pTimeout },
  }),

  zooCase<Limited>({
    id: 'late-rejection-after-timeout',
    title: 'A failure after the time limit is nobody\'s, and ends the process',
    issues: [issue('ChainSafe/lodestar', 5627), issue('humanwhocodes/retry', 44)],
    story: 'The race was lost and the caller had gone on; then the slow work failed, no one was there to handle it, and Node ended the process for an unhandled rejection.',
    correct: 'The caller gets the time-out, and what the abandoned work does later disturbs nobody.',
    scenario: async (limited, kit) => {
      kit.model.hangs()
      const fate = fateOf(limited.call())
      await kit.wait(limitMs + 50)
      const limit = tell(fate)
      const ended = fate.state === 'rejected'
      kit.model.arrivals[0]?.fail(new Error('too late'))
      await kit.wait(20)
      return judge(ended && kit.unhandled.length === 0, `${limit}; ${kit.unhandled.length} unhandled rejections`)
    },
    subjects: { outrigger: ours, cockatiel, opossum, 'p-timeout': pTimeout },
  }),

  zooCase<Limited>({
    id: 'abort-signal-any-retention',
    title: 'A long-lived signal keeps every call that ever used it',
    issues: [issue('nodejs/node', 55351), issue('nodejs/node', 54614)],
    story: '`AbortSignal.any` registers each composed signal with its sources. With one signal for the whole process they were never let go, and memory grew with each request. The fix came with later Node releases; a library that builds on it leaks on the others.',
    correct: 'After 2 000 calls and a collection nothing is left with the long-lived signal.',
    scenario: async (limited, kit) => {
      kit.model.answers()
      const { signal } = new AbortController()
      for (let call = 0; call < 2000; call += 1) await limited.call('x', signal)
      kit.model.arrivals.length = 0
      kit.collect()
      await kit.wait(20)
      const left = heldBy(signal)
      return judge(left === 0, `${left} left on the signal`)
    },
    subjects: { outrigger: ours, cockatiel, opossum: noSignal, 'p-timeout': pTimeout },
  }),
]
