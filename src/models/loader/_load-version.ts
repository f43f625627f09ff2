/** From a version in the store to one that may go live: files, engine, build, gate. */
import type { ModelIdentity } from '../../core/identity.js'
import { modelStage, type ModelFunction, type ModelObject } from '../../core/model.js'
import { isPredictor, predictorOver, stageOf, type Predictor } from '../../core/predictor.js'
import type { Runtime } from '../../core/runtime.js'
import type { Stage, StageSchema } from '../../core/stage.js'
import { LoadedVersion } from './_loaded-version.js'
import type { Engine, EngineModel, EngineObject } from '../engines/engine.js'
import type { LoadModel } from '../engines/function.js'
import { messageOf, passGate, Refusal, type GateOptions, type RefusalStage } from './gate.js'
import { identityOf, type ModelSource, type ModelVersion, type OpenedModel } from '../store/model-store.js'

/** The options of a loader, checked. */
export interface LoaderSettings<I, O> {
  readonly store: ModelSource
  readonly name: string
  readonly follow: string
  readonly engines: readonly Engine<unknown, unknown>[] | undefined
  readonly load: LoadModel<unknown, unknown> | undefined
  readonly build: ((engine: Predictor<unknown, unknown>, version: OpenedModel) => Predictor<I, O> | Promise<Predictor<I, O>>) | undefined
  readonly gate: Pick<GateOptions<I, O>, 'warmup' | 'check'>
  readonly drainMs: number
  readonly schema: StageSchema
  readonly runtime: Runtime
}

const attempt = async <T>(stage: RefusalStage, work: () => T | Promise<T>): Promise<T | Refusal> => {
  try {
    return await work()
  } catch (error) {
    return new Refusal(stage, messageOf(error), error)
  }
}

/**
 * Loads a version and puts it through the gate.
 *
 * @param closers - filled as there is something to close, last made first; the caller closes it after a refusal
 */
export const loadVersion = async <I, O>(settings: LoaderSettings<I, O>, owner: object, version: ModelVersion, closers: (() => unknown)[]): Promise<LoadedVersion<I, O> | Refusal> => {
  const { store, build, gate, runtime, schema } = settings
  const opened = await attempt('open', () => store.open(version))
  if (opened instanceof Refusal) return opened
  const model = await attempt('load', () => loadModel(settings, opened))
  if (model instanceof Refusal) return model
  closers.unshift(() => closeModel(model))
  const identity = Object.freeze(identityOf(version))
  const engineStage = await attempt('load', () => stageOfModel(model, identity, runtime, schema))
  if (engineStage instanceof Refusal) return engineStage
  let stage = engineStage as Stage<I, O>
  if (build !== undefined) {
    const built = await attempt('build', () => build(predictorOver(engineStage, []), opened))
    if (built instanceof Refusal) return built
    const outer = await attempt('build', () => stageOf(built))
    if (outer instanceof Refusal) return outer
    closers.unshift(() => built.close())
    stage = outer
  }
  const refusal = await passGate(predictorOver(stage, []), version, { ...gate, golden: version.manifest.golden })
  return refusal ?? new LoadedVersion(owner, version, identity, stage, closers)
}

const loadModel = async ({ load, engines }: Pick<LoaderSettings<never, never>, 'load' | 'engines'>, opened: OpenedModel): Promise<EngineModel<unknown, unknown>> => {
  if (load !== undefined) return await load(opened.files, opened)
  const engine = engines?.find(({ name }) => name === opened.manifest.engine)
  if (engine === undefined) throw new Error(`no engine of the loader is called \`${opened.manifest.engine}\` (there are: ${engines?.map(({ name }) => name).join(', ') || 'none'})`)
  return await engine.load(opened.files, opened)
}

const stageOfModel = (model: EngineModel<unknown, unknown>, identity: ModelIdentity, runtime: Runtime, schema: StageSchema): Stage<unknown, unknown> =>
  isPredictor(model)
    ? stageOf(model as Predictor<unknown, unknown>)
    : modelStage(model as ModelFunction<unknown, unknown> | ModelObject<unknown, unknown>, { runtime, identity, schema })

const closeModel = async (model: EngineModel<unknown, unknown>): Promise<void> => {
  const { dispose, close } = model as EngineObject<unknown, unknown>
  if (typeof dispose === 'function') await dispose.call(model)
  else if (typeof close === 'function') await close.call(model)
}
