/** A predictor that follows an alias: loads, tries and swaps versions while calls go on. */
import type { ModelIdentity } from '../../core/identity.js'
import { numberOption, optionsObject, stringOption } from '../../core/options.js'
import { predictorOver, type Predictor } from '../../core/predictor.js'
import type { EngineDescription } from '../engines/engine.js'
import { Loader } from './_loader.js'
import { loaderStage } from './_loader-stage.js'
import { settingsOf, type BuiltLoaderOptions, type ModelLoaderOptions } from './loader-options.js'
import type { QuarantinedVersion } from './quarantine.js'
import type { VersionState } from './version-state.js'

/** A version that is in memory. */
export interface LoadedVersionInfo {
  readonly identity: ModelIdentity
  /** `ready` is a previous version that is kept warm. */
  readonly state: Extract<VersionState, 'ready' | 'live' | 'draining'>
  /** When it came to its state, in milliseconds since 1970. */
  readonly since: number
  /** Calls that hold it now. */
  readonly leases: number
  /** What it holds in memory: as its engine measured, else as large as its files. */
  readonly bytes: number
  /** What its engine says of it; empty if it says nothing. */
  readonly description: EngineDescription
}

/** Options of {@link ModelLoader.watch}. */
export interface WatchOptions {
  /** The pause between two looks, in milliseconds. */
  readonly everyMs: number
  /** While looks fail the pauses grow up to this, in milliseconds. @default 5 minutes, or `everyMs` if that is more */
  readonly maxMs?: number
}

/** A predictor that follows a model in a store. */
export interface ModelLoader<I, O> extends Predictor<I, O> {
  /**
   * Loads the first version unless one is live; calls before that fail, or wait (`unavailable`). Concurrent calls share the load, and
   * after a failure the next call tries again.
   *
   * @throws what {@link ModelLoader.refresh} throws
   */
  whenReady(): Promise<ModelIdentity>
  /**
   * Looks where the followed alias points, and if it is another version, loads it, puts it through the gate, and swaps.
   * Resolves with what is live then. A version that is in memory is live at once, also while another one is being loaded.
   *
   * @param options - `again: true` tries a version in quarantine again
   * @throws `ERR_OUTRIGGER_MODEL_REFUSED` (with `stage`, `reason`, `cause`, and what exactly differed) if it did not pass: it
   * is in quarantine, and the live one stays; `ERR_OUTRIGGER_MODEL_UNAVAILABLE` if it failed for reasons that may pass,
   * however often it was tried; `ERR_OUTRIGGER_MODEL_NOT_FOUND`, `ERR_OUTRIGGER_MODEL_CORRUPT` or what the store throws if the
   * reference cannot be resolved; `ERR_OUTRIGGER_ABORTED` if a change that was asked for later came first
   */
  refresh(options?: { readonly again?: boolean }): Promise<ModelIdentity>
  /**
   * Follows something else from now on (a number stays where it is, an alias moves) and swaps to it, quarantine or not.
   * What is followed changes only if the swap succeeds. A version that is in memory is live at once, without the
   * store being asked, also while another one is being loaded: that one will not go live.
   *
   * @throws as {@link ModelLoader.refresh}
   */
  use(target: string | number): Promise<ModelIdentity>
  /**
   * Refreshes from time to time, until the returned function is called or the loader closes. Failures are events, and make
   * the pauses grow. The timer does not keep the process alive.
   */
  watch(options: WatchOptions): () => void
  /** Says that something may have moved, as a webhook does: it looks now, and failures are events. */
  notify(): void
  /**
   * Takes the live version out of memory, and what is kept warm: they drain. `whenReady`, `refresh`, `use`, or a call that
   * may wait, load one again; a watch does not.
   */
  unload(): Promise<void>
  /** The versions that are in memory: the live one, those kept warm, and those that drain. */
  readonly loaded: readonly LoadedVersionInfo[]
  /** The versions that were refused for what they are, and are not tried again by themselves; at most 100. Plain data, which another loader takes as its option `quarantined`. */
  readonly quarantined: readonly QuarantinedVersion[]
  /**
   * Puts a version into quarantine for what it did under traffic: it will not be made live by itself, wherever an alias points. One that is live stays, until
   * the alias moves. Says whether it was not there yet.
   */
  quarantine(version: Pick<QuarantinedVersion, 'name' | 'version' | 'digest'>, reason: string): boolean
  /** Lets a version out of quarantine, so that the next look tries it. Says whether it was there. */
  release(digest: string): boolean
}

/**
 * A predictor that follows an alias of a model in a store, and is swapped while calls go on.
 *
 * A new version is loaded beside the live one: the hash of every file is checked, the engine loads it, it is warmed up,
 * its golden predictions must come out within their tolerance through the whole adapter, and no output may hold NaN or
 * an infinity. A version that fails is refused, and the live one stays. The swap is one assignment. Every call takes a
 * lease at its entry and is served by that version to its end, retries and cache fills included; the old version is
 * disposed when its last lease ends.
 *
 * Events (`observe`): states `discovered`, `verified`, `loading`, `warming`, `checking`, `ready`, `live`, `draining`,
 * `disposed`, `quarantined` of each version, with the layer `model-loader` and the subject `name@version`.
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
  const loader = new Loader<I, O>(settingsOf(options))
  const face = predictorOver(loaderStage<I, O>(loader.owner, loader), [() => loader.close()])
  const members = {
    whenReady: () => loader.whenReady(),
    refresh: ({ again = false }: { readonly again?: boolean } = {}) => loader.refresh(again),
    use: (target: string | number) => loader.use(target),
    watch: (options: WatchOptions) => {
      optionsObject('a watch', options, ['everyMs', 'maxMs'])
      const everyMs = numberOption('a watch', 'everyMs', options.everyMs, { min: 1 })
      return loader.watch({ everyMs, maxMs: numberOption('a watch', 'maxMs', options.maxMs ?? Math.max(everyMs, 300_000), { min: everyMs }) })
    },
    notify: () => loader.notify(),
    unload: () => loader.unload(),
    quarantine: ({ name, version, digest }: Pick<QuarantinedVersion, 'name' | 'version' | 'digest'>, reason: string) =>
      loader.refuse({ name: stringOption('a quarantine', 'name', name), version: numberOption('a quarantine', 'version', version, { min: 1, integer: true }), digest: stringOption('a quarantine', 'digest', digest) }, stringOption('a quarantine', 'reason', reason)),
    release: (digest: string) => loader.release(digest),
  }
  return Object.defineProperties(Object.assign(face, members), {
    loaded: { get: () => loader.loaded, enumerable: true },
    quarantined: { get: () => loader.quarantined, enumerable: true },
  }) as ModelLoader<I, O>
}
