/** The innermost stage: the user's model, made safe to stand under layers. */
import type { BatchCall, ModelBatchCall } from './batch-call.js'
import type { Call, ModelCall } from './call.js'
import { InvalidOptionError, isError, isOutriggerError, OutriggerError } from './errors.js'
import { EventHub } from './events.js'
import type { ModelIdentity } from './identity.js'
import { showIdentity } from './identity.js'
import { functionOption } from './options.js'
import { failRows, isRowFailure, pick, RowFailure, type Row } from './rows.js'
import type { Runtime } from './runtime.js'
import type { Stage, StageSchema } from './stage.js'

/** A model that is a function of one row. It may be synchronous. */
export type ModelFunction<I, O> = (input: I, call: ModelCall) => O | PromiseLike<O>

/** A model that is an object with `predict`, `predictBatch` or both. */
export type ModelObject<I, O> = ModelMethods<I, O> & ({ readonly predict: unknown } | { readonly predictBatch: unknown })

interface ModelMethods<I, O> {
  predict?(input: I, call: ModelCall): O | PromiseLike<O>
  /** One output per input, in order; a `RowFailure` for a row that failed alone. */
  predictBatch?(inputs: readonly I[], call: ModelBatchCall): ArrayLike<Row<O>> | PromiseLike<ArrayLike<Row<O>>>
  /** Called once, when the predictor that was made from it closes. */
  close?(): unknown
}

/** What was thrown, as an `Error`. */
export const toError = (thrown: unknown): unknown =>
  isReadableError(thrown)
    ? thrown
    : new OutriggerError('ERR_OUTRIGGER_MODEL_FAILED', `Cannot predict as the model threw what is no Error: current value is ${describeThrown(thrown)}`, { cause: thrown })

/** An error that throws when it is looked at would make whoever counts or records it fail, and its caller wait for ever. */
const isReadableError = (thrown: unknown): boolean => {
  try {
    return isError(thrown) && [thrown.name, thrown.message, (thrown as { readonly code?: unknown }).code].length > 0
  } catch {
    return false
  }
}

const describeThrown = (thrown: unknown): string => (thrown === null ? 'null' : `of type ${typeof thrown}`)

/** The error of a call that nobody waits for any more. */
export const abortErrorOf = (reason: unknown): unknown =>
  isOutriggerError(reason) ? reason : new OutriggerError('ERR_OUTRIGGER_ABORTED', 'Cannot go on with the prediction as the caller aborted it', { cause: reason })

/** What `modelStage` needs to know apart from the model. */
export interface ModelStageOptions {
  readonly runtime: Runtime
  readonly identity: ModelIdentity
  readonly schema: StageSchema
}

/** The stage of a function or an object. */
export const modelStage = <I, O>(model: ModelFunction<I, O> | ModelObject<I, O>, options: ModelStageOptions): Stage<I, O> => {
  const { runtime, identity, schema } = options
  const object = typeof model === 'function' ? undefined : (model as ModelMethods<I, O>)
  functionOption('a predictor', 'predict', object?.predict)
  functionOption('a predictor', 'predictBatch', object?.predictBatch)
  const predict = object === undefined ? (model as ModelFunction<I, O>) : object.predict?.bind(object)
  const predictBatch = object?.predictBatch?.bind(object)
  if (predict === undefined && predictBatch === undefined) {
    throw new InvalidOptionError('Cannot create a predictor as the model must be a function, or an object with `predict` or `predictBatch`: current value has neither')
  }

  const ask: ModelFunction<I, O> =
    predict ??
    (async (input, call) => {
      const outputs = rowsOf(await predictBatch!([input], singleRun(runtime, call)), 1)
      const output = outputs[0] as Row<O>
      if (isRowFailure(output)) throw output.error
      return output
    })

  // Not an async function: the model's own promise goes on as it is, which saves every call a turn.
  const one = (input: I, call: Call): Promise<O> => {
    if (call.isAborted) return Promise.reject(abortErrorOf(call.abortReason) as Error)
    call.attempts += 1
    if (call.startedAt !== undefined) return timed(input, call)
    try {
      const answer = ask(input, call)
      return answer instanceof Promise ? answer : Promise.resolve(answer)
    } catch (thrown) {
      return Promise.reject(toError(thrown) as Error)
    }
  }

  const timed = async (input: I, call: Call): Promise<O> => {
    const startedAt = runtime.clock.now()
    try {
      return await ask(input, call)
    } finally {
      const notes = call.note()
      notes.modelAt = startedAt
      notes.modelMs = runtime.clock.now() - startedAt
    }
  }

  const rowByRow = (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> =>
    Promise.all(inputs.map((input, index) => one(input, batch.rows[index] as Call).catch((thrown: unknown) => new RowFailure(toError(thrown)))))

  const run = async (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> => {
    let observed = false
    for (const call of batch.rows) {
      call.attempts += 1
      observed ||= call.startedAt !== undefined
    }
    const startedAt = observed ? runtime.clock.now() : 0
    let rows: Row<O>[]
    try {
      rows = rowsOf(await predictBatch!(inputs, batch), inputs.length)
    } catch (thrown) {
      rows = failRows(inputs.length, toError(thrown))
    }
    if (observed) {
      const modelMs = runtime.clock.now() - startedAt
      for (const call of batch.rows) Object.assign(call.note(), { modelAt: startedAt, modelMs })
    }
    return rows
  }

  /** Rows that were given up leave before the run. */
  const runWanted = async (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> => {
    const rows: Row<O>[] = batch.rows.map((call) => new RowFailure(abortErrorOf(call.abortReason)))
    const wanted = batch.rows.flatMap((call, index) => (call.isAborted ? [] : [index]))
    if (wanted.length > 0) {
      const outputs = await run(pick(inputs, wanted), batch.pick(wanted))
      wanted.forEach((index, position) => (rows[index] = outputs[position] as Row<O>))
    }
    return rows
  }

  // Not an async function: a run is one already.
  const many = (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> => {
    if (inputs.length === 0) return Promise.resolve([])
    if (predictBatch === undefined) return rowByRow(inputs, batch)
    return batch.rows.some((call) => call.isAborted) ? runWanted(inputs, batch) : run(inputs, batch)
  }

  const scope = identity.digest ?? showIdentity(identity)
  return {
    kind: 'model',
    describe: () => `${showIdentity(identity)} ${predictBatch === undefined ? '(row by row)' : '(batches)'}`,
    branches: [],
    traits: predictBatch === undefined ? { rowByRow: true } : {},
    runtime,
    events: new EventHub(),
    schema,
    needsRecord: false,
    identity,
    one,
    many,
    bind: undefined,
    served: () => identity,
    scope: () => scope,
    ready: () => true,
    close: async () => {
      await object?.close?.()
    },
  }
}

const singleRun = (runtime: Runtime, call: ModelCall): ModelBatchCall => ({
  rows: [call],
  deadline: call.deadline,
  remainingMs: () => call.remainingMs(),
  isShadow: call.isShadow,
  isIdempotent: call.isIdempotent,
  traceContext: call.traceContext,
  get signal() {
    return call.signal
  },
})

/** The outputs as a new array with one element per row, or an error. Layers write into it, and callers own it. */
export const rowsOf = <O>(outputs: ArrayLike<O>, expected: number): O[] => {
  if (typeof outputs === 'object' && outputs !== null && outputs.length === expected) return Array.isArray(outputs) ? outputs.slice() : Array.from(outputs)
  const found = typeof outputs === 'object' && outputs !== null && typeof outputs.length === 'number' ? `${outputs.length} rows` : `not an array (${typeof outputs})`
  throw new OutriggerError('ERR_OUTRIGGER_ROW_COUNT', `Cannot use the outputs of a batch as there must be ${expected}: current value is ${found}`, { expected })
}
