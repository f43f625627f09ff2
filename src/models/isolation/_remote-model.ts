/** The faces of a model that is elsewhere: one of tensors, one of rows. */
import type { ModelBatchCall } from '../../core/batch-call.js'
import type { ModelCall } from '../../core/call.js'
import { isRowFailure, RowFailure, type Row } from '../../core/rows.js'
import type { Tensor, Tensors } from '../../schema/tensor.js'
import type { EngineDescription, EngineObject, TensorCall, TensorModel } from '../engines/engine.js'
import { decodeError } from './_error-codec.js'
import type { Work } from './_job.js'
import { ownCopy, packed, unpacked } from './_packet.js'
import type { IsolatePool } from './_pool.js'
import type { FromIsolate, RunFacts, ToIsolate } from './_protocol.js'
import type { IsolationSettings } from './isolation-options.js'
import type { IsolationCounts } from './isolation-stats.js'

/** A loaded model that is elsewhere. */
export interface RemoteModel {
  readonly pool: IsolatePool
  readonly settings: IsolationSettings
  readonly counts: IsolationCounts
  /** The bytes of the files, which are kept for restarts. */
  readonly fileBytes: number
  /** Called once, when it is disposed. */
  readonly onDisposed: () => void
}

const factsOf = (call: TensorCall): RunFacts => {
  const { traceContext, isIdempotent } = call
  return { remainingMs: call.remainingMs(), isIdempotent, ...(traceContext === undefined ? {} : { traceContext }) }
}

/** The answer, unless it is that the run failed. */
const answered = <T extends FromIsolate['type']>(message: FromIsolate, type: T): Extract<FromIsolate, { readonly type: T }> => {
  if (message.type === 'failed') throw decodeError(message.error)
  if (message.type !== type) throw new Error(`An isolate answered a run by ${message.type}.`)
  return message as Extract<FromIsolate, { readonly type: T }>
}

const bytesOf = (tensors: Tensors): number =>
  Object.values(tensors).reduce((sum, { data }) => sum + (ArrayBuffer.isView(data) ? data.byteLength : data.reduce((length, text) => length + text.length, 0)), 0)

/**
 * The inputs as they go to a worker. A whole buffer is moved if nobody needs it here any more; else a copy of just the
 * elements is.
 */
const movedInputs = (tensors: Tensors, mayTake: boolean): { readonly tensors: Tensors; readonly transfer: ArrayBuffer[] } => {
  const transfer = new Set<ArrayBuffer>()
  const moved: Record<string, Tensor> = {}
  for (const [name, tensor] of Object.entries(tensors)) {
    const { dtype, shape, data } = tensor
    if (!ArrayBuffer.isView(data)) {
      moved[name] = tensor
      continue
    }
    // An array that was moved away already is empty; sent again, it would be lost without a word.
    if (data.length === 0 && !shape.includes(0)) throw new TypeError(`The array of input ${name} was given away before.`)
    const isOwn = mayTake && data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength && !transfer.has(data.buffer)
    const own = isOwn ? data : ownCopy(data as Uint8Array)
    transfer.add(own.buffer as ArrayBuffer)
    moved[name] = { dtype, shape, data: own } as Tensor
  }
  return { tensors: moved, transfer: [...transfer] }
}

const describeRemote = ({ pool, settings: { isolate, workers }, fileBytes }: RemoteModel): EngineDescription => {
  const { description } = pool
  const { device = 'cpu', bytes } = description
  return { ...description, device: `${device} (${isolate} ×${workers})`, ...(bytes === undefined ? {} : { bytes: bytes * workers + fileBytes }) }
}

/** A model of tensors that is elsewhere. */
export const remoteTensors = (remote: RemoteModel): TensorModel => {
  const { pool, settings, counts, onDisposed } = remote
  const isWorker = settings.isolate === 'worker'
  const mayRepeat = !isWorker || settings.replay === 'idempotent'
  return {
    describe: () => describeRemote(remote),
    run: async (inputs, call) => {
      const work: Work<Tensors> = {
        mayRepeat,
        message: (id) => {
          counts.bytesOut += bytesOf(inputs)
          const { tensors, transfer } = isWorker ? movedInputs(inputs, !mayRepeat) : { tensors: inputs, transfer: [] }
          return { message: { type: 'run', id, tensors, facts: factsOf(call) }, transfer }
        },
        answer: (message) => answered(message, 'ran').tensors,
      }
      const outputs = await pool.run(work, call)
      counts.bytesIn += bytesOf(outputs)
      return outputs
    },
    observe: (listener) => pool.observe(listener),
    dispose: async () => {
      try {
        await pool.dispose()
      } finally {
        onDisposed()
      }
    },
  }
}

const rowsWork = (rows: readonly unknown[], calls: readonly ModelCall[], call: Pick<ModelBatchCall, 'isShadow' | 'remainingMs' | 'isIdempotent'> & TensorCall, single: boolean): Work<Row<unknown>[]> => ({
  mayRepeat: true, // They are copied.
  message: (id) => {
    const message: ToIsolate = { type: 'rows', id, rows: packed(rows), single, isShadow: call.isShadow, facts: factsOf(call), calls: calls.map((one) => ({ id: one.id, key: one.key })) }
    return { message, transfer: [] }
  },
  answer: (message) => {
    const { outputs, failures } = answered(message, 'ran-rows')
    const outcomes = unpacked(outputs) as Row<unknown>[]
    const shared = new Map<unknown, RowFailure>()
    for (const [row, error] of failures) {
      const failure = shared.get(error) ?? new RowFailure(decodeError(error))
      shared.set(error, failure)
      outcomes[row] = failure
    }
    return outcomes
  },
})

/** A model of rows that is elsewhere. */
export const remoteRows = (remote: RemoteModel): EngineObject<unknown, unknown> => {
  const { pool, onDisposed } = remote
  return {
    predict: async (row, call) => {
      const [outcome] = await pool.run(rowsWork([row], [call], call, true), call)
      if (isRowFailure(outcome)) throw outcome.error
      return outcome
    },
    predictBatch: async (rows, call) => await pool.run(rowsWork(rows, call.rows, call, false), call),
    describe: () => describeRemote(remote),
    observe: (listener) => pool.observe(listener),
    dispose: async () => {
      try {
        await pool.dispose()
      } finally {
        onDisposed()
      }
    },
  }
}
