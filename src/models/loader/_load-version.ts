/** From a version in the store to one that may go live: trust, files, engine, build, gate. */
import type { ModelIdentity } from '../../core/identity.js'
import { OutriggerError } from '../../core/errors.js'
import { modelStage, type ModelFunction, type ModelObject } from '../../core/model.js'
import { isPredictor, predictorOver, stageOf, type Predictor } from '../../core/predictor.js'
import type { Runtime } from '../../core/runtime.js'
import type { Stage, StageSchema } from '../../core/stage.js'
import type { Engine, EngineDescription, EngineModel, EngineMembers, EngineObject } from '../engines/engine.js'
import type { LoadModel } from '../engines/function.js'
import { signatureFaults } from '../manifest/signature-compatibility.js'
import { checkTrust, type TrustPolicy } from '../manifest/trust.js'
import { identityOf, type ModelHold, type ModelSource, type ModelStore, type ModelVersion, type OpenedModel } from '../store/model-store.js'
import { LoadedVersion } from './_loaded-version.js'
import { subjectOf, type Reporter } from './_reporter.js'
import { withinLimit, type TimeLimit } from './_time-limit.js'
import type { VersionLife } from './_version-life.js'
import { askCheck, checkGolden, warmUp, type GateReport, type WarmUp } from './gate.js'
import { atStage, Refusal } from './refusal.js'

/** The options of a loader that loading a version needs, checked. */
export interface LoadSettings<I, O> {
  readonly store: ModelSource
  /** Says in the store that a version is in use, for as long as it is in memory. */
  readonly hold: ModelStore['hold'] | undefined
  readonly engines: readonly Engine<unknown, unknown>[] | undefined
  readonly load: LoadModel<unknown, unknown> | undefined
  readonly build: ((engine: Predictor<unknown, unknown>, version: OpenedModel) => Predictor<I, O> | Promise<Predictor<I, O>>) | undefined
  readonly warmUp: WarmUp<I>
  readonly check: ((candidate: Predictor<I, O>, version: ModelVersion) => unknown) | undefined
  readonly requireGolden: boolean
  readonly trust: TrustPolicy
  readonly compatibility: 'callers' | 'off'
  readonly loadTimeoutMs: number
  readonly gateTimeoutMs: number
  readonly schema: StageSchema
  readonly runtime: Runtime
}

/** One try to load a version. */
export interface LoadAttempt {
  readonly life: VersionLife
  readonly reporter: Reporter
  /** Fires when nobody wants the version any more. */
  readonly signal: AbortSignal
  /** Filled as there is something to close, last made first; whoever tries closes it after a failure. */
  readonly closers: (() => unknown)[]
  /** Whose callers the version has to serve: what is live, or was last. */
  readonly before: ModelVersion | undefined
}

/**
 * What can be known of a version before its engine sees it.
 *
 * @throws `Refusal`; or what the signal says
 */
export const verifyVersion = async <I, O>(settings: LoadSettings<I, O>, attempt: LoadAttempt): Promise<OpenedModel> => {
  const { store, runtime: { clock }, loadTimeoutMs, compatibility, trust, load, requireGolden } = settings
  const { life, signal, before } = attempt
  const { version } = life
  // The bare minimum before anything of it is read or run.
  const { signedBy } = await atStage('trust', () => checkTrust(version, trust))
  const engine = load === undefined ? engineOf(settings, version) : undefined
  if (requireGolden && (version.manifest.golden ?? []).length === 0) throw new Refusal('golden', 'it has no golden predictions, and the loader requires some')
  if (compatibility === 'callers') checkCallers(before, version)
  if (settings.hold !== undefined) await holdVersion(settings.hold, attempt, { clock, ms: loadTimeoutMs, step: `hold ${subjectOf(version)}`, signal })
  const opened = await atStage('open', () => withinLimit({ clock, ms: loadTimeoutMs, step: `read ${subjectOf(version)}`, signal }, (given) => store.open(version, { signal: given, mayShare: engine?.passesFilesOn === true })))
  life.go('verified', signedBy.length === 0 ? 'its files are what its manifest says' : 'it is signed, and its files are what its manifest says', signedBy.length === 0 ? {} : { signedBy })
  // By the manifest that was trusted, whatever the source says by now.
  return { ...version, files: opened.files }
}

/** Serving goes before housekeeping: a store that takes no hold is a notice. */
const holdVersion = async (hold: ModelStore['hold'], { life, reporter, closers }: LoadAttempt, limit: TimeLimit): Promise<void> => {
  const { name, version, digest } = life.version
  const subject = subjectOf(life.version)
  const release = async (held: ModelHold): Promise<void> => {
    try {
      await held.release()
    } catch (error) {
      reporter.notice(`Ending the hold of ${subject} failed; it ends by its time.`, error)
    }
  }
  try {
    const held = await withinLimit(limit, () => hold(`${name}@${version}`), (late) => void release(late))
    closers.push(() => release(held))
  } catch (error) {
    reporter.notice(`The store could not be told that ${subject} is in use.`, error, { subject, digest })
  }
}

/** Whether the callers of one version are served by a later one. To go back to an earlier one is a decision that nobody is to be kept from. */
const checkCallers = (before: ModelVersion | undefined, version: ModelVersion): void => {
  const wanted = before?.manifest.signature
  if (before === undefined || wanted === undefined || version.version <= before.version) return
  const offered = version.manifest.signature
  const faults = offered === undefined ? ['it has no signature'] : signatureFaults(wanted, offered)
  if (faults.length > 0) throw new Refusal('compatibility', `callers of version ${before.version} would not be served: ${faults.join('; ')}`, { faults })
}

/**
 * Loads a verified version and puts it through the gate.
 *
 * @throws `Refusal`; or what the signal says
 */
export const loadVersion = async <I, O>(settings: LoadSettings<I, O>, owner: object, opened: OpenedModel, attempt: LoadAttempt): Promise<LoadedVersion<I, O>> => {
  const { build, runtime, schema, loadTimeoutMs, gateTimeoutMs, check } = settings
  const { life, signal, closers, reporter } = attempt
  const { version } = life
  const subject = subjectOf(version)
  const limit = (step: string, ms = loadTimeoutMs): TimeLimit => ({ clock: runtime.clock, ms, step: `${step} ${subject}`, signal })
  /** What came after nobody waited for it any more. */
  const discard = (close: () => unknown): void => {
    const done = async (): Promise<void> => void (await close())
    done().catch((error: unknown) => reporter.notice(`Closing ${subject}, which was loaded too late, failed.`, error))
  }

  life.go('loading', `its engine is \`${version.manifest.engine}\``)
  const model = await atStage('load', () => withinLimit(limit('load'), () => loadModel(settings, opened), (late) => discard(() => closeModel(late))))
  closers.unshift(() => closeModel(model))
  const unobserve = await atStage('load', () => observeModel(model, (event) => reporter.pass(event)))
  if (unobserve !== undefined) closers.push(unobserve)
  const identity = Object.freeze(identityOf(version))
  const engineStage = await atStage('load', () => stageOfModel(model, identity, runtime, schema))
  const description = await atStage('load', () => descriptionOf(model))
  let stage = engineStage as Stage<I, O>
  if (build !== undefined) {
    const built = await atStage('build', () => withinLimit(limit('build'), () => build(predictorOver(engineStage, []), opened), (late) => discard(() => late.close())))
    stage = await atStage('build', () => stageOf(built))
    closers.unshift(() => built.close())
  }

  const candidate = predictorOver(stage, [])
  const golden = version.manifest.golden ?? []
  const rows = settings.warmUp.rows ?? golden.map(({ input }) => input as I)
  const sizes = rows.length === 0 ? [] : (settings.warmUp.sizes ?? usualSizes(description, engineStage))
  const pause = (): Promise<void> => new Promise((resolve) => runtime.clock.setImmediate(resolve))
  life.go('warming', rows.length === 0 ? 'there is nothing to warm it up with' : `${rows.length} rows in sizes of ${sizes.join(', ')}`)
  const runs = await atStage('warm-up', () => withinLimit(limit('warm up', gateTimeoutMs), (given) => warmUp(candidate, { rows, areGolden: settings.warmUp.rows === undefined, sizes, runs: settings.warmUp.runs ?? 1, signal: given, pause })))
  life.go('checking', golden.length === 0 ? 'it has no golden predictions' : `${golden.length} golden predictions`)
  await atStage('golden', () => withinLimit(limit('check the golden predictions of', gateTimeoutMs), (given) => checkGolden(candidate, golden, { signal: given, pause })))
  if (check !== undefined) await atStage('check', () => withinLimit(limit('check', gateTimeoutMs), () => askCheck(candidate, version, check)))
  if (golden.length === 0 && rows.length === 0 && check === undefined) reporter.notice(`Nothing was checked of ${subject} but its files: it has no golden predictions, and the loader has neither warm-up rows nor a check.`, undefined, { subject, digest: version.digest })
  const gate: GateReport = { warmUp: { rows: rows.length, sizes, runs }, golden: { rows: golden.length }, isChecked: check !== undefined }
  life.go('ready', 'it passed the gate', { gate })
  return new LoadedVersion({ owner, life, identity, stage, closers, description })
}

/** The engine that a manifest names. It is looked for before anything is read. */
const engineOf = ({ engines = [] }: Pick<LoadSettings<never, never>, 'engines'>, version: ModelVersion): Engine<unknown, unknown> => {
  const wanted = version.manifest.engine
  const engine = engines.find(({ name }) => name === wanted)
  if (engine !== undefined) return engine
  const there = engines.map(({ name }) => name).join(', ') || 'none'
  throw new Refusal('load', `no engine of the loader is called \`${wanted}\` (there are: ${there})`, {}, new OutriggerError('ERR_OUTRIGGER_ENGINE_UNKNOWN', `Cannot load ${subjectOf(version)} as its engine must be one of those that the loader has (${there}): current value is \`${wanted}\``, { engine: wanted }))
}

const loadModel = async ({ load, engines }: Pick<LoadSettings<never, never>, 'load' | 'engines'>, opened: OpenedModel): Promise<EngineModel<unknown, unknown>> =>
  load === undefined ? await engineOf({ engines }, opened).load(opened.files, opened) : await load(opened.files, opened)

/** A first run of a size is slow; these are sizes as callers and micro-batching have them. */
const usualSizes = ({ batchSize, batchable }: EngineDescription, stage: Stage<unknown, unknown>): readonly number[] => {
  if (batchSize !== undefined) return [batchSize]
  return (batchable ?? stage.traits.rowByRow !== true) ? [1, 8, 32] : [1]
}

const stageOfModel = (model: EngineModel<unknown, unknown>, identity: ModelIdentity, runtime: Runtime, schema: StageSchema): Stage<unknown, unknown> =>
  isPredictor(model)
    ? stageOf(model as Predictor<unknown, unknown>)
    : modelStage(model as ModelFunction<unknown, unknown> | ModelObject<unknown, unknown>, { runtime, identity, schema })

/** A predictor's `describe` is a text, and says nothing of an engine. */
const descriptionOf = (model: EngineModel<unknown, unknown>): EngineDescription => {
  if (isPredictor(model)) return {}
  const { describe } = model as EngineMembers
  const description: unknown = typeof describe === 'function' ? describe.call(model) : undefined
  return typeof description === 'object' && description !== null ? description : {}
}

/** What happens to a model beside its calls; a predictor's events travel with its stage. */
const observeModel = (model: EngineModel<unknown, unknown>, listener: Parameters<NonNullable<EngineMembers['observe']>>[0]): (() => void) | undefined => {
  if (isPredictor(model)) return undefined
  const { observe } = model as EngineMembers
  const stop: unknown = typeof observe === 'function' ? observe.call(model, listener) : undefined
  return typeof stop === 'function' ? () => void stop() : undefined
}

const closeModel = async (model: EngineModel<unknown, unknown>): Promise<void> => {
  const { dispose, close } = model as EngineObject<unknown, unknown>
  if (typeof dispose === 'function') await dispose.call(model)
  else if (typeof close === 'function') await close.call(model)
}
