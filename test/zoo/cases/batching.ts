/** Micro-batching: calls that come together travel as one. */
import { pipe, predictor } from 'outrigger'
import { microBatched, type MicroBatchedOptions } from 'outrigger/batch'
import { fateOf, issue, judge, lacks, tell, zooCase, type Arrival, type Build, type ZooCase } from '../kit.js'
import type { DataLoaderClass, Default } from '../rivals.js'

/** A model that takes rows; each arrival at the model is a run, and its input the rows. */
interface Batched {
  call(input: unknown, options?: { readonly timeoutMs?: number }): Promise<unknown>
  many(inputs: readonly unknown[]): Promise<readonly unknown[]>
}

const ours = (options: MicroBatchedOptions<unknown> = {}): Build<Batched> => {
  return ({ model, clock, random }) => {
    const predict = pipe(predictor({ predictBatch: (rows: readonly unknown[], call) => model.run([...rows], call.signal) as Promise<unknown[]> }, { clock, random }), microBatched(options))
    return { call: (input, callOptions) => predict(input, callOptions), many: (inputs) => predict.batch(inputs) }
  }
}

const dataloader = (options: Readonly<Record<string, unknown>> = {}): Build<Batched> => {
  return async ({ model, load }) => {
    const { default: DataLoader } = await load<Default<DataLoaderClass>>('dataloader')
    const loader = new DataLoader((keys) => model.run([...keys]) as Promise<readonly unknown[]>, options)
    return { call: (input) => loader.load(input), many: (inputs) => Promise.all(inputs.map((input) => loader.load(input))) }
  }
}

const all = { outrigger: ours(), dataloader: dataloader() }

const rowsOf = ({ input }: Arrival): readonly unknown[] => input as readonly unknown[]
const double = (rows: unknown): unknown => (rows as readonly number[]).map((row) => row * 2)

export const batchingCases: readonly ZooCase[] = [
  zooCase<Batched>({
    id: 'context-of-the-first-caller',
    title: 'The batch runs in the first caller\'s async context',
    issues: [issue('graph-gophers/dataloader', 80), issue('graphql/dataloader', 95)],
    story: 'Loads of several requests travel together. Which request does the work belong to? It ran in the context of the one that came first: its user, its trace and its log lines, for everybody\'s rows.',
    correct: 'Work for several callers runs in nobody\'s context, and each caller goes on in the own one.',
    scenario: async ({ call }, kit) => {
      kit.model.answers(double)
      const after: (string | undefined)[] = []
      const ask = async (input: number): Promise<void> => {
        await call(input)
        after.push(kit.context.getStore())
      }
      const asked = ['request A', 'request B'].map((name, index) => kit.context.run(name, () => ask(index)))
      await kit.wait(20)
      await Promise.all(asked)
      const [run] = kit.model.arrivals
      const together = run !== undefined && rowsOf(run).length === 2
      const ownContexts = after.toSorted().join() === 'request A,request B'
      return judge(together && ownContexts && run.context === undefined, `the run for both was in the context of ${run?.context ?? 'nobody'}`)
    },
    subjects: all,
  }),

  zooCase<Batched>({
    id: 'one-bad-row-fails-all',
    title: 'One bad row fails the whole batch',
    issues: [issue('graphql/dataloader', 169), issue('awslabs/aws-lambda-redshift-loader', 146)],
    story: 'One of the things asked for did not exist, and the batch function rejected: everybody who happened to travel along got that error. (A function that can tell its rows apart may return errors row by row. A model that multiplies one tensor cannot.)',
    correct: 'Of eight callers of a model that throws when one row is bad, seven get their answers.',
    scenario: async ({ call }, kit) => {
      kit.model.judges((rows) => ((rows as readonly unknown[]).includes('bad') ? new Error('cannot parse row') : undefined))
      const fates = ['a', 'b', 'c', 'bad', 'd', 'e', 'f', 'g'].map((input) => fateOf(call(input)))
      await kit.wait(50)
      const answered = fates.filter(({ state }) => state === 'fulfilled').length
      return judge(answered === 7 && fates[3]?.state === 'rejected', `${answered} of 7 good rows answered; the bad one: ${tell(fates[3] ?? { state: 'pending' })}`)
    },
    subjects: all,
  }),

  zooCase<Batched>({
    id: 'batch-larger-than-the-maximum',
    title: 'A run is larger than the maximum',
    issues: [issue('bentoml/BentoML', 3859), issue('bentoml/BentoML', 3710)],
    story: 'The maximum counted requests, but a request could hold 32 rows. Runs of several hundred rows reached the GPU and ran out of memory.',
    correct: 'With a maximum of 8, no run has more than 8 rows, whether they came one by one or as a batch of 20.',
    scenario: async ({ call, many }, kit) => {
      kit.model.answers(double)
      const fates = [...Array.from({ length: 20 }, (_, index) => fateOf(call(index))), fateOf(many(Array.from({ length: 20 }, (_, index) => 100 + index)))]
      await kit.wait(50)
      const largest = Math.max(...kit.model.arrivals.map((run) => rowsOf(run).length))
      return judge(largest <= 8 && fates.every(({ state }) => state === 'fulfilled'), `${kit.model.calls} runs, the largest of ${largest} rows`)
    },
    subjects: { outrigger: ours({ maxSize: 8 }), dataloader: dataloader({ maxBatchSize: 8 }) },
  }),

  zooCase<Batched>({
    id: 'latency-limit-not-kept',
    title: 'A row waits longer than its limit',
    issues: [issue('bentoml/BentoML', 1530)],
    story: 'A maximum latency of one second was set, and requests waited for tens of seconds while the model was busy.',
    correct: 'While the engine is busy a row is told at its limit, and does not run when nobody waits for it any more.',
    scenario: async ({ call }, kit) => {
      kit.model.hangs()
      fateOf(call(1))
      await kit.settle()
      const row = fateOf(call(2, { timeoutMs: 100 }))
      await kit.wait(120)
      const atLimit = tell(row)
      const told = row.state === 'rejected'
      kit.model.answers(double)
      kit.model.arrivals[0]?.answer([2])
      await kit.wait(20)
      const ran = kit.model.arrivals.some((run) => rowsOf(run).includes(2))
      return judge(told && !ran, `20 ms after its limit ${atLimit}; it ${ran ? 'ran all the same' : 'did not run'}`)
    },
    subjects: { outrigger: ours(), dataloader: lacks('a load has no limit, and does not wait for the engine') },
  }),

  zooCase<Batched>({
    id: 'calls-of-other-ticks-travel-alone',
    title: 'Calls of different ticks never travel together',
    issues: [issue('graphql/dataloader', 276), issue('graphql/dataloader', 150)],
    story: 'Loads whose parents resolved on different ticks of the event loop were not batched: one query each. Independent requests to a service never share a tick. (A schedule function that waits can be given; it makes everybody wait.)',
    correct: 'Ten calls that come on ten ticks while a run of the model goes on take few runs (at most 3).',
    scenario: async ({ call }, kit) => {
      kit.model.hangs()
      const fates = []
      for (let input = 0; input < 10; input += 1) {
        fates.push(fateOf(call(input)))
        await kit.settle()
      }
      kit.model.answers(double)
      for (const run of [...kit.model.arrivals]) run.answer(double(rowsOf(run)))
      await kit.wait(50)
      const right = fates.filter(({ value }, input) => value === input * 2).length
      return judge(right === 10 && kit.model.calls <= 3, `${right} of 10 answered, in ${kit.model.calls} runs`)
    },
    subjects: all,
  }),

  zooCase<Batched>({
    id: 'lone-caller-waits-for-company',
    title: 'A lone caller waits for others who do not come',
    issues: [issue('graphql/dataloader', 58)],
    story: 'A proposal to gather calls over an interval was declined for this reason: every single load pays the interval, and where loads depend on each other it adds up.',
    correct: 'With an idle engine and default options a lone call reaches the model without a timer.',
    scenario: async ({ call }, kit) => {
      kit.model.answers(double)
      const before = kit.pendingTimers()
      const fate = fateOf(call(21))
      await kit.settle()
      const timers = kit.pendingTimers() - before
      return judge(fate.value === 42 && timers === 0, `${tell(fate)}, ${timers} timers`)
    },
    subjects: all,
  }),

  zooCase<Batched>({
    id: 'fixed-batch-size',
    title: 'A model takes exactly so many rows',
    issues: [issue('bentoml/BentoML', 1656)],
    story: 'A compiled model had a fixed batch dimension. Waiting until there were enough requests meant waiting for ever at night; padding had to be written in front of the batching.',
    correct: 'Three callers of a model that takes exactly 8 rows get their answers at once.',
    scenario: async ({ call }, kit) => {
      kit.model.judges((rows) => ((rows as readonly unknown[]).length === 8 ? undefined : new Error(`expected 8 rows, got ${(rows as readonly unknown[]).length}`)), double)
      const fates = [1, 2, 3].map((input) => fateOf(call(input)))
      await kit.wait(20)
      const right = fates.filter(({ value }, index) => value === (index + 1) * 2).length
      return judge(right === 3, `${right} of 3 answered`)
    },
    subjects: { outrigger: ours({ fixedSize: 8 }), dataloader: lacks('it has no fixed size') },
  }),

  zooCase<Batched>({
    id: 'batch-function-throws-synchronously',
    title: 'A batch function that throws at once ends the process',
    issues: [issue('graphql/dataloader', 318), issue('open-telemetry/opentelemetry-js-contrib', 3683)],
    story: 'The batch function threw before it returned a promise. The error came out of a scheduled job where no caller could catch it, and the server crashed; in an instrumented one the span was never ended.',
    correct: 'The callers get the error.',
    scenario: async ({ call }, kit) => {
      const fates = [1, 2].map((input) => fateOf(call(input)))
      await kit.wait(20)
      const told = fates.every(({ state, error }) => state === 'rejected' && String(error).includes('no weights'))
      return judge(told && kit.unhandled.length === 0, `${told ? 'both callers were told' : fates.map(tell).join('; ')}, ${kit.unhandled.length} unhandled`)
    },
    subjects: {
      outrigger: ({ clock, random }) => {
        const predict = pipe(
          predictor(
            {
              predictBatch: (): Promise<unknown[]> => {
                throw new Error('no weights')
              },
            },
            { clock, random },
          ),
          microBatched(),
        )
        return { call: (input) => predict(input as never), many: (inputs) => predict.batch(inputs as never) }
      },
      dataloader: async ({ load }) => {
        const { default: DataLoader } = await load<Default<DataLoaderClass>>('dataloader')
        const loader = new DataLoader(() => {
          throw new Error('no weights')
        })
        return { call: (input) => loader.load(input), many: (inputs) => Promise.all(inputs.map((input) => loader.load(input))) }
      },
    },
  }),
]
