/** An engine whose models compute elsewhere: in worker threads, or in processes. */
import { InvalidOptionError } from '../../core/errors.js'
import { stringOption } from '../../core/options.js'
import { runtimeOf, systemRuntime, type Runtime } from '../../core/runtime.js'
import type { Engine, EngineModel, TensorEngine } from '../engines/engine.js'
import { tensorEngine } from '../engines/tensor-rows.js'
import { IsolatedModels } from './_isolated-models.js'
import { makeEngine } from './_make-engine.js'
import type { EngineSource } from './_protocol.js'
import { remoteRows, remoteTensors } from './_remote-model.js'
import { isolationSettings, type IsolationOptions, type IsolationSettings } from './isolation-options.js'
import { noCounts, type IsolationStats } from './isolation-stats.js'

/** Options of {@link isolated} for a module of your own. */
export interface IsolatedModuleOptions extends IsolationOptions {
  /** What a manifest's `engine` says. */
  readonly name: string
  /** The module's export: an engine, or a function that makes one. @default 'engine' */
  readonly export?: string
}

/** An engine whose models are elsewhere. */
export interface IsolatedEngine<I, O> extends Engine<I, O> {
  /** What its models have done, and are doing, all of them together. */
  stats(): IsolationStats
}

const noSource = (name: string): InvalidOptionError =>
  new InvalidOptionError(`Cannot isolate the engine \`${name}\` as it must say how it is made again elsewhere, where functions cannot go: current value has no \`tensors.origin\`. Make it in a module of its own and pass the module: isolated(new URL('./engine.js', import.meta.url), { name: '${name}', … })`)

/** Whether inputs are moved to it for good. */
const takesInputs = ({ isolate, replay }: IsolationSettings): boolean => isolate === 'worker' && replay === 'never'

/** Its adapter computes elsewhere; rows become tensors, and answers rows, in this thread. */
const isolatedAdapter = <I, O>(engine: Engine<I, O>, settings: IsolationSettings, runtime: Runtime): IsolatedEngine<I, O> => {
  const { name, tensors } = engine
  if (tensors === undefined || !('origin' in tensors) || engine.over === undefined) throw noSource(name)
  // Read at the first load: TensorFlow.js has its backend by then.
  const source = (): EngineSource => {
    const { origin } = tensors
    if (origin === undefined) throw noSource(name)
    return { ...origin, adapter: true }
  }
  const models = new IsolatedModels(settings, source, runtime)
  const elsewhere: TensorEngine = {
    name: tensors.name,
    takesInputs: takesInputs(settings),
    load: async (files, version) => remoteTensors(await models.load(files, version)),
  }
  return { ...engine.over(elsewhere), passesFilesOn: true, stats: () => models.stats() }
}

const isolatedModule = <I, O>(source: EngineSource, name: string, settings: IsolationSettings, runtime: Runtime): IsolatedEngine<I, O> => {
  const models = new IsolatedModels(settings, () => source, runtime)
  return {
    name,
    passesFilesOn: true,
    load: async (files, version) => {
      const remote = await models.load(files, version)
      if (remote.pool.kind === 'rows') return remoteRows(remote) as EngineModel<I, O>
      const elsewhere: TensorEngine = { name, takesInputs: takesInputs(settings), load: async () => remoteTensors(remote) }
      return (await tensorEngine(elsewhere).load(files, version)) as EngineModel<unknown, unknown> as EngineModel<I, O>
    },
    stats: () => models.stats(),
  }
}

const inlineStats: IsolationStats = { ...noCounts(), queued: 0, lost: 0, isolates: [] }

/**
 * Moves the models of an engine out of this thread: into worker threads, so that the event loop never waits for them, or
 * into processes, so that one that crashes or hangs takes nobody along.
 *
 * Rows are checked and made tensors here, and the answers rows: only tensors travel. Each worker holds the whole model and
 * has one run at a time in it; the next free one takes the run that has waited longest. A worker or process that crashes
 * is started again with the files that were verified at first, their hashes checked once more; the first time at once, then
 * after growing pauses; a run that was in it is replayed or fails, by `replay`.
 *
 * Who aborts a run that waits takes it out of the queue; one that has begun goes on to its end, and only its caller leaves.
 * Disposing waits for the run that is in each worker, and lets the worker end by itself.
 *
 * The loaded model tells by `observe` what happens: states `loading`, `ready`, `crashed`, `lost`, `broken`, `ended` of the
 * layer `isolation`, and what workers print, a line a notice (a hundred a second at most). With no observer the lines
 * go to stderr.
 *
 * Engines of ours are passed as they are. Functions cannot go elsewhere, so an engine of your own is passed as a module:
 * `isolated(new URL('./engine.js', import.meta.url), { name: 'mine', isolate: 'worker' })` with an export `engine`, which
 * is an `Engine`, a `TensorEngine`, or a function that makes one. Where it takes rows, rows travel by structured cloning.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`, also for an engine that cannot be made again elsewhere. Loading throws
 * `ERR_OUTRIGGER_ENGINE_CRASHED` if the worker ends or takes too long, `ERR_OUTRIGGER_MODEL_CORRUPT` if a file came over
 * damaged, or what the engine threw there. Calls reject with `ERR_OUTRIGGER_ENGINE_CRASHED`, `ERR_OUTRIGGER_QUEUE_FULL`
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { pathToFileURL } from 'node:url'
 * import { isolated, modelLoader, modelStore } from 'outrigger/models'
 * const folder = await mkdtemp(`${tmpdir()}/models-`)
 * const store = modelStore({ path: folder })
 * await store.publish({ name: 'late', engine: 'limits', files: { 'limit.json': '15' } })
 * await writeFile(`${folder}/engine.mjs`, `
 *   export const engine = { name: 'limits', load: async (files) => {
 *     const limit = files.json('limit.json')
 *     return (minutes) => minutes === 'crash' ? process.abort() : minutes > limit
 *   } }`)
 *
 * const engine = isolated<number | string, boolean>(pathToFileURL(`${folder}/engine.mjs`), { name: 'limits', isolate: 'process' })
 * const late = modelLoader({ store, name: 'late', engines: [engine] })
 * await late.whenReady()
 * assert.equal(await late(20), true)
 * await assert.rejects(late('crash', { idempotent: false }), { code: 'ERR_OUTRIGGER_ENGINE_CRASHED', signal: 'SIGABRT' })
 * assert.equal(await late(10), false) // by the next process
 * assert.equal(engine.stats().crashes, 1)
 * await late.close()
 * ```
 */
export function isolated<I, O>(engine: Engine<I, O>, options: IsolationOptions): IsolatedEngine<I, O>
export function isolated<I, O>(module: URL, options: IsolatedModuleOptions): IsolatedEngine<I, O>
export function isolated<I, O>(engine: Engine<I, O> | URL, options: IsolationOptions | IsolatedModuleOptions): IsolatedEngine<I, O> {
  const isModule = engine instanceof URL
  const settings = isolationSettings(options, isModule ? ['name', 'export'] : [])
  const { clock, random } = options
  const runtime = clock === undefined && random === undefined ? systemRuntime() : runtimeOf({ clock, random })
  if (!isModule) {
    if (settings !== undefined) return isolatedAdapter(engine, settings, runtime)
    return { ...engine, load: (files, version) => engine.load(files, version), stats: () => inlineStats }
  }
  const { name, export: exported = 'engine' } = options as IsolatedModuleOptions
  stringOption('isolated', 'name', name)
  stringOption('isolated', 'export', exported)
  const source: EngineSource = { module: engine.href, export: exported, options: undefined, adapter: false }
  if (settings !== undefined) return isolatedModule(source, name, settings, runtime)
  return { name, load: async (files, version) => await (await makeEngine(source) as Engine<I, O>).load(files, version), stats: () => inlineStats }
}
