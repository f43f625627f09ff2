/** What the two sides say to each other: here the pool, there the isolate that holds the model. */
import type { TraceContext } from '../../core/call-notes.js'
import type { Tensors } from '../../schema/tensor.js'
import type { EngineDescription, EngineOrigin } from '../engines/engine.js'
import type { ModelVersion } from '../store/model-store.js'
import type { EncodedError } from './_error-codec.js'
import type { Packet } from './_packet.js'

/** How the isolate makes its engine. `adapter`: the small adapter of an engine of ours, whose rows stay on this side. */
export interface EngineSource extends EngineOrigin {
  readonly adapter: boolean
}

/** What a run may know of its calls. */
export interface RunFacts {
  /** `Infinity` when nobody hurries. */
  readonly remainingMs: number
  readonly isIdempotent: boolean
  readonly traceContext?: TraceContext
}

/** What the model of rows may know of one call. */
export interface RowFacts {
  readonly id: string
  readonly key: string | undefined
}

/** To the isolate. */
export type ToIsolate =
  /** Once, first. */
  | { readonly type: 'init'; readonly source: EngineSource }
  /** The files follow, piece by piece, in this order. */
  | { readonly type: 'load'; readonly version: ModelVersion; readonly files: readonly { readonly path: string; readonly bytes: number }[] }
  /** In a worker they lie in shared memory, whose next content comes once they are taken. */
  | { readonly type: 'piece'; readonly bytes: Uint8Array }
  | { readonly type: 'run'; readonly id: number; readonly tensors: Tensors; readonly facts: RunFacts }
  /** Rows of a model that takes rows. `single`: asked for by `predict`. */
  | { readonly type: 'rows'; readonly id: number; readonly rows: Packet; readonly single: boolean; readonly isShadow: boolean; readonly facts: RunFacts; readonly calls: readonly RowFacts[] }
  /** Nobody waits for the run any more. */
  | { readonly type: 'abort'; readonly id: number }
  /** Disposes the model after what runs; the isolate stays, and may load another. */
  | { readonly type: 'unload' }
  /** Ends the isolate. */
  | { readonly type: 'end' }
  /** The process ends: stand still, outside of the engine, until it has. */
  | { readonly type: 'halt' }

/** What the model takes: tensors, or rows. */
export type ModelKind = 'tensors' | 'rows'

/** From the isolate. */
export type FromIsolate =
  /** By a worker, once it needs the bytes of a piece no more. */
  | { readonly type: 'taken' }
  | { readonly type: 'loaded'; readonly kind: ModelKind; readonly description: EngineDescription }
  | { readonly type: 'load-failed'; readonly error: EncodedError }
  | { readonly type: 'ran'; readonly id: number; readonly tensors: Tensors }
  /** `failures`: which rows failed, and how. */
  | { readonly type: 'ran-rows'; readonly id: number; readonly outputs: Packet; readonly failures: readonly (readonly [row: number, error: EncodedError])[] }
  | { readonly type: 'failed'; readonly id: number; readonly error: EncodedError }
  | { readonly type: 'unloaded'; readonly error?: EncodedError }
  /** A worker printed something; a process has pipes for that. */
  | { readonly type: 'output'; readonly stream: 'stdout' | 'stderr'; readonly text: string }
  /** The last words of a process: something was thrown that nobody caught. */
  | { readonly type: 'dying'; readonly error: EncodedError }

/** Model files are sent in pieces of so many bytes, so that neither event loop waits for long. */
export const pieceBytes: number = 256 * 1024
