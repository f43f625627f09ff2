/** The adapter between the files of a version and something that predicts. */
import type { ModelBatchCall } from '../../core/batch-call.js'
import type { ModelCall } from '../../core/call.js'
import type { NoticeEvent, StateEvent } from '../../core/events.js'
import type { ModelFunction } from '../../core/model.js'
import type { Predictor } from '../../core/predictor.js'
import type { Row } from '../../core/rows.js'
import type { Tensors } from '../../schema/tensor.js'
import type { ModelSignature } from '../manifest/manifest.js'
import type { ModelFiles } from '../store/model-files.js'
import type { ModelVersion } from '../store/model-store.js'

/** What an engine knows of a loaded model. */
export interface EngineDescription {
  readonly signature?: ModelSignature
  /** Whether several rows go through the model in one run, and gain by it. */
  readonly batchable?: boolean
  /** The number of rows that every run must have, where the model insists on one. */
  readonly batchSize?: number
  /** What the model holds in memory, in bytes, as measured or as its weights say. */
  readonly bytes?: number
  /** Where it computes: `cpu`, `wasm`, `tensorflow`, `http`… */
  readonly device?: string
}

/** What a run may ask about the call it serves. Read only what you use: the signal is made when first read, for 2.5 µs. */
export type TensorCall = Pick<ModelCall, 'signal' | 'remainingMs' | 'isIdempotent' | 'traceContext'>

/**
 * A loaded model that takes and gives tensors: the small adapter that an engine has to write. The first dimension of
 * every tensor is the rows of the batch.
 */
export interface TensorModel {
  /** The signature is that of the model itself: names, types, shapes; `null` for a free dimension. */
  describe(): EngineDescription
  /**
   * Runs the batch. The inputs are read-only and the engine's only until the promise settles; the outputs are the
   * caller's, who may change them. Who cannot stop a run lets it end: the signal only says that nobody waits for it.
   */
  run(inputs: Tensors, call: TensorCall): Promise<Tensors>
  /** Frees what it holds. Called once, after the last run has settled. */
  dispose(): void | Promise<void>
  /** See {@link EngineMembers.observe}. */
  observe?(listener: (event: StateEvent | NoticeEvent) => void): () => void
}

/** Turns the verified files of a version into a {@link TensorModel}. One of them loads many versions, also side by side. */
export interface TensorEngine {
  /** What a manifest's `engine` says. */
  readonly name: string
  /** How to make it again elsewhere; without it, it can only run in this thread. */
  readonly origin?: EngineOrigin | undefined
  /**
   * Whether its models take the buffers of the inputs for good, as one that transfers them to a worker does. They are
   * packed for it then; otherwise a lone row's typed array may go to it as the caller passed it. @default false
   */
  readonly takesInputs?: boolean
  load(files: ModelFiles, version: ModelVersion): Promise<TensorModel>
}

/** How to make an engine again in a worker or in another process, where functions cannot go: a module's export, called with plain options. */
export interface EngineOrigin {
  /** `outrigger:<name>` for an engine of ours, else a `file:` URL or the name of a package. */
  readonly module: string
  /** The name of the export that makes the {@link TensorEngine}, or a promise of one. */
  readonly export: string
  /** Its argument: what structured cloning can carry. */
  readonly options: unknown
}

/** What an engine may add to a model: how it ends, and what it is. */
export interface EngineMembers {
  /** Frees what the model holds. Called once, after its last call has ended. */
  dispose?(): void | Promise<void>
  describe?(): EngineDescription
  /**
   * Calls back with what happens to the loaded model beside its calls (its worker crashed, was started again, is given
   * up), until the function that it returns is called.
   */
  observe?(listener: (event: StateEvent | NoticeEvent) => void): () => void
}

/** A loaded model that is an object. It has `predict`, `predictBatch`, or both. */
export interface EngineObject<I, O> extends EngineMembers {
  predict?(row: I, call: ModelCall): O | PromiseLike<O>
  /** One output per row, in order; a `RowFailure` in the place of a row that it cannot predict. */
  predictBatch?(rows: readonly I[], call: ModelBatchCall): readonly Row<O>[] | PromiseLike<readonly Row<O>[]>
  /** What `dispose` is to an engine; called in its place where there is no `dispose`. */
  close?(): unknown
}

/** A loaded model: a function, an object with `predict` or `predictBatch`, or a predictor. */
export type EngineModel<I, O> = Predictor<I, O> | (ModelFunction<I, O> & EngineMembers) | EngineObject<I, O>

/**
 * Turns the verified files of a version into a model. One engine loads many versions, also side by side.
 *
 * @example
 * ```ts
 * import type { Engine } from 'outrigger/models'
 * const linear: Engine<number, number> = {
 *   name: 'linear',
 *   load: async (files) => {
 *     const [slope, offset] = files.json('line.json') as [number, number]
 *     return { predict: (x: number) => slope * x + offset }
 *   },
 * }
 * assert.equal(linear.name, 'linear')
 * ```
 */
export interface Engine<I, O> {
  /** What a manifest's `engine` says. */
  readonly name: string
  load(files: ModelFiles, version: ModelVersion): Promise<EngineModel<I, O>>
  /** The adapter inside, where there is one: what `isolated` moves to a worker or a process, rows staying here. */
  readonly tensors?: TensorEngine
  /** Whether it only passes files on, so that large ones may lie in shared memory. @default false */
  readonly passesFilesOn?: boolean
  /** The same engine, with the same options, over another adapter: one that computes elsewhere. There where `tensors` is. */
  over?(tensors: TensorEngine): Engine<I, O>
}
