/** onnxruntime by the methods that are used: `onnxruntime-node`, `onnxruntime-web`, or a package with these methods. */
import type { DType, Tensor } from '../../schema/tensor.js'

/** An input or an output as the model declares it: a name for a free dimension. */
export interface OnnxValueMetadata {
  readonly name: string
  readonly isTensor: boolean
  readonly type?: string
  readonly shape?: readonly (number | string)[]
}

/** A tensor of onnxruntime. */
export interface OnnxTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: unknown
}

/** A loaded model. */
export interface OnnxSession {
  readonly inputMetadata: readonly OnnxValueMetadata[]
  readonly outputMetadata: readonly OnnxValueMetadata[]
  run(feeds: Readonly<Record<string, object>>): Promise<Readonly<Record<string, object>>>
  release(): Promise<void>
}

/** Options of a session, passed on as they are. Those of onnxruntime that are not listed here may be given too. */
export interface OnnxSessionOptions {
  /** Threads inside of one operator. @default as many as the machine has cores */
  readonly intraOpNumThreads?: number
  /** Threads for operators side by side, with `executionMode: 'parallel'`. */
  readonly interOpNumThreads?: number
  readonly executionMode?: 'sequential' | 'parallel'
  /** @default 'all' */
  readonly graphOptimizationLevel?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all'
  /** What computes, by preference: `cpu`, `cuda`, `webgpu`… @default the CPU */
  readonly executionProviders?: readonly (string | { readonly name: string })[]
  /** Keeps freed memory for the next run. @default true */
  readonly enableCpuMemArena?: boolean
  readonly enableMemPattern?: boolean
  /** Sizes for free dimensions, by their names in the model. */
  readonly freeDimensionOverrides?: Readonly<Record<string, number>>
  /** What it writes to stderr: 0 everything, 2 warnings, 3 errors, 4 only what is fatal. @default 3 */
  readonly logSeverityLevel?: 0 | 1 | 2 | 3 | 4
  readonly [option: string]: unknown
}

/** A package of onnxruntime. */
export interface Onnxruntime {
  readonly InferenceSession: { create(model: Uint8Array, options: Record<string, unknown>): Promise<OnnxSession> }
  readonly Tensor: new (type: DType, data: Tensor['data'], dims: readonly number[]) => object
  /** Which package it is. */
  readonly env?: { readonly versions?: object }
}
