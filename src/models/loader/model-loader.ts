/** A predictor that follows an alias: loads, tries and swaps versions while calls go on. */
import type { Clock } from '../../core/clock.js'
import type { ModelIdentity } from '../../core/identity.js'
import type { MaskableSchema } from '../../core/masking.js'
import { functionOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import { InvalidOptionError } from '../../core/errors.js'
import { predictorOver, type Predictor } from '../../core/predictor.js'
import type { Random } from '../../core/random.js'
import { runtimeOf, systemRuntime } from '../../core/runtime.js'
import type { VersionState } from './_loaded-version.js'
import { Loader } from './_loader.js'
import { loaderStage } from './_loader-stage.js'
import type { Engine } from '../engines/engine.js'
import type { LoadModel } from '../engines/function.js'
import type { ModelSource, ModelVersion, OpenedModel } from '../store/model-store.js'
import { checkModelName, checkTarget } from '../manifest/names.js'

/** Options of a loader, whatever its rows. */
export interface LoaderOptions<I, O> {
  /** Where versions come from: a `modelStore`. */
  readonly store: ModelSource
  /** The model's name in the store. */
  readonly name: string
  /** What to follow: an alias, `latest`, or a version that it stays with. @default 'latest' */
  readonly follow?: string | number
  /** Rows to predict before a version goes live, so that no caller pays for the first run. @default none */
  readonly warmup?: readonly I[]
  /** A check of the user's before a version goes live; it refuses the version by throwing. */
  readonly check?: (candidate: Predictor<I, O>, version: ModelVersion) => unknown
  /** How long calls may hold on to a version that was replaced, in milliseconds. @default 30_000 */
  readonly drainMs?: number
  /** The time source of the stack. @default the machine's */
  readonly clock?: Clock
  /** The randomness of the stack. @default seeded by the operating system */
  readonly random?: Random
  /** Declares the fields of the input; allowed ones enter records. */
  readonly input?: MaskableSchema
  /** Declares the fields of the output; allowed ones enter records. */
  readonly output?: MaskableSchema
}

/** Who turns files into a model: engines, chosen by the manifest's `engine`, or one function for all versions. */
export type LoadedBy<I, O> =
  | { readonly engines: readonly Engine<I, O>[]; readonly load?: undefined }
  | { readonly load: LoadModel<I, O>; readonly engines?: undefined }

/** Options of {@link modelLoader}. */
export type ModelLoaderOptions<I, O> = LoaderOptions<I, O> & LoadedBy<I, O> & { readonly build?: undefined }

/** Options of {@link modelLoader} with what belongs to each version around its engine. */
export type BuiltLoaderOptions<EI, EO, I, O> = LoaderOptions<I, O> & LoadedBy<EI, EO> & {
  /**
   * Puts around the engine what belongs to the version: pre- and post-processing, fitted values from its files. What it
   * returns is closed with the version.
   */
  readonly build: (engine: Predictor<EI, EO>, version: OpenedModel) => Predictor<I, O> | Promise<Predictor<I, O>>
}

/** A version that is in memory. */
export interface LoadedVersionInfo {
  readonly identity: ModelIdentity
  readonly state: VersionState
  /** Calls that hold it now. */
  readonly leases: number
}

/** A predictor that follows a model in a store. */
export interface ModelLoader<I, O> extends Predictor<I, O> {
  /**
   * Loads the first version unless one is live; calls before that are refused. Concurrent calls share the load, and
   * after a failure the next call tries again.
   *
   * @throws what {@link ModelLoader.refresh} throws
   */
  whenReady(): Promise<ModelIdentity>
  /**
   * Looks where the followed alias points, and if it is another version, loads it beside the live one, puts it through
   * the gate, and swaps. Resolves with what is live then.
   *
   * @throws `ERR_OUTRIGGER_MODEL_REFUSED` (with `reason`, `stage`, `cause`) if it did not pass; the live one stays.
   * `ERR_OUTRIGGER_MODEL_NOT_FOUND` or `ERR_OUTRIGGER_MODEL_CORRUPT` if the reference cannot be resolved
   */
  refresh(): Promise<ModelIdentity>
  /**
   * Follows something else from now on (a number stays where it is, an alias moves) and swaps to it. What is followed
   * changes only if the swap succeeds.
   *
   * @throws as {@link ModelLoader.refresh}
   */
  use(target: string | number): Promise<ModelIdentity>
  /**
   * Refreshes from time to time, until the returned function is called or the loader closes. A version that was refused
   * is not tried again by the watch; failures are events. The timer does not keep the process alive.
   */
  watch(options: { readonly everyMs: number }): () => void
  /** The versions that are in memory: the live one, and those that drain. */
  readonly loaded: readonly LoadedVersionInfo[]
}

const owner = 'modelLoader'
const known = ['store', 'name', 'follow', 'warmup', 'check', 'drainMs', 'clock', 'random', 'input', 'output', 'engines', 'load', 'build']

/**
 * A predictor that follows an alias of a model in a store, and is swapped while calls go on.
 *
 * A new version is loaded beside the live one: the hash of every file is checked, the engine loads it, it is warmed up,
 * its golden predictions must come out within their tolerance through the whole adapter, and no output may hold NaN or
 * an infinity. A version that fails is refused, and the live one stays. The swap is one assignment. Every call takes a
 * lease at its entry and is served by that version to its end, retries and cache fills included; the old version is
 * disposed when its last lease ends.
 *
 * Events (`observe`): states `loading`, `ready`, `live`, `refused`, `draining`, `disposed` of each version, with the
 * layer `model-loader` and the subject `name@version`.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { modelLoader, modelStore } from 'outrigger/models'
 * const store = modelStore({ path: await mkdtemp(`${tmpdir()}/models-`) })
 * const publish = (factor: number, promised: number) =>
 *   store.publish({ name: 'scale', engine: 'function', files: { 'factor.json': String(factor) }, golden: [{ input: 1, output: promised }] })
 * await publish(2, 2)
 * await publish(3, 3)
 * await store.setAlias('scale', 'champion', 1)
 *
 * const scale = modelLoader({
 *   store,
 *   name: 'scale',
 *   follow: 'champion',
 *   load: (files) => {
 *     const factor = files.json('factor.json') as number
 *     return (x: number) => x * factor
 *   },
 * })
 * await scale.whenReady()
 * assert.equal(await scale(10), 20)
 *
 * await store.setAlias('scale', 'champion', 2, { expect: 1 })
 * await scale.refresh() // or scale.watch({ everyMs: 5_000 })
 * assert.equal(await scale(10), 30)
 *
 * await publish(Number.MAX_VALUE, 4) // answers otherwise than it was published with
 * await assert.rejects(scale.use(3), { code: 'ERR_OUTRIGGER_MODEL_REFUSED' })
 * assert.equal(scale.identity.version, '2')
 * await scale.close()
 * ```
 */
export function modelLoader<I, O>(options: ModelLoaderOptions<I, O>): ModelLoader<I, O>
export function modelLoader<EI, EO, I, O>(options: BuiltLoaderOptions<EI, EO, I, O>): ModelLoader<I, O>
export function modelLoader<I, O>(options: ModelLoaderOptions<I, O> | BuiltLoaderOptions<unknown, unknown, I, O>): ModelLoader<I, O> {
  optionsObject(owner, options, known)
  const { store, name, follow = 'latest', warmup, check, drainMs = 30_000, clock, random, input, output, engines, load, build } = options
  checkModelName('create modelLoader', name)
  functionOption(owner, 'store.resolve', (store as ModelSource | undefined)?.resolve)
  functionOption(owner, 'store.open', (store as ModelSource | undefined)?.open)
  if (store?.resolve === undefined || store.open === undefined) throw new InvalidOptionError('Cannot create modelLoader as `store` must have `resolve` and `open`: current value has not')
  if ((engines === undefined) === (load === undefined)) throw new InvalidOptionError(`Cannot create modelLoader as it needs either \`engines\` or \`load\`: current value has ${load === undefined ? 'neither' : 'both'}`)
  if (engines !== undefined && !Array.isArray(engines)) throw new InvalidOptionError(`Cannot create modelLoader as \`engines\` must be an array: current value is ${typeof engines}`)
  for (const engine of engines ?? []) stringOption(owner, 'engines[].name', engine.name)
  functionOption(owner, 'load', load)
  functionOption(owner, 'build', build)
  functionOption(owner, 'check', check)
  numberOption(owner, 'drainMs', drainMs, { min: 0 })
  const loader = new Loader<I, O>({
    store,
    name,
    follow: checkTarget(follow),
    engines: engines as readonly Engine<unknown, unknown>[] | undefined,
    load: load as LoadModel<unknown, unknown> | undefined,
    build: build as BuiltLoaderOptions<unknown, unknown, I, O>['build'] | undefined,
    gate: { warmup, check },
    drainMs,
    schema: { input, output },
    runtime: clock === undefined && random === undefined ? systemRuntime() : runtimeOf({ clock, random }),
  })
  const face = predictorOver(loaderStage<I, O>(loader.owner, loader), [() => loader.close()])
  const members = {
    whenReady: () => loader.whenReady(),
    refresh: () => loader.refresh(),
    use: (target: string | number) => loader.use(target),
    watch: (watched: { readonly everyMs: number }) => loader.watch(watched),
  }
  return Object.defineProperty(Object.assign(face, members), 'loaded', { get: () => loader.loaded, enumerable: true }) as ModelLoader<I, O>
}
