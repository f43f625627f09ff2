/** ONNX models, run by onnxruntime. */
import { OutriggerError } from '../../core/errors.js'
import { membersOption, optionsObject, stringOption } from '../../core/options.js'
import type { ModelFiles } from '../store/model-files.js'
import { onnxExternalData } from './_onnx-external-data.js'
import { onnxFailed, OnnxModel } from './_onnx-model.js'
import type { Onnxruntime, OnnxSession, OnnxSessionOptions } from './_onnx-types.js'
import type { Engine, TensorEngine } from './engine.js'
import { tensorEngine, type OutputValue, type TensorRow, type TensorRowOptions } from './tensor-rows.js'

/** Options of {@link onnx}. */
export interface OnnxOptions<O = number[], V extends OutputValue = number> extends TensorRowOptions<O, V> {
  /**
   * `onnxruntime-node`, `onnxruntime-web`, or a package with their methods. Isolated models load `onnxruntime-node`
   * where they run, and cannot have another one.
   * @default `onnxruntime-node`, loaded at first use
   */
  readonly ort?: Onnxruntime
  /** The model among the files of a version. @default 'model.onnx' */
  readonly file?: string
  /** Passed on to the session: threads, execution providers, optimization… */
  readonly session?: OnnxSessionOptions
}

const packageName: string = 'onnxruntime-node'

const loadOrt = async (): Promise<Onnxruntime> => {
  try {
    // Not a literal: a bundler would want to pack the package, and its native modules, into every service.
    return (await import(/* @vite-ignore */ packageName)) as Onnxruntime
  } catch (cause) {
    throw new OutriggerError('ERR_OUTRIGGER_PEER_MISSING', 'Cannot load the ONNX model as the package `onnxruntime-node` must be installed, or one passed in as `ort`: current value is no such package', { cause, package: packageName })
  }
}

/**
 * The files that the model reads its weights from, named as it names them. With a table of them onnxruntime looks
 * nowhere else, so that there is always one: with the model itself in it, if there is nothing to add.
 */
const externalDataOf = (files: ModelFiles, file: string): { readonly path: string; readonly data: Uint8Array }[] => {
  const folder = file.slice(0, file.lastIndexOf('/') + 1)
  const table = new Map([[file, files.bytes(file)]])
  for (const { location, isWeight } of onnxExternalData(files.bytes(file))) {
    if (!isWeight) throw new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load the ONNX model as only the weights of its main graph may lie in another file: current value is ${JSON.stringify(location)}`)
    table.set(location, files.bytes(folder + location))
  }
  return Array.from(table, ([path, data]) => ({ path, data }))
}

/** Where it computes: by what was asked for, else by which package it is. */
const deviceOf = (ort: Onnxruntime, [first]: NonNullable<OnnxSessionOptions['executionProviders']> = []): string => {
  if (first !== undefined) return typeof first === 'string' ? first : first.name
  return ort.env?.versions !== undefined && 'web' in ort.env.versions ? 'wasm' : 'cpu'
}

/** The adapter inside of {@link onnx}, without rows. */
export const onnxTensors = ({ ort, file = 'model.onnx', session = {} }: Pick<OnnxOptions, 'ort' | 'file' | 'session'> = {}): TensorEngine => {
  return {
    name: 'onnx',
    ...(ort === undefined ? { origin: { module: 'outrigger:onnx', export: 'onnxTensors', options: { file, session } } } : {}),
    load: async (files) => {
      const bytes = files.bytes(file)
      const externalData = externalDataOf(files, file)
      const size = externalData.reduce((sum, { data }) => sum + data.length, 0)
      const runtime = ort ?? (await loadOrt())
      const before = process.memoryUsage.rss()
      let made: OnnxSession
      try {
        made = await runtime.InferenceSession.create(bytes, { logSeverityLevel: 3, ...session, externalData })
      } catch (error) {
        throw onnxFailed('load the ONNX model', error)
      }
      if ((made as Partial<OnnxSession>).inputMetadata === undefined) {
        await made.release()
        throw new OutriggerError('ERR_OUTRIGGER_PEER_MISSING', 'Cannot load the ONNX model as onnxruntime must be of version 1.22 or later, which says what a model takes: current value does not', { package: packageName })
      }
      // What the process grew by tells of weights that are held twice, and also of what others did meanwhile.
      const grown = Math.min(process.memoryUsage.rss() - before, 3 * size)
      try {
        return new OnnxModel(runtime, made, { bytes: Math.max(size, grown), device: deviceOf(runtime, session.executionProviders) })
      } catch (error) {
        await made.release()
        throw error
      }
    },
  }
}

/**
 * The engine of ONNX models, run by onnxruntime: `model.onnx`, with its weights inside or in files beside it.
 *
 * onnxruntime computes on the calling thread, though its methods return promises: the event loop stands still while a
 * model loads or runs. Isolate what takes longer than a millisecond or so. A run cannot be stopped; runs that are in a
 * model when it is disposed come to their end first.
 *
 * A model is loaded from its verified bytes. Weights that it wants to read from a file that is not one of the version
 * are refused: onnxruntime by itself would look for them in the working directory. Inputs go in uncopied; outputs are
 * the caller's. What it writes to stderr are errors only (`session: { logSeverityLevel: 2 }` for warnings).
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; while loading, `ERR_OUTRIGGER_PEER_MISSING` without `onnxruntime-node` of 1.22 or later,
 * `ERR_OUTRIGGER_MODEL_CORRUPT` if the file is no ONNX model or another one is missing, `ERR_OUTRIGGER_ENGINE_FAILED` if
 * onnxruntime refuses it (an unknown operator or type, a newer opset); of a run, `ERR_OUTRIGGER_ENGINE_FAILED`
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { modelLoader, modelStore, onnx } from 'outrigger/models'
 * import { onnxAffine } from 'outrigger/testing'
 * const store = modelStore({ path: await mkdtemp(`${tmpdir()}/models-`) })
 * await store.publish({ name: 'sum', engine: 'onnx', files: { 'model.onnx': onnxAffine([[1], [1]], [0]) }, golden: [{ input: [1, 2], output: 3 }] })
 *
 * const sum = modelLoader({ store, name: 'sum', engines: [onnx({ session: { intraOpNumThreads: 1 }, output: ([total]) => total })] })
 * await sum.whenReady()
 * assert.deepEqual(await sum.batch([[1, 2], new Float32Array([3, 4])]), [3, 7])
 * await sum.close()
 * ```
 */
export const onnx = <O = number[], V extends OutputValue = number>(options: OnnxOptions<O, V> = {}): Engine<TensorRow, O> => {
  const owner = 'an ONNX engine'
  optionsObject(owner, options, ['ort', 'file', 'session', 'output'])
  const { output, ...others } = options
  if (options.ort !== undefined) {
    membersOption(owner, 'ort', options.ort, ['Tensor'])
    membersOption(owner, 'ort.InferenceSession', options.ort.InferenceSession, ['create'])
  }
  if (options.file !== undefined) stringOption(owner, 'file', options.file)
  return tensorEngine(onnxTensors(others), output === undefined ? {} : { output })
}

export type { Onnxruntime, OnnxSessionOptions } from './_onnx-types.js'
