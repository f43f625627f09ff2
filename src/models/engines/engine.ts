/** The adapter between the files of a version and something that predicts. */
import type { ModelBatchCall, ModelCall } from '../../core/call.js'
import type { ModelFunction } from '../../core/model.js'
import type { Predictor } from '../../core/predictor.js'
import type { Row } from '../../core/rows.js'
import type { ModelSignature } from '../manifest.js'
import type { ModelFiles } from '../model-files.js'
import type { ModelVersion } from '../model-store.js'

/** What an engine knows of a loaded model. */
export interface EngineDescription {
  readonly signature?: ModelSignature
  /** Whether several rows go through the model in one run. */
  readonly batchable?: boolean
}

/** What an engine may add to a model: how it ends, and what it is. */
export interface EngineMembers {
  /** Frees what the model holds. Called once, after its last call has ended. */
  dispose?(): void | Promise<void>
  describe?(): EngineDescription
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
}
