/** What a loader is told, and the checks of it. */
import type { Clock } from '../../core/clock.js'
import { InvalidOptionError } from '../../core/errors.js'
import type { MaskableSchema } from '../../core/masking.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import type { Predictor } from '../../core/predictor.js'
import type { Random } from '../../core/random.js'
import { runtimeOf, systemRuntime } from '../../core/runtime.js'
import type { Engine } from '../engines/engine.js'
import type { LoadModel } from '../engines/function.js'
import { isolated } from '../isolation/isolated.js'
import type { Isolation, IsolationOptions } from '../isolation/isolation-options.js'
import { checkModelName, checkTarget, parseReference } from '../manifest/names.js'
import { trustPolicy, type TrustPolicy, type TrustPolicyOptions } from '../manifest/trust.js'
import type { ModelSource, ModelStore, ModelVersion, OpenedModel } from '../store/model-store.js'
import type { LoaderSettings } from './_loader-settings.js'
import type { WaitingRule } from './_waiting-room.js'
import type { WarmUp } from './gate.js'
import { poolOf, type ModelPool } from './model-pool.js'
import type { QuarantinedVersion } from './quarantine.js'
import type { SwapStrategy } from './swap-plan.js'

/** Options of a loader, whatever its rows. */
export interface LoaderOptions<I, O> {
  /** Where versions come from: a `modelStore`. */
  readonly store: ModelSource
  /** The model's name in the store. */
  readonly name: string
  /** What to follow: an alias, `latest`, the highest of a range (`2..4`, `2..`), or a version that it stays with. @default 'latest' */
  readonly follow?: string | number

  /** Says in the store which versions are in memory here, so that neither `gc` nor `removeVersion` takes them away. It writes to the store. @default false */
  readonly hold?: boolean
  /** What a version must be to be loaded at all: listed, signed; asked before anything of it is read. @default `{ require: 'digest' }` */
  readonly trust?: TrustPolicy | TrustPolicyOptions
  /**
   * `callers`: a version must, by its signature, accept what the live one accepts and give what that one gives; one that is older
   * than the live one is not asked. `off`: it need not.
   *
   * @default 'callers'; 'off' with `build`, which callers see in the place of the signature
   */
  readonly compatibility?: 'callers' | 'off'
  /** Rows to predict before a version goes live, so that no caller pays for the first run; or more about it. @default the inputs of its golden predictions */
  readonly warmup?: readonly I[] | WarmUp<I>
  /** A check of the user's before a version goes live; it refuses the version by throwing. */
  readonly check?: (candidate: Predictor<I, O>, version: ModelVersion) => unknown
  /** Whether a version without golden predictions is refused. @default false */
  readonly requireGolden?: boolean

  /** A memory budget shared with other loaders. Without a place in it the model is loaded by the next call. @default none */
  readonly pool?: ModelPool
  /** How a new version makes room: see {@link SwapStrategy}. @default 'available'; 'auto' with a `pool` */
  readonly strategy?: SwapStrategy
  /** What its versions may hold together, in bytes. Needed for `auto`, which decides by it, or by the `pool`. */
  readonly memoryBudgetBytes?: number
  /** So many previous versions stay loaded, so that going back to them loads nothing. @default 0 */
  readonly keepWarm?: number
  /** How long calls may hold on to a version that was replaced, in milliseconds. @default 30_000 */
  readonly drainMs?: number
  /**
   * What happens to calls while no version is live: before the first one, and while a frugal swap is under way. They `fail`,
   * or wait for `waitMs` (at most `max` rows, 1000 if not said), and the first of them loads the version if nobody does.
   *
   * @default 'fail'; with a `pool` they wait for 30 s
   */
  readonly unavailable?: 'fail' | { readonly waitMs: number; readonly max?: number }

  /** How often loading is tried again after a fault that may pass. @default 5 */
  readonly retries?: number
  /** The shortest pause before that, in milliseconds; pauses grow, are spread, and are never longer than 30 s. @default 500 */
  readonly retryDelayMs?: number
  /** Resolving a reference, reading the files, loading and building may each take so long, in milliseconds. @default 120_000 */
  readonly loadTimeoutMs?: number
  /** Warming up, the golden predictions and the check may each take so long, in milliseconds. @default 60_000 */
  readonly gateTimeoutMs?: number
  /** Versions that were refused before: what `quarantined` of another loader said. @default none */
  readonly quarantined?: readonly QuarantinedVersion[]

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
  | {
    readonly engines: readonly Engine<I, O>[]
    /** Where the models of these engines compute: `isolated` around each of them. @default 'inline', or where each of them says */
    readonly isolate?: Isolation | IsolationOptions
    readonly load?: undefined
  }
  | { readonly load: LoadModel<I, O>; readonly engines?: undefined; readonly isolate?: undefined }

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

const owner = 'modelLoader'
const known: readonly (keyof BuiltLoaderOptions<unknown, unknown, unknown, unknown>)[] = [
  'store', 'name', 'follow', 'hold', 'engines', 'isolate', 'load', 'build', 'trust', 'compatibility', 'warmup', 'check', 'requireGolden', 'pool', 'strategy', 'memoryBudgetBytes', 'keepWarm', 'drainMs', 'unavailable',
  'retries', 'retryDelayMs', 'loadTimeoutMs', 'gateTimeoutMs', 'quarantined', 'clock', 'random', 'input', 'output',
]

/** The options, checked and complete. @throws `ERR_OUTRIGGER_INVALID_OPTION` */
export const settingsOf = <I, O>(options: ModelLoaderOptions<I, O> | BuiltLoaderOptions<unknown, unknown, I, O>): LoaderSettings<I, O> => {
  optionsObject(owner, options, known)
  const { store, name, follow = 'latest', hold = false, engines, isolate, load, build, trust = { require: 'digest' }, compatibility = options.build === undefined ? 'callers' : 'off', warmup, check, requireGolden = false, pool, strategy = pool === undefined ? 'available' : 'auto', memoryBudgetBytes, keepWarm = 0, drainMs = 30_000, unavailable = pool === undefined ? 'fail' : { waitMs: 30_000 }, retries = 5, retryDelayMs = 500, loadTimeoutMs = 120_000, gateTimeoutMs = 60_000, quarantined, clock, random, input, output } = options
  checkModelName('create modelLoader', name)
  if (store === undefined || store === null) throw new InvalidOptionError(`Cannot create ${owner} as \`store\` must have \`resolve\` and \`open\`: current value is ${String(store)}`)
  membersOption(owner, 'store', store, ['resolve', 'open'])
  const target = checkTarget(follow)
  parseReference(`${name}@${target}`)
  if (typeof hold !== 'boolean') throw new InvalidOptionError(`Cannot create ${owner} as \`hold\` must be true or false: current value is ${String(hold)}`)
  if (hold) membersOption(owner, 'store', store as ModelStore, ['hold'])
  if ((engines === undefined) === (load === undefined)) throw new InvalidOptionError(`Cannot create ${owner} as it needs either \`engines\` or \`load\`: current value has ${load === undefined ? 'neither' : 'both'}`)
  if (engines !== undefined && !Array.isArray(engines)) throw new InvalidOptionError(`Cannot create ${owner} as \`engines\` must be an array: current value is ${typeof engines}`)
  for (const engine of engines ?? []) stringOption(owner, 'engines[].name', engine.name)
  if (isolate !== undefined && engines === undefined) throw new InvalidOptionError(`Cannot create ${owner} as \`isolate\` moves engines, and a function \`load\` cannot go elsewhere: current value is ${JSON.stringify(isolate)}`)
  functionOption(owner, 'load', load)
  functionOption(owner, 'build', build)
  functionOption(owner, 'check', check)
  if (compatibility !== 'callers' && compatibility !== 'off') throw new InvalidOptionError(`Cannot create ${owner} as \`compatibility\` must be 'callers' or 'off': current value is ${JSON.stringify(compatibility)}`)
  if (typeof requireGolden !== 'boolean') throw new InvalidOptionError(`Cannot create ${owner} as \`requireGolden\` must be true or false: current value is ${String(requireGolden)}`)
  numberOption(owner, 'drainMs', drainMs, { min: 0 })
  numberOption(owner, 'keepWarm', keepWarm, { min: 0, integer: true })
  numberOption(owner, 'retries', retries, { min: 0, integer: true })
  numberOption(owner, 'retryDelayMs', retryDelayMs, { min: 1 })
  numberOption(owner, 'loadTimeoutMs', loadTimeoutMs, { min: 1 })
  numberOption(owner, 'gateTimeoutMs', gateTimeoutMs, { min: 1 })
  if (strategy !== 'available' && strategy !== 'frugal' && strategy !== 'auto') throw new InvalidOptionError(`Cannot create ${owner} as \`strategy\` must be 'available', 'frugal' or 'auto': current value is ${JSON.stringify(strategy)}`)
  const shared = poolOf(pool)
  if (pool !== undefined && shared === undefined) throw new InvalidOptionError(`Cannot create ${owner} as \`pool\` must be a \`modelPool\`: current value is of type ${typeof pool}`)
  if (pool === undefined ? (strategy === 'auto') !== (memoryBudgetBytes !== undefined) : memoryBudgetBytes !== undefined && strategy !== 'auto') throw new InvalidOptionError(`Cannot create ${owner} as \`memoryBudgetBytes\` goes with the strategy 'auto' and only with it (or there is a \`pool\`): current value is ${String(memoryBudgetBytes)} with '${strategy}'`)
  if (strategy === 'frugal' && keepWarm > 0) throw new InvalidOptionError(`Cannot create ${owner} as a frugal loader holds one version at a time: current value of \`keepWarm\` is ${keepWarm}`)
  return {
    store,
    name,
    follow: target,
    hold: hold ? (reference) => (store as ModelStore).hold(reference) : undefined,
    engines: isolate === undefined ? engines as readonly Engine<unknown, unknown>[] | undefined : engines?.map((engine) => isolatedBy(engine as Engine<unknown, unknown>, isolate, clock, random)),
    load: load as LoadModel<unknown, unknown> | undefined,
    build: build as BuiltLoaderOptions<unknown, unknown, I, O>['build'] | undefined,
    trust: typeof trust === 'object' && trust !== null && 'keyIds' in trust ? trust : trustPolicy(trust),
    compatibility,
    warmUp: warmUpOf<I>(warmup),
    check,
    requireGolden,
    strategy,
    pool: shared,
    memoryBudgetBytes: memoryBudgetBytes === undefined ? Infinity : numberOption(owner, 'memoryBudgetBytes', memoryBudgetBytes, { min: 1 }),
    keepWarm,
    drainMs,
    unavailable: waitingRuleOf(unavailable),
    retries,
    retryDelayMs,
    loadTimeoutMs,
    gateTimeoutMs,
    quarantined,
    schema: { input, output },
    runtime: clock === undefined && random === undefined ? systemRuntime() : runtimeOf({ clock, random }),
  }
}

/** On the loader's clock, unless it has one of its own. */
const isolatedBy = (engine: Engine<unknown, unknown>, isolate: Isolation | IsolationOptions, clock: Clock | undefined, random: Random | undefined): Engine<unknown, unknown> =>
  isolated(engine, { ...(clock === undefined ? {} : { clock }), ...(random === undefined ? {} : { random }), ...(typeof isolate === 'object' ? isolate : { isolate }) })

const warmUpOf = <I>(given: readonly I[] | WarmUp<I> | undefined): WarmUp<I> => {
  if (given === undefined) return {}
  if (Array.isArray(given)) return { rows: given as readonly I[] }
  const warmup = given as WarmUp<I>
  optionsObject(`${owner} with \`warmup\``, warmup, ['rows', 'sizes', 'runs'])
  const { rows, sizes, runs } = warmup
  for (const [name, value] of Object.entries({ rows, sizes })) {
    if (value !== undefined && !Array.isArray(value)) throw new InvalidOptionError(`Cannot create ${owner} as \`warmup.${name}\` must be an array: current value is ${typeof value}`)
  }
  for (const size of sizes ?? []) numberOption(owner, 'warmup.sizes[]', size, { min: 1, integer: true })
  if (runs !== undefined) numberOption(owner, 'warmup.runs', runs, { min: 1, integer: true })
  return warmup
}

const waitingRuleOf = (given: unknown): WaitingRule | undefined => {
  if (given === 'fail') return undefined
  if (typeof given !== 'object') throw new InvalidOptionError(`Cannot create ${owner} as \`unavailable\` must be 'fail' or { waitMs, max? }: current value is ${String(given)}`)
  optionsObject(`${owner} with \`unavailable\``, given, ['waitMs', 'max'])
  const { waitMs, max = 1000 } = given as Partial<WaitingRule>
  return { waitMs: numberOption(owner, 'unavailable.waitMs', waitMs as number, { min: 1 }), max: numberOption(owner, 'unavailable.max', max, { min: 1, integer: true }) }
}
