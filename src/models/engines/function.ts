/** The engine for models that are made of their files by plain code. */
import { functionOption, optionsObject, stringOption } from '../../core/options.js'
import type { ModelFiles } from '../store/model-files.js'
import type { ModelVersion } from '../store/model-store.js'
import type { Engine, EngineModel } from './engine.js'

/** Makes the model of a version: a function, or an object with `predict` or `predictBatch`. */
export type LoadModel<I, O> = (files: ModelFiles, version: ModelVersion) => EngineModel<I, O> | Promise<EngineModel<I, O>>

/** Options of {@link functionEngine}. */
export interface FunctionEngineOptions {
  /** What a manifest's `engine` says. @default 'function' */
  readonly name?: string
}

/**
 * An engine from a function that makes the model of a version's files.
 *
 * If the model has `dispose` (or else `close`), it is called once, after the version's last call.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { functionEngine, modelLoader, modelStore } from 'outrigger/models'
 * const store = modelStore({ path: await mkdtemp(`${tmpdir()}/models-`) })
 * await store.publish({ name: 'late', engine: 'function', files: { 'limit.json': '15' } })
 * const late = modelLoader({
 *   store,
 *   name: 'late',
 *   engines: [functionEngine((files) => {
 *     const limit = files.json('limit.json') as number
 *     return (minutes: number) => minutes > limit
 *   })],
 * })
 * await late.whenReady()
 * assert.equal(await late(20), true)
 * await late.close()
 * ```
 */
export const functionEngine = <I, O>(load: LoadModel<I, O>, options: FunctionEngineOptions = {}): Engine<I, O> => {
  optionsObject('functionEngine', options, ['name'])
  const { name = 'function' } = options
  stringOption('functionEngine', 'name', name)
  functionOption('functionEngine', 'load', load)
  return { name, load: async (files, version) => await load(files, version) }
}
