/** Answers in the place of a model that failed. */
import { circuitBreaker, fallback, pipe, predictor, retry, timeout } from 'outrigger'
import { fateOf, issue, judge, tell, zooCase, type ZooCase } from '../kit.js'
import type { Cockatiel, Default, Opossum } from '../rivals.js'

interface Backed {
  call(input?: unknown): Promise<unknown>
}

/** The second model, and how often it was asked with what. */
class Baseline {
  readonly inputs: unknown[] = []
  error: Error | undefined = undefined

  readonly run = async (input: unknown): Promise<unknown> => {
    this.inputs.push(input)
    if (this.error !== undefined) throw this.error
    return 'baseline'
  }
}

const limitMs = 100

interface WithBaseline extends Backed {
  readonly baseline: Baseline
}

interface Terminal extends Error {
  readonly status?: number
}

const badRequest = (): Error => Object.assign(new Error('400 provider returned error'), { status: 400 })
const mayPass = (error: unknown): boolean => (error as Terminal).status !== 400

export const fallbackCases: readonly ZooCase[] = [
  zooCase<WithBaseline>({
    id: 'fallback-runs-twice',
    title: 'The fallback runs twice',
    issues: [issue('nodeshift/opossum', 198)],
    story: 'The call ran into its time limit and the fallback answered. When the slow work failed later, the fallback was called a second time, and as it rejected with nobody listening, Node reported an unhandled rejection.',
    correct: 'One failed call asks the fallback once.',
    scenario: async ({ call, baseline }, kit) => {
      baseline.error = new Error('baseline down')
      kit.model.hangs()
      const fate = fateOf(call())
      await kit.wait(limitMs + 50)
      kit.model.arrivals[0]?.fail(new Error('500 server error'))
      await kit.wait(20)
      const asked = baseline.inputs.length
      return judge(fate.state === 'rejected' && asked === 1 && kit.unhandled.length === 0, `the fallback ran ${asked} times, ${kit.unhandled.length} unhandled rejections`)
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const baseline = new Baseline()
        const predict = pipe(predictor((input: unknown) => model.run(input), { clock, random }), timeout({ ms: limitMs }), fallback((input: unknown) => baseline.run(input)))
        return { baseline, call: (input = 'x') => predict(input) }
      },
      cockatiel: async ({ model, load }) => {
        const baseline = new Baseline()
        const { fallback: fallbackOf, handleAll, timeout: timeoutOf, TimeoutStrategy, wrap } = await load<Cockatiel>('cockatiel')
        const policy = wrap(fallbackOf(handleAll, () => baseline.run(undefined)), timeoutOf(limitMs, TimeoutStrategy.Aggressive))
        return { baseline, call: (input = 'x') => policy.execute(() => model.run(input)) }
      },
      opossum: async ({ model, load }) => {
        const baseline = new Baseline()
        const { default: CircuitBreaker } = await load<Default<Opossum>>('opossum')
        const breaker = new CircuitBreaker((input: unknown) => model.run(input), { timeout: limitMs }).fallback((input) => baseline.run(input))
        return { baseline, call: (input = 'x') => breaker.fire(input) }
      },
    },
  }),

  zooCase<WithBaseline>({
    id: 'failing-fallback-is-unhandled',
    title: 'A fallback that fails ends the process',
    issues: [issue('nodeshift/opossum', 100)],
    story: 'The fallback returned a rejected promise. Besides the caller\'s own rejection, Node saw one that nobody handled.',
    correct: 'The caller gets the rejection, and nobody else does.',
    scenario: async ({ call, baseline }, kit) => {
      baseline.error = new Error('baseline down')
      kit.model.fails()
      const fates = Array.from({ length: 5 }, () => fateOf(call()))
      await kit.wait(50)
      const rejected = fates.filter(({ state }) => state === 'rejected').length
      return judge(rejected === 5 && kit.unhandled.length === 0, `${rejected} of 5 callers got a rejection, ${kit.unhandled.length} unhandled`)
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const baseline = new Baseline()
        const predict = pipe(predictor((input: unknown) => model.run(input), { clock, random }), circuitBreaker(), fallback((input: unknown) => baseline.run(input)))
        return { baseline, call: (input = 'x') => predict(input) }
      },
      cockatiel: async ({ model, load }) => {
        const baseline = new Baseline()
        const { circuitBreaker: breakerOf, ConsecutiveBreaker, fallback: fallbackOf, handleAll, wrap } = await load<Cockatiel>('cockatiel')
        const policy = wrap(fallbackOf(handleAll, () => baseline.run(undefined)), breakerOf(handleAll, { halfOpenAfter: 1000, breaker: new ConsecutiveBreaker(5) }))
        return { baseline, call: (input = 'x') => policy.execute(() => model.run(input)) }
      },
      opossum: async ({ model, load }) => {
        const baseline = new Baseline()
        const { default: CircuitBreaker } = await load<Default<Opossum>>('opossum')
        const breaker = new CircuitBreaker((input: unknown) => model.run(input)).fallback((input) => baseline.run(input))
        return { baseline, call: (input = 'x') => breaker.fire(input) }
      },
    },
  }),

  zooCase<WithBaseline>({
    id: 'fallback-with-the-primarys-parameters',
    title: 'The fallback is asked with the primary\'s parameters',
    issues: [issue('rohitg00/agentmemory', 778)],
    story: 'The second provider was asked for a model by the first one\'s name. It answered 404, time and again, until the circuit opened: with a fallback the service was worse off than without.',
    correct: 'The fallback can have parameters of its own, and is asked with those.',
    scenario: async ({ call, baseline }, kit) => {
      kit.model.fails()
      const fate = fateOf(call({ model: 'big', text: 'hello' }))
      await kit.wait(20)
      const asked = baseline.inputs[0] as { model?: string; text?: string } | undefined
      return judge(fate.state === 'fulfilled' && asked?.model === 'small' && asked.text === 'hello', `the fallback was asked for the model '${asked?.model}'`)
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const baseline = new Baseline()
        const small = { use: (input: unknown) => baseline.run(input), input: (input: object) => ({ ...input, model: 'small' }) }
        const predict = pipe(predictor((input: object) => model.run(input), { clock, random }), fallback(small))
        return { baseline, call: (input = 'x') => predict(input as object) }
      },
      cockatiel: async ({ model, load }) => {
        const baseline = new Baseline()
        const { fallback: fallbackOf, handleAll } = await load<Cockatiel>('cockatiel')
        // The fallback is told nothing of the call: a policy is made for each.
        return { baseline, call: (input = 'x') => fallbackOf(handleAll, () => baseline.run({ ...(input as object), model: 'small' })).execute(() => model.run(input)) }
      },
      opossum: async ({ model, load }) => {
        const baseline = new Baseline()
        const { default: CircuitBreaker } = await load<Default<Opossum>>('opossum')
        const breaker = new CircuitBreaker((input: unknown) => model.run(input)).fallback((input) => baseline.run({ ...(input as object), model: 'small' }))
        return { baseline, call: (input = 'x') => breaker.fire(input) }
      },
    },
  }),

  zooCase<WithBaseline>({
    id: 'terminal-error-never-reaches-the-fallback',
    title: 'An error that is not retried never reaches the fallback',
    issues: [issue('MoonshotAI/kimi-code', 3686)],
    story: 'The fallback model stood ready for when the retries were used up. An error that is not worth a retry used up none, and so the fallback was never asked.',
    correct: 'What is not retried goes to the fallback at once.',
    scenario: async ({ call, baseline }, kit) => {
      kit.model.fails(badRequest)
      const fate = fateOf(call())
      await kit.wait(50)
      return judge(fate.state === 'fulfilled' && kit.model.calls === 1 && baseline.inputs.length === 1, `${kit.model.calls} attempts, then ${tell(fate)}`)
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const baseline = new Baseline()
        const predict = pipe(predictor((input: unknown) => model.run(input), { clock, random }), retry({ retries: 3, retryIf: mayPass }), fallback((input: unknown) => baseline.run(input)))
        return { baseline, call: (input = 'x') => predict(input) }
      },
      cockatiel: async ({ model, load }) => {
        const baseline = new Baseline()
        const { fallback: fallbackOf, handleAll, handleWhen, retry: retryOf, wrap } = await load<Cockatiel>('cockatiel')
        const policy = wrap(fallbackOf(handleAll, () => baseline.run(undefined)), retryOf(handleWhen(mayPass), { maxAttempts: 3 }))
        return { baseline, call: (input = 'x') => policy.execute(() => model.run(input)) }
      },
    },
  }),

  zooCase<WithBaseline>({
    id: 'fallback-hides-failures-from-the-breaker',
    title: 'While the fallback answers, the broken model is asked for ever',
    issues: [issue('MemTensor/MemOS', 1938)],
    story: 'A primary that was out of credit was rescued by the fallback, call after call. As each call ended well, the breaker counted none of it, and the requests to the broken provider never stopped.',
    correct: 'The fallback answers, and the circuit opens all the same.',
    scenario: async ({ call, baseline }, kit) => {
      kit.model.fails()
      let answered = 0
      for (let one = 0; one < 30; one += 1) if ((await call()) === 'baseline') answered += 1
      return judge(answered === 30 && baseline.inputs.length === 30 && kit.model.calls <= 5, `30 calls, ${answered} answered, ${kit.model.calls} reached the broken model`)
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const baseline = new Baseline()
        const predict = pipe(predictor((input: unknown) => model.run(input), { clock, random }), circuitBreaker({ minimumCalls: 5, windowSize: 5 }), fallback((input: unknown) => baseline.run(input)))
        return { baseline, call: (input = 'x') => predict(input) }
      },
      cockatiel: async ({ model, load }) => {
        const baseline = new Baseline()
        const { circuitBreaker: breakerOf, ConsecutiveBreaker, fallback: fallbackOf, handleAll, wrap } = await load<Cockatiel>('cockatiel')
        const policy = wrap(fallbackOf(handleAll, () => baseline.run(undefined)), breakerOf(handleAll, { halfOpenAfter: 30_000, breaker: new ConsecutiveBreaker(5) }))
        return { baseline, call: (input = 'x') => policy.execute(() => model.run(input)) }
      },
      opossum: async ({ model, load }) => {
        const baseline = new Baseline()
        const { default: CircuitBreaker } = await load<Default<Opossum>>('opossum')
        const breaker = new CircuitBreaker((input: unknown) => model.run(input), { volumeThreshold: 5 }).fallback((input) => baseline.run(input))
        return { baseline, call: (input = 'x') => breaker.fire(input) }
      },
    },
  }),
]
